"""``salus anchor``: checkpoints of the log and salted hashes of consents on a blockchain, where a house wants them."""

from __future__ import annotations

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
REGISTRY = click.option(
    "--registry", envvar="SALUS_REGISTRY", required=True, help="Address of the contract of consents."
)


@click.group()
def anchor() -> None:
    """Anchor checkpoints of the log in a blockchain, and hold the log to them. No health data go there."""


@anchor.command("deploy")
@CHAIN
@KEY
def deploy(url: str, key_file: Path | None) -> None:
    """Put salus's contract on the chain and print its address."""
    from salus.app import anchoring

    click.echo(anchoring.deploy(anchoring.connect(url), secret=_secret(key_file)))


@anchor.command("write")
@acting
@CHAIN
@CONTRACT
@KEY
@click.pass_context
def write(ctx: click.Context, actor: str, url: str, contract: str, key_file: Path | None) -> None:
    """Anchor the newest checkpoint of the log."""
    from salus.app import anchoring

    with session(ctx, actor) as work:
        done = anchoring.write(work.administer(), anchoring.connect(url), contract, secret=_secret(key_file))
    receipt = done.receipt
    click.echo(f"size {done.size} anchored in block {receipt.block}, transaction {receipt.transaction}")


@anchor.command("check")
@acting
@CHAIN
@CONTRACT
@click.pass_context
def check(ctx: click.Context, actor: str, url: str, contract: str) -> None:
    """Hold the log to everything that was anchored of it."""
    from salus.app import anchoring

    with session(ctx, actor) as work:
        points = anchoring.check(work.administer(), anchoring.connect(url), contract)
    click.echo(f"{len(points)} anchored checkpoints are those of the log, sizes {points[0].size} to {points[-1].size}")


@anchor.group("consent")
def consent() -> None:
    """Keep salted hashes of consents on a blockchain, for whoever holds a consent's digest and salt."""


@consent.command("deploy")
@CHAIN
@KEY
def deploy_registry(url: str, key_file: Path | None) -> None:
    """Put salus's contract of consents on the chain and print its address."""
    from salus.app import anchoring

    click.echo(anchoring.deploy_registry(anchoring.connect(url), secret=_secret(key_file)))


@consent.command("write")
@click.argument("patient")
@click.argument("name", metavar="CONSENT")
@acting
@CHAIN
@REGISTRY
@KEY
@click.pass_context
def write_consent(
    ctx: click.Context, patient: str, name: str, actor: str, url: str, registry: str, key_file: Path | None
) -> None:
    """Write to the chain that CONSENT of PATIENT was given, or that it ended; print digest and salt.

    Digest and salt are for the patient, and for whom the patient gives them.
    """
    from salus.app import anchoring

    chain, secret = anchoring.connect(url), _secret(key_file)
    with session(ctx, actor) as work:
        for told in anchoring.write_consent(work, patient, name, chain, registry, secret=secret):
            click.echo(f"{told.state} by account {told.account}: digest {told.digest.hex()} salt {told.salt.hex()}")


@consent.command("check")
@click.argument("patient")
@click.argument("name", metavar="CONSENT")
@acting
@CHAIN
@REGISTRY
@click.option("--account", help="The house's account; without it the node's first.")
@click.pass_context
def check_consent(
    ctx: click.Context, patient: str, name: str, actor: str, url: str, registry: str, account: str | None
) -> None:
    """Hold what the chain says of CONSENT of PATIENT to the record."""
    from salus.app import anchoring

    chain = anchoring.connect(url)
    with session(ctx, actor) as work:
        anchoring.check_consent(work, patient, name, chain, registry, account)
    click.echo("the chain says of this consent what the record says")


@consent.command("look")
@click.argument("digest")
@click.argument("salt")
@CHAIN
@REGISTRY
@click.option("--account", required=True, help="The account of the house that wrote it.")
@click.pass_context
def look(ctx: click.Context, digest: str, salt: str, url: str, registry: str, account: str) -> None:
    """What the chain says of a consent whose DIGEST and SALT one holds (exit status 3 unless granted)."""
    from salus.app import anchoring

    held = _hex(digest, "DIGEST"), _hex(salt, "SALT")
    state = anchoring.state_of(anchoring.connect(url), registry, account, *held)
    click.echo(state)
    if state != "granted":
        ctx.exit(3)


def _hex(text: str, where: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError as error:
        raise InputError("not hex digits", where=where) from error
    if len(found) != 32:
        raise InputError("not 64 hex digits", where=where)
    return found


def _secret(path: Path | None) -> bytes | None:
    if path is None:
        return None
    from salus.private_files import read_private

    try:
        secret = bytes.fromhex(read_private(path).decode("ascii").strip().removeprefix("0x"))
    except ValueError as error:
        raise ConfigurationError("not a private key in hex digits", where=str(path)) from error
    if len(secret) != 32:
        raise ConfigurationError("a private key has 32 bytes", where=str(path))
    return secret
