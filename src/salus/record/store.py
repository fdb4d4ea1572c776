"""The store: resources with history, blobs and their indexes in one SQLite file.

Bodies are bytes and stay what they were: a resource's digest is the SHA-256 of them. Everything of one call to
:meth:`Store.commit` is kept together with its log entry, or nothing is.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salus.errors import AccessError, InputError, IntegrityError, StoreError
from salus.fhir import json
from salus.fhir.categories import categories_of, joined
from salus.fhir.views import PERSON, Body, Source
from salus.record import index, kinds, planner, schema
from salus.record.forgetting import ERASED
from salus.record.protocols import Content, Journal, Scope, Sealer
from salus.record.sealing import chunk_context, context, pack, unpack
from salus.record.search import Clause
from salus.record.turn import Turn

CHUNK = 1 << 20
KINDS_KEPT = 1 << 16
"""Bodies of which an open store remembers the kinds."""


@dataclass(frozen=True, slots=True)
class Change:
    """One resource to write (``body``) or, with ``body`` None, to delete."""

    type: str
    id: str
    body: Body | None


@dataclass(frozen=True, slots=True)
class Written:
    """What a commit did: how many resources are new, changed, unchanged, deleted; its log leaf (None: nothing new)."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    blobs: int = 0
    leaf: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of one resource as it lies in the store; ``body`` is ``data`` parsed, numbers with their digits."""

    source: Source
    updated: str
    deleted: bool
    data: bytes
    body: Any
    categories: frozenset[str]
    mac: bytes


@dataclass(slots=True)
class _Tally:
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("created", "updated", "unchanged", "deleted"), 0)
    )
    items: list[list[Any]] = field(default_factory=list)
    spreading: list[int] = field(default_factory=list)
    """Rows whose kinds depend on others, or others' on them."""


class Store:
    """An open store. Not to be shared between threads; open one a worker by path.

    ``sealer`` and ``journal`` come from ``trust``. Every public call takes the scope that the gate gave.
    """

    def __init__(self, path: Path, sealer: Sealer, journal: Journal, *, create: bool = False) -> None:
        self.path = path
        self._sealer = sealer
        self._journal = journal
        self._turn = Turn(path)
        self._connection = schema.connect(path, create=create)
        self._kinds: dict[bytes, frozenset[str]] = {}
        if not kinds.told(self._connection):
            self._tell_kinds()

    def _tell_kinds(self) -> None:
        """Work out which kinds of data every row tells of: in a store of before, or when the tables are others."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            kinds.tell(self._connection, self._opened)
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise

    def _opened(self, row: tuple[Any, ...]) -> Body | None:
        try:
            body: Body = self.open_row(*row).body
        except IntegrityError:  # verify names it; until then it is of every kind
            return None
        return body

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
        self._turn.close()

    @contextmanager
    def transaction(self, scope: Scope) -> Iterator[sqlite3.Connection]:
        """A write transaction; rolled back whole on any exception. What it logged is sealed before it is committed."""
        if not scope.may_write:
            raise AccessError("not allowed")
        try:
            with self._turn.taken():
                yield from self._transaction()
            self._journal.acknowledge()
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"the store cannot be written: {error}", where=str(self.path), remedy="nothing of this step was kept"
            ) from error

    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._journal.seal(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._journal.abandon()
            raise

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

        ``blobs`` are (address, category, content) with addresses from :meth:`address`. A resource whose bytes are
        the same is not written again. ``check`` is called inside the transaction, when nobody else can write any more;
        what it raises leaves everything as it was.
        """
        patient = _one(scope)
        with self.transaction(scope) as connection:
            check()
            self._prepare(patient)
            pid = self._pid(patient, create=True)
            tally = _Tally()
            for change in changes:
                self._apply(connection, patient, pid, change, at, tally)
            kinds.spread(connection, pid, tally.spreading)
            added = [
                [address, kind] for address, kind, data in blobs if self._add_blob(patient, pid, address, kind, data)
            ]
            if not tally.items and not added:
                return Written(unchanged=tally.counts["unchanged"])
            entry = {
                "reason": reason,
                "actor": scope.actor,
                "basis": scope.basis,
                "at": at,
                "items": tally.items,
                "blobs": added,
                **(details or {}),
            }
            leaf = self._journal.append(connection, patient, topic, entry)
        return Written(**tally.counts, blobs=len(added), leaf=leaf)

    def _apply(
        self, connection: sqlite3.Connection, patient: str, pid: int, change: Change, at: str, tally: _Tally
    ) -> None:
        row = connection.execute(
            "SELECT rid, pid, version, updated, deleted, mac, body FROM resource WHERE pid = ? AND type = ? AND id = ?",
            (pid, change.type, change.id),
        ).fetchone()
        if change.body is not None and (change.body.get("resourceType"), change.body.get("id")) != (
            change.type,
            change.id,
        ):
            raise InputError("a resource filed under another type or id than its own", where=change.type)
        data = json.dumps(change.body) if change.body is not None else b""
        mac = self._sealer.mac(patient, hashlib.sha256(data).digest())
        gone = change.body is None
        if row and bool(row[4]) == gone and (gone or row[5] == mac):
            tally.counts["unchanged"] += 1
            return
        if gone and not row:
            return
        version = row[2] + 1 if row else 1
        ref = f"{change.type}/{change.id}"
        sealed = self._sealer.seal(patient, pack(data), context(ref, version, at, gone))
        own = -1 if change.body is None else kinds.bits(self._kinds_of(mac, change.body))
        if row:
            connection.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?)", (row[0], *row[2:]))
            connection.execute(
                "UPDATE resource SET version = ?1, updated = ?2, deleted = ?3, mac = ?4, body = ?5, "
                "own_kinds = CASE WHEN ?3 THEN own_kinds ELSE ?6 END, kinds = CASE WHEN ?3 THEN kinds ELSE ?6 END "
                "WHERE rid = ?7",
                (version, at, gone, mac, sealed, own, row[0]),
            )
            rid = row[0]
            for table in ("token_index", "date_index"):
                connection.execute(f"DELETE FROM {table} WHERE rid = ?", (rid,))
        else:
            rid = connection.execute(
                "INSERT INTO resource (pid, type, id, version, updated, deleted, mac, body, own_kinds, kinds) "
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
                (pid, change.type, change.id, version, at, gone, mac, sealed, own),
            ).lastrowid
        if change.body is not None:
            self._insert_index(connection, rid, change.body)
        if kinds.keep(connection, int(rid or 0), (change.type, change.id), change.body, fresh=row is None):
            tally.spreading.append(int(rid or 0))
        tally.counts["deleted" if gone else "updated" if row else "created"] += 1
        tally.items.append([ref, version, mac.hex(), gone])

    def _insert_index(self, connection: sqlite3.Connection, rid: int, body: Body) -> None:
        kind = str(body.get("resourceType"))
        tokens, spans = self.index_rows(body)
        connection.executemany("INSERT INTO token_index VALUES (?, ?, ?, ?)", ((kind, *row, rid) for row in tokens))
        connection.executemany("INSERT INTO date_index VALUES (?, ?, ?, ?, ?)", ((kind, *row, rid) for row in spans))

    def index_rows(self, body: Body) -> tuple[set[tuple[str, bytes]], set[index.DateRow]]:
        """The index rows that belong to ``body``: blinded tokens and dates."""
        return {(row.param, self._sealer.blind(row.token)) for row in index.tokens(body)}, index.date_rows(body)

    def address(self, scope: Scope, sha256: bytes) -> str:
        """Where bytes of this SHA-256 lie in the patient's blob store (keyed: it says nothing without the key)."""
        patient = _one(scope)
        self._prepare(patient)
        return self._address(patient, sha256)

    def _address(self, patient: str, sha256: bytes) -> str:
        return self._sealer.mac(patient, b"blob" + sha256).hex()

    def _prepare(self, patient: str) -> None:
        """Make the key of a patient who is new. A known one whose key is gone must not get another."""
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
            sealed = self._sealer.seal(patient, piece, chunk_context(address, category, n, chunks))
            connection.execute("INSERT INTO blob_chunk VALUES (?, ?, ?)", (address, n, sealed))
            n += 1
        if n != chunks or self._address(patient, total.digest()) != address:
            raise StoreError("a file changed while it was being read", remedy="take it in again")
        return True

    # ---- reading

    def _pid(self, patient: str, *, create: bool = False) -> int:
        row = self._connection.execute("SELECT pid FROM patient WHERE id = ?", (patient,)).fetchone()
        if row:
            return int(row[0])
        if not create:
            raise AccessError("no such patient, or not released to you")
        return int(self._connection.execute("INSERT INTO patient (id) VALUES (?)", (patient,)).lastrowid or 0)

    def exists(self, scope: Scope) -> bool:
        """True when the store holds the scope's patient."""
        return self._known(_one(scope))

    def _known(self, patient: str) -> bool:
        return bool(self._connection.execute("SELECT 1 FROM patient WHERE id = ?", (patient,)).fetchone())

    def number_of(self, scope: Scope) -> int:
        """The number that stands for the scope's patient in the log. Raises AccessError where there is none."""
        return self._pid(_one(scope))

    def patient_of(self, scope: Scope, pid: int) -> str:
        """The patient of a number, for a scope over the whole store. Raises AccessError where there is none."""
        row = self._connection.execute("SELECT id FROM patient WHERE pid = ?", (pid,)).fetchone()
        if scope.patient != "*" or row is None or row[0].startswith(ERASED):
            raise AccessError("no such patient, or not released to you")
        return str(row[0])

    def patients(self, scope: Scope) -> list[str]:
        """The ids of all patients, for a scope over the whole store."""
        if scope.patient != "*":
            raise AccessError("not allowed")
        rows = self._connection.execute("SELECT id FROM patient WHERE id NOT LIKE ? ORDER BY pid", (f"{ERASED}%",))
        return [row[0] for row in rows]

    def read(self, scope: Scope, types: Sequence[str] = (), ids: Sequence[str] = ()) -> list[Stored]:
        """The patient's current resources that the scope covers, optionally only of some types or ids."""
        patient = _one(scope)
        marks = f" AND type IN ({', '.join('?' * len(types))})" if types else ""
        marks += f" AND id IN ({', '.join('?' * len(ids))})" if ids else ""
        rows = self._connection.execute(
            "SELECT type, id, version, updated, deleted, mac, body, kinds FROM resource "
            f"WHERE pid = (SELECT pid FROM patient WHERE id = ?) AND deleted = 0 AND kinds & ? = 0{marks} ORDER BY rid",
            (patient, _withheld(scope), *types, *ids),
        ).fetchall()
        if not rows:
            self._pid(patient)
        found = (self.open_row(patient, *row) for row in rows if f"{row[0]}/{row[1]}" not in scope.hidden)
        return [s for s in found if _covers(scope, s.categories)]

    def search(
        self, scope: Scope, kind: str, clauses: Sequence[Clause] = (), ids: Sequence[str] = ()
    ) -> Iterator[Stored]:
        """The patient's current resources of one type in scope that match every clause. The opened body decides."""
        for row in self._rows(scope, kind, clauses, ids):
            found = self.open_row(scope.patient, *row)
            if _covers(scope, found.categories) and all(c.matches(found.body) for c in clauses):
                yield found

    def listed(self, scope: Scope, kind: str, ids: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
        """Reference and version of the patient's current resources of one type in scope.

        A body is opened only where its kinds are not known yet: what is shown of the list is to be read.
        """
        for row in self._rows(scope, kind, (), ids):
            name, version, mac, mask = row[1], row[2], row[5], row[7]
            own = self._kinds.get(mac)
            if own is None:
                own = self.open_row(scope.patient, *row).categories
            if _covers(scope, _joined(own, mask)):
                yield f"{kind}/{name}", version

    def _rows(
        self, scope: Scope, kind: str, clauses: Sequence[Clause], ids: Sequence[str]
    ) -> Iterator[tuple[Any, ...]]:
        """The rows that a search has to look at."""
        patient = _one(scope)
        clause, values = planner.narrow(kind, clauses, ids, self._sealer.blind)
        rows = self._connection.execute(
            "SELECT r.type, r.id, r.version, r.updated, r.deleted, r.mac, r.body, r.kinds FROM resource r "
            f"WHERE r.pid = ? AND r.type = ? AND r.deleted = 0 AND r.kinds & ? = 0{clause} ORDER BY r.rid",
            (self._pid(patient), kind, _withheld(scope), *values),
        )
        return (row for row in rows.fetchall() if f"{row[0]}/{row[1]}" not in scope.hidden)

    def holders(self, scope: Scope, kind: str, name: str, limit: int) -> list[str]:
        """The patients, at most ``limit``, whose records hold or held a resource of this type and id."""
        if scope.patient != "*":
            raise AccessError("not allowed")
        rows = self._connection.execute(
            "SELECT p.id FROM resource r JOIN patient p ON p.pid = r.pid WHERE r.type = ? AND r.id = ? "
            "ORDER BY p.pid LIMIT ?",
            (kind, name, limit),
        )
        return [row[0] for row in rows]

    def versions(self, scope: Scope, ref: str) -> list[Stored]:
        """Every version of one resource, oldest first."""
        patient = _one(scope)
        kind, _, name = ref.partition("/")
        row = self._connection.execute(
            "SELECT rid, version, updated, deleted, mac, body, kinds FROM resource "
            "WHERE pid = ? AND type = ? AND id = ? AND kinds & ? = 0",
            (self._pid(patient), kind, name, _withheld(scope)),
        ).fetchone()
        if not row or ref in scope.hidden:
            return []
        older = self._connection.execute(
            "SELECT version, updated, deleted, mac, body FROM history WHERE rid = ? ORDER BY version", (row[0],)
        )
        mask = row[6]
        past = [] if scope.partial else older.fetchall()  # of what it was once, nobody decided: it is not shown
        found = [self.open_row(patient, kind, name, *each, mask) for each in (*past, row[1:6])]  # type: ignore[call-arg]
        pid = self._pid(patient)
        return [s for s in found if _covers(scope, s.categories | kinds.led_to(self._connection, pid, s.body))]

    def open_row(
        self,
        patient: str,
        kind: str,
        name: str,
        version: int,
        updated: str,
        deleted: int,
        mac: bytes,
        sealed: bytes,
        mask: int = 0,
    ) -> Stored:
        """Unseal one row. ``mask`` are the kinds kept beside it, which are added to those of the body.

        Raises IntegrityError when row and body do not belong together.
        """
        ref = f"{kind}/{name}"
        data = unpack(self._sealer.unseal(patient, sealed, context(ref, version, updated, bool(deleted))))
        digest = hashlib.sha256(data)
        if self._sealer.mac(patient, digest.digest()) != mac:
            raise IntegrityError("a stored body is not the one that was logged", where=f"{kind} version {version}")
        body = json.loads(data) if data else {}
        found = _joined(self._kinds_of(mac, body), mask)
        source = Source(ref, version, digest.hexdigest(), joined(found))
        return Stored(source, updated, bool(deleted), data, body, found, mac)

    def _kinds_of(self, mac: bytes, body: Body) -> frozenset[str]:
        """The kinds of a body, remembered by its keyed hash."""
        found = self._kinds.get(mac)
        if found is None:
            if len(self._kinds) >= KINDS_KEPT:
                self._kinds.clear()
            found = self._kinds[mac] = categories_of(body)
        return found

    def blob(self, scope: Scope, address: str) -> bytes:
        """A blob's bytes. Raises IntegrityError when a chunk is missing or changed."""
        patient = _one(scope)
        row = self._connection.execute(
            "SELECT pid, size, chunks, category FROM blob WHERE address = ?", (address,)
        ).fetchone()
        if not row or row[0] != self._pid(patient):
            raise IntegrityError("a blob of the record is missing", where=address[:16])
        if not _covers(scope, frozenset({row[3]})):
            raise AccessError("not allowed")
        pieces = self._connection.execute("SELECT n, body FROM blob_chunk WHERE address = ? ORDER BY n", (address,))
        plain = [self._sealer.unseal(patient, body, chunk_context(address, row[3], n, row[2])) for n, body in pieces]
        data = b"".join(plain)
        if (
            len(plain) != row[2]
            or len(data) != row[1]
            or self._address(patient, hashlib.sha256(data).digest()) != address
        ):
            raise IntegrityError("a blob of the record is not what was stored", where=address[:16])
        return data

    def loader(self, scope: Scope) -> Callable[[str], bytes]:
        """A function that fetches blobs under ``scope``."""
        return lambda address: self.blob(scope, address)

    def has(self, scope: Scope, kind: str, name: str) -> bool:
        """True when the scope's patient has a current resource of this type and id."""
        return bool(
            self._connection.execute(
                "SELECT 1 FROM resource r JOIN patient p ON p.pid = r.pid "
                "WHERE p.id = ? AND r.type = ? AND r.id = ? AND r.deleted = 0",
                (_one(scope), kind, name),
            ).fetchone()
        )

    def find_identifier(self, scope: Scope, system: str, value: str) -> list[str]:
        """The ids of the patients whose Patient resource carries this identifier."""
        if scope.patient != "*":
            raise AccessError("not allowed")
        rows = self._connection.execute(
            "SELECT DISTINCT p.id FROM token_index t JOIN resource r ON r.rid = t.rid JOIN patient p ON p.pid = r.pid "
            "WHERE t.type = 'Patient' AND t.param = 'identifier' AND t.token = ?",
            (self._sealer.blind(f"{system}|{value}"),),
        )
        return [row[0] for row in rows]

    # ---- for verify, backup and the log

    @property
    def connection(self) -> sqlite3.Connection:
        """The open connection, for the journal and for verification, which read tables as they lie."""
        return self._connection

    def backup(self, scope: Scope, target: Path) -> None:
        """A consistent copy of the whole file at ``target``."""
        if scope.patient != "*":
            raise AccessError("not allowed")
        try:
            copy = sqlite3.connect(target)
            try:
                self._connection.backup(copy)
            finally:
                copy.close()
        except sqlite3.DatabaseError as error:
            raise StoreError(f"the backup failed: {error}", where=str(target)) from error


def _one(scope: Scope) -> str:
    if scope.patient in ("", "*"):
        raise AccessError("not allowed")
    return scope.patient


def _withheld(scope: Scope) -> int:
    """The bits of what the scope does not hold; of an empty scope, a bit that every row is compared with in vain."""
    return kinds.ALL & ~kinds.bits(scope.categories)


def _joined(own: frozenset[str], mask: int) -> frozenset[str]:
    """The kinds of a body and those kept beside it; where none were kept, its own decide."""
    return own | kinds.names(mask) if mask > 0 else own


def _covers(scope: Scope, categories: frozenset[str]) -> bool:
    """True when every kind of data is in scope. Whoever is released anything is told whose it is."""
    return bool(scope.categories) and categories - {PERSON} <= scope.categories
