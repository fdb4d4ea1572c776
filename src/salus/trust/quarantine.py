"""Quarantine: what could not be taken in, kept sealed under the house's key, with the reason in the log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from salus.record.store import CHUNK, Store
from salus.trust.gate import Grant
from salus.trust.log import Log
from salus.trust.registry import TOPIC
from salus.trust.vault import SYSTEM, Vault


def keep(store: Store, vault: Vault, log: Log, scope: Grant, pieces: Iterable[bytes], reason: str, at: str) -> int:
    """Seal ``pieces`` (a source in chunks of any size) and log why. Returns the number it is kept under."""
    total = hashlib.sha256()
    with store.transaction(scope) as connection:
        (n,) = connection.execute("SELECT coalesce(max(n) + 1, 1) FROM quarantine").fetchone()
        parts = 0
        for piece in pieces:
            for start in range(0, len(piece), CHUNK) or (0,):
                chunk = piece[start : start + CHUNK]
                total.update(chunk)
                sealed = vault.seal(SYSTEM, chunk, _context(n, parts))
                connection.execute("INSERT INTO quarantine VALUES (?, ?, ?)", (n, parts, sealed))
                parts += 1
        entry = {
            "reason": "quarantined",
            "n": n,
            "parts": parts,
            "sha256": total.hexdigest(),
            "why": reason,
            "actor": scope.actor,
            "at": at,
        }
        log.append(connection, SYSTEM, TOPIC, entry)
    return int(n)


def release(store: Store, vault: Vault, n: int) -> bytes:
    """The bytes kept under ``n``."""
    rows = store.connection.execute("SELECT part, body FROM quarantine WHERE n = ? ORDER BY part", (n,))
    return b"".join(open_part(vault, n, part, body) for part, body in rows)


def open_part(vault: Vault, n: int, part: int, sealed: bytes) -> bytes:
    """Unseal one chunk. Raises IntegrityError."""
    return vault.unseal(SYSTEM, sealed, _context(n, part))


def _context(n: int, part: int) -> bytes:
    return f"quarantine\0{n}\0{part}".encode()
