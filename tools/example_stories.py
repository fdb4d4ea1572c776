"""The three invented people behind examples/patients: their records, notes and numbers.

Nobody here exists. Codes are those of salus/fhir/codes; RxNorm product codes were read in RxNorm's prescribable content
(198211 simvastatin 40 MG Oral Tablet, 198051 omeprazole 20 MG, 309362 clopidogrel 75 MG) and ingredient codes in
tools/make_text_a_ingredients.tsv (1191 aspirin, 17767 amlodipine).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from salus.terminology import codes

AT = "2026-06-01"
SYSTEM = "urn:salus:example"
ALLELES: dict[str, dict[str, int]] = {
    # copies of the first ALT by rsid; names of alleles as in the packaged PharmCAT tables
    "CYP2C19 *1/*1": {"rs3758581": 2},
    "CYP2C19 *2/*2": {"rs12769205": 2, "rs4244285": 2, "rs3758581": 2},
    "SLCO1B1 *1/*5": {"rs4149056": 1},
    "SLCO1B1 *5/*5": {"rs4149056": 2},
}


@dataclass(frozen=True)
class HomePressure:
    """Home blood pressure: days before ``last`` with measurements, and the pressures between which it drifts."""

    last: str
    days: tuple[int, ...]
    start: tuple[float, float]
    end: tuple[float, float]
    sittings: int = 2


@dataclass(frozen=True)
class Story:
    """One person."""

    name: str
    identifier: str
    sex: str
    birth: str
    seed: int
    story: str
    resources: tuple[dict[str, Any], ...]
    notes: dict[str, str] = field(default_factory=dict)
    home: HomePressure | None = None
    ecg_at: str = ""
    heart_rate: float = 66.0
    ct_at: str = ""
    emphysema: float = 0.0
    genome: dict[str, dict[str, int]] | None = None
    genome_at: str = ""
    reference_lines: bool = True


class Record:
    """Builds the resources of one person, with ids that follow from their order."""

    def __init__(self, name: str, identifier: str, full_name: tuple[str, str], sex: str, birth: str) -> None:
        self._name = name
        self._count = 0
        self.resources: list[dict[str, Any]] = [
            {
                "resourceType": "Patient",
                "id": name,
                "identifier": [{"system": SYSTEM, "value": identifier}],
                "name": [{"family": full_name[1], "given": [full_name[0]]}],
                "gender": sex,
                "birthDate": birth,
            }
        ]

    def add(self, kind: str, **body: Any) -> None:
        """One resource about the person."""
        self._count += 1
        who = "patient" if kind in ("AllergyIntolerance", "FamilyMemberHistory") else "subject"
        self.resources.append(
            {
                "resourceType": kind,
                "id": f"{self._name}-{self._count:03d}",
                who: {"reference": f"Patient/{self._name}"},
                **body,
            }
        )

    def measured(self, concept: str, value: float | str, unit: str, when: str, **more: Any) -> None:
        """A quantity. ``value`` as it is to be written."""
        self.add(
            "Observation",
            status="final",
            code=concept_of(concept),
            effectiveDateTime=when,
            valueQuantity=quantity(value, unit),
            **more,
        )

    def pressure(self, systolic: int, diastolic: int, when: str) -> None:
        """A clinic blood pressure."""
        parts = (("systolic-bp", systolic), ("diastolic-bp", diastolic))
        self.add(
            "Observation",
            status="final",
            code=concept_of("blood-pressure"),
            effectiveDateTime=when,
            component=[{"code": concept_of(name), "valueQuantity": quantity(value, "mm[Hg]")} for name, value in parts],
        )

    def smoking(self, code: str, display: str, when: str) -> None:
        """A smoking status."""
        self.add(
            "Observation",
            status="final",
            code=concept_of("smoking-status"),
            effectiveDateTime=when,
            valueCodeableConcept={"coding": [snomed(code, display)]},
        )

    def condition(self, coding: dict[str, str] | None, text: str, onset: str, clinical: str = "active") -> None:
        """A problem. Without a coding it is only words, as many problem lists are."""
        code: dict[str, Any] = {"text": text} | ({"coding": [coding]} if coding else {})
        more = {"abatementDateTime": "2026-02-02"} if clinical == "resolved" else {}
        self.add(
            "Condition",
            clinicalStatus=status("condition-clinical", clinical),
            verificationStatus=status("condition-ver-status", "confirmed"),
            code=code,
            onsetDateTime=onset,
            **more,
        )

    def medicine(self, rxnorm: str, text: str, dose: str, since: str) -> None:
        """A prescription in force."""
        self.add(
            "MedicationRequest",
            status="active",
            intent="order",
            medicationCodeableConcept={
                "coding": [{"system": codes.SYSTEMS["rxnorm"], "code": rxnorm, "display": text}],
                "text": text,
            },
            authoredOn=since,
            dosageInstruction=[{"text": dose}],
        )


def concept_of(name: str) -> dict[str, Any]:
    """A concept's preferred coding."""
    concept = codes.get(name)
    code = concept.codes[0]
    return {"coding": [{"system": code.system, "code": code.code, "display": concept.display}], "text": concept.display}


def quantity(value: float | str, unit: str) -> dict[str, Any]:
    """A FHIR Quantity in UCUM."""
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def snomed(code: str, display: str) -> dict[str, str]:
    """A SNOMED CT coding."""
    return {"system": codes.SYSTEMS["snomed"], "code": code, "display": display}


def status(system: str, code: str) -> dict[str, Any]:
    """A status code of an HL7 code system."""
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}


def maria() -> Story:
    """58 years, acute coronary syndrome with one stent four months ago."""
    r = Record("maria", "EX-0001", ("Maria", "Lindqvist"), "female", "1968-03-14")
    r.condition(snomed("59621000", "Essential hypertension"), "Essential hypertension", "2021-04-12")
    r.condition(snomed("401314000", "Acute non-ST segment elevation myocardial infarction"),
                "Non-ST elevation myocardial infarction", "2026-01-28", "resolved")  # fmt: skip
    r.condition(snomed("53741008", "Coronary arteriosclerosis"), "Coronary heart disease, one vessel", "2026-01-29")
    r.condition(None, "Gastro-oesophageal reflux", "2019-09-03")
    stent = "Percutaneous coronary intervention, one drug-eluting stent, left anterior descending"
    coded = [snomed("415070008", "Percutaneous coronary intervention")]
    r.add("Procedure", status="completed", performedDateTime="2026-01-29", code={"coding": coded, "text": stent})
    r.medicine("309362", "clopidogrel 75 MG Oral Tablet", "75 mg once daily", "2026-01-30")
    r.medicine("1191", "aspirin 75 MG Oral Tablet", "75 mg once daily", "2026-01-30")
    r.medicine("198211", "simvastatin 40 MG Oral Tablet", "40 mg every evening", "2026-01-30")
    r.medicine("198051", "omeprazole 20 MG Delayed Release Oral Capsule", "20 mg once daily", "2025-11-04")
    r.medicine("17767", "amlodipine 5 MG Oral Tablet", "5 mg once daily", "2025-11-04")
    r.add("AllergyIntolerance", clinicalStatus=status("allergyintolerance-clinical", "active"),
          code=concept_of("no-known-drug-allergy"), recordedDate="2026-01-28")  # fmt: skip
    creatinine = ((0.98, "2025-03-10"), (1.08, "2025-09-15"), (1.16, "2026-01-28"), (1.22, "2026-02-20"),
                  (1.32, "2026-05-18"))  # fmt: skip
    for level, when in creatinine:
        r.measured("creatinine", level, "mg/dL", when)
    for ratio, when in ((212, "2026-02-10"), (246, "2026-05-18")):
        r.measured("urine-albumin-creatinine-ratio", ratio, "mg/g", when)
    for concept, value, unit in (
        ("total-cholesterol", 182, "mg/dL"), ("hdl-cholesterol", 46, "mg/dL"), ("ldl-cholesterol", 104, "mg/dL"),
        ("hba1c", 5.6, "%"), ("potassium", 4.3, "mmol/L"), ("body-weight", 71, "kg"), ("body-height", 165, "cm"),
    ):  # fmt: skip
        r.measured(concept, value, unit, "2026-05-18")
    r.pressure(128, 78, "2026-05-18T10:05:00+01:00")
    r.smoking("8517006", "Ex-smoker", "2026-05-18")
    return Story(
        "maria", "EX-0001", "female", "1968-03-14", 11,
        "A woman of 58. On 28 January 2026 she had an acute coronary syndrome (NSTEMI), the next day one drug-eluting "
        "stent. She takes clopidogrel with aspirin, simvastatin, omeprazole and amlodipine. Her genome file shows "
        "CYP2C19 *2/*2 (clopidogrel hardly works) and SLCO1B1 *1/*5 (more simvastatin in blood). A letter tells of "
        "a TIA in 2019, which decides between prasugrel and ticagrelor. Her kidney values fall, her home pressure "
        "rises although it is normal in the clinic, she buys ibuprofen, and a chest CT shows low lung density.",
        tuple(r.resources),
        notes={"2026-02-02-discharge-letter.txt": MARIA_LETTER, "2026-05-18-gp-visit.txt": MARIA_VISIT},
        home=HomePressure("2026-05-31", (*range(7), *range(9, 82, 3)), (126, 76), (142, 86)),
        ecg_at="2026-05-30T20:15:00+01:00", heart_rate=66.0, ct_at="2026-05-20", emphysema=0.12,
        genome={"CYP2C19": ALLELES["CYP2C19 *2/*2"], "SLCO1B1": ALLELES["SLCO1B1 *1/*5"]}, genome_at="2026-05-04",
    )  # fmt: skip


MARIA_LETTER = """\
Cardiology discharge letter
Date: 2026-02-02
MRN: EX-0001

Reason for admission: acute coronary syndrome (NSTEMI) on 28 January 2026.

Past medical history:
Transient ischaemic attack in 2019 with full recovery.
No history of intracranial haemorrhage.
No history of atrial fibrillation.

Hospital course:
Percutaneous coronary intervention on 29 January 2026 with one drug-eluting stent to the LAD.
No bleeding at the access site.
No heart failure.

Plan:
Clopidogrel and aspirin for 12 months.
"""

MARIA_VISIT = """\
GP visit
Date: 2026-05-18
MRN: EX-0001

History of present illness:
She feels well. She denies chest pain.
No bleeding and no black stools.
No muscle pain.
Mild cough since the winter.

Past medical history:
No history of peptic ulcer.
No history of liver disease.
No history of angioedema.

Medications:
Clopidogrel 75 mg daily.
Aspirin 75 mg daily.
Ibuprofen 400 mg most days for knee pain, bought in the pharmacy.

Family history:
Mother had a stroke at 71.
"""


def thomas() -> Story:
    """52 years, no cardiovascular disease, a father with an early heart attack."""
    r = Record("thomas", "EX-0002", ("Thomas", "Okafor"), "male", "1973-09-02")
    father = {"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "FTH", "display": "father"}
    infarction = {"coding": [snomed("22298006", "Myocardial infarction")], "text": "Myocardial infarction"}
    r.add("FamilyMemberHistory", status="completed", date="2026-05-11", relationship={"coding": [father]},
          condition=[{"code": infarction, "onsetAge": quantity(49, "a")}])  # fmt: skip
    for concept, value, unit in (
        ("total-cholesterol", 236, "mg/dL"), ("hdl-cholesterol", 41, "mg/dL"), ("ldl-cholesterol", 164, "mg/dL"),
        ("hba1c", 5.7, "%"), ("creatinine", 0.98, "mg/dL"), ("body-weight", 92, "kg"), ("body-height", 178, "cm"),
    ):  # fmt: skip
        r.measured(concept, value, unit, "2026-05-11")
    r.measured("urine-albumin-creatinine-ratio", 8, "mg/g", "2026-05-11")
    r.pressure(142, 88, "2026-05-11T09:40:00+01:00")
    r.smoking("449868002", "Smokes tobacco daily", "2026-05-11")
    r.add(
        "MedicationStatement",
        status="active",
        dateAsserted="2026-05-11",
        effectiveDateTime="2026-04-01",
        medicationCodeableConcept={"text": "cetirizine 10 mg"},
        dosage=[{"text": "10 mg once daily in spring"}],
    )
    return Story(
        "thomas", "EX-0002", "male", "1973-09-02", 23,
        "A man of 52 without known heart disease. He smokes, his cholesterol is high, and his father had a heart "
        "attack at 49. His pressure was 142/88 in the clinic, but a week of home measurements is normal. PREVENT "
        "applies; family history and cholesterol weigh in the statin talk, and SLCO1B1 *5/*5 decides which statin "
        "and dose.",
        tuple(r.resources),
        notes={"2026-05-11-health-check.txt": THOMAS_NOTE},
        home=HomePressure("2026-05-28", tuple(range(7)), (122, 75), (122, 75)),
        genome={"CYP2C19": ALLELES["CYP2C19 *1/*1"], "SLCO1B1": ALLELES["SLCO1B1 *5/*5"]}, genome_at="2026-04-22",
    )  # fmt: skip


THOMAS_NOTE = """\
Health check
Date: 2026-05-11
MRN: EX-0002

History of present illness:
Feels well. No chest pain and no shortness of breath.

Past medical history:
No history of heart attack or stroke.
No diabetes.
No liver disease.

Family history:
Father had a heart attack at 49.

Social history:
Smokes 15 cigarettes a day and would like to quit. Walks little.
"""


def noor() -> Story:
    """About 41, and hardly anything is known."""
    r = Record("noor", "EX-0003", ("Noor", "Haddad"), "female", "1984")
    r.pressure(138, 84, "2021-10-06T14:20:00+01:00")
    r.add("Observation", status="final", code=concept_of("creatinine"), effectiveDateTime="2026-03-02",
          valueQuantity={"value": 71})  # fmt: skip
    r.measured("total-cholesterol", 5.6, "mmol/L", "2019-02-11")
    return Story(
        "noor", "EX-0003", "female", "1984", 37,
        "A woman of 41 or 42: only the year of her birth is recorded. A creatinine came without its unit, blood "
        "pressure and cholesterol are years old, her genome file lists variants only, and four home readings are too "
        "few. The right answer is mostly: not assessable, and what to obtain.",
        tuple(r.resources),
        notes={"2026-05-20-phone-call.txt": NOOR_NOTE},
        home=HomePressure("2026-05-19", (0, 1), (133, 82), (134, 83), sittings=1),
        genome={"CYP2C19": {"rs3758581": 2, "rs12248560": 1}, "SLCO1B1": {"rs2306283": 1}}, genome_at="2025-12-01",
        reference_lines=False,
    )  # fmt: skip


NOOR_NOTE = """\
Phone call
Date: 2026-05-20
MRN: EX-0003

She asks for a check-up. Possible high blood pressure, she was told once.
She takes ibuprofen sometimes.
Her aunt had a stroke.
"""

STORIES = (maria(), thomas(), noor())
