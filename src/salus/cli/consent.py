"""Commands for consent: given, listed and revoked by the patient, a proxy, or as witnessed paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from salus.cli.options import acting, configuration, moment, session, timed

if TYPE_CHECKING:
    from salus.app.session_consents import Shown

NEW_FILE = click.Path(exists=False, dir_okay=False, path_type=Path)
CATEGORY = click.Choice(["record", "genome", "image", "signal", "note"])


@click.group()
def consent() -> None:
    """What a patient allows whom."""


@consent.command("give")
@click.argument("patient")
@acting
@timed
@click.option("--to", "actors", multiple=True, required=True, help="Who may read (an actor); may be repeated.")
@click.option("--category", "categories", multiple=True, type=CATEGORY, help="Kinds of data (default: all).")
@click.option("--purpose", "purposes", multiple=True, default=("TREAT",), show_default=True, help="Purposes of use.")
@click.option("--until", help="Last day on which it holds (a date).")
@click.option(
    "--witnessed",
    type=NEW_FILE,
    help="You are staff and vouch for the patient's signature on paper: write it to this file, for a second witness.",
)
@click.pass_context
def give(
    ctx: click.Context,
    patient: str,
    actor: str,
    at: str | None,
    actors: tuple[str, ...],
    categories: tuple[str, ...],
    purposes: tuple[str, ...],
    until: str | None,
    witnessed: Path | None,
) -> None:
    """Let somebody read; signed with the private key of --as. A paper takes two witnesses: see countersign."""
    from salus.fhir.views import CATEGORIES

    asked: dict[str, Any] = {
        "actors": actors,
        "categories": categories or CATEGORIES,
        "purposes": purposes,
        "until": until,
    }
    with session(ctx, actor) as work:
        if witnessed is None:
            name = work.give_consent(patient, moment(at), **asked)
            click.echo(f"consent {name} is in force")
            return
        from salus.cli.record import write_private
        from salus.fhir import json

        body, provenance = work.witness(work.drafted(patient, moment(at), **asked))
        write_private(witnessed, json.dumps({"consent": body, "witnessed": provenance}))
    click.echo(f"witnessed as {actor}; another member of staff runs: salus consent countersign {witnessed} --as NAME")


@consent.command("countersign")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@acting
@click.pass_context
def countersign(ctx: click.Context, file: Path, actor: str) -> None:
    """Vouch, as the second witness, for the paper in FILE, and put it in force. Read what it says."""
    from salus.app.web import consents as web_consents
    from salus.errors import InputError
    from salus.fhir import json

    both = json.loads(file.read_bytes())
    body, provenance = (both.get(k) if isinstance(both, dict) else None for k in ("consent", "witnessed"))
    patient = body.get("patient") if isinstance(body, dict) else None
    reference = patient.get("reference") if isinstance(patient, dict) else None
    if not isinstance(body, dict) or not isinstance(provenance, dict) or not isinstance(reference, str):
        raise InputError("not a witnessed consent", where=str(file), remedy="salus consent give --witnessed FILE")
    with session(ctx, actor) as work:
        work.countersign(reference.removeprefix("Patient/"), body, provenance)
    click.echo(web_consents.in_one_line(body), err=True)
    click.echo(f"consent {body['id']} is in force; the patient is told of it")


@consent.command("close")
@click.argument("patient")
@click.argument("categories", nargs=-1, required=True, type=CATEGORY)
@acting
@timed
@click.option("--witnessed", is_flag=True, help="You are staff and vouch for the patient's signature on paper.")
@click.pass_context
def close(
    ctx: click.Context, patient: str, categories: tuple[str, ...], actor: str, at: str | None, witnessed: bool
) -> None:
    """Close kinds of data to processing: nothing is computed from them any more."""
    with session(ctx, actor) as work:
        name = work.close_to_processing(patient, moment(at), categories=categories, witnessed=witnessed)
    click.echo(f"consent {name} is in force")


@consent.command("withhold")
@click.argument("patient")
@acting
@timed
@click.option(
    "--category", "categories", multiple=True, required=True, type=CATEGORY, help="A kind of data; repeatable."
)
@click.option("--from", "actors", multiple=True, help="From whom (an actor); may be repeated (default: everybody).")
@click.option(
    "--as-shown",
    "shown",
    type=click.Choice(["hidden", "flagged", "interlock"]),
    default="hidden",
    show_default=True,
    help="What they learn: nothing; that this kind is withheld; only that there is a severe conflict with it.",
)
@click.option("--witnessed", is_flag=True, help="You are staff and vouch for the patient's signature on paper.")
@click.pass_context
def withhold(
    ctx: click.Context,
    patient: str,
    actor: str,
    at: str | None,
    categories: tuple[str, ...],
    actors: tuple[str, ...],
    shown: Shown,
    witnessed: bool,
) -> None:
    """Keep somebody, or everybody, from reading kinds of data; a newer consent of the same signer can open them."""
    with session(ctx, actor) as work:
        name = work.withhold(
            patient, moment(at), categories=categories, actors=actors, shown=shown, witnessed=witnessed
        )
    click.echo(f"consent {name} is in force")


@consent.command("list")
@click.argument("patient")
@acting
@click.pass_context
def list_(ctx: click.Context, patient: str, actor: str) -> None:
    """The patient's consents and whether each is in force."""
    from salus.app.web import consents as web_consents

    with session(ctx, actor) as work:
        for body, standing in work.consents(patient):
            provision = body.get("provision", {})
            actors = ", ".join(a["reference"]["identifier"]["value"] for a in provision.get("actor", ()))
            classes = ", ".join(c["code"] for c in provision.get("class", ()))
            shown = web_consents.tell(body).shown
            what = f"{provision.get('type', '')}{f' ({shown})' if shown else ''}"
            click.echo(f"{body['id']}  {what}  {actors or 'everybody'}: {classes}  {standing}")


@consent.command("revoke")
@click.argument("patient")
@click.argument("name")
@acting
@click.option("--witnessed", is_flag=True, help="You are staff and vouch for the patient's signature on paper.")
@click.pass_context
def revoke(ctx: click.Context, patient: str, name: str, actor: str, witnessed: bool) -> None:
    """End a consent."""
    with session(ctx, actor) as work:
        work.revoke(patient, name, witnessed=witnessed)
    click.echo(f"consent {name} is revoked")


@consent.command("sign")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@acting
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write (default: print it).")
@click.pass_context
def sign(ctx: click.Context, file: Path, actor: str, out: Path | None) -> None:
    """Sign the consent in FILE, as a page of the server gave it, with the private key of --as.

    Needs no store. What is written is a FHIR transaction, to be filed on the page or posted to the server. What the
    consent says is told on standard error: read it.
    """
    from salus.app import keys
    from salus.app.opened import now
    from salus.app.web import consents as web_consents
    from salus.fhir import json
    from salus.private_files import write_private

    draft = json.loads(file.read_bytes())
    signed = web_consents.sign_here(draft, keys.identity(configuration(ctx), actor), now())
    click.echo(web_consents.in_one_line(draft), err=True)
    if out is None:
        click.echo(json.dumps(signed).decode())
    else:
        write_private(out, json.dumps(signed))
        click.echo(f"signed as {actor}: {out}", err=True)
