"""Risk equations against reference vectors: ``vectors/*.csv`` below the folder, or the folder itself.

A case is a row: random inputs that were run through a published implementation (PREVENT has a check of its own).

- right: the unrounded value agrees to nine digits, or the rounded one where the reference is rounded;
- wrong: another value;
- refused though answerable: the equation refuses inputs for which the reference has a value;
- not read: a row without the columns that are asked.

The figure ``vectors`` tells [passed, n] by equation.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salus.risk.engine import evaluate, load
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report

EXACT = 1e-9
MUTANTS = (
    Mutant("salus/risk/equations/kfre-4.json", '"male": 0.2467', '"male": 0.2476', "two digits are swapped"),
    Mutant("salus/risk/equations/kfre-8.json", '"baseline_survival": 0.9245', '"baseline_survival": 0.9301',
           "a baseline risk of another region"),
    Mutant("salus/risk/engine.py", 'value = float(given == transform["is"])', 'value = float(given != transform["is"])',
           "a category counts where it is another"),
    Mutant("salus/risk/engine.py", "return -math.expm1(", "return 1 - -math.expm1(", "the risk is the survival"),
    Mutant("salus/risk/engine.py", "shift + slope * math.log(hazard)", "shift + math.log(hazard)",
           "the slope of a region is left out"),
    Mutant("salus/risk/equations/score2-op.json", '"constant": -0.229', '"constant": 0.229',
           "the mean predictor is added"),
)  # fmt: skip

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """What a row asks: the equation, its inputs, the output and horizon; and the reference's value.

    ``rounded``: the reference gives the value as it is published.
    """

    equation: str
    inputs: Mapping[str, Any]
    output: str
    horizon: str
    value: float
    rounded: bool = False


def kfre(row: Row) -> Case:
    """A row of the Python package kfre (0.1.18)."""
    inputs: dict[str, Any] = {
        "region": "north-america" if row["north_american"] == "True" else "elsewhere",
        "sex": "male" if float(row["male"]) else "female",
        "age": float(row["age"]),
        "egfr": float(row["eGFR"]),
        "uacr": float(row["uACR"]),
    }
    if row["num_vars"] == "6":
        inputs |= {"diabetes": bool(float(row["dm"])), "hypertension": bool(float(row["htn"]))}
    if row["num_vars"] == "8":
        names = {"albumin": "albumin", "phosphate": "phosphorous", "bicarbonate": "bicarbonate", "calcium": "calcium"}
        inputs |= {name: float(row[column]) for name, column in names.items()}
    return Case(f"kfre-{row['num_vars']}", inputs, "kidney_failure", f"{row['years']} a", float(row["risk"]))


def score2(row: Row) -> Case:
    """A row of the R package RiskScorescvd: percent with one decimal; SCORE2-OP from 70 years on."""
    age = float(row["age"])
    inputs: dict[str, Any] = {
        "sex": row["sex"],
        "region": row["region"].lower().replace(" ", "-"),
        "age": age,
        "sbp": float(row["sbp"]),
        "total_cholesterol": float(row["total_chol"]),
        "hdl_cholesterol": float(row["hdl"]),
        "smoking": row["smoker"] == "1",
        "diabetes": row["diabetes"] == "1",
    }
    equation = "score2" if age < 70 else "score2-op"
    return Case(equation, inputs, "cvd", "10 a", float(row["score2"]) / 100, rounded=True)


SETS: Mapping[str, Callable[[Row], Case]] = {"kfre": kfre, "score2": score2}
"""How the rows of a set are read, by how its files' names begin."""


def cases(folder: Path) -> Iterator[tuple[str, str, Case | None]]:
    """(set, case id, case) of every row of every set; None for a row that cannot be read."""
    for name, read in SETS.items():
        for file in files(folder, name):
            with file.open(encoding="utf-8", newline="") as stream:
                for number, row in enumerate(csv.DictReader(stream), 2):
                    try:
                        case = read(row)
                    except (KeyError, ValueError):
                        case = None
                    yield name, f"{file.name}:{number}", case


def files(folder: Path, name: str) -> list[Path]:
    """The files of one set."""
    return sorted(folder.glob(f"vectors/{name}*.csv")) or sorted(folder.glob(f"{name}*.csv"))


def judge(case: Case) -> tuple[Outcome, str]:
    """How a case ends, and why."""
    found = evaluate(load(case.equation), case.inputs)
    if found.problems:
        return Outcome.REFUSED_THOUGH_ANSWERABLE, "; ".join(problem.text for problem in found.problems)
    estimate = found.of(case.output, case.horizon)
    value = estimate and (float(estimate.rounded) if case.rounded else estimate.value)
    if value is None or not math.isclose(value, case.value, rel_tol=EXACT, abs_tol=EXACT):
        return Outcome.WRONG, f"{case.equation}: {estimate and estimate.value}, reference {case.value}"
    return Outcome.RIGHT, ""


def main() -> int:
    """Print the report; 0 when every row is right."""
    arguments = argument_parser(__doc__ or "").parse_args()
    tally, by_equation = Tally(), dict[str, list[int]]()
    for name, label, case in cases(arguments.data):
        outcome, why = judge(case) if case else (Outcome.NOT_READ, "the row cannot be read")
        tally.add(label, outcome, why)
        counts = by_equation.setdefault(case.equation if case else name, [0, 0])
        counts[0] += outcome is Outcome.RIGHT
        counts[1] += 1
    return report(
        check="risk.vectors",
        tally=tally,
        data=arguments.data,
        covers="the equations give the numbers of a published implementation for given inputs; whether the risks are "
        "true of people is not measured",
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        files=[file for name in SETS for file in files(arguments.data, name)],
        figures={"vectors": by_equation},
        methods=[],
        as_json=arguments.json,
        ok=tally.passed == tally.n > 0,
    )


if __name__ == "__main__":
    sys.exit(main())
