"""Blocks of readings: what a device measured again and again, as one Observation with columns, and the single
Observations that it stands for.

How a block is written stands in :mod:`salus.fhir.series_head`, how it is read and joined with another in
:mod:`salus.fhir.series_block`; their names are at hand here. Everything is pure. A reading's id is that of its block
and a *stamp*: day and time in UTC, then which of the same time.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from salus.fhir.columns import DAY, date_of, micros, moment
from salus.fhir.quantity import UCUM
from salus.fhir.series_block import Block, ids_for, merged, numbered, renamed, rest, says_more, source_of
from salus.fhir.series_head import (
    BLOCK_ID,
    EXT_DURATIONS,
    EXT_HOURS,
    EXT_QUALITY,
    EXT_SOURCE,
    EXT_ZONES,
    ID_PREFIX,
    INTERVAL_UNIT,
    LONGEST,
    OFFSETS,
    TAG_SERIES,
    Head,
    Part,
    body,
    is_block,
    stretch_in,
)
from salus.fhir.views import Body, dicts

__all__ = [
    "BLOCK_ID",
    "EXT_DURATIONS",
    "EXT_HOURS",
    "EXT_QUALITY",
    "EXT_SOURCE",
    "EXT_ZONES",
    "ID_PREFIX",
    "INTERVAL_UNIT",
    "LONGEST",
    "MARK",
    "NUMBER",
    "OFFSETS",
    "TAG_SERIES",
    "Block",
    "Head",
    "Part",
    "block_of",
    "body",
    "expand",
    "find",
    "ids_for",
    "is_block",
    "merged",
    "numbered",
    "place",
    "reading",
    "reading_body",
    "renamed",
    "rest",
    "says_more",
    "source_of",
    "split",
    "stamp",
    "stamp_of",
    "stretch_in",
]

MARK = "urn:salus:reading-quality"
"""The mark of quality on a single reading, such as "user-entered"."""
NUMBER = "urn:salus:reading-number"
"""What tells a single reading from others of its moment, as its sender numbered it."""
_STAMP = re.compile(
    r"(?P<day>\d\d)(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)(?P<micro>\d{6})?(?:-(?P<nth>\d{1,6}))?"
)


def split(name: str) -> tuple[str, str]:
    """Block and stamp of a reading's id or reference; ("", "") for what is none."""
    block, _, told = name.rpartition(".")
    is_one = BLOCK_ID.fullmatch(block.rpartition("/")[2]) and _STAMP.fullmatch(told)
    return (block, told) if is_one else ("", "")


def block_of(name: str) -> str:
    """The id under which a record holds what has this id: of a reading that of its block, else its own."""
    return split(name)[0] or name


def stamp(block: Block, n: int) -> str:
    """What tells reading ``n`` from the others of its block."""
    starts = block.columns.starts
    told = stamp_of(starts[n])
    if not n or starts[n - 1] != starts[n]:
        return told
    nth = n - bisect_left(starts, starts[n]) + 1
    return f"{told}-{nth}"


def stamp_of(at: int) -> str:
    """The stamp of the first reading at an instant (microseconds since 1970)."""
    seconds, micro = divmod(at % DAY, 1_000_000)
    told = f"{date_of(at)[6:]}{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}"
    return f"{told}{micro:06}" if micro else told


def place(block: Block, told: str) -> int | None:
    """The reading that :func:`stamp` gave this name; None where there is none."""
    match = _STAMP.fullmatch(told)
    if match is None:
        return None
    first = moment(block.start)
    day, hour, minute, second = (int(match[name]) for name in ("day", "hour", "minute", "second"))
    try:
        at = micros(datetime(first.year, first.month, day, hour, minute, second, int(match["micro"] or 0), UTC))
    except ValueError:
        return None
    n = bisect_left(block.columns.starts, at) + int(match["nth"] or 1) - 1
    return n if n < block.count and block.columns.starts[n] == at and stamp(block, n) == told else None


def reading(block: Block, n: int) -> dict[str, Any]:
    """Reading ``n`` as the Observation that it stands for."""
    head, told, whole = block.head, block.columns, block.body
    start, zone, length = told.starts[n], told.zones[n], told.lengths[n]
    made: dict[str, Any] = {
        "resourceType": "Observation",
        "id": f"{whole['id']}.{stamp(block, n)}",
        "meta": {"tag": [tag for tag in dicts(whole["meta"]["tag"]) if tag.get("system") != TAG_SERIES]},
    }
    if extensions := _marked(told.marks.get(n, "")):
        made["extension"] = extensions
    made.update({name: whole[name] for name in ("status", "category", "code", "subject") if name in whole})
    if length:
        end = moment(start + length, zone).isoformat()
        made["effectivePeriod"] = {"start": moment(start, zone).isoformat(), "end": end}
    else:
        made["effectiveDateTime"] = moment(start, zone).isoformat()
    if "device" in whole:
        made["device"] = whole["device"]
    values = [_quantity(told.value(n, p), part.unit) for p, part in enumerate(head.parts)]
    if "component" not in whole:
        return {**made, "valueQuantity": values[0]}
    made["component"] = [{"code": p.code, "valueQuantity": v} for p, v in zip(head.parts, values, strict=True)]
    return made


def _marked(mark: str) -> list[dict[str, Any]]:
    """The extensions of a reading with this mark: see :class:`salus.fhir.columns.Columns`."""
    quality, _, number = mark.partition("#")
    told = [{"url": MARK, "valueCode": quality}] if quality else []
    return [*told, {"url": NUMBER, "valueString": unquote(number)}] if number else told


def _quantity(value: Decimal, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def reading_body(told: Body, n: int) -> dict[str, Any]:
    """Reading ``n`` of a block as an Observation. Raises InputError for what is no block, IndexError beyond its end."""
    return reading(Block(told), n)


def expand(told: Body, since: datetime | None = None, until: datetime | None = None) -> list[dict[str, Any]]:
    """The readings of a block as Observations; only those that start from ``since`` on and before ``until``."""
    block = Block(told)
    first = micros(since) if since else block.start
    last = micros(until) if until else block.end + 1
    if block.end < first or block.start >= last:
        return []
    return [reading(block, n) for n in block.between(first, last)]


def find(told: Body, name: str) -> dict[str, Any] | None:
    """The reading with this id as an Observation; None where the block has none of that id."""
    own, wanted = split(name)
    if own != told.get("id"):
        return None
    block = Block(told)
    n = place(block, wanted)
    return None if n is None else reading(block, n)
