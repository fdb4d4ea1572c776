"""Erasure by shredding: a patient's key is destroyed, what it sealed is deleted, the log keeps the bare commitments.

Bodies, blobs and log entries of a patient are sealed under one key. Once it is destroyed nobody can open them, wherever
copies of the store lie. The house's own entry about it names a number, never the patient.

The key folder marks every key that was destroyed. The folder of the store also keeps a signed list of erasures: the
name of each key and the number of the log entry. With it, a restored backup is erased again even where an older copy of
the key folder, without the marks, was restored as well.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature

from salus.errors import IntegrityError
from salus.record.forgetting import INDEXES, forget
from salus.record.store import Store
from salus.trust.grants import Grant
from salus.trust.log import Log
from salus.trust.registry import TOPIC
from salus.trust.vault import SYSTEM, Vault, write_durably

LIST = "erased"
"""Name of the list of erasures in the folder of the store."""
AT_ONCE = 1000
"""How many bodies are read at once to make their indexes."""
_HEADER = "salus.erasures/v1"


def left(store: Store, vault: Vault, scope: Grant) -> list[str]:
    """Patients whose key was destroyed and of whom the store still holds something.

    There are such patients after an interruption, and in a restored backup from before the erasure.
    """
    return [name for name in store.patients(scope) if vault.shredded(name)]


def former(store: Store, vault: Vault, log: Log, scope: Grant) -> list[str]:
    """Patients of a restored backup who were erased after it was made and came again later: the new key opens nothing
    of it."""
    marked = [name for name in store.patients(scope) if vault.marked(name) and not vault.shredded(name)]
    return [name for name in marked if not log.opens(store.connection, name)]


def delete(
    store: Store,
    log: Log,
    scope: Grant,
    patient: str,
    request: int | None,
    at: str,
    decided: Mapping[str, Any] | None = None,
) -> tuple[int, Mapping[str, Any]]:
    """Delete, in one transaction, everything of a patient whose key was destroyed.

    Returns the number of the house's entry about it, and what it says.

    ``request`` is the log entry in which the patient asked for it, where it is known; ``decided`` names the proposal
    that was carried out and its second person.
    """
    with store.transaction(scope) as connection:
        erased = Grant(scope.actor, patient, "custodian", frozenset(), True, purpose="erasure")
        forgotten = forget(connection, erased)
        content = {
            "reason": "erased",
            "pid": forgotten.pid,
            "by": scope.actor,
            "at": at,
            "asked": request,
            "entries": log.blank(connection, forgotten.pid),
            "versions": forgotten.versions,
            "blobs": forgotten.blobs,
            **(decided or {}),
        }
        n = log.append(connection, SYSTEM, TOPIC, content)
    return n, content


# ---- the list beside the store


def remember(path: Path, vault: Vault, patient: str, n: int) -> None:
    """Add to the list that log entry ``n`` says that the patient was erased."""
    listed = {**remembered(path, vault), vault.name(patient): n}
    lines = [_HEADER, *(f"{number} {name.hex()}" for name, number in sorted(listed.items()))]
    text = "\n".join(lines).encode() + b"\n"
    write_durably(path, text + b"\n" + base64.b64encode(vault.house.sign(text)) + b"\n")


def remembered(path: Path, vault: Vault) -> dict[bytes, int]:
    """The list: the number of the log entry by the name of the destroyed key. Raises IntegrityError where the house did
    not sign it."""
    if not path.exists():
        return {}
    text, _, signature = path.read_bytes().rpartition(b"\n\n")
    text += b"\n"
    try:
        vault.house.public_key().verify(base64.b64decode(signature.strip(), validate=True), text)
        header, *lines = text.decode("ascii").splitlines()
        found = {bytes.fromhex(name): int(n) for n, name in (line.split(" ") for line in lines)}
    except (InvalidSignature, ValueError) as error:
        raise IntegrityError("not a list of erasures of this house", where=str(path)) from error
    if header != _HEADER:
        raise IntegrityError("a list of erasures of another form", where=str(path), remedy="use a newer salus")
    return found


def listed(store: Store, vault: Vault, erased: Mapping[bytes, int], scope: Grant) -> list[str]:
    """Patients of a restored backup who, by the list, were erased by an entry that comes after the end of the backup's
    log."""
    (size,) = store.connection.execute("SELECT coalesce(max(n) + 1, 0) FROM log_leaf").fetchone()
    names = {patient: vault.name(patient) for patient in store.patients(scope)}
    return [p for p, name in names.items() if erased.get(name, -1) >= size and not vault.shredded(p)]


# ---- indexes, which no backup holds


def reindex(store: Store, scope: Grant) -> None:
    """Make the search indexes of a restored backup from its bodies. A body that cannot be opened gets no rows.

    The verification that follows reports it.
    """
    with store.transaction(scope) as connection:
        for table in INDEXES:
            connection.execute(f"DELETE FROM {table}")
        rows = connection.scan(
            "SELECT r.rid, p.id, r.type, r.id, r.version, r.updated, r.deleted, r.mac, r.body FROM resource r "
            "JOIN patient p ON p.pid = r.pid WHERE r.deleted = 0",
            AT_ONCE,
        )
        for rid, *row in rows:
            try:
                store.insert_index(connection, rid, store.open_row(*row).body)
            except IntegrityError:
                continue
