"""``salus move``: from SQLite to PostgreSQL, or back."""

from __future__ import annotations

import click

from salus.cli.options import acting, configuration, session


@click.command()
@click.option(
    "--to", required=True, metavar="URL|file", help="postgresql://USER@HOST/NAME, an empty database; or: file"
)
@acting
@click.pass_context
def move(ctx: click.Context, to: str, actor: str) -> None:
    """Move the whole store into a PostgreSQL database, or from there into the file. No server may run meanwhile.

    Every row is read back and compared before the new store counts; until then there is none. Keys stay where they are.
    """
    from salus.app import moving
    from salus.cli.meter import Meter

    settings = configuration(ctx)
    with session(ctx, actor) as work:
        work.administer()
    with Meter("moving", "rows") as meter:
        arrived = moving.move(settings, to, meter)
    rows, log = arrived.moved.rows, arrived.moved
    click.echo(f"{sum(rows.values())} rows of {len(rows)} tables moved and compared")
    click.echo(f"log        {log.entries} entries, root {log.root.hex()}")
    where = "in salus.toml, and SALUS_DATABASE unset" if to == moving.FILE else "in salus.toml, or as SALUS_DATABASE"
    click.echo(f"settings   {arrived.setting}   ({where}, before anything else is done)")
    click.echo("next       salus verify")
