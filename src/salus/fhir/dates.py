"""FHIR's partial dates: "2024", "2024-05", "2024-05-03" and instants, each read as the interval it stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from salus.errors import InputError

_DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
    r"(?:T(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?P<offset>Z|[+-]\d{2}:\d{2})?)?)?)?\Z",
    re.ASCII,
)
_FAR_OFFSET = timedelta(hours=14)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open interval of time [start, end), both in UTC. ``text`` is what the source said."""

    start: datetime
    end: datetime
    text: str = ""

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


def _end(start: datetime, unit: str) -> datetime:
    """The end of the unit that begins at ``start``; "9999", written for "no end", ends with the calendar."""
    try:
        return _next(start, unit)
    except (ValueError, OverflowError):
        return _END_OF_TIME


def _next(start: datetime, unit: str) -> datetime:
    if unit == "year":
        return start.replace(year=start.year + 1)
    if unit == "month":
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return start + {"day": timedelta(days=1), "minute": timedelta(minutes=1), "second": timedelta(seconds=1)}[unit]


def parse(text: str) -> Span:
    """The interval a FHIR date, dateTime or instant stands for. A time without offset is read as UTC.

    Raises :class:`InputError` for anything else, also for impossible dates such as 2023-02-30.
    """
    if not isinstance(text, str):
        raise _no_date()
    return _parsed(text)


def _no_date() -> InputError:
    return InputError("not a FHIR date", remedy="write YYYY, YYYY-MM, YYYY-MM-DD or a full timestamp")


@lru_cache(maxsize=4096)  # what was done at one visit bears one time
def _parsed(text: str) -> Span:
    match = _DATE.match(text)
    if match is None:
        raise _no_date()
    part = match.groupdict()
    unit = next(u for u in ("second", "minute", "day", "month", "year") if part[u])
    micro = int((part["fraction"] or "0").ljust(6, "0")[:6])
    try:
        if int(part["second"] or 0) > 60:
            raise ValueError
        start = datetime(
            int(part["year"]),
            int(part["month"] or 1),
            int(part["day"] or 1),
            int(part["hour"] or 0),
            int(part["minute"] or 0),
            min(int(part["second"] or 0), 59),  # a leap second is kept inside its minute
            micro,
            tzinfo=_zone(part["offset"]),
        )
        end = start + timedelta(microseconds=1) if part["fraction"] else _end(start, unit)
        return Span(start.astimezone(UTC), end.astimezone(UTC), text)
    except (ValueError, OverflowError) as error:
        raise InputError("an impossible date") from error


def _zone(offset: str | None) -> timezone:
    if offset in (None, "Z"):
        return UTC
    away = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:]))
    if away > _FAR_OFFSET or int(offset[4:]) > 59:
        raise ValueError
    return timezone(-away if offset[0] == "-" else away)


def instant(text: str) -> datetime:
    """The first moment of the interval ``text`` stands for, in UTC."""
    return parse(text).start


def write(moment: datetime) -> str:
    """A moment as a FHIR instant in UTC, to the second or, where there are any, the microsecond."""
    utc = moment.astimezone(UTC)
    return utc.isoformat(timespec="microseconds" if utc.microsecond else "seconds").replace("+00:00", "Z")


def age_years(birth: Span, at: datetime) -> int | None:
    """Completed years of age at ``at``; None where a partial birth date leaves it open or it lies in the future."""
    ages = set()
    for born in (birth.start, birth.end - timedelta(microseconds=1)):
        before_birthday = (at.month, at.day) < (born.month, born.day)
        ages.add(at.year - born.year - before_birthday)
    return ages.pop() if len(ages) == 1 and min(ages, default=-1) >= 0 else None
