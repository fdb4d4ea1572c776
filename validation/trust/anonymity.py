"""k-anonymous release against published optima: k holds on the released table, and the loss is near the optimum.

Cases, tables and hierarchies are found by their form: ``*expected.json`` with cases beside folders that hold one table
``NAME.csv`` and its ``NAME_hierarchy_*.csv``. The released table is counted here anew, not by the code's own word.
"""

from __future__ import annotations

import csv
import json
import math
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report

_RELEASE = "salus/trust/anonymise.py"
MUTANTS = (
    Mutant(
        _RELEASE,
        "return int(counts[counts < k].sum())",
        "return int(counts[counts < k - 1].sum())",
        "classes of k - 1 are let through",
    ),
    Mutant(_RELEASE, "np.log2(counts / together)", "np.log(counts / together)", "the loss is in nats"),
    Mutant(_RELEASE, "good = counts >= k\n", "good = counts >= k - 1\n", "rows of small classes are kept"),
    Mutant(_RELEASE, "lattice.losses[path[low]] < lattice.losses[best]", "False", "the first node found is the best"),
)

TOLERANCE = 1.02
"""Of the optimal loss: losses are sums of logarithms over 30,000 rows. Less than the optimum means that the loss is
another, or that the release is not what it says."""


def read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    return rows[0], rows[1:]


def kept_by(condition: Any, inside: Counter, everything: Counter) -> bool:
    """Whether a class keeps a condition, computed anew by its definition."""
    n, total = inside.total(), everything.total()
    kind = type(condition).__name__
    if kind == "DistinctDiversity":
        return len(inside) >= condition.l
    if kind == "EntropyDiversity":
        return -sum(k / n * math.log(k / n) for k in inside.values()) >= math.log(condition.l) - 1e-9
    if kind == "RecursiveDiversity":
        most = sorted(inside.values(), reverse=True)
        return len(most) >= condition.l and most[0] < condition.c * sum(most[condition.l - 1 :])
    if kind == "EqualCloseness":
        return sum(abs(inside[v] / n - k / total) for v, k in everything.items()) / 2 <= condition.t + 1e-9
    height = len(next(iter(condition.levels.values()))) - 1
    cost = 0.0
    for level in range(height):  # what cannot be settled among the children of one parent has to pass through it
        flow = Counter()
        for value, k in everything.items():
            flow[condition.levels[value][level]] += inside[value] / n - k / total
        cost += sum(abs(extra) for extra in flow.values()) / 2 / height
    return cost <= condition.t + 1e-9


def wrong(told, columns, rows, hierarchies, k: int, limit: float, demanded: list[Any]) -> str:
    """What is wrong with a release, counted from its rows alone. "" when nothing is."""
    places = [columns.index(h.attribute) for h in hierarchies]
    quasi = [tuple(row[p] for p in places) for row in told.rows]
    suppressed = sum(all(value == "*" for value in row) for row in quasi) if told.suppressed else 0
    sizes = Counter(row for row in quasi if not (told.suppressed and all(value == "*" for value in row)))
    if len(told.rows) != len(rows) or suppressed > limit * len(rows):
        return f"{suppressed} of {len(rows)} rows suppressed"
    if sizes and min(sizes.values()) < k:
        return f"a class of {min(sizes.values())}"
    for condition in demanded:
        place = columns.index(condition.attribute)
        inside: dict[tuple, Counter] = {}
        for row, key in zip(rows, quasi, strict=True):
            if key in sizes:
                inside.setdefault(key, Counter())[row[place]] += 1
        if not all(kept_by(condition, found, Counter(row[place] for row in rows)) for found in inside.values()):
            return f"a class breaks {condition}"
    for row, original in zip(told.rows, rows, strict=True):
        for place, hierarchy in zip(places, hierarchies, strict=True):
            if row[place] not in ("*", hierarchy.levels[original[place]][told.levels[hierarchy.attribute]]):
                return "a value that is not the generalisation of its original"
    return ""


def conditions(models: str, sensitive: str | None, hierarchies: dict[str, Path]) -> tuple[int, list[Any]] | None:
    """k and the conditions that a case names; None for a model that is not built here."""
    from salus.trust import diversity
    from salus.trust.anonymise import Hierarchy

    k, found = 1, list[Any]()
    for name, arguments in re.findall(r"addPrivacyModel\(new (\w+)\(([^()]*)\)\)", models):
        given = [a.strip().strip('"') for a in arguments.split(",")]
        column, numbers = (sensitive or "", given) if _is_number(given[0]) else (given[0], given[1:])
        values = [float(n.rstrip("dDfF")) for n in numbers if _is_number(n)]
        if name == "KAnonymity":
            k = int(values[0])
        elif name == "DistinctLDiversity":
            found.append(diversity.DistinctDiversity(column, int(values[0])))
        elif name == "EntropyLDiversity":
            found.append(diversity.EntropyDiversity(column, values[0]))
        elif name == "RecursiveCLDiversity":
            found.append(diversity.RecursiveDiversity(column, values[0], int(values[1])))
        elif name == "EqualDistanceTCloseness":
            found.append(diversity.EqualCloseness(column, values[0]))
        elif name == "HierarchicalDistanceTCloseness" and column in hierarchies:
            levels = Hierarchy.read(column, hierarchies[column]).levels
            found.append(diversity.HierarchicalCloseness(column, values[0], levels))
        else:
            return None
    return (k, found) if models.count("addPrivacyModel") == len(found) + (k > 1) else None


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?[dDfF]?", text) is not None


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
            model = conditions(case["models"], case["sensitive"], found)
            name = f"{expected.name} case {number}"
            if not model:
                tally.add(name, Outcome.NOT_READ, f"not built: {case['models']}")
                continue
            (k, demanded), limit = model, float(case["suppression_limit"])
            hierarchies = [Hierarchy.read(c, found[c]) for c in columns if c in found and c != case["sensitive"]]
            start = time.process_time()
            told = release(columns, rows, hierarchies, k=k, suppression=limit, conditions=demanded)
            seconds += time.process_time() - start
            ratio = told.loss / case["optimal_information_loss"]
            figures[f"loss_ratio_{number}"] = ratio
            figures[f"nodes_tested_{number}"] = told.tested
            why = wrong(told, columns, rows, hierarchies, k, limit, demanded)
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
