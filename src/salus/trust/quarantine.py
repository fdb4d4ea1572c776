"""Quarantine: what could not be taken in, each source sealed under a key of its own, with the reason in the log.

It is not known yet to whom a source belongs, so no patient's key can seal it. As it has a key of its own, it can be
destroyed by itself: after a time, when it was filed into a record, or with an erased patient to whom an operator
assigned it or whose device it is a reading of. Its key is destroyed then and its bytes are blanked. The empty rows
stay, so that the number is given to nothing else, and the log keeps a keyed hash that says nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from salus.errors import InputError
from salus.fhir import dates
from salus.record.store import CHUNK, Store
from salus.trust.grants import Grant
from salus.trust.log import Log
from salus.trust.registry import TOPIC
from salus.trust.vault import SYSTEM, Vault

DAYS = 30
"""For how many days a source is kept, unless somebody says otherwise."""
KEPT, ASSIGNED, DESTROYED = "quarantined", "quarantine-assigned", "quarantine-destroyed"
"""Reasons of the house's log entries about a source."""
FILES, CONTENT, READING, SENT = "files", "content", "reading", "sent"
"""What the bytes of a source are, as its log entry says. FILES: files, each preceded by its name and size. CONTENT: one
source that came otherwise than as a file (a message, a request). READING: a live reading that passed all checks of the
line, as the queue writes it. SENT: what a device sent and the line refused. Entries of release 0.1 do not say it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What its log entry says of a source: what its bytes are ("": it does not say), and when it was kept."""

    form: str
    at: datetime


def keep(
    store: Store,
    vault: Vault,
    log: Log,
    scope: Grant,
    pieces: Iterable[bytes],
    reason: str,
    at: str,
    *,
    form: str = CONTENT,
    check: Callable[[], None] = lambda: None,
) -> int:
    """Seal ``pieces`` (a source in chunks of any size) and log why. Returns the number it is kept under.

    ``form`` says what the bytes are: FILES, CONTENT, READING or SENT. ``check`` is called inside the transaction,
    before anything is written; where it raises, nothing is kept.
    """
    total = hashlib.sha256()
    with store.transaction(scope) as connection:
        check()
        (n,) = connection.execute("SELECT coalesce(max(n) + 1, 1) FROM quarantine").fetchone()
        vault.create(key_name(n))
        parts = 0
        for piece in pieces:
            for start in range(0, len(piece), CHUNK) or (0,):
                chunk = piece[start : start + CHUNK]
                total.update(chunk)
                sealed = vault.seal(key_name(n), chunk, _context(n, parts))
                connection.execute("INSERT INTO quarantine VALUES (?, ?, ?)", (n, parts, sealed))
                parts += 1
        entry = {
            "reason": KEPT,
            "n": n,
            "parts": parts,
            "form": form,
            "mac": vault.mac(key_name(n), total.digest()).hex(),
            "why": reason,
            "actor": scope.actor,
            "at": at,
        }
        log.append(connection, SYSTEM, TOPIC, entry)
    return int(n)


def release(store: Store, vault: Vault, n: int) -> bytes:
    """The bytes kept under ``n``. Raises InputError where they were destroyed, or never lay there."""
    rows = store.connection.execute("SELECT part, body FROM quarantine WHERE n = ? ORDER BY part", (n,)).fetchall()
    if not any(body for _, body in rows):
        raise InputError(f"nothing lies in quarantine under {n} any more", remedy="salus quarantine list")
    return b"".join(open_part(vault, n, part, body) for part, body in rows)


def open_part(vault: Vault, n: int, part: int, sealed: bytes) -> bytes:
    """Unseal one chunk. A blanked chunk of a source whose key was destroyed gives no bytes: that is as it should be.

    Raises IntegrityError for a chunk that cannot be opened.
    """
    name = key_name(n)
    if not sealed and vault.shredded(name):
        return b""
    return vault.unseal(name if vault.holds(name) else SYSTEM, sealed, _context(n, part))  # SYSTEM: of release 0.1


def held(store: Store) -> set[int]:
    """The numbers under which something lies."""
    return {n for (n,) in store.connection.execute("SELECT DISTINCT n FROM quarantine WHERE length(body) > 0")}


def entries(store: Store, log: Log) -> Iterator[Mapping[str, Any]]:
    """The house's log entries about quarantine, oldest first."""
    for entry in log.entries(store.connection, topic=TOPIC, patient=SYSTEM):
        if entry.content["reason"] in (KEPT, ASSIGNED, DESTROYED):
            yield entry.content


def kept(store: Store, log: Log) -> dict[int, Kept]:
    """What the log says of each source that lies there, by number."""
    there = held(store)
    found = (e for e in entries(store, log) if e["reason"] == KEPT and e["n"] in there)
    return {e["n"]: Kept(e.get("form", ""), dates.instant(e["at"])) for e in found}


def forms(store: Store, log: Log) -> dict[int, str]:
    """What the bytes of each source are that lies there, by number; "" where its entry does not say it."""
    return {n: each.form for n, each in kept(store, log).items()}


def expired(store: Store, log: Log, at: datetime, days: int = DAYS) -> list[int]:
    """The numbers of the sources that have lain in quarantine for ``days`` or longer."""
    there = held(store)
    if not there:
        return []
    before = at - timedelta(days=days)
    kept = (e for e in entries(store, log) if e["reason"] == KEPT and e["n"] in there)
    return sorted({e["n"] for e in kept if dates.instant(e["at"]) <= before})


def assigned(store: Store, log: Log, pid: int) -> list[int]:
    """The numbers of the sources whose last assignment by an operator was to this patient."""
    owner = owners(store, log)
    return sorted(n for n in held(store) if owner.get(n) == pid)


def owners(store: Store, log: Log) -> dict[int, int]:
    """By source, the number of the patient whose an operator called it last; of sources that are gone as well."""
    return {n: pids[-1] for n, pids in assignments(store, log).items()}


def assignments(store: Store, log: Log) -> dict[int, list[int]]:
    """By source, the numbers of the patients whose operators called it, the oldest first."""
    found: dict[int, list[int]] = {}
    for entry in entries(store, log):
        if entry["reason"] == ASSIGNED:
            found.setdefault(entry["n"], []).append(entry["pid"])
    return found


def left(store: Store, vault: Vault) -> list[int]:
    """Sources whose key was destroyed while their bytes are still there: after a crash, or in a restored backup."""
    return sorted(n for n in held(store) if vault.shredded(key_name(n)))


def blank(store: Store, log: Log, scope: Grant, numbers: Sequence[int], why: str, at: str) -> None:
    """Blank the bytes of sources whose keys were destroyed, with an entry in the log that says ``why``."""
    if not numbers:
        return
    with store.transaction(scope) as connection:
        for n in numbers:
            connection.execute("UPDATE quarantine SET body = ? WHERE n = ?", (b"", n))
            entry = {"reason": DESTROYED, "n": n, "why": why, "by": scope.actor, "at": at}
            log.append(connection, SYSTEM, TOPIC, entry)


def key_name(n: int) -> str:
    """The name of a source's key in the vault."""
    return f"quarantine:{n}"


def _context(n: int, part: int) -> bytes:
    return f"quarantine\0{n}\0{part}".encode()
