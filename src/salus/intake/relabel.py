"""A batch under other names: its patient's id, and references to the patient's own server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from salus.intake.batch import Batch


def relabelled(batch: Batch, owner: str) -> Batch:
    """The batch with its patient under the id ``owner``, which is ours and no server's."""
    before = batch.clues.reference
    if owner == before:
        return batch
    old, new = {f"Patient/{before}", f"{batch.clues.base}/Patient/{before}"}, f"Patient/{owner}"
    resources = tuple(renamed(r, lambda reference: new if reference in old else reference) for r in batch.resources)
    resources = tuple({**r, "id": owner} if r["resourceType"] == "Patient" else r for r in resources)
    patient = next((r for r in resources if r["resourceType"] == "Patient"), None)
    return replace(
        batch,
        resources=resources,
        patient=patient,
        clues=replace(batch.clues, reference=owner, base="", absolute=False),
    )


def at_home(batch: Batch) -> Batch:
    """The batch with the address of its patient's server left out of references: that server's ids are ours."""
    start = f"{batch.clues.base}/"
    resources = tuple(renamed(r, lambda reference: reference.removeprefix(start)) for r in batch.resources)
    return replace(batch, resources=resources)


def renamed(value: Any, name: Callable[[str], str]) -> Any:
    """``value`` with every reference as ``name`` gives it."""
    if isinstance(value, dict):
        return {k: name(v) if k == "reference" and isinstance(v, str) else renamed(v, name) for k, v in value.items()}
    return [renamed(item, name) for item in value] if isinstance(value, list) else value
