"""``salus tour``: every department at work on the example patients."""

from __future__ import annotations

import os
from pathlib import Path

import click

from salus.errors import InputError

NAME_WIDTH = 26


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("tour"),
    show_default=True,
    help="Where the tour's stores and its page are made.",
)
@click.option("--only", multiple=True, metavar="NAME", help="Only this slice (may be repeated; --list shows all).")
@click.option("--list", "list_them", is_flag=True, help="List the slices.")
@click.option("--json", "as_json", type=click.Path(path_type=Path), help="Write what was walked to this file as well.")
@click.pass_context
def tour(ctx: click.Context, folder: Path, only: tuple[str, ...], list_them: bool, as_json: Path | None) -> None:
    """Run one true slice of every department and say what each did, the figure and the CPU time."""
    for library in ("OPENBLAS", "OMP"):  # on small matrices several threads mostly wait for each other
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    from salus.cli.record import progress
    from salus.cli.tour import run

    known = {part.name: part for part in run.slices()}
    if list_them:
        for part in known.values():
            click.echo(f"{part.name:16} {part.title}: {part.says}")
        return
    if unknown := [name for name in only if name not in known]:
        raise InputError(f"no slice {unknown[0]!r}", remedy="salus tour --list")
    chosen = [part for part in known.values() if not only or part.name in only]
    with progress("tour") as step:
        stage = run.make_stage(folder, step)
        with stage.house:
            walked = []
            for entry in run.walk(stage, chosen, step):
                walked.append(entry)
                click.echo(f"{entry.sign} {entry.slice.title:{NAME_WIDTH}} {entry.line} ({entry.seconds:.1f} s)")
    _write(walked, folder / "tour.html", as_json)
    ctx.exit(1 if any(entry.failed for entry in walked) else 0)


def _write(walked: list, page_file: Path, json_file: Path | None) -> None:  # type: ignore[type-arg]
    from salus.app.opened import now
    from salus.cli.record import write_private
    from salus.cli.tour import page
    from salus.fhir import json

    write_private(page_file, page.render(walked, now()).encode())
    if json_file:
        rows = [
            {"name": w.slice.name, "sign": w.sign, "line": w.line, "seconds": round(w.seconds, 2), "failed": w.failed}
            for w in walked
        ]
        write_private(json_file, json.dumps(rows) + b"\n")
    signs = [w.sign for w in walked]
    click.echo(f"\n{len(walked)} slices: " + ", ".join(f"{signs.count(s)} {t}" for s, t in page.MEANING.items()))
    click.echo(f"Page: {page_file}")
