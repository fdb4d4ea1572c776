"""Prediction intervals from molecules that were predicted as if they were new.

Two sets of predictions set the width. *Apart*: molecules whose scaffold was left out (cross-conformal prediction, Vovk
V, Ann Math Artif Intell 2015;74:9-28). *Ahead*: in the order of the table, each block of rows predicted from the rows
before it alone, as later chemistry is (rolling origin, Tashman LJ, Int J Forecast 2000;16:437-450). Residuals are
normalised by the model's own spread and the two tails are calibrated apart, since many assays are floored on one side.

A new block may be biased as past blocks were. Their biases are taken as random effects, without what sampling alone
would show (DerSimonian R, Laird N, Control Clin Trials 1986;7:177-188), and both ends are moved out by ``DRIFT``
standard deviations of them. Rows in no order show no drift and are widened by next to nothing. The order of a table can
only widen an interval, never narrow it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salus.errors import InputError

Floats = NDArray[np.float64]
LEVEL = 0.9

DRIFT = 1.645
"""Standard deviations of past bias that a new block may lie off: 19 of 20 blocks either way if biases are normal."""

LEAST_BLOCK = 6
"""Molecules of a block whose bias is looked at."""

LEAST_PART = 60
"""Molecules, near or far, that are calibrated by themselves; fewer are taken together."""

NEAR, FAR = 0.5, 0.9
"""Up to this share of the spreads of molecules apart the near band holds; from that share on the far one."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Of n molecules: (measured - predicted) / spread of it with noise, and the spread without noise, both (n,)."""

    value: Floats
    spread: Floats


@dataclass(frozen=True, slots=True)
class Band:
    """Multiples of the spread that are added to a prediction; ``level`` of the calibration molecules lie between."""

    low: float
    high: float
    level: float

    @classmethod
    def calibrated(cls, scores: Floats, level: float = LEVEL) -> Band:
        """From signed scores (measured - predicted) / spread of shape (n,): the order statistics (n + 1)(1 -+ level)/2.

        Raises ``InputError`` when n is too small for this level: then no finite interval holds it.
        """
        n = len(scores)
        below = math.floor(round((n + 1) * (1 - level) / 2, 9))  # 5.0 may come out as 4.999...
        if below < 1:
            raise InputError(f"{n} measurements are too few to calibrate a {level:.0%} interval")
        ordered = np.sort(scores)
        return cls(float(ordered[below - 1]), float(ordered[n - below]), level)

    def around(self, other: Band) -> Band:
        """The narrowest band that holds both."""
        return Band(min(self.low, other.low), max(self.high, other.high), self.level)


@dataclass(frozen=True, slots=True)
class Drift:
    """How blocks differ in bias: its mean and the standard deviation between blocks, both in units of the scores."""

    bias: float
    deviation: float

    @classmethod
    def of(cls, blocks: Sequence[Floats]) -> Drift:
        """From the scores of each of at least two blocks."""
        biases = np.array([np.mean(block) for block in blocks])
        sampling = float(np.mean([np.var(block) / len(block) for block in blocks]))
        between, mean = float(np.var(biases, ddof=1)), float(np.mean(biases))
        agreed = max(0.0, 1 - between / len(blocks) / mean**2) if mean else 0.0  # no trend unless the blocks agree
        return cls(mean * agreed, math.sqrt(max(0.0, between - sampling)))

    def moved(self, band: Band) -> Band:
        """What ``band`` becomes in a new block, when it holds scores that their block's bias was taken off."""
        reach = DRIFT * self.deviation
        return Band(self.bias + band.low - reach, self.bias + band.high + reach, band.level)


@dataclass(frozen=True, slots=True)
class Bands:
    """A band for molecules near to the training set and one for those far off; between the spreads ``start`` and
    ``end`` the multiples go from one to the other in a straight line."""

    near: Band
    far: Band
    start: float
    end: float

    @classmethod
    def calibrated(cls, apart: Scores, ahead: Scores, block: NDArray[np.int64], level: float = LEVEL) -> Bands:
        """From scores of both kinds; ``block`` of shape (n,) says in which block each of ``ahead`` lies.

        Raises ``InputError`` for too few molecules.
        """
        start, end = (float(x) for x in np.quantile(apart.spread, [NEAR, FAR]))
        plain = Band.calibrated(apart.value, level)
        members = [np.flatnonzero(block == k) for k in np.unique(block)]
        members = [inside for inside in members if len(inside) >= LEAST_BLOCK]
        if len(members) < 2:
            return cls(plain, plain, start, end)
        blocks = [ahead.value[inside] for inside in members]
        drift = Drift.of(blocks)
        unbiased = np.concatenate([scores - np.mean(scores) for scores in blocks])
        away = ahead.spread[np.concatenate(members)] > (start + end) / 2
        near, far = (_part(unbiased, part, level) for part in (~away, away))
        return cls(drift.moved(near).around(plain), drift.moved(far).around(plain), start, end)

    def at(self, spread: Floats) -> tuple[Floats, Floats]:
        """Multiples below and above for molecules of these spreads, each (m,)."""
        width = self.end - self.start
        share: Floats = np.asarray(spread > self.end, dtype=np.float64)
        if width > 0:
            share = np.clip((spread - self.start) / width, 0.0, 1.0)
        low = self.near.low + (self.far.low - self.near.low) * share
        high = self.near.high + (self.far.high - self.near.high) * share
        return low, high


def _part(scores: Floats, part: NDArray[np.bool_], level: float) -> Band:
    """The band of a part of the scores, or of all where the part is too small."""
    return Band.calibrated(scores[part] if np.sum(part) >= LEAST_PART else scores, level)
