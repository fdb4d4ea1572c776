"""Dose instructions against reference readings: ``read`` is the share understood, ``wrong`` the number misread.

Below the folder: ``sig/*_cases.jsonl`` (an instruction and its expected steps), ``sig/*frequency*.json`` (a short form
and its frequency). Beside them our own table, ``tests/terminology/sigs.tsv``, whose answers come from published lists;
a "?" there marks an instruction that has no certain amount, and understanding it is wrong.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from salus.terminology.doses import Dose, read_text
from validation._report import argument_parser, report

OWN = Path(__file__).resolve().parents[2] / "tests" / "terminology" / "sigs.tsv"
DAYS = {"Hour": Fraction(1, 24), "Day": Fraction(1), "Week": Fraction(7), "Month": Fraction(487, 16),
        "Year": Fraction(1461, 4)}  # fmt: skip
COLUMNS = ("low", "high", "unit", "per_day_low", "per_day_high", "daily_low", "daily_high", "as_needed", "days")
ENOUGH = 0.85

Expected = list[dict[str, Any]]
"""One entry a step; an empty list where the instruction must not be understood."""


def close(found: Decimal | None, wanted: Fraction | None) -> bool:
    """Whether two numbers agree to the 20th digit; both may be missing."""
    if found is None or wanted is None:
        return found is None and wanted is None
    return abs(Fraction(found) - wanted) <= abs(wanted) / 10**20


def of_step(step: dict[str, Any]) -> dict[str, Any]:
    """What a step of the reference says, in our names."""
    rate = None
    if step.get("frequencyType"):
        rate = Fraction(step.get("times") or 1) / (Fraction(step["interval"]) * DAYS[step["frequencyType"]])
    amount = step.get("singleDosageAmount")
    exact = None if amount is None else Fraction(str(amount))
    days = Fraction(step["periodAmount"]) * DAYS[step["periodType"]] if step.get("periodType") else None
    return {"low": exact, "high": exact, "per_day_low": rate, "per_day_high": rate, "days": days,
            "as_needed": bool(step.get("takeAsNeeded"))}  # fmt: skip


def cases(folder: Path) -> Iterator[tuple[str, str, Expected]]:
    """(id, instruction, expected) of every file of the folder."""
    for file in sorted(folder.glob("sig/*_cases.jsonl")):
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            row = json.loads(line)
            yield f"{file.name}:{number}", row["sig"], [of_step(step) for step in row["expected"]]
    for file in sorted(folder.glob("sig/*frequency*.json")):
        for name, row in json.loads(file.read_text("utf-8")).items():
            yield f"{file.name}:{name}", f"1 tablet {name}", [of_step(row | {"singleDosageAmount": 1})]


def own() -> Iterator[tuple[str, str, Expected]]:
    """(id, instruction, expected) of our own table."""
    lines = [line for line in OWN.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    for number, row in enumerate(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE), 1):
        if row["low"] == "?":
            yield f"{OWN.name}:{number}", row["sig"], []
            continue
        steps = zip(*(row[name].split(";") for name in COLUMNS), strict=True)
        yield f"{OWN.name}:{number}", row["sig"], [_own_step(dict(zip(COLUMNS, s, strict=True))) for s in steps]


def _own_step(cells: dict[str, str]) -> dict[str, Any]:
    step: dict[str, Any] = {k: Fraction(v) if v else None for k, v in cells.items() if k not in ("unit", "as_needed")}
    return step | {"unit": cells["unit"], "as_needed": cells["as_needed"] == "1"}


def judge(dose: Dose, expected: Expected) -> str | None:
    """Why an instruction that was understood is wrong, or None."""
    if not expected:
        return "understood although it has no certain amount"
    steps = dose.steps or (dose,)
    if len(steps) != len(expected):
        return f"{len(steps)} steps, reference {len(expected)}"
    for step, wanted in zip(steps, expected, strict=True):
        for name, value in wanted.items():
            if name in ("unit", "as_needed"):
                if getattr(step, name) != value:
                    return f"{name}: {getattr(step, name)}, reference {value}"
            elif not close(getattr(step, "duration_days" if name == "days" else name), value):
                return f"{name}: {getattr(step, 'duration_days' if name == 'days' else name)}, reference {value}"
    return None


def main() -> int:
    """Print the report; 0 when nothing was misread and enough was read."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = [f for pattern in ("*_cases.jsonl", "*frequency*.json") for f in arguments.data.glob(f"sig/{pattern}")]
    given, ours = list(cases(arguments.data)), list(own())
    failures: list[dict[str, str]] = []
    unread: list[dict[str, str]] = []
    readable = read = passed = refusals = 0
    for name, sig, expected in [*given, *ours] if given else []:
        dose = read_text(sig)
        readable += bool(expected)
        read += bool(expected) and dose.understood
        why = judge(dose, expected) if dose.understood else None
        if why:
            failures.append({"id": name, "why": why})
        if expected and not dose.understood:
            unread.append({"id": name, "why": f"not read: {dose.why}"})
        passed += not why and (dose.understood or not expected)
        refusals += not expected
    n = len(given) + len(ours) if given else 0
    share = read / readable if readable else 0.0
    figures = {"n": n, "read": round(share, 4), "wrong": len(failures), "given": len(given), "own": len(ours),
               "to_refuse": refusals}  # fmt: skip
    return report(
        check="text.sig",
        n=n,
        passed=passed,
        data=arguments.data,
        files=[*files, OWN],
        figures=figures,
        methods=["terminology.reading"],
        failures=[*failures, *unread],
        as_json=arguments.json,
        ok=not failures and share >= ENOUGH,
    )


if __name__ == "__main__":
    sys.exit(main())
