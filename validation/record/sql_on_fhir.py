"""The suite of SQL on FHIR: every test's view over its resources, rows compared as a multiset.

A row's missing value is null, and '' is not null. Where the suite states the order of columns it has to hold. A case
is a test of the suite:

- right: the rows (and columns) are those expected;
- refused rightly: an error is expected, and the package's own error is raised, when the view is read or when it runs;
- wrong: other rows or columns, no error where one is expected, or any other exception;
- refused though answerable: rows are expected, and the view is refused;
- not read: a test that expects neither rows nor columns nor an error.
"""

from __future__ import annotations

import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from salus.errors import InputError
from salus.fhir import json
from salus.population.views import read
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, split_of

NEEDED = 0.60
"""Least share of the suite; of the files that the views were made on nothing may fail."""
DEVELOPED = (
    "8b30b32268d59573",
    "4c977231261b4e3c",
    "ea95a14e4b5f819d",
    "731e81cdb521f84e",
    "bde9f9569a4e423e",
    "6399e126c8d9dfe4",
    "01ab110459ba64b9",
    "7c0e9d416c274b5c",
    "97d3498277bb6d1c",
    "994759d101a83fe8",
    "b6911a2bca84f7f1",
    "7610daaec351d13c",
    "944fc590126eebda",
    "0b963ad5148d49f2",
    "79c0ddfb0b440f0d",
    "975951ba56852049",
    "d4d260fc5957af3e",
    "27f02899431cb5bc",
    "ca9a66f7d2a65675",
)
VIEWS = "salus/population/views.py"
MUTANTS = (
    Mutant(VIEWS, "if all(_is_true(path(resource, environment)) for path in self.where):", "if True:",
           "filters are not applied"),
    Mutant(VIEWS, "if any(u.names != names for u in unions[1:]):", "if False:", "unions of other columns are taken"),
    Mutant(VIEWS, "if len(found) > 1 or not isinstance(found[0].value, bool):", "if False:",
           "a filter that is no truth value is taken"),
    Mutant(VIEWS, '"forEachOrNull" in part,', "False,", "rows without an element are lost"),
    Mutant(VIEWS, "if resource.get(\"resourceType\") != self.resource:", "if False:", "every type of resource is read"),
)  # fmt: skip


def frozen(value: Any) -> Any:
    """A value that can be counted: numbers by value, lists as they stand."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | Decimal):
        return Decimal(value).normalize()
    if isinstance(value, list):
        return tuple(frozen(v) for v in value)
    return tuple(sorted((k, frozen(v)) for k, v in value.items())) if isinstance(value, dict) else value


def judge(test: dict[str, Any], resources: list[Any]) -> tuple[Outcome, str]:
    """How a test ends, and why."""
    if not {"expect", "expectColumns", "expectError"} & set(test):
        return Outcome.NOT_READ, "it expects nothing"
    try:
        view = read(test["view"])
        rows = list(view.rows(resources))
    except InputError as error:
        refused = Outcome.REFUSED_RIGHTLY if test.get("expectError") else Outcome.REFUSED_THOUGH_ANSWERABLE
        return refused, f"refused: {error.what}"
    except Exception as error:  # noqa: BLE001 - a defect is a failed case, not the end of the check
        return Outcome.WRONG, f"broke: {error!r}"
    if test.get("expectError"):
        return Outcome.WRONG, "was not refused"
    if "expectColumns" in test and list(view.columns) != test["expectColumns"]:
        return Outcome.WRONG, f"columns {list(view.columns)}"
    if "expect" not in test:
        return Outcome.RIGHT, ""
    names = view.columns
    ours = Counter(tuple(frozen(row.get(n)) for n in names) for row in rows)
    theirs = Counter(tuple(frozen(row.get(n)) for n in names) for row in test["expect"])
    extra = {k for row in test["expect"] for k in row} - set(names)
    if ours == theirs and not extra:
        return Outcome.RIGHT, ""
    return Outcome.WRONG, f"{sum(ours.values())} rows, expected {sum(theirs.values())}"


def main() -> int:
    """Run every test found and report."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted(Path(arguments.data).glob("sql_on_fhir/*.json"))
    tally = Tally()
    for path in files:
        suite = json.loads(path.read_bytes())
        for test in suite.get("tests", ()):
            tally.add(f"{path.stem}: {test['title']}", *judge(test, suite["resources"]))
    n, passed, split = tally.n, tally.passed, split_of(files, DEVELOPED)
    return report(
        check="record.sql_on_fhir",
        tally=tally,
        data=arguments.data,
        covers="views are read and run as the suite of the specification's makers says, and wrong ones are refused; "
        "the "
        "views were written with these tests at hand",
        truth=Truth.OUTSIDE,
        split=split,
        files=files,
        figures={"n": n, "passed": passed, "share": passed / n if n else 0.0},
        methods=["population.views"],
        as_json=arguments.json,
        ok=bool(n) and passed >= (NEEDED if split is Split.UNSEEN else 1) * n,
    )


if __name__ == "__main__":
    sys.exit(main())
