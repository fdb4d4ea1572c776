"""Prediction intervals from residuals of molecules whose scaffold was left out.

Cross-conformal prediction (Vovk V, Ann Math Artif Intell 2015;74:9-28) with residuals normalised by the model's own
spread; the two tails are calibrated apart, since many assays are floored on one side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salus.errors import InputError

Floats = NDArray[np.float64]
LEVEL = 0.9


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
