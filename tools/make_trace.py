"""Write the requirement–risk–test trace from docs/risks.toml, and fail where it names what is not there.

python tools/make_trace.py [TARGET.md]
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SEVERITIES = ("critical", "serious", "negligible")


def requirements() -> list[dict[str, Any]]:
    """The rows of docs/risks.toml, the gravest harm first."""
    rows = tomllib.loads((ROOT / "docs" / "risks.toml").read_text("utf-8"))["requirement"]
    return sorted(rows, key=lambda row: SEVERITIES.index(row["severity"]))


def tests_of(place: str) -> list[str]:
    """The test functions that ``place`` ("file" or "file::function") names. Empty when there are none."""
    name, _, function = place.partition("::")
    path = ROOT / name
    if not path.is_file():
        return []
    found = [
        node.name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    return [f for f in found if not function or f == function]


def problems(rows: list[dict[str, Any]]) -> list[str]:
    """What the table names that the repository does not hold, and ids given twice."""
    wrong = [f"{row['id']}: no such file {code}" for row in rows for code in row["code"] if not (ROOT / code).is_file()]
    wrong += [f"{row['id']}: no such test {test}" for row in rows for test in row["tests"] if not tests_of(test)]
    wrong += [f"{row['id']}: no test" for row in rows if not row["tests"]]
    return wrong + [f"{name}: given twice" for name, n in Counter(row["id"] for row in rows).items() if n > 1]


def render(rows: list[dict[str, Any]]) -> str:
    """The trace as Markdown."""
    lines = [
        "# Requirement, harm, tests",
        "",
        "| requirement | harm it prevents | severity | code | tests |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        counted = sum(len(tests_of(test)) for test in row["tests"])
        code = "<br>".join(f"`{c}`" for c in row["code"])
        tests = "<br>".join([f"{counted} functions:", *(f"`{t}`" for t in row["tests"])])
        lines.append(f"| **{row['id']}** {row['text']} | {row['harm']} | {row['severity']} | {code} | {tests} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    rows = requirements()
    wrong = problems(rows)
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        return 1
    if len(sys.argv) > 1:
        target = Path(sys.argv[1])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(render(rows), "utf-8")
        print(f"{target}: {len(rows)} requirements")
    return 0


if __name__ == "__main__":
    sys.exit(main())
