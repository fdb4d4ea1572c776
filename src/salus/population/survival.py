"""A survival model: proportional hazards with a piecewise constant baseline, fitted from sums over people only.

The likelihood is that of Poisson counts with the time at risk as exposure (Friedman 1982, Ann Stat 10:101-113; Laird
and Olivier 1981, JASA 76:231-240). Gradient and Hessian are sums over people, so that hospitals which share only masked
sums get the same model as from their pooled data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salus.errors import InputError

Array = NDArray[np.float64]
MAX_STEPS = 60
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Cohort:
    """n people and their follow-up.

    ``features`` (n, p) are named by ``names`` (p), ``time`` (n,) is the length of follow-up, and ``event`` (n,) is true
    where it ended with the event.

    Raises InputError where the shapes do not fit, there is nobody, a number is not finite, or a time is not above 0.
    """

    names: tuple[str, ...]
    features: Array
    time: Array
    event: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n, p = self.features.shape if self.features.ndim == 2 else (0, 0)
        if p != len(self.names) or self.time.shape != (n,) or self.event.shape != (n,) or n == 0:
            raise InputError("features, names, times and events do not fit each other")
        if not np.isfinite(self.features).all() or not (np.isfinite(self.time) & (self.time > 0)).all():
            raise InputError("a cohort holds finite numbers, and times above 0", remedy="leave incomplete people out")

    def subset(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Cohort:
        """The cohort of the people in ``rows``, a mask (n,) or indices, which may repeat."""
        return Cohort(self.names, self.features[rows], self.time[rows], self.event[rows])


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation of every feature (p,)."""

    mean: Array
    deviation: Array


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted model.

    ``coefficients`` (p,) are for standardised features. ``hazards`` (len(cuts) + 1,) are the events per unit of time of
    the baseline in each piece between ``cuts``.
    """

    names: tuple[str, ...]
    scale: Scale
    coefficients: Array
    cuts: tuple[float, ...]
    hazards: Array

    def predictor(self, features: Array) -> Array:
        """The linear predictor (n,) of ``features`` (n, p): 0 for a person whose features are average."""
        return np.asarray((features - self.scale.mean) / self.scale.deviation @ self.coefficients)

    def risk(self, features: Array, horizon: float) -> Array:
        """The probability (n,) of the event by ``horizon``. Raises InputError for a horizon that is not above 0."""
        if not horizon > 0:
            raise InputError("a horizon is above 0")
        cumulative = exposure(np.array([horizon]), self.cuts)[0] @ self.hazards
        return np.asarray(-np.expm1(-cumulative * np.exp(self.predictor(features))))


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the people of one place for q parameters: log likelihood, its gradient (q,) and its Hessian (q, q)."""

    likelihood: float
    gradient: Array
    hessian: Array

    def flat(self) -> Array:
        """All numbers as one array (1 + q + q * q,), to be masked."""
        return np.concatenate([[self.likelihood], self.gradient, self.hessian.ravel()])

    @classmethod
    def of(cls, flat: Array) -> Sums:
        """Inverse of :meth:`flat`."""
        q = round((np.sqrt(4 * len(flat) - 3) - 1) / 2)
        return cls(float(flat[0]), flat[1 : q + 1], flat[q + 1 :].reshape(q, q))


Source = Callable[[Array], Sums]
"""A function from parameters (log hazards, then coefficients) to sums."""


def exposure(time: Array, cuts: Sequence[float]) -> Array:
    """The time at risk of each person in each piece (n, len(cuts) + 1)."""
    edges = np.array([0.0, *cuts, np.inf])
    return np.asarray(np.clip(time[:, None] - edges[:-1], 0.0, np.diff(edges)), float)


def _piece(time: Array, cuts: Sequence[float]) -> NDArray[np.int64]:
    return np.searchsorted(np.asarray(cuts, float), time, side="left")


def events(cohort: Cohort, cuts: Sequence[float]) -> Array:
    """The number of events in each piece (len(cuts) + 1,)."""
    return np.bincount(_piece(cohort.time[cohort.event], cuts), minlength=len(cuts) + 1).astype(float)


def check_events(counted: Array) -> None:
    """Raise InputError for fewer than 10 events, or a piece without any."""
    if counted.sum() < 10:
        raise InputError("fewer than 10 events: nothing is learnt from them")
    if not counted.all():
        raise InputError("a piece of the baseline without an event", remedy="fewer cuts")


def moments(cohort: Cohort) -> Array:
    """The number of people, and the sums and sums of squares of the features (1 + 2p,), for :func:`scale_of`."""
    return np.concatenate([[len(cohort.time)], cohort.features.sum(axis=0), (cohort.features**2).sum(axis=0)])


def scale_of(total: Array) -> Scale:
    """The scale from ``total``, the moments (1 + 2p,). Raises InputError where a feature is the same for everybody."""
    n, p = total[0], (len(total) - 1) // 2
    mean = total[1 : p + 1] / n
    variance = total[p + 1 :] / n - mean**2
    if (variance <= 1e-12 * np.maximum(1.0, mean**2)).any():
        raise InputError("a feature is the same for everybody", remedy="leave it out")
    return Scale(mean, np.sqrt(variance))


def source(cohort: Cohort, scale: Scale, cuts: Sequence[float]) -> Source:
    """The function that gives the sums over the people of ``cohort``."""
    features = (cohort.features - scale.mean) / scale.deviation
    at_risk = exposure(cohort.time, cuts)
    pieces = _piece(cohort.time, cuts)
    counts = np.zeros_like(at_risk)
    counts[np.arange(len(pieces)), pieces] = cohort.event
    k = at_risk.shape[1]

    def sums(parameters: Array) -> Sums:
        hazards, coefficients = np.exp(parameters[:k]), parameters[k:]
        predictor = features @ coefficients
        expected = at_risk * hazards * np.exp(predictor)[:, None]
        person = expected.sum(axis=1)
        likelihood = float((counts * (parameters[:k] + predictor[:, None])).sum() - person.sum())
        gradient = np.concatenate([(counts - expected).sum(axis=0), features.T @ (cohort.event - person)])
        cross = expected.T @ features
        hessian = np.block(
            [[np.diag(expected.sum(axis=0)), cross], [cross.T, (features * person[:, None]).T @ features]]
        )
        return Sums(likelihood, gradient, -hessian)

    return sums


def fit(
    total: Source, names: tuple[str, ...], scale: Scale, cuts: Sequence[float], *, rate: float, ridge: float = 1.0
) -> Model:
    """The model with the greatest penalised likelihood, found by Newton's method.

    ``total`` returns the sums over all people, of all places; ``rate``, the events per unit of time, is the start;
    ``ridge`` is the weight of the squared coefficients. Raises InputError when the fit does not converge.
    """
    k, p = len(cuts) + 1, len(names)
    penalty = np.concatenate([np.zeros(k), np.full(p, ridge)])
    parameters = np.concatenate([np.full(k, np.log(max(rate, 1e-12))), np.zeros(p)])
    found = total(parameters)
    for _ in range(MAX_STEPS):
        step = np.linalg.solve(found.hessian - np.diag(penalty + 1e-9), penalty * parameters - found.gradient)
        size = 1.0
        while True:
            tried = parameters + size * step
            told = total(tried)
            if _value(told, penalty, tried) >= _value(found, penalty, parameters) - 1e-7 or size < 1e-4:
                break
            size /= 2
        moved = float(np.abs(tried - parameters).max())
        parameters, found = tried, told
        if moved < TOLERANCE or (size == 1.0 and moved < 1e-7):
            return Model(names, scale, parameters[k:], tuple(cuts), np.exp(parameters[:k]))
    raise InputError("the model does not converge", remedy="fewer pieces, or a larger ridge")


def _value(sums: Sums, penalty: Array, parameters: Array) -> float:
    return sums.likelihood - 0.5 * float(penalty @ parameters**2)


def fit_pooled(cohort: Cohort, cuts: Sequence[float], *, ridge: float = 1.0) -> Model:
    """The model of the people of one cohort.

    Raises InputError for fewer than 10 events, a piece without an event, cuts that do not rise from above 0, a feature
    that is the same for everybody, and a fit that does not converge.
    """
    check_cuts(cuts)
    check_events(events(cohort, cuts))
    scale = scale_of(moments(cohort))
    rate = float(cohort.event.sum() / cohort.time.sum())
    return fit(source(cohort, scale, cuts), cohort.names, scale, cuts, rate=rate, ridge=ridge)


def check_cuts(cuts: Sequence[float]) -> None:
    """Raise InputError unless the cuts rise from above 0."""
    if any(not a < b for a, b in zip((0.0, *cuts), cuts, strict=False)):
        raise InputError("cuts rise from above 0")
