"""Group-sequential designs, one-sided: efficacy bounds of every usual type, futility bounds, power, expected size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from salus.errors import InputError
from salus.trials.design.recursion import crossing

Type = Literal["OF", "P", "WT", "HP", "PT", "asOF", "asP", "asKD", "asHSD", "noEarlyEfficacy"]
MAX_LOOKS = 20
CLOSEST = 0.005
"""Least distance of two looks, of the information at the first of them: below, the integration loses digits."""
LEAST = 1e-8
HAYBITTLE_PETO = 3.0
SPENDING: dict[str, str] = {
    "asOF": "2 - 2 Phi(z(1 - alpha/2) / sqrt(t)), Lan and DeMets 1983",
    "asP": "alpha ln(1 + (e - 1) t), Lan and DeMets 1983",
    "asKD": "alpha t^rho, Kim and DeMets 1987",
    "asHSD": "alpha (1 - exp(-gamma t)) / (1 - exp(-gamma)), Hwang, Shih and DeCani 1990",
}
Numbers = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Design:
    """A one-sided group-sequential design.

    ``critical`` and ``futility`` are bounds of Z at each look (futility one shorter; -inf: none), ``levels`` the
    one-sided level of each look by itself, ``spent`` the alpha spent up to each. ``shift`` is the squared mean of Z at
    the end for which the power is 1 - beta; ``inflation`` its ratio to the fixed design's; ``asn0``, ``asn1`` the
    expected information under null hypothesis and alternative, relative to the fixed design.
    """

    type: str
    fractions: Numbers
    alpha: float
    beta: float
    critical: Numbers
    futility: Numbers
    levels: Numbers
    spent: Numbers
    shift: float
    inflation: float
    asn0: float
    asn1: float


def design(
    type: Type,
    fractions: Sequence[float],
    *,
    alpha: float = 0.025,
    beta: float = 0.2,
    parameter: float | None = None,
    futility: Sequence[float] | None = None,
    deltas: tuple[float, float] = (0.0, 0.0),
) -> Design:
    """A design of a given type.

    Types: O'Brien–Fleming 1979 (OF), Pocock 1977 (P), Wang–Tsiatis 1987 (WT; ``parameter`` = Delta), Haybittle–Peto
    (HP; ``parameter`` = the bound before the last look), Pampallona–Tsiatis 1994 (PT; ``deltas`` = Delta1 of the upper,
    Delta0 of the lower bound), the spending functions of :data:`SPENDING`, and noEarlyEfficacy.
    ``fractions`` are the looks' shares of the information, the last 1. Futility bounds count for power and expected
    size and not for alpha (non-binding: a trial may go on past them). Raises InputError.
    """
    times = _checked(fractions, alpha, beta)
    if not all(math.isfinite(p) and abs(p) <= 100 for p in (parameter or 0.0, *deltas)):
        raise InputError("parameters of a design are numbers from -100 to 100")
    if type == "PT":
        if futility is not None:
            raise InputError("a Pampallona–Tsiatis design has futility bounds of its own")
        return _pampallona_tsiatis(times, alpha, beta, deltas)
    bounds = _futility(times, futility)
    critical = _efficacy(type, times, alpha, parameter)
    lower = (*bounds, -math.inf)
    shift = _shift(times, critical, lower, alpha, beta)
    return _described(type, times, alpha, beta, critical, bounds, shift)


def _checked(fractions: Sequence[float], alpha: float, beta: float) -> Numbers:
    times = tuple(float(t) for t in fractions)
    rising = all(a < b for a, b in zip((0.0, *times), times, strict=False))
    if not times or not rising or times[-1] != 1 or len(times) > MAX_LOOKS:
        raise InputError(f"information fractions rise from above 0 to 1, at most {MAX_LOOKS} of them")
    if any(b - a < CLOSEST * a for a, b in pairwise(times)):
        raise InputError(f"two looks lie closer than {CLOSEST:.1%} of the information so far")
    if not LEAST <= alpha < 0.5 or not LEAST <= beta < 1 - alpha:
        raise InputError(f"alpha lies between {LEAST:g} and 0.5, beta between {LEAST:g} and 1 - alpha")
    return times


def _futility(times: Numbers, futility: Sequence[float] | None) -> Numbers:
    bounds = (-math.inf,) * (len(times) - 1) if futility is None else tuple(float(b) for b in futility)
    if len(bounds) != len(times) - 1 or any(math.isnan(b) for b in bounds):
        raise InputError("one futility bound for each look but the last")
    return bounds


def _efficacy(type: str, times: Numbers, alpha: float, parameter: float | None) -> Numbers:
    shapes: dict[str, Callable[[float], Numbers]] = {
        "OF": lambda c: tuple(c / math.sqrt(t) for t in times),
        "P": lambda c: (c,) * len(times),
        "WT": lambda c: tuple(c * t ** (_needed(type, parameter) - 0.5) for t in times),
        "HP": lambda c: (HAYBITTLE_PETO if parameter is None else parameter,) * (len(times) - 1) + (c,),
        "noEarlyEfficacy": lambda c: (math.inf,) * (len(times) - 1) + (c,),
    }
    if type in SPENDING:
        return _by_spending([_spending(type, t, alpha, parameter) for t in times], times)
    if type not in shapes:
        raise InputError(f"no design of type {type!r}", remedy=f"one of {', '.join([*shapes, 'PT', *SPENDING])}")
    shape = shapes[type]
    if _error(times, shape(REACH_OF_BOUNDS)) > alpha:
        raise InputError("the bounds before the last look spend more than alpha", where=type)
    return shape(_root(lambda c: _error(times, shape(c)) - alpha, 0.0, REACH_OF_BOUNDS))


REACH_OF_BOUNDS = 12.0


def _needed(type: str, parameter: float | None) -> float:
    if parameter is None:
        raise InputError("this type of design needs its parameter", where=type)
    return parameter


def _spending(type: str, time: float, alpha: float, parameter: float | None) -> float:
    if type == "asOF":
        return 2 * float(ndtr(-ndtri(1 - alpha / 2) / math.sqrt(time)))
    if type == "asP":
        return alpha * math.log(1 + (math.e - 1) * time)
    number = _needed(type, parameter)
    if type == "asKD":
        if number <= 0:
            raise InputError("rho is above 0", where=type)
        return float(alpha * time**number)
    return alpha * time if number == 0 else alpha * math.expm1(-number * time) / math.expm1(-number)


def _by_spending(spent: Sequence[float], times: Numbers) -> Numbers:
    """Bounds that spend just that much up to each look, found look by look."""
    bounds: list[float] = []
    for k, total in enumerate(spent):

        def over(bound: float, k: int = k, total: float = total) -> float:
            return _error(times[: k + 1], (*bounds, bound)) - total

        if over(REACH_OF_BOUNDS) >= 0:
            bounds.append(math.inf)
        else:
            bounds.append(_root(over, -REACH_OF_BOUNDS, REACH_OF_BOUNDS))
    return tuple(bounds)


def _root(distance: Callable[[float], float], low: float, high: float) -> float:
    """Where ``distance`` is 0. Raises InputError where it is nowhere between ``low`` and ``high``."""
    if distance(low) * distance(high) > 0:
        raise InputError("there are no bounds of this kind for these looks and errors")
    return float(brentq(distance, low, high, xtol=1e-12))


def _error(times: Numbers, critical: Sequence[float]) -> float:
    """Probability under the null hypothesis of crossing any of the bounds."""
    return float(crossing(times, critical, (-math.inf,) * len(times), 0.0).upper.sum())


def _shift(times: Numbers, critical: Sequence[float], lower: Sequence[float], alpha: float, beta: float) -> float:
    """The mean of Z at the end for which the power is 1 - beta."""
    fixed = float(ndtri(1 - alpha) + ndtri(1 - beta))

    def lacking(mean: float) -> float:
        return float(crossing(times, critical, lower, mean).upper.sum()) - (1 - beta)

    high = fixed * 1.5
    while lacking(high) < 0:
        high *= 1.5
        if high > 100:
            raise InputError("no trial of this design reaches the power: its futility bounds stop too many")
    return _root(lacking, 0.0, high)


def _pampallona_tsiatis(times: Numbers, alpha: float, beta: float, deltas: tuple[float, float]) -> Design:
    """Upper bound c1 t^(Delta1 - 1/2), lower (c1 + c0) sqrt(t) - c0 t^(Delta0 - 1/2): they meet at the end."""

    def bounds(c1: float, c0: float) -> tuple[Numbers, Numbers]:
        upper = tuple(c1 * t ** (deltas[0] - 0.5) for t in times)
        lower = tuple((c1 + c0) * math.sqrt(t) - c0 * t ** (deltas[1] - 0.5) for t in times)
        return upper, tuple(min(a, b) for a, b in zip(lower, upper, strict=True))

    def lower_constant(c1: float) -> float:
        def lacking(c0: float) -> float:
            return float(crossing(times, *bounds(c1, c0), c1 + c0).upper.sum()) - (1 - beta)

        return _root(lacking, -c1 + 1e-6, REACH_OF_BOUNDS)

    def excess(c1: float) -> float:
        return _error(times, tuple(c1 * t ** (deltas[0] - 0.5) for t in times)) - alpha

    least = float(ndtri(1 - alpha))
    c1 = _root(excess, least - 1e-4, least + 3.0)
    c0 = lower_constant(c1)
    upper, lower = bounds(c1, c0)
    return _described("PT", times, alpha, beta, upper, lower[:-1], c1 + c0)


def _described(
    type: str,
    times: Numbers,
    alpha: float,
    beta: float,
    critical: Numbers,
    futility: Numbers,
    mean: float,
) -> Design:
    none = (-math.inf,) * len(times)
    lower = (*futility, -math.inf)
    fixed = float(ndtri(1 - alpha) + ndtri(1 - beta)) ** 2
    inflation = mean**2 / fixed
    ends = {shift: crossing(times, critical, lower, shift).ends for shift in (0.0, mean)}
    spent = np.cumsum(crossing(times, critical, none, 0.0).upper)
    return Design(
        type=type,
        fractions=times,
        alpha=alpha,
        beta=beta,
        critical=critical,
        futility=futility,
        levels=tuple(float(ndtr(-c)) for c in critical),
        spent=tuple(float(s) for s in spent),
        shift=mean**2,
        inflation=inflation,
        asn0=inflation * float(ends[0.0] @ np.asarray(times)),
        asn1=inflation * float(ends[mean] @ np.asarray(times)),
    )
