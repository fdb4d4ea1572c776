"""``salus quarantine``: sources that could not be taken in."""

from __future__ import annotations

from pathlib import Path

import click

from salus.cli.options import acting, session
from salus.errors import InputError


@click.group()
def quarantine() -> None:
    """Sources that could not be taken in, sealed."""


@quarantine.command("list")
@acting
@click.pass_context
def quarantine_list(ctx: click.Context, actor: str) -> None:
    """What lies in quarantine and why."""
    with session(ctx, actor) as work:
        for entry in work.house.quarantined():
            click.echo(f"{entry['n']:>5}  {entry['at']}  {entry['why']}")


@quarantine.command("release")
@click.argument("number", type=int)
@click.argument("target", type=click.Path(exists=False, path_type=Path))
@acting
@click.pass_context
def quarantine_release(ctx: click.Context, number: int, target: Path, actor: str) -> None:
    """Write what lies under NUMBER to the file TARGET."""
    from salus.cli.record import write_private

    with session(ctx, actor) as work:
        if target.exists():
            raise InputError("there is a file already", where=str(target), remedy="name another")
        write_private(target, work.administer().release(number, by=actor))
    click.echo(f"written to {target}")


@quarantine.command("destroy")
@click.argument("number", type=int)
@acting
@click.pass_context
def quarantine_destroy(ctx: click.Context, number: int, actor: str) -> None:
    """Destroy what lies under NUMBER for good; after 30 days that happens by itself."""
    with session(ctx, actor) as work:
        work.administer().destroy_quarantined(number, actor)
    click.echo(f"{number} is destroyed")


@quarantine.command("assign")
@click.argument("number", type=int)
@click.argument("patient")
@acting
@click.pass_context
def quarantine_assign(ctx: click.Context, number: int, patient: str, actor: str) -> None:
    """Say that what lies under NUMBER is PATIENT's: it is erased with the record."""
    with session(ctx, actor) as work:
        work.administer().assign_quarantined(number, patient, actor)
    click.echo(f"{number} goes with the record")
