"""A source of another server about the same person, on an operator's word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from salus.intake.attribute import Known, from_server, identifiers, origin_of, origins, same_person
from salus.intake.batch import Batch
from salus.intake.relabel import relabelled

JOINED = "Patient: what it says beside identifiers; the operator says that the record's patient is meant"


def joined(batch: Batch, stored: dict[str, Any], known: Known) -> Batch:
    """The batch as one of ``known``, whose Patient resource is ``stored``.

    Its own Patient adds its identifiers and its address on its server; what the record says of the person stays. Raises
    InputError where the two contradict each other.
    """
    moved = relabelled(batch, known.id)
    if batch.patient is None:
        return moved
    same_person({**batch.patient, "id": known.id}, known)
    fuller = _with_identifiers(stored, batch.patient, origin_of(batch.clues))
    resources = tuple(fuller if r is moved.patient else r for r in moved.resources)
    return replace(moved, patient=fuller, resources=resources, losses=(*moved.losses, JOINED))


def _with_identifiers(stored: dict[str, Any], other: dict[str, Any], address: str) -> dict[str, Any]:
    """The stored Patient with the identifiers of the ``other``, whose server knows the person under ``address``."""
    found = stored if address in origins(stored) else from_server(stored, address)
    fresh = set(identifiers(other)) - set(identifiers(stored))
    added = [from_server({"system": s, "value": v} if s else {"value": v}, address) for s, v in sorted(fresh)]
    return {**found, "identifier": [*stored.get("identifier", ()), *added]} if added else found
