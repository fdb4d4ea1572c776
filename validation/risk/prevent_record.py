"""PREVENT through the record: the reference vectors written as FHIR charts in chance codes, brands and units.

Every row of ``vectors/prevent*.csv`` for the base model (or that the reference refuses) becomes a record: a birth date,
a pressure, lipids in mg/dL or mmol/L, a creatinine that gives the row's eGFR (CKD-EPI 2021 turned round) in mg/dL or
umol/L, medicines by name, brand or ATC code, diabetes in one of four code systems. The expected numbers are the
reference's; the records, and so what is asked of recognition, are ours.

- right: all findings of 10 or 30 years have the reference's value to three decimals;
- refused rightly: the reference refuses a value, and the finding is not assessable and names that value;
- wrong: another number, a number where the reference refuses, or a refusal that names another reason;
- refused though answerable: the reference has a number; not read: a row without the columns asked.
"""

from __future__ import annotations

import random
import re
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from salus.findings.runner import run
from salus.record.chart import Chart
from salus.risk.egfr import EGFR
from salus.risk.prevent import CODES, PREVENT
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of, wilson
from validation.person._charts import ATC, DIAGNOSES, LOINC, MEDICINES, SMOKING, SNOMED, Resource
from validation.risk.prevent import OUTCOMES, REFUSED, rows, vectors

DEVELOPED = ("678fec1b87240325",)
"""Files that the reading of records was mended on."""
INPUTS = "salus/risk/inputs.py"
MUTANTS = (
    Mutant(INPUTS, "mean = sum(float(r.value or 0) for r in of_day) / len(of_day)",
           "mean = sum(float(r.value or 0) for r in of_day) / len(of_day) + 2", "a pressure is read 2 mmHg too high"),
    Mutant(INPUTS, '"calcium-channel-blocker", ', "", "calcium channel blockers do not lower blood pressure"),
    Mutant(INPUTS, 'treatment(person, ("statin",), within)', "treatment(person, BLOOD_PRESSURE, within)",
           "blood-pressure medicine stands for a statin"),
    Mutant(INPUTS, 'return Found(answer.state == "present", newest.evidence', 'return Found(False, newest.evidence',
           "nobody smokes"),
    Mutant(INPUTS, '"total_cholesterol": lambda: laboratory(person, "total-cholesterol"',
           '"total_cholesterol": lambda: laboratory(person, "hdl-cholesterol"', "HDL stands for total cholesterol"),
    Mutant("salus/risk/equations/prevent-base.json", '"maximum": 180', '"maximum": 200', "high pressures are computed"),
)  # fmt: skip
AT = datetime(2026, 6, 1, tzinfo=UTC)
DATE = "2026-05-10"
KAPPA, ALPHA, FACTOR = {"female": 0.7, "male": 0.9}, {"female": -0.241, "male": -0.302}, {"female": 1.012, "male": 1.0}


def creatinine_of(egfr: float, age: int, sex: str) -> float:
    """The creatinine in mg/dL that gives this eGFR by CKD-EPI 2021 (Inker 2021), turned round."""
    at_kappa = 142 * 0.9938**age * FACTOR[sex]
    exponent = -1.2 if egfr < at_kappa else ALPHA[sex]
    return float(KAPPA[sex] * (egfr / at_kappa) ** (1 / exponent))


def _observation(id: str, code: str, value: Decimal, unit: str) -> Resource:
    return {
        "resourceType": "Observation", "id": id, "status": "final", "effectiveDateTime": DATE,
        "code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": {"value": value, "unit": unit},
    }  # fmt: skip


def _medicine(id: str, ingredient: str, chance: random.Random) -> Resource:
    brand, atc, _ = MEDICINES[ingredient]
    code = chance.choice(({"text": ingredient}, {"text": brand}, {"coding": [{"system": ATC, "code": atc}]}))
    return {"resourceType": "MedicationStatement", "id": id, "status": "active", "dateAsserted": DATE,
            "medicationCodeableConcept": code}  # fmt: skip


def chart_of(row: dict[str, str], seed: int) -> Chart:
    """The row as a record, written as chance has it."""
    chance = random.Random(seed)
    age, sex = int(float(row["age"])), row["sex"]
    si = chance.random() < 0.5
    lipid = (lambda v: (Decimal(v) * Decimal("0.02586"), "mmol/L")) if si else (lambda v: (Decimal(v), "mg/dL"))
    made: list[Resource] = [
        {"resourceType": "Patient", "id": "p", "gender": sex, "birthDate": f"{AT.year - age}-01-15"},
        _observation("sbp", "8480-6", Decimal(row["sbp"]), chance.choice(("mm[Hg]", "mmHg"))),
        _observation("tc", chance.choice(("2093-3", "14647-2")), *lipid(row["total_c"])),
        _observation("hdl", chance.choice(("2085-9", "14646-4")), *lipid(row["hdl_c"])),
        _observation("bmi", "39156-5", Decimal(row["bmi"]), chance.choice(("kg/m2", "kg/m^2"))),
    ]
    creatinine = Decimal(repr(creatinine_of(float(row["egfr"]), age, sex)))
    units = ((Decimal(1), "mg/dL", "2160-0"), (Decimal("88.4"), "umol/L", "14682-9"))
    factor, unit, code = chance.choice(units)
    made.append(_observation("cr", code, creatinine * factor, unit))
    lowering = [chance.choice(("amlodipine", "lisinopril", "losartan"))] if row["bp_tx"] == "True" else []
    statin = [chance.choice(("atorvastatin", "simvastatin", "rosuvastatin"))] if row["statin"] == "True" else []
    made += [_medicine(f"m{n}", name, chance) for n, name in enumerate([*lowering, *statin, "omeprazole"])]
    if row["dm"] == "True":
        system = chance.choice(sorted(DIAGNOSES["diabetes 2"]))
        code_ = DIAGNOSES["diabetes 2"][system]
        concept = {"coding": [{"system": system, "code": code_}]} if system else {"text": code_}
        made.append({"resourceType": "Condition", "id": "dm", "recordedDate": "2020-01-01", "code": concept})
    else:
        value, unit = chance.choice(((Decimal("5.2"), "%"), (Decimal(33), "mmol/mol")))
        made.append(_observation("a1c", "59261-8" if unit != "%" else "4548-4", value, unit))
    answer = {"coding": [{"system": SNOMED, "code": SMOKING["current" if row["smoking"] == "True" else "never"]}]}
    made.append(
        {
            "resourceType": "Observation",
            "id": "s",
            "status": "final",
            "effectiveDateTime": DATE,
            "code": {"coding": [{"system": LOINC, "code": "72166-2"}]},
            "valueCodeableConcept": answer,
        }
    )
    chance.shuffle(made)
    return Chart.of(made, now=AT)


def judge(row: dict[str, str], chart: Chart) -> tuple[Outcome, str]:
    """How the record's answer ends against the row's, and why."""
    found = {f.code: f for f in run([EGFR, PREVENT], chart).findings}
    first = found["prevent-cvd-10y"]
    if row["model"] in REFUSED:
        if first.status == "ok":
            return Outcome.WRONG, "computed although the reference refuses"
        values = re.findall(r"entered as ([\d.]+)", row["input_problems"])
        named = bool(values) and all(re.search(rf"\b{value}\b", first.reason) for value in values)
        return (
            (Outcome.REFUSED_RIGHTLY, "") if named else (Outcome.WRONG, f"refused for another reason: {first.reason}")
        )
    horizon = f"{float(row['over_years']):g} a"
    for (outcome, years), code in CODES.items():
        if years != horizon or outcome not in OUTCOMES:
            continue
        finding: Any = found.get(code)
        if finding is None or finding.status != "ok":
            return Outcome.REFUSED_THOUGH_ANSWERABLE, f"{code}: {finding.reason if finding else 'missing'}"
        if float(finding.probability) != float(row[outcome]):
            return Outcome.WRONG, f"{code}: {finding.probability}, reference {row[outcome]}"
    return Outcome.RIGHT, ""


def main() -> int:
    """Print the report; 0 when every row is right or rightly refused."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = vectors(arguments.data)
    tally, answerable = Tally(), 0
    for name, number, row in rows(files):
        if row.get("model") not in ("base", *REFUSED):
            continue
        try:
            outcome, why = judge(row, chart_of(row, number))
        except (KeyError, ValueError, ArithmeticError) as error:
            outcome, why = Outcome.NOT_READ, f"no record can be made of the row: {error!r}"
        tally.add(name, outcome, why)
        answerable += row["model"] == "base"
    right = tally.counts[Outcome.RIGHT]
    return report(
        check="risk.prevent_record",
        tally=tally,
        data=arguments.data,
        covers="from a complete, tidy record in codes that salus knows, the plan's PREVENT risks are those of the R "
        "package preventr; real records lack inputs, and how often is not measured here",
        truth=Truth.OUTSIDE,
        split=split_of(files, DEVELOPED),
        files=files,
        figures={
            "n": tally.n,
            "passed": tally.passed,
            "answerable": answerable,
            "right_of_answerable": right / answerable if answerable else None,
        },
        intervals={"right_of_answerable": wilson(right, answerable)},
        methods=["risk.prevent"],
        as_json=arguments.json,
        ok=tally.passed == tally.n and right > 0,
    )


if __name__ == "__main__":
    sys.exit(main())
