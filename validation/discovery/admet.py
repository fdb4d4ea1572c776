"""Endpoint prediction on measured compounds whose scaffolds were not seen: error and coverage of the 90 % intervals.

Every ``biogen_*.csv`` (below ``admet/`` or in the folder; columns smiles and activity) is one endpoint. It is cut into
five folds by SHA-256 of the Bemis-Murcko scaffold's canonical SMILES (no stereochemistry) modulo 5; each fold is
predicted by a model fitted to the other four. With ``--train FILE --test FILE`` (may be repeated) the test file is
predicted instead. RAE = sum |y - predicted| / sum |y - mean of y in its test fold|.

``biogen_rae`` and ``coverage_90`` are over all compounds, those outside the domain too; what the domain rule would let
through is in ``*_assessable``. The check holds when the mean RAE is at most 0.80 and coverage lies in 0.86 to 0.95.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from salus.discovery.endpoints import Model
from salus.discovery.features import features
from salus.discovery.measurements import Endpoint, Table, endpoint, read_table
from salus.discovery.molecule import scaffold_fold
from salus.errors import InputError
from validation._report import argument_parser, report

FOLDS = 5
RAE_AT_MOST = 0.80
COVERAGE = (0.86, 0.95)


def endpoint_of(path: Path) -> Endpoint:
    """The endpoint that a file name speaks of; one that is not known is taken as it is."""
    name = path.name.split(".")[0].removeprefix("biogen_").removesuffix("_train").removesuffix("_test")
    try:
        return endpoint(name)
    except InputError:
        return Endpoint(name, name, "as in the file", "low")


def predicted(train: Table, test: Table) -> np.ndarray:
    """Columns y, mean of y in this test set, predicted, low, high, inside the domain, spread."""
    model = Model.fit(train)
    found = model.estimate(features(test.molecules))
    mean = np.full(len(test.values), test.values.mean())
    return np.column_stack([test.values, mean, found.value, found.low, found.high, found.inside, found.spread])


def cross_validated(table: Table) -> np.ndarray:
    """The same, each scaffold fold predicted from the others."""
    folds = np.array([scaffold_fold(molecule, FOLDS) for molecule in table.molecules])
    parts = [
        predicted(table.subset(np.flatnonzero(folds != k)), table.subset(np.flatnonzero(folds == k)))
        for k in range(FOLDS)
        if np.any(folds == k)
    ]
    return np.concatenate(parts)


def rae(rows: np.ndarray) -> float:
    """Relative absolute error."""
    return float(np.abs(rows[:, 0] - rows[:, 2]).sum() / np.abs(rows[:, 0] - rows[:, 1]).sum())


def covered(rows: np.ndarray) -> np.ndarray:
    """Whether the interval holds the measured value."""
    return (rows[:, 3] <= rows[:, 0]) & (rows[:, 0] <= rows[:, 4])


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share."""
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return round(middle - half, 4), round(middle + half, 4)


def by_spread(rows: np.ndarray) -> list[float]:
    """Coverage in thirds of the compounds, from the best known to the least known."""
    order = np.argsort(rows[:, 6], kind="stable")
    return [round(float(covered(rows[part]).mean()), 4) for part in np.array_split(order, 3)]


def figures(results: dict[str, np.ndarray]) -> dict[str, Any]:
    """All figures; ``biogen_rae`` is the mean over the endpoints."""
    everything = np.concatenate(list(results.values()))
    inside = everything[everything[:, 5] > 0]
    found: dict[str, Any] = {
        "biogen_rae": round(float(np.mean([rae(rows) for rows in results.values()])), 4),
        "coverage_90": round(float(covered(everything).mean()), 4),
        "assessable": round(len(inside) / len(everything), 4),
        "coverage_90_assessable": round(float(covered(inside).mean()), 4),
        "coverage_90_by_spread": by_spread(everything),
    }
    for name, rows in results.items():
        kept = rows[rows[:, 5] > 0]
        found[f"rae_{name}"] = round(rae(rows), 4)
        found[f"rae_{name}_assessable"] = round(rae(kept), 4)
        found[f"coverage_90_{name}"] = round(float(covered(rows).mean()), 4)
        found[f"width_90_{name}"] = round(float(np.median(rows[:, 4] - rows[:, 3])), 3)
        found[f"n_{name}"] = len(rows)
    return found


def pairs(arguments: Any) -> list[tuple[Path, Path | None]]:
    """Train files, each with its test file or None."""
    if arguments.train or arguments.test:
        if len(arguments.train) != len(arguments.test):
            sys.exit("give as many --test as --train files")
        return list(zip(arguments.train, arguments.test, strict=True))
    folder = arguments.data
    found = sorted(folder.glob("admet/biogen_*.csv*")) or sorted(folder.glob("biogen_*.csv*"))
    return [(path, None) for path in found]


def main() -> int:
    """Print the report; 0 when error and coverage hold."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--train", type=Path, action="append", default=[], help="fit to this file (with --test)")
    parser.add_argument("--test", type=Path, action="append", default=[], help="and predict this one")
    arguments = parser.parse_args()
    chosen = pairs(arguments)
    results, failures, rejected = {}, [], 0
    for train, test in chosen:
        what = endpoint_of(train)
        table = read_table(train, what)
        asked = read_table(test, what) if test else table
        rejected += len(asked.rejected)
        failures += [{"id": f"{(test or train).name}:{row.line}", "why": row.why} for row in asked.rejected]
        results[what.id] = predicted(table, asked) if test else cross_validated(table)
    found = figures(results) if results else {}
    n = sum(map(len, results.values())) + rejected
    passed = int(sum(covered(rows).sum() for rows in results.values()))
    ok = bool(results) and found["biogen_rae"] <= RAE_AT_MOST and COVERAGE[0] <= found["coverage_90"] <= COVERAGE[1]
    total = n - rejected
    return report(
        check="discovery.admet",
        n=n,
        passed=passed,
        data=arguments.data,
        files=[path for pair in chosen for path in pair if path],
        figures=found,
        intervals={"coverage_90": wilson(found["coverage_90"], total)} if results else {},
        methods=["discovery.endpoints"],
        failures=failures,
        as_json=arguments.json,
        ok=ok,
    )


if __name__ == "__main__":
    sys.exit(main())
