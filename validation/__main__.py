"""Run every check whose data are there: ``python -m validation --data DIR``.

``--cards`` writes the method cards, ``--mutants`` asks instead whether each check notices the changes listed beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from validation import _cards, _mutants

HERE = Path(__file__).parent
TIMEOUT = 5400
DATA_OF = {
    "assistant": "text",
    "careplan": "cases",
    "findings": "trust",
    "operations": "risk",
    "person": "terminology",
    "population": "risk",
    "surgery": "imaging",
    "trials": "discovery",
}
"""Which folder of reference data serves a department that has none of its own name."""


def checks() -> list[tuple[str, str]]:
    """Department and name of every check in this folder."""
    return sorted((p.parent.name, p.stem) for p in HERE.glob("*/*.py") if not p.stem.startswith("_"))


def run(department: str, name: str, data: Path) -> tuple[int, dict[str, Any] | None]:
    """Exit status and result of one check; None when its folder is missing."""
    folder = data / DATA_OF.get(department, department)
    if not folder.is_dir():
        return 2, None
    done = subprocess.run(
        [sys.executable, "-m", f"validation.{department}.{name}", "--data", str(folder), "--json"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **os.environ},  # threads that wait cost more
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        print(done.stderr, file=sys.stderr)
        return done.returncode or 1, None
    return done.returncode, json.loads(lines[-1])


def mutants(chosen: list[tuple[str, str]], data: Path, jobs: int) -> int:
    """Ask each check about its mutants. Returns 1 when one goes unnoticed."""

    def judged(check: tuple[str, str]) -> list[_mutants.Verdict]:
        folder = data / DATA_OF.get(check[0], check[0])
        return _mutants.judge(".".join(check), folder) if folder.is_dir() else []

    unnoticed = n = 0
    with ThreadPoolExecutor(jobs) as pool:
        for verdicts in pool.map(judged, chosen):
            for verdict in verdicts:
                print(verdict.line, flush=True)
                unnoticed += not verdict.noticed
                n += verdict.mutant is not None
    print(f"{n} mutants of {len(chosen)} checks, {unnoticed} verdicts against a check")
    return 1 if unnoticed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with one subfolder a department")
    parser.add_argument("--cards", action="store_true", help="write src/salus/cards/*.json")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="these departments or checks only")
    parser.add_argument("--mutants", action="store_true", help="change the code: does each check notice?")
    parser.add_argument("--jobs", type=int, default=1, help="checks at a time, with --mutants")
    arguments = parser.parse_args()
    chosen = [
        (department, name)
        for department, name in checks()
        if not arguments.only or {department, f"{department}.{name}"} & set(arguments.only)
    ]
    if arguments.mutants:
        return mutants(chosen, arguments.data, arguments.jobs)
    failed, results = 0, []
    for department, name in chosen:
        status, result = run(department, name, arguments.data)
        if result is None:
            print(f"○ {department}.{name}: no data in {arguments.data}, or the check broke")
            failed += status != 2
            continue
        results.append({**result, "held": status == 0})
        failed += status != 0
        figures = {k: v for k, v in result["figures"].items() if isinstance(v, int | float)}
        ended = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in result["outcomes"].items() if n)
        print(f"{'●' if status == 0 else '✗'} {department}.{name} (n {result['n']}: {ended})  {figures}")
    if arguments.cards:
        _cards.write(results)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
