"""eGFR values, slope, KDIGO categories and persistence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress, t

from salus.risk import kidney
from salus.risk.engine import Estimate
from salus.risk.kidney import Point, Slope

START = datetime(2024, 1, 1, tzinfo=UTC)


def points(*values: float, step_days: float = 100) -> list[Point]:
    return [Point(START + timedelta(days=step_days * i), v) for i, v in enumerate(values)]


@pytest.mark.parametrize(
    ("value", "category"),
    [(90, "G1"), (89.99, "G2"), (60, "G2"), (59.99, "G3a"), (45, "G3a"), (44.99, "G3b"), (30, "G3b"), (29.99, "G4"),
     (15, "G4"), (14.99, "G5"), (0, "G5")],
)  # fmt: skip
def test_gfr_categories(value: float, category: str) -> None:
    assert kidney.gfr_category(value) == category


def test_a_negative_gfr_is_an_error() -> None:
    with pytest.raises(ValueError, match="negative"):
        kidney.gfr_category(-1)


@pytest.mark.parametrize(("acr", "category"), [(0, "A1"), (29.9, "A1"), (30, "A2"), (300, "A2"), (300.1, "A3")])
def test_albuminuria_categories(acr: float, category: str) -> None:
    assert kidney.albuminuria_category(acr) == category


def test_p30_interval_is_where_the_estimate_is_within_30_percent() -> None:
    low, high = kidney.p30_interval(52.0)
    assert low == pytest.approx(40.0)
    assert high == pytest.approx(52 / 0.7)
    assert abs(52 - low) == pytest.approx(0.3 * low)
    assert abs(52 - high) == pytest.approx(0.3 * high)


def test_egfr_refuses_children_and_unknown_sex() -> None:
    assert isinstance(kidney.egfr(1.0, 18, "female"), Estimate)
    for age, sex, name in ((17, "female", "age"), (40, None, "sex"), (40, "other", "sex")):
        found = kidney.egfr(1.0, age, sex)
        assert isinstance(found, tuple)
        assert [p.input for p in found] == [name]


@settings(deadline=None)  # scipy is loaded in the first example
@given(st.lists(st.floats(10, 120), min_size=3, max_size=12), st.floats(45, 400))
def test_slope_agrees_with_scipy(values: list[float], step: float) -> None:
    found = kidney.slope(points(*values, step_days=step))
    if step * (len(values) - 1) < 90:
        assert found is None
        return
    years = np.arange(len(values)) * step / 365.25
    wanted = linregress(years, values)
    if max(values) - min(values) < 1e-9:  # scipy's standard error is then not a number
        assert found is not None
        assert (found.low, found.high) == pytest.approx((0, 0), abs=1e-6)
        return
    margin = t.ppf(0.975, len(values) - 2) * wanted.stderr
    assert found is not None
    assert found.per_year == pytest.approx(wanted.slope, abs=1e-6)
    assert found.low == pytest.approx(wanted.slope - margin, abs=1e-5)
    assert found.high == pytest.approx(wanted.slope + margin, abs=1e-5)


def test_no_slope_from_two_values_or_under_90_days() -> None:
    assert kidney.slope(points(60, 50, step_days=200)) is None
    assert kidney.slope(points(60, 55, 50, step_days=44.9)) is None
    assert kidney.slope(points(60, 55, 50, step_days=45)) is not None


@pytest.mark.parametrize(
    ("per_year", "low", "high", "answer"),
    [(-8, -10, -6, "yes"), (-8, -20, 4, "possible"), (-3, -7, 1, "possible"), (-3, -5, -1, "no"), (2, 1, 3, "no"),
     (-5, -6, -4, "possible")],
)  # fmt: skip
def test_rapid_decline(per_year: float, low: float, high: float, answer: str) -> None:
    assert kidney.rapid_decline(Slope(per_year, low, high, 5, 400)) == answer


def test_persistence_ends_at_the_last_normal_value() -> None:
    run = points(55, 62, 58, 50, 48)
    assert kidney.persistent_since(run, True, 60, above=False) == 200
    assert kidney.persistent_since(run, False, 60, above=False) is None
    assert kidney.persistent_since(points(10, 40, 50), True, 30, above=True) == 100
    assert kidney.persistent_since([], True, 30, above=True) is None


def test_changes_by_kdigo() -> None:
    assert kidney.certain_drop(62, 46)
    assert not kidney.certain_drop(62, 47)  # 24 %
    assert not kidney.certain_drop(130, 95)  # 27 %, still G1
    assert kidney.unexpected_change(60, 47.9)
    assert not kidney.unexpected_change(60, 48)
    assert kidney.unexpected_change(50, 61)
