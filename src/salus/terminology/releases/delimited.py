"""Rows of delimited text: tab-separated RF2, pipe-separated RRF, CSV. A bad row is counted, not dropped in silence."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from salus.errors import InputError
from salus.terminology.releases.pack import Losses
from salus.terminology.releases.source import Member

__all__ = ["headed", "plain", "table"]

LONGEST_FIELD = 1 << 17
"""Characters of one quoted field; a quotation mark that is never closed ends here."""


def headed(member: Member, wanted: Sequence[str], losses: Losses) -> Iterator[tuple[str, ...]]:
    """The ``wanted`` columns of a tab-separated table without quotation, by the names in its first line.

    Raises InputError where a column is missing.
    """
    lines = member.lines()
    header = next(lines, (0, ""))[1].split("\t")
    places = _places(member, header, wanted)
    for number, line in lines:
        fields = line.split("\t")
        if len(fields) == len(header):
            yield tuple(fields[place] for place in places)
        elif line:
            losses.add(f"rows of {member.base} with another number of columns", f"line {number}")


def _places(member: Member, header: Sequence[str], wanted: Sequence[str]) -> list[int]:
    missing = [name for name in wanted if name not in header]
    if missing:
        raise InputError(f"no column {missing[0]!r}", f"{member.base}: line 1", "is this the file as it was released?")
    return [header.index(name) for name in wanted]


def plain(member: Member, mark: str, least: int, losses: Losses) -> Iterator[tuple[int, list[str]]]:
    """(line number, fields) of a table without a header; rows of fewer than ``least`` fields are counted."""
    for number, line in member.lines():
        fields = line.split(mark)
        if len(fields) >= least:
            yield number, fields
        elif line.strip():
            losses.add(f"rows of {member.base} with too few columns", f"line {number}")


def table(member: Member, losses: Losses, mark: str = ",") -> Iterator[tuple[int, list[str]]]:
    """(line number, fields) of a CSV table with quotation; the first row is the header, which all others match."""
    csv.field_size_limit(LONGEST_FIELD)
    rows = csv.reader((line + "\n" for _, line in member.lines()), delimiter=mark, strict=True)
    width = 0
    try:
        for fields in rows:
            if not width:
                width = len(fields)
            if len(fields) == width:
                yield rows.line_num, [field.strip() for field in fields]
            elif fields:
                losses.add(f"rows of {member.base} with another number of columns", f"line {rows.line_num}")
    except csv.Error as error:
        raise InputError(f"not a CSV table: {error}", f"{member.base}: line {rows.line_num}") from error
