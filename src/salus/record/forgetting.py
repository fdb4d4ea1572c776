"""Deleting everything of one patient but the log's leaves: the store's part of an erasure."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from salus.errors import AccessError
from salus.record.protocols import Scope

ERASED = "erased:"
"""Begins what stands in the place of an erased patient's id; no id in FHIR can hold a colon."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted of an erased patient: the number that stays in the log, resource versions, blobs."""

    pid: int
    versions: int
    blobs: int


def forget(connection: sqlite3.Connection, scope: Scope) -> Forgotten:
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
    for table in ("token_index", "date_index", "history"):
        connection.execute(f"DELETE FROM {table} WHERE rid IN (SELECT rid FROM resource WHERE pid = ?)", (pid,))
    connection.execute("DELETE FROM blob_chunk WHERE address IN (SELECT address FROM blob WHERE pid = ?)", (pid,))
    for table in ("blob", "resource"):
        connection.execute(f"DELETE FROM {table} WHERE pid = ?", (pid,))
    connection.execute("UPDATE patient SET id = ? WHERE pid = ?", (f"{ERASED}{pid}", pid))
    return Forgotten(int(pid), int(versions), int(blobs))


def compact(connection: sqlite3.Connection, scope: Scope) -> bool:
    """Write the file anew without what was deleted, so that not even its sealed bytes remain. Raises AccessError.

    False where another program holds the file: then sealed bytes that nobody can open stay until the next time.
    """
    if scope.patient != "*" or not scope.may_write:
        raise AccessError("not allowed")
    try:
        connection.execute("VACUUM")
        (held, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        return False
    return not held
