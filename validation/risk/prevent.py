"""PREVENT base model against reference vectors (``vectors/prevent*.csv`` below the folder, or the folder itself).

A case is a row whose model is ``base`` or empty/``none`` (the reference refused); rows of other models are counted as
``rows_of_other_models`` only. The reference is the R package preventr.

- right: all outcomes equal to three decimals, with the 30-year flag above 59 exactly where the reference warns;
- refused rightly: the reference refuses, and salus refuses for the same inputs and no others;
- wrong: another value or flag, an answer where the reference refuses, or a refusal for other inputs than its;
- refused though answerable: the reference has values;
- not read: a row without the columns that are asked.

``refused_for`` names the inputs that the reference refused: limits of others are not tested by these rows.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salus.risk.engine import Equation, Evaluation, evaluate, load
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, wilson

OUTCOMES = ("total_cvd", "ascvd", "heart_failure", "chd", "stroke")
NUMBERS = {"age": "age", "sbp": "sbp", "total_c": "total_cholesterol", "hdl_c": "hdl_cholesterol", "egfr": "egfr",
           "bmi": "bmi"}  # fmt: skip
BOOLEANS = {"bp_tx": "bp_treatment", "statin": "statin", "dm": "diabetes", "smoking": "smoking"}
TRUTH = {"TRUE": True, "True": True, "1": True, "FALSE": False, "False": False, "0": False}
NAMES = NUMBERS | BOOLEANS | {"sex": "sex"}
REFUSED = ("none", "", "NA")
EQUATION = "salus/risk/equations/prevent-base.json"
MUTANTS = (
    Mutant(EQUATION, "0.7939329", "0.7399329", "two digits of the women's coefficient of age are swapped"),
    Mutant(EQUATION, '"diabetes": 0.7692857', '"diabetes": 0.8667604', "the men's coefficient of diabetes is women's"),
    Mutant(EQUATION, '"maximum": 180', '"maximum": 200', "pressures above 180 are computed"),
    Mutant(EQUATION, '"above": 59', '"above": 69', "the 30-year flag begins ten years late"),
    Mutant("salus/risk/engine.py", "return float(min(value, number))", "return float(max(value, number))",
           "at_most is at_least: the pieces of the curve are swapped"),
    Mutant("salus/risk/engine.py", "ROUND_HALF_UP)\n    return Estimate", "'ROUND_DOWN')\n    return Estimate",
           "the last digit is cut off instead of rounded"),
    Mutant("salus/risk/engine.py", "value -= float(inputs[transform[\"minus\"]])", "value -= 0",
           "total cholesterol stands for non-HDL cholesterol"),
)  # fmt: skip

Row = dict[str, str]


@dataclass
class Score:
    """The rows so far: their outcomes, which inputs the reference refused, and rows of other models."""

    tally: Tally = field(default_factory=Tally)
    refused_for: Counter[str] = field(default_factory=Counter)
    refusals: int = 0
    others: int = 0


def vectors(folder: Path) -> list[Path]:
    """The files of reference vectors."""
    return sorted(folder.glob("vectors/prevent*.csv")) or sorted(folder.glob("prevent*.csv"))


def rows(files: list[Path]) -> Iterator[tuple[str, int, Row]]:
    """(case id, line, row) of every row of every file."""
    for file in files:
        with file.open(encoding="utf-8", newline="") as stream:
            for number, row in enumerate(csv.DictReader(stream), 2):
                yield f"{file.name}:{number}", number, row


def inputs(row: Row) -> dict[str, Any]:
    """A row's columns as the equation's inputs; what is empty stays missing, what is not a number stays text."""
    found: dict[str, Any] = {"sex": row["sex"] or None}
    for column, name in NUMBERS.items():
        text = row[column]
        found[name] = float(text) if re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text) else text or None
    return found | {name: TRUTH.get(row[column]) for column, name in BOOLEANS.items()}


def wanted(row: Row) -> set[str]:
    """The inputs for which the reference refuses."""
    return {NAMES[name] for name in re.findall(r"`(\w+)`", row["input_problems"]) if name in NAMES}


def judge(row: Row, result: Evaluation) -> tuple[Outcome, str]:
    """How a row ends, and why."""
    if row["model"] in REFUSED:
        if result.estimates:
            return Outcome.WRONG, "computed although the reference refuses"
        named = {problem.input for problem in result.problems}
        if named == wanted(row):
            return Outcome.REFUSED_RIGHTLY, ""
        return Outcome.WRONG, f"refused for {sorted(named)}, reference for {sorted(wanted(row))}"
    if result.problems:
        why = "refused: " + "; ".join(problem.text for problem in result.problems)
        return Outcome.REFUSED_THOUGH_ANSWERABLE, why
    horizon = f"{float(row['over_years']):g} a"
    for outcome in OUTCOMES:
        estimate = result.of(outcome, horizon)
        if estimate is None or float(estimate.rounded) != float(row[outcome]):
            return Outcome.WRONG, f"{outcome} at {horizon}: {estimate and estimate.rounded}, reference {row[outcome]}"
        if bool(estimate.flags) != ("30-year risk" in row["input_problems"]):
            return Outcome.WRONG, f"{outcome} at {horizon}: flag differs from the reference"
    return Outcome.RIGHT, ""


def score(files: list[Path], equation: Equation) -> Score:
    """Every row of the files."""
    total = Score()
    for name, _, row in rows(files):
        if row.get("model") not in ("base", *REFUSED):
            total.others += 1
            continue
        try:
            outcome, why = judge(row, evaluate(equation, inputs(row)))
        except (KeyError, ValueError) as error:
            outcome, why = Outcome.NOT_READ, f"the row cannot be read: {error!r}"
        total.tally.add(name, outcome, why)
        if row["model"] in REFUSED:
            total.refusals += 1
            total.refused_for.update(wanted(row) if outcome is not Outcome.NOT_READ else ())
    return total


def main() -> int:
    """Print the report; 0 when every row is right or rightly refused."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = vectors(arguments.data)
    found = score(files, load("prevent-base"))
    tally = found.tally
    right, answerable = tally.counts[Outcome.RIGHT], tally.n - found.refusals
    return report(
        check="risk.prevent",
        tally=tally,
        data=arguments.data,
        covers="salus's PREVENT base model gives the numbers of the R package preventr for given inputs, and refuses a "
        "systolic pressure above 180; whether the risks are true of people is not measured",
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        files=files,
        figures={
            "n": tally.n,
            "passed": tally.passed,
            "refusals": found.refusals,
            "answerable": answerable,
            "right_of_answerable": right / answerable if answerable else None,
            "refused_for": dict(found.refused_for),
            "rows_of_other_models": found.others,
        },
        intervals={"right_of_answerable": wilson(right, answerable)},
        methods=["risk.prevent"],
        as_json=arguments.json,
        ok=tally.passed == tally.n and right > 0,
    )


if __name__ == "__main__":
    sys.exit(main())
