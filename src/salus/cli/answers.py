"""``salus questionnaire`` and ``salus diary``: what patients tell of themselves."""

from __future__ import annotations

import click

from salus.cli.options import acting, session
from salus.errors import InputError


@click.group()
def questionnaire() -> None:
    """Questions to the patient, and the answers."""


@questionnaire.command("show")
@click.argument("name", default="lifestyle")
def show(name: str) -> None:
    """Print the questions of questionnaire NAME and what may be answered."""
    from salus.intake import questionnaires

    body = questionnaires.load(name)
    click.echo(body["title"])
    for item in body["item"]:
        options = [o["valueCoding"]["display"] for o in item.get("answerOption", ())]
        click.echo(f"  {item['linkId']:18} {item['text']}" + (f"  ({' | '.join(options)})" if options else ""))


@questionnaire.command("answer")
@click.argument("patient")
@click.argument("answers", nargs=-1, required=True, metavar="QUESTION=ANSWER...")
@acting
@click.pass_context
def answer(ctx: click.Context, patient: str, answers: tuple[str, ...], actor: str) -> None:
    """File answers of PATIENT, as the patient or a proxy: salus questionnaire answer ID smoking="Never smoked" …"""
    from salus.app.intake import answers as wing

    pairs = [text.partition("=") for text in answers]
    if any(not mark for _, mark, _ in pairs) or len({name for name, _, _ in pairs}) != len(pairs):
        raise InputError("answers are written QUESTION=ANSWER, each question once", remedy="salus questionnaire show")
    with session(ctx, actor) as work:
        filed = wing.answer(work, work.resolve(patient), {name: value for name, _, value in pairs})
    click.echo(f"{len(pairs)} answers filed, {filed.observations} observations follow from them")


@click.command()
@click.argument("patient")
@click.argument("text")
@acting
@click.pass_context
def diary(ctx: click.Context, patient: str, text: str, actor: str) -> None:
    """Add TEXT to PATIENT's diary, as the patient or a proxy."""
    from salus.app.intake import answers as wing

    with session(ctx, actor) as work:
        wing.keep_diary(work, work.resolve(patient), text)
    click.echo("written into the diary")
