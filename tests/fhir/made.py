"""Resources of other FHIR releases, made small."""

from __future__ import annotations

from typing import Any

METFORMIN = {"text": "metformin"}
PATIENT = {"reference": "Patient/1"}


def of(kind: str, **elements: Any) -> dict[str, Any]:
    """A resource of a type."""
    return {"resourceType": kind, "id": "x", **elements}


def codes(concept: dict[str, Any]) -> list[tuple[str, str]]:
    """The codes of a CodeableConcept with the last part of their systems' addresses."""
    return [(c["system"].rpartition("/")[2], c["code"]) for c in concept["coding"]]
