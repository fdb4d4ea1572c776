"""Drug discovery: an endpoint predicted for scaffolds never seen, a similarity search, and a screening of reports."""

from __future__ import annotations

from pathlib import Path

from salus.cli.tour.slice import Slice, Stage

STRANGER = "C(C(C(C(C(CO)O)O)O)O)O"
"""Sorbitol: nothing like the measured molecules, so it must be refused."""


def run(stage: Stage) -> str:
    """Fit, predict, search, screen; raise when intervals, domain, search or signals are not as they must be."""
    from salus.app.demo import examples_root

    folder = examples_root() / "tour" / "discovery"
    return f"{_predicted(folder)}; {_searched(folder)}; {_screened(folder)}"


def _predicted(folder: Path) -> str:
    import numpy as np

    from salus.discovery import files as wing
    from salus.discovery.molecule import scaffold_fold

    table = wing.measured(folder / "made_up_binding.csv", "rppb")
    folds = np.array([scaffold_fold(molecule, 5) for molecule in table.molecules])
    model = wing.fitted(table.subset(np.flatnonzero(folds != 0)))
    asked = table.subset(np.flatnonzero(folds == 0))
    found = wing.predicted(model, [molecule.smiles for molecule in asked.molecules])
    pairs = [
        (p.value, p.low, p.high, float(y))
        for p, y in zip(found, asked.values, strict=True)
        if p.value is not None and p.low is not None and p.high is not None
    ]
    held = sum(low <= y <= high for _, low, high, y in pairs)
    error = np.mean([abs(value - y) for value, _, _, y in pairs])
    if held < 0.75 * len(pairs) or len(pairs) < 0.8 * len(found):
        raise AssertionError(f"intervals hold {held} of {len(pairs)} measured values")
    if wing.predicted(model, [STRANGER])[0].status == "ok":
        raise AssertionError("a molecule outside the domain was predicted")
    return (
        f"a made-up endpoint of {len(found)} molecules of unseen scaffolds: mean error {error:.2f} log units, 90 % "
        f"intervals hold {held} of {len(pairs)}, sorbitol refused"
    )


def _searched(folder: Path) -> str:
    from salus.discovery import files as wing

    hits, _, searched = wing.similar("Cc1ccc(cc1)S(=O)(=O)NC(=O)NN1CCCCCC1", folder / "drugs.smi", 2, 0.0)
    if hits[0].similarity != 1.0 or hits[1].smiles != "CCCCNC(=O)NS(=O)(=O)c1ccc(C)cc1":
        raise AssertionError("the nearest medicine was not found")
    return f"of {searched} medicines tolbutamide is nearest to gliclazide ({hits[1].similarity:.2f})"


def _screened(folder: Path) -> str:
    import csv

    from salus.discovery import files as wing

    found = wing.screened(folder / "reports.csv", ["sex"])
    flagged = {(signal.pair.product, signal.pair.event) for signal in found.flagged}
    with (folder / "raised.csv").open(encoding="utf-8", newline="") as stream:
        raised = {(row["var1"], row["var2"]) for row in csv.DictReader(stream)}
    right, wrong = len(flagged & raised), len(flagged - raised)
    if right < 0.75 * len(raised) or wrong > 2:
        raise AssertionError(f"flagged {right} of {len(raised)} and {wrong} others")
    return (
        f"of {len(found.signals)} pairs in {found.reports} reports {right} of the {len(raised)} raised ones stand out "
        f"(EB05 of 2 or more), and {wrong} by chance"
    )


SLICE = Slice(
    name="discovery",
    title="Drug discovery",
    says="endpoints predicted with intervals meant as 90 %; drug and event reports weighed as openEBGM does",
    also="nearest analogues, exact similarity search",
    capabilities=("discovery.endpoints", "discovery.signals"),
    run=run,
    shown=("biogen_rae", "coverage_90", "max_relative_difference"),
    extra="discovery",
    needs=("rdkit",),
)
