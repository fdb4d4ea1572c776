"""Make src/salus/risk/equations/prevent-base.json from the published PREVENT coefficients.

Usage: python tools/make_prevent_tables.py ../shared/data/risk/facts/prevent_coefficients.csv

The coefficients (Khan 2024, supplement) are read from the table of the R package preventr 0.12.0 (MIT). Only the base
model is taken. Ranges are those that preventr documents and enforces; the centring of each term is the supplement's.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "src/salus/risk/equations/prevent-base.json"

HORIZONS = {"10yr": "10 a", "30yr": "30 a"}

# The table's label of a term -> the name of our term.
TERMS = {
    "Age, per 10 years": "age",
    "Age, 10 years": "age",
    "Age squared": "age_squared",
    "non-HDL-C per 1 mmol/L": "non_hdl",
    "HDL-C per 0.3 mmol/L": "hdl",
    "SBP <110 per 20 mmHg": "sbp_low",
    "SBP ≥110 per 20 mmHg": "sbp_high",
    "Diabetes": "diabetes",
    "Current smoking": "smoking",
    "BMI <30, per 5 kg/m2": "bmi_low",
    "BMI 30+, per 5 kg/m2": "bmi_high",
    "eGFR <60, per -15 ml": "egfr_low",
    "eGFR 60+, per -15 ml": "egfr_high",
    "Anti-hypertensive use": "bp_treatment",
    "Statin use": "statin",
    "Treated SBP ≥110 mm Hg per 20 mm Hg": "bp_treatment*sbp_high",
    "Treated non-HDL-C": "statin*non_hdl",
    "Age per 10yr * non-HDL-C per 1 mmol/L": "age*non_hdl",
    "Age per 10yr * HDL-C per 0.3 mmol/L": "age*hdl",
    "Age per 10yr * SBP ≥110 mm Hg per 20 mmHg": "age*sbp_high",
    "Age per 10yr * diabetes": "age*diabetes",
    "Age per 10yr * current smoking": "age*smoking",
    "Age per 10yr * BMI 30+ per 5 kg/m2": "age*bmi_high",
    "Age per 10yr * eGFR <60, per -15 ml": "age*egfr_low",
    "Constant": "constant",
}

MMOL_PER_MG = 0.02586

TRANSFORMS: list[dict[str, Any]] = [
    {"name": "age", "of": "age", "steps": [["subtract", 55], ["divide", 10]]},
    {"name": "age_squared", "product": ["age", "age"]},
    {"name": "non_hdl", "of": "total_cholesterol", "minus": "hdl_cholesterol",
     "steps": [["multiply", MMOL_PER_MG], ["subtract", 3.5]]},
    {"name": "hdl", "of": "hdl_cholesterol", "steps": [["multiply", MMOL_PER_MG], ["subtract", 1.3], ["divide", 0.3]]},
    {"name": "sbp_low", "of": "sbp", "steps": [["at_most", 110], ["subtract", 110], ["divide", 20]]},
    {"name": "sbp_high", "of": "sbp", "steps": [["at_least", 110], ["subtract", 130], ["divide", 20]]},
    {"name": "diabetes", "of": "diabetes"},
    {"name": "smoking", "of": "smoking"},
    {"name": "bmi_low", "of": "bmi", "steps": [["at_most", 30], ["subtract", 25], ["divide", 5]]},
    {"name": "bmi_high", "of": "bmi", "steps": [["at_least", 30], ["subtract", 30], ["divide", 5]]},
    {"name": "egfr_low", "of": "egfr", "steps": [["at_most", 60], ["subtract", 60], ["divide", -15]]},
    {"name": "egfr_high", "of": "egfr", "steps": [["at_least", 60], ["subtract", 90], ["divide", -15]]},
    {"name": "bp_treatment", "of": "bp_treatment"},
    {"name": "statin", "of": "statin"},
]  # fmt: skip
TRANSFORMS += [{"name": name, "product": name.split("*")} for name in dict.fromkeys(TERMS.values()) if "*" in name]

MG = {"mmol/L": MMOL_PER_MG}

INPUTS: list[dict[str, Any]] = [
    {"name": "sex", "kind": "category", "values": ["female", "male"], "label": "sex (female or male)",
     "obtain": "record the sex on which the equation's coefficients were fitted (female or male)"},
    {"name": "age", "kind": "number", "unit": "a", "minimum": 30, "maximum": 79, "label": "age",
     "obtain": "record the full date of birth"},
    {"name": "sbp", "kind": "number", "unit": "mm[Hg]", "minimum": 90, "maximum": 180,
     "label": "systolic blood pressure", "obtain": "measure the blood pressure", "other_units": {"kPa": 0.133322}},
    {"name": "bp_treatment", "kind": "boolean", "label": "whether blood-pressure medicine is taken",
     "obtain": "confirm the medicine list"},
    {"name": "total_cholesterol", "kind": "number", "unit": "mg/dL", "minimum": 130, "maximum": 320,
     "label": "total cholesterol", "obtain": "measure total cholesterol in blood", "other_units": MG},
    {"name": "hdl_cholesterol", "kind": "number", "unit": "mg/dL", "minimum": 20, "maximum": 100,
     "label": "HDL cholesterol", "obtain": "measure HDL cholesterol in blood", "other_units": MG},
    {"name": "statin", "kind": "boolean", "label": "whether a statin is taken", "obtain": "confirm the medicine list"},
    {"name": "diabetes", "kind": "boolean", "label": "whether diabetes is present",
     "obtain": "measure HbA1c or fasting glucose, or record the diagnosis"},
    {"name": "smoking", "kind": "boolean", "label": "whether cigarettes were smoked in the last 30 days",
     "obtain": "ask about smoking and record the answer"},
    {"name": "egfr", "kind": "number", "unit": "mL/min/{1.73_m2}", "minimum": 15, "maximum": 140,
     "label": "estimated GFR", "obtain": "measure creatinine in blood"},
    {"name": "bmi", "kind": "number", "unit": "kg/m2", "minimum": 18.5, "maximum": 39.9,
     "label": "body mass index", "obtain": "measure height and weight"},
]  # fmt: skip

HEAD: dict[str, Any] = {
    "id": "prevent-base",
    "version": "2024.1",
    "title": "AHA PREVENT, base model",
    "citation": [
        "Khan SS et al. Development and Validation of the American Heart Association's PREVENT Equations. "
        "Circulation 2024;149(6):430-449. doi:10.1161/CIRCULATIONAHA.123.067626, PMID 37947085"
    ],
    "source": "coefficient table of the R package preventr 0.12.0 (M. G. Mayer), which takes it from the paper's "
    "supplement; ranges as documented there (its limit of 180 mm[Hg] for systolic pressure is stricter than the "
    "paper's 200: above 180 the pressure itself needs attention first)",
    "licence": "MIT (table as published in preventr); the coefficients are facts of the cited paper",
    "population": "US adults of 30 to 79 years without known cardiovascular disease",
    "link": "logistic",
    "rounding": {"digits": 3, "mode": "half-up"},
    "stratum": "sex",
    "outputs": {
        "total_cvd": {"label": "total cardiovascular disease", "unit": "1"},
        "ascvd": {"label": "atherosclerotic cardiovascular disease", "unit": "1"},
        "heart_failure": {"label": "heart failure", "unit": "1"},
        "chd": {"label": "coronary heart disease", "unit": "1"},
        "stroke": {"label": "stroke", "unit": "1"},
    },
    "flags": [
        {"horizon": "30 a", "input": "age", "above": 59,
         "text": "a 30-year estimate above the age of 59 is questionable (preventr 0.12.0)"},
    ],
}  # fmt: skip


def models(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The base model's rows as one entry for each (outcome, horizon, sex)."""
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in rows:
        if row["model"] == "base":
            key = (row["outcome"], HORIZONS[row["horizon"]], row["sex"])
            found.setdefault(key, {})[TERMS[row["term"]]] = float(row["coefficient"])
    return [
        {"output": output, "horizon": horizon, "stratum": sex, "constant": terms.pop("constant"), "coefficients": terms}
        for (output, horizon, sex), terms in found.items()
    ]


def main(arguments: list[str]) -> int:
    """Write the table and say how many models it holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    source = parser.parse_args(arguments).source
    with source.open(encoding="utf-8", newline="") as stream:
        found = models(list(csv.DictReader(stream)))
    if len(found) != 2 * 2 * 5:
        raise SystemExit(f"expected 20 base models, found {len(found)}")
    equation = HEAD | {"inputs": INPUTS, "transforms": TRANSFORMS, "models": found}
    TARGET.write_text(json.dumps(equation, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"{TARGET.name}: {len(found)} models")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
