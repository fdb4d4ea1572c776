"""QRS complexes in an electrocardiogram of one or more leads.

After Pan and Tompkins 1985 (IEEE Trans Biomed Eng 32:230: band-pass, slope, moving average, two running levels,
search-back at 1.66 mean RR, T-wave test), with three changes: the slope is joined with the band-passed signal itself
into an envelope that does not depend on phase; all leads are joined into one feature, weighted by how quiet each is
between beats; and each beat is timed afterwards at the extremum of the 3-30 Hz signal of one lead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from salus.errors import InputError

if TYPE_CHECKING:
    from numpy import bool_, float64, int64
    from numpy.typing import NDArray

MIN_FS = 100.0
"""Hz; below it the 3-30 Hz and 5-20 Hz bands are not represented well enough."""
MIN_SECONDS = 4.0

BAND_HZ = (5.0, 20.0)
AVERAGE_S = 0.12
REFRACTORY_S = 0.2
T_WAVE_S = 0.36
SEARCH_BACK = 1.66
SEARCH_MARGIN_S = 0.25
SEARCH_THRESHOLD = 0.5
THRESHOLD = 0.5
TIMING_BAND_HZ = (3.0, 30.0)
TIMING_REACH_S = 0.08
LEVEL_BLOCK_S = 2.0
LEVEL_BLOCKS = 15
WEIGHT_WINDOW_S = 20.0
QUIETEST = 0.02
"""Background, as a share of beat height, below which a lead gains no further weight."""
RUNNING = 8
"""Beats that the running levels and the mean RR look back on."""


@dataclass(frozen=True, slots=True)
class Detection:
    """Beats found: ``sample`` (beats,) int64, rising; ``feature`` (n,), the joined envelope, in which a usual beat is
    about 1 high."""

    sample: NDArray[int64]
    feature: NDArray[float64]


def detect(
    signals: NDArray[float64],
    fs: float,
    *,
    usable: NDArray[bool_] | None = None,
    timing_lead: int = 0,
) -> Detection:
    """Find the QRS complexes.

    ``signals`` (n, leads) in any one unit; NaN marks gaps. ``usable`` (n, leads) says where a lead may be believed
    (see :func:`salus.monitoring.ecg.quality.usable`). Beats are timed on ``timing_lead``; lead II is customary.
    Raises :class:`InputError` for a shape, rate or length that it was not made for.
    """
    table = _checked(signals, fs)
    trusted = np.isfinite(table) if usable is None else np.isfinite(table) & usable
    whole = np.column_stack([filled(table[:, n]) for n in range(table.shape[1])])
    feature = _joined([envelope(whole[:, n], fs) for n in range(whole.shape[1])], trusted, fs)
    peaks = _beats(feature, fs)
    return Detection(_timed(whole[:, timing_lead], trusted[:, timing_lead], peaks, fs), feature)


def timing_lead(channels: Sequence[str]) -> int:
    """Which channel to time beats on: lead II (also named MLII) where there is one, else the first."""
    names = [name.strip().upper() for name in channels]
    return next((n for n, name in enumerate(names) if name in ("II", "MLII", "ECG II", "LEAD II")), 0)


def _checked(signals: NDArray[float64], fs: float) -> NDArray[float64]:
    table = np.asarray(signals, np.float64)
    if table.ndim != 2 or table.shape[1] < 1:
        raise InputError("the signals are not (samples, leads)")
    if not fs >= MIN_FS:
        raise InputError(f"sampled at {fs:g} Hz", remedy=f"QRS detection needs at least {MIN_FS:g} Hz")
    if len(table) < MIN_SECONDS * fs:
        raise InputError("the recording is too short", remedy=f"QRS detection needs at least {MIN_SECONDS:g} s")
    return table


def filled(lead: NDArray[float64]) -> NDArray[float64]:
    """``lead`` with gaps bridged by straight lines, so that filters pass over them; zeros if there is nothing else."""
    known = np.isfinite(lead)
    if known.all():
        return lead
    if not known.any():
        return np.zeros_like(lead)
    at = np.arange(len(lead))
    return np.interp(at, at[known], lead[known])


def band_pass(lead: NDArray[float64], fs: float, low: float, high: float) -> NDArray[float64]:
    """Second-order Butterworth band-pass, forwards and backwards (no delay)."""
    from scipy.signal import butter, sosfiltfilt

    return np.asarray(sosfiltfilt(butter(2, (low, high), "bandpass", fs=fs, output="sos"), lead), np.float64)


def envelope(lead: NDArray[float64], fs: float) -> NDArray[float64]:
    """Moving average of the magnitude of (signal, slope) in the QRS band: (n,), in the unit of ``lead``.

    The slope is divided by the angular frequency at the middle of the band, so that both parts weigh the same and
    the magnitude of an oscillation does not depend on its phase.
    """
    from scipy.ndimage import uniform_filter1d

    filtered = band_pass(lead, fs, *BAND_HZ)
    slope = np.gradient(filtered) * fs / (2 * np.pi * np.sqrt(BAND_HZ[0] * BAND_HZ[1]))
    return np.asarray(uniform_filter1d(np.hypot(filtered, slope), int(AVERAGE_S * fs) | 1), np.float64)


def _joined(envelopes: list[NDArray[float64]], trusted: NDArray[bool_], fs: float) -> NDArray[float64]:
    """One feature from all leads: root of the weighted mean square of each envelope over its own beat height."""
    squares = np.zeros(len(trusted))
    weights = np.zeros(len(trusted))
    for column, raw in enumerate(envelopes):
        height = _beat_height(raw, trusted[:, column], fs)
        relative = np.divide(raw, height, out=np.zeros_like(raw), where=height > 0)
        weight = np.where(trusted[:, column] & (height > 0), _background(relative, fs) ** -2.0, 0.0)
        squares += weight * relative**2
        weights += weight
    joined: NDArray[float64] = np.sqrt(np.divide(squares, weights, out=np.zeros_like(squares), where=weights > 0))
    return joined


def _beat_height(raw: NDArray[float64], trusted: NDArray[bool_], fs: float) -> NDArray[float64]:
    """The usual height of a beat around each sample: running median, over trusted blocks, of the blocks' maxima."""
    block = int(LEVEL_BLOCK_S * fs)
    count = len(raw) // block
    cut = count * block
    highest = np.where(trusted[:cut], raw[:cut], 0.0).reshape(count, block).max(axis=1)
    known = trusted[:cut].reshape(count, block).mean(axis=1) > 0.5
    middle: NDArray[float64] = np.full(count, np.nan)
    reach = LEVEL_BLOCKS // 2
    for n in range(count):
        near = slice(max(0, n - reach), n + reach + 1)
        if known[near].any():
            middle[n] = np.median(highest[near][known[near]])
    if not np.isfinite(middle).any():
        return np.zeros_like(raw)
    centres = (np.arange(count) + 0.5) * block
    found = np.isfinite(middle)
    return np.asarray(np.interp(np.arange(len(raw)), centres[found], middle[found]), np.float64)


def _background(relative: NDArray[float64], fs: float) -> NDArray[float64]:
    """What the lead does between beats, as a share of beat height: a smoothed running median."""
    from scipy.ndimage import uniform_filter1d

    block = int(LEVEL_BLOCK_S * fs)
    count = len(relative) // block
    quiet = np.median(relative[: count * block].reshape(count, block), axis=1)
    smooth = uniform_filter1d(quiet, max(1, round(WEIGHT_WINDOW_S / LEVEL_BLOCK_S)), mode="nearest")
    centres = (np.arange(count) + 0.5) * block
    quietness: NDArray[float64] = np.maximum(np.interp(np.arange(len(relative)), centres, smooth), QUIETEST)
    return quietness


def _beats(feature: NDArray[float64], fs: float) -> NDArray[int64]:
    """Peaks of the feature that are beats, by running levels of beats and of what is not."""
    from scipy.signal import find_peaks

    peaks, shape = find_peaks(feature, height=0.05, distance=max(1, int(REFRACTORY_S * fs)))
    levels = _Levels(peaks.tolist(), shape["peak_heights"].tolist(), fs)
    return np.array(levels.run(), np.int64)


class _Levels:
    """Pan and Tompkins' decision over a list of peaks: adaptive threshold, T-wave test, bounded search-back."""

    def __init__(self, peaks: list[int], heights: list[float], fs: float) -> None:
        self.peaks, self.heights, self.fs = peaks, heights, fs
        self.found: list[int] = []
        self.asked = 0
        self.beat_heights = [1.0] * RUNNING
        self.other_heights = [0.1] * RUNNING

    def run(self) -> list[int]:
        """Sample numbers of the beats."""
        position = 0
        while position < len(self.peaks):
            earlier = self._search_back(position)
            if earlier is not None:
                self._accept(earlier)
                position = earlier + 1
                continue
            if self.heights[position] <= self._threshold():
                self.other_heights = [*self.other_heights[1:], self.heights[position]]
            elif not self._is_t_wave(position):
                self._accept(position)
            position += 1
        return [self.peaks[n] for n in self.found]

    def _threshold(self) -> float:
        beat, other = median(self.beat_heights), median(self.other_heights)
        return other + THRESHOLD * (beat - other)

    def _accept(self, position: int) -> None:
        # an artefact must not lift the level so far that the next beats are missed
        height = min(self.heights[position], 2 * median(self.beat_heights))
        self.beat_heights = [*self.beat_heights[1:], height]
        self.found.append(position)

    def _is_t_wave(self, position: int) -> bool:
        if not self.found:
            return False
        last = self.found[-1]
        near = self.peaks[position] - self.peaks[last] < T_WAVE_S * self.fs
        return near and self.heights[position] < 0.5 * self.heights[last]

    def _mean_rr(self) -> float:
        last = self.found[-RUNNING - 1 :]
        return (self.peaks[last[-1]] - self.peaks[last[0]]) / (len(last) - 1) if len(last) > 1 else self.fs

    def _search_back(self, position: int) -> int | None:
        """The best peak passed over since the last beat, when the wait has become too long; each is asked once."""
        if not self.found:
            return None
        last, now, margin = self.found[-1], self.peaks[position], SEARCH_MARGIN_S * self.fs
        if now - self.peaks[last] <= SEARCH_BACK * self._mean_rr():
            return None
        lowest = SEARCH_THRESHOLD * self._threshold()
        asked = range(max(last + 1, self.asked), position)
        ripe = [n for n in asked if now - self.peaks[n] > margin]
        # nothing is looked at twice: over a long silence the search must not become quadratic
        self.asked = max(self.asked, ripe[-1] + 1) if ripe else self.asked
        far = [n for n in ripe if self.peaks[n] - self.peaks[last] > margin]
        between = [n for n in far if self.heights[n] > lowest and not self._is_t_wave(n)]
        return max(between, key=lambda n: self.heights[n], default=None)


def _timed(lead: NDArray[float64], trusted: NDArray[bool_], peaks: NDArray[int64], fs: float) -> NDArray[int64]:
    """Each beat at the extremum of the 3-30 Hz signal nearby; where the lead is not trusted, at the feature's peak."""
    if not len(peaks):
        return peaks
    filtered = np.abs(band_pass(lead, fs, *TIMING_BAND_HZ))
    reach = int(TIMING_REACH_S * fs)
    near = np.clip(peaks[:, None] + np.arange(-reach, reach + 1), 0, len(lead) - 1)
    refined = near[np.arange(len(peaks)), filtered[near].argmax(axis=1)]
    moved = np.where(trusted[near].all(axis=1), refined, peaks)
    return np.unique(moved).astype(np.int64)
