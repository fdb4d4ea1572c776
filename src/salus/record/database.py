"""What a store asks of its database: one interface over SQLite (a file) and PostgreSQL (:mod:`salus.record.postgres`).

Statements are standard SQL with ``?`` for values. Errors are those of :mod:`sqlite3`, which are the DB-API's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

Values = Sequence[Any] | Mapping[str, Any]
_STEP = 1024
"""Longer lists of values are padded to the next multiple of this, shorter ones to the next power of two."""


class Rows(Protocol):
    """The rows that a statement gave."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchmany(self, size: int, /) -> list[Any]: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Database(Protocol):
    """An open connection. One thread's."""

    @property
    def in_transaction(self) -> bool:
        """True between the beginning of a transaction and its end."""
        ...

    def execute(self, sql: str, values: Values = ..., /) -> Rows:
        """Run one statement."""
        ...

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> Any:
        """Run one statement for each row of values."""
        ...

    def scan(self, sql: str, size: int, /) -> Iterator[Any]:
        """The rows of a statement without values, of which about ``size`` are in memory at once. In a transaction."""
        ...

    def begin(self, patience: float) -> None:
        """Begin to write, as the only one who does; who waits gives up after ``patience`` seconds."""
        ...

    def begin_reading(self) -> None:
        """Begin to read what is there now, whatever others write meanwhile."""
        ...

    def close(self) -> None:
        """Close the connection; what was begun is rolled back."""
        ...


def one_of(values: Sequence[Any]) -> tuple[str, list[Any]]:
    """Marks and values of ``IN (…)``, the last value repeated until the list has one of few lengths.

    A statement is prepared once for each text of it: lists of any length would be as many texts.
    """
    size = len(values)
    length = 1 << (size - 1).bit_length() if 0 < size <= _STEP else -(-size // _STEP) * _STEP
    return ", ".join("?" * length), [*values, *list(values[-1:]) * (length - size)]


class File(sqlite3.Connection):
    """A store's SQLite file."""

    _usual: int | None = None
    """The milliseconds for which it waits for others if nothing else is said."""

    def scan(self, sql: str, _: int, /) -> Iterator[Any]:
        """As :meth:`Database.scan`: SQLite reads a row when it is asked for."""
        return iter(self.execute(sql))

    def begin(self, patience: float) -> None:
        """As :meth:`Database.begin`."""
        if self._usual is None:
            (self._usual,) = self.execute("PRAGMA busy_timeout").fetchone()
        asked = round(1000 * patience)
        if asked == self._usual:
            self.execute("BEGIN IMMEDIATE")
            return
        self.execute(f"PRAGMA busy_timeout={asked}")
        try:
            self.execute("BEGIN IMMEDIATE")
        finally:
            self.execute(f"PRAGMA busy_timeout={self._usual}")

    def begin_reading(self) -> None:
        """As :meth:`Database.begin_reading`."""
        self.execute("BEGIN")
