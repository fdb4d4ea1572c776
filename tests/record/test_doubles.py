"""Doubles: what two sources tell of one event counts once, and two events never become one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.record.doubles import HOUR, WINDOW, By, Told, dropped

WATCH, PHONE, APP = By("Watch", "Health"), By("Phone", "Health"), By("Watch", "Other")
ORDER = {WATCH: (1,), PHONE: (2,), APP: (3,)}


def told(second, value, by=WATCH, rank=None, unit="/min"):
    values = tuple((Decimal(v), unit) for v in (value if isinstance(value, tuple) else (value,)))
    return Told(int(second * 1_000_000), values, by, rank or ORDER[by])


def left(*readings, counts=False):
    ordered = sorted(readings, key=lambda r: r.start)
    out = dropped(ordered, counts=counts)
    return [r for n, r in enumerate(ordered) if n not in out]


@pytest.mark.parametrize("away", [0, 1, 30, 59.9, -1, -59.9])
def test_a_copy_by_another_source_counts_once(away):
    first, copy = told(100, "72"), told(100 + away, "72", PHONE)
    assert left(first, copy) == [first]


@pytest.mark.parametrize("away", [60, -60, 61, 3600])
def test_a_minute_apart_are_two(away):
    assert len(left(told(100, "72"), told(100 + away, "72", PHONE))) == 2


@pytest.mark.parametrize("other", ["73", "72.1", "71.9"])
def test_another_value_is_another_event(other):
    assert len(left(told(0, "72"), told(1, other, PHONE))) == 2


@pytest.mark.parametrize("other", ["71.305", "71.3", "71.34"])
def test_what_units_and_rounding_leave_is_one_event(other):
    assert len(left(told(0, "71.3"), told(1, other, PHONE))) == 1


def test_the_same_number_in_another_unit_is_another_value():
    assert len(left(told(0, "71", unit="kg"), told(1, "71", PHONE, unit="[lb_av]"))) == 2


def test_what_has_no_value_is_a_copy_of_nothing():
    assert len(left(told(0, ()), told(1, (), PHONE))) == 2


def test_two_of_one_device_are_never_one():
    assert len(left(told(0, "72"), told(1, "72"), told(59, "72"))) == 3


def test_another_app_of_the_same_device_is_another_source():
    assert left(told(0, "72"), told(1, "72", APP)) == [told(0, "72")]


def test_of_an_app_that_is_not_told_only_the_same_instant_is_a_copy():
    single = By("Watch", None)
    old, new = told(0, "72", single, (0,)), told(0, "72")
    assert left(old, new) == [old]
    assert len(left(old, told(1, "72"))) == 2
    assert len(left(old, told(1, "72", By("Cuff", "x"), (5,)))) == 1


def test_blood_pressures_are_compared_as_pairs():
    pair = told(0, ("131", "84"))
    assert left(pair, told(1, ("131", "84"), PHONE)) == [pair]
    assert len(left(pair, told(1, ("131", "85"), PHONE))) == 2
    assert len(left(pair, told(1, ("130", "84"), PHONE))) == 2
    assert len(left(pair, told(1, ("131",), PHONE))) == 2


def test_a_protocol_that_a_second_app_copied_keeps_its_measurements():
    own = [told(60 * n, ("128", "78")) for n in range(4)]
    copies = [told(60 * n + 1, ("128", "78"), PHONE) for n in range(4)]
    assert left(*own, *copies) == own


def test_three_sources_of_one_event_count_once():
    assert len(left(told(0, "72"), told(20, "72", PHONE), told(40, "72", APP))) == 1


def test_what_was_dropped_itself_drops_nothing():
    # the app's lies near the phone's only, and the phone's is the watch's
    found = left(told(0, "72"), told(50, "72", PHONE), told(100, "72", APP))
    assert found == [told(0, "72"), told(100, "72", APP)]


def test_of_steps_the_fuller_source_of_each_hour_counts():
    watch = [told(0, "100"), told(1800, "50"), told(3600, "10")]
    phone = [told(60, "120", PHONE), told(3700, "40", PHONE), told(3800, "1", PHONE)]
    assert left(*watch, *phone, counts=True) == [watch[0], watch[1], phone[1], phone[2]]


def test_of_equally_full_sources_the_first_counts():
    assert left(told(0, "10", PHONE), told(1, "10"), counts=True) == [told(1, "10")]
    assert len(left(told(0, "10"), told(0, "10"), counts=True)) == 2


READINGS = st.lists(
    st.builds(
        told,
        st.integers(0, 400),
        st.sampled_from(["60", "61"]),
        st.sampled_from([WATCH, PHONE, APP]),
    ),
    max_size=25,
    unique_by=lambda r: (r.start, r.values, r.by),
)


@given(READINGS)
def test_whatever_goes_is_told_by_another_source_and_as_many_stay_as_the_fullest_has(readings):
    kept = left(*readings)
    for gone in (r for r in readings if r not in kept):
        same = (k for k in kept if k.values == gone.values and k.by != gone.by)
        assert any(abs(k.start - gone.start) < WINDOW for k in same)
    for value in {r.values for r in readings}:
        counts = [sum(r.values == value and r.by == by for r in readings) for by in ORDER]
        assert sum(k.values == value for k in kept) >= max(counts)


def test_a_copy_of_the_first_of_two_measurements_takes_the_second_with_it_from_nobody():
    first, second, copy = told(0, "120", APP), told(50, "120", APP), told(0, "120", PHONE)
    assert len(left(first, second, copy)) == 2
    assert len(left(first, second, told(2, "120", PHONE))) == 2


def test_a_sparse_copy_does_not_thin_out_a_dense_source():
    dense = [told(5 * n, "61", PHONE) for n in range(120)]
    sparse = [told(60 * n, "61", WATCH) for n in range(10)]
    assert len(left(*dense, *sparse)) == 120


@given(READINGS, st.integers(0, 400))
def test_what_counts_does_not_depend_on_what_lies_far_away(readings, at):
    """So that a question about one hour gives the readings that a question about the year gives."""
    whole = left(*readings)
    far = 3 * 2 * WINDOW // 1_000_000
    near = [r for r in readings if abs(r.start - at * 1_000_000) <= far * 1_000_000]
    window = [k for k in whole if abs(k.start - at * 1_000_000) < WINDOW]
    assert window == [k for k in left(*near) if abs(k.start - at * 1_000_000) < WINDOW]


@given(READINGS)
def test_of_each_hour_one_source_is_left(readings):
    kept = left(*readings, counts=True)
    for hour in {r.start // HOUR for r in readings}:
        sums: dict[By, Decimal] = {}
        for r in readings:
            if r.start // HOUR == hour:
                sums[r.by] = sums.get(r.by, Decimal()) + r.values[0][0]
        (source,) = {r.by for r in kept if r.start // HOUR == hour}
        assert sums[source] == max(sums.values())
        assert sum(r.values[0][0] for r in kept if r.start // HOUR == hour) == sums[source]
