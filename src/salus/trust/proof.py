"""Proofs that leave the house, to be checked without it: an entry stands in the log, and the log only grew."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from salus.errors import InputError, IntegrityError
from salus.trust import merkle
from salus.trust.log import SALT, Checkpoint, Log, leaf_context
from salus.trust.vault import Vault


def of_entry(connection: sqlite3.Connection, vault: Vault, log: Log, n: int, patient: str) -> dict[str, Any]:
    """A proof that entry ``n``, which must be ``patient``'s, stands in the log. It holds the entry itself.

    Raises InputError when the patient has no such entry.
    """
    row = connection.execute(
        "SELECT l.topic, l.commitment, l.entry FROM log_leaf l JOIN patient p ON p.pid = l.pid "
        "WHERE l.n = ? AND p.id = ?",
        (n, patient),
    ).fetchone()
    if row is None:
        raise InputError("no such entry of this record", remedy="salus log patient shows the numbers")
    log.open(n, patient, *row)
    payload = vault.unseal(patient, row[2], leaf_context(n, patient, row[0]))
    leaves = _leaves(connection)
    return {
        "proof": "inclusion",
        "index": n,
        "payload": base64.b64encode(payload).decode(),
        "path": [node.hex() for node in merkle.inclusion_proof(leaves, n)],
        "checkpoint": _newest(connection, log).to_bytes().decode(),
    }


def of_growth(connection: sqlite3.Connection, log: Log, since: Checkpoint) -> dict[str, Any]:
    """A proof that the log as it is now begins with the log that ``since`` speaks of."""
    leaves = _leaves(connection)
    if not 0 < since.size <= len(leaves):
        raise IntegrityError("the log is shorter than the checkpoint says")
    return {
        "proof": "consistency",
        "from": since.to_bytes().decode(),
        "path": [node.hex() for node in merkle.consistency_proof(leaves, since.size)],
        "checkpoint": _newest(connection, log).to_bytes().decode(),
    }


def check(document: Mapping[str, Any], key: Ed25519PublicKey) -> str:
    """Check a proof against the house's public ``key``; returns what it proves, in words.

    Raises IntegrityError when it proves nothing, InputError when it is no proof.
    """
    try:
        newest = Checkpoint.from_bytes(document["checkpoint"].encode())
        path = [bytes.fromhex(node) for node in document["path"]]
        if document["proof"] == "inclusion":
            payload, index = base64.b64decode(document["payload"], validate=True), document["index"]
        else:
            since = Checkpoint.from_bytes(document["from"].encode())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError("not a proof that salus gave") from error
    if not newest.verify(key):
        raise IntegrityError("the checkpoint is not signed by this house")
    if document["proof"] == "inclusion":
        leaf = merkle.leaf_hash(hashlib.sha256(payload).digest())
        if not isinstance(index, int) or not merkle.verify_inclusion(leaf, index, newest.size, path, newest.root):
            raise IntegrityError("the entry does not stand in this log")
        return f"entry {index} stands in the log of {newest.size} entries: {payload[SALT:].decode()}"
    if not since.verify(key) or not merkle.verify_consistency(since.size, newest.size, since.root, newest.root, path):
        raise IntegrityError("the log of today does not begin with the log of then")
    return f"the log of {newest.size} entries begins with the log of {since.size}"


def _leaves(connection: sqlite3.Connection) -> list[bytes]:
    rows = connection.execute("SELECT commitment FROM log_leaf ORDER BY n")
    return [merkle.leaf_hash(commitment) for (commitment,) in rows]


def _newest(connection: sqlite3.Connection, log: Log) -> Checkpoint:
    newest = log.newest(connection)
    if newest is None:
        raise IntegrityError("the log is empty")
    return newest
