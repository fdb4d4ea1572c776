"""Daily admissions from a CSV table: a date, a count, and columns to tell series apart (hospital, specialty ...)."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from salus.errors import InputError

DATE, COUNT = "date", "admissions"
MAX_ROWS = 2_000_000
MAX_SERIES = 2_000
MAX_DAYS = 20_000
MAX_COUNT = 100_000


@dataclass(frozen=True, slots=True)
class Series:
    """Admissions of consecutive days from ``start``; None where the table has no row: missing, never taken as 0."""

    name: str
    start: date
    counts: tuple[int | None, ...]

    @property
    def end(self) -> date:
        """The last day."""
        return self.start + timedelta(days=len(self.counts) - 1)


def read_history(lines: Iterable[str], where: str) -> tuple[Series, ...]:
    """Every series of a table with the columns ``date`` (YYYY-MM-DD) and ``admissions``, and any others as names.

    Raises InputError for a missing column, a row of the wrong length, what is no date or no count, a day that stands
    twice in a series, and tables beyond the bounds.
    """
    rows = csv.reader(lines, strict=True)
    try:
        return _series(rows, where)
    except csv.Error as error:
        raise InputError(f"not a CSV table: {error}", f"{where}, line {rows.line_num}") from error


def _series(rows: csv._reader, where: str) -> tuple[Series, ...]:  # type: ignore[name-defined]
    header = [name.strip().lower() for name in next(rows, [])]
    for needed in (DATE, COUNT):
        if header.count(needed) != 1:
            raise InputError(f"no single column {needed!r}", where, f"columns needed: {DATE}, {COUNT}")
    names = [i for i, name in enumerate(header) if name not in (DATE, COUNT)]
    found: dict[str, dict[date, int]] = {}
    for n, row in enumerate(rows):
        place = f"{where}, line {rows.line_num}"
        if not row:
            continue
        if n >= MAX_ROWS or len(found) > MAX_SERIES:
            raise InputError(
                "too many rows or series", place, f"at most {MAX_ROWS} rows and {MAX_SERIES} series are read"
            )
        if len(row) != len(header):
            raise InputError(f"{len(row)} cells where the heading has {len(header)}", place)
        days = found.setdefault(" / ".join(row[i].strip() for i in names) or "all", {})
        day = _date(row[header.index(DATE)], place)
        if day in days:
            raise InputError(f"{day} stands twice in the same series", place)
        days[day] = _count(row[header.index(COUNT)], place)
    if not found:
        raise InputError("no rows", where)
    return tuple(_filled(name, days, where) for name, days in found.items())


def _date(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError("not a date", where, "write it as YYYY-MM-DD") from error


def _count(text: str, where: str) -> int:
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit() and len(stripped) <= 9) or int(stripped) > MAX_COUNT:
        raise InputError(f"not a whole number from 0 to {MAX_COUNT}", where)
    return int(stripped)


def _filled(name: str, days: dict[date, int], where: str) -> Series:
    start, length = min(days), (max(days) - min(days)).days + 1
    if length > MAX_DAYS:
        raise InputError(f"a series over {length} days", where, f"at most {MAX_DAYS} are read")
    return Series(name, start, tuple(days.get(start + timedelta(days=i)) for i in range(length)))
