"""Commands for the house itself: store, actors, policies, methods, log, verification, backup."""

from __future__ import annotations

from pathlib import Path

import click

from salus.cli.options import acting, configuration, hex_bytes, session
from salus.cli.outcomes import carried_out
from salus.errors import InputError

LEFT = "the store as it was before it was moved, with all that was erased since: destroy it"
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--operator", default="operator", show_default=True, help="Name of the first operator; a key is made.")
@click.option("--alone", is_flag=True, help="You keep it for yourself: nothing asks for a second person. For good.")
@click.pass_context
def init(ctx: click.Context, operator: str, alone: bool) -> None:
    """Make a store and its keys, and a first operator who may take data in."""
    from salus.app import keys
    from salus.app.house import House

    settings = configuration(ctx)
    identity = keys.new_identity(settings, operator)
    with House.create(settings, alone=alone) as house:
        path = identity.save(settings.identities)
        keys.enrol(house, operator, "operator", identity.public_key, by=operator)
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
    from salus.app import keys

    with session(ctx, by) as work:
        own = bool(patient) and work.actor.patient == patient  # who speaks for a patient may let another do so
        house = work.house if own else work.administer()
        if public_key is None:
            identity = keys.new_identity(house.configuration, name)
            key = identity.public_key
        else:
            key = hex_bytes(public_key, "--public-key")
        done = keys.enrol(house, name, kind, key, patient, by=by)  # type: ignore[arg-type]
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


@actor.command("list")
@acting
@click.pass_context
def actor_list(ctx: click.Context, actor: str) -> None:
    """Every actor, to an operator; to others themselves, and whom a patient can let in."""
    from salus.app import keys

    with session(ctx, actor) as work:
        own = work.actor
        for entry in work.house.registry.actors.values():
            speaks = bool(own.patient) and entry.patient == own.patient
            if own.kind != "operator" and entry.id != own.id and not speaks and entry.patient:
                continue  # who is a patient here is nobody's business
            click.echo(f"{entry.id}  {entry.kind}  key {keys.fingerprint(entry.public_key)}")


@actor.command("remove")
@click.argument("name")
@acting
@click.pass_context
def actor_remove(ctx: click.Context, name: str, actor: str) -> None:
    """Take an actor out; the log keeps what it did.

    Where a patient's key is taken out by others, it takes two operators and 72 hours.
    """
    with session(ctx, actor) as work:
        own = name == actor or bool(work.actor.patient)
        done = (work.house if own else work.administer()).remove_actor(name, by=actor)
    if carried_out(done) is not None:
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
    from salus.app import keys
    from salus.fhir import json

    document = json.loads(file.read_bytes())
    click.echo(json.dumps(keys.sign_policy(configuration(ctx), actor, document)).decode())


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


@click.command()
@click.option("--checkpoint", type=FILE, help="A checkpoint that somebody kept: the log must extend it.")
@click.option(
    "--resume", is_flag=True, help="Go on from a run that was interrupted; what was changed since is looked at."
)
@click.pass_context
def verify(ctx: click.Context, checkpoint: Path | None, resume: bool) -> None:
    """Hold every body, blob, index row and log entry against the log. Exit status 1 when anything was changed."""
    from salus.app import proving
    from salus.app.house import House
    from salus.cli.meter import Meter

    settings = configuration(ctx)
    held = proving.checkpoint(checkpoint.read_bytes()) if checkpoint else None
    with House(settings, checked=False) as house, Meter("verifying", "resource versions") as meter:
        report = house.verify(held, progress=meter, resume=resume)
    for problem in report.problems:
        click.echo(f"{problem.where}: {problem.what}", err=True)
    if settings.moved_away:
        click.echo(f"{settings.moved_away}: {LEFT}", err=True)
    if resume:
        click.echo(f"{report.remembered} resource versions stand as the interrupted run found them")
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
@click.argument("source", type=FILE, required=False)
@click.option("--accept-loss", is_flag=True, help="Accept that what came after the backup is lost (this is logged).")
@click.option("--erased", type=FILE, help="A list of erasures that was kept elsewhere: they are done again.")
@click.pass_context
def restore(ctx: click.Context, source: Path | None, accept_loss: bool, erased: Path | None) -> None:
    """Put the backup SOURCE in place of a missing store, after verifying it.

    Without SOURCE: complete and verify what pg_restore put into the PostgreSQL database of the settings.
    """
    from salus.app.house import House

    settings = configuration(ctx)
    if bool(source) == bool(settings.database):
        remedy = "pg_restore first, then without SOURCE" if source else "name the backup"
        raise InputError("a store in PostgreSQL is restored by pg_restore, a file from a backup", remedy=remedy)
    if source:
        report = House.restore(settings, source, accept_loss=accept_loss, erased=erased)
    else:
        report = House.restore_database(settings, accept_loss=accept_loss, erased=erased)
    click.echo(f"restored and verified: {report.entries} log entries, {report.versions} resource versions")
