"""Daily admissions to come, with intervals: a negative binomial regression on weekday, trend and time of year.

Counts are NB2 with variance mu + alpha mu^2 (Hilbe JM. Negative Binomial Regression. 2nd ed. Cambridge 2011), log link,
fitted by iteratively reweighted least squares with weak normal priors; alpha by maximum likelihood. The intervals hold
the uncertainty of the coefficients, a slow wandering of the level as large as was seen between the weeks of the
history, and the scatter of single days. What the history does not hold (a new ward, an epidemic) they do not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from salus.errors import InputError
from salus.operations.history import Series

MIN_DAYS = 56
"""Eight weeks: every weekday eight times."""
MIN_PRESENT = 0.8
"""Share of the days that must have a count."""
MIN_ADMISSIONS = 30
MAX_HORIZON = 90
YEARLY_FROM = 730
"""Days of history from which the time of year is fitted: each season twice."""
DRAWS = 4000
RECENT = 28
TREND_SD, WEEKDAY_SD, YEARLY_SD = 0.3, 1.0, 0.5
"""Priors on the log scale: change a year, weekdays, and each yearly harmonic."""
LEVELS = (0.80, 0.95)

Array = np.ndarray[Any, np.dtype[np.floating[Any]]]


@dataclass(frozen=True, slots=True)
class Day:
    """What is expected of one day. Intervals are (low, high), both included."""

    date: date
    expected: float
    interval_80: tuple[int, int]
    interval_95: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Forecast:
    """``total``: all days together, as if it were one. ``alpha``: extra-Poisson scatter; ``wander``: standard deviation
    of the weekly level on the log scale. ``warnings``: what makes it doubtful."""

    series: str
    days: tuple[Day, ...]
    total: Day
    alpha: float
    wander: float
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients with covariance, and what the scatter around them is."""

    beta: Array
    covariance: Array
    alpha: float
    wander: float
    yearly: bool
    end: date


def forecast(series: Series, horizon: int, seed: int = 0) -> Forecast:
    """The next ``horizon`` days after the last one of a series.

    Raises InputError when the history is too short, too thin or too full of holes, or the horizon too long for it.
    """
    _check(series, horizon)
    fit = fitted(series)
    days = [series.end + timedelta(days=i + 1) for i in range(horizon)]
    mean, drawn = _draw(fit, days, np.random.default_rng(seed))
    told = tuple(_day(day, float(mu), column) for day, mu, column in zip(days, mean, drawn.T, strict=True))
    total = _day(days[0], float(mean.sum()), drawn.sum(axis=1))
    return Forecast(series.name, told, total, fit.alpha, fit.wander, _warnings(series, fit))


def _check(series: Series, horizon: int) -> None:
    where, length = f"series {series.name!r}", len(series.counts)
    present = [count for count in series.counts if count is not None]
    if length < MIN_DAYS:
        raise InputError(f"{length} days of history", where, f"at least {MIN_DAYS} are needed")
    if len(present) < MIN_PRESENT * length:
        why = "a day without a row is missing, not 0: write the zeros"
        raise InputError(f"{length - len(present)} of {length} days have no count", where, why)
    if sum(present) < MIN_ADMISSIONS:
        raise InputError(f"{sum(present)} admissions in all", where, f"at least {MIN_ADMISSIONS} are needed")
    most = min(MAX_HORIZON, length // 4)
    if not 1 <= horizon <= most:
        raise InputError(f"a horizon of {horizon} days", where, f"from 1 to {most} with this history")


def design(days: list[date], end: date, yearly: bool) -> Array:
    """Columns: 1, years since the end of the history, seven weekdays, and two yearly harmonics."""
    years = np.array([(day - end).days / 365.25 for day in days])
    columns = [np.ones(len(days)), years]
    columns += [np.array([float(day.weekday() == w) for day in days]) for w in range(7)]
    if yearly:
        for harmonic in (1, 2):
            angle = 2 * np.pi * harmonic * years
            columns += [np.sin(angle), np.cos(angle)]
    return np.column_stack(columns)


def _precision(yearly: bool) -> Array:
    """Inverse variances of the priors; the level has none."""
    return np.array([0.0, TREND_SD**-2, *[WEEKDAY_SD**-2] * 7, *[YEARLY_SD**-2] * (4 if yearly else 0)])


def fitted(series: Series) -> Fit:
    """Fit one series."""
    pairs = [(series.start + timedelta(days=i), c) for i, c in enumerate(series.counts) if c is not None]
    y = np.array([count for _, count in pairs], dtype=float)
    yearly = len(series.counts) >= YEARLY_FROM
    x, prior = design([day for day, _ in pairs], series.end, yearly), _precision(yearly)
    alpha, beta = 0.0, np.zeros(x.shape[1])
    beta[0] = np.log(y.mean())
    for _ in range(25):
        beta, covariance = _reweighted(x, y, prior, alpha, beta)
        previous, alpha = alpha, _dispersion(y, np.exp(x @ beta))
        if abs(alpha - previous) < 1e-6:
            break
    mean = np.exp(x @ beta)
    wander = _wander([(day - series.start).days // 7 for day, _ in pairs], y, mean, alpha)
    return Fit(beta, _sandwich(covariance, wander, mean, alpha), alpha, wander, yearly, series.end)


def _reweighted(x: Array, y: Array, prior: Array, alpha: float, beta: Array) -> tuple[Array, Array]:
    """Penalised iteratively reweighted least squares for a given alpha."""
    for _ in range(100):
        eta = np.clip(x @ beta, -30, 30)
        mean = np.exp(eta)
        weight = mean / (1 + alpha * mean)
        inner = x.T @ (weight[:, None] * x) + np.diag(prior)
        new = np.linalg.solve(inner, x.T @ (weight * (eta + (y - mean) / mean)))
        step = float(np.max(np.abs(new - beta)))
        beta = new
        if step < 1e-9:
            break
    return beta, np.linalg.inv(inner)


def _dispersion(y: Array, mean: Array) -> float:
    """alpha of greatest likelihood, between almost Poisson and 10."""

    def loss(log_alpha: float) -> float:
        size = np.exp(-log_alpha)
        terms = (
            gammaln(y + size) - gammaln(size) + size * np.log(size / (size + mean)) + y * np.log(mean / (size + mean))
        )
        return -float(terms.sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-12, np.log(10)), method="bounded").x))


def _wander(weeks: list[int], y: Array, mean: Array, alpha: float) -> float:
    """How much more whole weeks scatter around the fit than independent days would, by moments, on the log scale."""
    week = np.array(weeks)
    ratios, expected = [], []
    for number in np.unique(week):
        mine = week == number
        total = mean[mine].sum()
        ratios.append((y[mine].sum() - total) / total)
        expected.append((mean[mine] + alpha * mean[mine] ** 2).sum() / total**2)
    extra = float(np.mean(np.square(ratios)) - np.mean(expected))
    return float(np.sqrt(max(0.0, extra)))


def _sandwich(covariance: Array, wander: float, mean: Array, alpha: float) -> Array:
    """Coefficients are less certain when days of a week move together: widened by that design effect."""
    per_day = float(np.mean(1 / mean + alpha))
    inflation = 1 + 7 * wander**2 / per_day
    return covariance * inflation


def _draw(fit: Fit, days: list[date], random: np.random.Generator) -> tuple[Array, Array]:
    """The expected counts (days) and simulated ones (draws × days)."""
    x = design(days, fit.end, fit.yearly)
    betas = random.multivariate_normal(fit.beta, fit.covariance, size=DRAWS, method="cholesky")
    level = random.normal(0, fit.wander, size=(DRAWS, 1))
    means = np.exp(np.clip(betas @ x.T + level, -30, 15))
    size = 1 / max(fit.alpha, 1e-9)
    drawn = random.poisson(random.gamma(size, means / size))
    return np.exp(x @ fit.beta), drawn.astype(float)


def _day(day: date, expected: float, drawn: Array) -> Day:
    """Equal-tailed intervals; between two counts the wider one is taken."""

    def interval(level: float) -> tuple[int, int]:
        tail = (1 - level) / 2
        low = np.quantile(drawn, tail, method="lower")
        return int(low), int(np.quantile(drawn, 1 - tail, method="higher"))

    return Day(day, expected, interval(LEVELS[0]), interval(LEVELS[1]))


def _warnings(series: Series, fit: Fit) -> tuple[str, ...]:
    """A level that moved lately, and a history too short to know the time of year."""
    found = []
    recent = [
        (series.start + timedelta(days=i), count)
        for i, count in enumerate(series.counts)
        if count is not None and i >= len(series.counts) - RECENT
    ]
    mean = np.exp(design([day for day, _ in recent], fit.end, fit.yearly) @ fit.beta)
    variance = float((mean + fit.alpha * mean**2).sum())
    z = (sum(count for _, count in recent) - float(mean.sum())) / np.sqrt(variance)
    if abs(z) > 3:
        found.append(
            f"the last {RECENT} days were {'above' if z > 0 else 'below'} what the history lets expect "
            f"({z:+.1f} standard errors): the level may have changed"
        )
    if not fit.yearly:
        found.append(f"less than {YEARLY_FROM} days of history: the time of year is not in the forecast")
    return tuple(found)
