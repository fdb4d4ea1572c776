"""Generative design: molecules near celecoxib from a pool without it, and a refusal to reward toxicity."""

from __future__ import annotations

from pathlib import Path

from salus.cli.tour.slice import Slice, Stage

CALLS = 250
TOXIC = """
[[component]]
kind = "endpoint"
endpoint = "ld50"
train = "{train}"
modifier = {{ kind = "max-gaussian", mu = 1.0, sigma = 1.0 }}
"""


def run(stage: Stage) -> str:
    """Design within the budget; raise when nothing better is found, or when toxicity could be asked for."""
    from salus.app.demo import examples_root
    from salus.discovery import files as wing

    folder = examples_root() / "tour" / "discovery"
    pool = [line for line in (folder / "drugs.smi").read_text("utf-8").splitlines() if not line.endswith(" celecoxib")]
    start = stage.folder / "start.smi"
    start.write_text("\n".join(pool), "utf-8")
    found = wing.designed(folder / "objective.toml", start, CALLS)
    (stage.folder / "designed.json").write_bytes(wing.document(found))
    best = found.best(1)[0]
    before = max(c.score for c in found.run.candidates.values() if c.operators == ("start",))
    if best.score < before + 0.05:
        raise AssertionError(f"nothing better than the start: {best.score:.3f} after {before:.3f}")
    ancestors = len(found.run.lineage(best.smiles)) - 1
    _refused(stage.folder, folder / "made_up_binding.csv")
    return (
        f"{found.run.spent} molecules scored from {len(pool)} medicines: best {before:.2f} before, {best.score:.2f} "
        f"after ({best.smiles}, {ancestors} ancestors kept); a reward for toxicity was refused"
    )


def _refused(folder: Path, measured: Path) -> None:
    from salus.discovery import files as wing
    from salus.errors import InputError

    (folder / "values.csv").write_bytes(measured.read_bytes())
    (folder / "toxic.toml").write_text(TOXIC.format(train="values.csv"), "utf-8")
    try:
        wing.designed(folder / "toxic.toml", folder / "start.smi", 1)
    except InputError as error:
        if "no reward for toxicity" in str(error):
            return
        raise
    raise AssertionError("an objective that rewards toxicity was accepted")


SLICE = Slice(
    name="design",
    title="Generative design",
    says="molecules designed under a stated objective within a budget of calls",
    also="lineage and alerts; objectives that name a known hazard are refused",
    capabilities=("discovery.design",),
    run=run,
    extra="discovery",
    needs=("rdkit",),
)
