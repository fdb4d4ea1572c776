"""Probabilities of crossing boundaries of a Brownian motion looked at a few times.

The test statistic after information fraction t is Z = B(t) / sqrt(t) with B a Brownian motion of drift ``shift`` a unit
of t. The density of B over the continuation region is carried from look to look by numerical integration (Armitage,
McPherson and Rowe 1969), on Gauss–Legendre nodes as close as the shortest step asks for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]
REACH = 8.5
"""How many standard deviations from the mean the density is carried: beyond lies less than 1e-16."""
NODES_A_STEP = 12
"""Nodes a standard deviation of the next step; 12 give ten digits."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Probabilities of stopping at each look: above the upper bounds, at or below the lower ones (arrays of k)."""

    upper: Array
    lower: Array

    @property
    def ends(self) -> Array:
        """Probability of ending at each look; whoever comes to the last look ends there."""
        stops = self.upper + self.lower
        return np.append(stops[:-1], 1 - stops[:-1].sum())


def crossing(fractions: Sequence[float], upper: Sequence[float], lower: Sequence[float], shift: float) -> Crossing:
    """Crossing probabilities for bounds on the Z scale, ``-inf`` and ``inf`` where there is none.

    ``fractions`` rise strictly from above 0 to 1; ``shift`` is the mean of Z at t = 1.
    """
    times = np.asarray(fractions, float)
    scale = np.sqrt(times)
    high, low = np.asarray(upper, float) * scale, np.asarray(lower, float) * scale
    above, below = np.zeros(len(times)), np.zeros(len(times))
    nodes, mass = np.zeros(1), np.ones(1)
    before = 0.0
    for k, time in enumerate(times):
        step = time - before
        deviation = np.sqrt(step)
        mean = nodes + shift * step
        above[k] = mass @ ndtr((mean - high[k]) / deviation)
        below[k] = mass @ ndtr((low[k] - mean) / deviation)
        if k + 1 < len(times):
            ahead = min(times[k + 1] - time, step)
            grid, weights = _nodes(
                max(low[k], shift * time - REACH * scale[k]),
                min(high[k], shift * time + REACH * scale[k]),
                np.sqrt(ahead),
            )
            density = np.exp(-0.5 * ((grid[:, None] - mean[None, :]) / deviation) ** 2) @ mass
            nodes, mass = grid, weights * density / (deviation * np.sqrt(2 * np.pi))
        before = time
    return Crossing(above, below)


def _nodes(low: float, high: float, width: float) -> tuple[Array, Array]:
    if high <= low:
        return np.zeros(1), np.zeros(1)
    x, w = _legendre(min(600, 48 + 24 * math.ceil(NODES_A_STEP * (high - low) / width / 24)))  # few sizes: kept
    half = (high - low) / 2
    return low + half * (x + 1), w * half


@cache
def _legendre(n: int) -> tuple[Array, Array]:
    x, w = np.polynomial.legendre.leggauss(n)
    return x, w
