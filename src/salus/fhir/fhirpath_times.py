"""Dates and times of FHIRPath as texts: their order as far as their precision tells it, and their boundaries."""

from __future__ import annotations

import calendar
import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?\Z")
DATE_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(?:(\d\d)(?::(\d\d)(?::(\d\d)(\.\d+)?)?)?)?(Z|[+-]\d\d:\d\d)?\Z")
TIME = re.compile(r"(\d\d)(?::(\d\d)(?::(\d\d)(\.\d+)?)?)?\Z")


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or time by its stated parts, from the largest; ``zone`` in minutes, None where not stated."""

    clock: bool
    parts: tuple[Decimal, ...]
    zone: int | None = None


def moment(text: str, *, time: bool) -> Moment | None:
    """``text`` as a time where it is known to be one or has a colon, else as a date; None when it is neither."""
    if (match := TIME.match(text)) and (time or ":" in text):
        return Moment(True, _numbers(match.groups()[:3], match[4]))
    if match := DATE.match(text):
        return Moment(False, _numbers(match.groups(), None)) if is_date(text) else None
    match = DATE_TIME.match(text)
    if not match or not is_date(text[:10]):
        return None
    told = match[8] or ""
    minutes = 0 if told == "Z" else int(told[:1] + "1") * (int(told[1:3]) * 60 + int(told[4:])) if told else None
    return Moment(False, _numbers(match.groups()[:6], match[7]), minutes)


def _numbers(parts: Sequence[str | None], fraction: str | None) -> tuple[Decimal, ...]:
    told = [part for part in parts if part is not None]
    return tuple(Decimal(part) for part in (*told[:-1], told[-1] + (fraction or "")))


def order(a: Moment, b: Moment) -> int | None:
    """-1, 0 or 1. None where precision or an unstated zone leaves it open."""
    left, right = a.parts, b.parts
    if len(left) > 3 and len(right) > 3 and not a.clock and a.zone != b.zone:
        if a.zone is None or b.zone is None or min(len(left), len(right)) < 5:
            return None
        left, right = _in_utc(a), _in_utc(b)
    for x, y in zip(left, right, strict=False):
        if x != y:
            return -1 if x < y else 1
    return 0 if len(left) == len(right) else None


def _in_utc(moment: Moment) -> tuple[Decimal, ...]:
    year, month, day, hour, minute = (int(part) for part in moment.parts[:5])
    minutes = datetime.date(year, month, day).toordinal() * 1440 + hour * 60 + minute - (moment.zone or 0)
    return (Decimal(minutes), *moment.parts[5:])


def is_date(text: str) -> bool:
    """True for a date, whole or partial, that the calendar has."""
    match = DATE.match(text)
    try:
        return match is not None and bool(datetime.date(int(match[1]), int(match[2] or 1), int(match[3] or 1)))
    except ValueError:
        return False


def time_boundary(value: str, low: bool) -> str:
    """The first or last time that ``value`` can stand for. It is one that TIME matches."""
    hour, minute, second, part = TIME.match(value).groups()  # type: ignore[union-attr]
    rest = ("00", "00", ".000") if low else ("59", "59", ".999")
    return f"{hour}:{minute or rest[0]}:{second or rest[1]}{part or rest[2]}"


def date_boundary(value: str, low: bool) -> str:
    """The first or last day that ``value`` can stand for; "" when it is no date."""
    match = DATE.match(value)
    if not match or not is_date(value):
        return ""
    year, month = int(match[1]), int(match[2] or (1 if low else 12))
    day = int(match[3] or (1 if low else calendar.monthrange(year, month)[1]))
    return f"{year:04}-{month:02}-{day:02}"


def date_time_boundary(value: str, low: bool) -> str:
    """The first or last moment, in any zone where none is stated; "" when ``value`` is no date or time."""
    zone = "+14:00" if low else "-12:00"
    match = DATE_TIME.match(value)
    if not match:
        day = date_boundary(value, low)
        return f"{day}T{'00:00:00.000' if low else '23:59:59.999'}{zone}" if day else ""
    clock = ":".join(p for p in match.groups()[3:6] if p) + (match[7] or "")
    whole = time_boundary(clock, low) if clock else ("00:00:00.000" if low else "23:59:59.999")
    return f"{match[1]}-{match[2]}-{match[3]}T{whole}{match[8] or zone}"
