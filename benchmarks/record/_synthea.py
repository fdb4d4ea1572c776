"""Made people in the shape of Synthea's export: one transaction Bundle a person, about a thousand resources each.

Shares of the types, elements, identifiers and lengths are those of Synthea 3.0 in FHIR R4; what is written in them is
drawn from a seed and means nothing. Every number has the digits that Synthea writes (up to 17).
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

Resource = dict[str, Any]
SNOMED, LOINC, UCUM = "http://snomed.info/sct", "http://loinc.org", "http://unitsofmeasure.org"
HL7 = "http://terminology.hl7.org/CodeSystem/"
VISITS = 100
"""Visits a person; each brings about ten resources."""

_REASONS = (("185345009", "Encounter for symptom"), ("162673000", "General examination of patient (procedure)"),
            ("390906007", "Follow-up encounter"), ("185347001", "Encounter for problem (procedure)"))  # fmt: skip
_DISORDERS = (("40055000", "Chronic sinusitis (disorder)"), ("59621000", "Essential hypertension (disorder)"),
              ("15777000", "Prediabetes"), ("444814009", "Viral sinusitis (disorder)"),
              ("162864005", "Body mass index 30+ - obesity (finding)"), ("73595000", "Stress (finding)"),
              ("195662009", "Acute viral pharyngitis (disorder)"), ("271737000", "Anemia (disorder)"))  # fmt: skip
_PROCEDURES = (("710824005", "Assessment of health and social care needs (procedure)"),
               ("430193006", "Medication Reconciliation (procedure)"),
               ("454711000124102", "Depression screening (procedure)"),
               ("43075005", "Partial resection of colon"))  # fmt: skip
_MEDICINES = (("314231", "Simvastatin 10 MG Oral Tablet"), ("310798", "Hydrochlorothiazide 25 MG Oral Tablet"),
              ("860975", "24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet"),
              ("313782", "Acetaminophen 325 MG Oral Tablet"))  # fmt: skip
_VACCINES = (("140", "Influenza, seasonal, injectable, preservative free"), ("113", "Td (adult) preservative free"),
             ("133", "Pneumococcal conjugate PCV 13"))  # fmt: skip
_MEASURED = (
    ("8302-2", "Body Height", "cm", 150, 40), ("29463-7", "Body Weight", "kg", 50, 60),
    ("39156-5", "Body mass index (BMI) [Ratio]", "kg/m2", 18, 17), ("8867-4", "Heart rate", "/min", 55, 45),
    ("2339-0", "Glucose [Mass/volume] in Blood", "mg/dL", 65, 60),
    ("38483-4", "Creatinine [Mass/volume] in Blood", "mg/dL", 0.5, 3), ("2947-0", "Sodium [Moles/volume] in Blood",
     "mmol/L", 135, 9), ("6298-4", "Potassium [Moles/volume] in Blood", "mmol/L", 3.5, 1.6),
    ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL", 150, 130),
    ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 4, 5),
)  # fmt: skip
"""LOINC code, name, unit, least value and range."""


def _concept(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def _coded(name: str, code: str, display: str = "") -> Resource:
    return {"coding": [{"system": HL7 + name, "code": code, **({"display": display} if display else {})}]}


class _Person:
    """One made person, whose resources are drawn in the order in which they refer to each other."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self.id = self._new()
        self.name = f"Mrs. Yang{seed} Eichmann{self._draw.randrange(1000)}"
        self._subject = {"reference": f"urn:uuid:{self.id}"}
        self._doctor = {"reference": f"urn:uuid:{self._new()}", "display": "Dr. Ingrid581 Jacobson885"}
        self._house = {"reference": f"urn:uuid:{self._new()}", "display": "BETH ISRAEL DEACONESS HOSPITAL - PLYMOUTH"}
        self._at = datetime(1990, 1, 1, tzinfo=UTC) + timedelta(minutes=self._draw.randrange(500_000))
        self._visit: Resource = {}

    def _new(self) -> str:
        return str(uuid.UUID(int=self._draw.getrandbits(128)))

    def _time(self, minutes: int = 0) -> str:
        return (self._at + timedelta(minutes=minutes)).isoformat()

    def _body(self, kind: str, **elements: Any) -> Resource:
        return {"resourceType": kind, "id": self._new(), **elements}

    def resources(self) -> Iterator[Resource]:
        """Patient, the doctor and the house first, then visit by visit."""
        yield self._patient()
        yield self._practitioner()
        yield self._organization()
        for n in range(VISITS):
            self._at += timedelta(days=self._draw.randrange(20, 200), minutes=self._draw.randrange(600))
            yield from self._one_visit(n)

    def _patient(self) -> Resource:
        draw, seed = self._draw, self._new()
        numbers = (("MR", "Medical Record Number", "http://hospital.smarthealthit.org", self.id),
                   ("SS", "Social Security Number", "http://hl7.org/fhir/sid/us-ssn", f"999-{seed[:7]}"),
                   ("DL", "Driver's License", "urn:oid:2.16.840.1.113883.4.3.25", f"S{seed[9:17]}"))  # fmt: skip
        place = [{"url": n, "valueDecimal": draw.uniform(41, 43)} for n in ("latitude", "longitude")]
        return {
            "resourceType": "Patient", "id": self.id,
            "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Generated by <a href='
                     f'"https://github.com/synthetichealth/synthea">Synthea</a>. Person seed: {seed}</div>'},
            "extension": [{"url": "http://synthetichealth.github.io/synthea/quality-adjusted-life-years",
                           "valueDecimal": draw.uniform(10, 80)}],
            "identifier": [{"system": "https://github.com/synthetichealth/synthea", "value": self.id},
                           *({"type": {**_coded("v2-0203", code, text), "text": text}, "system": system, "value": value}
                             for code, text, system, value in numbers)],
            "name": [{"use": "official", "family": self.name.split()[2], "given": [self.name.split()[1]]}],
            "telecom": [{"system": "phone", "value": f"555-{draw.randrange(10**7)}", "use": "home"}],
            "gender": "female", "birthDate": f"19{draw.randrange(20, 80)}-0{draw.randrange(1, 9)}-05",
            "address": [{"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/geolocation",
                                        "extension": place}],
                         "line": ["993 Hackett Lane Suite 32"], "city": "Plymouth", "state": "Massachusetts"}],
            "maritalStatus": {**_coded("v3-MaritalStatus", "M", "M"), "text": "M"},
            "communication": [{"language": _concept("urn:ietf:bcp:47", "en-US", "English")}],
        }  # fmt: skip

    def _practitioner(self) -> Resource:
        return {"resourceType": "Practitioner", "id": self._doctor["reference"].removeprefix("urn:uuid:"),
                "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "9999999779"}], "active": True,
                "name": [{"family": "Jacobson885", "given": ["Ingrid581"], "prefix": ["Dr."]}],
                "telecom": [{"system": "email", "value": "Ingrid581.Jacobson885@example.com", "use": "work"}],
                "gender": "female"}  # fmt: skip

    def _organization(self) -> Resource:
        own = self._house["reference"].removeprefix("urn:uuid:")
        return {"resourceType": "Organization", "id": own, "active": True,
                "identifier": [{"system": "https://github.com/synthetichealth/synthea", "value": own}],
                "type": [_concept(HL7 + "organization-type", "prov", "Healthcare Provider")],
                "name": self._house["display"], "telecom": [{"system": "phone", "value": "5087462000"}]}  # fmt: skip

    def _one_visit(self, n: int) -> Iterator[Resource]:
        reason = _REASONS[n % len(_REASONS)]
        visit = self._encounter(reason)
        self._visit = {"reference": f"urn:uuid:{visit['id']}"}
        yield visit
        found = [self._condition()] if n % 2 else []
        yield from found
        yield from (self._procedure() for _ in range(1 + n % 2))
        readings = [self._observation() for _ in range(3 + n % 2)]
        yield from readings
        if n % 2:
            yield self._blood_pressure()
            yield self._report(readings)
        if n % 3 == 0:
            yield self._medicine(found)
        if n % 7 == 0:
            yield self._vaccination()
        claim = self._claim(reason, found)
        yield claim
        yield self._benefit(reason, claim)

    def _encounter(self, reason: tuple[str, str]) -> Resource:
        period = {"start": self._time(), "end": self._time(15)}
        return self._body(
            "Encounter", status="finished", **{"class": {"system": HL7 + "v3-ActCode", "code": "AMB"}},
            type=[_concept(SNOMED, *reason)], subject={**self._subject, "display": self.name},
            participant=[{"type": [{**_coded("v3-ParticipationType", "PPRF", "primary performer"),
                                    "text": "primary performer"}], "period": period, "individual": self._doctor}],
            period=period, serviceProvider=self._house,
        )  # fmt: skip

    def _condition(self) -> Resource:
        return self._body(
            "Condition", clinicalStatus=_coded("condition-clinical", "active"),
            verificationStatus=_coded("condition-ver-status", "confirmed"),
            code=_concept(SNOMED, *self._draw.choice(_DISORDERS)), subject=self._subject, encounter=self._visit,
            onsetDateTime=self._time(), recordedDate=self._time(),
        )  # fmt: skip

    def _procedure(self) -> Resource:
        return self._body(
            "Procedure", status="completed", code=_concept(SNOMED, *self._draw.choice(_PROCEDURES)),
            subject=self._subject, encounter=self._visit,
            performedPeriod={"start": self._time(), "end": self._time(34)},
        )  # fmt: skip

    def _of_kind(self, category: str, code: tuple[str, str], **elements: Any) -> Resource:
        return self._body(
            "Observation", status="final", category=[_coded("observation-category", category, category)],
            code=_concept(LOINC, *code), subject=self._subject, encounter=self._visit,
            effectiveDateTime=self._time(), issued=self._at.isoformat(timespec="milliseconds"), **elements,
        )  # fmt: skip

    def _quantity(self, unit: str, least: float, span: float) -> Resource:
        return {"value": round(least + span * self._draw.random(), 4), "unit": unit, "system": UCUM, "code": unit}

    def _observation(self) -> Resource:
        code, name, *measured = self._draw.choice(_MEASURED)
        return self._of_kind("vital-signs", (code, name), valueQuantity=self._quantity(*measured))

    def _blood_pressure(self) -> Resource:
        parts = (("8462-4", "Diastolic Blood Pressure", 60), ("8480-6", "Systolic Blood Pressure", 100))
        component = [{"code": _concept(LOINC, code, name), "valueQuantity": self._quantity("mm[Hg]", least, 40)}
                     for code, name, least in parts]  # fmt: skip
        return self._of_kind("vital-signs", ("85354-9", "Blood Pressure"), component=component)

    def _report(self, results: list[Resource]) -> Resource:
        return self._body(
            "DiagnosticReport", status="final", category=[_coded("v2-0074", "LAB", "Laboratory")],
            code=_concept(LOINC, "51990-0", "Basic Metabolic Panel"), subject=self._subject, encounter=self._visit,
            effectiveDateTime=self._time(), issued=self._at.isoformat(timespec="milliseconds"),
            result=[{"reference": f"urn:uuid:{r['id']}", "display": r["code"]["text"]} for r in results],
        )  # fmt: skip

    def _medicine(self, found: list[Resource]) -> Resource:
        dose = {"type": _coded("dose-rate-type", "ordered", "Ordered"), "doseQuantity": {"value": 1.0}}
        return self._body(
            "MedicationRequest", status="stopped", intent="order",
            medicationCodeableConcept=_concept("http://www.nlm.nih.gov/research/umls/rxnorm",
                                               *self._draw.choice(_MEDICINES)),
            subject=self._subject, encounter=self._visit, authoredOn=self._time(), requester=self._doctor,
            **({"reasonReference": [{"reference": f"urn:uuid:{c['id']}"} for c in found]} if found else {}),
            dosageInstruction=[{"sequence": 1, "asNeededBoolean": False, "doseAndRate": [dose],
                                "timing": {"repeat": {"frequency": 1, "period": 1.0, "periodUnit": "d"}}}],
        )  # fmt: skip

    def _vaccination(self) -> Resource:
        return self._body(
            "Immunization", status="completed", patient=self._subject, encounter=self._visit,
            vaccineCode=_concept("http://hl7.org/fhir/sid/cvx", *self._draw.choice(_VACCINES)),
            occurrenceDateTime=self._time(), primarySource=True,
        )  # fmt: skip

    def _claim(self, reason: tuple[str, str], found: list[Resource]) -> Resource:
        items = [{"sequence": 1, "productOrService": _concept(SNOMED, *reason), "encounter": [self._visit]}]
        items += [{"sequence": n, "diagnosisSequence": [1], "productOrService": c["code"]}
                  for n, c in enumerate(found, 2)]  # fmt: skip
        return self._body(
            "Claim", status="active", type=_coded("claim-type", "institutional"), use="claim",
            patient={**self._subject, "display": self.name},
            billablePeriod={"start": self._time(), "end": self._time(15)}, created=self._time(15),
            provider=self._house, priority=_coded("processpriority", "normal"),
            **({"diagnosis": [{"sequence": n, "diagnosisReference": {"reference": f"urn:uuid:{c['id']}"}}
                              for n, c in enumerate(found, 1)]} if found else {}),
            insurance=[{"sequence": 1, "focal": True, "coverage": {"display": "NO_INSURANCE"}}], item=items,
            total={"value": 77.49, "currency": "USD"},
        )  # fmt: skip

    def _benefit(self, reason: tuple[str, str], claim: Resource) -> Resource:
        cms = "https://bluebutton.cms.gov/resources/"
        paid = [{"category": _coded_cms(name), "amount": {"value": round(self._draw.uniform(1, 150), 12),
                 "currency": "USD"}} for name in _PAYMENTS]  # fmt: skip
        items = [
            {"sequence": item["sequence"],
             "category": {"coding": [{"system": f"{cms}variables/line_cms_type_srvc_cd", "code": "1",
                                      "display": "Medical care"}]},
             "productOrService": item["productOrService"],
             "servicedPeriod": {"start": self._time(), "end": self._time(15)},
             "locationCodeableConcept": _coded("ex-serviceplace", "21", "Inpatient Hospital"),
             "adjudication": paid}
            for item in claim["item"]
        ]  # fmt: skip
        inner = [
            {"resourceType": "ServiceRequest", "id": "referral", "status": "completed", "intent": "order",
             "subject": self._subject, "requester": self._doctor, "performer": [self._doctor]},
            {"resourceType": "Coverage", "id": "coverage", "status": "active", "type": {"text": "NO_INSURANCE"},
             "beneficiary": self._subject, "payor": [{"display": "NO_INSURANCE"}]},
        ]  # fmt: skip
        return self._body(
            "ExplanationOfBenefit", contained=inner,
            identifier=[{"system": f"{cms}variables/clm_id", "value": claim["id"]},
                        {"system": f"{cms}identifier/claim-group", "value": "99999999999"}],
            status="active", type=_coded("claim-type", "institutional"), use="claim", patient=self._subject,
            billablePeriod={"start": self._time(15), "end": self._time(15 + 365 * 1440)}, created=self._time(15),
            insurer={"display": "NO_INSURANCE"}, provider=self._doctor, referral={"reference": "#referral"},
            claim={"reference": f"urn:uuid:{claim['id']}"}, outcome="complete",
            careTeam=[{"sequence": 1, "provider": self._doctor,
                       "role": _coded("claimcareteamrole", "primary", "Primary Care Practitioner")}],
            **({"diagnosis": [{**d, "type": [_coded("ex-diagnosistype", "principal")]} for d in claim["diagnosis"]]}
               if "diagnosis" in claim else {}),
            insurance=[{"focal": True, "coverage": {"reference": "#coverage", "display": "NO_INSURANCE"}}],
            item=items, total=[{"category": _coded("adjudication", "submitted", "Submitted Amount"),
                                "amount": {"value": 77.49, "currency": "USD"}}],
            payment={"amount": {"value": 0.0, "currency": "USD"}},
        )  # fmt: skip


_PAYMENTS = ("line_nch_pmt_amt", "line_bene_ptb_ddctbl_amt", "line_coinsrnc_amt", "line_sbmtd_chrg_amt",
             "line_alowd_chrg_amt")  # fmt: skip


def _coded_cms(name: str) -> Resource:
    system = "https://bluebutton.cms.gov/resources/codesystem/adjudication"
    code = f"https://bluebutton.cms.gov/resources/variables/{name}"
    return {"coding": [{"system": system, "code": code, "display": name.replace("_", " ").title()}]}


def bundle(seed: int) -> Resource:
    """The transaction Bundle of person number ``seed``; the same seed gives the same."""
    entries = [
        {"fullUrl": f"urn:uuid:{body['id']}", "resource": body,
         "request": {"method": "POST", "url": body["resourceType"]}}
        for body in _Person(seed).resources()
    ]  # fmt: skip
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}
