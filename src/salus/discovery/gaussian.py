"""An exact Gaussian process whose leave-a-group-out predictions come in closed form.

Rasmussen CE, Williams CKI. Gaussian Processes for Machine Learning, MIT Press 2006: regression (algorithm 2.1) and
leave-one-out (equations 5.10 to 5.12), here for whole groups: with C the covariance of the data and B a group,
y_B - mean_B = (C^-1_BB)^-1 (C^-1 y)_B and covariance (C^-1_BB)^-1. Rolling-origin predictions: ``ahead``.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Floats = NDArray[np.float64]
Groups = NDArray[np.int64]

WEIGHTS = (0.3, 0.5, 0.7)
LENGTHS = (0.5, 1.0, 2.0)
NOISES = (0.05, 0.1, 0.2, 0.4, 0.8)


@dataclass(frozen=True, slots=True)
class Shape:
    """Kernel: ``weight`` on fingerprint similarity, the rest on Matern-5/2 of descriptors with ``length`` in units of
    the median distance; ``noise`` is the variance of a measurement relative to the kernel's.
    """

    weight: float
    length: float
    noise: float

    def kernel(self, similarity: Floats, distance: Floats) -> Floats:
        """Covariance from similarity and scaled distance, both (rows, columns); 1 for a molecule with itself."""
        scaled = np.sqrt(5.0) * distance / self.length
        matern = (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
        mixed: Floats = self.weight * similarity + (1 - self.weight) * matern
        return mixed


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Of every molecule, predicted without its group: residual and variance (with noise), both of shape (n,)."""

    residual: Floats
    variance: Floats

    @property
    def scale(self) -> float:
        """The kernel's variance that fits these residuals best."""
        return float(np.mean(self.residual**2 / self.variance))

    @property
    def log_density(self) -> float:
        """Mean log predictive density at the best scale."""
        return float(-0.5 * np.mean(np.log(self.variance * self.scale)) - 0.5)


def leave_out(covariance: Floats, y: Floats, groups: Groups) -> LeftOut:
    """Predict every group from the others. ``covariance`` includes noise; ``y`` is centred."""
    inverse = linalg.cho_solve(linalg.cho_factor(covariance, lower=True), np.eye(len(y)))
    weights = inverse @ y
    residual, variance = np.empty_like(y), np.empty_like(y)
    for group in np.unique(groups):
        inside = np.flatnonzero(groups == group)
        block = linalg.inv(inverse[np.ix_(inside, inside)])
        residual[inside] = block @ weights[inside]
        variance[inside] = np.diag(block)
    return LeftOut(residual, variance)


def ahead(kernel: Floats, noise: float, y: Floats, starts: Sequence[int]) -> LeftOut:
    """Predict every block of rows from the rows before it alone: block k is the rows from ``starts[k]`` to the next.

    ``y`` of shape (n,) need not be centred: each block's prediction uses the mean of what came before. The answer has
    the rows from ``starts[0]`` on. The leading part of a Cholesky factor is the factor of the leading part, so that
    one factor serves all blocks.
    """
    factor = linalg.cholesky(noisy(kernel, noise), lower=True)
    residual, variance = np.empty_like(y), np.empty_like(y)
    for start, end in zip(starts, [*starts[1:], len(y)], strict=True):
        mean = np.mean(y[:start])
        sides = np.column_stack([kernel[:start, start:end], y[:start] - mean])
        half = linalg.solve_triangular(factor[:start, :start], sides, lower=True)
        residual[start:end] = y[start:end] - mean - half[:, :-1].T @ half[:, -1]
        variance[start:end] = np.maximum(1 - np.sum(half[:, :-1] ** 2, axis=0), 0.0) + noise
    return LeftOut(residual[starts[0] :], variance[starts[0] :])


def noisy(kernel: Floats, noise: float) -> Floats:
    """The kernel with the measurements' variance on its diagonal."""
    return kernel + noise * np.eye(len(kernel))


def choose(similarity: Floats, distance: Floats, y: Floats, groups: Groups) -> Shape:
    """The shape under which left-out groups are most probable."""
    best, found = -np.inf, Shape(WEIGHTS[0], LENGTHS[0], NOISES[0])
    for weight, length in itertools.product(WEIGHTS, LENGTHS):
        kernel = Shape(weight, length, 0.0).kernel(similarity, distance)
        for noise in NOISES:
            density = leave_out(noisy(kernel, noise), y, groups).log_density
            if density > best:
                best, found = density, Shape(weight, length, noise)
    return found


@dataclass(frozen=True, slots=True)
class Process:
    """A fitted process: lower Cholesky factor of the noisy covariance (n, n) and its solution of centred y (n,)."""

    shape: Shape
    mean: float
    factor: Floats
    solution: Floats

    @classmethod
    def fit(cls, shape: Shape, kernel: Floats, y: Floats) -> Process:
        """Condition on values ``y`` of shape (n,) at molecules with this kernel (n, n)."""
        factor = linalg.cholesky(noisy(kernel, shape.noise), lower=True)
        mean = float(np.mean(y))
        return cls(shape, mean, factor, linalg.cho_solve((factor, True), y - mean))

    def predict(self, kernel: Floats) -> tuple[Floats, Floats]:
        """Mean and variance without noise (1 = nothing known), each (m,), from the kernel (m, n) to the data."""
        half = linalg.solve_triangular(self.factor, kernel.T, lower=True)
        return self.mean + kernel @ self.solution, np.maximum(1 - np.sum(half**2, axis=0), 0.0)
