"""Gamma-Poisson shrinkage of reporting ratios (EBGM, EB05, EB95) with a prior fitted by maximum likelihood.

DuMouchel W. Bayesian data mining in large frequency tables, with an application to the FDA spontaneous reporting
system. Am Stat 1999;53:177-190. The likelihood is conditional on N >= 1, each component truncated by itself, as in
DuMouchel W, Pregibon D, KDD 2001:67-76; its mixture fraction is then that of the truncated components.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from salus.errors import InputError

Floats = NDArray[np.float64]

STARTS = (
    (0.2, 0.1, 2.0, 4.0, 1 / 3),
    (0.1, 0.1, 10.0, 10.0, 0.2),
    (0.5, 0.5, 1.0, 1.0, 0.1),
    (2.0, 0.3, 2.0, 2.0, 0.1),
    (20.0, 2.0, 3.0, 3.0, 0.05),
)
"""Where the search for the prior begins (alpha1, beta1, alpha2, beta2, P)."""

ALIKE = 1.92
"""Optima whose log-likelihoods differ by less than half the 95 % point of chi-squared with one degree of freedom: the
reports cannot tell them apart. Of these the one is taken whose narrower component is the widest, for a narrow one makes
intervals short."""

LEVEL = 0.05
"""Greatest slope of the log-likelihood at an optimum. A search also ends where rounding leaves it no better step, and
whether it calls that a success differs from machine to machine."""

LEAST_PAIRS = 50
"""Below so many pairs five parameters of a prior cannot be told (set by salus)."""

POINT = 1000.0
"""Shape beyond which the component of the raised pairs is a point: a relative spread below 3 % that the few pairs in it
cannot support (set by salus)."""

BOUND = 12.0
"""Log and logit parameters are searched within plus or minus this."""


@dataclass(frozen=True, slots=True)
class Prior:
    """Mixture of two gammas for the true reporting ratio: shape ``alpha``, rate ``beta``, weight ``p`` of the first."""

    alpha1: float
    beta1: float
    alpha2: float
    beta2: float
    p: float

    def __post_init__(self) -> None:
        if not (min(self.alpha1, self.beta1, self.alpha2, self.beta2) > 0 and 0 <= self.p <= 1):
            raise InputError("a prior needs positive shapes and rates and a weight from 0 to 1")


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted prior, its negative log-likelihood, and how many of the starts came to its optimum."""

    prior: Prior
    negative_log_likelihood: float
    agreeing_starts: int


@dataclass(frozen=True, slots=True)
class Posterior:
    """Per pair: the posterior of the true reporting ratio as a mixture of two gammas. Arrays of shape (pairs,)."""

    weight: Floats
    shape1: Floats
    rate1: Floats
    shape2: Floats
    rate2: Floats

    def geometric_mean(self) -> Floats:
        """EBGM = exp(E[ln ratio]) (equations 9 to 11)."""
        first = special.digamma(self.shape1) - np.log(self.rate1)
        second = special.digamma(self.shape2) - np.log(self.rate2)
        mean: Floats = np.exp(self.weight * first + (1 - self.weight) * second)
        return mean

    def cumulative(self, ratio: Floats) -> Floats:
        """P(true ratio <= ``ratio``)."""
        first = special.gammainc(self.shape1, self.rate1 * ratio)
        second = special.gammainc(self.shape2, self.rate2 * ratio)
        below: Floats = self.weight * first + (1 - self.weight) * second
        return below

    def quantile(self, level: float) -> Floats:
        """The ratio below which ``level`` of the posterior lies, to a relative error of 1e-12, by bisection.

        A quantile of a mixture lies between the quantiles of its components, which bracket the search.
        """
        first = special.gammaincinv(self.shape1, level) / self.rate1
        second = special.gammaincinv(self.shape2, level) / self.rate2
        low, high = np.minimum(first, second), np.maximum(first, second)
        while np.any(high - low > 1e-12 * high):
            middle = (low + high) / 2
            if np.all((middle == low) | (middle == high)):
                break
            above = self.cumulative(middle) > level
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        found: Floats = (low + high) / 2
        return found


def posterior(n: Floats, e: Floats, prior: Prior) -> Posterior:
    """Posterior of the true ratio given counts ``n`` and expected counts ``e``, both of shape (pairs,)."""
    first = _log_negative_binomial(n, e, prior.alpha1, prior.beta1)
    second = _log_negative_binomial(n, e, prior.alpha2, prior.beta2)
    with np.errstate(divide="ignore"):
        odds = np.log(prior.p) - np.log1p(-prior.p) + first - second
    shapes = (prior.alpha1 + n, prior.beta1 + e, prior.alpha2 + n, prior.beta2 + e)
    return Posterior(special.expit(odds), *shapes)


def fit(n: Floats, e: Floats) -> Fit:
    """The prior of greatest likelihood for pairs with ``n`` >= 1 reports and ``e`` expected, both of shape (pairs,).

    Raises ``InputError`` for fewer than ``LEAST_PAIRS`` pairs, counts below 1, no
    convergence, or an upper component that narrows to a point (its intervals would be far too short).
    """
    if len(n) < LEAST_PAIRS:
        remedy = f"at least {LEAST_PAIRS} pairs, or give a prior"
        raise InputError(f"{len(n)} product-event pairs are too few to fit a prior", remedy=remedy)
    if np.any(n < 1) or np.any(~(e > 0)):
        raise InputError("every pair needs at least one report and a positive expected count")
    cells, weights = _distinct(n, e)
    results = [_minimum(np.array(start), cells, weights) for start in STARTS]
    done = [r for r in results if _level(r.x, r.jac)]
    if not done:
        raise InputError("the prior did not converge from any start", remedy="more reports, or give a prior")
    least = min(float(r.fun) for r in done)
    # rounding apart, equal optima are one: the first of them is taken
    best = min((r for r in done if r.fun - least < ALIKE), key=lambda r: round(_narrowness(_prior(r.x)), 2))
    prior = _prior(best.x)
    raised = max((prior.alpha1 / prior.beta1, prior.alpha1), (prior.alpha2 / prior.beta2, prior.alpha2))
    if raised[1] > POINT:
        what = "the spread of the raised pairs cannot be told: the prior's upper component narrows to a point"
        raise InputError(what, remedy="more reports, or give a prior")
    agreeing = sum(abs(float(r.fun) - float(best.fun)) < 1e-3 for r in done)
    return Fit(prior, float(best.fun), agreeing)


def _level(x: Floats, slope: Floats) -> bool:
    """Whether the likelihood can't be improved near ``x``: it is level there but where a bound is in the way."""
    held = ((x <= -BOUND) & (slope > 0)) | ((x >= BOUND) & (slope < 0))
    return bool(np.abs(np.where(held, 0.0, slope)).max() <= LEVEL)


def _narrowness(prior: Prior) -> float:
    """The shape of the narrower component."""
    return max(prior.alpha1, prior.alpha2)


def _distinct(n: Floats, e: Floats) -> tuple[Floats, Floats]:
    """Distinct (n, e) as shape (2, cells) with how often each occurs: the likelihood needs each only once."""
    cells, counts = np.unique(np.stack([n, e]), axis=1, return_counts=True)
    return cells, counts.astype(np.float64)


def _prior(x: Floats) -> Prior:
    alpha1, beta1, alpha2, beta2 = map(float, np.exp(x[:4]))
    return Prior(alpha1, beta1, alpha2, beta2, float(special.expit(x[4])))


def _minimum(start: Floats, cells: Floats, weights: Floats) -> Any:
    """Minimise over log shapes and rates and the logit of the weight, with the analytic gradient."""
    x = np.append(np.log(start[:4]), special.logit(start[4]))
    options = {"maxiter": 2000, "maxfun": 4000, "ftol": 1e-14, "gtol": 1e-6}
    bounds = [(-BOUND, BOUND)] * 5
    data = (*cells, weights)
    return optimize.minimize(_objective, x, args=data, jac=True, method="L-BFGS-B", bounds=bounds, options=options)


def _objective(x: Floats, n: Floats, e: Floats, weights: Floats) -> tuple[float, Floats]:
    """Negative log-likelihood of the truncated mixture and its gradient in ``x``."""
    prior = _prior(x)
    first, slope1 = _truncated(n, e, prior.alpha1, prior.beta1)
    second, slope2 = _truncated(n, e, prior.alpha2, prior.beta2)
    left = special.log_expit(x[4]) + first
    right = special.log_expit(-x[4]) + second
    total = np.logaddexp(left, right)
    share = np.exp(left - total)
    gradient = np.array(
        [
            *(weights @ (share * slope) for slope in slope1),
            *(weights @ ((1 - share) * slope) for slope in slope2),
            weights @ (share - prior.p),
        ]
    )
    return -float(weights @ total), -gradient


def _log_negative_binomial(n: Floats, e: Floats, alpha: float, beta: float) -> Floats:
    """Log of the marginal probability of ``n`` reports under one gamma (equation 5)."""
    logp: Floats = stats.nbinom.logpmf(n, alpha, beta / (beta + e))
    return logp


def _truncated(n: Floats, e: Floats, alpha: float, beta: float) -> tuple[Floats, tuple[Floats, Floats]]:
    """Log probability of ``n`` given n >= 1, with its slopes in log alpha and log beta."""
    ratio = np.log(beta) - np.log(beta + e)
    log_zero = alpha * ratio
    plain = _log_negative_binomial(n, e, alpha, beta)
    truncated = plain - np.log(-np.expm1(log_zero))
    odds = np.exp(log_zero) / -np.expm1(log_zero)  # P(0) / (1 - P(0))
    by_alpha = special.digamma(n + alpha) - special.digamma(alpha) + ratio * (1 + odds)
    by_beta = (alpha * e / beta * (1 + odds) - n) / (beta + e)
    return truncated, (alpha * by_alpha, beta * by_beta)
