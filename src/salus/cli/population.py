"""``salus population``: views and SQL over many records, and who is overdue for what."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click

from salus.cli.options import acting, moment, session, timed
from salus.errors import InputError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


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
    from salus.app import population as wing
    from salus.fhir import json

    body = json.loads(definition.read_bytes())
    if not isinstance(body, dict):
        raise InputError("not a ViewDefinition", where=str(definition))
    with session(ctx, actor) as work:
        answer, people = wing.view(work, body, moment(at), sql=sql, purpose=purpose)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(answer.rows)
    click.echo(f"{len(answer.rows)} rows of {people} people", err=True)


@population.command("overdue")
@acting
@timed
@click.pass_context
def overdue_command(ctx: click.Context, actor: str, at: str | None) -> None:
    """List what the plans of all patients released to you ask to be measured or found out."""
    from salus.app import population as wing

    with session(ctx, actor) as work:
        for due in wing.overdue(work, moment(at)):
            click.echo(f"{due.patient}  {due.text}")
            click.echo(f"    {due.reason} [{due.citation}]")
