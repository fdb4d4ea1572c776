"""Small records for the tests of the person: a few words make a resource."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from salus.findings.model import Finding
from salus.person.person import Person
from salus.record.chart import Chart

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SYSTEMS = {
    "snomed": "http://snomed.info/sct",
    "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "loinc": "http://loinc.org",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "atc": "http://www.whocc.no/atc",
    "role": "http://terminology.hl7.org/CodeSystem/v3-RoleCode",
}


def concept(code: str = "", text: str = "", display: str = "") -> dict[str, Any]:
    """A CodeableConcept; ``code`` as "system|code"."""
    system, _, value = code.partition("|")
    coding = [{"system": SYSTEMS.get(system, system), "code": value, **({"display": display} if display else {})}]
    return {**({"coding": coding} if code else {}), **({"text": text} if text else {})}


def patient(birth: str = "1966-02-01", sex: str = "male", **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p", "birthDate": birth, "gender": sex, **more}


def condition(
    code: str = "", text: str = "", *, onset: str | None = "2020-01-01", clinical: str = "active",
    verified: str = "confirmed", **more: Any,
) -> dict[str, Any]:  # fmt: skip
    return {
        "resourceType": "Condition",
        "clinicalStatus": concept(f"x|{clinical}"),
        "verificationStatus": concept(f"x|{verified}"),
        "code": concept(code, text),
        **({"onsetDateTime": onset} if onset else {}),
        **more,
    }


def procedure(code: str = "", text: str = "", when: str = "2020-01-01", status: str = "completed") -> dict[str, Any]:
    return {"resourceType": "Procedure", "status": status, "code": concept(code, text), "performedDateTime": when}


def medicine(
    text: str = "", dose: str = "", *, code: str = "", when: str | None = "2026-05-01", status: str = "active",
    kind: str = "MedicationRequest", **more: Any,
) -> dict[str, Any]:  # fmt: skip
    key = "dosageInstruction" if kind == "MedicationRequest" else "dosage"
    date = {"MedicationRequest": "authoredOn", "MedicationStatement": "dateAsserted"}.get(kind, "whenHandedOver")
    return {
        "resourceType": kind,
        "status": status,
        **({"intent": "order"} if kind == "MedicationRequest" else {}),
        "medicationCodeableConcept": concept(code, text),
        **({key: [{"text": dose}]} if dose else {}),
        **({date: when} if when else {}),
        **more,
    }


def result(
    code: str, value: str | int | None, unit: str = "", when: str | None = "2026-05-10", text: str = "", **more: Any
) -> dict[str, Any]:
    number = {} if value is None else {"valueQuantity": {"value": Decimal(str(value)), "unit": unit}}
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": concept(code, text),
        **({"effectiveDateTime": when} if when else {}),
        **number,
        **more,
    }


def answered(code: str, value: str, when: str = "2026-05-10", text: str = "") -> dict[str, Any]:
    """An observation whose value is a code."""
    return result(code, None, when=when) | {"valueCodeableConcept": concept(value, text)}


def allergy(text: str = "", *, code: str = "", reaction: str = "", status: str = "active", when: str = "2020-01-01",
            **more: Any) -> dict[str, Any]:  # fmt: skip
    return {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": concept(f"x|{status}"),
        "verificationStatus": concept("x|confirmed"),
        "code": concept(code, text),
        "recordedDate": when,
        **({"reaction": [{"manifestation": [concept(text=reaction)]}]} if reaction else {}),
        **more,
    }


def relative(role: str, code: str, *, age: int | None = None, text: str = "", **more: Any) -> dict[str, Any]:
    onset = {} if age is None else {"onsetAge": {"value": age, "unit": "a", "code": "a"}}
    return {
        "resourceType": "FamilyMemberHistory",
        "status": "completed",
        "relationship": concept(role, text),
        "condition": [{"code": concept(code), **onset}],
        **more,
    }


def chart(*resources: dict[str, Any], findings: tuple[Finding, ...] = (), **person: Any) -> Chart:
    numbered = [{"id": f"r{n}", **r} for n, r in enumerate(resources)]
    return Chart.of([patient(**person), *numbered], now=NOW, findings=findings)


def known(*resources: dict[str, Any], findings: tuple[Finding, ...] = (), **person: Any) -> Person:
    """What is known of a person with these resources."""
    return Person(chart(*resources, findings=findings, **person))
