"""``salus anchor``: checkpoints of the log and salted hashes of consents on a blockchain, where a house wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from salus.cli.options import acting, session
from salus.errors import ConfigurationError, InputError, IntegrityError

if TYPE_CHECKING:
    from salus.app.session import Session
    from salus.trust.anchor import ConsentRegistry, Salted

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


@anchor.group("consent")
def consent() -> None:
    """Keep salted hashes of consents on a blockchain, for whoever holds a consent's digest and salt."""


@consent.command("deploy")
@CHAIN
@KEY
def deploy_registry(url: str, key_file: Path | None) -> None:
    """Put salus's contract of consents on the chain and print its address."""
    from salus.trust import anchor as chains

    click.echo(chains.deploy(chains.connect(url), secret=_secret(key_file), contract_name="consent"))


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
    from salus.trust import anchor as chains

    chain, secret = chains.connect(url), _secret(key_file)
    place = chains.ConsentRegistry(chain, registry)
    house = chains.account_of(chain, secret=secret)
    with session(ctx, actor) as work:
        for each, stands in _expected(work, patient, name):
            wanted = "granted" if stands else "revoked"
            if place.status(house, each.hash).state != wanted:
                told = {"reason": "consent-registered", "consent": f"Consent/{name}", "state": wanted}
                work.house.tell(patient, work.actor.id, told)
                (place.grant if stands else place.revoke)(each.hash, secret=secret)
            click.echo(f"{wanted} by account {house}: digest {each.digest.hex()} salt {each.salt.hex()}")


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
    from salus.trust import anchor as chains

    chain = chains.connect(url)
    place = chains.ConsentRegistry(chain, registry)
    with session(ctx, actor) as work:
        expected = _expected(work, patient, name)
    _hold(place, chains.account_of(chain, account), expected)
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
    from salus.trust import anchor as chains

    held = chains.Salted(_hex(digest, "DIGEST"), _hex(salt, "SALT"))
    found = chains.ConsentRegistry(chains.connect(url), registry).status(account, held.hash)
    click.echo(found.state)
    if found.state != "granted":
        ctx.exit(3)


def _expected(work: Session, patient: str, name: str) -> list[tuple[Salted, bool]]:
    """The versions of a consent, each with whether it stands, for the patient's side and operators.

    Raises AccessError for others, InputError where there is no such consent.
    """
    from salus.trust import anchor as chains

    if work.actor.patient != patient:
        work.administer()
    scope = replace(work.house.gate.own_consent(work.actor, patient), categories=frozenset({"record"}))
    known = work.house.store.exists(scope)
    versions = [s.body for s in work.house.store.versions(scope, f"Consent/{name}")] if known else []
    if not versions:
        raise InputError("no such consent", remedy="salus consent list")
    return chains.expected(work.house.vault, patient, versions)


def _hold(place: ConsentRegistry, house: str, expected: Sequence[tuple[Salted, bool]]) -> None:
    """Raise IntegrityError where the chain contradicts the record, InputError where it is only behind."""
    for each, stands in expected:
        state = place.status(house, each.hash).state
        if stands and state == "revoked":
            raise IntegrityError("the record says in force, and the chain says revoked", remedy="salus verify")
        if stands != (state == "granted"):
            raise InputError(f"the chain says {state}", remedy="salus anchor consent write")


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
