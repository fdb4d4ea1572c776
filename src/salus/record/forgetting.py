"""Deleting everything of one patient except the leaves of the log: the store's part of an erasure.

The search indexes follow from the record and are not sealed. They never go into a backup, because they could not be
removed from there again.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from salus.errors import AccessError
from salus.record.database import Database, File
from salus.record.protocols import Scope

ERASED = "erased:"
"""The beginning of the text that replaces the id of an erased patient. No id in FHIR contains a colon."""

PATIENCE = 2.0
"""Seconds to wait for other programs to release the file."""
INDEXES = ("token_index", "date_index")
"""Tables that can be worked out again from the bodies of resources."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted of an erased patient: ``pid``, the number that stays in the log; how many versions and blobs."""

    pid: int
    versions: int
    blobs: int


def forget(connection: Database, scope: Scope) -> Forgotten:
    """Delete all rows of the scope's patient and replace the patient's id by a number.

    Must be called inside a transaction, after the patient's key was shredded. Raises AccessError for a scope that may
    not write, covers more than one patient, or names a patient who is not in the store.
    """
    found = connection.execute("SELECT pid FROM patient WHERE id = ?", (scope.patient,)).fetchone()
    if not scope.may_write or found is None:
        raise AccessError("not allowed")
    (pid,) = found
    (versions,) = connection.execute(
        "SELECT (SELECT count(*) FROM resource WHERE pid = :pid) + "
        "(SELECT count(*) FROM history WHERE rid IN (SELECT rid FROM resource WHERE pid = :pid))",
        {"pid": pid},
    ).fetchone()
    (blobs,) = connection.execute("SELECT count(*) FROM blob WHERE pid = ?", (pid,)).fetchone()
    for table in (*INDEXES, "target", "history"):
        connection.execute(f"DELETE FROM {table} WHERE rid IN (SELECT rid FROM resource WHERE pid = ?)", (pid,))
    connection.execute("DELETE FROM blob_chunk WHERE address IN (SELECT address FROM blob WHERE pid = ?)", (pid,))
    for table in ("memo", "blob", "resource"):
        connection.execute(f"DELETE FROM {table} WHERE pid = ?", (pid,))
    connection.execute("DELETE FROM server_state WHERE kind = 'page'")  # a list of results names patients
    connection.execute("UPDATE patient SET id = ? WHERE pid = ?", (f"{ERASED}{pid}", pid))
    return Forgotten(int(pid), int(versions), int(blobs))


def compact(connection: Database, scope: Scope, *, patience: float = PATIENCE) -> bool:
    """Write the file anew without the deleted rows, so that not even their sealed bytes remain. Raises AccessError.

    Returns false where another program still holds the file after ``patience`` seconds. Then old pages stay in it until
    the next time, with sealed bytes that nobody can open and with dates of the search index.
    """
    if scope.patient != "*" or not scope.may_write:
        raise AccessError("not allowed")
    return rewritten(connection, patience=patience)


def rewritten(connection: Database, *, patience: float = PATIENCE) -> bool:
    """Write the store anew with what it still holds, and truncate SQLite's journal.

    Returns false where other programs still hold the file after ``patience`` seconds.
    """
    if not isinstance(connection, File):
        return _rewritten_tables(connection, patience)
    (before,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout={round(1000 * patience)}")
    try:
        connection.execute("VACUUM")
        (held, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout={before}")
    return not held


def _rewritten_tables(connection: Database, patience: float) -> bool:
    """The same for PostgreSQL: write its tables anew. The server's settings say how long its write-ahead log is kept.

    Returns false also where the role does not own the tables: PostgreSQL would skip them without an error.
    """
    (owned,) = connection.execute(
        "SELECT bool_and(pg_has_role(tableowner, 'USAGE')) FROM pg_tables WHERE schemaname = current_schema()"
    ).fetchone()
    if not owned:
        return False
    connection.execute(f"SET lock_timeout = {round(1000 * patience)}")
    (longest,) = connection.execute("SHOW statement_timeout").fetchone()
    connection.execute("SET statement_timeout = 0")
    try:
        for table in (*INDEXES, "target", "history", "blob_chunk", "memo", "blob", "resource", "log_leaf"):
            connection.execute(f"VACUUM FULL {table}")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.execute("SET lock_timeout = 0")
        connection.execute(f"SET statement_timeout = '{longest}'")
    return True


def strip(copy: Path) -> None:
    """Delete from a copy of the store what can be worked out again, and the state of the server.

    These are memos, reaches and the search indexes, which :func:`salus.trust.erasure.reindex` makes again. The state of
    the server (sessions, say) must not come back with a restored backup.
    """
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA secure_delete=ON")
        for table in (*INDEXES, "memo", "reach", "server_state"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("VACUUM")
