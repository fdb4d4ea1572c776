"""The blocks of readings in a chart, and each of their readings as an Observation.

A block is one row of the record (see :mod:`salus.fhir.series`). The chart knows the head and the time of each block;
its columns are read when a question touches its stretch of time (see :mod:`salus.record.pages`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import Any

from salus.errors import InputError, IntegrityError
from salus.fhir import series
from salus.fhir.columns import Columns, moment
from salus.fhir.dates import Span
from salus.fhir.quantity import Quantity
from salus.fhir.series import Block
from salus.fhir.views import Observation, Source, Value
from salus.record import doubles
from salus.record.contents import Entry, Row
from salus.record.facts import Heading, Reader

_SECOND = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)


class Held:
    """A block in the chart.

    ``start`` and ``end`` (microseconds since 1970), ``stretch`` and ``rank`` are known before it is opened. ``rank``
    orders the sources of one event: a device that an app names comes before an app alone.
    """

    __slots__ = ("__dict__", "_reader", "end", "rank", "row", "start", "stretch")

    def __init__(self, row: Row, reader: Reader) -> None:
        kind, end = row.facts.kind, row.facts.end
        assert end is not None
        self.row, self._reader = row, reader
        self.start, self.end, self.stretch = row.start, end, kind.stretch
        self.rank: tuple[object, ...] = (1, not kind.app, kind.device or "", kind.app)

    @cached_property
    def _opened(self) -> tuple[Block, Heading]:
        found = self._reader.block(*self.row.entry)
        if found is None:
            raise IntegrityError("a block of readings that cannot be read", where=self.row.ref)
        return found

    @property
    def block(self) -> Block:
        """The block. Raises IntegrityError where it cannot be opened."""
        return self._opened[0]

    @property
    def heading(self) -> Heading:
        """What the readings of the block share. Raises IntegrityError where the block cannot be opened."""
        return self._opened[1]

    @property
    def columns(self) -> Columns:
        """The columns of the readings. Raises IntegrityError where they cannot be read: a gap would hide results."""
        try:
            return self.block.columns
        except InputError as error:
            raise IntegrityError(error.what, where=self.row.ref) from error

    def view(self, n: int) -> Observation:
        """Reading ``n`` as an Observation."""
        block, heading, columns = self.block, self.heading, self.columns
        values = [Quantity(columns.value(n, p), unit) for p, unit in enumerate(heading.units)]
        components: dict[str, Value] = {}
        places: dict[str, int] = {}
        for place, names in enumerate(heading.parts):
            components |= dict.fromkeys(names, values[place])
            places |= dict.fromkeys(names, place)
        source, _ = self.row.entry
        return Observation(
            source=Source(f"{source.ref}.{series.stamp(block, n)}", source.version, source.digest, source.category),
            concepts=heading.concepts,
            codes=heading.codes,
            text=heading.text,
            status=str(block.body["status"]),
            value=None if heading.panel else values[0],
            components=components,
            places=places,
            effective=_span(columns.starts[n], columns.lengths[n], columns.zones[n]),
            setting=heading.setting,
            device=heading.device,
            body=_ReadingBody(block, n),
        )

    def told(self, n: int) -> doubles.Told:
        """Reading ``n`` in the form in which doubles are compared."""
        columns = self.columns
        values = tuple((columns.value(n, p), unit) for p, unit in enumerate(self.heading.units))
        return doubles.Told(columns.starts[n], values, self.heading.by, self.rank)


def of_reference(ref: str, entry: Callable[[str], Entry | None]) -> Entry | None:
    """The resource that ``ref`` names, or the single reading in a block that it names; None where there is neither.

    ``entry`` returns a resource of the chart by reference. A reading has the digest and the version of its block.
    """
    found = entry(ref)
    block_ref, stamp = series.split(ref)
    if found is not None or not stamp:
        return found
    held = entry(block_ref)
    if held is None or not series.is_block(held[1]):
        return None
    try:
        body = series.find(held[1], ref.partition("/")[2])
    except InputError:
        return None
    return None if body is None else (replace(held[0], ref=ref), body)


class _ReadingBody(Mapping[str, Any]):
    """The body of the Observation that a reading stands for, made when it is first accessed."""

    __slots__ = ("_block", "_made", "_n")

    def __init__(self, block: Block, n: int) -> None:
        self._block, self._n = block, n
        self._made: dict[str, Any] | None = None

    def _body(self) -> dict[str, Any]:
        if self._made is None:
            self._made = series.reading(self._block, self._n)
        return self._made

    def __getitem__(self, name: str) -> Any:
        return self._body()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._body())

    def __len__(self) -> int:
        return len(self._body())


def _span(start: int, length: int, zone: int) -> Span:
    """The time of a reading (``start`` and ``length`` in microseconds, ``zone`` in minutes), equal to what
    :func:`salus.fhir.views.span_of` reads from the single Observation."""
    first, last = moment(start), moment(start + length)
    end = last + (_MICROSECOND if last.microsecond else _SECOND)
    return Span(first, end, moment(start, zone).isoformat())
