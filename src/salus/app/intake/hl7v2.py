"""HL7 v2 messages and the record: whose a message is, and what a repeated control id means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from salus.app.house import House
from salus.errors import InputError
from salus.intake import age, documents
from salus.intake.attribute import Known, identifiers, same_person
from salus.intake.batch import Batch, Clues
from salus.intake.hl7v2 import KIND
from salus.intake.relabel import relabelled

OLDER = "PID: what the record knows of the person is newer than the message"
KEPT = "PID: results do not change what the record knows of the person"


def is_message(batch: Batch) -> bool:
    """True for a batch that an HL7 v2 message gave."""
    return batch.kind.startswith(KIND)


def fitted(house: House, batch: Batch) -> Batch:
    """The batch for the patient whom the record has under one of its identifiers, else for a new one.

    What the record knows of the person and the message does not say stays. Raises InputError where the identifiers
    are several patients', where the message contradicts what is known, or where another message had its control id.
    """
    owner = _owner(house, batch)
    _check_control_id(house, batch, owner)
    assert batch.patient is not None
    stored = _stored(house, owner)
    placed = relabelled(batch, owner)
    if stored is None:
        return placed
    incoming = next(r for r in placed.resources if r["resourceType"] == "Patient")
    same_person(incoming, Known.of(stored))
    others = tuple(r for r in placed.resources if r["resourceType"] != "Patient")
    if not batch.kind.startswith(f"{KIND} ADT"):
        clues = Clues(reference=owner, birth_date=batch.clues.birth_date, sex=batch.clues.sex)
        return replace(placed, resources=others, patient=None, clues=clues, losses=(*batch.losses, KEPT))
    if age.order(stored, incoming) == "older":
        clues = Clues(reference=owner, birth_date=batch.clues.birth_date, sex=batch.clues.sex)
        return replace(placed, resources=others, patient=None, clues=clues, losses=(*batch.losses, OLDER))
    merged = _merged(stored, incoming)
    clues = replace(placed.clues, identifiers=identifiers(merged))
    return replace(placed, resources=(merged, *others), patient=merged, clues=clues)


def _kept(house: House, batch: Batch, patient: str) -> bool:
    scope = house.gate.custody("intake", patient)
    return house.store.has(scope, "Provenance", documents.provenance_id(batch, patient))


def _owner(house: House, batch: Batch) -> str:
    scope = house.gate.house("intake")
    found = {p for system, value in batch.clues.identifiers for p in house.store.find_identifier(scope, system, value)}
    if house.store.exists(house.gate.custody("intake", batch.clues.reference)):
        found.add(batch.clues.reference)
    if len(found) > 1:
        raise InputError("its identifiers are those of several patients", "PID-3", "a person has to decide whose it is")
    return next(iter(found), batch.clues.reference)


def _check_control_id(house: House, batch: Batch, owner: str) -> None:
    header = next(r for r in batch.resources if r["resourceType"] == "MessageHeader")
    holders = house.store.holders(house.gate.house("intake"), "MessageHeader", str(header["id"]), 2)
    if holders and not any(_kept(house, batch, holder) for holder in {*holders, owner}):
        raise InputError("another message of this sender had the same control id", "MSH-10", "send it under a new id")


def _stored(house: House, owner: str) -> dict[str, Any] | None:
    scope = house.gate.attribution(owner)
    if not house.store.exists(scope):
        return None
    found = house.store.read(scope, ("Patient",))
    return found[0].body if found else None


def _merged(stored: Mapping[str, Any], incoming: Mapping[str, Any]) -> dict[str, Any]:
    """The stored Patient with what the message says put in; identifiers are joined, none is lost."""
    known = set(identifiers(dict(stored)))
    fresh = [i for i in incoming.get("identifier", ()) if (str(i.get("system", "")), str(i.get("value"))) not in known]
    joined = {"identifier": [*stored.get("identifier", ()), *fresh]}
    return {**stored, **incoming, **joined}
