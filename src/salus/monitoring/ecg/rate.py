"""Heart rate from beats, counted in trusted stretches only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from salus.monitoring.ecg.quality import Window

if TYPE_CHECKING:
    from numpy import float64, int64
    from numpy.typing import NDArray

MIN_INTERVALS = 5
ERROR_SHARE = 0.01
"""Share of beats that may be missed or invented: just above what was measured on the worst validated record."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Heart rate in beats a minute.

    ``mean`` = 60 / mean RR over all intervals that lie in trusted stretches; ``low`` and ``high`` bound it if in every
    stretch one beat (or 1 % of the beats, where that is more) had been missed or invented; ``slowest`` and ``fastest``
    are the lowest and highest rates of single trusted windows; ``beats`` are those in trusted windows.
    """

    mean: float
    low: float
    high: float
    slowest: float
    fastest: float
    beats: int
    intervals: int
    good_seconds: float
    total_seconds: float


def stretches(windows: Sequence[Window]) -> list[tuple[int, int]]:
    """Runs of adjoining good windows as sample ranges [start, end)."""
    runs: list[tuple[int, int]] = []
    for window in windows:
        if not window.good:
            continue
        if runs and runs[-1][1] == window.start:
            runs[-1] = (runs[-1][0], window.end)
        else:
            runs.append((window.start, window.end))
    return runs


def summarise(beats: NDArray[int64], windows: Sequence[Window], fs: float) -> Rate | None:
    """Heart rate over the trusted stretches; None where they hold fewer than :data:`MIN_INTERVALS` RR intervals."""
    runs = stretches(windows)
    parts = [np.diff(beats[(beats >= start) & (beats < end)]) / fs for start, end in runs]
    parts = [part for part in parts if len(part)]
    intervals = sum(len(part) for part in parts)
    if intervals < MIN_INTERVALS:
        return None
    seconds = float(sum(part.sum() for part in parts))
    doubt = sum(max(1, math.ceil(ERROR_SHARE * len(part))) for part in parts)
    single = [rate for w in windows if w.good and (rate := _mean_rate(beats, w, fs)) is not None]
    mean = 60 * intervals / seconds
    return Rate(
        mean=mean,
        low=60 * max(0, intervals - doubt) / seconds,
        high=60 * (intervals + doubt) / seconds,
        slowest=min(single, default=mean),
        fastest=max(single, default=mean),
        beats=sum(int(((beats >= start) & (beats < end)).sum()) for start, end in runs),
        intervals=intervals,
        good_seconds=sum(end - start for start, end in runs) / fs,
        total_seconds=(windows[-1].end - windows[0].start) / fs,
    )


def _mean_rate(beats: NDArray[int64], window: Window, fs: float) -> float | None:
    inside = beats[(beats >= window.start) & (beats < window.end)]
    if len(inside) < 3:
        return None
    return float(60 * fs * (len(inside) - 1) / (inside[-1] - inside[0]))


def usual_window(beats: NDArray[int64], windows: Sequence[Window], fs: float, mean: float) -> Window | None:
    """The good window whose own rate is nearest ``mean`` (the earliest of equals): the strip to show."""
    rated: list[tuple[float, int, Window]] = [
        (abs(rate - mean), w.start, w) for w in windows if w.good and (rate := _mean_rate(beats, w, fs)) is not None
    ]
    return min(rated, key=lambda r: r[:2])[2] if rated else None


def strip(lead: NDArray[float64], window: Window, fs: float, seconds: float = 10.0) -> NDArray[float64]:
    """The first ``seconds`` of a window of one lead, (at most seconds * fs,)."""
    return lead[window.start : min(window.end, window.start + int(seconds * fs))]
