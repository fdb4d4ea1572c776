"""The order of a result in which blocks of readings are shown as their readings, from any place on; few are opened.

A result is a list of hits. Each has a bound: no reading of it stands before that. So a walk holds open only the blocks
whose readings stand where it is: of a year in days, sorted, one or two. A place is a hit and the number of a reading in
it (-1 for what is no block).
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from salus.app.fhir.pages import Hit
from salus.app.fhir.readings import Wanted
from salus.errors import InputError
from salus.fhir import series
from salus.record.reading import Stored

READINGS = 2_000_000
"""Readings whose values one page, or one total, looks at."""
Place = tuple[int, int]
Opened = tuple[Stored, series.Block | None]
Order = tuple[float, int, float]
"""Where something stands: its instant (else its hit), its hit, and its number in the order of the hit's readings."""
_Waiting = tuple[float, int, float, int, Iterator[tuple[Order, int]] | None]
"""What stands next of a hit: its order, the reading, and those after it; no readings where it was not opened yet."""


@dataclass(frozen=True)
class Walk:
    """How hits are walked through. ``by_time``: as sorted by date, else each after the other; ``newest`` come first.

    ``open`` gives the resource of a hit that has the id of a block, and the block where it is shown as its readings;
    None where it is not released, or not meant. The hits stand in the order of their bounds.
    """

    hits: Sequence[Hit]
    wanted: Wanted
    open: Callable[[Hit], Opened | None]
    by_time: bool = False
    newest: bool = False

    def places(self, after: Place | None = None) -> Iterator[Place]:
        """All places, or those that stand after one of them.

        Raises InputError where it would look at the values of too many readings.
        """
        begun = None if after is None else self._order(after)
        following, looked = self._following(begun), 0
        ahead = next(following, None)
        waiting: list[_Waiting] = []
        while waiting or ahead is not None:
            while ahead is not None and (not waiting or self._bound(ahead) <= waiting[0][0]):
                heapq.heappush(waiting, (self._bound(ahead), ahead, -1, -1, None))
                ahead = next(following, None)
            key, at, nth, n, readings = heapq.heappop(waiting)
            if readings is None and self.hits[at].series:
                opened = self.open(self.hits[at])
                if opened is None:
                    continue
                if opened[1] is not None:
                    looked = self._looking(looked, opened[1])
                    _push(waiting, self._readings(at, opened[1], begun))
                    continue
            if readings is not None:
                yield at, n
                _push(waiting, readings)
            elif begun is None or (key, at, nth) > begun:
                yield at, -1

    def count(self) -> int:
        """How many places there are. Every block is opened. Raises InputError like :meth:`places`."""
        found = looked = 0
        for hit in self.hits:
            opened = self.open(hit) if hit.series else None
            if opened is not None and opened[1] is not None:
                looked = self._looking(looked, opened[1])
                found += self.wanted.count(opened[1])
            elif not hit.series or opened is not None:
                found += 1
        return found

    def _looking(self, looked: int, block: series.Block) -> int:
        """How many readings were looked at with those of a block. Raises InputError where they are too many."""
        looked += block.count if self.wanted.values else 0
        if looked > READINGS:
            raise InputError("the search looks at too many readings", remedy="name a time: date=ge…")
        return looked

    def _following(self, begun: Order | None) -> Iterator[int]:
        """The hits, in order, of which anything can stand after what was shown."""
        for at, hit in enumerate(self.hits):
            if begun is None or (self._bound(at), at, -1) > begun or (hit.series and self._reaches(at, begun)):
                yield at

    def _bound(self, at: int) -> float:
        """The key before which nothing of a hit stands."""
        if not self.by_time:
            return at
        instant = self.hits[at].at
        return math.inf if instant is None else -instant if self.newest else instant

    def _reaches(self, at: int, begun: Order) -> bool:
        """Whether a block that begins before a place reaches to it."""
        if not self.by_time:
            return at == begun[1] and begun[2] < math.inf
        stretch = series.stretch_in(self.hits[at].ref.partition("/")[2])
        return stretch is not None and (-stretch[0] if self.newest else stretch[1]) >= begun[0]

    def _order(self, place: Place) -> Order:
        at, n = place
        if n < 0:  # all of it was shown
            return self._bound(at), at, math.inf
        opened = self.open(self.hits[at])
        if opened is None or opened[1] is None or n >= opened[1].count:
            # withdrawn since, or no place that a page ended at: it goes on where the block begins
            return self._bound(at), at, -math.inf
        return self._standing(at, opened[1], n)

    def _standing(self, at: int, block: series.Block, n: int) -> Order:
        if not self.by_time:
            return at, at, n
        start = block.columns.starts[n]
        return (-start, at, -n) if self.newest else (start, at, n)

    def _readings(self, at: int, block: series.Block, begun: Order | None) -> Iterator[tuple[Order, int]]:
        """The readings of a block that match and stand after a place, in order."""
        for n in self.wanted.among(block, self._numbers(at, block, begun)):
            standing = self._standing(at, block, n)
            if begun is None or standing > begun:
                yield standing, n

    def _numbers(self, at: int, block: series.Block, begun: Order | None) -> range:
        """The readings of a block in the order of the walk, without most of those that stand before a place."""
        first, end = 0, block.count
        if begun is not None and self.by_time:
            starts = block.columns.starts
            first = 0 if self.newest else bisect_left(starts, begun[0])
            end = bisect_right(starts, -begun[0]) if self.newest else end
        elif begun is not None and at == begun[1]:
            first = int(max(begun[2], -1)) + 1 if begun[2] < math.inf else end
        return range(first, end)[::-1] if self.by_time and self.newest else range(first, end)


def _push(waiting: list[_Waiting], readings: Iterator[tuple[Order, int]]) -> None:
    found = next(readings, None)
    if found is not None:
        heapq.heappush(waiting, (*found[0], found[1], readings))
