"""CKD-EPI 2021 eGFR against MedCalc-Bench answers (those its corrected calculators reproduce) and clincalc's.

MedCalc-Bench: within the set's own limits (5 %). clincalc rounds to an integer: within one half. A case is one answer:

- right, wrong: inside these limits and within 0.01 of the paper's equation (see below), or not;
- refused though answerable: salus gives no eGFR where the reference has one. Creatinines outside 0.1 to 20 mg/dL are
  refused as mistaken units; clincalc computes them all the same, so they count here and not as passed;
- not read: the reference cannot be the truth. Either the set's own corrected calculator gives another answer, or the
  answer lies outside the limits around the paper's equation (Inker 2021, NEJM 385:1737), which is computed here:
  MedCalc-Bench takes the women's kappa of 0.7 for men with a creatinine below 0.9 mg/dL.

The check holds when nothing is wrong and every refusal is of a creatinine outside 0.1 to 20 mg/dL.
"""

from __future__ import annotations

import ast
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from salus.errors import InputError
from salus.fhir.quantity import Quantity, convert
from salus.risk.engine import Estimate
from salus.risk.kidney import egfr
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, wilson

PLAUSIBLE = (0.1, 20.0)
WITHIN = 0.01
"""mL/min/1.73 m2: both compute the same formula, so only the conversion of units can differ (88.4 is a rounded "
"mass)."""
EQUATION = "salus/risk/equations/ckd-epi-2021-creatinine.json"
MUTANTS = (
    Mutant(EQUATION, '"female": {"kappa": 0.7}', '"female": {"kappa": 0.9}', "kappa of women is that of men"),
    Mutant(EQUATION, '"creatinine_low": -0.302', '"creatinine_low": -0.241', "alpha of men is that of women"),
    Mutant(EQUATION, '{"ln": 1.012}', '{"ln": 1.018}', "the women's factor of the 2009 equation"),
    Mutant(EQUATION, '-0.302, "creatinine_high": -1.2,', '-0.302, "creatinine_high": -1.209,',
           "a 2009 exponent for men"),
    Mutant(EQUATION, '[{"ln": 142}, {"ln": 1.012}]', '[{"ln": 142}]', "women are computed like men"),
    Mutant(EQUATION, '"minimum": 0.1, "maximum": 20', '"minimum": 0.1, "maximum": 2', "high creatinines are refused"),
    Mutant(EQUATION, '["at_most", 1], ["ln"]', '["at_least", 1], ["ln"]', "the low branch never applies"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A creatinine with what the reference answers; ``trusted`` is False where its own makers withdrew the answer."""

    id: str
    value: float
    unit: str
    age: int
    sex: str
    low: float
    high: float
    trusted: bool = True


def paper(creatinine: float, age: int, sex: str) -> float:
    """CKD-EPI 2021 as the paper gives it, written here a second time: 142 min(Scr/k, 1)^a max(Scr/k, 1)^-1.2 "
    "0.9938^age,
    times 1.012 for women."""
    kappa, alpha, factor = (0.7, -0.241, 1.012) if sex == "female" else (0.9, -0.302, 1.0)
    ratio = creatinine / kappa
    return float(142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.2 * 0.9938**age * factor)


def cases(folder: Path) -> Iterator[Case]:
    """Every case of both sets."""
    for path in sorted(folder.glob("medcalc/*.jsonl")):
        for row in map(json.loads, path.read_text("utf-8").splitlines()):
            if "CKD-EPI" in row["Calculator Name"]:
                given = ast.literal_eval(row["Relevant Entities"])
                value, unit = given["creatinine"]
                yield Case(
                    f"medcalc-{row['Row Number']}", value, unit, int(given["age"][0]), given["sex"].lower(),
                    float(row["Lower Limit"]), float(row["Upper Limit"]), bool(row.get("reproduced_by_head")),
                )  # fmt: skip
    for path in sorted(folder.glob("vectors/clincalc*.jsonl")):
        for number, row in enumerate(map(json.loads, path.read_text("utf-8").splitlines())):
            if row["calculator"] == "egfr":
                given, answer = row["input"], row["result"]
                unit = given.get("creatinine_unit", "umol/L")
                yield Case(f"clincalc-{number}", given["creatinine"], unit, int(given["age"]), given["sex"],
                           answer - 0.5, answer + 0.5)  # fmt: skip


def judge(case: Case) -> tuple[Outcome, str, bool]:
    """How the case ends, why, and whether a creatinine that can be was refused."""
    if not case.trusted:
        return Outcome.NOT_READ, "the set's own corrected calculator gives another answer", False
    low, high = case.low - 1e-9, case.high + 1e-9
    try:
        amount = float(convert(Quantity(Decimal(str(case.value)), case.unit), "mg/dL", "creatinine").value)
    except InputError as error:
        return Outcome.REFUSED_THOUGH_ANSWERABLE, str(error), True
    own = case.value / 88.4 if case.unit.endswith("mol/L") else case.value
    published = paper(own, case.age, case.sex)
    if not low <= published <= high:
        return Outcome.NOT_READ, f"the reference {case.low}..{case.high} is not the paper's equation", False
    result = egfr(amount, case.age, case.sex)
    if isinstance(result, Estimate):
        right = low <= result.value <= high and abs(result.value - published) <= WITHIN
        why = "" if right else f"{result.value:.3f}, reference {case.low}..{case.high}, equation {published:.3f}"
        return (Outcome.RIGHT if right else Outcome.WRONG), why, False
    return Outcome.REFUSED_THOUGH_ANSWERABLE, f"refused: {result[0].text}", PLAUSIBLE[0] <= own <= PLAUSIBLE[1]


def main() -> int:
    """Print the report; 0 when nothing is wrong and only creatinines that cannot be are refused."""
    arguments = argument_parser(__doc__ or "").parse_args()
    tally, refused_plausible, by_set = Tally(), 0, Counter[str]()
    for case in cases(arguments.data):
        outcome, why, plausible = judge(case)
        tally.add(case.id, outcome, why)
        refused_plausible += plausible
        by_set[f"{case.id.partition('-')[0]}/{outcome}"] += 1
    counts = tally.counts
    answered = counts[Outcome.RIGHT] + counts[Outcome.WRONG]
    return report(
        check="risk.egfr",
        tally=tally,
        data=arguments.data,
        covers="an eGFR that salus states is that of CKD-EPI 2021 for the given creatinine, age and sex",
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        files=sorted(arguments.data.glob("medcalc/*.jsonl")) + sorted(arguments.data.glob("vectors/clincalc*.jsonl")),
        figures={
            "refused": counts[Outcome.REFUSED_THOUGH_ANSWERABLE],
            "refused_plausible": refused_plausible,
            "right_of_answered": counts[Outcome.RIGHT] / answered if answered else None,
            "by_set": dict(sorted(by_set.items())),
        },
        intervals={"right_of_answered": wilson(counts[Outcome.RIGHT], answered)},
        methods=["risk.egfr"],
        as_json=arguments.json,
        ok=not counts[Outcome.WRONG] and not refused_plausible and counts[Outcome.RIGHT] > 0,
    )


if __name__ == "__main__":
    sys.exit(main())
