"""Verification: every body, blob, index row and log entry held against the log and against each other.

The log says what was written (a keyed hash of every version of every resource, the address of every blob); the tree
says that no entry of the log was changed, left out or moved; the checkpoint remembered outside the store says that
the whole was not rolled back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from salus.errors import SalusError
from salus.record import postgres_schema, schema
from salus.record.database import Database, File
from salus.record.store import Store
from salus.trust import journal_check, verify_log
from salus.trust.checkpoint import Checkpoint
from salus.trust.journal import Journal
from salus.trust.log import ROLLED_BACK, Log
from salus.trust.quarantine import open_part
from salus.trust.registry import TOPIC
from salus.trust.vault import SYSTEM, Vault
from salus.trust.verify_log import WAS_COSIGNED, Problem
from salus.trust.verify_memory import Memory, Verified
from salus.trust.verify_record import MISSING, UNLOGGED, Counts, House, RecordCheck, people
from salus.trust.verify_rows import Rows, Whose, digest_of

__all__ = ["SHORTER", "Problem", "Report", "verify"]

SHORTER = (ROLLED_BACK, f"the log is shorter than the one that {WAS_COSIGNED}", *journal_check.LOST)
"""Problems that an older backup of the store or of the keys has, and that a person may accept."""
Progress = Callable[[int, int], None]
"""Called with the number of resource versions that were looked at, and of those that there are."""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome: problems (none: the store is what was written), and how much was looked at.

    ``remembered`` of the resource versions were verified by a run that was interrupted, and have not changed since.
    """

    problems: tuple[Problem, ...]
    entries: int
    versions: int
    blobs: int
    remembered: int = 0


def verify(
    store: Store,
    vault: Vault,
    log: Log,
    held: Checkpoint | None = None,
    *,
    progress: Progress = lambda done, total: None,
    resume: bool = False,
) -> Report:
    """Check everything, patient by patient: memory grows with the largest record, and by 64 bytes for an entry.

    ``held`` is a checkpoint that somebody else kept; the vault's own is always used. ``resume``: records that an
    interrupted run found in order, and that have not changed since, are not opened again.
    """
    problems: list[Problem] = []
    run = _Run(store, vault, log, progress)
    try:
        log.finish(store.connection)
        known = verify_log.marks(log, held)  # before the snapshot, so that neither is ahead
        waiting = _waiting(store, vault, log)
        store.connection.begin_reading()
        problems.extend(_file(store.connection))
        problems.extend(verify_log.check(store.connection, log, vault.house.public_key(), known))
        place = store.path.with_name(f"{store.path.name}-verified")
        with Memory(place, vault, log.origin, resume=resume) as memory:
            problems.extend(run.records(memory))
        problems.extend(_strays(store.connection))
        problems.extend(_quarantine(store, vault, run.house))
        problems.extend(_journal(waiting, run.house))
    except sqlite3.DatabaseError as error:
        problems.append(Problem("store", f"the file cannot be read: {error}"))
    except SalusError as error:
        problems.append(Problem(error.where or "store", error.what))
    finally:
        if store.connection.in_transaction:
            store.connection.execute("ROLLBACK")
    counts = run.counts
    return Report(tuple(problems), counts.entries, counts.versions, counts.blobs, run.remembered)


class _Run:
    """Verifies the records one after the other, and keeps what is learned on the way."""

    def __init__(self, store: Store, vault: Vault, log: Log, progress: Progress) -> None:
        self._store, self._vault, self._log, self._progress = store, vault, log, progress
        self.counts = Counts()
        self.house = House()
        self.remembered = 0
        self._logged_blobs: set[str] = set()

    def records(self, memory: Memory) -> Iterator[Problem]:
        """Every problem of the house's own entries and of all patients' records."""
        connection = self._store.connection
        total = sum(connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("resource", "history"))
        for whose in people(connection, _erased_numbers(self._log, connection)):
            if not self._stands(whose, memory):
                yield from self._record(whose, memory, total)
            self._progress(self.counts.versions, total)
        for (address,) in connection.execute("SELECT address FROM blob ORDER BY address"):
            if address not in self._logged_blobs:
                yield Problem(f"blob {address[:16]}", UNLOGGED)

    def _record(self, whose: Whose, memory: Memory, total: int) -> Sequence[Problem]:
        rows = Rows(self._store.connection, whose)
        check = RecordCheck(self._store, self._vault, self._log, rows, self.house)
        done = self.counts.versions
        check.check(lambda _: self._progress(done + check.counts.versions, total))
        self.counts.add(check.counts)
        self._logged_blobs |= check.blobs.keys()
        if whose.pid is not None and not check.problems:
            found = Verified(rows.digest(), check.counts.entries, check.counts.versions, tuple(check.blobs))
            memory.note(whose.pid, found)
        return check.problems

    def _stands(self, whose: Whose, memory: Memory) -> bool:
        """True where the patient's rows are those that an interrupted run found in order, and the key is still there.

        The house's own entries are always looked at: other checks rely on what they say.
        """
        connection = self._store.connection
        found = memory.of(whose.pid) if whose.pid is not None else None
        if found is None or digest_of(connection, whose, found.blobs) != found.digest:
            return False
        if not whose.erased and not self._log.opens(connection, whose.name):
            return False
        self.counts.add(Counts(found.entries, found.versions, len(found.blobs)))
        self.remembered += found.versions
        self._logged_blobs.update(found.blobs)
        return True


def _file(connection: Database) -> Iterator[Problem]:
    if not isinstance(connection, File):  # PostgreSQL keeps its files itself, and points from row to row hold there
        for table in postgres_schema.strange(connection):
            yield Problem(table, "the schema is not that of salus")
        return
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield Problem("store", line)
    for row in connection.execute("PRAGMA foreign_key_check"):
        yield Problem(str(row[0]), "a row points to one that is missing")
    with closing(schema.pristine()) as fresh:
        if _schema(connection) != _schema(fresh):
            yield Problem("store", "the schema is not that of salus")


def _schema(connection: Database) -> list[tuple[str, ...]]:
    rows = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name")
    return [tuple(row) for row in rows if not row[1].startswith("sqlite_stat")]


def _erased_numbers(log: Log, connection: Database) -> set[int]:
    """The numbers of the patients whom the house's own entries call erased. An entry that cannot be opened is reported
    elsewhere."""
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


def _strays(connection: Database) -> Iterator[Problem]:
    """Rows whose parent row is missing. The check of each record does not meet them."""
    for table, name, of in (
        ("resource", "pid", "patient"),
        ("history", "rid", "resource"),
        ("token_index", "rid", "resource"),
        ("date_index", "rid", "resource"),
        ("target", "rid", "resource"),
        ("blob_chunk", "address", "blob"),
    ):
        (stray,) = connection.execute(
            f"SELECT count(*) FROM {table} t WHERE NOT EXISTS (SELECT 1 FROM {of} o WHERE o.{name} = t.{name})"
        ).fetchone()
        if stray:
            yield Problem(table, f"rows of no {of}")


def _waiting(store: Store, vault: Vault, log: Log) -> journal_check.Look | SalusError:
    """The emergency journal, or why it cannot be read. It is read before the snapshot, whose log then has every entry
    that was merged in between."""
    try:
        return journal_check.look(Journal(vault), lambda: journal_check.merged(log, store.connection))
    except SalusError as error:
        return error


def _journal(waiting: journal_check.Look | SalusError, house: House) -> Iterator[Problem]:
    try:
        if isinstance(waiting, SalusError):
            raise waiting
        journal_check.check(waiting, house.merged, numbered=house.numbered)
    except SalusError as error:
        yield Problem(error.where or "emergency journal", error.what)


def _quarantine(store: Store, vault: Vault, house: House) -> Iterator[Problem]:
    wanted = set(house.quarantine)
    for n, part, body in store.connection.execute("SELECT n, part, body FROM quarantine"):
        where = f"quarantine {n}"
        if (n, part) not in wanted:
            yield Problem(where, UNLOGGED)
            continue
        wanted.remove((n, part))
        try:
            open_part(vault, n, part, body)
        except SalusError as error:
            yield Problem(where, error.what)
    for n, _ in sorted(wanted):
        yield Problem(f"quarantine {n}", MISSING)
