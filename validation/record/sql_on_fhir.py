"""The suite of SQL on FHIR: every test's view over its resources, rows compared as a multiset.

A row's missing value is null, and '' is not null. Where the suite states the order of columns it has to hold. A view
that must be refused has to raise the package's own error, when it is read or when it runs.
"""

from __future__ import annotations

import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from validation._report import argument_parser, report

NEEDED = 0.60


def frozen(value: Any) -> Any:
    """A value that can be counted: numbers by value, lists as they stand."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | Decimal):
        return Decimal(value).normalize()
    if isinstance(value, list):
        return tuple(frozen(v) for v in value)
    return tuple(sorted((k, frozen(v)) for k, v in value.items())) if isinstance(value, dict) else value


def wrong(test: dict[str, Any], resources: list[Any]) -> str:
    """Why a test fails. "" when it passes."""
    from salus.errors import InputError
    from salus.population.views import read

    try:
        view = read(test["view"])
        rows = list(view.rows(resources))
    except InputError as error:
        return "" if test.get("expectError") else f"refused: {error.what}"
    if test.get("expectError"):
        return "was not refused"
    if "expectColumns" in test and list(view.columns) != test["expectColumns"]:
        return f"columns {list(view.columns)}"
    if "expect" not in test:
        return ""
    names = view.columns
    ours = Counter(tuple(frozen(row.get(n)) for n in names) for row in rows)
    theirs = Counter(tuple(frozen(row.get(n)) for n in names) for row in test["expect"])
    extra = {k for row in test["expect"] for k in row} - set(names)
    return "" if ours == theirs and not extra else f"{sum(ours.values())} rows, expected {sum(theirs.values())}"


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    from salus.fhir import json

    files = sorted(Path(arguments.data).glob("sql_on_fhir/*.json"))
    n, failures = 0, []
    for path in files:
        suite = json.loads(path.read_bytes())
        for test in suite["tests"]:
            n += 1
            try:
                why = wrong(test, suite["resources"])
            except Exception as error:  # noqa: BLE001 - a defect is a failed case, not the end of the check
                why = f"broke: {error!r}"
            if why:
                failures.append({"id": f"{path.stem}: {test['title']}", "why": why})
    passed = n - len(failures)
    return report(
        check="record.sql_on_fhir",
        n=n,
        passed=passed,
        data=arguments.data,
        files=files,
        figures={"n": n, "passed": passed, "share": passed / n if n else 0.0},
        methods=["population.views"],
        failures=failures,
        as_json=arguments.json,
        ok=bool(n) and passed >= NEEDED * n,
    )


if __name__ == "__main__":
    sys.exit(main())
