"""Small FHIR resources for the risk department's tests."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from salus.findings.method import Context
from salus.findings.model import Finding
from salus.record.chart import Chart
from salus.risk.egfr import EGFR

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
Resource = dict[str, Any]
_number = iter(range(1, 1_000_000))


def _coded(system: str, code: str, text: str = "") -> Resource:
    return {"coding": [{"system": system, "code": code}], "text": text}


def patient(gender: str | None = "female", born: str | None = "1975-03-02", **more: Any) -> Resource:
    return {"resourceType": "Patient", "id": "p", "gender": gender, "birthDate": born} | more


def lab(code: str, value: object, unit: str, at: str = "2026-05-01", **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": f"o{next(_number)}",
        "status": "final",
        "code": _coded(LOINC, code),
        "effectiveDateTime": at,
        "valueQuantity": {
            "value": Decimal(str(value)), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    } | more  # fmt: skip


def creatinine(value: object, at: str = "2026-05-01", unit: str = "mg/dL") -> Resource:
    return lab("2160-0", value, unit, at)


def pressure(systolic: int, at: str = "2026-05-01", setting: str | None = None) -> Resource:
    found = {
        "resourceType": "Observation",
        "id": f"o{next(_number)}",
        "status": "final",
        "code": _coded(LOINC, "85354-9"),
        "effectiveDateTime": at,
        "component": [
            {"code": _coded(LOINC, "8480-6"), "valueQuantity": {"value": Decimal(systolic), "code": "mm[Hg]"}},
            {"code": _coded(LOINC, "8462-4"), "valueQuantity": {"value": Decimal(80), "code": "mm[Hg]"}},
        ],
    }
    if setting:
        found["meta"] = {"tag": [{"system": "urn:salus:setting", "code": setting}]}
    return found


def smoking(code: str = "266919005", at: str = "2026-05-01") -> Resource:
    return {
        "resourceType": "Observation",
        "id": f"o{next(_number)}",
        "status": "final",
        "code": _coded(LOINC, "72166-2"),
        "effectiveDateTime": at,
        "valueCodeableConcept": _coded(SNOMED, code),
    }


def medicine(text: str, status: str = "active", at: str = "2026-04-01") -> Resource:
    return {
        "resourceType": "MedicationStatement",
        "id": f"m{next(_number)}",
        "status": status,
        "medicationCodeableConcept": {"text": text},
        "dateAsserted": at,
    }


def condition(code: str | None, text: str = "", clinical: str = "active", verification: str = "confirmed",
              at: str = "2020-01-01") -> Resource:  # fmt: skip
    return {
        "resourceType": "Condition",
        "id": f"c{next(_number)}",
        "code": _coded(SNOMED, code, text) if code else {"text": text},
        "clinicalStatus": {"coding": [{"code": clinical}]},
        "verificationStatus": {"coding": [{"code": verification}]},
        "recordedDate": at,
    }


def procedure(code: str, status: str = "completed") -> Resource:
    return {
        "resourceType": "Procedure",
        "id": f"x{next(_number)}",
        "status": status,
        "code": _coded(SNOMED, code),
        "performedDateTime": "2024-02-02",
    }


def whole() -> dict[str, Resource]:
    """A woman of 51 with everything that PREVENT needs, by input name."""
    return {
        "person": patient(),
        "sbp": pressure(138),
        "total_cholesterol": lab("2093-3", 220, "mg/dL"),
        "hdl_cholesterol": lab("2085-9", 50, "mg/dL"),
        "diabetes": lab("4548-4", "5.6", "%"),
        "smoking": smoking(),
        "bmi": lab("39156-5", "27.4", "kg/m2"),
        "egfr": creatinine("0.8"),
        "medicines": medicine("amlodipine 5 MG Oral Tablet"),
    }


def chart(*resources: Resource, now: datetime = NOW) -> Chart:
    """A chart with the egfr finding already drawn, as the runner would hand it on."""
    bare = Chart.of(resources, now=now)
    drawn = [f.by(subject="p", method="risk.egfr", version="1", parameters="", reads=()) for f in run(EGFR, bare)]
    return Chart.of(resources, now=now, findings=drawn)


def run(method: Any, on: Chart, **parameters: Any) -> list[Finding]:
    return list(method.run(on, Context(parameters=parameters)))
