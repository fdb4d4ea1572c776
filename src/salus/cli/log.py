"""``salus log``: who looked, proofs to take home, and the log shown to witnesses and to anybody."""

from __future__ import annotations

from pathlib import Path

import click

from salus.cli.options import acting, configuration, hex_bytes, session

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def log() -> None:
    """The tamper-evident log."""


@log.command("patient")
@click.argument("patient")
@acting
@click.pass_context
def log_patient(ctx: click.Context, patient: str, actor: str) -> None:
    """Who looked at my record, who wrote, who was refused (for the patient or a proxy)."""
    with session(ctx, actor) as work:
        for entry in work.accesses(patient):
            what = entry.get("decision", entry.get("reason", ""))
            extra = entry.get("purpose") or f"{len(entry.get('items', []))} resources"
            extra += "".join(f"  {how}: {', '.join(entry[how])}" for how in ("flagged", "interlocked") if how in entry)
            click.echo(f"{entry['n']:>6}  {entry.get('at', '')}  {entry.get('actor', '')}  {what}  {extra}")


@log.command("checkpoint")
@acting
@click.option("--since", type=FILE, help="An older checkpoint: print a proof that the log only grew since.")
@click.pass_context
def log_checkpoint(ctx: click.Context, actor: str, since: Path | None) -> None:
    """Print the newest signed checkpoint: keep it, and `salus verify --checkpoint FILE` holds the log to it."""
    from salus.app import proving
    from salus.fhir import json

    with session(ctx, actor) as work:
        if since:
            click.echo(json.dumps(proving.growth(work.house, proving.checkpoint(since.read_bytes()))))
        elif newest := proving.newest_checkpoint(work.house):
            click.echo(newest.to_bytes().decode(), nl=False)


@log.command("proof")
@click.argument("patient")
@click.argument("entry", type=int)
@acting
@click.pass_context
def log_proof(ctx: click.Context, patient: str, entry: int, actor: str) -> None:
    """Print a proof that an entry of my log stands in the house's log; anybody can check it (salus log check)."""
    with session(ctx, actor) as work:
        click.echo(work.proof(patient, entry).decode(), nl=False)


@log.command("settle")
@acting
@click.pass_context
def log_settle(ctx: click.Context, actor: str) -> None:
    """Go on although the checkpoint kept with the keys is missing or ahead of the store, or entries of the emergency
    journal are missing (this is logged).

    Look first how it came about: salus verify. Where the store was rolled back, put a backup in place instead.
    """
    from salus.app.house import House
    from salus.app.session import Session

    with House(configuration(ctx), checked=False) as house:
        Session.named(house, actor).administer().settle(actor)
    click.echo("the log goes on from what is in the store")


@log.command("key")
@acting
@click.pass_context
def log_key(ctx: click.Context, actor: str) -> None:
    """Print the public key with which the house signs checkpoints."""
    from salus.app import proving

    with session(ctx, actor) as work:
        click.echo(proving.public_key(work.house).hex())


@log.command("check")
@click.argument("file", type=FILE)
@click.option("--key", required=True, help="The house's public key, as it was given to you (64 hex digits).")
@click.option("--witness", "witnesses", multiple=True, metavar="VKEY", help="The key of a witness whom you trust.")
def log_check(file: Path, key: str, witnesses: tuple[str, ...]) -> None:
    """Check a proof from `log proof` or `log checkpoint --since`. Needs neither store nor keys.

    Without a witness's signature a proof says that it is self-attested: a house that rewrote its log could make it.
    """
    from salus.app import proving

    for line in proving.check(file.read_bytes(), hex_bytes(key, "--key"), witnesses).lines():
        click.echo(line)


@log.command("cosign")
@click.argument("url")
@click.argument("vkey")
@acting
@click.pass_context
def log_cosign(ctx: click.Context, url: str, vkey: str, actor: str) -> None:
    """Let the witness at URL, whose key is VKEY, cosign the newest checkpoint; later proofs carry its signature."""
    from salus.app import witnessing

    with session(ctx, actor) as work:
        kept = witnessing.cosign(work.administer(), url, vkey)
    click.echo(f"{kept.size} entries, cosigned by {', '.join(s.name for s in kept.cosignatures)}")


@log.command("publish")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@acting
@click.pass_context
def log_publish(ctx: click.Context, folder: Path, actor: str) -> None:
    """Write the log's tiles (salted hashes alone) into FOLDER, for any web server; what is there is added to."""
    from salus.app import witnessing

    with session(ctx, actor) as work:
        size = witnessing.publish(work.administer(), folder)
    click.echo(f"{size} entries in {folder}")


@log.command("vkey")
@acting
@click.pass_context
def log_vkey(ctx: click.Context, actor: str) -> None:
    """Print the verifier key of the log, as witnesses and readers of its tiles take it."""
    from salus.app import proving

    with session(ctx, actor) as work:
        click.echo(proving.verifier_key(work.house))
