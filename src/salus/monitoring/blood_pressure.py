"""Home blood pressure: the average of a week by protocol, and the drift over weeks. Pure; no chart.

Protocol: NICE NG136 (hypertension in adults, recommendations on home monitoring): two measurements at least a minute
apart, twice daily, on at least 4 and ideally 7 days; those of the first day are discarded, all others averaged; an
average of 135/85 mmHg or higher is in the range of hypertension. The shortest series that this allows (4 days, 2 times
2 measurements) leaves 3 days and 12 measurements. The European Society of Hypertension uses the same 7-day model
(McManus et al. 2010, BMC Medicine 8:55, figure 2).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

WINDOW_DAYS = 7
MIN_DAYS = 3
MIN_READINGS = 12
THRESHOLD = (135.0, 85.0)
LEVEL = 0.95

TREND_DAYS = 84
TREND_MIN_SPAN = 28
TREND_MIN_DAYS = 12
TREND_MIN_WEEKS = 4
WEEKLY_CV = (0.042, 0.039)
"""Within-person coefficient of variation of a week's mean, systolic and diastolic, between two weeks (Warren et al.
2010, Br J Gen Pract 60:675)."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One home measurement in mmHg; ``at`` is local time with its offset, so that the day is the person's own."""

    at: datetime
    systolic: float
    diastolic: float
    key: str = ""

    @property
    def day(self) -> date:
        """The local day."""
        return self.at.date()

    @property
    def morning(self) -> bool:
        """Taken before noon, local time."""
        return self.at.hour < 12


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its interval, in mmHg."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Average:
    """The protocol's average. ``used`` are the measurements averaged, ``discarded`` those of the first day."""

    systolic: Estimate
    diastolic: Estimate
    used: tuple[Measurement, ...]
    discarded: tuple[Measurement, ...]
    days: int

    @property
    def verdict(self) -> str:
        """ "above" the threshold, "below", or "uncertain" where an interval reaches across it."""
        pairs = tuple(zip((self.systolic, self.diastolic), THRESHOLD, strict=True))
        if any(e.low >= limit for e, limit in pairs):
            return "above"
        return "below" if all(e.high < limit for e, limit in pairs) else "uncertain"

    @property
    def raised(self) -> bool:
        """True when the average itself is at or above 135 or 85 mmHg."""
        return self.systolic.mean >= THRESHOLD[0] or self.diastolic.mean >= THRESHOLD[1]


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why there is no average: the fullest week found has this many days and readings after its first day."""

    days: int
    readings: int


@dataclass(frozen=True, slots=True)
class Trend:
    """Drift of the daily means: mmHg change over ``span_days`` and per week, each with its interval.

    ``beyond_usual``: the change is more than two weekly means of one person usually differ (95 %).
    """

    change: Estimate
    per_week: Estimate
    span_days: int
    days: int
    beyond_usual: bool
    used: tuple[Measurement, ...]

    @property
    def direction(self) -> str:
        """ "rising", "falling", or "no clear trend" where the interval contains zero."""
        if self.per_week.low > 0:
            return "rising"
        return "falling" if self.per_week.high < 0 else "no clear trend"


def distinct(measurements: Iterable[Measurement]) -> list[Measurement]:
    """Measurements in order of time; the same time and values twice (two apps reporting one cuff) count once."""
    seen = {(m.at, m.systolic, m.diastolic): m for m in sorted(measurements, key=lambda m: (m.at, m.key), reverse=True)}
    return sorted(seen.values(), key=lambda m: (m.at, m.key))


def average(measurements: Sequence[Measurement]) -> Average | Shortage:
    """The average over the latest seven days that satisfy the protocol; a Shortage when no week does.

    Interval: the mean of all measurements with days as clusters (measurements of one day resemble each other), its
    standard error from the spread between days, Student's t with days - 1 degrees of freedom.
    """
    ordered = distinct(measurements)
    best = Shortage(0, 0)
    for last in sorted({m.day for m in ordered}, reverse=True):
        week = [m for m in ordered if last - timedelta(days=WINDOW_DAYS) < m.day <= last]
        used = tuple(m for m in week if m.day > week[0].day)
        days = len({m.day for m in used})
        if days >= MIN_DAYS and len(used) >= MIN_READINGS:
            discarded = tuple(m for m in week if m.day == week[0].day)
            groups = by_day(used)
            systolic = _cluster_mean([[m.systolic for m in day] for day in groups.values()])
            diastolic = _cluster_mean([[m.diastolic for m in day] for day in groups.values()])
            return Average(systolic, diastolic, used, discarded, days)
        if (days, len(used)) > (best.days, best.readings):
            best = Shortage(days, len(used))
    return best


def by_day(measurements: Iterable[Measurement]) -> Mapping[date, list[Measurement]]:
    """Measurements by local day, earliest day first."""
    days: dict[date, list[Measurement]] = defaultdict(list)
    for m in measurements:
        days[m.day].append(m)
    return dict(sorted(days.items()))


def _cluster_mean(groups: Sequence[Sequence[float]]) -> Estimate:
    from scipy.special import stdtrit  # the quantile of Student's t; all of scipy.stats takes a second to import

    total = sum(len(group) for group in groups)
    mean = math.fsum(value for group in groups for value in group) / total
    pull = math.fsum((math.fsum(group) - len(group) * mean) ** 2 for group in groups)
    count = len(groups)
    error = math.sqrt(count / (count - 1) * pull) / total
    reach = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * error
    return Estimate(mean, mean - reach, mean + reach)


def trend(measurements: Sequence[Measurement], now: date, part: str = "systolic") -> Trend | Shortage:
    """Drift of ``part`` ("systolic" or "diastolic") over the twelve weeks before ``now``.

    Theil-Sen slope of the daily means with Sen's 95 % interval (Sen 1968, J Am Stat Assoc 63:1379). Needs 12 days
    with measurements, in at least 4 different weeks, over at least 28 days; the length of the series and these
    numbers are salus's own choice.
    """
    recent = [m for m in distinct(measurements) if now - timedelta(days=TREND_DAYS) <= m.day <= now]
    days = by_day(recent)
    span = (max(days) - min(days)).days if days else 0
    weeks = {(day - min(days)).days // 7 for day in days}
    if span < TREND_MIN_SPAN or len(days) < TREND_MIN_DAYS or len(weeks) < TREND_MIN_WEEKS:
        return Shortage(len(days), len(recent))
    at, means = _daily(days, part)
    from scipy.stats import theilslopes

    found = theilslopes(means, at, LEVEL)
    slope, low, high = float(found.slope), float(found.low_slope), float(found.high_slope)
    usual = 1.96 * math.sqrt(2) * WEEKLY_CV[part == "diastolic"] * float(means.mean())
    return Trend(
        change=Estimate(slope * span, low * span, high * span),
        per_week=Estimate(slope * 7, low * 7, high * 7),
        span_days=span,
        days=len(days),
        beyond_usual=abs(slope * span) > usual,
        used=tuple(recent),
    )


def _daily(days: Mapping[date, list[Measurement]], part: str) -> tuple[NDArray[float64], NDArray[float64]]:
    import numpy as np

    first = min(days)
    at = np.array([(day - first).days for day in days], np.float64)
    means = np.array([math.fsum(getattr(m, part) for m in group) / len(group) for group in days.values()], np.float64)
    return at, means
