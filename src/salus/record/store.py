"""The store: resources with their history, blobs and indexes, in one SQLite file or one PostgreSQL database.

The bytes of a body are stored unchanged; the digest of a resource is their SHA-256. Each call to :meth:`Store.commit`
stores everything together with its log entry, or nothing.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salus.errors import AccessError, IntegrityError, StoreError
from salus.fhir.views import Body
from salus.record import index, kinds, schema
from salus.record.database import Database, File
from salus.record.protocols import Content, Journal, Scope, Sealer
from salus.record.reading import Reading, one
from salus.record.sealing import CHUNK, HOUSE, Chunk, memo_context, pack, reach_context, seal_chunk
from salus.record.turn import PATIENCE, Turn
from salus.record.writing import Change, IndexRows, Writing

__all__ = ["CHUNK", "Change", "Store", "Written"]

CODES_KEPT = 1 << 15
"""The most codes whose keyed hash an open store remembers: the same codes come again and again."""
MEMO_PATIENCE = 1.0
"""Seconds to wait for other writers before a memo or a reach is not kept."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a commit did: how many resources it created, updated, left unchanged and deleted, how many blobs it added.

    ``leaf`` is the number of its log leaf; None where nothing was written.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    blobs: int = 0
    leaf: int | None = None


class Store(Reading):
    """An open store. It must not be shared between threads: each worker opens its own.

    ``sealer`` and ``journal`` come from ``trust``. Every public call takes the scope that the gate granted.
    """

    def __init__(self, path: Path, sealer: Sealer, journal: Journal, *, create: bool = False, url: str = "") -> None:
        """``path`` is the file of the store. With ``url``, the store is in that PostgreSQL database instead.

        ``create`` makes the store where there is none. Raises StoreError where it cannot be opened.
        """
        super().__init__(_connected(path, url, create=create), sealer)
        self.path = path
        self._journal = journal
        self._turn = Turn(path)
        self._codes: dict[str, bytes] = {}
        if not kinds.told(self._connection):
            self._tell_kinds()

    def _tell_kinds(self) -> None:
        """Work out the kinds of data of all rows, for a store of an earlier release or when the tables have changed."""
        self._connection.begin(PATIENCE)
        try:
            kinds.tell(self._connection, self._opened)
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise

    def _opened(self, row: tuple[Any, ...]) -> Body | None:
        try:
            body: Body = self.open_row(*row).body
        except IntegrityError:  # verify reports it; until then the row has every kind
            return None
        return body

    def close(self) -> None:
        """Close the file, or the connection to the database."""
        self._connection.close()
        self._turn.close()

    @contextmanager
    def transaction(self, scope: Scope, patience: float = PATIENCE) -> Iterator[Database]:
        """A write transaction, rolled back whole on any exception. Its log entries are sealed before the commit.

        Raises AccessError for a scope that may not write, StoreError where the store cannot be written or others write
        for longer than ``patience`` seconds.
        """
        if not scope.may_write:
            raise AccessError("not allowed")
        try:
            with self._turn.taken(patience):
                yield from self._transaction(patience)
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"the store cannot be written: {error}", where=str(self.path), remedy="nothing of this step was kept"
            ) from error

    def _transaction(self, patience: float) -> Iterator[Database]:
        self._connection.begin(patience)
        sealed = False
        try:
            yield self._connection
            self._journal.seal(self._connection)
            sealed = True
            self._connection.execute("COMMIT")
        except BaseException as error:
            if sealed and not self._connection.in_transaction and not isinstance(error, sqlite3.Error):
                self._journal.acknowledge()  # interrupted right after the commit: the entries are stored
            else:
                self._roll_back()
            raise
        self._journal.acknowledge()

    def _roll_back(self) -> None:
        """Let the journal withdraw its entries, then roll back: until then nobody else can write."""
        try:
            self._journal.abandon()
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    # ---- writing

    def commit(
        self,
        scope: Scope,
        changes: Iterable[Change],
        *,
        at: str,
        blobs: Iterable[tuple[str, str, Content]] = (),
        reason: str = "write",
        topic: str = "write",
        details: Body | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> Written:
        """Write resources and blobs of one patient in one transaction with one log leaf.

        ``at`` is the time of writing, ``blobs`` are (address, category, content) with addresses from :meth:`address`.
        ``reason``, ``topic`` and ``details`` go into the log entry. A resource whose bytes are the same is not written
        again. ``check`` is called inside the transaction, when nobody else can write any more; an error that it raises
        leaves everything as it was.
        """
        patient = one(scope)
        with self.transaction(scope) as connection:
            check()
            self._prepare(patient)
            pid = self._numbered(patient)
            writing = Writing(
                connection, self._sealer, patient, pid, at, kinds_of=self._kinds_of, index_rows=self.index_rows
            )
            writing.apply(changes)
            added = [
                [address, kind] for address, kind, data in blobs if self._add_blob(patient, pid, address, kind, data)
            ]
            if not writing.items and not added:
                return Written(unchanged=writing.counts["unchanged"])
            entry = {
                "reason": reason,
                "actor": scope.actor,
                "basis": scope.basis,
                "at": at,
                "items": writing.items,
                "blobs": added,
                **(details or {}),
            }
            leaf = self._journal.append(connection, patient, topic, entry)
        return Written(**writing.counts, blobs=len(added), leaf=leaf)

    def memorise(self, scope: Scope, kind: str, data: bytes, name: str = "", *, ends: str = "") -> None:
        """Keep ``data``, worked out of the record of the scope's patient, replacing what is kept under this name.

        The patient's memos of the kind ``ends`` are deleted. The log gets no entry, since the record does not change.
        Raises StoreError where the store cannot be written within :data:`MEMO_PATIENCE` seconds.
        """
        patient, place = one(scope), memo_context(one(scope), kind, name)
        with self.transaction(scope, MEMO_PATIENCE) as connection:
            pid, sealed = self._pid(patient), self._sealer.seal(patient, pack(data), place)
            connection.execute("DELETE FROM memo WHERE pid = ? AND kind = ?", (pid, ends))
            row = (pid, kind, self._sealer.blind(place.decode()), sealed)
            connection.execute(
                "INSERT INTO memo VALUES (?, ?, ?, ?) ON CONFLICT (pid, kind, name) DO UPDATE SET body = excluded.body",
                row,
            )

    def keep_reach(self, scope: Scope, name: str, data: bytes) -> None:
        """Keep a compiled reach under ``name``; ``scope`` covers the whole store. The log gets no entry.

        Raises StoreError where the store cannot be written within :data:`MEMO_PATIENCE` seconds.
        """
        with self.transaction(scope, MEMO_PATIENCE) as connection:
            sealed = self._sealer.seal(HOUSE, pack(data), reach_context(name))
            row = (self._sealer.blind(reach_context(name).decode()), sealed)
            connection.execute(
                "INSERT INTO reach VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body", row
            )

    def insert_index(self, connection: Database, rid: int, body: Body) -> None:
        """Add the index rows of the current row ``rid``, with the kinds of data that are stored in that row."""
        kind = str(body.get("resourceType"))
        tokens, spans = self.index_rows(body)
        pid, told = connection.execute("SELECT pid, kinds FROM resource WHERE rid = ?", (rid,)).fetchone()
        rows = ((kind, *row, pid, rid, told) for row in tokens)
        connection.executemany("INSERT INTO token_index VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.executemany("INSERT INTO date_index VALUES (?, ?, ?, ?, ?)", ((kind, *row, rid) for row in spans))

    def index_rows(self, body: Body) -> IndexRows:
        """The index rows of ``body``: its tokens as keyed hashes, and its dates."""
        return {(row.param, self._blinded(row)) for row in index.tokens(body)}, index.date_rows(body)

    def _blinded(self, row: index.TokenRow) -> bytes:
        if row.param != index.CODE:  # an identifier rarely comes twice, so its hash is not remembered
            return self._sealer.blind(row.token)
        found = self._codes.get(row.token)
        if found is None:
            if len(self._codes) >= CODES_KEPT:
                self._codes.clear()
            found = self._codes[row.token] = self._sealer.blind(row.token)
        return found

    def address(self, scope: Scope, sha256: bytes) -> str:
        """The address in the patient's blob store for bytes with this SHA-256: a keyed hash, opaque without the key."""
        patient = one(scope)
        self._prepare(patient)
        return self._address(patient, sha256)

    def _numbered(self, patient: str) -> int:
        if self._known(patient):
            return self._pid(patient)
        made = self._connection.execute("INSERT INTO patient (id) VALUES (?) RETURNING pid", (patient,))
        return int(made.fetchone()[0])

    def _prepare(self, patient: str) -> None:
        """Make the key of a new patient. A patient who is known and whose key is gone must not get another one."""
        if not self._known(patient):
            self._sealer.create(patient)

    def _add_blob(self, patient: str, pid: int, address: str, category: str, data: Content) -> bool:
        connection = self._connection
        if connection.execute("SELECT 1 FROM blob WHERE address = ?", (address,)).fetchone():
            return False
        chunks = max(1, -(-data.size // CHUNK))
        connection.execute("INSERT INTO blob VALUES (?, ?, ?, ?, ?)", (address, pid, category, data.size, chunks))
        total, n = hashlib.sha256(), 0
        for piece in data.chunks(CHUNK):
            total.update(piece)
            sealed = seal_chunk(self._sealer, patient, piece, Chunk(address, category, n, chunks, data.size))
            connection.execute("INSERT INTO blob_chunk VALUES (?, ?, ?)", (address, n, sealed))
            n += 1
        if n != chunks or self._address(patient, total.digest()) != address:
            raise StoreError("a file changed while it was being read", remedy="take it in again")
        return True

    # ---- for verify, backup and the log

    def backup(self, scope: Scope, target: Path) -> None:
        """Write a consistent copy of the whole file to ``target``.

        Raises AccessError for a scope over less than the whole store, StoreError for a store in PostgreSQL or a copy
        that fails.
        """
        if scope.patient != "*":
            raise AccessError("not allowed")
        if not isinstance(self._connection, File):
            raise StoreError("a store in PostgreSQL is copied with pg_dump", remedy="see docs/running.md")
        try:
            copy = sqlite3.connect(target)
            try:
                self._connection.backup(copy)
            finally:
                copy.close()
        except sqlite3.DatabaseError as error:
            raise StoreError(f"the backup failed: {error}", where=str(target)) from error


def _connected(path: Path, url: str, *, create: bool) -> Database:
    if not url:
        return schema.connect(path, create=create)
    from salus.record import postgres

    return postgres.connect(url, create=create)
