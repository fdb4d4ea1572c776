"""Apple Health's export.xml, read as a stream in bounded memory.

Layout: ``HealthData`` holds ``ExportDate``, ``Me``, ``Record`` and ``Correlation`` elements (HealthKit Export, the
element declarations at the head of Apple's own files). Both blood pressures of one measurement stand in a
``Correlation``; the same two records stand at the top level as well and are counted once.

Apple's files begin with a document type declaration. By default any such declaration is refused; a caller who trusts
the file may allow one that only declares elements and attributes. Entities are refused always.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, BinaryIO, NoReturn
from xml.parsers import expat

from salus.errors import InputError, UnitError
from salus.fhir.quantity import Quantity, canonical_unit, convert
from salus.formats.types import Reading

CHARACTERISTIC = "HKCharacteristicTypeIdentifier"
"""Begins the names of what the export says of its owner."""
CHUNK = 1 << 16
MAX_TOKEN = 1 << 22
"""Bytes that one tag, comment or text may have."""
MAX_ATTRIBUTE = 1 << 16
MAX_ATTRIBUTES = 64
MAX_DEPTH = 16
MAX_PENDING = 1_000_000
"""Top-level pressure records that may wait for their Correlation."""

MAX_LOSS_KINDS = 1000

_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?([eE][+-]?\d{1,2})?\Z", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\Z", re.ASCII)
_DEVICE = re.compile(r"(?:^|[,<>]\s*)(name|manufacturer|model|hardware):(.*?)(?=,\s*\w+:|>\Z|\Z)")

_Attributes = Mapping[str, str]
_PressureKey = tuple[str, str, str, str, str]


@cache
def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = json.loads(files("salus.formats").joinpath("apple_health.json").read_text("utf-8"))
    return table


class AppleHealthExport:
    """Readings of an export, one by one: iterate once, then look at ``losses``, ``me`` and ``export_date``.

    ``losses`` counts what was not carried over, by HealthKit type or element, with the reason where the type is known.
    ``me`` holds Apple's characteristics ("DateOfBirth", "BiologicalSex", …) as they stand; ``export_date`` their date.
    Iterating raises :class:`InputError` (line and byte) for what is not well-formed, truncated, not an Apple Health
    export, larger than the limits of this module, or carries a document type declaration that was not allowed.
    """

    def __init__(self, source: bytes | BinaryIO, *, allow_plain_dtd: bool = False) -> None:
        self._stream = io.BytesIO(source) if isinstance(source, bytes) else source
        self._allow_plain_dtd = allow_plain_dtd
        self.losses: Counter[str] = Counter()
        self.me: dict[str, str] = {}
        self.export_date: str | None = None
        self._ready: list[Reading] = []
        self._path: list[str] = []
        self._pending: Counter[_PressureKey] = Counter()
        self._pair: dict[str, tuple[Decimal, str]] | None = None
        self._pair_head: _Attributes = {}
        self._parser = self._new_parser()

    def __iter__(self) -> Iterator[Reading]:
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
            yield from self._ready
            self._ready.clear()
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
        if not self._path and name != "HealthData":
            self._fail("not an Apple Health export", "expected the element HealthData")
        if len(self._path) >= MAX_DEPTH:
            self._fail(f"elements nested more than {MAX_DEPTH} deep")
        if len(attributes) > MAX_ATTRIBUTES or any(len(v) > MAX_ATTRIBUTE for v in attributes.values()):
            self._fail("an element with too many or too long attributes")
        self._path.append(name)
        where = "/".join(self._path[1:])
        if where == "Record":
            self._record(attributes)
        elif where == "Correlation":
            self._correlation(attributes)
        elif where == "Correlation/Record":
            if self._pair is not None:
                self._member(attributes)
        elif where == "ExportDate":
            self.export_date = attributes.get("value")
        elif where == "Me":
            self.me = {key.removeprefix(CHARACTERISTIC): value for key, value in attributes.items()}
        elif len(self._path) == 2:
            self._lose(name[:100])

    def _end(self, name: str) -> None:
        self._path.pop()
        if name == "Correlation" and len(self._path) == 1 and self._pair is not None:
            self._finish_pair(self._pair)
            self._pair = None

    def _record(self, record: _Attributes) -> None:
        kind = record.get("type", "")
        if kind in _table()["pressures"]:
            self._pending[self._key(record)] += 1
            if len(self._pending) > MAX_PENDING:
                self._fail("too many blood pressures without their correlation")
            return
        if kind not in _table()["quantities"]:
            self._lose((kind or "Record without type")[:100])
            return
        concept, unit, factor = _table()["quantities"][kind]
        times = self._times(record)
        measured = self._measured(record, unit, Decimal(factor))
        if times is None or measured is None:
            self._lose(f"{kind}: {'value' if times else 'time'} not readable")
            return
        self._ready.append(Reading(concept, measured, unit, *times, device_name(record)))

    def _correlation(self, correlation: _Attributes) -> None:
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
        value = self._measured(record, "mm[Hg]", Decimal(1))
        if value is not None and concept not in self._pair:
            self._pair[concept] = (value, "mm[Hg]")

    def _finish_pair(self, pair: dict[str, tuple[Decimal, str]]) -> None:
        times = self._times(self._pair_head)
        if times is None or len(pair) != 2:
            self._lose(f"{_table()['pressure-correlation']}: not both pressures readable")
            return
        self._ready.append(Reading("blood-pressure", None, "", *times, device_name(self._pair_head), pair))

    @staticmethod
    def _key(record: _Attributes) -> _PressureKey:
        one, two, three, four, five = (
            record.get(n, "") for n in ("type", "startDate", "endDate", "value", "sourceName")
        )
        return one, two, three, four, five

    @staticmethod
    def _times(record: _Attributes) -> tuple[datetime, datetime] | None:
        start, end = moment(record.get("startDate", "")), moment(record.get("endDate", ""))
        return (start, end) if start and end and start <= end else None

    @staticmethod
    def _measured(record: _Attributes, unit: str, factor: Decimal) -> Decimal | None:
        text, written = record.get("value", ""), record.get("unit", "")
        if not _NUMBER.match(text) or not written:
            return None
        value = Decimal(text)
        if unit == "%" and not 0 <= value <= 1:  # HealthKit's percent is a fraction; anything else is not understood
            return None
        try:
            return convert(Quantity(value * factor, canonical_unit(written)), unit).value
        except UnitError:
            return None


def moment(text: str) -> datetime | None:
    """A HealthKit time ("2024-05-01 07:10:00 +0200") with its offset; None where it is not one."""
    if not _TIME.match(text):
        return None
    try:
        return datetime.fromisoformat(text[:19] + text[20:])
    except ValueError:
        return None


def device_name(record: _Attributes) -> str:
    """The device as "name (manufacturer, model, hardware)", else the name of the source.

    The memory address and software version in Apple's description change from day to day and are left out, so that
    one device keeps one name.
    """
    parts = {key: value.strip() for key, value in _DEVICE.findall(record.get("device", "")) if value.strip()}
    about = ", ".join(parts[key] for key in ("manufacturer", "model", "hardware") if key in parts)
    name = parts.get("name") or record.get("sourceName", "")
    return f"{name} ({about})" if about and parts else name
