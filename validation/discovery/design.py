"""Generative design on PMO tasks (``gen/pmo_tasks.json``, ``gen/zinc50k.smi.gz``, or both in the folder itself).

Tasks: celecoxib rediscovery and osimertinib MPO, built from the formulas in the file; more with ``--task``. The start
pool is the SMILES file without the task's target (compared without stereochemistry). Every seed is one run of
``--calls`` distinct oracle calls; its figure is AUC top-10 as the file defines it. The check holds when the mean over
the seeds reaches the task's threshold.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Iterable
from typing import Any, Literal

from rdkit import Chem

from salus.discovery.generate import Run, Settings, flattened, run
from salus.discovery.modifiers import Modifier
from salus.discovery.molecule import quiet, read
from salus.discovery.objective import Component, Objective, Property, SimilarityTo
from validation._report import argument_parser, report

THRESHOLDS = {"celecoxib_rediscovery": 0.50, "osimertinib_mpo": 0.78}
PROPERTIES = {"TPSA": "tpsa", "MolLogP": "logp", "n_aromatic_rings": "aromatic-rings", "n_rings": "rings", "QED": "qed"}
MEANS: dict[str, Literal["geometric", "arithmetic"]] = {
    "single": "geometric",
    "geometric_mean": "geometric",
    "arithmetic_mean": "arithmetic",
}


def modifier(about: Any) -> Modifier:
    """The file's desirability curve."""
    if about is None:
        return Modifier()
    if about["type"] == "clipped":
        return Modifier("clipped", about["upper_x"])
    return Modifier(about["type"].replace("_", "-"), about["mu"], about["sigma"])


def component(about: dict[str, Any]) -> Component:
    """One component of a task."""
    if about["kind"] == "tanimoto":
        return SimilarityTo(read(about["target"]), about["fp"], modifier(about["modifier"]))
    if about["kind"] in PROPERTIES:
        return Property(PROPERTIES[about["kind"]], modifier(about.get("modifier")))
    raise SystemExit(f"this check does not know components of kind {about['kind']}")


def pool(lines: Iterable[str], targets: set[str]) -> list[str]:
    """The start pool without the targets."""
    kept = []
    with quiet():
        for line in lines:
            mol = flattened(line.split()[0]) if line.strip() else None
            if mol is not None and Chem.MolToSmiles(mol) not in targets:
                kept.append(line.split()[0])
    return kept


def flat_targets(task: dict[str, Any]) -> set[str]:
    """Canonical SMILES, without stereochemistry, of what the task rediscovers."""
    found = (flattened(part["target"]) for part in task["components"] if "target" in part)
    return {Chem.MolToSmiles(mol) for mol in found if mol is not None}


def told(work: Run, seconds: float) -> dict[str, Any]:
    """What one run reached."""
    best = work.top(1)[0]
    return {
        "seed": work.settings.seed,
        "auc_top10": round(work.auc(), 4),
        "calls": work.spent,
        "best_score": round(best.score, 4),
        "best": best.smiles,
        "ancestors_of_best": len(work.lineage(best.smiles)) - 1,
        "cpu_seconds": round(seconds, 1),
    }


def score(task: dict[str, Any], lines: list[str], seeds: int, calls: int) -> dict[str, Any]:
    """All seeds of one task."""
    objective = Objective(tuple(component(part) for part in task["components"]), MEANS[task["aggregate"]])
    start = pool(lines, flat_targets(task))
    runs = []
    for seed in range(seeds):
        begun = time.process_time()
        work = run(objective, start, Settings(calls=calls, seed=seed))
        runs.append(told(work, time.process_time() - begun))
    reached = [one["auc_top10"] for one in runs]
    return {
        "mean": round(sum(reached) / len(reached), 4),
        "min": min(reached),
        "max": max(reached),
        "threshold": THRESHOLDS.get(task["task"]),
        "start_pool": len(start),
        "removed_from_pool": len(lines) - len(start),
        "runs": runs,
    }


def main() -> int:
    """Print the report; 0 when the mean of every task reaches its threshold."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--seeds", type=int, default=3, help="runs per task")
    parser.add_argument("--calls", type=int, default=10_000, help="oracle calls per run")
    parser.add_argument("--task", action="append", default=[], help="these tasks instead")
    arguments = parser.parse_args()
    tasks = sorted(arguments.data.glob("gen/pmo_tasks.json")) or sorted(arguments.data.glob("pmo_tasks.json"))
    pools = sorted(arguments.data.glob("gen/*.smi.gz")) or sorted(arguments.data.glob("*.smi.gz"))
    found: dict[str, Any] = {}
    if tasks and pools:
        lines = gzip.decompress(pools[0].read_bytes()).decode().splitlines()
        wanted = arguments.task or list(THRESHOLDS)
        for task in json.loads(tasks[0].read_bytes())["tasks"]:
            if task["task"] in wanted:
                found[task["task"]] = score(task, lines, arguments.seeds, arguments.calls)
    missed = [
        {"id": name, "why": f"mean AUC top-10 {about['mean']}, below {about['threshold']}"}
        for name, about in found.items()
        if about["threshold"] and about["mean"] < about["threshold"]
    ]
    return report(
        check="discovery.design",
        n=len(found),
        passed=len(found) - len(missed),
        data=arguments.data,
        files=[*tasks[:1], *pools[:1]] if found else [],
        figures={
            **{f"{name}_{what}": about[what] for name, about in found.items() for what in ("mean", "min", "max")},
            "calls": arguments.calls,
            "seeds": arguments.seeds,
            **found,
        },
        methods=["discovery.design"],
        failures=missed,
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
