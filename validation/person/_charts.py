"""Made-up people, and the ways in which one and the same person is written down.

A :class:`Someone` is what a clinician would say of a person, free of codes. A way of writing turns it into FHIR
resources: in another code system, with brands, in other units, with structured doses, with Medication resources of
their own, in another FHIR release, in another order. Nothing here reads salus's tables: codes are written out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

Resource = dict[str, Any]
SNOMED, ICD10CM, ICD10 = "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10-cm", "http://hl7.org/fhir/sid/icd-10"
ICD9CM, LOINC, ATC = "http://hl7.org/fhir/sid/icd-9-cm", "http://loinc.org", "http://www.whocc.no/atc"

DIAGNOSES: dict[str, dict[str, str]] = {
    "infarction": {SNOMED: "22298006", ICD10CM: "I21.9", ICD10: "I21.9", ICD9CM: "410.90", "": "Myocardial infarction"},
    "old infarction": {
        SNOMED: "1755008",
        ICD10CM: "I25.2",
        ICD10: "I25.2",
        ICD9CM: "412",
        "": "Old myocardial infarction",
    },
    "coronary": {
        SNOMED: "53741008",
        ICD10CM: "I25.10",
        ICD10: "I25.1",
        ICD9CM: "414.01",
        "": "Coronary artery disease",
    },
    "stroke": {SNOMED: "422504002", ICD10CM: "I63.9", ICD10: "I63.9", ICD9CM: "434.91", "": "Ischaemic stroke"},
    "bleeding": {SNOMED: "274100004", ICD10CM: "I61.9", ICD10: "I61.9", ICD9CM: "431", "": "Intracerebral haemorrhage"},
    "tia": {SNOMED: "266257000", ICD10CM: "G45.9", ICD10: "G45.9", ICD9CM: "435.9", "": "Transient ischaemic attack"},
    "heart failure": {SNOMED: "84114007", ICD10CM: "I50.9", ICD10: "I50.9", ICD9CM: "428.0", "": "Heart failure"},
    "fibrillation": {
        SNOMED: "49436004",
        ICD10CM: "I48.91",
        ICD10: "I48.9",
        ICD9CM: "427.31",
        "": "Atrial fibrillation",
    },
    "diabetes 2": {
        SNOMED: "44054006",
        ICD10CM: "E11.9",
        ICD10: "E11.9",
        ICD9CM: "250.00",
        "": "Type 2 diabetes mellitus",
    },
    "diabetes 1": {
        SNOMED: "46635009",
        ICD10CM: "E10.9",
        ICD10: "E10.9",
        ICD9CM: "250.01",
        "": "Type 1 diabetes mellitus",
    },
    "hypertension": {SNOMED: "59621000", ICD10CM: "I10", ICD10: "I10", ICD9CM: "401.9", "": "Essential hypertension"},
    "kidney": {SNOMED: "709044004", ICD10CM: "N18.9", ICD10: "N18.9", ICD9CM: "585.9", "": "Chronic kidney disease"},
    "asthma": {SNOMED: "195967001", ICD10CM: "J45.909", ICD10: "J45.9", ICD9CM: "493.90", "": "Asthma"},
}
"""Every diagnosis by system; "" holds its words."""

MEDICINES: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "atorvastatin": ("Lipitor", "C10AA05", (10, 20, 40, 80)),
    "rosuvastatin": ("Crestor", "C10AA07", (5, 10, 20)),
    "simvastatin": ("Zocor", "C10AA01", (20, 40)),
    "amlodipine": ("Norvasc", "C08CA01", (5, 10)),
    "lisinopril": ("Zestril", "C09AA03", (5, 10, 20)),
    "metformin": ("Glucophage", "A10BA02", (500, 850)),
    "clopidogrel": ("Plavix", "B01AC04", (75,)),
    "ramipril": ("Altace", "C09AA05", (5, 10)),
    "losartan": ("Cozaar", "C09CA01", (50, 100)),
    "naproxen": ("Naprosyn", "M01AE02", (250, 500)),
    "apixaban": ("Eliquis", "B01AF02", (5,)),
    "empagliflozin": ("Jardiance", "A10BK03", (10, 25)),
    "omeprazole": ("Prilosec", "A02BC01", (20,)),
    "sacubitril+valsartan": ("Entresto", "C09DX04", ()),
    "clarithromycin": ("Biaxin", "J01FA09", (250, 500)),
}
"""Brand, ATC code and usual strengths in mg by ingredient."""

RESULTS: dict[str, tuple[tuple[str, str, str, Decimal], ...]] = {
    # LOINC, display, unit, factor from the first form
    "creatinine": (("2160-0", "Creatinine", "mg/dL", Decimal(1)), ("14682-9", "Creatinine", "umol/L", Decimal("88.4"))),
    "total": (("2093-3", "Cholesterol", "mg/dL", Decimal(1)), ("14647-2", "Cholesterol", "mmol/L", Decimal("0.02586"))),
    "hdl": (
        ("2085-9", "HDL cholesterol", "mg/dL", Decimal(1)),
        ("14646-4", "HDL cholesterol", "mmol/L", Decimal("0.02586")),
    ),
    "ldl": (("18262-6", "LDL cholesterol", "mg/dL", Decimal(1)), ("13457-7", "LDL cholesterol", "mg/dL", Decimal(1))),
    "potassium": (("2823-3", "Potassium", "mmol/L", Decimal(1)), ("6298-4", "Potassium", "mEq/L", Decimal(1))),
    "bmi": (("39156-5", "BMI", "kg/m2", Decimal(1)), ("39156-5", "BMI", "kg/m^2", Decimal(1))),
    "acr": (
        ("9318-7", "ACR", "mg/g", Decimal(1)),
        ("14585-4", "ACR", "mg/mmol", Decimal("0.1131221719457013574660633484")),
    ),
}
SMOKING = {"never": "266919005", "former": "8517006", "current": "449868002"}
ROLES = {"father": "FTH", "mother": "MTH", "uncle": "UNCLE"}


@dataclass(frozen=True, slots=True)
class Someone:
    """What is to be said of a person."""

    birth: str
    sex: str
    diagnoses: tuple[tuple[str, str, str], ...]
    """name, onset, clinical status"""
    medicines: tuple[tuple[str, int, int, str], ...]
    """ingredient, strength in mg, times a day, date"""
    results: tuple[tuple[str, Decimal, str], ...]
    """name, value in the first form's unit, date"""
    pressures: tuple[tuple[int, int, str], ...]
    smoking: str
    family: tuple[tuple[str, str, int], ...]


def someone(seed: int) -> Someone:
    """A person made by chance, the same for the same seed."""
    chance = random.Random(seed)
    birth = f"{chance.randint(1938, 1994)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    day = lambda: f"2026-0{chance.randint(1, 5)}-{chance.randint(1, 28):02}"  # noqa: E731
    old = lambda: f"20{chance.randint(10, 25)}-0{chance.randint(1, 9)}-{chance.randint(1, 28):02}"  # noqa: E731
    several = chance.sample(sorted(DIAGNOSES), chance.choice((0, 1, 1, 2, 3)))
    names = chance.sample(sorted(MEDICINES), chance.choice((0, 1, 2, 2, 3, 4)))
    results: list[tuple[str, Decimal, str]] = []
    for name, low, high, digits in (("creatinine", 60, 260, 2), ("total", 150, 300, 0), ("hdl", 30, 80, 0),
                                    ("ldl", 60, 220, 0), ("potassium", 35, 66, 1), ("bmi", 20, 38, 0),
                                    ("acr", 5, 400, 0)):  # fmt: skip
        if chance.random() < 0.8:
            for _ in range(chance.choice((1, 1, 2, 3))):
                value = chance.randint(low, high)
                while name == "acr" and (26 <= value < 30 or 265 <= value <= 300):
                    value = chance.randint(low, high)  # KDIGO's limits in mg/g and mg/mmol are not the same there
                results.append((name, Decimal(value).scaleb(-digits), day()))
    once = {(name, date): (name, value, date) for name, value, date in results}
    return Someone(
        birth=birth,
        sex=chance.choice(("female", "male")),
        diagnoses=tuple((n, old(), chance.choice(("active", "active", "resolved"))) for n in several),
        medicines=tuple((n, chance.choice(MEDICINES[n][2] or (0,)), chance.choice((1, 1, 2)), day()) for n in names),
        results=tuple(once.values()),
        pressures=((chance.randint(105, 195), chance.randint(62, 118), day()),) if chance.random() < 0.9 else (),
        smoking=chance.choice(("never", "former", "current", "")),
        family=(("father", "infarction", chance.randint(40, 70)),) if chance.random() < 0.2 else (),
    )


@dataclass(frozen=True, slots=True)
class Way:
    """How things are written. ``release`` is a FHIR release; ``order`` the seed of a shuffle."""

    name: str
    system: str = SNOMED
    medicine: str = "ingredient"
    unit: int = 0
    dose: str = "text"
    own: bool = False
    release: str = "R4"
    order: int | None = None


PLAIN = Way("plain")
WAYS = (
    Way("ICD-10-CM", system=ICD10CM),
    Way("ICD-10", system=ICD10),
    Way("ICD-9-CM", system=ICD9CM),
    Way("words", system=""),
    Way("brands", medicine="brand"),
    Way("ATC", medicine="atc"),
    Way("other units", unit=1),
    Way("structured doses", dose="structured"),
    Way("doses in Latin", dose="latin"),
    Way("Medication resources", own=True),
    Way("DSTU2", release="DSTU2"),
    Way("STU3", release="STU3"),
    Way("R5", release="R5"),
    Way("another order", order=7),
    Way("everything at once", system=ICD10CM, medicine="brand", unit=1, dose="structured", own=True, order=3),
)


def write(person: Someone, way: Way, id: str = "p") -> list[Resource]:
    """The person as FHIR resources of ``way.release``."""
    subject = {"reference": f"Patient/{id}"}
    made: list[Resource] = [
        {"resourceType": "Patient", "id": id, "birthDate": person.birth, "gender": person.sex,
         "identifier": [{"system": "urn:made-up", "value": id}]}
    ]  # fmt: skip
    for n, (name, onset, status) in enumerate(person.diagnoses):
        made.append(_condition(f"c{n}", name, onset, status, way) | {"subject": subject})
    for n, medicine in enumerate(person.medicines):
        made += [
            r | ({"subject": subject} if r["resourceType"] != "Medication" else {}) for r in _medicine(n, medicine, way)
        ]
    for n, (name, value, date) in enumerate(person.results):
        code, display, unit, factor = RESULTS[name][way.unit]
        made.append(_result(f"o{n}", code, display, date) | {"subject": subject} | _quantity(value * factor, unit))
    for n, (upper, lower, date) in enumerate(person.pressures):
        made += [r | {"subject": subject} for r in _pressure(n, upper, lower, date, way)]
    if person.smoking:
        answer = {"coding": [{"system": SNOMED, "code": SMOKING[person.smoking]}]}
        made.append(_result("s", "72166-2", "", "2026-05-10") | {"subject": subject, "valueCodeableConcept": answer})
    for n, (role, name, age) in enumerate(person.family):
        made.append(_relative(f"f{n}", role, name, age, way) | {"patient": subject})
    if way.order is not None:
        head, *rest = made
        random.Random(way.order).shuffle(rest)
        made = [*rest, head]
    return [_RELEASES[way.release](r) for r in made]


def _concept(system: str, code: str, text: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]} if system else {"text": text}


def _condition(id: str, name: str, onset: str, status: str, way: Way) -> Resource:
    system = "http://terminology.hl7.org/CodeSystem"
    return {
        "resourceType": "Condition",
        "id": id,
        "clinicalStatus": {"coding": [{"system": f"{system}/condition-clinical", "code": status}]},
        "verificationStatus": {"coding": [{"system": f"{system}/condition-ver-status", "code": "confirmed"}]},
        "code": _concept(way.system, DIAGNOSES[name][way.system], DIAGNOSES[name][""]),
        "onsetDateTime": onset,
    }


def _medicine(number: int, medicine: tuple[str, int, int, str], way: Way) -> list[Resource]:
    ingredient, strength, times, date = medicine
    brand, atc, _ = MEDICINES[ingredient]
    words = {"ingredient": ingredient.replace("+", " / "), "brand": brand, "atc": ""}[way.medicine]
    amount = f" {strength} mg" if strength and words else ""
    code: Resource = (
        {"coding": [{"system": ATC, "code": atc}]} if way.medicine == "atc" else {"text": f"{words}{amount}"}
    )
    request: Resource = {
        "resourceType": "MedicationRequest",
        "id": f"m{number}",
        "status": "active",
        "intent": "order",
        "authoredOn": date,
        "medicationCodeableConcept": code,
    }
    if strength:
        request["dosageInstruction"] = [_dose(strength, times, way)]
    if not way.own:
        return [request]
    del request["medicationCodeableConcept"]
    request["medicationReference"] = {"reference": f"Medication/d{number}"}
    return [request, {"resourceType": "Medication", "id": f"d{number}", "code": code}]


def _dose(strength: int, times: int, way: Way) -> Resource:
    if way.dose == "structured":
        return {
            "doseAndRate": [{"doseQuantity": _amount(Decimal(strength), "mg")}],
            "timing": {"repeat": {"frequency": times, "period": Decimal(1), "periodUnit": "d"}},
        }
    if way.dose == "latin":
        return {"text": f"{strength} mg {'od' if times == 1 else 'bd'}"}
    return {"text": f"{strength} mg {'once' if times == 1 else 'twice'} daily"}


def _result(id: str, code: str, display: str, date: str) -> Resource:
    coding = {"system": LOINC, "code": code} | ({"display": display} if display else {})
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [coding]},
        "effectiveDateTime": date,
    }


def _amount(value: Decimal, unit: str) -> Resource:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def _quantity(value: Decimal, unit: str) -> Resource:
    return {"valueQuantity": {"value": value, "unit": unit}}


def _pressure(number: int, upper: int, lower: int, date: str, way: Way) -> list[Resource]:
    parts = (("8480-6", upper), ("8462-4", lower))
    unit = ("mm[Hg]", "mmHg")[way.unit]
    if way.unit:  # two observations instead of a panel
        return [_result(f"b{number}-{c}", c, "", date) | _quantity(Decimal(v), unit) for c, v in parts]
    panel = _result(f"b{number}", "85354-9", "", date)
    panel["component"] = [
        {"code": {"coding": [{"system": LOINC, "code": c}]}, **_quantity(Decimal(v), unit)} for c, v in parts
    ]
    return [panel]


def _relative(id: str, role: str, name: str, age: int, way: Way) -> Resource:
    system = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
    return {
        "resourceType": "FamilyMemberHistory",
        "id": id,
        "status": "completed",
        "relationship": {"coding": [{"system": system, "code": ROLES[role]}]},
        "condition": [{"code": _concept(way.system, DIAGNOSES[name][way.system], DIAGNOSES[name][""]),
                       "onsetAge": _amount(Decimal(age), "a")}],
    }  # fmt: skip


def _r4(resource: Resource) -> Resource:
    return resource


def _stu3(resource: Resource) -> Resource:
    """The same in STU3: statuses are strings, the dose stands at the top of a dosage."""
    made = dict(resource)
    if made["resourceType"] == "Condition":
        made["clinicalStatus"] = made["clinicalStatus"]["coding"][0]["code"]
        made["verificationStatus"] = "confirmed"
        made["assertedDate"] = made["onsetDateTime"]
    return made | {"meta": {"profile": [f"http://hl7.org/fhir/3.0/StructureDefinition/{made['resourceType']}"]}}


def _dstu2(resource: Resource) -> Resource:
    """The same in DSTU2: Condition.patient, MedicationOrder."""
    made = dict(resource)
    kind = made["resourceType"]
    if kind == "Condition":
        made["clinicalStatus"] = made["clinicalStatus"]["coding"][0]["code"]
        made["verificationStatus"] = "confirmed"
        made["patient"] = made.pop("subject")
    if kind == "MedicationRequest":
        made["resourceType"] = "MedicationOrder"
        made["dateWritten"] = made.pop("authoredOn")
        made["patient"] = made.pop("subject")
        del made["intent"]
    if kind == "FamilyMemberHistory":
        made["condition"] = [
            {**{k: v for k, v in c.items() if k != "onsetAge"}, "onsetQuantity": c["onsetAge"]}
            for c in made["condition"]
        ]
    return made | {"meta": {"profile": [f"http://hl7.org/fhir/1.0/StructureDefinition/{made['resourceType']}"]}}


def _r5(resource: Resource) -> Resource:
    """The same in R5: medication is a CodeableReference."""
    made = dict(resource)
    if "medicationCodeableConcept" in made:
        made["medication"] = {"concept": made.pop("medicationCodeableConcept")}
    if "medicationReference" in made:
        made["medication"] = {"reference": made.pop("medicationReference")}
    return made | {"meta": {"profile": [f"http://hl7.org/fhir/5.0/StructureDefinition/{made['resourceType']}"]}}


_RELEASES: dict[str, Callable[[Resource], Resource]] = {"R4": _r4, "STU3": _stu3, "DSTU2": _dstu2, "R5": _r5}


def variants(person: Someone, ways: Sequence[Way] = WAYS) -> dict[str, list[Resource]]:
    """The person in every way, each as R4 would have it after conversion."""
    from salus.fhir.releases import to_r4

    found = {}
    for way in ways:
        written = write(person, way)
        found[way.name] = [to_r4(r, way.release).resource for r in written] if way.release != "R4" else written
    return found


def without(person: Someone, kind: str) -> Someone:
    """The person without one kind of data."""
    return replace(person, **{kind: ()})
