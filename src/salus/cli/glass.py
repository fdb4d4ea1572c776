"""``salus glass``: opening a record in an emergency, and looking at it afterwards."""

from __future__ import annotations

import click

from salus.cli.options import acting, session


@click.group()
def glass() -> None:
    """Open one record in an emergency without consent; told to the patient and reviewed."""


@glass.command("break")
@click.argument("patient")
@acting
@click.option("--reason", required=True, help="Why, in words: the patient and the reviewer read it.")
@click.option("--hours", default=4, show_default=True, type=click.IntRange(1, 24), help="How long it stays open.")
@click.pass_context
def break_(ctx: click.Context, patient: str, actor: str, reason: str, hours: int) -> None:
    """Open PATIENT's record for some hours, where a policy lets you; then: salus plan PATIENT --purpose BTG."""
    with session(ctx, actor) as work:
        n = work.break_glass(work.resolve(patient), reason, hours)
    where = f"log entry {n}" if n is not None else "the emergency journal: the log cannot be written now"
    click.echo(f"open for {hours} hours with --purpose BTG; the patient is told ({where})")


@glass.command("list")
@acting
@click.pass_context
def list_(ctx: click.Context, actor: str) -> None:
    """Every glass that was broken, and who reviewed it; that you read the reasons stands in each record's log."""
    with session(ctx, actor) as work:
        for entry in work.house.gate.glasses(work.actor):
            reviewed = f"reviewed by {entry.reviewed_by}" if entry.reviewed_by else "waits for review"
            click.echo(f"{entry.n:>6}  {entry.patient}  {entry.at.isoformat()}  {entry.actor}  {reviewed}: {entry.why}")


@glass.command("review")
@click.argument("patient")
@click.argument("entry", type=int)
@acting
@click.option("--verdict", required=True, help="What is to be thought of it; the patient reads it.")
@click.pass_context
def review(ctx: click.Context, patient: str, entry: int, actor: str, verdict: str) -> None:
    """Review the broken glass that is log ENTRY of PATIENT, as somebody else than the one who broke it."""
    with session(ctx, actor) as work:
        work.house.gate.review_glass(work.actor, patient, entry, verdict)
    click.echo("reviewed")
