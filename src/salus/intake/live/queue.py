"""The built-in queue: at least once in, exactly once out. One SQLite file; a reading is durable before it is confirmed.

What is queued is sealed, and the key that tells doubles is a keyed hash; both functions come from whoever opens the
queue. Keys are kept for good (16 bytes each), so that a copy that comes a year later is still a copy.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from salus.errors import StoreError

Put = Literal["new", "duplicate", "conflict"]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS reading (
  n       INTEGER PRIMARY KEY AUTOINCREMENT,
  key     BLOB NOT NULL UNIQUE,
  content BLOB NOT NULL,
  body    BLOB
);
CREATE INDEX IF NOT EXISTS reading_waiting ON reading (n) WHERE body IS NOT NULL;
"""


@dataclass(frozen=True, slots=True)
class Guard:
    """How the queue hides what it holds: ``blind`` (keyed hash), ``seal`` and ``unseal`` (authenticated encryption)."""

    blind: Callable[[bytes], bytes]
    seal: Callable[[bytes], bytes]
    unseal: Callable[[bytes], bytes]


class Queue:
    """An open queue. Not to be shared between threads."""

    def __init__(self, path: Path, guard: Guard) -> None:
        """Open or make the file. Raises StoreError."""
        self._path = path
        self._guard = guard
        try:
            self._connection = sqlite3.connect(path, timeout=30, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA secure_delete=ON")
            self._connection.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise StoreError(f"the queue cannot be opened: {error}", where=str(path)) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def put(self, items: Sequence[tuple[bytes, bytes]]) -> list[Put]:
        """Keep (identity, body) pairs durably, all in one transaction; says of each what it was. Raises StoreError.

        A second body under one identity is a conflict and is not kept.
        """
        said: list[Put] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                said = [self._put(identity, body) for identity, body in items]
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.DatabaseError as error:
            raise StoreError(f"the queue cannot be written: {error}", where=str(self._path)) from error
        return said

    def _put(self, identity: bytes, body: bytes) -> Put:
        key, content = self._guard.blind(identity), self._guard.blind(body)
        row = self._connection.execute("SELECT content FROM reading WHERE key = ?", (key,)).fetchone()
        if row:
            return "duplicate" if row[0] == content else "conflict"
        sealed = self._guard.seal(body)
        self._connection.execute("INSERT INTO reading (key, content, body) VALUES (?, ?, ?)", (key, content, sealed))
        return "new"

    def take(self, most: int, after: int = 0) -> list[tuple[int, bytes]]:
        """The oldest that are not done, with their numbers, of those after a number. They stay until :meth:`done`."""
        rows = self._connection.execute(
            "SELECT n, body FROM reading WHERE body IS NOT NULL AND n > ? ORDER BY n LIMIT ?", (after, most)
        ).fetchall()
        return [(n, self._guard.unseal(body)) for n, body in rows]

    def done(self, numbers: Sequence[int]) -> None:
        """These are in the record: drop their bodies, keep their keys. Raises StoreError."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("UPDATE reading SET body = NULL WHERE n = ?", ((n,) for n in numbers))
            self._connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise StoreError(f"the queue cannot be written: {error}", where=str(self._path)) from error

    def waiting(self) -> int:
        """How many are not done."""
        (count,) = self._connection.execute("SELECT count(*) FROM reading WHERE body IS NOT NULL").fetchone()
        return int(count)
