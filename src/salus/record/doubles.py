"""Doubles: one physiological event that two sources recorded, settled when the record is read.

A second app copies what the first one wrote; a phone counts the steps that the watch counts too. The record keeps both;
whoever reads gets one of them. Pure: no chart, no store.

- *Measurements* (heart rate, blood pressure, weight): a reading is a double of one by another source that lies less
  than :data:`WINDOW` away and has the same value, a blood pressure both, where each of the two is the nearest such
  reading of the other: one copy stands for one event, however many of the same value lie around. Never of one by the
  same source: a protocol asks for two measurements a minute apart. The same instant and value is one event whoever
  wrote it, so that an export taken in by two releases of salus counts once.
- *Counts* (steps) overlap and differ. In each hour (UTC) the fuller source counts, and the others are its doubles.

Which source stays does not depend on what was asked: it is the first in :attr:`Told.rank`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

WINDOW = 60_000_000
"""Microseconds within which the same value by another source is the same event: less than a minute."""
HOUR = 3_600_000_000
AGREES = Decimal("0.001")
"""The share of a value by which units and rounding may make two records of one event differ."""
COUNTS = frozenset({"step-count"})
"""Concepts of which each reading is a sum over its time."""


class By(NamedTuple):
    """Who recorded a reading: the device, and the app or program, None where that is not told."""

    device: str
    app: str | None

    def apart(self, other: By) -> bool:
        """Whether it is surely another: another device, or another app."""
        return self.device != other.device or (None not in (self.app, other.app) and self.app != other.app)


class Told(NamedTuple):
    """One reading as it is compared: when (microseconds since 1970), what (number and unit of each part), by whom.

    ``rank`` orders the sources: of one event the reading stays whose rank is the lowest.
    """

    start: int
    values: tuple[tuple[Decimal, str], ...]
    by: By
    rank: tuple[object, ...]


def reach(sources: int) -> int:
    """How far (microseconds) the readings lie that can decide on one, with so many sources."""
    return 2 * WINDOW * max(0, sources - 1)


def dropped(told: Sequence[Told], *, counts: bool) -> set[int]:
    """The places in ``told``, which is in order of time, of the readings that are doubles of others."""
    if len({reading.rank for reading in told}) < 2:
        return set()
    return _less_full(told) if counts else _copies(told)


def _copies(told: Sequence[Told]) -> set[int]:
    """Source by source: each reading that one of an earlier source tells already."""
    out: set[int] = set()
    kept: list[int] = []  # places, in order of time
    for _, group in groupby(sorted(range(len(told)), key=lambda n: told[n].rank), key=lambda n: told[n].rank):
        own = list(group)
        copied = _nearest(told, own, kept)
        original = _nearest(told, sorted(set(copied.values())), own)
        doubled = {n for n, other in copied.items() if original[other] == n}
        out |= doubled
        kept = sorted([*kept, *(n for n in own if n not in doubled)])
    return out


def _nearest(told: Sequence[Told], places: Sequence[int], among: Sequence[int]) -> dict[int, int]:
    """For each place the nearest reading among others that may be the same event, where there is any."""
    starts = [told[n].start for n in among]
    found: dict[int, int] = {}
    for n in places:
        at = told[n].start
        near = among[bisect_right(starts, at - WINDOW) : bisect_left(starts, at + WINDOW)]
        same = [other for other in near if _same(told[n], told[other])]
        if same:
            found[n] = min(same, key=lambda other: (abs(told[other].start - at), other))
    return found


def _same(one: Told, other: Told) -> bool:
    """Whether two readings of different rank are one event."""
    near = one.start == other.start or one.by.apart(other.by)
    alike = bool(one.values) and len(one.values) == len(other.values)
    return near and alike and all(map(_agree, one.values, other.values))


def _agree(one: tuple[Decimal, str], other: tuple[Decimal, str]) -> bool:
    (value, unit), (another, its) = one, other
    return unit == its and abs(value - another) <= AGREES * max(abs(value), abs(another))


def _less_full(told: Sequence[Told]) -> set[int]:
    """Hour by hour: what all sources but the fullest counted."""
    out: set[int] = set()
    for _, hour in groupby(range(len(told)), key=lambda n: told[n].start // HOUR):
        by_source: dict[tuple[object, ...], list[int]] = {}
        for n in hour:
            by_source.setdefault(told[n].rank, []).append(n)
        sums = {rank: sum(value for n in group for value, _ in told[n].values) for rank, group in by_source.items()}
        fullest = min(by_source, key=lambda rank: (-sums[rank], rank))
        out |= {n for rank, group in by_source.items() if rank != fullest for n in group}
    return out
