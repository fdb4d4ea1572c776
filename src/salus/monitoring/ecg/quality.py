"""How far an ECG can be trusted, sample by sample and in windows of ten seconds.

A window is good when at least one lead is usable in it, beats were found, and they can be believed: they stand out of
what lies between them, and they look alike. How surely is a logistic regression (:data:`GATE`, fitted by
``tools/fit_ecg_gate.py``) on five properties of the window; ``validation.monitoring.qrs_noise`` scores it on records
that it was not fitted to. Whether beats come regularly is not among them: an arrhythmia must not pass for noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy import bool_, float64, int64
    from numpy.typing import NDArray

    from salus.monitoring.ecg.qrs import Detection

WINDOW_S = 10.0
FLAT_S = 3.0
FLAT_SHARE = 0.02
"""A stretch is flat when it moves less than this share of the lead's usual two-second range."""
RAIL_S = 0.1
RAIL_MARGIN_S = 0.5
RAIL_DISTANCE = 0.25
BEAT_REACH_S = 0.15
USABLE_SHARE = 0.8
ALIKE_HZ = (3.0, 30.0)
ALIKE_REACH_S = 0.1
LEAST_TRUST = 0.9
"""The least at which 96 % of the beats let through are true under every noise, in the records that the gate was fitted
to: a point more than is asked in others."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Weights of the logistic regression, for the properties of a window of the same names (:class:`Beats`)."""

    constant: float
    contrast: float
    rival: float
    nearest: float
    typical: float
    lowest: float

    def trust(self, beats: Beats) -> float:
        """How surely nine tenths of the beats, found and true, are the same: 0 to 1."""
        return 1 / (
            1
            + math.exp(
                -self.constant
                - self.contrast * math.log(min(beats.contrast, 3.0) + 0.02)
                - self.rival * math.log(min(beats.rival, 3.0) + 0.02)
                - self.nearest * beats.nearest
                - self.typical * beats.typical
                - self.lowest * min(beats.lowest, 1.0)
            )
        )


@dataclass(frozen=True, slots=True)
class Beats:
    """How the beats of a window look.

    ``contrast`` is the 90th percentile of the feature between beats, ``rival`` its highest value there, ``lowest`` the
    10th percentile of its height at the beats, each as a share of the usual height. ``nearest`` is the mean correlation
    of a beat with the third most similar one, ``typical`` the median correlation of two beats, in the best lead.
    """

    contrast: float
    rival: float
    nearest: float
    typical: float
    lowest: float


GATE = Gate(constant=-9.830, contrast=-1.051, rival=-1.684, nearest=6.128, typical=1.398, lowest=3.583)


@dataclass(frozen=True, slots=True)
class Window:
    """Samples [start, end) and why they cannot be trusted: "" (they can), "gap", "flat", "saturated", "no beats"
    or "noise". ``trust`` says how surely the beats are right, None where there is nothing to judge by."""

    start: int
    end: int
    reason: str
    trust: float | None

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
    shape = band_passed(signals, fs)
    length = int(WINDOW_S * fs)
    count = max(1, len(signals) // length)
    edges = [n * length for n in range(count)] + [len(signals)]
    return tuple(_judge(start, end, fs, bad, shape, detection) for start, end in pairwise(edges))


def band_passed(signals: NDArray[float64], fs: float) -> NDArray[float64]:
    """The signals in the band in which beats are compared, gaps bridged: (n, leads)."""
    from salus.monitoring.ecg.qrs import band_pass, filled

    return np.column_stack([band_pass(filled(signals[:, n]), fs, *ALIKE_HZ) for n in range(signals.shape[1])])


def _judge(
    start: int,
    end: int,
    fs: float,
    bad: tuple[tuple[str, NDArray[bool_]], ...],
    shape: NDArray[float64],
    detection: Detection,
) -> Window:
    damage = np.zeros((end - start, bad[0][1].shape[1]), bool)
    reason = ""
    for name, mask in bad:
        damage |= mask[start:end]
        if not reason and (1 - damage.mean(axis=0) < USABLE_SHARE).all():
            reason = name
    leads = np.flatnonzero(1 - damage.mean(axis=0) >= USABLE_SHARE)
    found = beats_in(start, end, fs, shape[:, leads], detection)
    trust = None if found is None else GATE.trust(found)
    if not reason:
        reason = "no beats" if trust is None else "noise" if trust < LEAST_TRUST else ""
    return Window(start, end, reason, trust)


def beats_in(start: int, end: int, fs: float, shape: NDArray[float64], detection: Detection) -> Beats | None:
    """How the beats of samples [start, end) look; None where there are none, or nothing lies between them.

    ``shape`` (n, leads) are the band-passed leads that can be used there.
    """
    reach = int(BEAT_REACH_S * fs)
    at = detection.sample[(detection.sample >= start) & (detection.sample < end)]
    between = np.ones(end - start, bool)
    heights = []
    for beat in at.tolist():
        near = slice(max(0, beat - reach), beat + reach + 1)
        heights.append(float(detection.feature[near].max()))
        between[max(0, beat - reach - start) : max(0, beat + reach + 1 - start)] = False
    height = float(np.median(heights)) if heights else 0.0
    if not between.any() or height <= 0:
        return None
    quiet = detection.feature[start:end][between]
    alike = [_alike(shape[:, n], at, int(ALIKE_REACH_S * fs)) for n in range(shape.shape[1])]
    return Beats(
        contrast=float(np.percentile(quiet, 90)) / height,
        rival=float(quiet.max()) / height,
        nearest=max((one for one, _ in alike), default=0.0),
        typical=max((one for _, one in alike), default=0.0),
        lowest=float(np.percentile(heights, 10)) / height,
    )


def _alike(lead: NDArray[float64], beats: NDArray[int64], reach: int) -> tuple[float, float]:
    """Mean correlation of a beat with the third most similar one, and median correlation of two; 0 for fewer than 3."""
    inside = beats[(beats >= reach) & (beats < len(lead) - reach)]
    if len(inside) < 3:
        return 0.0, 0.0
    cut = np.stack([lead[beat - reach : beat + reach + 1] for beat in inside.tolist()])
    cut -= cut.mean(axis=1, keepdims=True)
    length = np.sqrt((cut**2).sum(axis=1, keepdims=True))
    cut = np.divide(cut, length, out=np.zeros_like(cut), where=length > 0)
    correlation = cut @ cut.T
    typical = float(np.median(correlation[np.triu_indices(len(inside), 1)]))
    np.fill_diagonal(correlation, -1.0)
    third = np.sort(correlation, axis=1)[:, -min(3, len(inside) - 1)]
    return float(third.mean()), typical
