"""Apple Health's export.xml, read as a stream into columns: some thirty bytes of memory a reading.

Layout: ``HealthData`` holds ``ExportDate``, ``Me``, ``Record`` and ``Correlation`` elements (HealthKit Export, the
element declarations at the head of Apple's own files). Both blood pressures of one measurement stand in a
``Correlation``; the same two records stand at the top level as well and are counted once.

Apple's files begin with a document type declaration. By default any such declaration is refused; a caller who trusts
the file may allow one that only declares elements and attributes. Entities are refused always.
"""

from __future__ import annotations

import io
import json
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib.resources import files
from operator import itemgetter
from typing import Any, BinaryIO, NoReturn
from xml.parsers import expat

from salus.errors import InputError
from salus.fhir.columns import Row
from salus.formats.apple_health_values import REMEMBERED, Clock, device_name, measured

CHARACTERISTIC = "HKCharacteristicTypeIdentifier"
"""Begins the names of what the export says of its owner."""
CHUNK = 1 << 18
MAX_TOKEN = 1 << 22
"""Bytes that one tag, comment or text may have."""
MAX_ATTRIBUTE = 1 << 16
MAX_ATTRIBUTES = 64
MAX_DEPTH = 16
MAX_PENDING = 1_000_000
"""Top-level pressure records that may wait for their Correlation."""

MAX_LOSS_KINDS = 1000
MAX_SERIES = 20_000
"""Different kinds of readings by different devices and apps."""
USER_ENTERED = "user-entered"
"""The mark of a reading that somebody typed in."""
MMHG = "mm[Hg]"


_Attributes = Mapping[str, str]
_PressureKey = tuple[str, str, str, str, str]
_Value = tuple[tuple[int, int], ...]
"""A (number, exponent) for each part, as in :data:`salus.fhir.columns.Row`."""


@dataclass(slots=True)
class Track:
    """The readings of one concept by one device and app, as columns in the order of the file.

    ``concept`` is a name of codes.toml, ``units`` hold the UCUM unit of each part ("systolic-bp" and "diastolic-bp" of
    a blood pressure). Instants and lengths are microseconds, zones minutes.
    """

    concept: str
    units: Mapping[str, str]
    device: str
    source: str
    starts: array[int] = field(default_factory=lambda: array("q"))
    lengths: array[int] = field(default_factory=lambda: array("q"))
    zones: array[int] = field(default_factory=lambda: array("h"))
    values: list[_Value] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """The readings as rows, in order of time."""
        marks, columns = self.marks, zip(self.starts, self.lengths, self.values, self.zones, strict=True)
        found = (
            [(*row, "") for row in columns]
            if not marks
            else [(*row, marks.get(n, "")) for n, row in enumerate(columns)]
        )
        found.sort(key=_START)
        return found


_START = itemgetter(0)


@dataclass(slots=True)
class _Kind:
    """What records of one type, unit, app and device are: ``track`` is None for those that are not read."""

    name: str
    track: Track | None = None
    unit: str = ""
    factor: Decimal = Decimal(1)
    written: str = ""
    known: dict[str, _Value | None] = field(default_factory=dict)
    pressure: bool = False

    def value(self, text: str) -> _Value | None:
        """What a text says in the unit of the track; None where it is not understood."""
        if len(self.known) >= REMEMBERED:
            self.known.clear()
        number = measured(text, self.written, self.unit, self.factor)
        told = self.known[text] = None if number is None else (number,)
        return told


@cache
def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = json.loads(files("salus.formats").joinpath("apple_health.json").read_text("utf-8"))
    return table


def monthly(concept: str) -> bool:
    """Whether a concept is measured so rarely that one block holds a month of readings."""
    return concept in _table()["monthly"]


class AppleHealthExport:
    """Readings of an export: call :meth:`read`, then look at ``tracks``, ``losses``, ``me`` and ``export_date``.

    ``losses`` counts what was not carried over, by HealthKit type or element, with the reason where the type is known.
    ``me`` holds Apple's characteristics ("DateOfBirth", "BiologicalSex", …) as they stand; ``export_date`` their date.
    """

    def __init__(self, source: bytes | BinaryIO, *, allow_plain_dtd: bool = False) -> None:
        self._stream = io.BytesIO(source) if isinstance(source, bytes) else source
        self._allow_plain_dtd = allow_plain_dtd
        self.losses: Counter[str] = Counter()
        self.me: dict[str, str] = {}
        self.export_date: str | None = None
        self._path: list[str] = []
        self._tracks: dict[tuple[str, str, str], Track] = {}
        self._kinds: dict[tuple[str | None, ...], _Kind] = {}
        self._clock = Clock()
        self._last: Track | None = None
        self._pending: Counter[_PressureKey] = Counter()
        self._pair: dict[str, tuple[int, int]] | None = None
        self._pair_head: _Attributes = {}
        self._typed = False
        self._parser = self._new_parser()

    @property
    def tracks(self) -> list[Track]:
        """What was measured, each kind of reading of each device and app by itself."""
        return list(self._tracks.values())

    def read(self) -> None:
        """Read the export, once.

        Raises :class:`InputError` (line and byte) for what is not well-formed, truncated, not an Apple Health export,
        larger than the limits of this module, or carries a document type declaration that was not allowed.
        """
        fed = 0
        while True:
            chunk = self._stream.read(CHUNK)
            fed += len(chunk)
            try:
                self._parser.Parse(chunk, not chunk)
            except expat.ExpatError as error:
                self._malformed(error, at_end=not chunk)
            except LookupError:  # of Python's own, for the encoding that the file says it has
                self._fail("an encoding that nobody knows")
            if fed - self._parser.CurrentByteIndex > MAX_TOKEN:
                self._fail(f"a tag or text of more than {MAX_TOKEN} bytes")
            if not chunk:
                break
        for (kind, *_), count in self._pending.items():
            self._lose(f"{kind} without its correlation", count)

    def _new_parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate()
        parser.buffer_text = False
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EndDoctypeDeclHandler = self._doctype_over
        parser.EntityDeclHandler = lambda *_: self._fail("the file declares an entity", "entities are never read")
        parser.SkippedEntityHandler = lambda *_: self._fail("the file uses an entity", "entities are never read")
        parser.NotationDeclHandler = lambda *_: self._fail("the file declares a notation", "it is never read")
        parser.AttlistDeclHandler = self._attribute_declared
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        return parser

    def _fail(self, what: str, remedy: str | None = None) -> NoReturn:
        where = f"line {self._parser.CurrentLineNumber}, byte {max(0, self._parser.CurrentByteIndex)}"
        raise InputError(what, where, remedy)

    def _malformed(self, error: expat.ExpatError, *, at_end: bool) -> NoReturn:
        where = f"line {error.lineno}, byte {max(0, self._parser.ErrorByteIndex)}"
        if at_end:
            raise InputError("the export is truncated", where, "export it from the Health app again") from error
        raise InputError(f"not well-formed XML: {expat.ErrorString(error.code)}", where) from error

    def _doctype(self, name: str, system: str | None, public: str | None, internal: int) -> None:
        if system is not None or public is not None:
            self._fail("the document type refers to another file", "remove the DOCTYPE; nothing is ever fetched")
        if not self._allow_plain_dtd:
            self._fail(
                "the file has a document type declaration (DOCTYPE)",
                "Apple's own exports begin with one: if it comes from the Health app, allow it (--accept-apple-dtd)",
            )
        self._parser.DefaultHandlerExpand = self._inside_doctype
        self._parser.ProcessingInstructionHandler = lambda *_: self._fail("an instruction in the document type")

    def _inside_doctype(self, text: str) -> None:
        if text.startswith("%"):
            self._fail("the document type uses an entity", "entities are never read")

    def _doctype_over(self) -> None:
        self._parser.DefaultHandlerExpand = None
        self._parser.ProcessingInstructionHandler = None

    def _attribute_declared(self, element: str, name: str, kind: str, default: str | None, required: int) -> None:
        if default is not None:
            self._fail("the document type gives an attribute a default value", "such a declaration is never read")

    def _lose(self, what: str, count: int = 1) -> None:
        known = what in self.losses or len(self.losses) < MAX_LOSS_KINDS
        self.losses[what if known else "other types"] += count

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        path = self._path
        if len(attributes) > MAX_ATTRIBUTES or (attributes and max(map(len, attributes.values())) > MAX_ATTRIBUTE):
            self._fail("an element with too many or too long attributes")
        path.append(name)
        if len(path) == 2 and name == "Record":
            self._record(attributes)
        elif len(path) == 2:
            self._entry(name, attributes)
        elif len(path) == 3:
            self._inner(path[1], name, attributes)
        elif len(path) == 1 and name != "HealthData":
            self._fail("not an Apple Health export", "expected the element HealthData")
        elif len(path) > MAX_DEPTH:
            self._fail(f"elements nested more than {MAX_DEPTH} deep")

    def _entry(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Correlation":
            self._correlation(attributes)
        elif name == "ExportDate":
            self.export_date = attributes.get("value")
        elif name == "Me":
            self.me = {key.removeprefix(CHARACTERISTIC): value for key, value in attributes.items()}
        else:
            self._lose(name[:100])

    def _inner(self, outer: str, name: str, attributes: dict[str, str]) -> None:
        if name == "MetadataEntry" and attributes.get("key") == "HKWasUserEntered" and attributes.get("value") == "1":
            if outer == "Record" and self._last is not None:
                self._last.marks[len(self._last.starts) - 1] = USER_ENTERED
            self._typed = True
        elif outer == "Correlation" and name == "Record" and self._pair is not None:
            self._member(attributes)

    def _end(self, name: str) -> None:
        self._path.pop()
        if name == "Correlation" and len(self._path) == 1 and self._pair is not None:
            self._finish_pair(self._pair)
            self._pair = None

    def _record(self, record: _Attributes) -> None:
        get = record.get
        key = get("type"), get("unit"), get("sourceName"), get("device")
        kind = self._kinds.get(key) or self._kind(key, record)
        track = kind.track
        if track is None:
            self._last = None
            self._unread(kind, record)
            return
        text, began, ended = get("value", ""), get("startDate", ""), get("endDate", "")
        value = kind.known[text] if text in kind.known else kind.value(text)
        start, zone = self._clock.read(began)
        end = start if ended == began else self._clock.read(ended)[0]
        if value is None or start is None or end is None or end < start:
            self._last = None
            self._lose(f"{kind.name}: {'value' if start is not None and end is not None and end >= start else 'time'}"
                       " not readable")  # fmt: skip
            return
        track.starts.append(start)
        track.lengths.append(end - start)
        track.zones.append(zone)
        track.values.append(value)
        self._last = track

    def _unread(self, kind: _Kind, record: _Attributes) -> None:
        if not kind.pressure:
            self._lose(kind.name)
            return
        self._pending[self._key(record)] += 1
        if len(self._pending) > MAX_PENDING:
            self._fail("too many blood pressures without their correlation")

    def _kind(self, key: tuple[str | None, ...], record: _Attributes) -> _Kind:
        """What records like this one are, remembered."""
        if len(self._kinds) >= REMEMBERED:
            self._kinds.clear()
        name = record.get("type", "")
        row = _table()["quantities"].get(name)
        if row is None:
            found = _Kind((name or "Record without type")[:100], pressure=name in _table()["pressures"])
        else:
            concept, unit, factor = row
            track = self._track(concept, {concept: unit}, record)
            found = _Kind(name, track, unit, Decimal(factor), record.get("unit", ""))
        self._kinds[key] = found
        return found

    def _track(self, concept: str, units: Mapping[str, str], record: _Attributes) -> Track:
        device, source = device_name(record), record.get("sourceName", "")
        key = concept, device, source
        if key not in self._tracks:
            if len(self._tracks) >= MAX_SERIES:
                self._fail("readings of too many devices and apps")
            self._tracks[key] = Track(concept, units, device, source)
        return self._tracks[key]

    def _correlation(self, correlation: _Attributes) -> None:
        self._typed = False
        if correlation.get("type") == _table()["pressure-correlation"]:
            self._pair, self._pair_head = {}, correlation
        else:
            self._lose(correlation.get("type", "Correlation without type")[:100])

    def _member(self, record: _Attributes) -> None:
        assert self._pair is not None
        kind = record.get("type", "")
        concept = _table()["pressures"].get(kind)
        if concept is None:
            self._lose(f"{kind[:100]} in a blood pressure")
            return
        key = self._key(record)
        if self._pending.get(key):
            self._pending[key] -= 1
            if not self._pending[key]:
                del self._pending[key]
        value = measured(record.get("value", ""), record.get("unit", ""), MMHG, Decimal(1))
        if value is not None and concept not in self._pair:
            self._pair[concept] = value

    def _finish_pair(self, pair: Mapping[str, tuple[int, int]]) -> None:
        start, zone = self._clock.read(self._pair_head.get("startDate", ""))
        end, _ = self._clock.read(self._pair_head.get("endDate", ""))
        if start is None or end is None or end < start or len(pair) != 2:
            self._lose(f"{_table()['pressure-correlation']}: not both pressures readable")
            return
        parts = list(_table()["pressures"].values())
        track = self._track("blood-pressure", dict.fromkeys(parts, MMHG), self._pair_head)
        track.starts.append(start)
        track.lengths.append(end - start)
        track.zones.append(zone)
        track.values.append(tuple(pair[part] for part in parts))
        if self._typed:
            track.marks[len(track.starts) - 1] = USER_ENTERED

    @staticmethod
    def _key(record: _Attributes) -> _PressureKey:
        one, two, three, four, five = (
            record.get(n, "") for n in ("type", "startDate", "endDate", "value", "sourceName")
        )
        return one, two, three, four, five
