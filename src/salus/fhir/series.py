"""Blocks of readings: what a device measured again and again in one day, as one Observation with columns.

A block is a valid FHIR R4 Observation. Its numbers are SampledData, whole numbers times a power of ten, so that every
decimal keeps its value; the instants are the element ``offsets`` of R5's SampledData, as the cross-version extension
that HL7 publishes for R4 (``http://hl7.org/fhir/5.0/StructureDefinition/extension-SampledData.offsets``, counted from
the start of ``effectivePeriod`` in ``intervalUnit``). Durations, changes of the clock's offset from UTC, marks of
quality and the hours' summaries stand in extensions of salus's own. A panel (blood pressure) has a component a part.

Everything here is pure: rows to body, body to columns, and body to the single Observations that it stands for.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import Any

from salus.errors import InputError
from salus.fhir.columns import DAY, Columns, Hour, date_of, hour_of, hours_of, in_columns, micros, moment, packed, whole
from salus.fhir.quantity import UCUM
from salus.fhir.views import TAG_KIND, TAG_SETTING, Body, dicts, tags

TAG_SERIES = "urn:salus:series"
"""The tag of a block. Its code says which stretch of time one block holds: "day" or "month" (UTC)."""
OFFSETS = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SampledData.offsets"
INTERVAL_UNIT = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SampledData.intervalUnit"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
EXT_DURATIONS = "urn:salus:series-durations"
EXT_ZONES = "urn:salus:series-zones"
EXT_QUALITY = "urn:salus:series-quality"
EXT_HOURS = "urn:salus:series-hours"
EXT_SOURCE = "urn:salus:series-source"
MARK = "urn:salus:reading-quality"
"""The mark of quality on a single reading, such as "user-entered"."""

STRETCHES = {"day": 8, "month": 6}
"""Digits of the date (YYYYMMDD) that all readings of a block share."""
HOURS_FROM = 4
"""Readings an hour from which a block carries its hours: fewer are as quickly read one by one."""
MAX_READINGS = 1_000_000
_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_STAMP = re.compile(
    r"(?P<day>\d\d)(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)(?P<micro>\d{6})?(?:-(?P<nth>\d{1,6}))?"
)
_FAR = 14 * 60
"""Minutes that a clock may be away from UTC."""


@dataclass(frozen=True, slots=True)
class Part:
    """One measured quantity of a series: its ``code`` (a CodeableConcept) and its UCUM ``unit``."""

    code: Mapping[str, Any]
    unit: str


@dataclass(frozen=True, slots=True)
class Head:
    """What all readings of a series have in common. ``parts`` are the components of a panel, else the one quantity.

    ``source`` is the app or program that recorded them, where it is not the device itself.
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

    def block_id(self, start: int) -> str:
        """The id of the block that holds the reading at ``start`` (microseconds since 1970)."""
        coded = [_key(self.code), *(f"{_key(p.code)} {p.unit}" for p in self.parts)]
        named = "\0".join([*coded, self.device, self.source, self.setting, self.stretch])
        digest = hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return f"series-{digest}-{self.stretch_of(start)}"

    def stretch_of(self, start: int) -> str:
        """The day (YYYYMMDD) or month (YYYYMM) in UTC whose block holds the reading at ``start``."""
        return date_of(start)[: STRETCHES[self.stretch]]


def _key(code: Mapping[str, Any]) -> str:
    first = next(iter(dicts(code.get("coding"))), {})
    return f"{first.get('system', '')}|{first.get('code', '')}"


def body(head: Head, told: Columns, subject: str = "") -> dict[str, Any]:
    """The block of readings that lie in one stretch of ``head``.

    Raises InputError for none and for too many, and for a mark that is not one word.
    """
    if not 0 < len(told) <= MAX_READINGS:
        raise InputError(f"a block of {len(told)} readings", remedy=f"1 to {MAX_READINGS:,} make one")
    if any(" " in mark for mark in set(told.marks.values())):
        raise InputError("a mark of quality that is not one word")
    first, last = told.starts[0], max(s + n for s, n in _times(told))
    unit, size = next(u for u in _UNITS.items() if not any((s - first) % u[1] or n % u[1] for s, n in _times(told)))
    made: dict[str, Any] = {
        "resourceType": "Observation",
        "id": head.block_id(first),
        "meta": {
            "tag": [
                {"system": TAG_SETTING, "code": head.setting},
                {"system": TAG_KIND, "code": "signal/reading"},
                {"system": TAG_SERIES, "code": head.stretch},
            ]
        },
        "extension": _own(head, told, size),
        "status": "final",
        "category": [{"coding": [{"system": _CATEGORIES, "code": "vital-signs"}]}],
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


_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"


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


# ---- body to columns


BLOCK_ID = re.compile(r"series-[0-9a-f]{16}-\d{6}(\d\d)?")
"""The form of the ids that blocks get."""


def is_block(told: Body) -> bool:
    """Whether a resource says that it is a block of readings."""
    return told.get("resourceType") == "Observation" and bool(tags(told, TAG_SERIES))


class Block:
    """A block as it was read: its head and time at once, its columns when they are first asked for.

    Making one raises InputError for what is no block; asking for the columns, for columns that do not fit together.
    """

    __slots__ = ("__dict__", "body", "count", "end", "sampled", "start")

    def __init__(self, told: Body) -> None:
        self.body = told
        parts = [c.get("valueSampledData") for c in dicts(told.get("component"))] or [told.get("valueSampledData")]
        period = told.get("effectivePeriod")
        if not all(isinstance(part, dict) for part in parts) or not isinstance(period, dict) or not is_block(told):
            raise InputError("not a block of readings")
        self.sampled: list[dict[str, Any]] = parts  # type: ignore[assignment]
        try:
            self.start = micros(datetime.fromisoformat(period["start"]))
            self.end = micros(datetime.fromisoformat(period["end"]))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError("a block of readings without its time") from error
        self.count = _extension(self.sampled[0], OFFSETS).count(" ") + 1
        if self.count > MAX_READINGS:
            raise InputError("a block of too many readings", remedy=f"at most {MAX_READINGS:,} are read")

    def __len__(self) -> int:
        return self.count

    def units(self) -> tuple[str, ...]:
        """The UCUM unit of each part."""
        origins = [part.get("origin") for part in self.sampled]
        return tuple(str(o.get("code") or o.get("unit") or "") if isinstance(o, dict) else "" for o in origins)

    @property
    def stretch(self) -> str:
        """The stretch of time that it holds: "day" or "month"."""
        return tags(self.body, TAG_SERIES)[0]

    @cached_property
    def head(self) -> Head:
        """What its readings have in common."""
        parts = dicts(self.body.get("component")) or [{"code": self.body.get("code")}]
        device = self.body.get("device")
        return Head(
            self.body.get("code") or {},
            tuple(Part(part.get("code") or {}, unit) for part, unit in zip(parts, self.units(), strict=True)),
            str(device.get("display", "")) if isinstance(device, dict) else "",
            source_of(self.body),
            next(iter(tags(self.body, TAG_SETTING)), ""),
            self.stretch,
        )

    @cached_property
    def columns(self) -> Columns:
        """The readings. Raises InputError where they do not fit together."""
        try:
            return self._columns()
        except (ValueError, KeyError, TypeError, ArithmeticError) as error:
            raise InputError("a block of readings whose columns cannot be read") from error

    def _columns(self) -> Columns:
        size = _UNITS[_extension(self.sampled[0], INTERVAL_UNIT)]
        first = self.start
        starts = packed([first + size * int(word) for word in _extension(self.sampled[0], OFFSETS).split(" ")])
        values = tuple(packed(list(map(int, part["data"].split(" ")))) for part in self.sampled)
        durations = _extension(self.body, EXT_DURATIONS)
        lengths = packed([size * int(word) for word in durations.split(" ")] if durations else [0] * self.count)
        zones = packed([int(zone) for zone in _expanded(_extension(self.body, EXT_ZONES) or "0:0", self.count)])
        quality = _extension(self.body, EXT_QUALITY)
        marks = {n: m for n, m in enumerate(_expanded(quality, self.count)) if m} if quality else {}
        told = Columns(starts, lengths, zones, values, tuple(map(_exponent, self.sampled)), marks)
        if any(len(column) != self.count for column in (starts, lengths, zones, *values)):
            raise ValueError
        if any(one > other for one, other in pairwise(starts)) or min(lengths) < 0 or not self._placed(told):
            raise ValueError
        return told

    def _placed(self, told: Columns) -> bool:
        """Whether the readings lie in the block's time, all in one stretch of it, by clocks that can be."""
        digits = STRETCHES[self.stretch]
        within = told.starts[0] == self.start and told.starts[-1] <= self.end
        together = date_of(self.start)[:digits] == date_of(told.starts[-1])[:digits]
        return within and together and max(map(abs, told.zones)) <= _FAR

    def stamp(self, n: int) -> str:
        """What tells reading ``n`` from the others of its block: day and time in UTC, then which of the same time."""
        starts = self.columns.starts
        at = starts[n]
        seconds, micro = divmod(at % DAY, 1_000_000)
        told = f"{date_of(at)[6:]}{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}"
        if micro:
            told += f"{micro:06}"
        if not n or starts[n - 1] != at:
            return told
        nth = n - bisect_left(starts, at) + 1
        return f"{told}-{nth}"

    def place(self, stamp: str) -> int | None:
        """The reading that :meth:`stamp` gave this name; None where there is none."""
        match = _STAMP.fullmatch(stamp)
        if match is None:
            return None
        first = moment(self.start)
        day, hour, minute, second = (int(match[name]) for name in ("day", "hour", "minute", "second"))
        try:
            at = micros(datetime(first.year, first.month, day, hour, minute, second, int(match["micro"] or 0), UTC))
        except ValueError:
            return None
        n = bisect_left(self.columns.starts, at) + int(match["nth"] or 1) - 1
        return n if n < self.count and self.columns.starts[n] == at and self.stamp(n) == stamp else None

    def between(self, since: int, until: int) -> range:
        """The readings that start at ``since`` or later and before ``until`` (microseconds since 1970)."""
        starts = self.columns.starts
        return range(bisect_left(starts, since), bisect_left(starts, until))

    @property
    def zone(self) -> int | None:
        """The offset from UTC (minutes) of all readings; None where the clock was changed."""
        told = _extension(self.body, EXT_ZONES) or "0:0"
        try:
            return None if " " in told else int(told.partition(":")[2])
        except ValueError:
            return None

    @property
    def has_hours(self) -> bool:
        """Whether the hours are summed up beside the readings."""
        return bool(_extension(self.body, EXT_HOURS))

    def hours(self) -> list[Hour]:
        """Summaries of the hours (UTC) in which there are readings; of panels none."""
        if self.head.panel:
            return []
        written = _extension(self.body, EXT_HOURS)
        exponent = _exponent(self.sampled[0])
        if not written:
            return [hour_of(numbers, self.start, exponent) for numbers in hours_of(self.columns)]
        numbers = list(map(int, written.split(" ")))
        return [hour_of(tuple(numbers[n : n + 6]), self.start, exponent) for n in range(0, len(numbers), 6)]

    def reading(self, n: int) -> dict[str, Any]:
        """Reading ``n`` as the Observation that it stands for."""
        head, told = self.head, self.columns
        start, zone, length = told.starts[n], told.zones[n], told.lengths[n]
        made: dict[str, Any] = {
            "resourceType": "Observation",
            "id": f"{self.body['id']}.{self.stamp(n)}",
            "meta": {"tag": [tag for tag in dicts(self.body["meta"]["tag"]) if tag.get("system") != TAG_SERIES]},
            **({"extension": [{"url": MARK, "valueCode": told.marks[n]}]} if n in told.marks else {}),
            **{name: self.body[name] for name in ("status", "category", "code", "subject") if name in self.body},
        }
        if length:
            end = moment(start + length, zone).isoformat()
            made["effectivePeriod"] = {"start": moment(start, zone).isoformat(), "end": end}
        else:
            made["effectiveDateTime"] = moment(start, zone).isoformat()
        if "device" in self.body:
            made["device"] = self.body["device"]
        values = [_quantity(told.value(n, p), part.unit) for p, part in enumerate(head.parts)]
        if "component" not in self.body:
            return {**made, "valueQuantity": values[0]}
        made["component"] = [{"code": p.code, "valueQuantity": v} for p, v in zip(head.parts, values, strict=True)]
        return made


def source_of(told: Body) -> str:
    """The app or program that recorded the readings of a block; "" where none is told."""
    return _extension(told, EXT_SOURCE)


def split(name: str) -> tuple[str, str]:
    """Block and stamp of a reading's id or reference; ("", "") for what is none."""
    block, _, stamp = name.rpartition(".")
    return (block, stamp) if block and _STAMP.fullmatch(stamp) else ("", "")


def reading_body(told: Body, n: int) -> dict[str, Any]:
    """Reading ``n`` of a block as an Observation. Raises InputError for what is no block, IndexError beyond its end."""
    return Block(told).reading(n)


def expand(told: Body, since: datetime | None = None, until: datetime | None = None) -> list[dict[str, Any]]:
    """The readings of a block as Observations; only those that start from ``since`` on and before ``until``."""
    block = Block(told)
    first = micros(since) if since else block.start
    last = micros(until) if until else block.end + 1
    if block.end < first or block.start >= last:
        return []
    return [block.reading(n) for n in block.between(first, last)]


def find(told: Body, name: str) -> dict[str, Any] | None:
    """The reading with this id as an Observation; None where the block has none of that id."""
    own, stamp = split(name)
    if own != told.get("id"):
        return None
    block = Block(told)
    n = block.place(stamp)
    return None if n is None else block.reading(n)


def merged(held: Body, told: Body) -> dict[str, Any]:
    """Two blocks of one id as one: what both tell, once; ``held`` itself where the other adds nothing.

    Raises InputError where they are not of the same series.
    """
    one, other = Block(held), Block(told)
    same = held.get("id") == told.get("id") == one.head.block_id(one.start) == other.head.block_id(other.start)
    if not same or held.get("status") != told.get("status") or "modifierExtension" in held:
        raise InputError("two blocks of readings that are not of one series")
    if _without_subject(held) == _without_subject(told):
        return dict(held)
    rows = list(one.columns.rows())
    both = in_columns([*rows, *other.columns.rows()], len(one.head.parts))
    if len(both) == one.count and list(both.rows()) == rows:
        return dict(held)
    subject = held.get("subject") or told.get("subject") or {}
    return body(one.head, both, str(subject.get("reference", "")))


def _without_subject(told: Body) -> Body:
    return {name: value for name, value in told.items() if name != "subject"}


def _quantity(value: Decimal, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def _extension(told: Body, url: str) -> str:
    """The text or code of an extension; "" where there is none."""
    for extension in dicts(told.get("extension")):
        if extension.get("url") == url:
            return str(extension.get("valueString") or extension.get("valueCode") or "")
    return ""


def _expanded(runs: str, count: int) -> list[str]:
    """Inverse of the writing of runs: one word a reading."""
    told = [run.split(":", 1) for run in runs.split(" ")]
    places = [int(place) for place, _ in told]
    if places[0] != 0 or any(one >= other for one, other in pairwise([*places, count])):
        raise ValueError
    return [word for (_, word), (n, m) in zip(told, pairwise([*places, count]), strict=True) for _ in range(m - n)]


def _exponent(sampled: Mapping[str, Any]) -> int:
    """The power of ten of a column. Raises ValueError for a factor that is none, and for an origin that is not 0."""
    factor, origin = sampled.get("factor", 1), sampled["origin"]["value"]
    number, exponent = whole(Decimal(factor))
    if origin != 0 or number != 1:
        raise ValueError
    return exponent
