"""Kidney function over time: eGFR values, their slope, KDIGO categories and their persistence. Pure functions.

Sources: KDIGO 2024 CKD guideline (Kidney Int 2024;105(4S):S117-S314), tables of GFR and albuminuria categories and
practice point 2.1.3; KDIGO 2012 (Kidney Int Suppl 2013;3:1-150), 2.1.3 (drop in category, rapid progression);
NICE NG203 (at least three values over at least 90 days to speak of a rate).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from salus.risk.engine import Estimate, Problem, evaluate, load

CKD_EPI = "ckd-epi-2021-creatinine"
P30 = 0.85
"""At least this share of people has a measured GFR within 30 % of the estimate's (Inker 2021, abstract)."""

CHRONIC_DAYS = 90
MINIMUM_VALUES = 3
RAPID_DECLINE = 5.0
"""mL/min/1.73 m2 per year (KDIGO 2012, 2.1.3)."""
UNEXPECTED_CHANGE = 0.20
"""Share of the earlier eGFR beyond expected variability (KDIGO 2024, practice point 2.1.3)."""
CERTAIN_DROP = 0.25
"""Share that makes a drop in GFR category a certain drop (KDIGO 2012, 2.1.3)."""
DAYS_PER_YEAR = 365.25

_G_CATEGORIES = ((90.0, "G1"), (60.0, "G2"), (45.0, "G3a"), (30.0, "G3b"), (15.0, "G4"), (0.0, "G5"))


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value at one moment."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Slope:
    """Least-squares line: change per year with its 95 % interval, from ``n`` values over ``days`` days."""

    per_year: float
    low: float
    high: float
    n: int
    days: float


def egfr(creatinine: float, age: int, sex: str | None) -> Estimate | tuple[Problem, ...]:
    """CKD-EPI 2021 eGFR (mL/min/1.73 m2) from serum creatinine in mg/dL, or why it must not be computed."""
    result = evaluate(load(CKD_EPI), {"creatinine": creatinine, "age": age, "sex": sex})
    return result.estimates[0] if result.estimates else result.problems


def p30_interval(estimate: float) -> tuple[float, float]:
    """Measured GFRs m for which the estimate e is within 30 %, that is |e - m| <= 0.3 m: from e/1.3 to e/0.7."""
    return estimate / 1.3, estimate / 0.7


def gfr_category(egfr_value: float) -> str:
    """KDIGO GFR category of an eGFR; raises ValueError below 0."""
    if egfr_value < 0:
        raise ValueError("an eGFR is not negative")
    return next(name for bound, name in _G_CATEGORIES if egfr_value >= bound)


def albuminuria_category(acr: float, per_mole: bool = False) -> str:
    """KDIGO albuminuria category of a urine albumin-creatinine ratio.

    In mg/g: A1 < 30, A2 30 to 300, A3 > 300; ``per_mole``, in mg/mmol: A1 < 3, A2 3 to 30, A3 > 30. KDIGO rounds the
    limits of the second unit, so a ratio is judged in the unit in which it was given.
    """
    low, high = (3, 30) if per_mole else (30, 300)
    return "A1" if acr < low else "A2" if acr <= high else "A3"


def slope(points: Sequence[Point]) -> Slope | None:
    """Ordinary least squares over time with a t interval; None below three values or 90 days.

    ``points`` oldest first. Lines through noisy values: the interval, not the slope alone, carries the statement.
    """
    if len(points) < MINIMUM_VALUES:
        return None
    days = (points[-1].at - points[0].at).total_seconds() / 86_400
    if days < CHRONIC_DAYS:
        return None
    from scipy.special import stdtrit  # the quantile of Student's t; all of scipy.stats takes a second to import

    years = [(p.at - points[0].at).total_seconds() / 86_400 / DAYS_PER_YEAR for p in points]
    n = len(points)
    mean_x, mean_y = sum(years) / n, sum(p.value for p in points) / n
    spread = sum((x - mean_x) ** 2 for x in years)
    gradient = sum((x - mean_x) * (p.value - mean_y) for x, p in zip(years, points, strict=True)) / spread
    residuals = [p.value - mean_y - gradient * (x - mean_x) for x, p in zip(years, points, strict=True)]
    error = (sum(r * r for r in residuals) / (n - 2) / spread) ** 0.5
    margin = float(stdtrit(n - 2, 0.975)) * error
    return Slope(gradient, gradient - margin, gradient + margin, n, days)


def rapid_decline(line: Slope) -> Literal["yes", "possible", "no"]:
    """Whether the decline exceeds 5 mL/min/1.73 m2 a year.

    "yes": it does, and the interval excludes no change; "no": the whole interval lies above; else "possible".
    """
    if line.per_year < -RAPID_DECLINE and line.high < 0:
        return "yes"
    return "no" if line.low >= -RAPID_DECLINE else "possible"


def persistent_since(points: Sequence[Point], now_abnormal: bool, threshold: float, above: bool) -> float | None:
    """Days over which the newest values are without a gap beyond ``threshold`` (``above`` or below it).

    None when the newest value is not abnormal. The run ends at the first value, counted backwards, that is normal.
    """
    if not now_abnormal or not points:
        return None
    first = points[-1]
    for point in reversed(points):
        abnormal = point.value >= threshold if above else point.value < threshold
        if not abnormal:
            break
        first = point
    return (points[-1].at - first.at).total_seconds() / 86_400


def certain_drop(first: float, last: float) -> bool:
    """A lower GFR category together with a fall of 25 % or more (KDIGO 2012, 2.1.3)."""
    return gfr_category(first) != gfr_category(last) and last <= first * (1 - CERTAIN_DROP)


def unexpected_change(earlier: float, later: float) -> bool:
    """A change of more than 20 % (KDIGO 2024, practice point 2.1.3)."""
    return abs(later - earlier) > UNEXPECTED_CHANGE * earlier
