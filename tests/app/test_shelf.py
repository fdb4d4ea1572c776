"""What is kept for a time: against a plain list of the same, and failures by place and name."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.app.shelf import FORGOTTEN, FREE_FAILURES, LONGEST_WAIT, MAX_NAMES, MAX_ORIGINS, Attempts, Full, Shelf
from tests.conftest import AT

SECOND = timedelta(seconds=1)


def at(seconds: int):
    return AT + seconds * SECOND


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "put", "drop", "wait"]), st.sampled_from("abc"), st.integers(1, 20)), max_size=60
)


@given(STEPS, st.integers(1, 4), st.integers(2, 8))
def test_a_shelf_keeps_what_a_plain_list_would(steps, each, total):
    shelf: Shelf[int] = Shelf(each, total)
    plain: list[tuple[str, bytes, int, int]] = []  # owner, key, value, end, oldest first
    now = 0
    for number, (step, owner, length) in enumerate(steps):
        key = b"%d" % number
        if step == "wait":
            now += length
        elif step == "drop" and plain:
            key = plain[length % len(plain)][1]
            shelf.drop(key)
            plain = [p for p in plain if p[1] != key]
        elif step == "put":
            shelf.put(owner, key, number, at(now + length), at(now))
            plain = [p for p in plain if p[3] > now]
            own = [p for p in plain if p[0] == owner]
            if len(own) >= each:
                plain.remove(own[0])
            if len(plain) >= total:
                plain.remove(min(plain, key=lambda p: (p[3], p[1])))
            plain.append((owner, key, number, now + length))
        for _, kept, value, end in plain:
            assert shelf.get(kept, at(now)) == (value if end > now else None)
        assert len(shelf) >= len([p for p in plain if p[3] > now])
        assert len(shelf) <= total
        assert len(shelf._ends) <= 2 * len(shelf) + 65


def test_without_room_only_who_holds_a_fair_share_is_refused():
    shelf: Shelf[int] = Shelf(10, 6)
    for number in range(6):
        shelf.add("many", b"m%d" % number, number, at(60), at(0))
    with pytest.raises(Full):
        shelf.add("many", b"m", 0, at(60), at(0))
    shelf.add("few", b"f", 1, at(60), at(0))
    assert shelf.get(b"m0", at(0)) == 0  # nothing had to go
    shelf.add("many", b"later", 0, at(120), at(60))


def test_each_owner_has_so_much_and_no_more():
    shelf: Shelf[int] = Shelf(2, 100)
    shelf.add("a", b"1", 1, at(60), at(0))
    shelf.add("a", b"2", 2, at(60), at(0))
    with pytest.raises(Full):
        shelf.add("a", b"3", 3, at(60), at(0))
    shelf.add("b", b"4", 4, at(60), at(0))


def test_who_comes_and_goes_leaves_nothing_behind():
    shelf: Shelf[int] = Shelf(20, 100)
    for number in range(10_000):
        key = b"%d" % number
        shelf.put("a", key, number, at(10_000), at(0))
        shelf.drop(key)
    assert (len(shelf), len(shelf._owned)) == (0, 0)
    assert len(shelf._ends) < 100


def test_failures_cost_ever_longer_waits_up_to_a_minute_and_are_forgotten():
    attempts = Attempts()
    for _ in range(FREE_FAILURES - 1):
        attempts.failed("there", "pat", AT)
    assert not attempts.must_wait("there", "pat", AT)
    waits = []
    for _ in range(9):
        attempts.failed("there", "pat", AT)
        waits.append(next(n for n in range(100) if not attempts.must_wait("there", "pat", at(n))))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert LONGEST_WAIT == 60 * SECOND
    later = AT + FORGOTTEN + SECOND
    attempts.failed("there", "pat", later)
    assert not attempts.must_wait("there", "pat", later)


def test_failures_count_for_one_name_from_one_place():
    attempts = Attempts()
    for _ in range(FREE_FAILURES + 5):
        attempts.failed("there", "pat", AT)
    assert attempts.must_wait("there", "pat", AT)
    assert not attempts.must_wait("here", "pat", AT)
    assert not attempts.must_wait("there", "dr-lee", AT)
    attempts.succeeded("there", "pat")
    assert not attempts.must_wait("there", "pat", AT)
    assert not attempts._failures


def test_places_and_names_are_bounded():
    attempts = Attempts()
    for number in range(MAX_NAMES + 10):
        attempts.failed("there", str(number), AT)
    for number in range(MAX_ORIGINS + 10):
        attempts.failed(str(number), "pat", AT)
    assert len(attempts._failures) == MAX_ORIGINS
    assert all(len(names) <= MAX_NAMES for names in attempts._failures.values())
