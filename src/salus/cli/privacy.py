"""``salus privacy``: hand a record to its patient, data without identifiers to others, and erase who asks for it."""

from __future__ import annotations

import csv
from pathlib import Path

import click

from salus.cli.options import acting, moment, session, timed
from salus.cli.outcomes import carried_out, tell_erased
from salus.errors import InputError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
TARGET = click.Path(path_type=Path)


@click.group()
def privacy() -> None:
    """Export a record to its patient, release data without identifiers, erase a patient who asks for it."""


@privacy.command("deidentify")
@click.argument("patient")
@click.argument("folder", type=TARGET)
@acting
@timed
@click.option("--purpose", default="HRESCH", show_default=True, help="The purpose of use it is released for.")
@click.pass_context
def deidentify(ctx: click.Context, patient: str, folder: Path, actor: str, at: str | None, purpose: str) -> None:
    """Write PATIENT's record and notes, without the identifiers of HIPAA's Safe Harbor, into FOLDER."""
    from salus.app.research.deidentified import deidentified
    from salus.cli.record import write_private
    from salus.fhir import json

    if folder.exists():
        raise InputError("there is something of that name already", where=str(folder), remedy="name another")
    with session(ctx, actor) as work:
        told = deidentified(work, work.resolve(patient), moment(at), purpose=purpose)
    folder.mkdir(parents=True)
    write_private(folder / "record.ndjson", b"".join(json.dumps(body) + b"\n" for body in told.resources))
    for number, text in enumerate(told.notes, 1):
        write_private(folder / f"note-{number}.txt", text.encode())
    click.echo(f"{len(told.resources)} resources and {len(told.notes)} notes in {folder}")
    for name, words in (("left out", told.left_out), ("taken out of texts", told.found_in_text)):
        click.echo(f"{name}: " + (", ".join(f"{k} {n}" for k, n in sorted(words.items())) or "nothing"))
    click.echo("Names of others that neither stand in the record nor look like one may remain in notes: read them.")


@privacy.command("anonymise")
@click.argument("table", type=FILE)
@click.argument("target", type=TARGET)
@click.option(
    "--hierarchy", "named", multiple=True, required=True, metavar="COLUMN=FILE", help="Generalisations of a column."
)
@click.option("--k", type=int, default=5, show_default=True, help="How many rows must look alike.")
@click.option("--suppression", type=float, default=0.0, show_default=True, help="The share of rows that may be hidden.")
@click.option("--diverse", multiple=True, metavar="COLUMN=L", help="L different values of COLUMN in each class.")
@click.option(
    "--close", multiple=True, metavar="COLUMN=T", help="Shares of COLUMN's values within T (0 to 1) of all's."
)
@click.option("--delimiter", default=";", show_default=True, help="Between the columns of all files.")
def anonymise(
    table: Path,
    target: Path,
    named: tuple[str, ...],
    k: int,
    suppression: float,
    diverse: tuple[str, ...],
    close: tuple[str, ...],
    delimiter: str,
) -> None:
    """Write a k-anonymous form of TABLE, a CSV file with a heading, to TARGET, with the least loss there is."""
    from salus.app.research.anonymised import anonymised, read_levels

    if target.exists():
        raise InputError("there is a file already", where=str(target), remedy="name another")
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise InputError("a delimiter is one character", where="--delimiter")
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError("a table that cannot be read", where=str(table)) from error
    if not rows:
        raise InputError("an empty table", where=str(table))
    pairs = [text.partition("=") for text in named]
    told = anonymised(
        rows[0],
        rows[1:],
        {column: read_levels(column, Path(path), delimiter) for column, _, path in pairs},
        k=k,
        suppression=suppression,
        diverse={column: round(_number(text, "--diverse")) for column, text in map(_column, diverse)},
        close={column: _number(text, "--close") for column, text in map(_column, close)},
    )
    with target.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([told.columns, *told.rows])
    levels = ", ".join(f"{name} {level}" for name, level in told.levels.items())
    click.echo(f"{target}: {len(told.rows)} rows, {told.suppressed} suppressed, smallest class {told.smallest_class}")
    click.echo(f"levels: {levels}; loss {told.loss:.1f} bits; highest risk {told.prosecutor_risk:.3f}")


def _column(text: str) -> tuple[str, str]:
    column, _, value = text.partition("=")
    return column, value


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError("not COLUMN=NUMBER", where=option) from error


@privacy.command("export")
@click.argument("patient")
@acting
@click.option("--out", required=True, type=TARGET, help="The archive to write (ZIP; only you may read the file).")
@click.pass_context
def export(ctx: click.Context, patient: str, actor: str, out: Path) -> None:
    """Write all of PATIENT's own record into one archive: entries, files, consents, who looked, with proofs."""
    from salus.app.fhir import export as exporting

    with session(ctx, actor) as work:
        told = exporting.export(work, patient, out)
    click.echo(f"{out}: {told.resources} entries, {told.versions} earlier versions, {told.blobs} files, ", nl=False)
    click.echo(f"{told.accesses} log entries with proofs")
    click.echo("The archive is not encrypted: whoever gets it can read it.")


@privacy.command("check-export")
@click.argument("file", type=FILE)
@click.option("--key", help="The house's public key, as it was given to you (64 hex digits).")
def check_export(file: Path, key: str | None) -> None:
    """Check an archive from `privacy export`: nothing changed, nothing left out. Needs neither store nor keys."""
    from salus.app.fhir.export_check import check

    try:
        known = bytes.fromhex(key) if key else None
    except ValueError as error:
        raise InputError("not hex digits", where="--key") from error
    told = check(file, known)
    counts = told.counts
    click.echo(
        f"record of {told.patient}, exported {told.made}: {counts.resources} entries, {counts.blobs} files, ", nl=False
    )
    click.echo(f"{counts.accesses} log entries, all proved; {told.consents} signed consents")
    click.echo(f"cosigned by {', '.join(told.witnesses)}" if told.witnesses else "only the house signed the log")
    if known is None:
        click.echo(f"whose archive it is, only a key of the house that you have from elsewhere shows: {told.key.hex()}")


@privacy.command("ask-erasure")
@click.argument("patient")
@acting
@click.pass_context
def ask_erasure(ctx: click.Context, patient: str, actor: str) -> None:
    """Ask, as the patient or a proxy, that PATIENT be erased."""
    from salus.app import erasure

    with session(ctx, actor) as work:
        asked = erasure.ask(work, patient)
    click.echo(f"written into the log as entry {asked.entry}; an operator carries it out")


@privacy.command("requests")
@acting
@click.pass_context
def requests(ctx: click.Context, actor: str) -> None:
    """The patients who asked to be erased and wait."""
    from salus.app import erasure

    with session(ctx, actor) as work:
        for asked in erasure.asked(work.administer()):
            click.echo(f"{asked.patient}  asked {asked.at}  log entry {asked.entry}")


@privacy.command("erase")
@click.argument("patient")
@acting
@click.confirmation_option(prompt="This cannot be undone. Erase?", help="Do not ask again.")
@click.pass_context
def erase(ctx: click.Context, patient: str, actor: str) -> None:
    """Erase PATIENT, who asked for it: the key is destroyed, the rest deleted, the log keeps its proofs."""
    from salus.app import erasure

    with session(ctx, actor) as work:
        told = carried_out(erasure.carry_out(work, patient))
    if told:
        tell_erased(told)


@privacy.command("hold")
@click.argument("patient")
@click.argument("ground")
@acting
@click.option("--end", is_flag=True, help="The ground is gone: the record may be erased again.")
@click.pass_context
def hold(ctx: click.Context, patient: str, ground: str, actor: str, end: bool) -> None:
    """Keep PATIENT from being erased while the law asks for it, on a GROUND (a case number, a section of a law)."""
    from salus.app import erasure

    with session(ctx, actor) as work:
        erasure.hold(work, patient, ground, end=end)
    click.echo("the hold is ended" if end else "held: it cannot be erased until the hold is ended")
