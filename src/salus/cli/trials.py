"""``salus trials``: design, sample size, eligibility, and documents sealed in the log."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from salus.cli.options import acting, moment, session, timed
from salus.errors import InputError

if TYPE_CHECKING:
    from salus.trials.design.groupsequential import Design
    from salus.trials.match import Match

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
TYPES = ("OF", "P", "WT", "HP", "PT", "asOF", "asP", "asKD", "asHSD", "noEarlyEfficacy")
SIGNS = {True: "yes", False: "NO", None: "?"}


@click.group()
def trials() -> None:
    """Design a trial, match its criteria on charts, seal its documents in the log."""


F = TypeVar("F", bound=Callable[..., Any])


def _design_options(command: F) -> F:
    for option in reversed(
        (
            click.option(
                "--type", "kind", type=click.Choice(TYPES), default="OF", show_default=True, help="Of design."
            ),
            click.option("--looks", default="1", show_default=True, help="Information fractions, as 0.5,1."),
            click.option("--alpha", type=float, default=0.025, show_default=True, help="One-sided error."),
            click.option("--beta", type=float, default=0.2, show_default=True, help="1 - power."),
            click.option("--parameter", type=float, help="Of WT, HP, asKD, asHSD."),
        )
    ):
        command = option(command)
    return command


def _design(kind: str, looks: str, alpha: float, beta: float, parameter: float | None) -> Design:
    from salus.trials.design.groupsequential import design

    try:
        fractions = [float(part) for part in looks.split(",")]
    except ValueError as error:
        raise InputError("information fractions are numbers", where="--looks") from error
    return design(kind, fractions, alpha=alpha, beta=beta, parameter=parameter)  # type: ignore[arg-type]


@trials.command("design")
@_design_options
def design_command(kind: str, looks: str, alpha: float, beta: float, parameter: float | None) -> None:
    """Print the bounds of a group-sequential design, what it spends, and its expected size."""
    told = _design(kind, looks, alpha, beta, parameter)
    click.echo("look  information  efficacy  futility  level      alpha spent")
    for k, fraction in enumerate(told.fractions):
        futility = told.futility[k] if k < len(told.futility) else told.critical[k]
        low = "-" if math.isinf(futility) else f"{futility:.4f}"
        line = (
            f"{k + 1:<6}{fraction:<13.4g}{told.critical[k]:<10.4f}{low:<10}{told.levels[k]:<11.6f}{told.spent[k]:.6f}"
        )
        click.echo(line)
    click.echo(
        f"inflation {told.inflation:.5f}; expected {told.asn1:.5f} (alternative), {told.asn0:.5f} (null) of fixed"
    )


@trials.command("size")
@_design_options
@click.option("--means", nargs=2, type=float, metavar="DIFFERENCE SD", help="Two means.")
@click.option("--rates", nargs=2, type=float, metavar="TREATED CONTROL", help="Two rates.")
@click.option(
    "--survival", nargs=4, type=float, metavar="HR MEDIAN ACCRUAL FOLLOW-UP", help="Time to event, in months."
)
@click.option("--ratio", type=float, default=1.0, show_default=True, help="Treated for each control.")
@click.option("--dropout", type=float, default=0.0, show_default=True, help="Share lost in 12 months (survival).")
def size_command(
    kind: str,
    looks: str,
    alpha: float,
    beta: float,
    parameter: float | None,
    means: tuple[float, float] | None,
    rates: tuple[float, float] | None,
    survival: tuple[float, float, float, float] | None,
    ratio: float,
    dropout: float,
) -> None:
    """Print how many people, or events, a trial needs."""
    from salus.trials.design import samplesize as sizes

    if sum(given is not None for given in (means, rates, survival)) != 1:
        raise InputError("one of --means, --rates and --survival")
    plan = _design(kind, looks, alpha, beta, parameter)
    if means:
        told = sizes.means(plan, *means, ratio)
    elif rates:
        told = sizes.rates(plan, *rates, ratio)
    else:
        assert survival is not None
        told = sizes.survival(plan, sizes.Survival(*survival, dropout=dropout, ratio=ratio))
    events = "" if told.events is None else f", {math.ceil(told.events - 1e-9)} events"
    click.echo(f"at most {math.ceil(told.maximum - 1e-9)} people{events}; expected {told.expected:.1f} people")


@trials.command("match")
@click.argument("protocol", type=FILE)
@click.argument("patient", required=False)
@acting
@timed
@click.option("--purpose", default="HRESCH", show_default=True, help="The purpose of use the record was opened for.")
@click.pass_context
def match_command(
    ctx: click.Context, protocol: Path, patient: str | None, actor: str, at: str | None, purpose: str
) -> None:
    """Hold PROTOCOL's criteria against PATIENT's chart, or against all who opened theirs to research."""
    from salus.app.research import trials as wing
    from salus.trials import criteria

    plan = criteria.read(protocol.read_bytes(), str(protocol))
    with session(ctx, actor) as work:
        if patient:
            _print_match(wing.match_patient(work, plan, work.resolve(patient), moment(at), purpose))
            return
        for name, found in wing.match_all(work, plan, moment(at), purpose):
            click.echo(f"{name}  {found.verdict}" + (f": {'; '.join(found.needs)}" if found.needs else ""))


def _print_match(found: Match) -> None:
    click.echo(f"{found.protocol.id} {found.protocol.version}: {found.verdict}")
    for judged in found.judged:
        criterion = judged.criterion
        click.echo(f"  {SIGNS[judged.passed]:4} {criterion.kind} {criterion.id}: {criterion.text}")
        places = ", ".join(e.source.ref for e in judged.answer.evidence)
        click.echo(f"       {judged.answer.truth}: {judged.answer.why}" + (f" [{places}]" if places else ""))
    for need in found.needs:
        click.echo(f"  to decide: {need}")
    click.echo("A proposal to the trial team, which decides; it enrols nobody.")


@trials.command("seal")
@click.argument("trial")
@click.argument("document", type=click.Choice(("protocol", "plan", "lock")))
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@acting
@click.pass_context
def seal_command(ctx: click.Context, trial: str, document: str, path: Path, actor: str) -> None:
    """Seal a document of TRIAL, or the files of a folder (data lock), in the log."""
    from salus.app.research import trials as wing

    data = wing.digest_of_folder(path) if path.is_dir() else path.read_bytes()
    with session(ctx, actor) as work:
        sealed = wing.seal(work, trial, document, data)  # type: ignore[arg-type]
    click.echo(f"{document} of {trial} sealed as log entry {sealed.entry}: sha256 {sealed.sha256}")


@trials.command("seals")
@click.argument("trial")
@click.argument("path", type=click.Path(exists=True, path_type=Path), required=False)
@acting
@click.pass_context
def seals_command(ctx: click.Context, trial: str, path: Path | None, actor: str) -> None:
    """List what was sealed of TRIAL; with PATH, say whether that is what was sealed."""
    from salus.app.research import trials as wing

    with session(ctx, actor) as work:
        if path is None:
            for entry in wing.seals(work, trial):
                click.echo(f"{entry.entry:>6}  {entry.at}  {entry.by}  {entry.document}  sha256 {entry.sha256}")
            return
        data = wing.digest_of_folder(path) if path.is_dir() else path.read_bytes()
        found = wing.check(work, trial, data)
    if found is None:
        raise InputError("this is not what was sealed", where=str(path), remedy=f"salus trials seals {trial}")
    click.echo(f"as sealed: {found.document}, log entry {found.entry}, {found.at}")
