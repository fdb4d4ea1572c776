"""Diagnoses that are named in passing, beside something else: nobody put them on the problem list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from salus.fhir.codes import Code
from salus.fhir.dates import Span
from salus.fhir.views import DATES, Body, Source, codings, span_of, text_of


@dataclass(frozen=True, slots=True)
class Mention:
    """A diagnosis that is named in passing: as the reason of a visit or a medicine, in a conclusion or a claim."""

    source: Source
    where: str
    codes: tuple[Code, ...]
    text: str
    period: Span | None


_MENTIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Encounter": (("reasonCode", "the reason of a visit"),),
    "Procedure": (("reasonCode", "the reason of a procedure"),),
    "MedicationRequest": (("reasonCode", "the reason of a prescription"),),
    "MedicationStatement": (("reasonCode", "the reason of a medicine"),),
    "DeviceUseStatement": (("reasonCode", "the reason of a device"),),
    "DiagnosticReport": (("conclusionCode", "a report's conclusion"),),
    "Flag": (("code", "a flag"),),
    "Claim": (("diagnosis", "a claim"),),
    "Observation": (("valueCodeableConcept", "a diagnosis among the results"),),
}
DIAGNOSIS = "29308-4"
"""LOINC's "Diagnosis": an observation whose value is one."""
MENTIONING = tuple(_MENTIONS)
"""Types of resources that name diagnoses in passing."""


def mentions(source: Source, body: Body) -> tuple[Mention, ...]:
    """The diagnoses that a resource names in passing."""
    found = []
    if body.get("resourceType") == "Observation":
        if body.get("valueBoolean") is True:
            when, said = span_of(body, "effectiveDateTime", "effectivePeriod"), body.get("code")
            return (Mention(source, "a statement among the results", codings(said), text_of(said), when),)
        if DIAGNOSIS not in {c.code for c in codings(body.get("code"))}:
            return ()
    for path, where in _MENTIONS.get(str(body.get("resourceType")), ()):
        element = body.get(path)
        for item in element if isinstance(element, list) else [element]:
            concept = item.get("diagnosisCodeableConcept") if path == "diagnosis" and isinstance(item, dict) else item
            if codings(concept) or text_of(concept):
                period = span_of(body, *DATES, "authoredOn", "created", "effectiveDateTime", "effectivePeriod")
                found.append(Mention(source, where, codings(concept), text_of(concept), period))
    return tuple(found)
