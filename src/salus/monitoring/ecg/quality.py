"""How far an ECG can be trusted, sample by sample and in windows of ten seconds.

A window is good when at least one lead is usable in it, beats were found, and they stand out: the feature between
beats (its 90th percentile) stays below :data:`CONTRAST_LIMIT` of its height at the beats. The limit was set on
records with added noise (``validation.monitoring.qrs_noise``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy import bool_, float64
    from numpy.typing import NDArray

    from salus.monitoring.ecg.qrs import Detection

WINDOW_S = 10.0
FLAT_S = 3.0
FLAT_SHARE = 0.02
"""A stretch is flat when it moves less than this share of the lead's usual two-second range."""
RAIL_S = 0.1
RAIL_MARGIN_S = 0.5
RAIL_DISTANCE = 0.25
CONTRAST_LIMIT = 0.45
BEAT_REACH_S = 0.15
USABLE_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Window:
    """Samples [start, end) and why they cannot be trusted: "" (they can), "gap", "flat", "saturated", "no beats"
    or "noise". ``contrast`` is background over beat height, None where there is nothing to compare."""

    start: int
    end: int
    reason: str
    contrast: float | None

    @property
    def good(self) -> bool:
        """True when the window can be trusted."""
        return not self.reason


def usable(signals: NDArray[float64], fs: float) -> NDArray[bool_]:
    """Where each lead may be believed: (n, leads), False in gaps, flat stretches and at the recorder's rails."""
    trusted = np.ones(signals.shape, bool)
    for _, mask in defects(signals, fs):
        trusted &= ~mask
    return trusted


def defects(signals: NDArray[float64], fs: float) -> Iterator[tuple[str, NDArray[bool_]]]:
    """The defects by name, in the order in which they are reported: (name, (n, leads) where it holds)."""
    gaps = ~np.isfinite(signals)
    yield "gap", gaps
    for name, find in (("flat", _flat), ("saturated", _saturated)):
        columns = [find(np.where(gaps[:, n], np.nan, signals[:, n]), fs) for n in range(signals.shape[1])]
        yield name, np.column_stack(columns)


def _flat(lead: NDArray[float64], fs: float) -> NDArray[bool_]:
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    known = np.isfinite(lead)
    if not known.any():
        return np.zeros(len(lead), bool)
    size = min(int(FLAT_S * fs) | 1, len(lead))
    filled = np.where(known, lead, lead[known][0])
    span = maximum_filter1d(filled, size, mode="nearest") - minimum_filter1d(filled, size, mode="nearest")
    block = int(2 * fs)
    whole = filled[: len(filled) // block * block].reshape(-1, block)
    usual = float(np.median(np.ptp(whole, axis=1))) if len(whole) else float(np.ptp(filled))
    still = span <= FLAT_SHARE * usual
    covered: NDArray[bool_] = maximum_filter1d(still.astype(np.uint8), size, mode="nearest").astype(bool) & known
    return covered


def _saturated(lead: NDArray[float64], fs: float) -> NDArray[bool_]:
    """Runs at the lead's highest or lowest value, longer than a signal ever stays there, with their surroundings."""
    from scipy.ndimage import maximum_filter1d

    known = lead[np.isfinite(lead)]
    if not len(known) or known.min() == known.max():
        return np.zeros(len(lead), bool)
    found = np.zeros(len(lead), np.uint8)
    least = max(3, int(RAIL_S * fs))
    middle, span = float(np.median(known)), float(np.ptp(known))
    for rail in (known.min(), known.max()):
        if abs(rail - middle) < RAIL_DISTANCE * span:
            continue  # a quiet baseline at the lead's lowest value is no rail
        edges = np.flatnonzero(np.diff(np.concatenate(([False], lead == rail, [False])).astype(np.int8)))
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            if end - start >= least:
                found[start:end] = 1
    spread: NDArray[bool_] = maximum_filter1d(found, int(2 * RAIL_MARGIN_S * fs) | 1, mode="nearest").astype(bool)
    return spread


def windows(signals: NDArray[float64], fs: float, detection: Detection) -> tuple[Window, ...]:
    """Cut the recording in windows of ten seconds (the last one up to twice as long) and judge each.

    ``signals`` (n, leads) as given to the detector; a shorter recording is one window.
    """
    bad = tuple(defects(signals, fs))
    length = int(WINDOW_S * fs)
    count = max(1, len(signals) // length)
    edges = [n * length for n in range(count)] + [len(signals)]
    return tuple(_judge(start, end, fs, bad, detection) for start, end in pairwise(edges))


def _judge(
    start: int, end: int, fs: float, bad: tuple[tuple[str, NDArray[bool_]], ...], detection: Detection
) -> Window:
    damage = np.zeros((end - start, bad[0][1].shape[1]), bool)
    reason = ""
    for name, mask in bad:
        damage |= mask[start:end]
        if not reason and (1 - damage.mean(axis=0) < USABLE_SHARE).all():
            reason = name
    contrast = _contrast(start, end, fs, detection)
    if not reason:
        reason = "no beats" if contrast is None else "noise" if contrast >= CONTRAST_LIMIT else ""
    return Window(start, end, reason, contrast)


def _contrast(start: int, end: int, fs: float, detection: Detection) -> float | None:
    """90th percentile of the feature between beats over the median of its height at the beats."""
    reach = int(BEAT_REACH_S * fs)
    beats = detection.sample[(detection.sample >= start) & (detection.sample < end)]
    if not len(beats):
        return None
    between = np.ones(end - start, bool)
    heights = []
    for beat in beats.tolist():
        near = slice(max(0, beat - reach), beat + reach + 1)
        heights.append(float(detection.feature[near].max()))
        between[max(0, beat - reach - start) : beat + reach + 1 - start] = False
    height = float(np.median(heights))
    if not between.any() or height <= 0:
        return None
    return float(np.percentile(detection.feature[start:end][between], 90)) / height
