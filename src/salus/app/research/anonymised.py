"""A table for others: k-anonymous, with the sensitive columns as diverse or as close to the whole as is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from salus.trust.anonymise import Hierarchy, Release, release
from salus.trust.diversity import Condition, DistinctDiversity, EqualCloseness

Levels = Mapping[str, tuple[str, ...]]
"""Each value of a column with its generalisations, itself first."""


def read_levels(column: str, path: Path, delimiter: str = ";") -> Levels:
    """The generalisations of a column from a table without heading, a row a value. Raises InputError."""
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
    """The k-anonymous form of a table with the least loss, suppressing at most ``suppression`` (0 to 1) of its rows.

    ``levels`` are the generalisations by column; a column without any is kept as it is. In each class of rows that look
    alike a column of ``diverse`` has that many values, and the shares of the values of one of ``close`` are within that
    much (0 to 1) of the whole table's. Raises InputError where there is no such form.
    """
    conditions: list[Condition] = [
        *(DistinctDiversity(column, least) for column, least in (diverse or {}).items()),
        *(EqualCloseness(column, most) for column, most in (close or {}).items()),
    ]
    hierarchies = [Hierarchy(column, found) for column, found in levels.items()]
    return release(columns, rows, hierarchies, k=k, suppression=suppression, conditions=conditions)
