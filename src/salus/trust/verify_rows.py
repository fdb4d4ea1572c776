"""The rows of one patient as they lie in the store, read part by part, with a digest of all that was read.

Equal digests mean equal rows: what was verified once need not be opened again to know that it still stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from salus.record.database import Database

PART = 500
"""Resources that are read at once."""
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a patient's resources with what belongs to them, by row number.

    ``current`` are (rid, type, id, version, updated, deleted, mac, body, own kinds, kinds), ``past`` (version, updated,
    deleted, mac, body) and the rest the rows of the tables of these names, without the number.
    """

    current: list[Row]
    past: dict[int, list[Row]]
    tokens: dict[int, set[Row]]
    dates: dict[int, set[Row]]
    targets: dict[int, set[Row]]


@dataclass(frozen=True, slots=True)
class Whose:
    """A patient by number and id; the number None and the id "" stand for the house itself."""

    pid: int | None
    name: str
    erased: bool = False


class Rows:
    """The rows of one patient, or of the house itself, which has entries only."""

    def __init__(self, connection: Database, whose: Whose) -> None:
        self._connection = connection
        self.whose = whose
        self._pid = whose.pid
        self._read = hashlib.sha256(repr((whose.pid, whose.name, whose.erased)).encode())

    def digest(self) -> bytes:
        """SHA-256 of whose they are and of all rows that were read until now, in the order of reading."""
        return self._read.digest()

    def entries(self) -> Iterator[Row]:
        """The log's entries in order: number, topic, commitment, sealed entry, whether a checkpoint ends before it."""
        rows = self._connection.execute(
            "SELECT l.n, l.topic, l.commitment, EXISTS (SELECT 1 FROM log_checkpoint c WHERE c.size = l.n), l.entry "
            f"FROM log_leaf l WHERE {'l.pid IS NULL' if self._pid is None else 'l.pid = ?'} ORDER BY l.n",
            () if self._pid is None else (self._pid,),
        )
        return ((n, topic, commitment, entry, ends) for n, topic, commitment, ends, entry in self._noted(rows))

    def parts(self) -> Iterator[Part]:
        """The resources in parts, ordered by type and id."""
        rows = self._connection.execute(
            "SELECT rid, type, id, version, updated, deleted, mac, own_kinds, kinds, body FROM resource "
            "WHERE pid = ? ORDER BY type, id",
            (self._pid,),
        )
        while found := list(self._noted(rows.fetchmany(PART))):
            rids = [row[0] for row in found]
            yield Part(
                [(*row[:7], row[9], *row[7:9]) for row in found],
                self._past(rids),
                self._following("token_index", "type, param, token, pid, kinds", rids),
                self._following("date_index", "type, param, lo, hi", rids),
                self._following("target", "type, id", rids),
            )

    def blob(self, address: str) -> Row | None:
        """Patient and category of a blob, with all its pieces noted; None where there is none."""
        row = self._connection.execute(
            "SELECT pid, category, size, chunks FROM blob WHERE address = ?", (address,)
        ).fetchone()
        pieces = self._connection.execute("SELECT n, body FROM blob_chunk WHERE address = ? ORDER BY n", (address,))
        self._read.update(repr((address, row)).encode())
        for _ in self._noted(pieces):
            pass
        return row[:2] if row else None

    def _past(self, rids: list[int]) -> dict[int, list[Row]]:
        rows = self._connection.execute(
            f"SELECT rid, version, updated, deleted, mac, body FROM history WHERE rid IN ({_marks(rids)}) "
            "ORDER BY rid, version",
            rids,
        )
        found: dict[int, list[Row]] = {}
        for rid, *row in self._noted(rows):
            found.setdefault(rid, []).append(tuple(row))
        return found

    def _following(self, table: str, columns: str, rids: list[int]) -> dict[int, set[Row]]:
        """The rows of a table that follow from resources, by the row number of these."""
        rows = self._connection.execute(
            f"SELECT rid, {columns} FROM {table} WHERE rid IN ({_marks(rids)}) ORDER BY rid, {columns}", rids
        ).fetchall()
        self._read.update(repr((table, rows)).encode())
        found: dict[int, set[Row]] = {}
        for rid, *row in rows:
            found.setdefault(rid, set()).add(tuple(row))
        return found

    def _noted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Rows whose last column is long, each noted when it is read."""
        for row in rows:
            *short, sealed = row
            data = sealed if isinstance(sealed, bytes) else repr(sealed).encode()  # SQLite holds any type anywhere
            self._read.update(repr((short, type(sealed), len(data))).encode())
            self._read.update(data)
            yield row


def _marks(values: list[int]) -> str:
    return ", ".join("?" * len(values))


def digest_of(connection: Database, whose: Whose, blobs: Iterable[str]) -> bytes:
    """The digest of all rows of a patient and of these blobs, read as verification reads them."""
    rows = Rows(connection, whose)
    for _ in rows.entries():
        pass
    for _ in rows.parts():
        pass
    for address in blobs:
        rows.blob(address)
    return rows.digest()
