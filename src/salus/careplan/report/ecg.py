"""An ECG strip on millimetre paper: 25 mm a second, 10 mm a millivolt, in pieces of three seconds that wrap.

One unit of the view box is one millimetre of paper; the style sheet draws it at its true size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from salus.careplan.report.svg import drawable
from salus.errors import InputError
from salus.fhir import json
from salus.findings.model import Finding, MediaItem

SPEED = 25.0
"""mm a second."""
GAIN = 10.0
"""mm a millivolt."""
PIECE_SECONDS = 3
MAX_SECONDS = 30
MAX_MILLIVOLTS = 5.0
LARGE_SQUARE = 5.0
HEAD = 5.0
"""mm above the tracing for marks of beats and the time."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Three seconds of paper: its width, the tracing's path, where beats were found, and its time label."""

    width: float
    path: str
    beats: tuple[float, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Strip:
    """A strip: ``zero`` is the height of 0 mV below the top, ``text`` what it shows to who cannot see it.

    ``owner`` is the id of its finding, ``problem`` why it cannot be drawn.
    """

    anchor: str
    title: str
    height: float
    zero: float
    pieces: tuple[Piece, ...]
    text: str
    caption: str
    owner: str
    problem: str = ""


def strips(findings: Sequence[Finding]) -> tuple[Strip, ...]:
    """Every strip of the findings."""
    media = [(f, m) for f in findings for m in f.media if m.kind == "strip"]
    return tuple(_strip(f"ecg-{n}", f, m) for n, (f, m) in enumerate(media, 1))


def _strip(anchor: str, finding: Finding, item: MediaItem) -> Strip:
    try:
        body = json.loads(item.data)
        samples = [None if v is None else float(v) for v in body["samples"]]
        fs, unit, beats = float(body["fs"]), body["unit"], [int(b) for b in body.get("beats", ())]
        start = int(body.get("start", 0))
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        return _unreadable(anchor, finding, item, "the strip's data are not readable")
    if unit != "mV" or not 1 <= fs <= 100_000 or not any(v is not None for v in samples) or not _finite(samples):
        return _unreadable(anchor, finding, item, "the strip is not a calibrated tracing in millivolts")
    shown = samples[: int(MAX_SECONDS * fs)]
    top, bottom = _limits(shown)
    zero = HEAD + top * GAIN
    pieces = tuple(_pieces(shown, fs, beats, zero, start))
    seconds = len(shown) / fs
    return Strip(
        anchor,
        item.title,
        height=zero + bottom * GAIN,
        zero=zero,
        pieces=pieces,
        text=f"{item.title}: {seconds:.1f} seconds, {_beats(beats, len(shown))}. {finding.sentence}",
        caption=_caption(body, seconds, len(samples) > len(shown), bool(beats)),
        owner=finding.id,
    )


def _finite(samples: Sequence[float | None]) -> bool:
    return all(drawable(v) for v in samples if v is not None)


def _unreadable(anchor: str, finding: Finding, item: MediaItem, problem: str) -> Strip:
    return Strip(anchor, item.title, 0, 0, (), "", "", finding.id, problem)


def _beats(beats: Sequence[int], length: int) -> str:
    count = sum(0 <= b < length for b in beats)
    return f"{count} beats marked" if count else "no beats marked"


def _limits(samples: Sequence[float | None]) -> tuple[float, float]:
    """Millivolts of paper above and below zero: whole half millivolts, at least 1 above and 0.5 below."""
    present = [v for v in samples if v is not None]
    top = min(max(1.0, math.ceil(max(present) * 2 + 0.2) / 2), MAX_MILLIVOLTS)
    bottom = min(max(0.5, math.ceil(-min(present) * 2 + 0.2) / 2), MAX_MILLIVOLTS)
    return top, bottom


def _pieces(samples: Sequence[float | None], fs: float, beats: Sequence[int], zero: float, start: int) -> list[Piece]:
    step = int(PIECE_SECONDS * fs)
    found = []
    for first in range(0, len(samples), step):
        # one sample more, so that the tracing runs on across the seam
        part = samples[first : first + step + 1]
        seconds = min(step, len(samples) - first) / fs
        width = min(math.ceil(seconds * SPEED / LARGE_SQUARE), PIECE_SECONDS * SPEED / LARGE_SQUARE) * LARGE_SQUARE
        marks = tuple(round((b - first) / fs * SPEED, 2) for b in beats if first <= b < first + step)
        found.append(Piece(width, _path(part, fs, zero), marks, f"{(start + first) / fs:.0f} s"))
    return found


def _path(samples: Sequence[float | None], fs: float, zero: float) -> str:
    """The tracing; the pen lifts over gaps. Beyond 5 mV it runs along the paper's edge."""
    words: list[str] = []
    pen_down = False
    for number, value in enumerate(samples):
        if value is None:
            pen_down = False
            continue
        held = min(max(value, -MAX_MILLIVOLTS), MAX_MILLIVOLTS)
        words.append(f"{'L' if pen_down else 'M'}{number / fs * SPEED:.2f} {zero - held * GAIN:.2f}")
        pen_down = True
    return "".join(words)


def _caption(body: dict[str, Any], seconds: float, cut: bool, marked: bool) -> str:
    lead = body.get("channel") or "lead not named"
    more = f"; the first {MAX_SECONDS} seconds are shown" if cut else ""
    ticks = "; ticks above: beats found" if marked else ""
    return f"{lead}, {seconds:.0f} seconds. 25 mm/s, 10 mm/mV; a small square is 1 mm (0.04 s, 0.1 mV){ticks}{more}."
