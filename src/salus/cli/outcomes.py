"""How an act ended that may take two people: done, or proposed and waiting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from salus.app.acts import Outcome


def carried_out(done: Outcome) -> Mapping[str, Any] | None:
    """What was done; None, after saying what has to happen next, for what was only proposed."""
    if isinstance(done, Mapping):
        return done
    if done.due is None:
        click.echo(f"proposed: it takes a second person. Another runs: salus proposals confirm {done.n} --as NAME")
    else:
        click.echo(f"confirmed: it holds from {done.due.isoformat()}; until then it can be stopped")
    return None


def tell_erased(told: Mapping[str, Any]) -> None:
    """Say what was erased, and what is left to do."""
    click.echo(f"erased: {told['versions']} resource versions, {told['blobs']} blobs, {told['entries']} log entries")
    if not told["compacted"]:
        click.echo("Other programs hold the store: its sealed bytes, which nobody can open, go with the next erasure.")
    click.echo("Copy the key folder and the master key anew, and destroy their older copies: together these still open")
    click.echo("what older backups hold of the erased. An older copy of the folder alone opens nothing any more.")
    click.echo("Mirrors for analytics are not reached and still hold the erased. Whoever made one brings it up to date")
    click.echo("(salus population mirror FOLDER), or an operator drops it (salus population drop FOLDER).")
    click.echo("salus keeps no list of mirrors: ask everybody who may have made one.")
