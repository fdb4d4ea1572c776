"""The blocks of readings in a chart: which there are, of what, and each of their readings as an Observation.

A block is one row of the record (see :mod:`salus.fhir.series`). The chart knows head and time of each; its columns are
read when a question touches its stretch of time (see :mod:`salus.record.pages`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from salus.errors import InputError, IntegrityError
from salus.fhir import series, views
from salus.fhir.codes import Code
from salus.fhir.columns import Columns, moment
from salus.fhir.dates import Span
from salus.fhir.quantity import UCUM, Quantity
from salus.fhir.series import Block
from salus.fhir.views import Body, Names, Observation, Source, Value
from salus.record import doubles
from salus.record.results import USABLE_STATUS

Entry = tuple[Source, Body]
_SECOND = timedelta(seconds=1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Heading:
    """What the readings of a series have in common, as methods see it."""

    concepts: frozenset[str]
    codes: tuple[Code, ...]
    text: str
    parts: tuple[frozenset[str], ...]
    units: tuple[str, ...]
    setting: str | None
    device: str | None
    app: str

    @property
    def panel(self) -> bool:
        """Whether each reading has several parts."""
        return bool(self.parts)

    @property
    def by(self) -> doubles.By:
        """Who recorded them."""
        return doubles.By(self.device or "", self.app or self.device or "")

    @property
    def rank(self) -> tuple[object, ...]:
        """Where the source stands among others: a device that an app tells of comes before an app by itself."""
        return (1, not self.app, self.device or "", self.app)


@dataclass(frozen=True, slots=True)
class Held:
    """A block in the chart."""

    source: Source
    block: Block
    heading: Heading

    @property
    def columns(self) -> Columns:
        """The readings. Raises IntegrityError where they cannot be read: a gap would say that nothing was measured."""
        try:
            return self.block.columns
        except InputError as error:
            raise IntegrityError(error.what, where=self.source.ref) from error

    def view(self, n: int) -> Observation:
        """Reading ``n`` as an Observation."""
        block, heading, columns = self.block, self.heading, self.columns
        values = [Quantity(columns.value(n, p), unit) for p, unit in enumerate(heading.units)]
        components: dict[str, Value] = {}
        places: dict[str, int] = {}
        for place, names in enumerate(heading.parts):
            components |= dict.fromkeys(names, values[place])
            places |= dict.fromkeys(names, place)
        source = self.source
        return Observation(
            source=Source(f"{source.ref}.{block.stamp(n)}", source.version, source.digest, source.category),
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
        """Reading ``n`` as doubles are settled."""
        columns = self.columns
        values = tuple((columns.value(n, p), unit) for p, unit in enumerate(self.heading.units))
        return doubles.Told(columns.starts[n], values, self.heading.by, self.heading.rank)


def opened(ref: str, entry: Callable[[str], Entry | None]) -> Entry | None:
    """The resource of a reference, also the single reading in a block that it names; None where there is none.

    ``entry`` gives the resources of the chart by reference. A reading has digest and version of its block.
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
    """The Observation that a reading stands for, made when somebody looks."""

    __slots__ = ("_block", "_made", "_n")

    def __init__(self, block: Block, n: int) -> None:
        self._block, self._n = block, n
        self._made: dict[str, Any] | None = None

    def _body(self) -> dict[str, Any]:
        if self._made is None:
            self._made = self._block.reading(self._n)
        return self._made

    def __getitem__(self, name: str) -> Any:
        return self._body()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._body())

    def __len__(self) -> int:
        return len(self._body())


def _span(start: int, length: int, zone: int) -> Span:
    """The time of a reading, just as :func:`salus.fhir.views.span_of` reads it from the single Observation."""
    first, last = moment(start), moment(start + length)
    end = last + (_MICROSECOND if last.microsecond else _SECOND)
    return Span(first, end, moment(start, zone).isoformat())


class Shelf:
    """All blocks of a chart by concept, and the entries that are none."""

    def __init__(self, entries: Iterable[Entry], names: Names, modified: Callable[[Body], bool]) -> None:
        """``modified`` tells entries with a modifier that may turn their meaning round: such a block is not read."""
        self.rest: list[Entry] = []
        self._names = names
        self._own: dict[str, list[Held]] = {}
        self._parts: dict[str, list[Held]] = {}
        self._headings: dict[str, list[tuple[Body, Heading]]] = {}
        for entry in entries:
            held = self._held(*entry) if series.is_block(entry[1]) and not modified(entry[1]) else None
            if held is None:
                self.rest.append(entry)
                continue
            for name in held.heading.concepts:
                self._own.setdefault(name, []).append(held)
            for name in frozenset[str]().union(*held.heading.parts) - held.heading.concepts:
                self._parts.setdefault(name, []).append(held)

    def own(self, name: str) -> Sequence[Held]:
        """The blocks of a concept."""
        return self._own.get(name, ())

    def parts(self, name: str) -> Sequence[Held]:
        """The blocks of panels that have a concept as a part."""
        return self._parts.get(name, ())

    @property
    def names(self) -> frozenset[str]:
        """Every concept of which there are blocks, of its own or as a part of a panel."""
        return frozenset({*self._own, *self._parts})

    def _held(self, source: Source, body: Body) -> Held | None:
        """The block, where it is one that can be read and says what it is of; any other is an Observation like all."""
        own = source.ref == f"Observation/{body.get('id')}"
        if not own or body.get("status") not in USABLE_STATUS or body.get("focus"):
            return None
        try:
            block = Block(body)
            heading = self._heading(block)
        except InputError:
            return None
        return Held(source, block, heading) if heading.concepts and all(heading.units) else None

    def _heading(self, block: Block) -> Heading:
        """What the block's readings are. Most blocks are of one of a few series."""
        known = self._headings.setdefault(str(block.body.get("id")).rpartition("-")[0], [])
        for other, heading in known:
            if _alike(other, block.body):
                return heading
        view = views.observation(Source("", 0, ""), _as_reading(block), self._names)
        number = len(views.dicts(block.body.get("component")))
        parts = tuple(frozenset(n for n, place in view.places.items() if place == p) for p in range(number))
        named = view.concepts, view.codes, view.text, parts, block.units()
        heading = Heading(*named, view.setting, view.device, series.source_of(block.body))
        known.append((block.body, heading))
        return heading


def _as_reading(block: Block) -> dict[str, Any]:
    """A block's body with a value in the place of each column, so that its names are told as those of a reading are."""
    made = dict(block.body)
    values = [{"value": 0, "unit": unit, "code": unit, "system": UCUM} for unit in block.units()]
    if "component" in made:
        parts = zip(views.dicts(made["component"]), values, strict=True)
        return {**made, "component": [{"code": part.get("code"), "valueQuantity": value} for part, value in parts]}
    return {**made, "valueQuantity": values[0]}


def _alike(one: Body, other: Body) -> bool:
    """Whether two blocks are of one series."""
    plain = all(one.get(name) == other.get(name) for name in ("code", "device", "meta"))
    return plain and [_about(p) for p in _columns(one)] == [_about(p) for p in _columns(other)] and (
        series.source_of(one) == series.source_of(other)
    )  # fmt: skip


def _columns(body: Body) -> list[dict[str, Any]]:
    return views.dicts(body.get("component")) or [dict(body)]


def _about(part: Mapping[str, Any]) -> tuple[Any, Any]:
    sampled = part.get("valueSampledData")
    return part.get("code"), sampled.get("origin") if isinstance(sampled, dict) else None
