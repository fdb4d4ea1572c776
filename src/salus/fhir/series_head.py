"""What all readings of a series have in common, the ids of its blocks, and how a block is written.

A block is a valid FHIR R4 Observation. Its numbers are SampledData, whole numbers times a power of ten, so that every
decimal keeps its value; the instants are the element ``offsets`` of R5's SampledData, as the cross-version extension
that HL7 publishes for R4 (``http://hl7.org/fhir/5.0/StructureDefinition/extension-SampledData.offsets``, counted from
the start of ``effectivePeriod`` in ``intervalUnit``). Durations, changes of the clock's offset from UTC, marks of
quality and the hours' summaries stand in extensions of salus's own. A panel (blood pressure) has a component a part.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from salus.errors import InputError
from salus.fhir.columns import Columns, date_of, hours_of, micros, moment, time_of
from salus.fhir.quantity import UCUM
from salus.fhir.views import TAG_KIND, TAG_SETTING, Body, dicts, tags

TAG_SERIES = "urn:salus:series"
"""The tag of a block. Its code says which stretch of time (UTC) one block holds: see :data:`STRETCHES`."""
OFFSETS = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SampledData.offsets"
INTERVAL_UNIT = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SampledData.intervalUnit"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
EXT_DURATIONS = "urn:salus:series-durations"
EXT_ZONES = "urn:salus:series-zones"
EXT_QUALITY = "urn:salus:series-quality"
EXT_HOURS = "urn:salus:series-hours"
EXT_SOURCE = "urn:salus:series-source"

STRETCHES = {"minute": 12, "day": 8, "month": 6}
"""Digits of the time (YYYYMMDDhhmm) that all readings of a block share."""
HOURS_FROM = 4
"""Readings an hour from which a block carries its hours: fewer are as quickly read one by one."""
MAX_READINGS = 1_000_000
LONGEST = timedelta(days=31)
"""How long one reading may last, so that the id of a block tells until when its readings can reach."""
UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
"""Microseconds of a unit in which instants are counted."""
BLOCK_ID = re.compile(r"series-[0-9a-f]{16}-(?P<stretch>\d{6}(?:\d\d){0,3})")
"""The form of the ids that blocks get."""
ID_PREFIX = "series-"
CATEGORY = [
    {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}
]


@dataclass(frozen=True, slots=True)
class Part:
    """One measured quantity of a series: its ``code`` (a CodeableConcept) and its UCUM ``unit``."""

    code: Mapping[str, Any]
    unit: str


@dataclass(frozen=True, slots=True)
class Head:
    """What all readings of a series have in common. ``parts`` are the components of a panel, else the one quantity.

    ``source`` is the app or program that recorded them, where it is not the device itself. ``setting`` is "home" or,
    for what was measured in an institution, "".
    """

    code: Mapping[str, Any]
    parts: tuple[Part, ...]
    device: str = ""
    source: str = ""
    setting: str = "home"
    stretch: str = "day"

    @property
    def panel(self) -> bool:
        """Whether each reading has several parts."""
        return len(self.parts) > 1

    def block_id(self, start: int, subject: str = "", other: int = 0) -> str:
        """The id of the block that holds the reading at ``start`` (microseconds since 1970).

        With ``subject``, a reference to whom the readings are of, no other person's block has it. ``other`` numbers
        further blocks of the same stretch, for where the first one's place is taken.
        """
        coded = [_key(self.code), *(f"{_key(p.code)} {p.unit}" for p in self.parts)]
        named = [*coded, self.device, self.source, self.setting, self.stretch]
        named += [subject, str(other or "")] if subject or other else []
        digest = hashlib.sha256("\0".join(named).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return f"{ID_PREFIX}{digest}-{self.stretch_of(start)}"

    def stretch_of(self, start: int) -> str:
        """The minute, day or month (first digits of YYYYMMDDhhmm, UTC) whose block holds the reading at ``start``."""
        digits = STRETCHES[self.stretch]
        return (date_of(start) if digits <= 8 else time_of(start))[:digits]


def _key(code: Mapping[str, Any]) -> str:
    first = next(iter(dicts(code.get("coding"))), {})
    return f"{first.get('system', '')}|{first.get('code', '')}"


def is_block(told: Body) -> bool:
    """Whether a resource says that it is a block of readings."""
    return told.get("resourceType") == "Observation" and bool(tags(told, TAG_SERIES))


def stretch_in(name: str) -> tuple[int, int] | None:
    """The stretch of time [start, end) in microseconds since 1970 whose readings a block of this id holds.

    None for an id that no block has.
    """
    match = BLOCK_ID.fullmatch(name)
    if match is None:
        return None
    digits = match["stretch"]
    try:
        first = datetime.strptime(digits, "%Y%m%d%H%M"[: len(digits) - 2]).replace(tzinfo=UTC)
        lasts = {6: timedelta(days=31), 8: timedelta(days=1), 10: timedelta(hours=1), 12: timedelta(minutes=1)}
        return micros(first), micros(first + lasts[len(digits)])
    except (ValueError, OverflowError):
        return None


def body(head: Head, told: Columns, subject: str = "") -> dict[str, Any]:
    """The block of readings that lie in one stretch of ``head``; ``subject`` is a reference to whom they are of.

    Raises InputError for none and for too many, for one that lasts too long, and for a mark that is not one word.
    """
    if not 0 < len(told) <= MAX_READINGS:
        raise InputError(f"a block of {len(told)} readings", remedy=f"1 to {MAX_READINGS:,} make one")
    if any(" " in mark for mark in set(told.marks.values())):
        raise InputError("a mark of quality that is not one word")
    if max(told.lengths) > LONGEST // timedelta(microseconds=1):
        raise InputError(f"a reading that lasts longer than {LONGEST.days} days")
    first, last = told.starts[0], max(s + n for s, n in _times(told))
    unit, size = next(u for u in UNITS.items() if not any((s - first) % u[1] or n % u[1] for s, n in _times(told)))
    made: dict[str, Any] = {
        "resourceType": "Observation",
        "id": head.block_id(first, subject),
        "meta": {"tag": _tags(head)},
        "extension": _own(head, told, size),
        "status": "final",
        "category": CATEGORY,
        "code": head.code,
        "effectivePeriod": {"start": _instant(first), "end": _instant(last)},
    }
    if not made["extension"]:
        del made["extension"]
    if subject:
        made["subject"] = {"reference": subject}
    if head.device:
        made["device"] = {"display": head.device}
    offsets = unit, " ".join([str((start - first) // size) for start in told.starts])
    if head.panel:
        made["component"] = [
            {"code": part.code, "valueSampledData": _sampled(part, told, n, offsets)}
            for n, part in enumerate(head.parts)
        ]
    else:
        made["valueSampledData"] = _sampled(head.parts[0], told, 0, offsets)
    return made


def _tags(head: Head) -> list[dict[str, str]]:
    setting = [{"system": TAG_SETTING, "code": head.setting}] if head.setting else []
    kind = "signal/reading" if head.setting else "record/reading"
    return [*setting, {"system": TAG_KIND, "code": kind}, {"system": TAG_SERIES, "code": head.stretch}]


def _times(told: Columns) -> Iterator[tuple[int, int]]:
    return zip(told.starts, told.lengths, strict=True)


def _sampled(part: Part, told: Columns, n: int, offsets: tuple[str, str]) -> dict[str, Any]:
    unit, instants = offsets
    made: dict[str, Any] = {
        "extension": [{"url": INTERVAL_UNIT, "valueCode": unit}, {"url": OFFSETS, "valueString": instants}],
        "origin": {"value": 0, "unit": part.unit, "system": UCUM, "code": part.unit},
        "_period": {"extension": [{"url": ABSENT, "valueCode": "not-applicable"}]},
    }
    if told.exponents[n]:
        made["factor"] = Decimal((0, (1,), -told.exponents[n]))
    made["dimensions"] = 1
    made["data"] = " ".join(map(str, told.values[n]))
    return made


def _own(head: Head, told: Columns, size: int) -> list[dict[str, Any]]:
    made = [(EXT_SOURCE, head.source)]
    if any(told.lengths):
        made.append((EXT_DURATIONS, " ".join([str(length // size) for length in told.lengths])))
    if any(told.zones):
        made.append((EXT_ZONES, _runs(told.zones)))
    if told.marks:
        made.append((EXT_QUALITY, _runs([told.marks.get(n, "") for n in range(len(told))])))
    hours = [] if head.panel else list(hours_of(told))
    if len(told) >= HOURS_FROM * len(hours):
        made.append((EXT_HOURS, " ".join(" ".join(map(str, hour)) for hour in hours)))
    return [{"url": url, "valueString": text} for url, text in made if text]


def _runs(items: Sequence[int | str]) -> str:
    """Where a column changes, and to what: "0:120 57:60"."""
    changes = [n for n in range(len(items)) if n == 0 or items[n] != items[n - 1]]
    return " ".join(f"{n}:{items[n]}" for n in changes)


def _instant(at: int) -> str:
    return moment(at).isoformat().replace("+00:00", "Z")
