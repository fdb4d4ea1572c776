"""``salus quarantine``: sources that could not be taken in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from salus.cli.options import acting, session, zone
from salus.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from salus.app.live.quarantined import Filed


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


@quarantine.command("file")
@click.argument("numbers", nargs=-1, type=int)
@click.option("--device", help="File the readings of this device.")
@click.option("--patient", help="Whose it is. Of readings the device's assignment tells it too.")
@click.option("--setting", type=click.Choice(["home", "ward"]), help="Where a device measured that nobody had then.")
@click.option("--sample", help="Which sample of a VCF is the patient.")
@click.option("--encoding", help="Encoding of notes and HL7 v2 messages that name none.")
@click.option("--time-zone", metavar="NAME", help="The HL7 sender's zone, for times without an offset (Europe/Paris).")
@click.option(
    "--accept-identifier",
    "accepted",
    multiple=True,
    help="An identifier, or the address of a patient on another server, that you vouch is the patient's too.",
)
@click.option("--accept-apple-dtd", is_flag=True, help="Accept the plain DTD that Apple's own exports begin with.")
@acting
@click.pass_context
def quarantine_file(ctx: click.Context, /, numbers: tuple[int, ...], actor: str, **given: Any) -> None:
    """File what lies under NUMBERS into the record of the patient whose it is.

    It goes through the same checks as any intake. What was filed is gone from quarantine; what cannot be filed stays
    there, and the exit status is then 1.
    """
    from salus.app.live import quarantined
    from salus.intake.read import Options

    if bool(numbers) == bool(given["device"]):
        raise InputError("name what to file", remedy="numbers from salus quarantine list, or --device NAME")
    options = Options(given["sample"], given["encoding"], given["accept_apple_dtd"], zone(given["time_zone"]))
    with session(ctx, actor) as work:
        patient = work.resolve(given["patient"]) if given["patient"] else ""
        whose = quarantined.Whose(patient, given["setting"], options, given["accepted"])
        chosen = numbers or quarantined.of_device(work, given["device"])
        filed = quarantined.file(work, chosen, whose)
    _tell_filed(filed)
    ctx.exit(1 if any(entry.error for entry in filed) else 0)


def _tell_filed(filed: Sequence[Filed]) -> None:
    from salus.cli.record import print_taken

    if not filed:
        click.echo("nothing is left in quarantine to be filed")
    readings: dict[tuple[str, str], list[bool]] = {}
    for entry in filed:
        if entry.error is not None:
            click.echo(f"{entry.number}: not filed: {entry.error}", err=True)
            continue
        if entry.is_reading:
            readings.setdefault((entry.patient, entry.attribution), []).append(entry.double)
        for source in entry.taken:
            print_taken(source)
    for (patient, how), doubles in readings.items():
        held = f", {sum(doubles)} of them in the record already" if any(doubles) else ""
        click.echo(f"{len(doubles)} readings filed for patient {patient} ({how}){held}")
    if filed:
        click.echo(f"{sum(entry.error is None for entry in filed)} of {len(filed)} filed and gone from quarantine")
