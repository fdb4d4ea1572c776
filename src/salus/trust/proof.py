"""Proofs that leave the house, to be checked without it: an entry stands in the log, and the log only grew.

An entry's proof is a C2SP tlog-proof: a text of the entry, its place, the path to the root, and the checkpoint with the
signatures of the house and of witnesses. Growth is shown by a small JSON document.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from salus.errors import InputError, IntegrityError
from salus.fhir import json
from salus.record.database import Database
from salus.trust import merkle
from salus.trust.checkpoint import Checkpoint
from salus.trust.log import Log
from salus.trust.log_reading import SALT, leaf_context
from salus.trust.merkle import HASH, PROOF_LIMIT
from salus.trust.note import Verifier, decode_base64, parse_size
from salus.trust.vault import Vault

HEADER = "c2sp.org/tlog-proof@v1"
PROOF_BYTES = 1 << 20
SELF_ATTESTED = "self-attested: only the house signed this; no witness did"


@dataclass(frozen=True, slots=True)
class Proved:
    """What a proof shows, in words, and who else vouches for the log that it stands in."""

    what: str
    witnesses: tuple[str, ...]

    def lines(self) -> tuple[str, str]:
        """For a reader: what is shown, and on whose word."""
        vouched = f"cosigned by {', '.join(self.witnesses)}" if self.witnesses else SELF_ATTESTED
        return self.what, vouched


def of_entry(connection: Database, vault: Vault, log: Log, n: int, patient: str) -> bytes:
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
    newest = log.vouched(connection, above=n)
    lines = [HEADER, f"extra {base64.b64encode(payload).decode()}", f"index {n}"]
    lines += [base64.b64encode(node).decode() for node in log.view(connection, newest.size).inclusion(n)]
    return "\n".join(lines).encode() + b"\n\n" + newest.to_bytes()


def of_growth(connection: Database, log: Log, since: Checkpoint) -> dict[str, Any]:
    """A proof that the log as it is now begins with the log that ``since`` speaks of."""
    newest = log.newest(connection)
    if newest is None or not 0 < since.size <= newest.size:
        raise IntegrityError("the log is shorter than the checkpoint says")
    path = log.view(connection, newest.size).consistency(since.size)
    return {
        "proof": "consistency",
        "from": since.to_bytes().decode(),
        "path": [node.hex() for node in path],
        "checkpoint": newest.to_bytes().decode(),
    }


def check(data: bytes, key: Ed25519PublicKey, witnesses: Sequence[Verifier] = ()) -> Proved:
    """Check a proof against the house's public ``key``, and the keys of ``witnesses`` where one knows them.

    Raises IntegrityError when it proves nothing or a known witness's signature does not hold, InputError when it is no
    proof.
    """
    if len(data) > PROOF_BYTES:
        raise InputError(f"a proof of more than {PROOF_BYTES} bytes")
    if data.startswith(HEADER.encode() + b"\n"):
        return _check_entry(data, key, witnesses)
    document = json.loads(data)
    if not isinstance(document, dict) or document.get("proof") != "consistency":
        raise InputError("not a proof that salus gave")
    return _check_growth(document, key, witnesses)


def _check_entry(data: bytes, key: Ed25519PublicKey, witnesses: Sequence[Verifier]) -> Proved:
    head, _, signed = data.partition(b"\n\n")
    try:
        _, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise InputError("not a proof that salus gave") from error
    if len(lines) < 2 or not lines[0].startswith("extra ") or not lines[1].startswith("index "):
        raise InputError("a proof states the entry and its index", where="extra, index")
    payload = decode_base64(lines[0].removeprefix("extra "), "extra")
    index = parse_size(lines[1].removeprefix("index "), "index")
    path = [_node(line, f"path {number}") for number, line in enumerate(lines[2:], 1)]
    if len(path) > PROOF_LIMIT or len(payload) <= SALT:
        raise InputError("a proof of another form", where="extra, path")
    newest = Checkpoint.from_bytes(signed)
    vouched = _signed(newest, key, witnesses)
    leaf = merkle.leaf_hash(hashlib.sha256(payload).digest())
    if not merkle.verify_inclusion(leaf, index, newest.size, path, newest.root):
        raise IntegrityError("the entry does not stand in this log")
    told = f"entry {index} stands in the log of {newest.size} entries: {payload[SALT:].decode()}"
    return Proved(told, vouched)


def _check_growth(document: Mapping[str, Any], key: Ed25519PublicKey, witnesses: Sequence[Verifier]) -> Proved:
    try:
        newest = Checkpoint.from_bytes(document["checkpoint"].encode())
        since = Checkpoint.from_bytes(document["from"].encode())
        path = [bytes.fromhex(node) for node in document["path"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError("not a proof that salus gave") from error
    vouched = _signed(newest, key, witnesses)
    if not since.verify(key) or since.origin != newest.origin:
        raise IntegrityError("the earlier checkpoint is not this house's")
    if not merkle.verify_consistency(since.size, newest.size, since.root, newest.root, path):
        raise IntegrityError("the log of today does not begin with the log of then")
    return Proved(f"the log of {newest.size} entries begins with the log of {since.size}", vouched)


def _signed(newest: Checkpoint, key: Ed25519PublicKey, witnesses: Sequence[Verifier]) -> tuple[str, ...]:
    """The names of the known witnesses who cosigned a checkpoint of the house. Raises IntegrityError."""
    if not newest.verify(key):
        raise IntegrityError("the checkpoint is not signed by this house")
    known = {(w.name, w.key_id) for w in witnesses}
    if not any((s.name, s.key_id) in known for s in newest.cosignatures):
        return ()
    return tuple(sorted({v.verifier.name for v in newest.to_note().verify(witnesses) if v.time is not None}))


def _node(line: str, where: str) -> bytes:
    node = decode_base64(line, where)
    if len(node) != HASH:
        raise InputError("not a hash of 32 bytes", where=where)
    return node
