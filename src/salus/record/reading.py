"""Reading an open store: resources with their versions, and blobs, as far as a scope covers them.

What a row says of a body narrows what is opened; the opened body decides. Nothing of what a scope leaves out is opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from salus.errors import AccessError, IntegrityError
from salus.fhir import json
from salus.fhir.categories import categories_of, joined
from salus.fhir.views import PERSON, Body, Source
from salus.record import kinds, planner
from salus.record.database import Database, one_of
from salus.record.everybody import Everybody
from salus.record.protocols import Scope, Sealer
from salus.record.sealing import Chunk, context, memo_context, open_chunk, unpack
from salus.record.search import Clause

KINDS_KEPT = 1 << 16
"""Bodies of which a process remembers the kinds."""
_LISTED = "r.type, r.id, r.version, r.rid"
_WHOLE = "r.type, r.id, r.version, r.updated, r.deleted, r.mac, r.body, r.kinds"
_KINDS: dict[bytes, frozenset[str]] = {}
"""The kinds of bodies that were opened, by keyed hash, for all open stores of the process: each of a server's threads
has its own store, and must not open a record again to list it."""


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
    own: frozenset[str]
    """The kinds of data of the body alone."""


class Place(NamedTuple):
    """Where a current resource lies, and what its row tells: the keyed hash of its content, its kinds of data."""

    rid: int
    type: str
    id: str
    version: int
    mac: bytes
    kinds: int

    @property
    def ref(self) -> str:
        """Its reference, "Type/id"."""
        return f"{self.type}/{self.id}"


class Listed(NamedTuple):
    """A current resource that a search found in its row, unopened: where it lies, "Type/id" and version."""

    rid: int
    ref: str
    version: int


class Reading(Everybody):
    """What an open store answers. Every public call takes the scope that the gate gave."""

    def __init__(self, connection: Database, sealer: Sealer) -> None:
        super().__init__(connection, sealer)
        self._kinds = _KINDS

    def _pid(self, patient: str) -> int:
        row = self._connection.execute("SELECT pid FROM patient WHERE id = ?", (patient,)).fetchone()
        if not row:
            raise AccessError("no such patient, or not released to you")
        return int(row[0])

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything that is read within is of one moment, whatever others write meanwhile."""
        if self._connection.in_transaction:  # which has its moment
            yield
            return
        self._connection.begin_reading()
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    def exists(self, scope: Scope) -> bool:
        """True when the store holds the scope's patient."""
        return self._known(one(scope))

    def _known(self, patient: str) -> bool:
        return bool(self._connection.execute("SELECT 1 FROM patient WHERE id = ?", (patient,)).fetchone())

    def number_of(self, scope: Scope) -> int:
        """The number that stands for the scope's patient in the log. Raises AccessError where there is none."""
        return self._pid(one(scope))

    def read(
        self, scope: Scope, types: Sequence[str] = (), ids: Sequence[str] = (), *, prefix: str = ""
    ) -> list[Stored]:
        """The patient's current resources that the scope covers, optionally only of some types or ids.

        ``prefix``: only those whose ids begin with these ASCII characters.
        """
        patient = one(scope)
        marks, values = "", list[Any]()
        for column, wanted in (("type", types), ("id", ids)):
            if wanted:
                some, given = one_of(wanted)
                marks += f" AND {column} IN ({some})"
                values += given
        marks += " AND id BETWEEN ? AND ?" if prefix else ""
        values += (prefix, f"{prefix}\x7f") if prefix else ()
        rows = self._connection.execute(
            "SELECT type, id, version, updated, deleted, mac, body, kinds FROM resource "
            f"WHERE pid = (SELECT pid FROM patient WHERE id = ?) AND deleted = 0 AND kinds & ? = 0{marks} ORDER BY rid",
            (patient, _withheld(scope), *values),
        ).fetchall()
        if not rows:
            self._pid(patient)
        found = (self.open_row(patient, *row) for row in rows if scope.shows(f"{row[0]}/{row[1]}", row[2]))
        return [s for s in found if covers(scope, s.categories)]

    def places(self, scope: Scope) -> list[Place]:
        """Where the patient's current resources lie that the scope may cover, in their order. None is opened."""
        patient = one(scope)
        rows = self._connection.execute(
            "SELECT rid, type, id, version, mac, kinds FROM resource "
            "WHERE pid = (SELECT pid FROM patient WHERE id = ?) AND deleted = 0 AND kinds & ? = 0 ORDER BY rid",
            (patient, _withheld(scope)),
        ).fetchall()
        if not rows:
            self._pid(patient)
        found = (Place(*row) for row in rows)
        return [place for place in found if scope.shows(place.ref, place.version)]

    def open_places(self, scope: Scope, places: Sequence[Place]) -> list[Stored]:
        """What lay at these places when they were listed under this scope, also where another version lies there now.

        Raises IntegrityError where one cannot be opened, as of a record that was erased, or is another than was listed.
        """
        patient = one(scope)
        marks, values = one_of([place.rid for place in places])
        columns = "rid, version, updated, deleted, body"
        rows = self._connection.execute(f"SELECT {columns} FROM resource WHERE rid IN ({marks})", values).fetchall()
        found = {row[:2]: row[2:] for row in map(tuple, rows)}
        for place in places:
            if (place.rid, place.version) not in found:
                older = self._connection.execute(
                    f"SELECT {columns} FROM history WHERE rid = ? AND version = ?", (place.rid, place.version)
                ).fetchone()
                if older is None:
                    raise IntegrityError("a resource of the record is there no more", where=place.type)
                found[place.rid, place.version] = tuple(older)[2:]
        told = ((place, found[place.rid, place.version]) for place in places)
        return [
            self.open_row(patient, at.type, at.id, at.version, updated, deleted, at.mac, body, at.kinds)
            for at, (updated, deleted, body) in told
        ]

    def search(
        self, scope: Scope, kind: str, clauses: Sequence[Clause] = (), ids: Sequence[str] = (), *, without: str = ""
    ) -> Iterator[Stored]:
        """The patient's current resources of one type in scope that match every clause. The opened body decides.

        ``without``: not those whose ids begin with these ASCII characters.
        """
        for row in self._rows(scope, kind, clauses, ids, _WHOLE, without=without):
            found = self.open_row(scope.patient, *row)
            if covers(scope, found.categories) and all(c.matches(found.body) for c in clauses):
                yield found

    def listed(
        self,
        scope: Scope,
        kind: str,
        clauses: Sequence[Clause] = (),
        ids: Sequence[str] = (),
        *,
        prefix: str = "",
        without: str = "",
    ) -> Iterator[Listed]:
        """The patient's current resources of one type in scope that match clauses which the index holds exactly
        (:func:`planner.exact`), and may match others.

        No body is opened: what is shown of the list is to be read (:meth:`read_listed`). ``prefix``, ``without``: only
        those, or not those, whose ids begin with these ASCII characters.
        """
        for row in self._rows(scope, kind, clauses, ids, _LISTED, prefix=prefix, without=without):
            yield Listed(row[3], f"{kind}/{row[1]}", row[2])

    def read_listed(self, scopes: Iterable[Scope], numbers: Sequence[int]) -> dict[int, tuple[str, Stored]]:
        """Patient and resource by the number of its row, of several patients, each as far as his scope covers it.

        What was deleted or withdrawn since it was listed is left out, as is what lies there of anybody else.
        """
        of = {one(scope): scope for scope in scopes}
        if not numbers:
            return {}
        marks, values = one_of(numbers)
        rows = self._connection.execute(
            f"SELECT r.rid, p.id, {_WHOLE} FROM resource r "
            f"JOIN patient p ON p.pid = r.pid WHERE r.rid IN ({marks}) AND r.deleted = 0",
            values,
        ).fetchall()
        found: dict[int, tuple[str, Stored]] = {}
        for rid, patient, *row in rows:
            scope = of.get(patient)
            if scope is None or row[-1] & _withheld(scope) or not scope.shows(f"{row[0]}/{row[1]}", row[2]):
                continue
            stored = self.open_row(patient, *row)
            if covers(scope, stored.categories):
                found[rid] = patient, stored
        return found

    def _rows(
        self,
        scope: Scope,
        kind: str,
        clauses: Sequence[Clause],
        ids: Sequence[str],
        columns: str,
        *,
        prefix: str = "",
        without: str = "",
    ) -> Iterator[tuple[Any, ...]]:
        """The rows that a search has to look at."""
        patient = one(scope)
        if not scope.categories:
            self._pid(patient)
            return iter(())
        clause, values = planner.narrow(kind, clauses, ids, patient, self._sealer.blind)
        for how, begin in (("", prefix), ("NOT ", without)):
            clause += f" AND r.id {how}BETWEEN ? AND ?" if begin else ""
            values += [begin, f"{begin}\x7f"] if begin else []
        rows = self._connection.execute(
            f"SELECT {columns} FROM resource r "
            f"WHERE r.pid = {planner.NUMBER} AND r.type = ? AND r.deleted = 0 AND r.kinds & ? = 0{clause} "
            "ORDER BY r.rid",
            (patient, kind, _withheld(scope), *values),
        ).fetchall()
        if not rows:
            self._pid(patient)
        return (row for row in rows if scope.shows(f"{row[0]}/{row[1]}", row[2]))

    def versions(self, scope: Scope, ref: str) -> list[Stored]:
        """Every version of one resource, oldest first."""
        patient = one(scope)
        kind, _, name = ref.partition("/")
        row = self._connection.execute(
            "SELECT rid, version, updated, deleted, mac, body, kinds FROM resource "
            "WHERE pid = ? AND type = ? AND id = ? AND kinds & ? = 0",
            (self._pid(patient), kind, name, _withheld(scope)),
        ).fetchone()
        if not row or not scope.shows(ref, row[1]):
            return []
        older = self._connection.execute(
            "SELECT version, updated, deleted, mac, body FROM history WHERE rid = ? ORDER BY version", (row[0],)
        )
        mask = row[6]
        past = [] if scope.partial else older.fetchall()  # of what it was once, nobody decided: it is not shown
        found = [self.open_row(patient, kind, name, *each, mask) for each in (*past, row[1:6])]  # type: ignore[call-arg]
        pid = self._pid(patient)
        return [s for s in found if covers(scope, s.categories | kinds.led_to(self._connection, pid, s.body))]

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
        body = json.reread(data) if data else {}
        own = self._kinds_of(mac, body)
        found = own | (kinds.names(mask) if mask > 0 else frozenset())
        source = Source(ref, version, digest.hexdigest(), joined(found))
        return Stored(source, updated, bool(deleted), data, body, found, mac, own)

    def _kinds_of(self, mac: bytes, body: Body) -> frozenset[str]:
        """The kinds of a body, remembered by its keyed hash."""
        found = self._kinds.get(mac)
        if found is None:
            if len(self._kinds) >= KINDS_KEPT:
                self._kinds.clear()
            found = self._kinds[mac] = categories_of(body)
        return found

    def memo(self, scope: Scope, kind: str, name: str = "") -> bytes | None:
        """What was memorised of the scope's patient; None where there is nothing, or nothing that opens.

        It says no more than the record that it was worked out of: what it is shown for, the caller decides.
        """
        patient, place = one(scope), memo_context(one(scope), kind, name)
        row = self._connection.execute(
            "SELECT m.body FROM memo m JOIN patient p ON p.pid = m.pid WHERE p.id = ? AND m.kind = ? AND m.name = ?",
            (patient, kind, self._sealer.blind(place.decode())),
        ).fetchone()
        if row is None or not isinstance(row[0], bytes):
            return None
        try:
            return unpack(self._sealer.unseal(patient, row[0], place))
        except IntegrityError:  # it is worked out anew
            return None

    def blob(self, scope: Scope, address: str) -> bytes:
        """A blob's bytes. Raises IntegrityError when a chunk is missing or changed."""
        patient = one(scope)
        row = self._connection.execute(
            "SELECT pid, size, chunks, category FROM blob WHERE address = ?", (address,)
        ).fetchone()
        if not row or row[0] != self._pid(patient):
            raise IntegrityError("a blob of the record is missing", where=address[:16])
        if not covers(scope, frozenset({row[3]})):
            raise AccessError("not allowed")
        pieces = self._connection.execute("SELECT n, body FROM blob_chunk WHERE address = ? ORDER BY n", (address,))
        places = ((Chunk(address, row[3], n, row[2], row[1]), body) for n, body in pieces)
        plain = [open_chunk(self._sealer, patient, body, place) for place, body in places]
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
                (one(scope), kind, name),
            ).fetchone()
        )

    def _address(self, patient: str, sha256: bytes) -> str:
        return self._sealer.mac(patient, b"blob" + sha256).hex()

    @property
    def connection(self) -> Database:
        """The open connection, for the journal and for verification, which read tables as they lie."""
        return self._connection


def one(scope: Scope) -> str:
    """The scope's patient. Raises AccessError for a scope over none, or over the whole store."""
    if scope.patient in ("", "*"):
        raise AccessError("not allowed")
    return scope.patient


def _withheld(scope: Scope) -> int:
    """The bits of what the scope does not hold; of an empty scope, a bit that every row is compared with in vain."""
    return kinds.ALL & ~kinds.bits(scope.categories)


def covers(scope: Scope, categories: frozenset[str]) -> bool:
    """True when every kind of data is in scope. Whoever is released anything is told whose it is."""
    return bool(scope.categories) and categories - {PERSON} <= scope.categories
