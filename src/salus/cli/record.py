"""Commands for one patient's record: intake, findings, plan, explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from salus.cli.options import acting, moment, session, timed
from salus.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from salus.app.explain import Shown
    from salus.app.intake.intake import Taken
    from salus.app.session_findings import Refresh
    from salus.careplan.model import Plan
    from salus.record.chart import Chart


class _NamedPath(click.Path):
    """A path that names something: an empty one would be the current folder, which nobody meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("an empty path", param, ctx)
        return super().convert(value, param, ctx)


PATH = _NamedPath(path_type=Path)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PATH)
@acting
@click.option("--patient", help="Whose the sources are that name nobody, and the export of whose own phone it is.")
@click.option("--dry-run", is_flag=True, help="Show kind, patient, counts and losses; store nothing.")
@click.option("--sample", help="Which sample of a VCF is the patient.")
@click.option(
    "--encoding", help="Encoding of notes and HL7 v2 messages that name none; what is valid UTF-8 is read so."
)
@click.option(
    "--accept-identifier",
    "accepted",
    multiple=True,
    help="An identifier, or the address of a patient on another server, that you vouch is the patient's too.",
)
@click.option("--accept-apple-dtd", is_flag=True, help="Accept the plain DTD that Apple's own exports begin with.")
@click.pass_context
def intake(
    ctx: click.Context,
    paths: tuple[Path, ...],
    actor: str,
    patient: str | None,
    dry_run: bool,
    sample: str | None,
    encoding: str | None,
    accepted: tuple[str, ...],
    accept_apple_dtd: bool,
) -> None:
    """Take files or whole folders in; the kind of each is recognised from its content.

    What cannot be taken in is sealed in quarantine and the rest goes on; the exit status is then 1.
    """
    from salus.app.intake.intake import Intake
    from salus.intake.read import Options

    options = Options(sample, encoding, accept_apple_dtd)
    with session(ctx, actor) as work, progress("taking in") as step:
        run = Intake(work, patient=patient, options=options, accept_identifiers=accepted, dry_run=dry_run)
        taken = run.run(paths, step)
    for entry in taken:
        print_taken(entry)
    failed = sum(entry.error is not None for entry in taken)
    click.echo(f"{len(taken) - failed} of {len(taken)} sources {'readable' if dry_run else 'in the record'}")
    ctx.exit(1 if failed else 0)


def print_taken(entry: Taken) -> None:
    """One source: what it is, whose, what it holds, what was lost; or why not."""
    if entry.error:
        kept = f"; in quarantine under {entry.quarantine}" if entry.quarantine else ""
        click.echo(f"{entry.name}: not taken in: {entry.error}{kept}", err=True)
        return
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted((entry.counts or {}).items()))
    written = entry.written
    note = "" if written is None or written.leaf is not None else " (already in the record)"
    whose = f"patient {entry.patient} ({entry.attribution})" if entry.patient else "nobody's"
    click.echo(f"{entry.name}: {entry.kind}, {whose}{', ' if counts else ''}{counts}{note}")
    for loss in entry.losses[:5]:
        click.echo(f"    not carried over: {loss}")
    if len(entry.losses) > 5:
        click.echo(f"    not carried over: {len(entry.losses) - 5} more")


@click.command()
@acting
@click.pass_context
def patients(ctx: click.Context, actor: str) -> None:
    """The patients of whom anything is released to you (each look is logged)."""
    with session(ctx, actor) as work:
        for patient, categories in work.patients():
            click.echo(f"{patient}  {', '.join(sorted(categories))}")


@click.command()
@click.argument("patient")
@acting
@timed
@click.option("--purpose", help="Purpose of use (default: TREAT, for the patient PATRQT).")
@click.option("--json", "as_json", is_flag=True, help="Print FHIR resources, one a line.")
@click.pass_context
def findings(ctx: click.Context, patient: str, actor: str, at: str | None, purpose: str | None, as_json: bool) -> None:
    """Draw findings from PATIENT's record and show those that are released to you."""
    from salus.fhir import dates, json
    from salus.findings.fhir import to_fhir

    when = moment(at)
    with session(ctx, actor) as work, progress("methods") as step:
        opened = work.open(work.resolve(patient), when, purpose=purpose, progress=step)
    if as_json:
        for finding in opened.findings:
            click.echo(json.dumps(to_fhir(finding, dates.write(when))[0]))
    else:
        for finding in sorted(opened.findings, key=lambda f: (f.status, f.method, f.code, f.target)):
            sign = "●" if finding.status == "ok" else "○"
            click.echo(f"{sign} {finding.sentence}  [{finding.method} {finding.method_version}]")
            for need in finding.needs:
                click.echo(f"    to obtain: {need}")
    if opened.grant.flagged:
        click.echo(f"withheld by the patient: {', '.join(sorted(opened.grant.flagged))}", err=as_json)
    report_refresh(opened.refresh)


def report_refresh(refresh: Refresh) -> None:
    """What the run did, and which methods failed or were not allowed."""
    for failure in refresh.failures:
        click.echo(f"method {failure.method} failed: {failure.why}", err=True)
    for name, why in refresh.refused:
        click.echo(f"method {name} did not run: {why}", err=True)


@click.command()
@click.argument("patient")
@acting
@timed
@click.option("--purpose", help="Purpose of use (default: TREAT, for the patient PATRQT).")
@click.option("--html", type=PATH, help="Write the self-contained report to this file.")
@click.option("--fhir", "fhir_file", type=PATH, help="Write the plan as a FHIR Bundle to this file.")
@click.option("--without", multiple=True, help="Leave out a kind of data: record, genome, image, signal or note.")
@click.pass_context
def plan(
    ctx: click.Context,
    patient: str,
    actor: str,
    at: str | None,
    purpose: str | None,
    html: Path | None,
    fhir_file: Path | None,
    without: tuple[str, ...],
) -> None:
    """Compose PATIENT's care plan from what is released to you."""
    from salus.fhir.views import CATEGORIES

    if unknown := set(without) - set(CATEGORIES):
        raise InputError(f"no such kind of data: {sorted(unknown)[0]}", "--without", f"one of {', '.join(CATEGORIES)}")
    with session(ctx, actor) as work, progress("methods") as step:
        made, opened = work.plan(work.resolve(patient), moment(at), purpose=purpose, without=without, progress=step)
        write_outputs(made, opened.chart, html, fhir_file)
    from salus.careplan.text import render

    click.echo(render(made))
    report_refresh(opened.refresh)
    for target in (html, fhir_file):
        if target:
            click.echo(f"written: {target}")


def write_private(target: Path, data: bytes) -> None:
    """Write a file that only its owner may read, in the place of an earlier one. Raises InputError."""
    from salus import private_files as private

    private.write_private(target, data)


def write_outputs(made: Plan, chart: Chart, html: Path | None, fhir_file: Path | None) -> None:
    """The plan as HTML report and as FHIR Bundle, where asked for."""
    if html:
        from salus.careplan.report import render_html

        write_private(html, render_html(made, chart).encode())
    if fhir_file:
        from salus.careplan.fhir import to_bundle
        from salus.fhir import json

        write_private(fhir_file, json.dumps(to_bundle(made)))


@click.command()
@click.argument("patient")
@click.argument("item")
@acting
@timed
@click.option("--purpose", help="Purpose of use (default: TREAT, for the patient PATRQT).")
@click.pass_context
def explain(ctx: click.Context, patient: str, item: str, actor: str, at: str | None, purpose: str | None) -> None:
    """Walk from ITEM of PATIENT's plan (its number or key) to findings, evidence and the cited place in the source."""
    from salus.app import explain as explaining

    with session(ctx, actor) as work, progress("methods") as step:
        made, opened = work.plan(work.resolve(patient), moment(at), purpose=purpose, progress=step)
        chosen = explaining.find_item(made, item)
        click.echo(f"{chosen.text}\n  strength: {chosen.strength}\n  source: {chosen.citation}")
        for reason in chosen.because:
            click.echo(f"  because {reason}")
        if chosen.changes_if:
            click.echo(f"  would change: {chosen.changes_if}")
        seen: set[tuple[str, str]] = set()
        for finding in explaining.findings_of(chosen, opened):
            click.echo(f"\nfinding {finding.code} by {finding.method} {finding.method_version}\n  {finding.sentence}")
            seen |= _print_evidence(explaining.show(finding.evidence, opened))
        rest = [s for s in explaining.show(chosen.evidence, opened) if (s.where, s.excerpt) not in seen]
        if rest:
            click.echo("\nalso from the record")
            _print_evidence(rest)


def _print_evidence(shown: Iterable[Shown]) -> set[tuple[str, str]]:
    seen = set()
    for place in shown:
        if (place.where, place.excerpt) in seen:
            continue
        seen.add((place.where, place.excerpt))
        click.echo(f"  {place.where}{'  ' + place.label if place.label else ''}")
        for line in (place.excerpt, place.problem):
            if line:
                click.echo(f"    {line}")
    return seen


class progress:
    """A progress line on a terminal; silent elsewhere."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._console: Console | None = None

    def __enter__(self) -> progress:
        import sys

        if sys.stderr.isatty():
            from rich.console import Console

            self._console = Console(stderr=True)
            self._status = self._console.status(self._title)
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console:
            self._status.stop()

    def __call__(self, step: str) -> None:
        """Show what is being done."""
        if self._console:
            self._status.update(f"{self._title}: {step}")
