"""Generative design on PMO tasks (``gen/pmo_tasks.json``, ``gen/zinc50k.smi.gz``, or both in the folder itself).

Tasks: celecoxib rediscovery and osimertinib MPO, built from the formulas in the file; more with ``--task``. The start
pool is the SMILES file without the task's target (compared without stereochemistry). Every seed is one run of
``--calls`` distinct oracle calls; its figure is AUC top-10 as the file defines it.

A case is one task. Outcomes: right, the mean over the seeds reaches the task's threshold, no run spends more calls than
allowed, and the scores of each run's ten best, its AUC, and what each component says of 200 molecules of the pool are
what this check works out anew from the file's formulas with RDKit alone (to 1e-6: the same arithmetic on the same
numbers); wrong, one of these fails; not read, a component that this check does not know. Tasks of the file that were
not asked for are no cases; their number is shown.

The formulas are outside truth, the thresholds are not: salus set them below what early runs of the same search reached.
So the check shows that scores are honest and that the search still works, not how it compares with others. Fewer calls
than 10,000 have lower thresholds, for a quick look; other numbers of calls have none.
"""

from __future__ import annotations

import gzip
import itertools
import json
import math
import statistics
import sys
import time
from collections.abc import Iterable
from typing import Any, Literal

from rdkit import Chem, DataStructs
from rdkit.Chem import QED, Crippen, Descriptors, Lipinski, rdFingerprintGenerator

from salus.discovery.generate import Run, Settings, flattened, run
from salus.discovery.modifiers import Modifier
from salus.discovery.molecule import quiet, read
from salus.discovery.objective import Component, Objective, Property, SimilarityTo
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of

THRESHOLDS = {
    10_000: {"celecoxib_rediscovery": 0.50, "osimertinib_mpo": 0.78},
    1_000: {"celecoxib_rediscovery": 0.33, "osimertinib_mpo": 0.70},
}
"""By number of calls."""

TASKS = ("celecoxib_rediscovery", "osimertinib_mpo")
CLOSE = 1e-6
LOOKED_AT = 200
DEVELOPED = ("3bf53302e3ecb4a2",)
"""The tasks that the search was developed on."""

SHORT = ("--calls", "1000", "--seeds", "1")
MUTANTS = (
    Mutant(
        "salus/discovery/generate.py",
        "reverse=True)[:AUC_TOP]",
        "reverse=True)[:1]",
        "AUC of the best one instead of the ten best",
    ),
    Mutant(
        "salus/discovery/generate.py",
        "area += (number - at) * (previous + now) / 2",
        "area += (number - at) * now",
        "AUC by steps instead of trapezoids",
    ),
    Mutant(
        "salus/discovery/features.py",
        "GetMorganGenerator(radius=3)",
        "GetMorganGenerator(radius=2)",
        "ECFP6 has the radius of ECFP4",
    ),
    Mutant(
        "salus/discovery/objective.py",
        '"tpsa": rdMolDescriptors.CalcTPSA,',
        '"tpsa": rdMolDescriptors.CalcLabuteASA,',
        "another surface area for the polar one",
    ),
    Mutant(
        "salus/discovery/generate.py",
        'np.argsort(-bound, kind="stable")',
        'np.argsort(bound, kind="stable")',
        "the least promising children are asked",
    ),
)
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


FINGERPRINTS: dict[str, tuple[str, dict[str, Any]]] = {
    "ECFP4": ("GetMorganGenerator", {"radius": 2}),
    "ECFP6": ("GetMorganGenerator", {"radius": 3}),
    "FCFP4": ("GetMorganGenerator", {"radius": 2, "atomInvariantsGenerator": "features"}),
    "AP": ("GetAtomPairGenerator", {"maxDistance": 10}),
}
DESCRIPTORS = {
    "TPSA": Descriptors.TPSA,  # type: ignore[attr-defined]
    "MolLogP": Crippen.MolLogP,  # type: ignore[attr-defined]
    "n_aromatic_rings": Lipinski.NumAromaticRings,  # type: ignore[attr-defined]
    "n_rings": Lipinski.RingCount,  # type: ignore[attr-defined]
    "QED": QED.qed,
}


def counts(mol: Any, kind: str) -> Any:
    """Count fingerprint of the file's name, by RDKit."""
    maker, options = FINGERPRINTS[kind]
    if options.get("atomInvariantsGenerator"):
        options = {**options, "atomInvariantsGenerator": rdFingerprintGenerator.GetMorganFeatureAtomInvGen()}
    return getattr(rdFingerprintGenerator, maker)(**options).GetSparseCountFingerprint(mol)


def curve(value: float, about: Any) -> float:
    """The file's modifier, worked out here."""
    if about is None:
        return value
    if about["type"] == "clipped":
        return min(1.0, max(0.0, value / about["upper_x"]))
    bell = math.exp(-(((value - about["mu"]) / about["sigma"]) ** 2) / 2)
    above = value > about["mu"]
    flat = {"gaussian": False, "min_gaussian": not above, "max_gaussian": above}[about["type"]]
    return 1.0 if flat else bell


def value_of(part: dict[str, Any], mol: Any) -> float:
    """What a component of the file says of a molecule before its curve, with nothing of salus."""
    if part["kind"] != "tanimoto":
        return float(DESCRIPTORS[part["kind"]](mol))
    target = Chem.MolFromSmiles(part["target"])
    return float(DataStructs.TanimotoSimilarity(counts(mol, part["fp"]), counts(target, part["fp"])))


def formula(task: dict[str, Any], smiles: str) -> float:
    """The score of a molecule by the file's formula, with nothing of salus."""
    mol = Chem.MolFromSmiles(smiles)
    scores = [curve(value_of(part, mol), part.get("modifier")) for part in task["components"]]
    mean = sum(scores) / len(scores)
    return mean if task["aggregate"] == "arithmetic_mean" else math.prod(scores) ** (1 / len(scores))


def area(scores: list[float], calls: int) -> float:
    """AUC top-10 as the file's ``metric`` words it: read after every 100 calls, and where the run stopped."""
    ends = [*range(100, len(scores) + 1, 100)]
    ends += [len(scores)] if not ends or ends[-1] != len(scores) else []
    marks = [(0, 0.0)] + [(end, statistics.fmean(sorted(scores[:end])[-10:])) for end in ends]
    marks += [(calls, marks[-1][1])] if marks[-1][0] < calls else []
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(marks)) / calls


def faults(task: dict[str, Any], work: Run) -> list[str]:
    """What of a run is not what it claims to be."""
    found = []
    asked = sorted(work.candidates.values(), key=lambda c: c.call)
    scores = [candidate.score for candidate in asked]
    if work.spent > work.settings.calls:
        found.append(f"{work.spent} calls spent of {work.settings.calls}")
    if abs(area(scores, work.settings.calls) - work.auc()) > CLOSE:
        found.append(f"AUC {work.auc():.6f}, worked out anew {area(scores, work.settings.calls):.6f}")
    for one in work.top(10):
        with quiet():
            anew = formula(task, one.smiles)
        if abs(anew - one.score) > CLOSE:
            found.append(f"{one.smiles} scores {one.score:.6f}, worked out anew {anew:.6f}")
    return found


def misread(task: dict[str, Any], start: list[str]) -> list[str]:
    """Components that say another number than RDKit of a molecule of the pool.

    The curves of a task are level where most molecules lie, so that a wrong number would not show in the score.
    """
    found = []
    for part in task["components"]:
        ours = component(part)
        for smiles in start[:: len(start) // LOOKED_AT]:
            with quiet():
                mol = Chem.MolFromSmiles(smiles)
                said, anew = ours(mol).value, value_of(part, mol)
            if said is None or abs(said - anew) > CLOSE:
                found.append(f"{part['kind']} of {smiles} is {said}, worked out anew {anew:.6f}")
                break
    return found


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
    wrong = misread(task, start)
    for seed in range(seeds):
        begun = time.process_time()
        work = run(objective, start, Settings(calls=calls, seed=seed))
        runs.append(told(work, time.process_time() - begun))
        wrong += faults(task, work)
    reached = [one["auc_top10"] for one in runs]
    return {
        "mean": round(sum(reached) / len(reached), 4),
        "min": min(reached),
        "max": max(reached),
        "threshold": THRESHOLDS.get(calls, {}).get(task["task"]),
        "faults": wrong,
        "start_pool": len(start),
        "removed_from_pool": len(lines) - len(start),
        "runs": runs,
    }


def count(tally: Tally, name: str, about: dict[str, Any]) -> None:
    """The outcome of one task."""
    low = about["threshold"] is not None and about["mean"] < about["threshold"]
    missed = [f"mean AUC top-10 {about['mean']}, below {about['threshold']}"] if low else []
    why = "; ".join([*missed, *about["faults"][:3]])
    tally.add(name, Outcome.WRONG if why else Outcome.RIGHT, why)


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
    tally = Tally()
    others = 0
    if tasks and pools:
        lines = gzip.decompress(pools[0].read_bytes()).decode().splitlines()
        wanted = arguments.task or TASKS
        for task in json.loads(tasks[0].read_bytes())["tasks"]:
            if task["task"] not in wanted:
                others += 1
            elif unknown := {part["kind"] for part in task["components"]} - {"tanimoto", *PROPERTIES}:
                tally.add(task["task"], Outcome.NOT_READ, f"components not known: {', '.join(sorted(unknown))}")
            else:
                found[task["task"]] = score(task, lines, arguments.seeds, arguments.calls)
                count(tally, task["task"], found[task["task"]])
    files = [*tasks[:1], *pools[:1]] if tally.n else []
    return report(
        check="discovery.design",
        tally=tally,
        data=arguments.data,
        covers=(
            "scores and AUC of a design are those of the published formulas, and the search reaches what salus set for "
            "two tasks; not how it compares with other searches"
        ),
        truth=Truth.OWN,
        split=split_of(files, DEVELOPED),
        files=files,
        figures={
            **{f"{name}_{what}": about[what] for name, about in found.items() for what in ("mean", "min", "max")},
            "calls": arguments.calls,
            "seeds": arguments.seeds,
            "tasks_not_asked_for": others,
            **found,
        },
        methods=["discovery.design"],
        as_json=arguments.json,
    )


if __name__ == "__main__":
    sys.exit(main())
