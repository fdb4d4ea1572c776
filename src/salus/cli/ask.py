"""Commands of the assistant: ask, learn a library, keep a diary, serve MCP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from salus.cli.options import acting, moment, session, timed
from salus.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from datetime import datetime

    from salus.app.session import Session
    from salus.assistant.reply import Reply

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("patient")
@click.argument("question", required=False)
@acting
@timed
@click.option("--draft", type=click.Choice(("visit", "referral", "letter")), help="Draft a text to check and sign.")
@click.option("--book", metavar="SLOT", help="Book a free slot of the diary for yourself (patient or proxy).")
@click.option("--cancel", metavar="APPOINTMENT", help="Cancel your own appointment.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.pass_context
def ask(
    ctx: click.Context,
    patient: str,
    question: str | None,
    actor: str,
    at: str | None,
    draft: str | None,
    book: str | None,
    cancel: str | None,
    as_json: bool,
) -> None:
    """Ask QUESTION about PATIENT's record; every sentence of the answer shows where it stands.

    An emergency in the question is answered first, whoever asks.
    """
    if sum(given is not None for given in (question, draft, book, cancel)) != 1:
        raise click.UsageError("a question, or one of --draft, --book and --cancel")
    if question is not None and _alarm(question, as_json):
        return
    with session(ctx, actor) as work:
        _act(work, work.resolve(patient), moment(at), (question, draft, book, cancel), as_json)


def _alarm(question: str, as_json: bool) -> bool:
    """Answer a red flag before even the store is opened."""
    from salus.app.assistant.conversation import alarm

    reply = alarm(question)
    if reply is not None:
        _print(reply, as_json)
    return reply is not None


def _act(
    work: Session,
    patient: str,
    at: datetime,
    wanted: tuple[str | None, str | None, str | None, str | None],
    as_json: bool,
) -> None:
    from salus.app.assistant import conversation as assistant
    from salus.app.assistant import diary as assistant_diary

    question, draft, book, cancel = wanted
    if question is not None:
        _print(assistant.ask(work, patient, question, at), as_json)
    elif draft is not None:
        click.echo(assistant.draft(work, patient, draft, at).text)  # type: ignore[arg-type]
    elif book is not None:
        click.echo(f"booked: appointment {assistant_diary.book(work, patient, book)}")
    elif cancel is not None:
        assistant_diary.cancel(work, patient, cancel)
        click.echo("cancelled")


def _print(reply: Reply, as_json: bool) -> None:
    from salus.fhir import json

    if as_json:
        click.echo(json.dumps(reply.as_json()).decode())
        return
    click.echo(reply.text)
    for number, citation in enumerate(reply.sources, 1):
        click.echo(f"  [{number}] {citation.mark}  {citation.title}".rstrip())
    if reply.reworded:
        click.echo(f"\nIn other words (by a language model; the numbers were checked):\n{reply.reworded}")


@click.command()
@click.argument("file", type=FILE)
@acting
@click.pass_context
def learn(ctx: click.Context, file: Path, actor: str) -> None:
    """Index FILE (questions and answers, .jsonl or .jsonl.gz, as MedQuAD has them) as the house's library."""
    from salus.app.assistant import conversation as assistant

    with session(ctx, actor) as work:
        count = assistant.learn(work, file)
    click.echo(f"{count} passages learned; licence of MedQuAD: CC BY 4.0, shown with every answer from it")


@click.command()
@click.argument("file", type=FILE)
@acting
@click.pass_context
def slots(ctx: click.Context, file: Path, actor: str) -> None:
    """Offer the Slots of FILE (a Bundle of Schedules and Slots) for booking."""
    from salus.app.assistant import diary as assistant_diary
    from salus.fhir import json

    try:
        value = json.loads(file.read_bytes())
    except InputError as error:
        raise error.at(str(file)) from error
    with session(ctx, actor) as work:
        click.echo(f"{assistant_diary.offer(work, value)} slots offered")


@click.command()
@acting
@click.pass_context
def mcp(ctx: click.Context, actor: str) -> None:
    """Serve the reading tools ask, plan and findings over MCP on standard input and output."""
    import importlib.util

    if importlib.util.find_spec("mcp") is None:
        raise ConfigurationError("MCP needs the package mcp", remedy='pip install "salus[mcp]"')
    from salus.server.mcp_tools import create

    with session(ctx, actor) as work:
        create(work).run("stdio")
