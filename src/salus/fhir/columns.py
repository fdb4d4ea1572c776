"""Readings as columns: instants, lengths and values as whole numbers, and back, exact.

Instants and lengths are microseconds (since 1970, UTC), values whole numbers times a power of ten; a *row* is one of
them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache
from itertools import pairwise

from salus.errors import InputError

MAX_EXPONENT = 40
MAX_DIGITS = 4000
"""Digits of a whole number that a column may hold; more than Python reads from a text."""
DAY = 86_400_000_000
HOUR = 3_600_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EXACT = Context(prec=MAX_DIGITS, Emin=-MAX_DIGITS, Emax=MAX_DIGITS, traps=[Inexact, InvalidOperation])

Ints = Sequence[int]


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings in order of time, as columns of one length n.

    ``starts`` are microseconds since 1970 (UTC), ``lengths`` microseconds from start to end, ``zones`` the clock's
    offset from UTC in minutes, ``values`` one column a part: whole numbers, to be multiplied by ten to the power of
    minus ``exponents``. ``marks`` are words by row: one of quality, then, behind "#", what the sender numbered the
    reading by, percent-encoded, where several of one moment are told apart so; rows without one are not in it.
    """

    starts: Ints
    lengths: Ints
    zones: Ints
    values: tuple[Ints, ...]
    exponents: tuple[int, ...]
    marks: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.starts)

    def value(self, n: int, part: int = 0) -> Decimal:
        """The value of row ``n``, exact."""
        return exact(self.values[part][n], self.exponents[part])

    def rows(self) -> Iterator[Row]:
        """The readings as rows that compare by time first."""
        for n, start in enumerate(self.starts):
            told = tuple(
                least(column[n], exponent) for column, exponent in zip(self.values, self.exponents, strict=True)
            )
            yield start, self.lengths[n], told, self.zones[n], self.marks.get(n, "")


Row = tuple[int, int, tuple[tuple[int, int], ...], int, str]
"""A reading: start, length, a (number, exponent) of :func:`least` for each part, the zone, and its mark."""


def exact(number: int, exponent: int) -> Decimal:
    """``number`` times ten to the power of minus ``exponent``, with every digit."""
    return _EXACT.scaleb(Decimal(number), -exponent) if exponent else Decimal(number)


def least(number: int, exponent: int) -> tuple[int, int]:
    """The same value with the least exponent that is not negative: 7100, 2 is 71, 0."""
    if exponent < 0:
        return number * 10**-exponent, 0
    while exponent and not number % 10:
        number //= 10
        exponent -= 1
    return number, exponent


def whole(value: Decimal) -> tuple[int, int]:
    """A decimal as (number, exponent). Raises InputError for what is no number or has too many places."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or abs(exponent) > MAX_EXPONENT or len(digits) > MAX_EXPONENT:
        raise InputError("a reading that is no number, or has too many places")
    number = int("".join(map(str, digits)) or "0")
    return least(-number if sign else number, -exponent)


def micros(at: datetime) -> int:
    """Microseconds since 1970, exact."""
    return (at - _EPOCH) // _MICROSECOND


def moment(instant: int, zone: int = 0) -> datetime:
    """The instant on a clock ``zone`` minutes ahead of UTC."""
    return _epoch(zone) + timedelta(microseconds=instant)


@lru_cache(maxsize=256)
def _epoch(zone: int) -> datetime:
    return _EPOCH.astimezone(timezone(timedelta(minutes=zone))) if zone else _EPOCH


def in_columns(rows: Sequence[Row], parts: int = 1) -> Columns:
    """Rows as columns: in order, the same reading once. ``parts`` is how many values each has."""
    kept = _distinct(rows)
    exponents = tuple(max((row[2][p][1] for row in kept), default=0) for p in range(parts))
    values = tuple(
        packed([number * 10 ** (exponents[p] - e) for number, e in (row[2][p] for row in kept)]) for p in range(parts)
    )
    return Columns(
        packed([row[0] for row in kept]),
        packed([row[1] for row in kept]),
        packed([row[3] for row in kept]),
        values,
        exponents,
        {n: row[4] for n, row in enumerate(kept) if row[4]},
    )


def _distinct(rows: Sequence[Row]) -> Sequence[Row]:
    if all(one[0] < other[0] for one, other in pairwise(rows)):
        return rows
    return list({same(row): row for row in sorted(rows)}.values())


def same(row: Row) -> tuple[int, int, tuple[tuple[int, int], ...], str]:
    """What two readings of one series are the same one by: time, values, and what their sender numbered them."""
    return (*row[:3], row[4].partition("#")[2])


def packed(numbers: list[int]) -> Ints:
    """An array of 64 bits a number; the list itself where one is larger."""
    try:
        return array("q", numbers)
    except OverflowError:
        return numbers


def date_of(instant: int) -> str:
    """The day (UTC) of an instant, as YYYYMMDD."""
    return _date(instant // DAY)


def time_of(instant: int) -> str:
    """The minute (UTC) of an instant, as YYYYMMDDhhmm."""
    minutes = instant // 60_000_000
    return f"{date_of(instant)}{minutes // 60 % 24:02}{minutes % 60:02}"


@lru_cache(maxsize=4096)
def _date(day: int) -> str:
    return f"{moment(day * DAY):%Y%m%d}"


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour's readings in short. ``start`` is microseconds since 1970 (UTC)."""

    start: int
    n: int
    least: Decimal
    greatest: Decimal
    total: Decimal
    last: Decimal

    @property
    def mean(self) -> Decimal:
        """The mean of the readings."""
        return self.total / self.n


def hours_of(told: Columns) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Of each hour with readings: which it is, counted from the day's first, n, least, greatest, sum, last."""
    starts, values = told.starts, told.values[0]
    day = starts[0] - starts[0] % DAY
    begin = 0
    while begin < len(starts):
        hour = (starts[begin] - day) // HOUR
        end = bisect_left(starts, day + (hour + 1) * HOUR, begin)
        part = values[begin:end]
        yield hour, end - begin, min(part), max(part), sum(part), part[-1]
        begin = end


def hour_of(numbers: tuple[int, ...], start: int, exponent: int) -> Hour:
    """The summary whose numbers :func:`hours_of` gave for readings of which the first is at ``start``."""
    hour, n, *values = numbers
    low, high, total, last = (exact(number, exponent) for number in values)
    return Hour(start - start % DAY + hour * HOUR, n, low, high, total, last)
