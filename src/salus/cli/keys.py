"""``salus keys``: who holds the master key, and wrapping all keys anew."""

from __future__ import annotations

from pathlib import Path

import click

from salus.cli.options import acting, configuration, session
from salus.errors import InputError
from salus.trust.wrapping import FILE_VARIABLE, MASTER, PROGRAM_VARIABLE, FileProvider, KeyProvider, ProgramProvider


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
    with session(ctx, actor) as work:
        vault = work.administer().vault
        vault.copy(target)
        inside = (target / MASTER).exists()
    click.echo(f"{target} written, generation {vault.generation}")
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
    if to_file and to_program:
        raise InputError("one master key, not two", where="--to-file, --to-program")
    settings = configuration(ctx)
    if to_file and settings.store.resolve() in to_file.expanduser().resolve().parents:
        raise InputError("the master key would lie inside the store", where="--to-file", remedy="name another folder")
    provider: KeyProvider | None = None
    if to_file:
        provider = FileProvider(to_file.expanduser().absolute())
        provider.create()
    elif to_program:
        provider = ProgramProvider(to_program.expanduser().absolute())
    with session(ctx, actor) as work:
        house = work.administer()
        house.vault.rotate(provider)
        house.note(
            actor, {"reason": "keys-rotated", "generation": house.vault.generation, "to": house.vault.provider.name}
        )
        click.echo(f"wrapped anew: generation {house.vault.generation}; copy the key folder and the master key anew")
    if provider is not None:
        variable, place = (FILE_VARIABLE, to_file) if to_file else (PROGRAM_VARIABLE, to_program)
        click.echo(
            f"set {variable}={place.expanduser().absolute() if place else ''} from now on: without it nothing opens"
        )
