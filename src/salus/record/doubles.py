"""Doubles: two readings of one physiological event by two sources, of which a reader of the record gets one.

A second app copies what the first one wrote; a phone counts the steps that the watch counts too. The record keeps both
readings, and the doubles are found when it is read. Pure: no chart, no store.

- *Measurements* (heart rate, blood pressure, weight): a reading is a double of a reading by another source when the
  two lie less than :data:`WINDOW` apart, have the same value (for a blood pressure, both values), and each is the
  nearest such reading to the other. So one copy stands for one event, however many readings of the same value lie
  around. Readings by the same source are no doubles: a protocol asks for two measurements a minute apart. But the same
  value at the same instant is one event, whoever wrote it, so that an export taken in by two releases of salus counts
  once.
- *Counts* (steps) overlap and differ. In each hour (UTC) the fuller source counts, and the others are its doubles.

The source whose reading stays does not depend on the question: it is the one with the lowest :attr:`Told.rank`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

WINDOW = 60_000_000
"""Microseconds (a minute): the same value by two sources is one event when the readings lie less than this apart."""
HOUR = 3_600_000_000
AGREES = Decimal("0.001")
"""The share of a value by which units and rounding may make two records of one event differ."""
COUNTS = frozenset({"step-count"})
"""Concepts whose readings are sums over a time."""


class By(NamedTuple):
    """The source of a reading: the device, and the app or program (None where it is not known)."""

    device: str
    app: str | None

    def apart(self, other: By) -> bool:
        """Whether the two sources surely differ: in the device, or in the app where both are known."""
        return self.device != other.device or (None not in (self.app, other.app) and self.app != other.app)


class Told(NamedTuple):
    """One reading in the form in which readings are compared.

    ``start`` is in microseconds since 1970, ``values`` are the number and the unit of each part, ``by`` is the source.
    ``rank`` orders the sources: of one event, the reading with the lowest rank stays.
    """

    start: int
    values: tuple[tuple[Decimal, str], ...]
    by: By
    rank: tuple[object, ...]


def reach(sources: int) -> int:
    """The distance (microseconds) up to which readings can decide whether one is a double, with so many sources."""
    return 2 * WINDOW * max(0, sources - 1)


def dropped(told: Sequence[Told], *, counts: bool) -> set[int]:
    """The indices in ``told`` of the readings that are doubles of others.

    ``told`` must be in order of time. ``counts``: the readings are sums over a time (see :data:`COUNTS`).
    """
    if len({reading.rank for reading in told}) < 2:
        return set()
    return _less_full(told) if counts else _copies(told)


def _copies(told: Sequence[Told]) -> set[int]:
    """The measurements that a source of a lower rank has recorded already, worked out source by source."""
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
    """For each of ``places`` the nearest of ``among`` that may be the same event; a place without one is left out."""
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
    """The counts of all sources but the one that counted most, hour by hour."""
    out: set[int] = set()
    for _, hour in groupby(range(len(told)), key=lambda n: told[n].start // HOUR):
        by_source: dict[tuple[object, ...], list[int]] = {}
        for n in hour:
            by_source.setdefault(told[n].rank, []).append(n)
        sums = {rank: sum(value for n in group for value, _ in told[n].values) for rank, group in by_source.items()}
        fullest = min(by_source, key=lambda rank: (-sums[rank], rank))
        out |= {n for rank, group in by_source.items() if rank != fullest for n in group}
    return out
