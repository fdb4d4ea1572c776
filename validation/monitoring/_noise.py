"""Noise of three kinds that is added to an ECG at a stated signal-to-noise ratio."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

KINDS = {"band": (24, 18, 12, 6, 0), "muscle": (18, 12, 6, 0), "motion": (18, 12, 6, 0)}
"""The signal-to-noise ratios (dB) at which each kind is added."""
_BANDS = {"band": (5, 45), "muscle": (20, 120), "motion": (0.5, 10)}
"""Hz: where QRS complexes lie, where muscles do, where moving electrodes do."""
_MOVING = 0.6
"""Motion comes in seconds: the share of them that has any."""


def noisy(signals: NDArray[np.float64], fs: float, ratio: float, kind: str, seed: int) -> NDArray[np.float64]:
    """``signals`` (n, leads) with noise of ``kind`` added to each lead at ``ratio`` dB.

    Signal power is taken from the peak-to-peak height of the beats, as in the MIT-BIH Noise Stress Test: (peak to
    peak)² / 8.
    """
    from scipy.signal import butter, sosfiltfilt

    chance = np.random.default_rng([seed, sorted(KINDS).index(kind)])
    low, high = _BANDS[kind]
    white = chance.normal(size=signals.shape)
    noise = sosfiltfilt(butter(2, (low, min(high, 0.45 * fs)), "bandpass", fs=fs, output="sos"), white, axis=0)
    if kind == "motion":
        seconds = (len(signals) // int(fs) + 1, 1)
        strength = (chance.random(seconds) < _MOVING) * chance.gamma(1, 1, seconds)
        noise = noise / noise.std(axis=0) * np.repeat(strength, int(fs), axis=0)[: len(signals)]
    block = int(2 * fs)
    whole = signals[: len(signals) // block * block].reshape(-1, block, signals.shape[1])
    height = np.median(np.ptp(whole, axis=1), axis=0)
    added: NDArray[np.float64] = signals + noise / noise.std(axis=0) * np.sqrt(height**2 / 8 / 10 ** (ratio / 10))
    return added
