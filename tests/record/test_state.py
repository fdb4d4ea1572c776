"""Rows that a server's processes share: against a plain list of the same, and what is changed behind salus's back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.record import state as module
from salus.record.state import Full, Kind, State
from salus.trust.vault import SYSTEM
from tests.conftest import AT

SECOND = timedelta(seconds=1)
KIND, OTHER = Kind("token", 3), Kind("page", 3)


def at(seconds: int):
    return AT + seconds * SECOND


@pytest.fixture
def state(ward) -> State:
    return State(ward.house.store.connection, ward.house.vault)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "add", "touch", "drop", "wait"]), st.sampled_from("ab"), st.integers(1, 20)
    ),
    max_size=40,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_the_table_keeps_what_a_plain_list_would(ward, state, steps):
    ward.house.store.connection.execute("DELETE FROM server_state")
    plain: list[tuple[str, str, bytes, int]] = []  # owner, name, body, end; the longest unused first
    now = 0
    for number, (step, owner, length) in enumerate(steps):
        name, body = str(number), b"%d" % number
        if step == "wait":
            now += length
        elif step in ("drop", "touch") and plain:
            chosen = plain[length % len(plain)]
            if step == "drop":
                state.drop(KIND, chosen[1])
                plain.remove(chosen)
            elif chosen[3] > now:
                now += 1
                if chosen[3] > now:
                    state.touch(KIND, chosen[1], at(now))
                    plain.remove(chosen)
                    plain.append(chosen)
        elif step in ("put", "add"):
            plain = [p for p in plain if p[3] > now]
            own = [p for p in plain if p[0] == owner]
            if step == "add" and len(own) == KIND.each:
                with pytest.raises(Full):
                    state.add(KIND, owner, name, body, at(now + length), at(now))
                continue
            if len(own) == KIND.each:
                plain.remove(own[0])
            getattr(state, step)(KIND, owner, name, body, at(now + length), at(now))
            plain.append((owner, name, body, now + length))
        for _, kept, value, end in plain:
            found = state.find(KIND, kept, at(now))
            assert (found.body if found else None) == (value if end > now else None)
    (rows,) = ward.house.store.connection.execute("SELECT count(*) FROM server_state").fetchone()
    assert rows >= len([p for p in plain if p[3] > now])


def test_a_row_is_found_under_its_kind_and_name_alone_and_not_opened_twice(state):
    state.put(KIND, "a", "n", b"body", at(60), AT)
    found = state.find(KIND, "n", AT)
    assert (found.body, found.used, found.expires) == (b"body", AT, at(60))
    assert state.find(KIND, "n", AT, known=found) is found
    assert state.find(OTHER, "n", AT) is None
    assert state.find(KIND, "m", AT) is None
    assert state.find(KIND, "n", at(60), known=found) is None
    state.touch(KIND, "n", at(5))
    again = state.find(KIND, "n", at(5), known=found)
    assert (again.body, again.used) == (b"body", at(5))


@pytest.mark.parametrize(
    "change",
    [
        "expires = expires + 1",
        "used = used + 1",
        "owner = x'00112233445566778899aabbccddeeff'",
        "body = substr(body, 1, length(body) - 1)",
        "body = (SELECT body FROM server_state WHERE kind = 'page')",
    ],
)
def test_a_row_that_was_changed_behind_salus_is_none(ward, state, change):
    state.put(KIND, "a", "n", b"body", at(60), AT)
    state.put(OTHER, "a", "n", b"body", at(60), AT)
    ward.house.store.connection.execute(f"UPDATE server_state SET {change} WHERE kind = 'token'")
    assert state.find(KIND, "n", AT) is None
    state.touch(KIND, "n", at(1))
    assert state.find(KIND, "n", AT) is None


def test_a_body_opens_under_its_own_key_only(ward, state):
    ward.house.vault.create("p1")
    state.put(KIND, "a", "n", b"body", at(60), AT, under="p1")
    assert state.find(KIND, "n", AT, under="p1").body == b"body"
    assert state.find(KIND, "n", AT, under=SYSTEM) is None


def test_what_has_ended_goes_in_bounded_steps(ward, state, monkeypatch):
    monkeypatch.setattr(module, "STEP", 2)
    for n in range(5):
        state.put(Kind("token", 10), "a", str(n), b"", at(60), AT)
    assert not state.stale(at(59))
    assert state.stale(at(60))
    assert [state.sweep(at(60)) for _ in range(4)] == [2, 2, 1, 0]


def test_nothing_goes_that_has_not_ended(ward, state):
    state.put(KIND, "a", "n", b"", at(60), AT)
    assert state.sweep(at(59)) == 0
    assert state.find(KIND, "n", AT) is not None
    state.drop_owned(KIND, "b")
    state.drop_owned(OTHER, "a")
    assert state.find(KIND, "n", AT) is not None
    state.drop_owned(KIND, "a")
    assert state.find(KIND, "n", AT) is None


def test_an_owner_whose_rows_all_ended_has_room_however_many_wait_to_be_deleted(state, monkeypatch):
    monkeypatch.setattr(module, "STEP", 0)
    for n in range(KIND.each):
        state.add(KIND, "a", str(n), b"", at(60), AT)
    with pytest.raises(Full):
        state.add(KIND, "a", "more", b"", at(120), at(59))
    state.add(KIND, "a", "more", b"", at(120), at(60))
