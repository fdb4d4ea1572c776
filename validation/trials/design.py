"""Group-sequential designs and sample sizes against those of rpact.

A design passes when critical values, stage levels, alpha spent, futility bounds, inflation and expected information
under both hypotheses are within 1e-4; a size when people and events are within 1. What the tables leave to rpact's
call is named here: the designs behind OF3 and asOF2, and the deltas of Pampallona–Tsiatis.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from salus.errors import InputError
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report

_SEQUENTIAL, _SIZES = (f"salus/trials/design/{name}.py" for name in ("groupsequential", "samplesize"))
MUTANTS = (
    Mutant(
        _SEQUENTIAL,
        "1 - alpha / 2) / math.sqrt(time)",
        "1 - alpha) / math.sqrt(time)",
        "O'Brien-Fleming spending is one-sided",
    ),
    Mutant(
        _SEQUENTIAL,
        '"OF": lambda c: tuple(c / math.sqrt(t) for t in times)',
        '"OF": lambda c: tuple(c for t in times)',
        "O'Brien-Fleming has Pocock's bounds",
    ),
    Mutant(
        _SIZES, "pooled * (1 - pooled) * (1 + 1 / ratio)", "pooled * (1 - pooled) * (1 + ratio)", "allocation is turned"
    ),
    Mutant(_SIZES, "math.sqrt(ratio) / (1 + ratio)", "math.sqrt(ratio) / 2", "allocation of means is 1:1"),
)

TOLERANCE, WITHIN = 1e-4, 1.0
"""Of critical values, levels and information: rpact iterates to 1e-6 to 1e-8 and prints six digits or more. Of people
and events: a size is rounded up, so that two right answers may lie on two sides of a whole number."""
PT_DELTAS = (0.1, 0.2)
NO_FUTILITY = -6.0
DROPOUT = 0.05


def numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(";")] if text.strip() else []


def far(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The largest difference; infinite where the lengths or infinities differ."""
    if len(ours) != len(theirs):
        return math.inf
    pairs = list(zip(ours, theirs, strict=True))
    return max((0.0 if a == b else abs(a - b) if math.isfinite(a - b) else math.inf for a, b in pairs), default=0.0)


def design_differences(row: dict[str, str]) -> dict[str, float]:
    from salus.trials.design.groupsequential import design

    told = design(
        row["type"],
        numbers(row["info"]),
        alpha=float(row["alpha"]),
        beta=float(row["beta"]),
        parameter=float(row["param"]) if row["param"].strip() else None,
        deltas=PT_DELTAS,
    )
    futility = [-math.inf if b == NO_FUTILITY else b for b in numbers(row["futility"])]
    return {
        "crit": far(told.critical, numbers(row["crit"])),
        "stage": far(told.levels, numbers(row["stage"])),
        "spent": far(told.spent, numbers(row["spent"])),
        "futility": far(told.futility, futility),
        "inflation": abs(told.inflation - float(row["inflation"])),
        "asn0": abs(told.asn0 - float(row["asn0"])),
        "asn1": abs(told.asn1 - float(row["asn1"])),
    }


def designs() -> dict:
    from salus.trials.design.groupsequential import design

    return {
        "fixed": design("OF", [1.0], alpha=0.025, beta=0.2),
        "OF3": design("OF", [1 / 3, 2 / 3, 1.0], alpha=0.025, beta=0.1),
        "asOF2": design("asOF", [0.6, 1.0], alpha=0.025, beta=0.2),
    }


def size_differences(row: dict[str, str], known: dict) -> dict[str, float]:
    from salus.trials.design import samplesize as sizes

    a, b, c = (float(row[name]) for name in "abc")
    kind = known[row["design"]]
    if row["kind"] == "means":
        told = sizes.means(kind, a, b, c)
    elif row["kind"] == "rates":
        told = sizes.rates(kind, a, b, c)
    else:
        told = sizes.survival(kind, sizes.Survival(a, b, c, float(row["d"]), dropout=DROPOUT))
    off = {"people": abs(told.maximum - float(row["n_fixed_or_max"]))}
    if row["events"]:
        off["events"] = abs((told.events or 0.0) - float(row["events"]))
    if row["exp_h1"]:
        off["expected"] = abs(told.expected - float(row["exp_h1"]))
    return off


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    tables = (
        sorted(arguments.data.rglob("design/*designs*.csv")),
        sorted(arguments.data.rglob("design/*samplesize*.csv")),
    )
    tally, counts, passed, worst = Tally(), [0, 0], [0, 0], [0.0, 0.0]
    known = designs()
    for kind, paths in enumerate(tables):
        for path in paths:
            for number, row in enumerate(read(path)):
                counts[kind] += 1
                case = f"{path.name}:{number + 2}"
                try:
                    off = size_differences(row, known) if kind else design_differences(row)
                except InputError as error:
                    tally.add(case, Outcome.REFUSED_THOUGH_ANSWERABLE, str(error))
                    continue
                limit = WITHIN if kind else TOLERANCE
                wrong = {name: value for name, value in off.items() if not value <= limit}
                passed[kind] += not wrong
                worst[kind] = max(worst[kind], *off.values())
                tally.add(case, Outcome.WRONG if wrong else Outcome.RIGHT, str(wrong))
    figures = {
        "n": tally.n,
        "passed": tally.passed,
        "designs": counts[0],
        "designs_passed": passed[0],
        "designs_largest_difference": worst[0],
        "sizes": counts[1],
        "sizes_passed": passed[1],
        "sizes_largest_difference": worst[1],
    }
    return report(
        check="trials.design",
        tally=tally,
        covers="critical values, levels, futility, inflation and sample sizes are those of rpact",
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        data=arguments.data,
        files=[*tables[0], *tables[1]],
        figures=figures,
        methods=["trials.design"],
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
