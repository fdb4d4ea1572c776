"""What a store asks of its database: one interface over SQLite (a file) and PostgreSQL (:mod:`salus.record.postgres`).

Statements are standard SQL with ``?`` for values. Errors are those of :mod:`sqlite3`, which are the DB-API's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

Values = Sequence[Any] | Mapping[str, Any]


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


class File(sqlite3.Connection):
    """A store's SQLite file."""

    def scan(self, sql: str, _: int, /) -> Iterator[Any]:
        """As :meth:`Database.scan`: SQLite reads a row when it is asked for."""
        return iter(self.execute(sql))

    def begin(self, patience: float) -> None:
        """As :meth:`Database.begin`."""
        (before,) = self.execute("PRAGMA busy_timeout").fetchone()
        self.execute(f"PRAGMA busy_timeout={round(1000 * patience)}")
        try:
            self.execute("BEGIN IMMEDIATE")
        finally:
            self.execute(f"PRAGMA busy_timeout={before}")

    def begin_reading(self) -> None:
        """As :meth:`Database.begin_reading`."""
        self.execute("BEGIN")
