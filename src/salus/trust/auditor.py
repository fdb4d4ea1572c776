"""A copy of each access for an auditor: who looked, when and on which basis, sealed so that only the auditor's key
opens it.

When a patient is erased, the patient's log entries can be opened no more. The copies here stay until they expire, so
that no erasure covers up a look. They hold a number in the place of the patient, and nothing clinical.

Each process seals under a key of its own, which stands for an *epoch*. It keeps the key in memory only, and stores it
wrapped for the auditor (HPKE, RFC 9180, with X25519). Somebody who takes the house's keys later can open nothing of an
epoch and add nothing to an earlier one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from salus.errors import ConfigurationError, InputError, IntegrityError
from salus.fhir import dates, json
from salus.private_files import read_private
from salus.record.database import Database
from salus.trust.wrapping import write_durably

TOPICS = ("access", "glass", "consent")
"""Topics of the entries about a patient that are copied for the auditor."""
TOLD = ("reason", "decision", "actor", "at", "purpose", "bases", "until", "notice", "journal")
PUBLIC, PRIVATE = "audit.pub", "audit.key"
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_NONCE = 12


@dataclass(frozen=True, slots=True)
class Access:
    """One access as the auditor reads it. ``record`` is the number that stands for the patient."""

    n: int
    record: int
    commitment: bytes
    told: Mapping[str, Any]


def make(folder: Path) -> None:
    """Make the auditor's key pair in ``folder``, unless there is one. The private half must then be moved elsewhere."""
    if (folder / PUBLIC).exists():
        return
    key = X25519PrivateKey.generate()
    write_durably(folder / PRIVATE, key.private_bytes_raw())
    write_durably(folder / PUBLIC, key.public_key().public_bytes_raw())


@dataclass(slots=True)
class Auditor:
    """Seals copies of accesses for the auditor. ``folder`` holds the auditor's public key; without it nothing is
    copied."""

    folder: Path
    _epoch: tuple[int, AESGCM] | None = field(default=None, repr=False)

    def tell(self, connection: Database, n: int, pid: int, commitment: bytes, entry: Mapping[str, Any]) -> None:
        """Keep a sealed copy of the fields ``TOLD`` of entry ``n``, in the transaction that writes the entry."""
        epoch = self._epoch or self._begin(connection, str(entry.get("at", "")))
        if epoch is None:
            return
        number, cipher = epoch
        told = {name: entry[name] for name in TOLD if name in entry}
        plain = json.dumps({"record": pid, "commitment": commitment.hex(), "told": told}, canonical=True)
        nonce = os.urandom(_NONCE)
        sealed = nonce + cipher.encrypt(nonce, plain, _context(number, n))
        connection.execute("INSERT INTO log_audit VALUES (?, ?, ?)", (n, number, sealed))

    def rolled_back(self) -> None:
        """Forget the epoch: the transaction in which it may have begun was not committed."""
        self._epoch = None

    def _begin(self, connection: Database, at: str) -> tuple[int, AESGCM] | None:
        try:
            public = X25519PublicKey.from_public_bytes((self.folder / PUBLIC).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ConfigurationError("the auditor's public key is damaged", where=str(self.folder / PUBLIC)) from error
        key = os.urandom(32)
        row = connection.execute("SELECT coalesce(max(epoch), 0) + 1 FROM log_audit_epoch").fetchone()
        number = int(row[0])
        wrapped = _SUITE.encrypt(key, public, _context(number, -1))
        connection.execute("INSERT INTO log_audit_epoch VALUES (?, ?, ?)", (number, at, wrapped))
        self._epoch = number, AESGCM(key)
        return self._epoch


def read(connection: Database, private: Path) -> Iterator[Access]:
    """Every access that is kept, opened with the auditor's private key and compared with its leaf in the log.

    Raises ConfigurationError for a file that is no private key or that others can read, IntegrityError for an access or
    an epoch that was changed.
    """
    try:
        key = X25519PrivateKey.from_private_bytes(read_private(private))
    except (OSError, ValueError) as error:
        raise ConfigurationError("not the auditor's private key", where=str(private)) from error
    ciphers: dict[int, AESGCM] = {}
    for number, wrapped in connection.execute("SELECT epoch, wrapped FROM log_audit_epoch").fetchall():
        try:
            ciphers[number] = AESGCM(_SUITE.decrypt(wrapped, key, _context(number, -1)))
        except (InvalidTag, ValueError) as error:
            raise IntegrityError(
                "an epoch is sealed for another key, or was changed", where=f"epoch {number}"
            ) from error
    rows = connection.execute(
        "SELECT a.n, a.epoch, a.entry, l.commitment FROM log_audit a LEFT JOIN log_leaf l ON l.n = a.n ORDER BY a.n"
    )
    for n, number, sealed, commitment in rows.fetchall():
        try:
            plain = ciphers[number].decrypt(sealed[:_NONCE], sealed[_NONCE:], _context(number, n))
        except (InvalidTag, ValueError, KeyError) as error:
            raise IntegrityError("what was told of an access was changed", where=f"entry {n}") from error
        content = json.loads(plain)
        if commitment is None or content["commitment"] != commitment.hex():
            raise IntegrityError("an access is not the one that stands in the log", where=f"entry {n}")
        yield Access(n, content["record"], commitment, content["told"])


def expire(connection: Database, before: datetime) -> int:
    """Delete the accesses and the keys of all epochs that ended before a time, in the caller's transaction.

    An epoch ends when the next one begins. Returns how many accesses were deleted. Raises InputError for a time without
    a zone.
    """
    if before.tzinfo is None:
        raise InputError("a time without a time zone", where="before")
    epochs = connection.execute("SELECT epoch, begun FROM log_audit_epoch ORDER BY epoch").fetchall()
    over = [number for (number, _), (_, following) in pairwise(epochs) if dates.instant(following) < before]
    gone = 0
    for number in over:
        gone += connection.execute("DELETE FROM log_audit WHERE epoch = ?", (number,)).rowcount
        connection.execute("DELETE FROM log_audit_epoch WHERE epoch = ?", (number,))
    return gone


def _context(epoch: int, n: int) -> bytes:
    return f"audit\0{epoch}\0{n}".encode()
