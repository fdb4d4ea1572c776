"""Writing the resources of one commit: the rows are worked out in parts, and each part is written table by table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from salus.errors import InputError
from salus.fhir import json
from salus.fhir.views import Body
from salus.record import index, kinds
from salus.record.database import Database
from salus.record.protocols import Sealer
from salus.record.sealing import context, pack

PART = 500
"""The most resources that are looked up and written at once."""
Ref = tuple[str, str]
"""Type and id."""
IndexRows = tuple[set[tuple[str, bytes]], set[index.DateRow]]


@dataclass(frozen=True, slots=True)
class Change:
    """One resource to write; with ``body`` None, one to delete."""

    type: str
    id: str
    body: Body | None

    @property
    def ref(self) -> Ref:
        """Its type and id."""
        return self.type, self.id


class _Held(NamedTuple):
    """The current row of a resource, without its body."""

    rid: int
    version: int
    deleted: bool
    mac: bytes


@dataclass(slots=True)
class _Rows:
    """The rows of one part, by the table and the statement that they are written with."""

    replaced: list[tuple[int]] = field(default_factory=list)
    updated: list[tuple[Any, ...]] = field(default_factory=list)
    inserted: list[tuple[Any, ...]] = field(default_factory=list)
    tokens: list[tuple[str, str, bytes, int, int, int]] = field(default_factory=list)
    dates: list[tuple[str, str, str, str, int]] = field(default_factory=list)
    untold: list[tuple[int]] = field(default_factory=list)
    """Rows whose earlier targets are deleted."""
    targets: list[tuple[int, str, str]] = field(default_factory=list)
    refs: dict[Ref, int] = field(default_factory=dict)
    """The row number of each resource written."""


class Writing:
    """The changes of one patient's commit, inside its transaction.

    ``kinds_of`` returns the kinds of data of a body, given its keyed hash and the body; ``index_rows`` returns its rows
    in the search index. ``pid`` is the patient's number, ``at`` the time of writing.
    """

    def __init__(
        self,
        connection: Database,
        sealer: Sealer,
        patient: str,
        pid: int,
        at: str,
        *,
        kinds_of: Callable[[bytes, Body], frozenset[str]],
        index_rows: Callable[[Body], IndexRows],
    ) -> None:
        self._connection = connection
        self._sealer = sealer
        self._patient, self._pid, self._at = patient, pid, at
        self._kinds_of, self._index_rows = kinds_of, index_rows
        (self._newest,) = connection.execute("SELECT coalesce(max(rid), 0) FROM resource").fetchone()
        is_new = connection.execute("SELECT 1 FROM resource WHERE pid = ? LIMIT 1", (pid,)).fetchone() is None
        self._above = self._newest if is_new else 0
        self.counts = dict.fromkeys(("created", "updated", "unchanged", "deleted"), 0)
        self.items: list[list[Any]] = []
        """For the log: reference, version, keyed hash (hex) and whether deleted, in the order of the changes."""

    def apply(self, changes: Iterable[Change]) -> None:
        """Write the changes that differ from the record. Raises InputError for a body of another type or id."""
        spreading: list[int] = []
        for part in _parts(changes):
            held, rows = self._held([change.ref for change in part]), _Rows()
            for change in part:
                self._work_out(change, held.get(change.ref), rows)
            named = kinds.named(self._connection, rows.refs, self._above)  # by stored rows; new ones are in leading
            leading = {rid for rid, _, _ in rows.targets}
            spreading += [rid for ref, rid in rows.refs.items() if ref in named or rid in leading]
            self._write(rows)
        kinds.spread(self._connection, self._pid, spreading, self._above)

    def _held(self, refs: Iterable[Ref]) -> dict[Ref, _Held]:
        found: dict[Ref, _Held] = {}
        for kind, names in kinds.by_type(refs).items():
            rows = self._connection.execute(
                "SELECT id, rid, version, deleted, mac FROM resource "
                f"WHERE pid = ? AND type = ? AND id IN ({', '.join('?' * len(names))})",
                (self._pid, kind, *names),
            )
            found.update(((kind, name), _Held(*row)) for name, *row in rows)
        return found

    def _work_out(self, change: Change, held: _Held | None, rows: _Rows) -> None:
        body, gone = change.body, change.body is None
        if body is not None and (body.get("resourceType"), body.get("id")) != change.ref:
            raise InputError("a resource filed under another type or id than its own", where=change.type)
        data = b"" if gone else json.dumps(body)
        mac = self._sealer.mac(self._patient, hashlib.sha256(data).digest())
        if held and bool(held.deleted) == gone and (gone or held.mac == mac):
            self.counts["unchanged"] += 1
            return
        if gone and not held:
            return
        version = held.version + 1 if held else 1
        ref = f"{change.type}/{change.id}"
        sealed = self._sealer.seal(self._patient, pack(data), context(ref, version, self._at, gone))
        own = -1 if body is None else kinds.bits(self._kinds_of(mac, body))
        if held:
            rid = held.rid
            rows.replaced.append((rid,))
            rows.updated.append((version, self._at, gone, mac, sealed, own, rid))
        else:
            self._newest = rid = self._newest + 1
            rows.inserted.append((rid, self._pid, change.type, change.id, version, self._at, gone, mac, sealed, own))
        rows.refs[change.ref] = rid
        if body is not None:
            self._tell(rid, body, own, rows, fresh=held is None)
        self.counts["deleted" if gone else "updated" if held else "created"] += 1
        self.items.append([ref, version, mac.hex(), gone])

    def _tell(self, rid: int, body: Body, own: int, rows: _Rows, *, fresh: bool) -> None:
        """Add the rows that follow from a body with the kinds ``own`` (bits): index rows and targets.

        It is not called for a deleted resource, which keeps its kinds and targets: its history is no less private.
        """
        tokens, dates = self._index_rows(body)
        kind = str(body["resourceType"])
        rows.tokens += [(kind, param, token, self._pid, rid, own) for param, token in tokens]
        rows.dates += [(kind, *row, rid) for row in dates]
        rows.targets += [(rid, *target) for target in kinds.targets_in(body)]
        if not fresh:
            rows.untold.append((rid,))

    def _write(self, rows: _Rows) -> None:
        for statement, values in (
            ("INSERT INTO history SELECT rid, version, updated, deleted, mac, body FROM resource WHERE rid = ?",
             rows.replaced),
            ("UPDATE resource SET version = ?1, updated = ?2, deleted = ?3, mac = ?4, body = ?5, "
             "own_kinds = CASE WHEN ?3 = 1 THEN own_kinds ELSE ?6 END, kinds = CASE WHEN ?3 = 1 THEN kinds ELSE ?6 END "
             "WHERE rid = ?7", rows.updated),
            ("INSERT INTO resource (rid, pid, type, id, version, updated, deleted, mac, body, own_kinds, kinds) "
             "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)", rows.inserted),
            ("DELETE FROM token_index WHERE rid = ?", rows.replaced),
            ("DELETE FROM date_index WHERE rid = ?", rows.replaced),
            ("DELETE FROM target WHERE rid = ?", rows.untold),
            ("INSERT INTO token_index VALUES (?, ?, ?, ?, ?, ?)", sorted(rows.tokens)),
            ("INSERT INTO date_index VALUES (?, ?, ?, ?, ?)", sorted(rows.dates)),
            ("INSERT INTO target VALUES (?, ?, ?)", sorted(rows.targets)),
        ):  # fmt: skip
            if values:
                self._connection.executemany(statement, values)


def _parts(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """The changes in parts of at most :data:`PART`. No part names a resource twice, so a second change of one resource
    finds the first one written."""
    part: dict[Ref, Change] = {}
    for change in changes:
        if len(part) >= PART or change.ref in part:
            yield list(part.values())
            part = {}
        part[change.ref] = change
    if part:
        yield list(part.values())
