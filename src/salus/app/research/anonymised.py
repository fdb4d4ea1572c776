"""Anonymising a table: k-anonymity, with conditions on the diversity or closeness of sensitive columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from salus.trust.anonymise import Hierarchy, Release, release
from salus.trust.diversity import Condition, DistinctDiversity, EqualCloseness

Levels = Mapping[str, tuple[str, ...]]
"""Each value of a column with its generalisations, from the value itself to the most general."""


def read_levels(column: str, path: Path, delimiter: str = ";") -> Levels:
    """Read the generalisations of a column from a CSV file without a header, one row per value. Raises InputError."""
    return Hierarchy.read(column, path, delimiter).levels


def anonymised(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    levels: Mapping[str, Levels],
    *,
    k: int,
    suppression: float = 0.0,
    diverse: Mapping[str, int] | None = None,
    close: Mapping[str, float] | None = None,
) -> Release:
    """The k-anonymous form of a table with the least loss. At most the share ``suppression`` (0 to 1) of its rows is
    suppressed.

    ``rows`` have one text per column of ``columns``. ``levels`` are the generalisations by column; a column without any
    is kept as it is. In each class of rows that look alike, a column in ``diverse`` has at least that many different
    values, and the distribution of a column in ``close`` is within that distance (0 to 1) of the whole table's. Raises
    InputError where there is no such form.
    """
    conditions: list[Condition] = [
        *(DistinctDiversity(column, least) for column, least in (diverse or {}).items()),
        *(EqualCloseness(column, most) for column, most in (close or {}).items()),
    ]
    hierarchies = [Hierarchy(column, found) for column, found in levels.items()]
    return release(columns, rows, hierarchies, k=k, suppression=suppression, conditions=conditions)
