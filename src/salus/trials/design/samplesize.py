"""How many people, or events, a trial needs: means, rates, and time to event with accrual, follow-up and dropout.

All tests are one-sided. A group-sequential design needs the fixed trial's number times its inflation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri
from scipy.stats import nct, t

from salus.errors import InputError
from salus.trials.design.groupsequential import Design
from salus.trials.design.recursion import Array, crossing

MOST = 1e8


@dataclass(frozen=True, slots=True)
class Size:
    """``maximum`` people (both arms, not rounded), ``events`` where time to event is measured, and what is ``expected``
    under the alternative: people who will have been enrolled when the trial ends."""

    maximum: float
    events: float | None
    expected: float


def means(design: Design, difference: float, deviation: float, ratio: float = 1.0) -> Size:
    """Two means with equal standard deviation, by the t test: power from the noncentral t distribution.

    ``ratio`` is people in the treated arm for each one in the control arm. Raises InputError.
    """
    _above_zero(difference=abs(difference), deviation=deviation, ratio=ratio)
    if abs(difference) / deviation > 10:
        raise InputError("a difference of more than ten standard deviations needs no trial")
    effect = abs(difference) / deviation * math.sqrt(ratio) / (1 + ratio)

    def lacking(n: float) -> float:
        return float(nct.sf(t.isf(design.alpha, n - 2), n - 2, effect * math.sqrt(n))) - (1 - design.beta)

    return _inflated(design, _root(lacking, 2.1))


def rates(design: Design, treated: float, control: float, ratio: float = 1.0) -> Size:
    """Two rates, by the normal approximation with the pooled variance under the null hypothesis (Fleiss).

    Raises InputError.
    """
    if not (0 < treated < 1 and 0 < control < 1) or treated == control:
        raise InputError("two different rates between 0 and 1")
    _above_zero(ratio=ratio)
    pooled = (ratio * treated + control) / (1 + ratio)
    null = ndtri(1 - design.alpha) * math.sqrt(pooled * (1 - pooled) * (1 + 1 / ratio))
    other = ndtri(1 - design.beta) * math.sqrt(treated * (1 - treated) / ratio + control * (1 - control))
    return _inflated(design, (1 + ratio) * float((null + other) / (treated - control)) ** 2)


@dataclass(frozen=True, slots=True)
class Survival:
    """The course of a trial with exponential survival: times in months, dropout as a share in ``dropout_time``."""

    hazard_ratio: float
    control_median: float
    accrual: float
    follow_up: float
    dropout: float = 0.0
    dropout_time: float = 12.0
    ratio: float = 1.0

    def __post_init__(self) -> None:
        _above_zero(
            hazard_ratio=self.hazard_ratio,
            control_median=self.control_median,
            accrual=self.accrual,
            dropout_time=self.dropout_time,
            ratio=self.ratio,
        )
        if self.hazard_ratio == 1 or not 0 <= self.dropout < 1 or not 0 <= self.follow_up < math.inf:
            raise InputError("a hazard ratio other than 1, dropout from 0 to below 1, follow-up of 0 or more")

    def share_with_event(self, time: float) -> float:
        """Events by ``time`` after the first enrolment, for each person of the whole trial.

        People come at an even pace; event and dropout are independent and exponential.
        """
        control = math.log(2) / self.control_median
        arms = ((control * self.hazard_ratio, self.ratio), (control, 1.0))
        return sum(w * self._arm(hazard, time) for hazard, w in arms) / (1 + self.ratio)

    def _arm(self, hazard: float, time: float) -> float:
        end = -math.log1p(-self.dropout) / self.dropout_time + hazard
        came = min(time, self.accrual)
        if came <= 0:
            return 0.0
        lost = (math.exp(-end * (time - came)) - math.exp(-end * time)) / (end * came)
        return hazard / end * (1 - lost) * came / self.accrual


def survival(design: Design, course: Survival) -> Size:
    """Time to event, by the log-rank test (Schoenfeld 1981). Raises InputError."""
    ratio = course.ratio
    z = float(ndtri(1 - design.alpha) + ndtri(1 - design.beta))
    events = design.inflation * (1 + ratio) ** 2 / ratio * (z / math.log(course.hazard_ratio)) ** 2
    total = course.accrual + course.follow_up
    people = events / course.share_with_event(total)
    enrolled = np.array([_enrolled(course, people, events * t, total) for t in design.fractions])
    return Size(people, events, float(_ends_at_alternative(design) @ enrolled))


def _enrolled(course: Survival, people: float, events: float, total: float) -> float:
    """People enrolled when so many events have come."""
    if events >= people * course.share_with_event(total):
        time = total
    else:
        time = float(brentq(lambda x: people * course.share_with_event(x) - events, 0.0, total, xtol=1e-10))
    return people * min(1.0, time / course.accrual)


def _ends_at_alternative(design: Design) -> Array:
    lower = (*design.futility, -math.inf)
    return crossing(design.fractions, design.critical, lower, math.sqrt(design.shift)).ends


def _inflated(design: Design, fixed: float) -> Size:
    return Size(fixed * design.inflation, None, fixed * design.asn1)


def _root(lacking: Callable[[float], float], low: float) -> float:
    if lacking(low) >= 0:
        raise InputError("fewer than three people would do", remedy="is the difference meant to be so large?")
    high = 4.0
    while lacking(high) < 0:
        high *= 2
        if high > MOST:
            raise InputError("no trial of this kind is large enough", remedy="is the difference meant to be so small?")
    return float(brentq(lacking, low, high, xtol=1e-9))


def _above_zero(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name.replace('_', ' ')} must be above 0")
