"""k-anonymous release against published optima: k holds on the released table, and the loss is near the optimum.

Cases, tables and hierarchies are found by their form: ``*expected.json`` with cases beside folders that hold one table
``NAME.csv`` and its ``NAME_hierarchy_*.csv``. The released table is counted here anew, not by the code's own word.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path

from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report

_RELEASE = "salus/trust/anonymise.py"
MUTANTS = (
    Mutant(_RELEASE, "counts[counts < k].sum()", "counts[counts < k - 1].sum()", "classes of k - 1 are let through"),
    Mutant(_RELEASE, "np.log2(counts / together)", "np.log(counts / together)", "the loss is in nats"),
    Mutant(
        _RELEASE, "keep = counts[inverse] >= k", "keep = counts[inverse] >= k - 1", "rows of small classes are kept"
    ),
    Mutant(_RELEASE, "lattice.losses[path[low]] < lattice.losses[best]", "False", "the first node found is the best"),
)

TOLERANCE = 1.02
"""Of the optimal loss: losses are sums of logarithms over 30,000 rows. Less than the optimum means that the loss is
another, or that the release is not what it says."""


def read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    return rows[0], rows[1:]


def wrong(told, columns, rows, hierarchies, k: int, limit: float) -> str:
    """What is wrong with a release, counted from its rows alone. "" when nothing is."""
    places = [columns.index(h.attribute) for h in hierarchies]
    quasi = [tuple(row[p] for p in places) for row in told.rows]
    suppressed = sum(all(value == "*" for value in row) for row in quasi) if told.suppressed else 0
    sizes = Counter(row for row in quasi if not (told.suppressed and all(value == "*" for value in row)))
    if len(told.rows) != len(rows) or suppressed > limit * len(rows):
        return f"{suppressed} of {len(rows)} rows suppressed"
    if sizes and min(sizes.values()) < k:
        return f"a class of {min(sizes.values())}"
    for row, original in zip(told.rows, rows, strict=True):
        for place, hierarchy in zip(places, hierarchies, strict=True):
            if row[place] not in ("*", hierarchy.levels[original[place]][told.levels[hierarchy.attribute]]):
                return "a value that is not the generalisation of its original"
    return ""


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    from salus.trust.anonymise import Hierarchy, release

    tally, files, figures = Tally(), [], {}
    seconds = 0.0
    for expected in sorted(arguments.data.rglob("*expected.json")):
        cases = json.loads(expected.read_text("utf-8")).get("cases", [])
        tables = [p for p in sorted(expected.parent.rglob("*.csv")) if "_hierarchy_" not in p.name]
        if not cases or len(tables) != 1:
            continue
        columns, rows = read_table(tables[0])
        found = {p.stem.partition("_hierarchy_")[2]: p for p in sorted(tables[0].parent.glob("*_hierarchy_*.csv"))}
        files += [expected, tables[0], *found.values()]
        for number, case in enumerate(cases):
            model = re.fullmatch(r"addPrivacyModel\(new KAnonymity\((\d+)\)\)", case["models"])
            name = f"{expected.name} case {number}"
            if not model:
                tally.add(name, Outcome.NOT_READ, f"not built: {case['models']}")
                continue
            k, limit = int(model[1]), float(case["suppression_limit"])
            hierarchies = [Hierarchy.read(c, found[c]) for c in columns if c in found and c != case["sensitive"]]
            start = time.process_time()
            told = release(columns, rows, hierarchies, k=k, suppression=limit)
            seconds += time.process_time() - start
            ratio = told.loss / case["optimal_information_loss"]
            figures[f"loss_ratio_{number}"] = ratio
            figures[f"nodes_tested_{number}"] = told.tested
            why = wrong(told, columns, rows, hierarchies, k, limit)
            right = not why and 1 / TOLERANCE <= ratio <= TOLERANCE
            tally.add(name, Outcome.RIGHT if right else Outcome.WRONG, why or f"loss {ratio:.4f} of the optimum")
    figures |= {"n": tally.n, "passed": tally.passed, "cpu_seconds": seconds}
    return report(
        check="trust.anonymity",
        tally=tally,
        covers="k-anonymous tables have no class below k and the loss of ARX's optimum",
        truth=Truth.OUTSIDE,
        split=Split.UNSEEN,
        data=arguments.data,
        files=files,
        figures=figures,
        methods=["trust.anonymity"],
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
