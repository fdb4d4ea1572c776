"""Commands of the drug-discovery wing. They read files of molecules and reports, never a patient's record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from salus.discovery.endpoints import Model, Prediction
    from salus.discovery.signals import Pair, Ratio, Signal

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW = click.Path(dir_okay=False, path_type=Path)
ENDPOINT = click.option(
    "--endpoint", required=True, help="What was measured: a known endpoint (hlm, sol ...) or a new one."
)
UNIT = click.option("--unit", help="Unit of the values, for an endpoint that is not known.")
DESIRED = click.option(
    "--desired", type=click.Choice(["low", "high", "either"]), help="Which way is wished, for one that is not known."
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


@click.group()
def discovery() -> None:
    """Molecules and safety signals, for research: predict, search, screen reports, design."""


def _said(value: Any) -> None:
    import orjson

    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY).decode())


@discovery.command("fit")
@click.option("--train", type=FILE, required=True, help="CSV table with SMILES and measured values (.gz too).")
@ENDPOINT
@UNIT
@DESIRED
@click.option("--out", type=NEW, required=True, help="Write the model here (it holds the training molecules).")
def fit(train: Path, endpoint: str, unit: str | None, desired: Any, out: Path) -> None:
    """Fit a model of one endpoint to a table of measurements, rows in the order of time where known, and save it."""
    from salus.discovery import files as wing

    table = wing.measured(train, endpoint, unit, desired)
    _rejected(table.rejected, train)
    model = wing.fitted(table, out)
    click.echo(f"{out}: {model.endpoint.title} in {model.endpoint.unit}, from {len(model.smiles)} molecules")


def _rejected(rows: Any, train: Path) -> None:
    if rows:
        first = rows[0]
        click.echo(f"{train}: {len(rows)} rows not used; first: line {first.line}, {first.why}", err=True)


@discovery.command("predict")
@click.argument("smiles", nargs=-1, required=True)
@click.option("--train", type=FILE, help="CSV table to fit a model to (with --endpoint).")
@click.option("--endpoint", help="What was measured in --train.")
@UNIT
@DESIRED
@click.option("--model", type=FILE, help="A model saved by `salus discovery fit`, instead of --train.")
@AS_JSON
def predict(
    smiles: tuple[str, ...],
    train: Path | None,
    endpoint: str | None,
    unit: str | None,
    desired: Any,
    model: Path | None,
    as_json: bool,
) -> None:
    """Predict an endpoint of the structures SMILES, with 90 % interval and nearest measured analogues."""
    from dataclasses import asdict

    from salus.discovery import files as wing

    found = wing.predicted(_model(train, endpoint, unit, desired, model), smiles)
    if as_json:
        _said([asdict(prediction) for prediction in found])
        return
    for prediction in found:
        _tell(prediction)


def _model(train: Path | None, endpoint: str | None, unit: str | None, desired: Any, model: Path | None) -> Model:
    from salus.discovery import files as wing

    if (train is None) == (model is None):
        raise click.UsageError("give either --train with --endpoint, or --model")
    if model is not None:
        return wing.loaded(model)
    if train is None or endpoint is None:
        raise click.UsageError("--train needs --endpoint")
    table = wing.measured(train, endpoint, unit, desired)
    _rejected(table.rejected, train)
    return wing.fitted(table)


def _tell(prediction: Prediction) -> None:
    click.echo(f"{prediction.given}\n  {prediction.sentence()}")
    for analogue in prediction.analogues:
        click.echo(f"  {analogue.similarity:.2f} similar: {analogue.value:.2f} measured for {analogue.smiles}")


@discovery.command("similar")
@click.argument("smiles")
@click.option("--in", "library", type=FILE, required=True, help="The library: SMILES, one a line (.gz too).")
@click.option("--k", type=click.IntRange(1, 10_000), default=10, show_default=True, help="How many to show.")
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.0, help="Least Tanimoto similarity.")
@AS_JSON
def similar(smiles: str, library: Path, k: int, threshold: float, as_json: bool) -> None:
    """Find the molecules of a library that are most similar to the structure SMILES (exact Tanimoto search)."""
    from dataclasses import asdict

    from salus.discovery import files as wing

    hits, unread, searched = wing.similar(smiles, library, k, threshold)
    if as_json:
        _said({"searched": searched, "unread": len(unread), "hits": [asdict(hit) for hit in hits]})
        return
    for hit in hits:
        click.echo(f"{hit.similarity:.3f}  {hit.smiles}")
    click.echo(f"{searched} searched, {len(unread)} could not be read", err=True)


@discovery.command("signals")
@click.argument("reports", type=FILE)
@click.option("--stratify", multiple=True, metavar="COLUMN", help="Compare within this column's values (repeatable).")
@click.option("--all", "every", is_flag=True, help="Every pair, not only those with EB05 of 2 or more.")
@AS_JSON
def signals(reports: Path, stratify: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Screen REPORTS (CSV: id, var1 product, var2 event) for pairs that are reported more often than expected."""
    from salus.discovery import files as wing

    found = wing.screened(reports, stratify)
    shown = found.signals if every else found.flagged
    if as_json:
        _said([_row(signal) for signal in shown])
        return
    for signal in shown:
        click.echo(signal.sentence())
    click.echo(
        f"{found.reports} reports, {len(found.signals)} pairs, {len(found.flagged)} with EB05 of 2 or more", err=True
    )


def _row(signal: Signal) -> dict[str, Any]:
    """A signal as JSON; an infinite ratio is written as the word."""

    def ratio(found: Ratio) -> dict[str, Any]:
        value: float | str = "infinite" if found.value == float("inf") else found.value
        return {"value": value, "low": found.low, "high": found.high}

    pair: Pair = signal.pair
    return {
        "product": pair.product,
        "event": pair.event,
        "n": pair.n,
        "expected": pair.expected,
        "rr": pair.rr,
        "prr": ratio(pair.prr),
        "ror": ratio(pair.ror),
        "ebgm": signal.ebgm,
        "eb05": signal.eb05,
        "eb95": signal.eb95,
        "flagged": signal.flagged,
    }


@discovery.command("design")
@click.option("--objective", type=FILE, required=True, help="TOML file with the components to score.")
@click.option("--start", type=FILE, required=True, help="Start pool: SMILES, one a line (.gz too).")
@click.option("--budget", type=click.IntRange(1, 1_000_000), default=2000, show_default=True, help="Oracle calls.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same run.")
@click.option("--out", type=NEW, required=True, help="Write the best molecules with lineage here (JSON).")
def design(objective: Path, start: Path, budget: int, seed: int, out: Path) -> None:
    """Design molecules under an objective, for research; nothing that rewards toxicity is accepted."""
    from salus.cli.record import write_private
    from salus.discovery import files as wing

    found = wing.designed(objective, start, budget, seed)
    write_private(out, wing.document(found))
    for candidate in found.best(10):
        click.echo(f"{candidate.score:.3f}  {candidate.smiles}")
    click.echo(f"{found.run.spent} molecules scored; {out} holds the best with parts, alerts and lineage")
    click.echo(wing.research_note())
