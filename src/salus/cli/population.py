"""``salus population``: views and SQL over many records, mirrors for analytics, and who is overdue for what."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from salus.cli.bar import Bar
from salus.cli.options import acting, moment, session, timed
from salus.errors import InputError

if TYPE_CHECKING:
    from salus.app.research.mirror import Update
    from salus.population.database import Answer

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def population() -> None:
    """Questions to many records at once."""


@population.command("view")
@click.argument("definition", type=FILE)
@acting
@timed
@click.option("--sql", default="", help='A query over the view\'s table, which is called "view".')
@click.option("--purpose", default="HRESCH", show_default=True, help="The purpose of use the records were opened for.")
@click.pass_context
def view_command(ctx: click.Context, definition: Path, actor: str, at: str | None, sql: str, purpose: str) -> None:
    """Run the ViewDefinition in DEFINITION over the records opened for a purpose, and print its rows as CSV."""
    from salus.app.research import views as wing

    body = _definition(definition)
    with session(ctx, actor) as work:
        answer, people = wing.view(work, body, moment(at), sql=sql, purpose=purpose)
    _print(answer, people)


@population.command("mirror")
@click.argument("folder", type=FOLDER)
@acting
@click.option("--view", "definitions", type=FILE, multiple=True, help="A ViewDefinition whose rows it is to hold.")
@click.option("--shards", type=int, help="In how many parts the patients are divided (default: 16).")
@click.option("--records/--no-records", default=None, help="Hold the records too, for population run.")
@click.option("--files-up-to", type=click.IntRange(0), metavar="MIB", help="Of records: files up to so many MiB (16).")
@click.option("--purpose", help="The purpose of use the records were opened for (default: HRESCH).")
@click.pass_context
def mirror_command(
    ctx: click.Context,
    folder: Path,
    actor: str,
    definitions: tuple[Path, ...],
    shards: int | None,
    records: bool | None,
    files_up_to: int | None,
    purpose: str | None,
) -> None:
    """Make a mirror of what was released to you for a purpose in FOLDER, or bring it up to date."""
    from salus.app.research import mirror

    with session(ctx, actor) as work, Bar("shards") as bar:
        update = mirror.ensure(
            work,
            folder,
            mirror.named((path.stem, _definition(path)) for path in definitions),
            shards=shards,
            records=records,
            files_up_to=None if files_up_to is None else files_up_to << 20,
            purpose=purpose,
            progress=bar,
        )
    _told(update)


@population.command("query")
@click.argument("folder", type=FOLDER)
@acting
@click.option("--sql", default="", help="A query over the tables of the mirror's views.")
@click.pass_context
def query_command(ctx: click.Context, folder: Path, actor: str, sql: str) -> None:
    """Bring the mirror in FOLDER up to date, and print the answer to a query as CSV."""
    from salus.app.research import mirror

    with session(ctx, actor) as work, Bar("shards") as bar:
        answer, update = mirror.query(work, folder, sql, bar)
    _told(update)
    _print(answer, update.people)


@population.command("run")
@click.argument("folder", type=FOLDER)
@click.argument("what", type=click.Choice(["rows", "findings", "plans"]))
@acting
@timed
@click.option("--view", "definition", type=FILE, help="The ViewDefinition of rows.")
@click.option("--workers", type=click.IntRange(0), default=0, help="Processes of this machine (extra: cluster).")
@click.option("--scheduler", default="", metavar="ADDRESS", help="A Dask cluster instead, tls://HOST:PORT.")
@click.pass_context
def run_command(
    ctx: click.Context,
    folder: Path,
    what: str,
    actor: str,
    at: str | None,
    definition: Path | None,
    workers: int,
    scheduler: str,
) -> None:
    """Bring the mirror in FOLDER up to date, and print rows, findings or plans of its records as lines of JSON."""
    from salus.app.research import mirror, mirror_jobs
    from salus.app.research.shard_work import ROWS

    if (what == ROWS) != (definition is not None):
        raise InputError("rows take a ViewDefinition, and nothing else does", where="--view")
    body = _definition(definition) if definition else {}
    with session(ctx, actor) as work, Bar("shards") as bar, mirror.current(work, folder, bar) as (held, update):
        _told(update)
        if what != ROWS:
            for name, why in work.methods()[1]:
                click.echo(f"{name} does not run: {why}", err=True)
        lines = mirror_jobs.lines(
            work, held, what, moment(at), body, workers=workers, scheduler=scheduler, progress=bar
        )
        for line in lines:
            sys.stdout.buffer.write(line + b"\n")


@population.command("drop")
@click.argument("folder", type=FOLDER)
@acting
@click.pass_context
def drop_command(ctx: click.Context, folder: Path, actor: str) -> None:
    """Delete the mirror in FOLDER, its key first: yours, or as an operator anybody's."""
    from salus.app.research import mirror

    with session(ctx, actor) as work:
        mirror.drop(work, folder)


def _definition(path: Path) -> dict[str, Any]:
    from salus.fhir import json

    body = json.loads(path.read_bytes())
    if not isinstance(body, dict):
        raise InputError("not a ViewDefinition", where=str(path))
    return body


def _print(answer: Answer, people: int) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(answer.rows)
    click.echo(f"{len(answer.rows)} rows of {people} people", err=True)


def _told(update: Update) -> None:
    for file in update.damaged:
        click.echo(f"{file}: damaged; its shard was written anew", err=True)
    click.echo(f"mirror: {update.people} people, {update.read} read, {update.gone} gone", err=True)


@population.command("overdue")
@acting
@timed
@click.pass_context
def overdue_command(ctx: click.Context, actor: str, at: str | None) -> None:
    """List what the plans of all patients released to you ask to be measured or found out."""
    from salus.app.research import views as wing

    with session(ctx, actor) as work:
        for due in wing.overdue(work, moment(at)):
            click.echo(f"{due.patient}  {due.text}")
            click.echo(f"    {due.reason} [{due.citation}]")
