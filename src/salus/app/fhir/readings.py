"""What a search asks of the readings in a block, decided reading by reading without making an Observation of each.

A block's own elements (code, category, device, status) are those of its readings: such clauses are decided on the
block. Date and value are each reading's own: they are decided on the columns. The id of a block tells its stretch of
time, so that blocks beyond the dates of a search are not opened.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property

from salus.app.fhir.query import Query
from salus.errors import InputError
from salus.fhir import json, series
from salus.fhir.columns import micros
from salus.fhir.quantity import UCUM
from salus.record import search
from salus.record.reading import Stored
from salus.record.search import Clause, Moment

_SECOND = 1_000_000
_LONGEST = series.LONGEST // timedelta(microseconds=1)
_FAR = 1 << 62


@dataclass(frozen=True)
class Wanted:
    """What a search asks of Observations. ``stamps`` are the readings that it names by id, by block; None: any."""

    clauses: tuple[Clause, ...] = ()
    updated: tuple[Clause, ...] = ()
    stamps: Mapping[str, frozenset[str]] | None = None

    @classmethod
    def of(cls, query: Query) -> Wanted:
        """From a search of Observations."""
        stamps: dict[str, frozenset[str]] | None = None if query.ids is None else {}
        for name in query.ids or ():
            block, told = series.split(name)
            if block and stamps is not None:
                stamps[block] = stamps.get(block, frozenset()) | {told}
        return cls(query.clauses, query.updated, stamps)

    @cached_property
    def _whole(self) -> tuple[Clause, ...]:
        """Clauses that all readings of a block fulfil, or none."""
        return tuple(c for c in self.clauses if not _is_date(c) and c.parameter.kind != "quantity")

    @cached_property
    def _dates(self) -> tuple[Clause, ...]:
        return tuple(c for c in self.clauses if _is_date(c))

    @cached_property
    def values(self) -> tuple[Clause, ...]:
        """What it asks of the values of readings, each of which has to be looked at."""
        return tuple(c for c in self.clauses if c.parameter.kind == "quantity")

    def may_hold(self, name: str) -> bool:
        """False where, by the id of a block, none of its readings can be meant."""
        stretch = series.stretch_in(name)
        if stretch is None or (self.stamps is not None and name not in self.stamps):
            return False
        return all(any(_overlaps(_starts(v, _LONGEST), stretch) for v in _moments(c)) for c in self._dates)

    def opened(self, stored: Stored) -> series.Block | None:
        """The block to be shown as its readings; None where it is shown as it is, since that would lose or hide some of
        what it says."""
        if not series.is_block(stored.body) or (self.stamps is None and series.says_more(stored.body)):
            return None
        try:
            block = series.Block(stored.body)
            if self._dates or self.values or self.stamps is not None:
                block.columns  # noqa: B018 - whether they can be read
        except InputError:
            return None
        return block

    def fits(self, stored: Stored) -> bool:
        """Whether a block fulfils what is asked of all its readings alike."""
        return all(c.matches(stored.body) for c in self._whole) and self.is_updated(stored)

    def fits_as_it_is(self, stored: Stored) -> bool:
        """Whether a block that is shown as it is lies in the time that is asked for.

        Its values are not looked at: where a search asks for some, it is not found.
        """
        if self.values:
            return False
        found = [
            search.span(e)
            for c in self._dates
            for path in c.parameter.paths
            for e in search.elements(stored.body, path)
        ]
        times = [(micros(span.start), micros(span.end)) for span in found if span is not None]
        return all(
            any(_overlaps(_starts(value, _LONGEST), time) for time in times for value in _moments(c))
            for c in self._dates
        )

    def is_updated(self, stored: Stored) -> bool:
        """Whether a resource was written when the search asks."""
        return all(c.matches({"_lastUpdated": stored.updated}) for c in self.updated)

    def count(self, block: series.Block) -> int:
        """How many readings of a block match."""
        if not self._dates and not self.values and self.stamps is None:
            return block.count
        return sum(1 for _ in self.among(block, range(block.count)))

    def among(self, block: series.Block, numbers: Sequence[int]) -> Iterator[int]:
        """Those of some readings of a block, ascending or descending, that match. Lazily: each is looked at when it is
        asked for."""
        if self.stamps is not None:
            named = {series.place(block, told) for told in self.stamps.get(str(block.body["id"]), ())}
            numbers = [n for n in numbers if n in named]
        if self._dates and numbers:
            numbers = self._bracketed(block, numbers)
        tests = (*self._dates, *self.values)
        return iter(numbers) if not tests else (n for n in numbers if all(_holds(c, block, n) for c in tests))

    def _bracketed(self, block: series.Block, numbers: Sequence[int]) -> Sequence[int]:
        """The readings that can match by when they start. Of a range a range is left: nothing is walked over."""
        starts, longest = block.columns.starts, max(block.columns.lengths)
        low, high = 0, block.count
        for clause in self._dates:
            reaches = [_starts(value, longest) for value in _moments(clause)]
            low = max(low, bisect_left(starts, min(since for since, _ in reaches)))
            high = min(high, bisect_left(starts, max(until for _, until in reaches)))
        if not isinstance(numbers, range):
            return [n for n in numbers if low <= n < high]
        first, last = sorted((numbers[0], numbers[-1]))
        inside = range(max(low, first), min(high, last + 1))
        return inside if numbers.step > 0 else inside[::-1]


def single(stored: Stored, block: series.Block, n: int) -> Stored:
    """Reading ``n`` of a block as a resource of its own, with version and time of the block."""
    body = series.reading(block, n)
    source = replace(stored.source, ref=f"Observation/{body['id']}")
    return replace(stored, source=source, body=body, data=json.dumps(body))


def find(block: Stored, name: str) -> Stored | None:
    """The reading of this id; None where the block has none."""
    if not series.is_block(block.body):
        return None
    try:
        found = series.Block(block.body)
        n = series.place(found, series.split(name)[1])
    except InputError:
        return None
    return None if n is None else single(block, found, n)


def _is_date(clause: Clause) -> bool:
    return clause.parameter.name == "date"


def _moments(clause: Clause) -> Iterable[Moment]:
    return (value for value in clause.values if isinstance(value, Moment))


def _starts(wanted: Moment, longest: int) -> tuple[int, int]:
    """When a reading that matches can start, [since, until): none lasts longer than ``longest`` microseconds."""
    start, end = micros(wanted.span.start), micros(wanted.span.end)
    match wanted.prefix:
        case "eq":
            return start, end
        case "gt":
            return end - longest - _SECOND, _FAR
        case "ge":
            return start - longest - _SECOND, _FAR
        case "sa":
            return end, _FAR
        case "lt" | "eb":
            return -_FAR, start
        case "le":
            return -_FAR, end
    return -_FAR, _FAR


def _overlaps(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _holds(clause: Clause, block: series.Block, n: int) -> bool:
    if not _is_date(clause):
        return any(search.is_amount(*each, wanted) for each in _amounts(clause, block, n) for wanted in clause.values)
    start = block.columns.starts[n]
    last = start + block.columns.lengths[n]
    end = last + (1 if last % _SECOND else _SECOND)
    return any(search.in_time(wanted.prefix, start, end, *_span(wanted)) for wanted in _moments(clause))


def _span(wanted: Moment) -> tuple[int, int]:
    return micros(wanted.span.start), micros(wanted.span.end)


def _amounts(clause: Clause, block: series.Block, n: int) -> Iterator[search.Amount]:
    """The quantities of a reading that a clause looks at, just as they stand in the Observation that it stands for."""
    place = ("component", "valueQuantity") if block.head.panel else ("valueQuantity",)
    if place in clause.parameter.paths:
        for p, part in enumerate(block.head.parts):
            yield block.columns.value(n, p), UCUM, part.unit, part.unit
