"""What a house hands out of its log, so that anybody can hold it to that: its key, checkpoints, and proofs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from salus.app.house import House
from salus.errors import InputError
from salus.trust import audit, proof
from salus.trust.checkpoint import Checkpoint, verifier
from salus.trust.note import Verifier
from salus.trust.proof import Proved

PUBLIC_KEY = 32
"""Bytes of a public key."""


def public_key(house: House) -> bytes:
    """The public key with which the house signs checkpoints, 32 bytes."""
    return house.vault.house.public_key().public_bytes_raw()


def verifier_key(house: House) -> str:
    """The same key with the log's name, as witnesses and readers of tiles take it (a vkey of a signed note)."""
    return verifier(house.log.origin, house.vault.house.public_key()).vkey


def newest_checkpoint(house: House) -> Checkpoint | None:
    """The newest signed checkpoint of the log; None where the log is empty."""
    return house.log.newest(house.store.connection)


def checkpoint(data: bytes) -> Checkpoint:
    """The checkpoint that a file holds. Raises IntegrityError where it holds none."""
    return Checkpoint.from_bytes(data)


def growth(house: House, since: Checkpoint) -> Mapping[str, Any]:
    """A proof that the log only grew since an older checkpoint."""
    return proof.of_growth(house.store.connection, house.log, since)


def check(data: bytes, key: bytes, witnesses: Sequence[str] = ()) -> Proved:
    """Check a proof against the house's public key, and against the vkeys of witnesses. No store is needed.

    Raises InputError for what is no key or no proof, IntegrityError where the proof does not hold.
    """
    if len(key) != PUBLIC_KEY:
        raise InputError("not a public key", where="--key")
    return proof.check(data, Ed25519PublicKey.from_public_bytes(key), [Verifier.from_vkey(text) for text in witnesses])


def check_audit_event(event: Mapping[str, Any]) -> None:
    """Hold an AuditEvent to its IHE BALP profile. Raises InputError."""
    audit.check(event, failed=event["outcome"] != "0")
