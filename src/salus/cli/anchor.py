"""``salus anchor``: checkpoints of the log on a blockchain, where a house wants one more witness."""

from __future__ import annotations

import os
from pathlib import Path

import click

from salus.cli.options import acting, session
from salus.errors import ConfigurationError, InputError

CHAIN = click.option("--chain", "url", envvar="SALUS_CHAIN", required=True, metavar="URL", help="Address of a node.")
CONTRACT = click.option("--contract", envvar="SALUS_CONTRACT", required=True, help="Address of the contract.")
KEY = click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the private key that signs (64 hex digits); without it the node's first account.",
)


@click.group()
def anchor() -> None:
    """Anchor checkpoints of the log in a blockchain, and hold the log to them. No health data go there."""


@anchor.command("deploy")
@CHAIN
@KEY
def deploy(url: str, key_file: Path | None) -> None:
    """Put salus's contract on the chain and print its address."""
    from salus.trust import anchor as chains

    click.echo(chains.deploy(chains.connect(url), secret=_secret(key_file)))


@anchor.command("write")
@acting
@CHAIN
@CONTRACT
@KEY
@click.pass_context
def write(ctx: click.Context, actor: str, url: str, contract: str, key_file: Path | None) -> None:
    """Anchor the newest checkpoint of the log."""
    from salus.trust import anchor as chains

    with session(ctx, actor) as work:
        house = work.administer()
        newest = house.log.newest(house.store.connection)
        if newest is None:
            raise InputError("the log is empty")
        line = chains.Anchor(chains.connect(url), contract, house.vault.house.public_key())
        receipt = line.write(newest, secret=_secret(key_file))
    click.echo(f"size {newest.size} anchored in block {receipt.block}, transaction {receipt.transaction}")


@anchor.command("check")
@acting
@CHAIN
@CONTRACT
@click.pass_context
def check(ctx: click.Context, actor: str, url: str, contract: str) -> None:
    """Hold the log to everything that was anchored of it."""
    from salus.trust import anchor as chains

    with session(ctx, actor) as work:
        house = work.administer()
        line = chains.Anchor(chains.connect(url), contract, house.vault.house.public_key())
        points = line.check(house.store.connection)
    if not points:
        raise InputError("nothing of this log is anchored there", remedy="is it the right chain and contract?")
    click.echo(f"{len(points)} anchored checkpoints are those of the log, sizes {points[0].size} to {points[-1].size}")


def _secret(path: Path | None) -> bytes | None:
    if path is None:
        return None
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ConfigurationError("others can read the private key", where=str(path), remedy=f"chmod 600 {path}")
    try:
        secret = bytes.fromhex(path.read_text("ascii").strip().removeprefix("0x"))
    except ValueError as error:
        raise ConfigurationError("not a private key in hex digits", where=str(path)) from error
    if len(secret) != 32:
        raise ConfigurationError("a private key has 32 bytes", where=str(path))
    return secret
