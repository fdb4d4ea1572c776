"""Integrated healthcare timetabling (IHTC-2024): the rules against stated costs, and plans made within a minute.

Files are ``*.json`` below ``ihtp/`` or in the folder: instances, and solutions named ``sol_NAME.json`` or
``NAME_solution.json``. Cases: each solution whose cost is stated (in the file, or in ``best_known.csv``) must be given
exactly that cost and no violation; a solution that is known to break rules must be given exactly those; each instance
that is planned must get a plan without hard violations within 60 seconds of wall time, read back from its JSON.
``best_known`` is the stated cost, ``gap`` how far ours is above it (negative: below) as a share of it, ``bound`` our
own lower bound and ``gap_to_bound`` the share of our cost above it.
"""

from __future__ import annotations

import csv
import fnmatch
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from salus.operations.model import Instance
from salus.operations.read import read_instance, read_plan, write_plan
from salus.operations.rules import score
from salus.operations.solve import Settings, solve
from validation._report import argument_parser, report

LIMIT = 60.0
PLANNED = "small*,test0[1-5]"
AT_MOST = 14
KNOWN_BROKEN = {"toy": {"gender_mix": 3}}
"""What the organisers' validator finds in solutions that were made to break rules."""


def name_of(solution: Path) -> str | None:
    """The instance a solution file belongs to; None for other files."""
    found = re.fullmatch(r"sol_(.+)|(.+)_solution", solution.stem)
    return (found[1] or found[2]) if found else None


def stated_costs(folder: Path) -> dict[str, int]:
    """Costs that somebody else's validator gave, by instance."""
    found = {}
    for table in folder.glob("best_known*.csv"):
        with table.open(encoding="utf-8", newline="") as stream:
            found |= {row["instance"]: int(row["best_known_2025_12"]) for row in csv.DictReader(stream)}
    for path in folder.glob("*.json"):
        name = name_of(path)
        said = re.search(r"Cost:\s*(\d+)", " ".join(json.loads(path.read_bytes()).get("costs", []))) if name else None
        if name and said:
            found[name] = int(said[1])
    return found


def recount(instance: Instance, solution: Path, name: str, stated: int | None) -> tuple[dict[str, Any], str | None]:
    """Figures of a given solution, and why it is a failure (None: it is not)."""
    found = score(instance, read_plan(solution.read_bytes(), instance))
    broken = {rule: count for rule, count in found.hard.items() if count}
    figures = {"cost": found.cost, "violations": found.violations, "best_known": stated}
    expected = KNOWN_BROKEN.get(name, {})
    if broken != expected:
        return figures, f"violations {broken}, known are {expected}"
    if stated is not None and found.cost != stated:
        return figures, f"cost {found.cost}, stated {stated}"
    return figures, None


def planned(instance: Instance, seconds: float, stated: int | None) -> tuple[dict[str, Any], str | None]:
    """Figures of a plan of ours, and why it is a failure."""
    start = time.monotonic()
    outcome = solve(instance, Settings(seconds=seconds), time.monotonic)
    took = time.monotonic() - start
    if outcome.plan is None:
        return {"cost": None, "violations": None, "best_known": stated}, "no feasible plan found"
    found = score(instance, read_plan(write_plan(instance, outcome.plan), instance))
    figures: dict[str, Any] = {
        "cost": found.cost,
        "violations": found.violations,
        "best_known": stated,
        "gap": None if not stated else round(found.cost / stated - 1, 4),
        "bound": outcome.bound,
        "gap_to_bound": None if outcome.bound is None or not found.cost else round(1 - outcome.bound / found.cost, 4),
        "seconds": round(took, 1),
        "steps": outcome.steps,
        "stopped": outcome.stopped,
    }
    if found.violations:
        return figures, f"violations {dict(found.hard)}"
    if took > LIMIT:
        return figures, f"took {took:.1f} s"
    return figures, None


def chosen(instances: dict[str, Path], asked: str) -> list[str]:
    """The instances to be planned: those that match, else the smallest files."""
    patterns = asked.split(",")
    found = [name for name in sorted(instances) if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    if found or asked != PLANNED:
        return found
    return sorted(sorted(instances, key=lambda name: instances[name].stat().st_size)[:AT_MOST])


def main() -> int:
    """Print the report; 0 when every cost is reproduced and every plan keeps the hard rules."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--instances", default=PLANNED, help="names to plan, comma-separated, with wildcards")
    parser.add_argument("--seconds", type=float, default=45.0, help="wall time for each plan (at most 60)")
    parser.add_argument("--quick", action="store_true", help="8 seconds for each of the first three")
    arguments = parser.parse_args()
    folder = arguments.data / "ihtp" if (arguments.data / "ihtp").is_dir() else arguments.data
    solutions = {name: path for path in sorted(folder.glob("*.json")) if (name := name_of(path))}
    instances = {
        p.stem: p for p in sorted(folder.glob("*.json")) if name_of(p) is None and b'"patients"' in p.read_bytes()
    }
    stated, used, n = stated_costs(folder), set(), 0
    figures: dict[str, Any] = {}
    failures: list[dict[str, str]] = []
    recounted = 0

    for name, solution in solutions.items():
        if name not in instances or (name not in stated and name not in KNOWN_BROKEN):
            continue
        n += 1
        used |= {instances[name], solution}
        figures[name], why = recount(read_instance(instances[name].read_bytes()), solution, name, stated.get(name))
        recounted += why is None
        failures += [{"id": f"solution of {name}", "why": why}] if why else []

    names = chosen(instances, arguments.instances)[: 3 if arguments.quick else None]
    gaps = []
    for name in names:
        n += 1
        used.add(instances[name])
        seconds = 8.0 if arguments.quick else min(arguments.seconds, LIMIT - 2)
        found, why = planned(read_instance(instances[name].read_bytes()), seconds, stated.get(name))
        given = figures.get(name)
        figures[name] = found | ({"given_solution": given} if given else {})
        gaps += [found["gap"]] if found.get("gap") is not None else []
        failures += [{"id": f"plan of {name}", "why": why}] if why else []
        print(f"{name}: {found}", file=sys.stderr)

    totals = {
        "solutions_reproduced": recounted,
        "planned": len(names),
        "mean_gap_to_given": round(sum(gaps) / len(gaps), 4) if gaps else None,
    }
    return report(
        check="operations.ihtp",
        n=n,
        passed=n - len(failures),
        data=arguments.data,
        files=sorted(used),
        figures={**totals, **figures},
        methods=["operations.planning"],
        failures=failures,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
