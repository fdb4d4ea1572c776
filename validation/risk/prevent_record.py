"""PREVENT through the record: the reference vectors written as FHIR charts in chance codes, brands and units.

Every row of ``vectors/prevent*.csv`` for the base model (or that the reference refuses) becomes a record: a birth date,
a pressure, lipids in mg/dL or mmol/L, a creatinine that gives the row's eGFR (CKD-EPI 2021 turned round) in mg/dL or
umol/L, medicines by name, brand or ATC code, diabetes in one of four code systems. Passed: as in
``validation.risk.prevent``.
"""

from __future__ import annotations

import csv
import random
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from salus.findings.runner import run
from salus.record.chart import Chart
from salus.risk.egfr import EGFR
from salus.risk.prevent import CODES, PREVENT
from validation._report import argument_parser, report
from validation.person._charts import ATC, DIAGNOSES, LOINC, MEDICINES, SMOKING, SNOMED, Resource
from validation.risk.prevent import OUTCOMES

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


def judge(row: dict[str, str], chart: Chart) -> str | None:
    """Why the record's answer differs from the row's, or None."""
    found = {f.code: f for f in run([EGFR, PREVENT], chart).findings}
    if row["model"] != "base":
        return "computed although the reference refuses" if found["prevent-cvd-10y"].status == "ok" else None
    horizon = f"{float(row['over_years']):g} a"
    for (outcome, years), code in CODES.items():
        if years != horizon or outcome not in OUTCOMES:
            continue
        finding: Any = found.get(code)
        if finding is None or finding.status != "ok":
            return f"{code}: {finding.reason if finding else 'missing'}"
        if float(finding.probability) != float(row[outcome]):
            return f"{code}: {finding.probability}, reference {row[outcome]}"
    return None


def main() -> int:
    """Print the report; 0 when every row passed."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files: list[Path] = sorted(arguments.data.glob("vectors/prevent*.csv")) or sorted(
        arguments.data.glob("prevent*.csv")
    )
    failures, n = [], 0
    for file in files:
        with file.open(encoding="utf-8", newline="") as stream:
            for number, row in enumerate(csv.DictReader(stream), 2):
                if row["model"] not in ("base", "none", "", "NA"):
                    continue
                n += 1
                why = judge(row, chart_of(row, number))
                if why:
                    failures.append({"id": f"{file.name}:{number}", "why": why})
    return report(
        check="risk.prevent_record",
        n=n,
        passed=n - len(failures),
        data=arguments.data,
        files=files,
        methods=["risk.prevent"],
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
