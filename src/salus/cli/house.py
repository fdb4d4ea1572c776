"""Commands for the house itself: store, actors, policies, methods, log, verification, backup."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from salus.cli.options import acting, configuration, session
from salus.cli.proposals import carried_out
from salus.errors import ConfigurationError, InputError

if TYPE_CHECKING:
    from salus.trust.identity import Identity

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--operator", default="operator", show_default=True, help="Name of the first operator; a key is made.")
@click.option("--alone", is_flag=True, help="You keep it for yourself: nothing asks for a second person. For good.")
@click.pass_context
def init(ctx: click.Context, operator: str, alone: bool) -> None:
    """Make a store and its keys, and a first operator who may take data in."""
    from salus.app.house import House
    from salus.trust.identity import Actor

    settings = configuration(ctx)
    identity = _new_identity(settings.identities, operator)
    with House.create(settings, alone=alone) as house:
        path = identity.save(settings.identities)
        house.add_actor(Actor(operator, "operator", identity.public_key), by=operator)
    click.echo(f"store      {settings.store}")
    click.echo(f"keys       {settings.keys}   (without them the store cannot be read: back them up elsewhere)")
    click.echo(f"operator   {operator}, private key in {path}")
    if not alone:
        click.echo(f"second     salus actor add NAME --kind operator --by {operator}   (much takes two people)")
    click.echo(f"next       salus intake PATH --as {operator}")


@click.group()
def actor() -> None:
    """Who may act in this store."""


@actor.command("add")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["patient", "proxy", "practitioner", "operator", "organisation"]),
    required=True,
    help="What the actor is.",
)
@click.option("--patient", default="", help="Whose record a patient or proxy speaks for.")
@click.option("--public-key", help="64 hex digits; without it a key pair is made in the identities folder.")
@click.option("--by", required=True, envvar="SALUS_AS", help="The operator who enrols.")
@click.pass_context
def actor_add(ctx: click.Context, name: str, kind: str, patient: str, public_key: str | None, by: str) -> None:
    """Enrol an actor."""
    from salus.trust.identity import Actor

    with session(ctx, by) as work:
        own = bool(patient) and work.actor.patient == patient  # who speaks for a patient may let another do so
        house = work.house if own else work.administer()
        if public_key is None:
            identity = _new_identity(house.configuration.identities, name)
            key = identity.public_key
        else:
            key = _hex(public_key)
        done = house.add_actor(Actor(name, kind, key, patient), by=by)  # type: ignore[arg-type]
        if public_key is None:
            click.echo(f"private key in {identity.save(house.configuration.identities)}")
        if carried_out(done):
            click.echo(f"{name} may act as {kind}")


@actor.command("vouch")
@click.argument("name")
@acting
@click.pass_context
def actor_vouch(ctx: click.Context, name: str, actor: str) -> None:
    """Vouch for a practitioner whom another operator enrolled, who may then be one of two people."""
    from salus.app import acts

    with session(ctx, actor) as work:
        acts.vouch(work.administer(), name, work.actor)
    click.echo(f"{name} may witness papers and confirm proposals")


def _new_identity(folder: Path, name: str) -> Identity:
    """A fresh identity, after making sure that it can be kept: an actor without a key could never act."""
    from salus.trust.identity import DEMO_PREFIX, Identity, identity_path

    path = identity_path(folder, name)
    if name.startswith(DEMO_PREFIX):
        raise InputError(f"names that begin with {DEMO_PREFIX!r} are kept for demonstrations")
    if path.exists():
        raise ConfigurationError("an identity of this name is there already", where=str(path))
    return Identity.generate(name)


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise InputError("not hex digits", where="--public-key") from error


@actor.command("list")
@acting
@click.pass_context
def actor_list(ctx: click.Context, actor: str) -> None:
    """Every actor, to an operator; to others themselves, and whom a patient can let in."""
    from salus.trust.vault import fingerprint

    with session(ctx, actor) as work:
        own = work.actor
        for entry in work.house.registry.actors.values():
            speaks = bool(own.patient) and entry.patient == own.patient
            if own.kind != "operator" and entry.id != own.id and not speaks and entry.patient:
                continue  # who is a patient here is nobody's business
            click.echo(f"{entry.id}  {entry.kind}  key {fingerprint(entry.public_key)}")


@actor.command("remove")
@click.argument("name")
@acting
@click.pass_context
def actor_remove(ctx: click.Context, name: str, actor: str) -> None:
    """Take an actor out; the log keeps what it did."""
    with session(ctx, actor) as work:
        own = name == actor or bool(work.actor.patient)
        (work.house if own else work.administer()).remove_actor(name, by=actor)
    click.echo(f"{name} may no longer act")


@click.group()
def policy() -> None:
    """Bases of access other than consent and self, signed by an organisation."""


@policy.command("sign")
@click.argument("file", type=FILE)
@acting
@click.pass_context
def policy_sign(ctx: click.Context, file: Path, actor: str) -> None:
    """Sign a policy document as the organisation and print it."""
    from salus.fhir import json
    from salus.trust import policy as policies
    from salus.trust.identity import Identity

    document = json.loads(file.read_bytes())
    identity = Identity.load(configuration(ctx).identities, actor)
    click.echo(json.dumps(policies.sign({**document, "organisation": actor}, identity)).decode())


@policy.command("add")
@click.argument("file", type=FILE)
@acting
@click.pass_context
def policy_add(ctx: click.Context, file: Path, actor: str) -> None:
    """Put a signed policy into force (and into the log)."""
    from salus.fhir import json

    with session(ctx, actor) as work:
        document = json.loads(file.read_bytes())
        if not isinstance(document, dict):
            raise InputError("not a policy document", where=str(file))
        if carried_out(work.administer().add_policy(document, by=actor)):
            click.echo(f"policy {document['id']} is in force")


@policy.command("list")
@acting
@click.pass_context
def policy_list(ctx: click.Context, actor: str) -> None:
    """The policies in force."""
    with session(ctx, actor) as work:
        for entry in work.house.registry.policies.values():
            bases = ", ".join(sorted({rule.basis for rule in entry.rules}))
            click.echo(f"{entry.id}  of {entry.organisation}  {bases}  from {entry.start.text}")


@policy.command("remove")
@click.argument("name")
@acting
@click.pass_context
def policy_remove(ctx: click.Context, name: str, actor: str) -> None:
    """End a policy."""
    with session(ctx, actor) as work:
        work.administer().remove_policy(name, by=actor)
    click.echo(f"policy {name} is no longer in force")


@click.group(invoke_without_command=True)
@click.pass_context
def methods(ctx: click.Context) -> None:
    """The methods that are installed (no stranger's code is imported for this list)."""
    if ctx.invoked_subcommand is None:
        from salus.findings.registry import listed

        for entry in listed():
            source = "salus" if entry.ours else f"{entry.distribution} {entry.version}, runs only when allowed"
            click.echo(f"{entry.name:32} {source}")


@methods.command("card")
@click.argument("name")
@click.option("--html", type=click.Path(path_type=Path), help="Write it as a page, with the 31 source attributes.")
@click.option("--chai", type=click.Path(path_type=Path), help="Write it as an applied model card in XML.")
def methods_card(name: str, html: Path | None, chai: Path | None) -> None:
    """Print the card of one of salus's own methods or capabilities: intended use, limits, what was measured."""
    from salus.findings import card_page, cards
    from salus.findings.chai import to_xml

    card = cards.find(name)
    if html:
        html.write_text(card_page.to_html(card), "utf-8")
    if chai:
        chai.write_bytes(to_xml(card))
    for line in card.lines():
        click.echo(line)


@methods.command("allow")
@click.argument("name")
@acting
@click.pass_context
def methods_allow(ctx: click.Context, name: str, actor: str) -> None:
    """Allow the package that brings the method NAME, pinning the hash of its files in the log."""
    with session(ctx, actor) as work:
        distribution, pinned = work.administer().allow_method(name, by=actor)
    click.echo(f"{distribution} may run while its files are these: sha256 {pinned}")


@methods.command("withdraw")
@click.argument("name")
@acting
@click.pass_context
def methods_withdraw(ctx: click.Context, name: str, actor: str) -> None:
    """Take the permission back."""
    with session(ctx, actor) as work:
        work.administer().withdraw_method(name, by=actor)
    click.echo(f"{name} may no longer run")


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
            click.echo(f"{entry['n']:>6}  {entry.get('at', '')}  {entry.get('actor', '')}  {what}  {extra}")


@log.command("checkpoint")
@acting
@click.option("--since", type=FILE, help="An older checkpoint: print a proof that the log only grew since.")
@click.pass_context
def log_checkpoint(ctx: click.Context, actor: str, since: Path | None) -> None:
    """Print the newest signed checkpoint: keep it, and `salus verify --checkpoint FILE` holds the log to it."""
    from salus.fhir import json
    from salus.trust import proof
    from salus.trust.checkpoint import Checkpoint

    with session(ctx, actor) as work:
        connection, log = work.house.store.connection, work.house.log
        if since:
            click.echo(json.dumps(proof.of_growth(connection, log, Checkpoint.from_bytes(since.read_bytes()))))
        elif newest := log.newest(connection):
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
    """Go on although the checkpoint kept with the keys is missing or ahead of the store (this is logged).

    Look first how it came about: salus verify. Where the store was rolled back, put a backup in place instead.
    """
    from salus.app.house import House
    from salus.app.session import Session
    from salus.trust.identity import Identity

    settings = configuration(ctx)
    with House(settings, checked=False) as house:
        Session(house, Identity.load(settings.identities, actor)).administer().settle(actor)
    click.echo("the log goes on from what is in the store")


@log.command("key")
@acting
@click.pass_context
def log_key(ctx: click.Context, actor: str) -> None:
    """Print the public key with which the house signs checkpoints."""
    with session(ctx, actor) as work:
        click.echo(work.house.vault.house.public_key().public_bytes_raw().hex())


@log.command("check")
@click.argument("file", type=FILE)
@click.option("--key", required=True, help="The house's public key, as it was given to you (64 hex digits).")
@click.option("--witness", "witnesses", multiple=True, metavar="VKEY", help="The key of a witness whom you trust.")
def log_check(file: Path, key: str, witnesses: tuple[str, ...]) -> None:
    """Check a proof from `log proof` or `log checkpoint --since`. Needs neither store nor keys.

    Without a witness's signature a proof says that it is self-attested: a house that rewrote its log could make it.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from salus.trust import proof
    from salus.trust.note import Verifier

    raw = _hex(key)
    if len(raw) != 32:
        raise InputError("not a public key", where="--key")
    known = [Verifier.from_vkey(text) for text in witnesses]
    for line in proof.check(file.read_bytes(), Ed25519PublicKey.from_public_bytes(raw), known).lines():
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
    from salus.trust.checkpoint import verifier

    with session(ctx, actor) as work:
        click.echo(verifier(work.house.log.origin, work.house.vault.house.public_key()).vkey)


@click.group()
def quarantine() -> None:
    """Sources that could not be taken in, sealed."""


@quarantine.command("list")
@acting
@click.pass_context
def quarantine_list(ctx: click.Context, actor: str) -> None:
    """What lies in quarantine and why."""
    with session(ctx, actor) as work:
        for entry in work.house.quarantined():
            click.echo(f"{entry['n']:>5}  {entry['at']}  {entry['why']}")


@quarantine.command("release")
@click.argument("number", type=int)
@click.argument("target", type=click.Path(exists=False, path_type=Path))
@acting
@click.pass_context
def quarantine_release(ctx: click.Context, number: int, target: Path, actor: str) -> None:
    """Write what lies under NUMBER to the file TARGET."""
    from salus.cli.record import write_private

    with session(ctx, actor) as work:
        if target.exists():
            raise InputError("there is a file already", where=str(target), remedy="name another")
        write_private(target, work.administer().release(number, by=actor))
    click.echo(f"written to {target}")


@quarantine.command("destroy")
@click.argument("number", type=int)
@acting
@click.pass_context
def quarantine_destroy(ctx: click.Context, number: int, actor: str) -> None:
    """Destroy what lies under NUMBER for good; after 30 days that happens by itself."""
    with session(ctx, actor) as work:
        work.administer().destroy_quarantined(number, actor)
    click.echo(f"{number} is destroyed")


@quarantine.command("assign")
@click.argument("number", type=int)
@click.argument("patient")
@acting
@click.pass_context
def quarantine_assign(ctx: click.Context, number: int, patient: str, actor: str) -> None:
    """Say that what lies under NUMBER is PATIENT's: it is erased with the record."""
    with session(ctx, actor) as work:
        work.administer().assign_quarantined(number, patient, actor)
    click.echo(f"{number} goes with the record")


@click.command()
@click.option("--checkpoint", type=FILE, help="A checkpoint that somebody kept: the log must extend it.")
@click.pass_context
def verify(ctx: click.Context, checkpoint: Path | None) -> None:
    """Hold every body, blob, index row and log entry against the log. Exit status 1 when anything was changed."""
    from salus.app.house import House
    from salus.trust.checkpoint import Checkpoint

    held = Checkpoint.from_bytes(checkpoint.read_bytes()) if checkpoint else None
    with House(configuration(ctx), checked=False) as house:
        report = house.verify(held)
    for problem in report.problems:
        click.echo(f"{problem.where}: {problem.what}", err=True)
    click.echo(f"{report.entries} log entries, {report.versions} resource versions, {report.blobs} blobs", nl=False)
    click.echo(": as written" if not report.problems else f": {len(report.problems)} problems")
    ctx.exit(1 if report.problems else 0)


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@acting
@click.pass_context
def backup(ctx: click.Context, target: Path, actor: str) -> None:
    """Write a consistent copy of the store to TARGET. The keys are not in it: copy their folder as well."""
    with session(ctx, actor) as work:
        work.administer().backup(target, actor)
        keys = work.house.configuration.keys
    click.echo(f"{target} written; keep a copy of {keys} elsewhere, without it the backup cannot be read")


@click.command()
@click.argument("source", type=FILE)
@click.option("--accept-loss", is_flag=True, help="Accept that what came after the backup is lost (this is logged).")
@click.option("--erased", type=FILE, help="A list of erasures that was kept elsewhere: they are done again.")
@click.pass_context
def restore(ctx: click.Context, source: Path, accept_loss: bool, erased: Path | None) -> None:
    """Put the backup SOURCE in place of a missing store, after verifying it."""
    from salus.app.house import House

    report = House.restore(configuration(ctx), source, accept_loss=accept_loss, erased=erased)
    click.echo(f"restored and verified: {report.entries} log entries, {report.versions} resource versions")
