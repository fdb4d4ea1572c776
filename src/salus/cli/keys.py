"""``salus keys``: who holds the master key, and wrapping all keys anew."""

from __future__ import annotations

from pathlib import Path

import click

from salus.cli.options import acting, session


@click.group()
def keys() -> None:
    """The keys of the store: who holds the master key; wrap them anew."""


@keys.command("show")
@acting
@click.pass_context
def show(ctx: click.Context, actor: str) -> None:
    """Who holds the master key, and how often the keys were wrapped anew."""
    with session(ctx, actor) as work:
        vault = work.administer().vault
        renewable = "renewed at each erasure" if vault.provider.renewable else "never renewed: old copies stay readable"
        click.echo(f"master key {vault.provider.name}, {renewable}")
        click.echo(f"generation {vault.generation}")


@keys.command("copy")
@click.argument("target", type=click.Path(path_type=Path))
@acting
@click.pass_context
def copy(ctx: click.Context, target: Path, actor: str) -> None:
    """Copy the key folder to TARGET while nobody changes it. Destroy copies from before the last erasure."""
    from salus.app import keys as app_keys

    with session(ctx, actor) as work:
        house = work.administer()
        inside = app_keys.copy(house, target)
    click.echo(f"{target} written, generation {house.vault.generation}")
    click.echo(
        "the master key lies in it" if inside else "the master key is elsewhere: keep a copy of that, too, apart"
    )


@keys.command("rotate")
@acting
@click.option("--to-file", type=click.Path(path_type=Path), help="Keep the master key in this file from now on.")
@click.option("--to-program", type=click.Path(path_type=Path), help="Let this program hold the master key from now on.")
@click.pass_context
def rotate(ctx: click.Context, actor: str, to_file: Path | None, to_program: Path | None) -> None:
    """Wrap all keys anew and destroy what wrapped them before. Copies of the key folder from before are dead then."""
    from salus.app import keys as app_keys

    with session(ctx, actor) as work:
        done = app_keys.rotate(work.administer(), actor, to_file=to_file, to_program=to_program)
    click.echo(f"wrapped anew: generation {done.generation}; copy the key folder and the master key anew")
    if done.setting:
        click.echo(f"set {done.setting} from now on: without it nothing opens")
