"""``salus proposals``: what takes two people. One proposes by doing it, another confirms; some of it has to wait."""

from __future__ import annotations

import click

from salus.cli.options import acting, session
from salus.cli.outcomes import carried_out, tell_erased


@click.group()
def proposals() -> None:
    """What waits for a second person, or for its time."""


@proposals.command("list")
@acting
@click.pass_context
def list_(ctx: click.Context, actor: str) -> None:
    """What waits."""
    from salus.app import acts

    with session(ctx, actor) as work:
        for proposal in work.administer().registry.proposals.values():
            click.echo(acts.describe(proposal))


@proposals.command("confirm")
@click.argument("number", type=int)
@acting
@click.pass_context
def confirm(ctx: click.Context, number: int, actor: str) -> None:
    """Confirm proposal NUMBER as the second person."""
    from salus.app import acts

    with session(ctx, actor) as work:
        done = carried_out(acts.confirm(work.house, number, work.actor))
    if done and "compacted" in done:
        tell_erased(done)
    elif done:
        click.echo("done")


@proposals.command("stop")
@click.argument("number", type=int)
@acting
@click.pass_context
def stop(ctx: click.Context, number: int, actor: str) -> None:
    """End proposal NUMBER, as an operator or as who speaks for the patient it concerns."""
    from salus.app import acts

    with session(ctx, actor) as work:
        acts.stop(work.house, number, work.actor)
    click.echo("stopped")
