"""Records with noise of three kinds added at a stated signal-to-noise ratio, and what the detector makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salus.formats.wfdb import read_annotations, read_record_path
from salus.monitoring.ecg import qrs, quality
from validation.monitoring.qrs import BEATS, flutter

SECONDS = 600
"""The part of a record that is looked at, from its beginning."""

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


Condition = tuple[int, str, float | None]
"""Leads, kind of noise ("clean" for none), ratio in dB."""


def conditions() -> list[Condition]:
    """Everything that a record is put through."""
    added = [(kind, float(ratio)) for kind, ratios in KINDS.items() for ratio in ratios]
    return [(leads, *one) for leads in (2, 1) for one in [("clean", None), *added]]


@dataclass(frozen=True)
class Run:
    """One record under one condition: the signal (n, leads), the beats found, and each window with the true beats and
    the found ones in it. Windows with ventricular flutter are left out."""

    condition: Condition
    signal: NDArray[np.float64]
    fs: float
    found: qrs.Detection
    windows: tuple[tuple[quality.Window, list[int], list[int]], ...]


def runs(header: Path, seed: int, asked: Sequence[Condition]) -> Iterator[Run]:
    """The record of ``header`` under each condition."""
    blocks = read_record_path(header)
    fs = float(blocks[0].fs)
    whole = np.column_stack([block.samples for block in blocks])[: int(SECONDS * fs)]
    annotations = read_annotations(header.with_suffix(".atr").read_bytes())
    pairs = zip(annotations.sample.tolist(), annotations.symbol, strict=True)
    truth = np.array([sample for sample, symbol in pairs if symbol in BEATS and sample < len(whole)])
    fluttering = flutter(annotations, len(whole))
    for leads, kind, ratio in asked:
        table = whole[:, :leads]
        signal = table if ratio is None else noisy(table, fs, ratio, kind, seed)
        found = qrs.detect(signal, fs, usable=quality.usable(signal, fs))
        windows = []
        for window in quality.windows(signal, fs, found):
            if not any(low < window.end and high > window.start for low, high in fluttering):
                real, ours = (b[(window.start <= b) & (b < window.end)].tolist() for b in (truth, found.sample))
                windows.append((window, real, ours))
        yield Run((leads, kind, ratio), signal, fs, found, tuple(windows))
