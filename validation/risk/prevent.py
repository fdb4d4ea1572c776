"""PREVENT base model against reference vectors (``vectors/prevent*.csv`` below the folder, or the folder itself).

A row counts when its model is ``base`` or empty/``none`` (the reference refused). Passed: all outcomes equal to three
decimals, with the 30-year flag above 59 exactly where the reference warns; or refused, naming each refused input.
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path
from typing import Any

from salus.risk.engine import Equation, Evaluation, evaluate, load
from validation._report import argument_parser, report

OUTCOMES = ("total_cvd", "ascvd", "heart_failure", "chd", "stroke")
NUMBERS = {"age": "age", "sbp": "sbp", "total_c": "total_cholesterol", "hdl_c": "hdl_cholesterol", "egfr": "egfr",
           "bmi": "bmi"}  # fmt: skip
BOOLEANS = {"bp_tx": "bp_treatment", "statin": "statin", "dm": "diabetes", "smoking": "smoking"}
TRUTH = {"TRUE": True, "1": True, "FALSE": False, "0": False}
NAMES = NUMBERS | BOOLEANS | {"sex": "sex"}


def inputs(row: dict[str, str]) -> dict[str, Any]:
    """A row's columns as the equation's inputs; what is empty stays missing, what is not a number stays text."""
    found: dict[str, Any] = {"sex": row["sex"] or None}
    for column, name in NUMBERS.items():
        text = row[column]
        found[name] = float(text) if re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text) else text or None
    for column, name in BOOLEANS.items():
        found[name] = {"True": True, "TRUE": True, "1": True, "False": False, "FALSE": False, "0": False}.get(
            row[column]
        )
    return found


def judge_values(row: dict[str, str], result: Evaluation) -> str | None:
    """Why a row with reference values is wrong, or None."""
    if result.problems:
        return "refused: " + "; ".join(problem.text for problem in result.problems)
    horizon = f"{float(row['over_years']):g} a"
    for outcome in OUTCOMES:
        estimate = result.of(outcome, horizon)
        if estimate is None or float(estimate.rounded) != float(row[outcome]):
            return f"{outcome} at {horizon}: {estimate and estimate.rounded}, reference {row[outcome]}"
        if bool(estimate.flags) != ("30-year risk" in row["input_problems"]):
            return f"{outcome} at {horizon}: flag differs from the reference"
    return None


def judge_refusal(row: dict[str, str], result: Evaluation) -> str | None:
    """Why a row that the reference refused is wrong, or None."""
    if result.estimates:
        return "computed although the reference refuses"
    wanted = {NAMES[name] for name in re.findall(r"`(\w+)`", row["input_problems"]) if name in NAMES}
    named = {problem.input for problem in result.problems}
    return None if wanted <= named else f"refused for {sorted(named)}, reference for {sorted(wanted)}"


def score(files: list[Path], equation: Equation) -> tuple[int, list[dict[str, str]], int]:
    """(rows in question, failures, how many of the rows were refusals)."""
    n = refusals = 0
    failures = []
    for file in files:
        with file.open(encoding="utf-8", newline="") as stream:
            for number, row in enumerate(csv.DictReader(stream), 2):
                if row["model"] not in ("base", "none", "", "NA"):
                    continue
                n += 1
                refused = row["model"] != "base"
                refusals += refused
                why = (judge_refusal if refused else judge_values)(row, evaluate(equation, inputs(row)))
                if why:
                    failures.append({"id": f"{file.name}:{number}", "why": why})
    return n, failures, refusals


def main() -> int:
    """Print the report; 0 when every row passed."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted(arguments.data.glob("vectors/prevent*.csv")) or sorted(arguments.data.glob("prevent*.csv"))
    equation = load("prevent-base")
    n, failures, refusals = score(files, equation)
    passed = n - len(failures)
    return report(
        check="risk.prevent",
        n=n,
        passed=passed,
        data=arguments.data,
        files=files,
        figures={"n": n, "passed": passed, "refusals": refusals},
        methods=["risk.prevent"],
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
