"""``salus terminology``: what salus makes of a code or of words, and the user's own releases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from salus.cli.options import configuration
from salus.errors import InputError

if TYPE_CHECKING:
    from salus.terminology.meaning import Origin


def _titled(origin: Origin) -> str:
    return f"{origin.name} {origin.version}".strip()


@click.group()
def terminology() -> None:
    """What codes, names, units and doses mean; your own releases laid over the shipped tables."""


@terminology.command("lookup")
@click.argument("asked", metavar="CODE|TEXT")
@click.pass_context
def lookup(ctx: click.Context, asked: str) -> None:
    """Say what salus makes of a code ("snomed|44054006") or of words ("Janumet", "1/2 tab nocte", "mEq/L")."""
    from salus.app import terminology as app

    found = app.lookup(asked, app.terminology_of(configuration(ctx)))
    if not found:
        raise InputError("not understood", remedy="load the release that holds it: salus terminology load PATH")
    for reading in found:
        click.echo(f"{reading.kind}: {reading.words}")


@terminology.command("origins")
@click.pass_context
def origins(ctx: click.Context) -> None:
    """List the sources of the tables with version and licence, your own packs, and the digest that findings carry."""
    from salus.app import terminology as app

    settings = configuration(ctx)
    for pack, origin in app.origins(settings):
        head = f"pack {pack}: " if pack else ""
        click.echo(f"{head}{_titled(origin)} ({origin.licence}) {origin.digest[:16]}")
    click.echo(f"digest {app.terminology_of(settings).digest}")


@terminology.command("load")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--kind",
    metavar="KIND",
    help="What it is, where its files do not tell: snomed, rxnorm, loinc, dmd, icd10gm, icd10, icd10cm, atc or table.",
)
@click.option("--name", metavar="NAME", help="The name of the pack (default: from the release).")
@click.pass_context
def load(ctx: click.Context, path: Path, kind: str | None, name: str | None) -> None:
    """Read your own release at PATH (folder, zip or file) and lay it over the shipped tables."""
    from salus.app import terminology as app

    loaded = app.load(configuration(ctx), path, kind, name)
    rows = ", ".join(f"{count} {table}" for table, count in loaded.rows.items())
    click.echo(f"pack {loaded.name}: {_titled(loaded.origin)}; rows: {rows}")
    for loss in loaded.losses:
        click.echo(f"not carried over: {loss}")


@terminology.command("remove")
@click.argument("name", metavar="NAME")
@click.pass_context
def remove(ctx: click.Context, name: str) -> None:
    """Remove the pack called NAME; findings are drawn anew without it."""
    from salus.app import terminology as app

    app.remove(configuration(ctx), name)
    click.echo(f"removed {name}")
