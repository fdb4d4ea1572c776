"""Summaries of readings: number, least, greatest, mean and last value of each hour or day.

A block of many readings carries summaries of its hours, so that years can be summarised without opening a reading.
Where doubles have to be removed, or only a part of a block is asked for, the readings themselves are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from salus.fhir.columns import DAY, HOUR, moment
from salus.record.pages import Item, Line, Readings, line, value_of
from salus.record.series import Held

By = Literal["hour", "day"]
_MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class Summary:
    """The readings of one hour (UTC), or of one day of the local clock, that begins at ``start``."""

    start: datetime
    n: int
    least: float
    greatest: float
    mean: float
    last: float


class _Part(NamedTuple):
    """One or more readings of one hour or day: its start (microseconds since 1970), zone (minutes), and figures."""

    start: int
    zone: int
    n: int
    least: float
    greatest: float
    total: float
    last: float


@dataclass(frozen=True, slots=True)
class Summaries:
    """The summaries of a concept in ``unit``, oldest first."""

    rows: tuple[Summary, ...]
    unit: str

    @classmethod
    def of(cls, told: Readings, concept: str, unit: str, by: By) -> Summaries:
        """The summaries of ``concept`` in ``told``, by hour or day, without readings that have no value in ``unit``."""
        parts = (part for n in told.numbers for part in _parts(told, n, concept, unit))
        return cls(tuple(_folded(parts, by)), unit)


def _parts(told: Readings, n: int, concept: str, unit: str) -> Iterator[_Part]:
    held = told.alone(n)
    zone = held.block.zone if held is not None else None
    if held is None or zone is None or zone % 60 or not held.block.has_hours:
        lines: dict[int, Line | None] = {}
        yield from (part for item in told.of_page(n) if (part := _one(item, concept, unit, lines)) is not None)
        return
    scale = line(held, concept, unit)
    for hour in held.block.hours() if scale is not None else ():
        assert scale is not None
        low, high, last = (scale.of(value) for value in (hour.least, hour.greatest, hour.last))
        total = float(hour.total) * scale.slope + hour.n * scale.start
        yield _Part(hour.start, zone, hour.n, min(low, high), max(low, high), total, last)


def _one(item: Item, concept: str, unit: str, lines: dict[int, Line | None]) -> _Part | None:
    start, _, where, n = item
    if isinstance(where, Held):
        zone = where.columns.zones[n]
    else:
        effective = where.seen.effective
        assert effective is not None
        away = datetime.fromisoformat(effective.text).utcoffset() if "T" in effective.text else None
        zone = 0 if away is None else int(away.total_seconds() // 60)
    value = value_of(item, concept, unit, lines)
    return None if value is None else _Part(start, zone, 1, value, value, value, value)


def _folded(parts: Iterable[_Part], by: By) -> Iterator[Summary]:
    open_part: _Part | None = None
    for part in parts:
        away = part.zone * _MINUTE if by == "day" else 0
        size = DAY if by == "day" else HOUR
        start = (part.start + away) // size * size - away
        if open_part is not None and (open_part.start, open_part.zone if by == "day" else 0) == (
            start,
            away // _MINUTE,
        ):
            open_part = _Part(
                start,
                part.zone,
                open_part.n + part.n,
                min(open_part.least, part.least),
                max(open_part.greatest, part.greatest),
                open_part.total + part.total,
                part.last,
            )
            continue
        if open_part is not None:
            yield _closed(open_part, by)
        open_part = part._replace(start=start)
    if open_part is not None:
        yield _closed(open_part, by)


def _closed(part: _Part, by: By) -> Summary:
    start = moment(part.start, part.zone if by == "day" else 0)
    return Summary(start, part.n, part.least, part.greatest, part.total / part.n, part.last)
