"""Deleting everything of one patient but the log's leaves: the store's part of an erasure.

What follows from the record and stands in the clear, the search indexes, never goes into a backup: from there it could
not be taken out again.
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
"""Begins what stands in the place of an erased patient's id; no id in FHIR can hold a colon."""

PATIENCE = 2.0
"""Seconds to wait for others to let the file go."""
INDEXES = ("token_index", "date_index")
"""Tables that follow from the bodies of resources."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted of an erased patient: the number that stays in the log, resource versions, blobs."""

    pid: int
    versions: int
    blobs: int


def forget(connection: Database, scope: Scope) -> Forgotten:
    """Delete all rows of the scope's patient and put a number in the place of the id.

    To be called inside a transaction, after the patient's key was shredded. Raises AccessError for a scope over more
    than one patient, or over one who is not there.
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
    connection.execute("DELETE FROM server_state WHERE kind = 'page'")  # a list of results names whom it is about
    connection.execute("UPDATE patient SET id = ? WHERE pid = ?", (f"{ERASED}{pid}", pid))
    return Forgotten(int(pid), int(versions), int(blobs))


def compact(connection: Database, scope: Scope, *, patience: float = PATIENCE) -> bool:
    """Write the file anew without what was deleted, so that not even its sealed bytes remain. Raises AccessError.

    False where another program holds the file, after ``patience`` seconds: then pages of before, with sealed bytes that
    nobody can open and dates of the search index, stay until the next time.
    """
    if scope.patient != "*" or not scope.may_write:
        raise AccessError("not allowed")
    return rewritten(connection, patience=patience)


def rewritten(connection: Database, *, patience: float = PATIENCE) -> bool:
    """Write an SQLite file anew, of what it still holds, and cut its journal; False where others hold it too long."""
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
    """The same in PostgreSQL: its tables written anew. Its own write-ahead log is kept as long as its settings say.

    False as well where the role does not own them: PostgreSQL would pass them over without an error.
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
    """Take what can be worked out again out of a copy of the store: memos, reaches, and the search indexes, which
    :func:`salus.trust.erasure.reindex` makes again; and what a running server remembers, which nobody is to come back
    with."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA secure_delete=ON")
        for table in (*INDEXES, "memo", "reach", "server_state"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("VACUUM")
