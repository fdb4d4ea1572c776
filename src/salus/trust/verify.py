"""Verification: every body, blob, index row and log entry held against the log and against each other.

The log says what was written (a keyed hash of every version of every resource, the address of every blob); the tree
says that no entry of the log was changed, left out or moved; the checkpoint remembered outside the store says that
the whole was not rolled back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from salus.errors import SalusError
from salus.record import kinds, schema
from salus.record.forgetting import ERASED
from salus.record.store import Store
from salus.trust import journal_check, log_tiles
from salus.trust.checkpoint import Checkpoint
from salus.trust.grants import Grant
from salus.trust.journal import Count, Journal
from salus.trust.log import CONSENT, ROLLED_BACK, UNMARKED, Log
from salus.trust.merkle import Frontier, Tree, leaf_hash
from salus.trust.quarantine import open_part
from salus.trust.registry import TOPIC
from salus.trust.vault import SYSTEM, Vault

WAS_HELD = "somebody kept a checkpoint of"
WAS_REMEMBERED = "was remembered outside the store"
WAS_COSIGNED = "witnesses cosigned"
SHORTER = (ROLLED_BACK, f"the log is shorter than the one that {WAS_COSIGNED}", *journal_check.LOST)
"""What an older backup shows, of the store or of the keys, and a person may accept."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it was written."""

    where: str
    what: str


@dataclass(slots=True)
class _Expected:
    """What the log says the store should hold."""

    versions: dict[tuple[str, str, int], tuple[str, bool]]
    blobs: dict[str, tuple[str, str]]
    quarantine: dict[tuple[int, int], bool]
    patients: set[str]
    erased: set[int]
    batches: set[int] = field(default_factory=set)
    """Entries that begin a transaction: a checkpoint ends the one before."""
    merged: Count = field(default_factory=Count)
    """Up to which entry the emergency journal was merged."""
    numbered: bool = False
    """The emergency journal has a count."""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome: problems (none: the store is what was written), and how much was looked at."""

    problems: tuple[Problem, ...]
    entries: int
    versions: int
    blobs: int


def verify(store: Store, vault: Vault, log: Log, held: Checkpoint | None = None) -> Report:
    """Check everything. ``held`` is a checkpoint that somebody else kept; the vault's own is always used."""
    problems: list[Problem] = []
    counts = {"entries": 0, "versions": 0, "blobs": 0}
    try:
        log.finish(store.connection)
        seen = ((WAS_HELD, held), (WAS_REMEMBERED, log.remembered()), (WAS_COSIGNED, log.cosigned()))
        marks = [(what, mark) for what, mark in seen if mark]  # before the snapshot, so that neither is ahead
        waiting = _waiting(store, vault, log)
        store.connection.execute("BEGIN")
        problems.extend(_file(store.connection))
        expected = _Expected({}, {}, {}, set(), _erased_numbers(log, store.connection))
        problems.extend(_log(store, vault, log, marks, expected, counts))
        problems.extend(_resources(store, expected, counts))
        problems.extend(_blobs(store, expected, counts))
        problems.extend(_quarantine(store, vault, expected))
        problems.extend(_journal(waiting, expected))
    except sqlite3.DatabaseError as error:
        problems.append(Problem("store", f"the file cannot be read: {error}"))
    except SalusError as error:
        problems.append(Problem(error.where or "store", error.what))
    finally:
        if store.connection.in_transaction:
            store.connection.execute("ROLLBACK")
    return Report(tuple(problems), **counts)


def _file(connection: sqlite3.Connection) -> Iterator[Problem]:
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield Problem("store", line)
    for row in connection.execute("PRAGMA foreign_key_check"):
        yield Problem(str(row[0]), "a row points to one that is missing")
    if _schema(connection) != _pristine_schema():
        yield Problem("store", "the schema is not that of salus")


def _schema(connection: sqlite3.Connection) -> list[tuple[str, ...]]:
    rows = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name")
    return [tuple(row) for row in rows if not row[1].startswith("sqlite_stat")]


def _pristine_schema() -> list[tuple[str, ...]]:
    fresh = sqlite3.connect(":memory:")
    try:
        for _, script in schema.migrations():
            fresh.executescript(script)
        return _schema(fresh)
    finally:
        fresh.close()


def _log(
    store: Store,
    vault: Vault,
    log: Log,
    marks: list[tuple[str, Checkpoint]],
    expected: _Expected,
    counts: dict[str, int],
) -> Iterator[Problem]:
    connection = store.connection
    key = vault.house.public_key()
    kept = {
        row[0]: row[1:]
        for row in connection.execute("SELECT size, root, frontier, signature FROM log_checkpoint ORDER BY size")
    }
    last: dict[str, int] = {}
    frontier, signed = Frontier(), 0
    leaves, origin = Tree(), log.origin
    rows = connection.execute(
        "SELECT l.n, l.pid, p.id, l.topic, l.commitment, l.entry FROM log_leaf l "
        "LEFT JOIN patient p ON p.pid = l.pid ORDER BY l.n"
    )
    for place, (n, pid, name, topic, commitment, sealed) in enumerate(rows):
        where = f"log entry {n}"
        if n != place or (pid is not None and name is None):
            yield Problem(where, "an entry is missing or moved")
            return
        if pid in expected.erased:
            yield from _erased(where, pid, name, sealed, expected)
        else:
            yield from _entry(log, (n, name or "", topic, commitment, sealed), last, expected)
        last[name or ""] = n
        if n in expected.batches and signed != n:
            yield Problem(f"checkpoint {n}", "is missing")
        leaf = leaf_hash(commitment)  # of the commitment: it holds also for what cannot be opened
        frontier = frontier.append(leaf)
        leaves.append(leaf)
        counts["entries"] += 1
        if row := kept.pop(frontier.size, None):
            yield from _checkpoint(frontier, row, origin, key)
            signed = frontier.size
        for what, mark in marks:
            if mark.size == frontier.size and (mark.root != frontier.root() or not mark.verify(key)):
                yield Problem(where, f"the log is not the one that {what}")
    if kept:
        yield Problem("log", "checkpoints without entries")
    rows = connection.execute("SELECT level, tile, hashes FROM log_tile")
    tiles = {(level, tile): hashes for level, tile, hashes in rows}
    if tiles and tiles != log_tiles.expected(leaves):  # none yet: a store of before; the next entry makes them
        yield Problem("log", "tiles that do not follow from the entries")
    if signed < frontier.size:
        yield Problem(f"checkpoint {frontier.size}", "is missing")
    for what, mark in marks:
        if mark.size > frontier.size:
            yield Problem(
                "log", ROLLED_BACK if what == WAS_REMEMBERED else f"the log is shorter than the one that {what}"
            )
    if frontier.size and log.remembered() is None:
        yield Problem("log", UNMARKED)


def _entry(
    log: Log, row: tuple[int, str, str, bytes, bytes], last: dict[str, int], expected: _Expected
) -> Iterator[Problem]:
    try:
        entry = log.open(*row)
        if entry.content.get("previous") != last.get(entry.patient):
            yield Problem(f"log entry {row[0]}", "the patient's chain of entries is broken")
        expected.batches |= {row[0]} if entry.content.get("batch") == row[0] else set()
        _expect(entry.patient, entry.topic, entry.content, expected)
    except SalusError as error:
        yield Problem(f"log entry {row[0]}", error.what)


def _erased(where: str, pid: int, name: str, sealed: bytes, expected: _Expected) -> Iterator[Problem]:
    """An entry of an erased patient: its commitment is in the tree, nothing else of it may be left."""
    expected.patients.add(f"{ERASED}{pid}")
    if name != f"{ERASED}{pid}" or sealed:
        yield Problem(where, "something is left of an erased patient")


def _erased_numbers(log: Log, connection: sqlite3.Connection) -> set[int]:
    """The patients whom the house's own entries call erased. An entry that cannot be opened is told elsewhere."""
    rows = connection.execute(
        "SELECT n, topic, commitment, entry FROM log_leaf WHERE pid IS NULL AND topic = ?", (TOPIC,)
    ).fetchall()
    found = set()
    for n, topic, commitment, sealed in rows:
        with suppress(SalusError):
            content = log.open(n, SYSTEM, topic, commitment, sealed).content
            if content["reason"] == "erased":
                found.add(content["pid"])
    return found


def _checkpoint(frontier: Frontier, row: tuple[bytes, bytes, bytes], origin: str, key: object) -> Iterator[Problem]:
    where = f"checkpoint {frontier.size}"
    if row[0] != frontier.root() or row[1] != frontier.to_bytes():
        yield Problem(where, "does not fit the entries")
    elif not Checkpoint(frontier.size, row[0], row[2], origin).verify(key):  # type: ignore[arg-type]
        yield Problem(where, "is not signed by this house")


def _expect(patient: str, topic: str, content: object, expected: _Expected) -> None:
    assert isinstance(content, dict)
    if patient:
        expected.patients.add(patient)
    if topic in ("write", CONSENT):
        for ref, version, mac, gone in content["items"]:
            expected.versions[patient, ref, version] = (mac, gone)
        for address, category in content["blobs"]:
            expected.blobs[address] = (patient, category)
    elif topic == journal_check.TOPIC:
        expected.merged = Count(content["number"], content["digest"])
    elif topic == TOPIC and content["reason"] in ("init", "journal-numbered"):
        expected.numbered |= content.get("numbered", content["reason"] != "init")
    elif topic == TOPIC and content["reason"] == "quarantined":
        for part in range(content["parts"]):
            expected.quarantine[content["n"], part] = True


def _resources(store: Store, expected: _Expected, counts: dict[str, int]) -> Iterator[Problem]:
    connection = store.connection
    for (name,) in connection.execute("SELECT id FROM patient").fetchall():
        if name not in expected.patients:
            yield Problem("patient", "a patient whom the log does not know")
    wanted = dict(expected.versions)
    newest: dict[tuple[str, str], int] = {}
    for patient, ref, version in wanted:
        newest[patient, ref] = max(version, newest.get((patient, ref), 0))
    current = connection.execute(
        "SELECT p.id, r.rid, r.type, r.id, r.version, r.updated, r.deleted, r.mac, r.body, 1 FROM resource r "
        "LEFT JOIN patient p ON p.pid = r.pid"
    ).fetchall()
    older = connection.execute(
        "SELECT p.id, r.rid, r.type, r.id, h.version, h.updated, h.deleted, h.mac, h.body, 0 FROM history h "
        "LEFT JOIN resource r ON r.rid = h.rid LEFT JOIN patient p ON p.pid = r.pid"
    ).fetchall()
    for patient, rid, *row, is_current in current + older:
        where = f"{row[0]} version {row[2]} (row {rid})"
        counts["versions"] += 1
        found = wanted.pop((patient, f"{row[0]}/{row[1]}", row[2]), None)
        if found is None or found != (row[5].hex(), bool(row[4])):
            yield Problem(where, "is not what the log says was written")
            continue
        if is_current != (newest[patient, f"{row[0]}/{row[1]}"] == row[2]):
            yield Problem(where, "an older version stands as the current one")
        yield from _attempt(where, partial(_body, store, patient, row, rid if is_current else None))
    for _, ref, version in wanted:
        yield Problem(f"{ref.partition('/')[0]} version {version}", "is missing from the store")
    yield from _stray_index_rows(connection)


def _body(store: Store, patient: str, row: list[object], rid: int | None) -> Iterator[Problem]:
    stored = store.open_row(patient, *row)  # type: ignore[arg-type]
    if rid is None:
        return
    tokens, spans = store.index_rows(stored.body) if not stored.deleted else (set(), set())
    kind = str(row[0])
    found_tokens = set(
        store.connection.execute(
            "SELECT type, param, token, pid, kinds FROM token_index WHERE rid = ?", (rid,)
        ).fetchall()
    )
    found_spans = set(
        store.connection.execute("SELECT type, param, lo, hi FROM date_index WHERE rid = ?", (rid,)).fetchall()
    )
    pid, own, reach = store.connection.execute(
        "SELECT pid, own_kinds, kinds FROM resource WHERE rid = ?", (rid,)
    ).fetchone()
    targets = set(store.connection.execute("SELECT type, id FROM target WHERE rid = ?", (rid,)).fetchall())
    if not stored.deleted and (
        own != kinds.own_of(stored.body)
        or targets != kinds.targets_in(stored.body)
        or reach != kinds.reached(store.connection, store.number_of(_whole(patient)), rid)
    ):
        yield Problem(f"{kind} (row {rid})", "the kinds of data noted for it do not follow from its body")
    if found_tokens != {(kind, *t, pid, reach) for t in tokens} or found_spans != {(kind, *s) for s in spans}:
        yield Problem(f"{kind} (row {rid})", "its index rows do not follow from its body")


def _whole(patient: str) -> Grant:
    return Grant("verify", patient, "upkeep", frozenset(), may_write=False, purpose="upkeep")


def _stray_index_rows(connection: sqlite3.Connection) -> Iterator[Problem]:
    for table in ("token_index", "date_index", "target"):
        (stray,) = connection.execute(
            f"SELECT count(*) FROM {table} WHERE rid NOT IN (SELECT rid FROM resource)"
        ).fetchone()
        if stray:
            yield Problem(table, "rows of no resource")


def _blobs(store: Store, expected: _Expected, counts: dict[str, int]) -> Iterator[Problem]:
    connection = store.connection
    wanted = dict(expected.blobs)
    rows = connection.execute(
        "SELECT b.address, p.id, b.category FROM blob b LEFT JOIN patient p ON p.pid = b.pid"
    ).fetchall()
    for address, patient, category in rows:
        counts["blobs"] += 1
        where = f"blob {address[:16]}"
        if wanted.pop(address, None) != (patient, category):
            yield Problem(where, "is not what the log says was written")
            continue
        scope = Grant("verify", patient, "upkeep", frozenset({category}), may_write=False, purpose="upkeep")
        yield from _attempt(where, partial(_open_blob, store, scope, address))
    for address in wanted:
        yield Problem(f"blob {address[:16]}", "is missing from the store")
    (stray,) = connection.execute(
        "SELECT count(*) FROM blob_chunk WHERE address NOT IN (SELECT address FROM blob)"
    ).fetchone()
    if stray:
        yield Problem("blob_chunk", "chunks of no blob")


def _waiting(store: Store, vault: Vault, log: Log) -> journal_check.Look | SalusError:
    """The emergency journal, or why it cannot be read. Before the snapshot: what is merged later, the log has."""
    try:
        return journal_check.look(Journal(vault), lambda: journal_check.merged(log, store.connection))
    except SalusError as error:
        return error


def _journal(waiting: journal_check.Look | SalusError, expected: _Expected) -> Iterator[Problem]:
    try:
        if isinstance(waiting, SalusError):
            raise waiting
        journal_check.check(waiting, expected.merged, numbered=expected.numbered)
    except SalusError as error:
        yield Problem(error.where or "emergency journal", error.what)


def _open_blob(store: Store, scope: Grant, address: str) -> Iterator[Problem]:
    store.blob(scope, address)
    return iter(())


def _quarantine(store: Store, vault: Vault, expected: _Expected) -> Iterator[Problem]:
    wanted = dict(expected.quarantine)
    for n, part, body in store.connection.execute("SELECT n, part, body FROM quarantine").fetchall():
        where = f"quarantine {n}"
        if not wanted.pop((n, part), False):
            yield Problem(where, "is not what the log says was written")
            continue
        yield from _attempt(where, partial(_open_part, vault, n, part, body))
    for n, _ in wanted:
        yield Problem(f"quarantine {n}", "is missing from the store")


def _open_part(vault: Vault, n: int, part: int, body: bytes) -> Iterator[Problem]:
    open_part(vault, n, part, body)
    return iter(())


def _attempt(where: str, check: Callable[[], Iterator[Problem]]) -> Iterator[Problem]:
    """Run ``check``; an error it raises becomes a problem at ``where``."""
    try:
        yield from check()
    except SalusError as error:
        yield Problem(where, error.what)
