"""People put together from a few words, for the tests of the care plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from salus.careplan.compose import compose
from salus.careplan.model import Plan, PlanItem
from salus.fhir.codes import Code
from salus.fhir.quantity import Quantity
from salus.fhir.views import CATEGORIES, Source
from salus.findings.model import Evidence, Finding, Interval, Proposal
from salus.findings.strength import Strength
from salus.genomics.guidance import proposals
from salus.record.chart import Chart
from salus.terminology import codes

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
PHENOTYPE = {"CYP2C19": "cyp2c19-phenotype", "SLCO1B1": "slco1b1-phenotype"}


def patient(birth: str = "1968-03-14", sex: str = "female", **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p", "birthDate": birth, "gender": sex, **more}


def coded(concept: str) -> dict[str, Any]:
    code = codes.get(concept).codes[0]
    return {"coding": [{"system": code.system, "code": code.code}], "text": concept}


def condition(concept: str, onset: str = "2020-01-01", status: str = "active", verified: str = "confirmed") -> Any:
    system = "http://terminology.hl7.org/CodeSystem"
    return {
        "resourceType": "Condition",
        "id": f"c-{concept}",
        "clinicalStatus": {"coding": [{"system": f"{system}/condition-clinical", "code": status}]},
        "verificationStatus": {"coding": [{"system": f"{system}/condition-ver-status", "code": verified}]},
        "code": coded(concept),
        "onsetDateTime": onset,
    }


def procedure(concept: str, when: str) -> dict[str, Any]:
    return {
        "resourceType": "Procedure",
        "id": f"x-{concept}",
        "status": "completed",
        "code": coded(concept),
        "performedDateTime": when,
    }


def medicine(text: str, dose: str = "", when: str = "2026-05-01", status: str = "active") -> dict[str, Any]:
    body: dict[str, Any] = {
        "resourceType": "MedicationRequest",
        "id": f"m-{text.split()[0]}-{len(dose)}",
        "status": status,
        "medicationCodeableConcept": {"text": text},
        "authoredOn": when,
    }
    return body | ({"dosageInstruction": [{"text": dose}]} if dose else {})


def no_allergy() -> dict[str, Any]:
    return {
        "resourceType": "AllergyIntolerance",
        "id": "a",
        "code": coded("no-known-drug-allergy"),
        "recordedDate": "2026-01-01",
    }


def allergy(text: str) -> dict[str, Any]:
    return {"resourceType": "AllergyIntolerance", "id": f"a-{text}", "code": {"text": text}, "recordedDate": "2020"}


def pressure(systolic: int, diastolic: int, when: str = "2026-05-18") -> dict[str, Any]:
    parts = (("systolic-bp", systolic), ("diastolic-bp", diastolic))
    return {
        "resourceType": "Observation",
        "id": "bp",
        "status": "final",
        "code": coded("blood-pressure"),
        "effectiveDateTime": when,
        "component": [
            {"code": coded(name), "valueQuantity": {"value": value, "unit": "mm[Hg]", "code": "mm[Hg]"}}
            for name, value in parts
        ],
    }


def measured(concept: str, value: float, unit: str, when: str = "2026-05-18") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o-{concept}-{when}",
        "status": "final",
        "code": coded(concept),
        "effectiveDateTime": when,
        "valueQuantity": {"value": Decimal(str(value)), "unit": unit, "code": unit},
    }


def smoker(code: str = "449868002") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "smoking",
        "status": "final",
        "code": coded("smoking-status"),
        "effectiveDateTime": "2026-05-18",
        "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
    }


def place(ref: str = "Observation/1", category: str = "record") -> tuple[Evidence, ...]:
    return (Evidence(Source(ref, 1, "0" * 64, category)),)


def finding(code: str, value: Any = None, **fields: Any) -> Finding:
    given: dict[str, Any] = {
        "sentence": f"{code} is {value}.",
        "no_uncertainty": "a test",
        "evidence": place(),
        "effective": ("2026-05-18", "2026-05-18"),
        "subject": "p",
        "method": "test",
    } | fields
    return Finding(code, value=value, **given)


def gene(name: str, phenotype: str) -> Finding:
    """A phenotype with the proposals that the genomics department really makes of it."""
    return finding(PHENOTYPE[name], phenotype, proposals=proposals(name, (phenotype,)), evidence=place("D/1", "genome"))


def note(concept: str, assertion: str = "present", denial: str = "", when: str = "2026-05-18", **more: Any) -> Finding:
    details: Mapping[str, Any] = {"concept": concept, "assertion": assertion, "denial": denial, **more}
    value = codes.get(concept).codes[0]
    sentence = f"The note of {when or 'no date'} says {assertion} {denial} {concept}{more.get('tail', '')}."
    return finding(
        "note-problem",
        Code(value.system, value.code, concept),
        sentence=sentence,
        target=f"note|{concept}|{assertion}|{when}",
        details=details,
        effective=(when, when),
        evidence=place("DocumentReference/n", "note"),
    )


def noted_medicine(name: str, use: str = "in-use", when: str = "2026-05-18") -> Finding:
    return finding(
        "note-medication",
        sentence=f"The note of {when} says {use} of {name}.",
        target=f"note|{name}|{use}|{when}",
        details={"concept": name, "use": use, "ingredients": [name]},
        effective=(when, when),
        evidence=place("DocumentReference/n", "note"),
    )


def egfr(value: float) -> Finding:
    return finding(
        "egfr",
        Quantity(Decimal(str(value)), "mL/min/{1.73_m2}"),
        interval=Interval(Decimal(1), Decimal(200), 0.85, "test"),
    )


def stage(g: str, a: str | None, acr: float | None) -> Finding:
    details = {
        "gfr_category": g,
        "albuminuria_category": a,
        "acr_mg_g": None if acr is None else Decimal(str(acr)),
        "persistent_days": {"egfr_below_60": Decimal(200), "albuminuria": None},
    }
    return finding("ckd-stage", f"CKD {g}{a or ''}", details=details)


def home(systolic: float, diastolic: float, verdict: str = "above") -> Finding:
    details = {
        "systolic": {"mean": Decimal(str(systolic))},
        "diastolic": {"mean": Decimal(str(diastolic))},
        "verdict": verdict,
    }
    value = Quantity(Decimal(str(systolic)), "mm[Hg]")
    return finding("home-bp-average", value, details=details, evidence=place("Observation/h", "signal"))


def percent(code: str, value: float) -> Finding:
    return finding(code, Quantity(Decimal(str(value)), "%"))


def proposed(**fields: Any) -> Finding:
    """A finding of a method that the plan knows nothing about."""
    given: dict[str, Any] = {
        "guideline": "stranger-1",
        "action": "start",
        "target": "something",
        "text": "Do something.",
        "indication": "a reason",
        "strength": Strength.of("consider"),
        "citation": "a source",
        "tier": "prevention",
        "patient_text": "Ask your doctor.",
    } | fields
    return finding("stranger", "yes", proposals=(Proposal(**given),), target=str(given["target"]))


def plan(
    resources: Iterable[dict[str, Any]], findings: Iterable[Finding] = (), who: dict[str, Any] | None = None
) -> Plan:
    """The plan of a person with these resources and findings."""
    chart = Chart.of([who or patient(), *resources], now=NOW)
    return compose(chart, tuple(findings), looked_at=CATEGORIES)


def item(found: Plan, target: str) -> PlanItem | None:
    """The item with this target."""
    return next((i for i in found.items if i.target == target), None)


def need(found: Plan, target: str) -> PlanItem:
    """The item with this target, which must be there."""
    result = item(found, target)
    assert result is not None, [i.key for i in found.items]
    return result
