"""Dose instructions against reference readings: ``read`` is the share understood, ``wrong`` the number misread.

Below the folder: ``sig/*_cases.jsonl`` (an instruction and its expected steps), ``sig/*frequency*.json`` (a short form
and its frequency, asked as "1 tablet FORM"). A case is one instruction. Right: understood, and amounts, frequency,
duration, and "as needed" are the reference's. Wrong: understood otherwise. Refused though answerable: not understood,
and said so. Not read: a row without an instruction or expected steps.

Beside them stands our own table, ``tests/terminology/sigs.tsv``, which we read from published lists by hand: its
figures begin with ``own`` and are no outside truth; a "?" there marks an instruction that has no certain amount, and
understanding it is wrong.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from salus.terminology.doses import Dose, read_text
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of, wilson

OWN = Path(__file__).resolve().parents[2] / "tests" / "terminology" / "sigs.tsv"
DAYS = {"Hour": Fraction(1, 24), "Day": Fraction(1), "Week": Fraction(7), "Month": Fraction(487, 16),
        "Year": Fraction(1461, 4)}  # fmt: skip
COLUMNS = ("low", "high", "unit", "per_day_low", "per_day_high", "daily_low", "daily_high", "as_needed", "days")
ENOUGH = 0.85

DEVELOPED = ("6c3f03873a3ca816", "6fee08bdef0ec0bc")
"""Files that words and rules were mended on."""
WORDS, TIME = "salus/terminology/dose_words.toml", "salus/terminology/dose_time.py"
MUTANTS = (
    Mutant(WORDS, 'n = "2"\ndays = "1"\nforms = ["bid"', 'n = "3"\ndays = "1"\nforms = ["bid"', "bid is 3 a day"),
    Mutant(WORDS, 'days = "7"\nforms = ["biw"]', 'days = "1"\nforms = ["biw"]', "biw is twice a day"),
    Mutant(WORDS, 'unit = "1/24"\nforms = ["@every <n> @hour"', 'unit = "1"\nforms = ["@every <n> @hour"',
           "every 6 hours is every 6 days"),
    Mutant(TIME, "return Span.of(1).over(every), False, period", "return every, False, period",
           "every 12 days is 12 times a day"),
    Mutant(TIME, "return (item.n or Span.of(1)) * (1 / item.factor), True, item.factor",
           "return (item.n or Span.of(1)) * item.factor, True, item.factor", "twice a week is 14 times a day"),
    Mutant(TIME, "said.rates.append((span * n, True, period))", "said.rates.append((span, True, period))",
           "3 times a day is once a day"),
)  # fmt: skip

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


def outcome(sig: str, expected: Expected) -> tuple[Outcome, str]:
    """How an instruction ends, and why."""
    dose = read_text(sig)
    if not dose.understood:
        refused = Outcome.REFUSED_THOUGH_ANSWERABLE if expected else Outcome.REFUSED_RIGHTLY
        return refused, f"not read: {dose.why}"
    why = judge(dose, expected)
    return (Outcome.WRONG, why) if why else (Outcome.RIGHT, "")


def tallied(instructions: Iterable[tuple[str, str, Expected]]) -> Tally:
    """The outcomes of instructions."""
    tally = Tally()
    for name, sig, expected in instructions:
        tally.add(name, *outcome(sig, expected))
    return tally


def share_read(tally: Tally) -> tuple[int, int]:
    """(understood, of those that have a reading)."""
    counts = tally.counts
    understood = counts[Outcome.RIGHT] + counts[Outcome.WRONG]
    return understood, understood + counts[Outcome.REFUSED_THOUGH_ANSWERABLE]


def main() -> int:
    """Print the report; 0 when nothing was misread, in either table, and enough was read."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted(f for p in ("*_cases.jsonl", "*frequency*.json") for f in arguments.data.glob(f"sig/{p}"))
    given = tallied(cases(arguments.data))
    ours = tallied(own()) if given.n else Tally()
    (read, of), (own_read, own_of) = share_read(given), share_read(ours)
    wrong, own_wrong = given.counts[Outcome.WRONG], ours.counts[Outcome.WRONG]
    share = read / of if of else 0.0
    return report(
        check="text.sig",
        tally=given,
        data=arguments.data,
        covers="of short English dose instructions and Latin short forms nearly all are understood, and what is "
        "understood is what the reference says; prescriptions of a real pharmacy are more varied",
        truth=Truth.OUTSIDE,
        split=split_of(files, DEVELOPED),
        files=files,
        figures={
            "n": given.n,
            "read": round(share, 4),
            "wrong": wrong,
            "given": given.n,
            "own": ours.n,
            "own_read": round(own_read / own_of, 4) if own_of else None,
            "own_wrong": own_wrong,
            "own_refused_rightly": ours.counts[Outcome.REFUSED_RIGHTLY],
            "to_refuse": sum(not expected for _, _, expected in own()) if given.n else 0,
        },
        intervals={"read": wilson(read, of), "wrong": wilson(wrong, given.n)},
        methods=["terminology.reading"],
        as_json=arguments.json,
        ok=not wrong and not own_wrong and share >= ENOUGH and own_read >= ENOUGH * own_of,
    )


if __name__ == "__main__":
    sys.exit(main())
