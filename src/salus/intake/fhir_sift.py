"""Which resources of a source are taken, and how they name the person they are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from salus.fhir import series
from salus.fhir.views import OWN_ID, TAG_SETTING
from salus.intake.attribute import ORIGIN, identifiers
from salus.intake.fhir_links import address

_NOT_TAKEN = {
    "Consent": "consents are given with: salus consent give",
    "AuditEvent": "the record keeps its own log",
    "CapabilityStatement": "it says what a server can do, and is about nobody",
    "Conformance": "it says what a server can do, and is about nobody",
    "OperationOutcome": "it is what a server said, and about nobody",
}
_SUBJECT_KEYS = ("subject", "patient", "beneficiary", "individual", "for")
_OWN = "urn:salus:"
_OWN_SUFFIXES = ("-signature", "-provenance")
SHARED = frozenset(
    {
        "Binary", "CareTeam", "Device", "DeviceDefinition", "Endpoint", "Group", "HealthcareService", "Library", "List",
        "Location", "Medication", "Organization", "PlanDefinition", "Practitioner", "PractitionerRole", "Provenance",
        "Questionnaire", "Substance", "ValueSet", "CodeSystem", "StructureDefinition", "ActivityDefinition", "Measure",
        "OrganizationAffiliation", "SearchParameter", "CapabilityStatement", "Conformance", "OperationOutcome",
    }
)  # fmt: skip
"""Types that are usually about nobody: they go with the patients whose resources refer to them."""


def subject_elements(resource: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The elements in which a resource names whom it is about."""
    elements = [resource[key] for key in _SUBJECT_KEYS if key in resource]
    items = [item for element in elements for item in (element if isinstance(element, list) else (element,))]
    return [item for item in items if isinstance(item, dict)]


def subject_identifiers(resource: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Identifiers by which a resource names its subject besides, or instead of, a reference."""
    for element in subject_elements(resource):
        if element.get("type", "Patient") == "Patient":
            yield from identifiers({"identifier": [element.get("identifier")]})
        yield from identifiers(_contained_patient(resource, str(element.get("reference"))))


def names_nobody(resource: Mapping[str, Any]) -> bool:
    """True for a resource that says in no way whom it is about."""
    return resource["resourceType"] != "Patient" and not any(
        element.keys() & {"reference", "identifier"} for element in subject_elements(resource)
    )


def sifted(resources: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """The resources that are taken, and for every other kind why not."""
    kept: list[dict[str, Any]] = []
    left: dict[str, int] = {}
    for resource in resources:
        kind = resource["resourceType"]
        if kind in _NOT_TAKEN:
            why = f"{kind} not taken: {_NOT_TAKEN[kind]}"
        elif _carries_own_marks(resource):
            why = f"{kind} not taken: it carries marks that only salus itself gives"
        elif _elsewhere(resource):
            why = f"{kind} not taken: its subject is not a patient whom the file names"
        else:
            kept.append(resource)
            continue
        left[why] = left.get(why, 0) + 1
    return kept, [f"{count} {why}" for why, count in left.items()]


def _elsewhere(resource: Mapping[str, Any]) -> bool:
    """True for a resource about a group, a device, a place, or a subject that the file does not resolve."""
    references = [e["reference"] for e in subject_elements(resource) if isinstance(e.get("reference"), str)]
    return any(not _is_patient(r) and not _contained_patient(resource, r) for r in references)


def _is_patient(reference: str) -> bool:
    found = address(reference.partition("|")[0])
    return found is not None and found.kind == "Patient"


def _contained_patient(resource: Mapping[str, Any], reference: str) -> dict[str, Any]:
    """The Patient inside ``resource`` that "#id" refers to; {} where there is none."""
    inner = resource.get("contained")
    for item in inner if isinstance(inner, list) else ():
        named = isinstance(item, dict) and f"#{item.get('id')}" == reference
        if named and item.get("resourceType") == "Patient":
            return dict(item)
    return {}


def _carries_own_marks(resource: Mapping[str, Any]) -> bool:
    """True for what only salus itself writes: findings, blob documents, proofs of signatures and origins.

    Were it taken from a file, anybody could forge a finding, or undo a consent by overwriting its signature, or a day's
    readings by overwriting their block.
    """
    if str(resource["id"]).startswith(OWN_ID) or series.BLOCK_ID.fullmatch(str(resource["id"])):
        return True
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    extensions = resource.get("extension")
    marks = [t.get("system") for t in (tags if isinstance(tags, list) else ()) if isinstance(t, dict)]
    marks += [e.get("url") for e in (extensions if isinstance(extensions, list) else ()) if isinstance(e, dict)]
    marks = [m for m in marks if m not in (TAG_SETTING, ORIGIN)]
    if resource["resourceType"] == "Provenance":
        targets = resource.get("target")
        references = [t.get("reference") for t in (targets if isinstance(targets, list) else ()) if isinstance(t, dict)]
        if resource["id"].endswith(_OWN_SUFFIXES) or any(str(r).startswith("Consent/") for r in references):
            return True
    return any(str(mark).startswith(_OWN) for mark in marks)
