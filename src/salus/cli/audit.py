"""``salus audit``: accesses, as the auditor's own key opens them, also of records that were erased."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from salus.cli.options import acting, session


@click.group()
def audit() -> None:
    """Who looked, when and on which basis, kept for the auditor."""


@audit.command("list")
@click.option("--key", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="audit.key.")
@acting
@click.pass_context
def list_(ctx: click.Context, key: Path, actor: str) -> None:
    """Every access that is kept, also to records that were erased; records stand as numbers.

    The key pair is made with the store: take audit.key out of the folder of the keys and give it to the auditor.
    """
    with session(ctx, actor) as work:
        for access in work.administer().kept_accesses(key):
            told = access.told
            what = told.get("decision", told.get("reason", ""))
            bases = ", ".join(told.get("bases", ()))
            click.echo(
                f"{access.n:>6}  record {access.record}  {told.get('at', '')}  {told.get('actor', '')}  {what}  {bases}"
            )


@audit.command("expire")
@click.option("--before", required=True, type=click.DateTime(["%Y-%m-%d"]), help="A day (UTC).")
@acting
@click.pass_context
def expire(ctx: click.Context, before: datetime, actor: str) -> None:
    """Drop what is kept of accesses before a day, once the law does not ask for it any more (this is logged)."""
    from datetime import UTC

    with session(ctx, actor) as work:
        gone = work.administer().expire_audit(before.replace(tzinfo=UTC), actor)
    click.echo(f"{gone} accesses dropped")
