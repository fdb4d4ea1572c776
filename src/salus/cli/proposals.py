"""``salus proposals``: what takes two people. One proposes by doing it, another confirms; some of it has to wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from salus.cli.options import acting, session

if TYPE_CHECKING:
    from salus.trust.proposals import Proposal


def carried_out(done: Proposal | Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What was done; None, after saying what has to happen next, for what was only proposed."""
    if isinstance(done, Mapping):
        return done
    if done.due is None:
        click.echo(f"proposed: it takes a second person. Another runs: salus proposals confirm {done.n} --as NAME")
    else:
        click.echo(f"confirmed: it holds from {done.due.isoformat()}; until then it can be stopped")
    return None


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
    from salus.cli.privacy import tell_erased

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
