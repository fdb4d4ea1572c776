"""Reading the log: its entries, unsealed and held to their commitments, and which of them wrote something.

A leaf of the log is a commitment SHA-256(salt || entry); salt and entry are sealed under the patient's key
(:mod:`salus.trust.log` writes them).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from salus.errors import IntegrityError
from salus.fhir import json
from salus.record.database import Database
from salus.record.forgetting import ERASED
from salus.trust.vault import Vault

SALT = 32
_NEWEST = (
    "SELECT n FROM log_leaf WHERE (topic, n) > (?, ?) AND (topic, n) <= (?, ?) ORDER BY topic DESC, n DESC LIMIT 1"
)
"""Selects the newest entry of a topic, from the index of topics alone. Asked for max(n) of a topic, PostgreSQL reads
back through all later entries, nearly all of which are of looks."""
_LAST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One opened log entry. ``patient`` is "" for entries that concern no patient."""

    n: int
    patient: str
    topic: str
    content: Mapping[str, Any]
    commitment: bytes = b""


class LogReading:
    """Reads and opens the entries of the log. Made as a :class:`salus.trust.log.Log`, which also writes them.

    Every method reads through the ``connection`` that it is given.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def entries(self, connection: Database, *, topic: str = "", patient: str | None = None) -> Iterator[Entry]:
        """Opened entries in order; only those of one topic or one patient where these are given (patient "": the
        house's own)."""
        clauses, values = ["1 = 1"], []
        if topic:
            clauses.append("l.topic = ?")
            values.append(topic)
        if patient is not None:
            clauses.append("p.id = ?" if patient else "l.pid IS NULL")
            values.extend([patient] if patient else [])
        else:
            clauses.append("(p.id IS NULL OR p.id NOT LIKE ?)")
            values.append(f"{ERASED}%")
        rows = connection.execute(
            "SELECT l.n, coalesce(p.id, ''), l.topic, l.commitment, l.entry FROM log_leaf l "
            f"LEFT JOIN patient p ON p.pid = l.pid WHERE {' AND '.join(clauses)} ORDER BY l.n",
            values,
        )
        for row in rows.fetchall():
            yield self.open(*row)

    def newest_first(self, connection: Database, patient: str, before: int | None) -> Iterator[Entry]:
        """Opened entries of one patient, the newest first, read as they are asked for: those before entry ``before``,
        or all.

        Raises IntegrityError for an entry that was changed.
        """
        below = _LAST if before is None else before
        while rows := connection.execute(
            "SELECT l.n, p.id, l.topic, l.commitment, l.entry FROM log_leaf l JOIN patient p ON p.pid = l.pid "
            "WHERE p.id = ? AND l.n < ? ORDER BY l.n DESC LIMIT 100",
            (patient, below),
        ).fetchall():
            for row in rows:
                yield self.open(*row)
            below = rows[-1][0]

    def opens(self, connection: Database, patient: str) -> bool:
        """True when the patient's first entry opens under the present key, or there is none."""
        row = connection.execute(
            "SELECT l.n, p.id, l.topic, l.commitment, l.entry FROM log_leaf l JOIN patient p ON p.pid = l.pid "
            "WHERE p.id = ? ORDER BY l.n LIMIT 1",
            (patient,),
        ).fetchone()
        try:
            return row is None or bool(self.open(*row))
        except IntegrityError:
            return False

    def written_since(self, connection: Database, patient: str, n: int) -> int | None:
        """The number of the patient's newest entry after ``n`` that wrote something (a look writes nothing); None for
        none."""
        row = connection.execute(
            "SELECT max(n) FROM log_leaf WHERE pid = (SELECT pid FROM patient WHERE id = ?) AND n > ? "
            "AND topic <> 'access'",
            (patient, n),
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def wrote_between(self, connection: Database, patient: str, n: int, m: int) -> bool:
        """Whether any of the patient's entries after ``n`` and before ``m`` wrote something."""
        row = connection.execute(
            "SELECT 1 FROM log_leaf WHERE pid = (SELECT pid FROM patient WHERE id = ?) AND n > ? AND n < ? "
            "AND topic <> 'access' LIMIT 1",
            (patient, n, m),
        ).fetchone()
        return row is not None

    def written_after(self, connection: Database, n: int, span: int, most: int) -> tuple[list[tuple[int, str]], int]:
        """The patients into whose records the ``span`` entries after ``n`` wrote; it stops after ``most`` entries that
        wrote.

        Returns pairs of entry and patient, and the last entry that was looked at, after which the next call goes on.
        """
        rows = connection.execute(
            "SELECT l.n, p.id FROM log_leaf l JOIN patient p ON p.pid = l.pid "
            "WHERE l.n > ? AND l.n <= ? AND l.topic <> 'access' AND p.id NOT LIKE ? ORDER BY l.n LIMIT ?",
            (n, n + span, f"{ERASED}%", most),
        ).fetchall()
        if len(rows) == most:
            return rows, int(rows[-1][0])
        (last,) = connection.execute("SELECT coalesce(max(n), -1) FROM log_leaf").fetchone()
        return rows, max(n, min(n + span, int(last)))

    def newest_of(self, connection: Database, topic: str) -> int:
        """The number of the newest entry of a topic; -1 where there is none."""
        row = connection.execute(_NEWEST, (topic, -1, topic, _LAST)).fetchone()
        return int(row[0]) if row else -1

    def last(self, connection: Database, topic: str) -> Entry | None:
        """The newest of the house's own entries of a topic, opened; None where there is none. Raises IntegrityError for
        an entry that was changed."""
        row = connection.execute(
            "SELECT n, '', topic, commitment, entry FROM log_leaf WHERE pid IS NULL AND topic = ? "
            "ORDER BY n DESC LIMIT 1",
            (topic,),
        ).fetchone()
        return self.open(*row) if row else None

    def open(self, n: int, patient: str, topic: str, commitment: bytes, sealed: bytes) -> Entry:
        """Unseal one leaf and hold it against its commitment. Raises IntegrityError where it was changed."""
        payload = self._vault.unseal(patient, sealed, leaf_context(n, patient, topic))
        if hashlib.sha256(payload).digest() != commitment:
            raise IntegrityError("a log entry is not the one that was committed to", where=f"entry {n}")
        return Entry(n, patient, topic, json.loads(payload[SALT:]), commitment)


def leaf_context(n: int, patient: str, topic: str) -> bytes:
    """The bytes that are authenticated with a sealed entry: its number, its patient and its topic."""
    return f"leaf\0{n}\0{patient}\0{topic}".encode()
