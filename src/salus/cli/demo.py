"""``salus demo``: the whole way on a bundled example patient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from salus.errors import InputError

if TYPE_CHECKING:
    from salus.app.demo import Shown


@click.command()
@click.option("--patient", "name", help="Which example (default: the first; --list shows all).")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Where the demonstration's store and report are made.",
)
@click.option("--list", "list_them", is_flag=True, help="List the example patients.")
def demo(name: str | None, folder: Path, list_them: bool) -> None:
    """Load a bundled example patient into a fresh store, draw findings, compose the plan, write the report."""
    from salus.app import demo as showing
    from salus.careplan.report import render_html
    from salus.careplan.text import render
    from salus.cli.record import print_taken, progress, report_refresh, write_private

    known = showing.examples()
    if list_them:
        for example in known.values():
            click.echo(f"{example.name:12} {example.story}")
        return
    if name is not None and name not in known:
        raise InputError(f"no example {name!r}", remedy=f"one of {', '.join(known)}")
    example = known[name] if name else next(iter(known.values()))
    place = showing.fresh_folder(folder)
    with showing.make_house(place, example) as house, progress("demo") as step:
        shown = showing.run(house, example, step)
        report = place / f"{example.name}.html"
        write_private(report, render_html(shown.plan, shown.opened.chart).encode())
    click.echo(f"{example.story}\n\nWhat was taken in")
    for entry in shown.taken:
        print_taken(entry)
    click.echo("")
    click.echo(render(shown.plan))
    print_changes(shown)
    print_refusals(shown)
    report_refresh(shown.opened.refresh)
    click.echo(f"\nReport: {report}")
    click.echo("Your own data: salus init && salus intake PATH… --as operator")


def print_changes(shown: Shown) -> None:
    """What each kind of data changed in the plan."""
    click.echo("\nWhat each kind of data changed (the plan made again without it)")
    for change in shown.changes:
        click.echo(f"  without {change.category}:")
        words = (("falls away", change.gone), ("comes instead", change.new), ("reads otherwise", change.changed))
        for verb, keys in words:
            for key in keys:
                click.echo(f"    {verb}: {key}")
        if not any(keys for _, keys in words):
            click.echo("    nothing")


def print_refusals(shown: Shown) -> None:
    """What was refused and why: access, sources, methods that could not assess, and proposals that fell."""
    click.echo("\nWhat was refused and why")
    click.echo(f"  access before consent: {shown.refusal}")
    for entry in (t for t in shown.taken if t.error):
        click.echo(f"  source {entry.name}: {entry.error}")
    for question in shown.plan.not_assessable:
        click.echo(f"  not assessable: {question.title}: {question.reason}")
    for dropped in shown.plan.dropped:
        click.echo(f"  dropped: {dropped.key}: {dropped.reason}")
