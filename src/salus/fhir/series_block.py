"""A block of readings as it is read: head and time at once, its columns when they are first asked for; and two as one.

A block that says more than salus writes (a note, a status of its own) is neither joined with another nor taken apart,
since that would lose what it says: see :func:`says_more`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import Any

from salus.errors import InputError
from salus.fhir import series_head
from salus.fhir.columns import (
    Columns,
    Hour,
    date_of,
    hour_of,
    hours_of,
    in_columns,
    micros,
    packed,
    same,
    time_of,
    whole,
)
from salus.fhir.series_head import (
    CATEGORY,
    EXT_DURATIONS,
    EXT_HOURS,
    EXT_QUALITY,
    EXT_SOURCE,
    EXT_ZONES,
    INTERVAL_UNIT,
    OFFSETS,
    STRETCHES,
    TAG_SERIES,
    UNITS,
    Head,
    Part,
    body,
    is_block,
)
from salus.fhir.views import TAG_KIND, TAG_SETTING, Body, dicts, tags

OTHERS = 4
"""Blocks of one series and stretch that stand beside each other at most."""
_FAR = 14 * 60
"""Minutes that a clock may be away from UTC."""


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
        if self.count > series_head.MAX_READINGS:
            raise InputError("a block of too many readings", remedy=f"at most {series_head.MAX_READINGS:,} are read")

    def __len__(self) -> int:
        return self.count

    def units(self) -> tuple[str, ...]:
        """The UCUM unit of each part."""
        origins = [part.get("origin") for part in self.sampled]
        return tuple(str(o.get("code") or o.get("unit") or "") if isinstance(o, dict) else "" for o in origins)

    @property
    def stretch(self) -> str:
        """The stretch of time that it holds, one of :data:`salus.fhir.series_head.STRETCHES`."""
        return tags(self.body, TAG_SERIES)[0]

    @property
    def subject(self) -> str:
        """The reference to whom the readings are of; "" where it names nobody."""
        told = self.body.get("subject")
        return str(told.get("reference", "")) if isinstance(told, dict) else ""

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
        size = UNITS[_extension(self.sampled[0], INTERVAL_UNIT)]
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
        time = date_of if digits <= 8 else time_of
        within = told.starts[0] == self.start and told.starts[-1] <= self.end
        together = time(self.start)[:digits] == time(told.starts[-1])[:digits]
        return within and together and max(map(abs, told.zones)) <= _FAR

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


def source_of(told: Body) -> str:
    """The app or program that recorded the readings of a block; "" where none is told."""
    return _extension(told, EXT_SOURCE)


def numbered(told: Body) -> bool:
    """Whether the readings of a block bear what their sender numbered them by."""
    return "#" in _extension(told, EXT_QUALITY)


def renamed(told: Body, name: str) -> dict[str, Any]:
    """The block under another id."""
    return {**told, "id": name}


def ids_for(told: Body, subject: str) -> list[str]:
    """The ids under which a record may hold the block's series and stretch, the one to look for first at the front.

    The first is of stores of before, in which two people's blocks could have one id; a new block gets the second, or a
    later one where something else has its place. ``subject`` is a reference to whom the readings are of.
    """
    block = Block(told)
    return [block.head.block_id(block.start), *(block.head.block_id(block.start, subject, n) for n in range(OTHERS))]


def merged(held: Body, told: Body) -> dict[str, Any]:
    """Two blocks of one series and stretch as one under the id of ``held``: what both tell, once; ``held`` itself where
    the other adds nothing.

    Raises InputError where they are not of the same series, and where one says more than its readings.
    """
    one, other = Block(held), Block(told)
    if says_more(held) or says_more(told) or one.head.block_id(one.start) != other.head.block_id(other.start):
        raise InputError("two blocks of readings that are not of one series")
    if one.subject and other.subject and one.subject != other.subject:
        raise InputError("two blocks of readings that are of two people")
    if _readings(held) == _readings(told):
        return dict(held)
    rows = list(one.columns.rows())
    both = in_columns([*rows, *other.columns.rows()], len(one.head.parts))
    if len(both) == one.count and list(both.rows()) == rows:
        return dict(held)
    return renamed(body(one.head, both, one.subject or other.subject), str(held["id"]))


def rest(told: Body, held: Body) -> dict[str, Any] | None:
    """The readings of ``told`` that ``held`` does not tell, as a block; None where there are none.

    Raises InputError where the columns of one of them cannot be read.
    """
    block = Block(told)
    known = {same(row) for row in Block(held).columns.rows()}
    rows = [row for row in block.columns.rows() if same(row) not in known]
    return body(block.head, in_columns(rows, len(block.head.parts)), block.subject) if rows else None


def _readings(told: Body) -> Body:
    return {name: value for name, value in told.items() if name not in ("id", "subject")}


Shape = Mapping[str, "Shape | None"]
"""Elements and what stands in them; None: whatever it is, it is kept."""
_SAMPLED: Shape = {
    "extension": {"url": None, "valueCode": None, "valueString": None},
    "origin": dict.fromkeys(("value", "unit", "system", "code")),
    **dict.fromkeys(("_period", "factor", "dimensions", "data")),
}
_WRITTEN: Shape = {
    **dict.fromkeys(("resourceType", "id", "status", "category", "code")),
    "meta": {"tag": {"system": None, "code": None}},
    "extension": {"url": None, "valueString": None},
    "subject": {"reference": None},
    "device": {"display": None},
    "effectivePeriod": {"start": None, "end": None},
    "component": {"code": None, "valueSampledData": _SAMPLED},
    "valueSampledData": _SAMPLED,
}
_URLS = frozenset({EXT_SOURCE, EXT_DURATIONS, EXT_ZONES, EXT_QUALITY, EXT_HOURS})
_TAGS = frozenset({TAG_SETTING, TAG_KIND, TAG_SERIES})


def says_more(told: Body) -> bool:
    """Whether a block says something that :func:`salus.fhir.series_head.body` would not write of its readings."""
    if not _within(told, _WRITTEN) or told.get("status") != "final" or told.get("category") != CATEGORY:
        return True
    columns = [c.get("valueSampledData", {}) for c in (*dicts(told.get("component")), told)]
    inner = {e.get("url") for column in columns for e in dicts(column.get("extension"))}
    urls = {e.get("url") for e in dicts(told.get("extension"))}
    systems = {t.get("system") for t in dicts(told.get("meta", {}).get("tag"))}
    return not (inner <= {OFFSETS, INTERVAL_UNIT} and urls <= _URLS and systems <= _TAGS)


def _within(told: Any, shape: Shape | None) -> bool:
    """Whether an element holds no others than those of a shape."""
    if shape is None:
        return True
    if isinstance(told, list):
        return all(_within(item, shape) for item in told)
    return isinstance(told, Mapping) and all(n in shape and _within(v, shape[n]) for n, v in told.items())


# ---- reading extensions


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
