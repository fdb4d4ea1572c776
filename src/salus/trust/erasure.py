"""Erasure by shredding: a patient's key is destroyed, what it sealed is deleted, the log keeps the bare commitments.

Bodies, blobs and log entries of a patient are sealed under one key. Once it is destroyed nobody can open them, wherever
copies of the store lie. The house's own entry about it names a number, never the patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salus.record.forgetting import forget
from salus.record.store import Store
from salus.trust.gate import Grant
from salus.trust.log import Log
from salus.trust.registry import TOPIC
from salus.trust.vault import SYSTEM, Vault


def left(store: Store, vault: Vault, scope: Grant) -> list[str]:
    """Patients whose key was destroyed and of whom the store still holds something.

    So it is after an interruption, and in a restored backup from before the erasure.
    """
    return [name for name in store.patients(scope) if vault.shredded(name)]


def former(store: Store, vault: Vault, log: Log, scope: Grant) -> list[str]:
    """Patients of a restored backup who were erased since, and came again under a new key that opens nothing of it."""
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
) -> Mapping[str, Any]:
    """Delete, in one transaction, everything of a patient whose key was destroyed. Returns the house's entry about it.

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
        log.append(connection, SYSTEM, TOPIC, content)
    return content
