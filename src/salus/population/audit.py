"""Validation of a survival model: discrimination and calibration, corrected for optimism, and results in subgroups.

Discrimination: Harrell's C. Calibration: the slope of the linear predictor, and observed (Kaplan–Meier) over expected
events at a horizon. Optimism by bootstrap (Harrell, Lee and Mark 1996, Stat Med 15:361-387). Intervals are bootstrap
percentiles over people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from salus.population.survival import Array, Cohort, Model, Scale, fit, fit_pooled, source

FEWEST_EVENTS = 20
"""Below it a subgroup is not assessed. Set by salus."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Group:
    """One subgroup: number of people and of events, and figures; ``reason`` says why there are no figures."""

    name: str
    people: int
    events: int
    concordance: Figure | None = None
    observed_expected: Figure | None = None
    reason: str = ""


def concordance(predictor: Array, time: Array, event: NDArray[np.bool_]) -> float:
    """Harrell's C: the share of the pairs with a known order that ``predictor`` (n,) puts in order; ties count half.

    NaN where no pair has a known order.
    """
    order = np.argsort(time, kind="stable")
    score, when, happened = predictor[order], time[order], event[order]
    ranks = np.unique(score, return_inverse=True)[1]
    later = _Counts(int(ranks.max()) + 1)
    good = tied = pairs = 0.0
    start = len(when)
    while start > 0:
        first = int(np.searchsorted(when, when[start - 1], side="left"))
        block = range(first, start)
        censored = [i for i in block if not happened[i]]
        for i in censored:  # still at risk at that time: later than those who had the event then
            later.add(int(ranks[i]))
        for i in (i for i in block if happened[i]):
            below, same = later.below(int(ranks[i])), later.at(int(ranks[i]))
            good, tied, pairs = good + below, tied + same, pairs + later.size
        for i in (i for i in block if happened[i]):
            later.add(int(ranks[i]))
        start = first
    return (good + tied / 2) / pairs if pairs else float("nan")


class _Counts:
    """Counts of whole numbers in a Fenwick tree, which tells how many are below a given one."""

    def __init__(self, n: int) -> None:
        self._tree, self._own, self.size = [0] * (n + 1), [0] * n, 0

    def add(self, at: int) -> None:
        self._own[at] += 1
        self.size += 1
        at += 1
        while at < len(self._tree):
            self._tree[at] += 1
            at += at & -at

    def below(self, at: int) -> int:
        total = 0
        while at > 0:
            total += self._tree[at]
            at -= at & -at
        return total

    def at(self, at: int) -> int:
        return self._own[at]


def slope(predictor: Array, cohort: Cohort, cuts: Sequence[float]) -> float:
    """The calibration slope: the coefficient of the predictor (n,) fitted anew on ``cohort``.

    1 is perfect; below 1 the model is overfitted.
    """
    alone = Cohort(("predictor",), predictor[:, None], cohort.time, cohort.event)
    same = Scale(np.zeros(1), np.ones(1))
    rate = float(cohort.event.sum() / cohort.time.sum())
    return float(fit(source(alone, same, cuts), alone.names, same, cuts, rate=rate, ridge=1e-6).coefficients[0])


def kaplan_meier(cohort: Cohort, horizon: float) -> float:
    """The share of people with the event by ``horizon``, by the estimate of Kaplan and Meier (1958)."""
    times = np.unique(cohort.time[cohort.event & (cohort.time <= horizon)])
    alive = 1.0
    for time in times:
        alive *= 1 - ((cohort.time == time) & cohort.event).sum() / (cohort.time >= time).sum()
    return float(1 - alive)


@dataclass(frozen=True, slots=True)
class Internal:
    """Apparent and optimism-corrected figures of a model on the people it was fitted on."""

    concordance_apparent: float
    concordance_corrected: float
    slope_corrected: float


def internal(cohort: Cohort, cuts: Sequence[float], *, ridge: float = 1.0, times: int = 100, seed: int = 1) -> Internal:
    """Figures corrected by bootstrap: ``times`` models are fitted on resampled people and tested on them and on all.

    ``cuts`` and ``ridge`` are those of :func:`~salus.population.survival.fit_pooled`; ``seed`` fixes the samples.
    """
    rng = np.random.default_rng(seed)
    model = fit_pooled(cohort, cuts, ridge=ridge)
    apparent = concordance(model.predictor(cohort.features), cohort.time, cohort.event)
    optimism, slopes = [], []
    for _ in range(times):
        sample = cohort.subset(rng.integers(0, len(cohort.time), len(cohort.time)))
        other = fit_pooled(sample, cuts, ridge=ridge)
        on_all = other.predictor(cohort.features)
        inside = concordance(other.predictor(sample.features), sample.time, sample.event)
        optimism.append(inside - concordance(on_all, cohort.time, cohort.event))
        slopes.append(slope(on_all, cohort, cuts))
    return Internal(apparent, apparent - float(np.mean(optimism)), float(np.mean(slopes)))


def calibrated(model: Model, cohort: Cohort, shrink: float) -> Model:
    """The model with its coefficients multiplied by ``shrink`` (the corrected slope) and its baseline fitted anew."""
    shrunk = replace(model, coefficients=model.coefficients * shrink)
    total = source(cohort, model.scale, model.cuts)
    k = len(model.cuts) + 1
    sums = total(np.concatenate([np.log(model.hazards), shrunk.coefficients]))
    expected = -np.diag(sums.hessian)[:k]  # events so far too many or too few by the gradient
    return replace(shrunk, hazards=model.hazards * (expected + sums.gradient[:k]) / expected)


def subgroups(
    model: Model,
    cohort: Cohort,
    groups: Mapping[str, NDArray[np.bool_]],
    horizon: float,
    *,
    times: int = 200,
    seed: int = 1,
) -> list[Group]:
    """Concordance and observed over expected events at ``horizon`` in each group, with bootstrap intervals.

    ``groups`` maps a name to a mask (n,) of people. A group with fewer than FEWEST_EVENTS events gets no figures.
    """
    rng = np.random.default_rng(seed)
    found = []
    for name, rows in groups.items():
        people, events = int(rows.sum()), int(cohort.event[rows].sum())
        if events < FEWEST_EVENTS:
            found.append(Group(name, people, events, reason=f"fewer than {FEWEST_EVENTS} events"))
            continue
        part = cohort.subset(rows)
        figures: dict[str, Callable[[Cohort], float]] = {
            "c": lambda c: concordance(model.predictor(c.features), c.time, c.event),
            "oe": lambda c: kaplan_meier(c, horizon) / float(model.risk(c.features, horizon).mean()),
        }
        drawn = [part.subset(rng.integers(0, len(part.time), len(part.time))) for _ in range(times)]
        c, oe = (_figure(measure, part, drawn) for measure in figures.values())
        found.append(Group(name, people, events, c, oe))
    return found


def _figure(measure: Callable[[Cohort], float], cohort: Cohort, drawn: Sequence[Cohort]) -> Figure:
    low, high = np.nanpercentile([measure(sample) for sample in drawn], (2.5, 97.5))
    return Figure(measure(cohort), float(low), float(high))
