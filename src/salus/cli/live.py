"""Commands for sources that send by themselves, and for the alerts they raise: ``salus listen``, ``salus alerts``."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from salus.cli.binding import BEHIND_PROXY, check_host
from salus.cli.options import acting, moment, session, zone
from salus.errors import InputError

if TYPE_CHECKING:
    from salus.app.live.readings import Drained
    from salus.app.live.receiver import Receiver
    from salus.app.session import Session
    from salus.intake.live.mllp import Limits

TICK = 10.0


@click.command()
@click.option("--mllp", metavar="HOST:PORT", help="Listen there for HL7 v2 messages.")
@click.option("--behind-proxy", is_flag=True, help=BEHIND_PROXY.format("TCP (MLLP)"))
@click.option("--mqtt", metavar="HOST:PORT", help="Take readings from the MQTT broker there.")
@click.option("--topic", default="salus/readings/#", show_default=True, help="The broker's topic.")
@click.option(
    "--readings", type=click.File("rb"), help="Take readings, one JSON object a line, from a file (- : stdin)."
)
@click.option("--time-zone", metavar="NAME", help="The HL7 senders' zone, for times without an offset (Europe/Paris).")
@click.option("--encoding", metavar="NAME", help="Encoding of messages that name none and are no valid UTF-8.")
@click.option("--max-bytes", default=4 << 20, show_default=True, help="The largest HL7 message that is read.")
@click.option("--idle", default=300.0, show_default=True, help="Seconds of silence after which MLLP closes.")
@acting
@click.pass_context
def listen(ctx: click.Context, /, actor: str, **given: Any) -> None:
    """Take in what is sent, until stopped: HL7 v2 messages over MLLP, or readings of devices.

    A message is acknowledged AA, and a reading confirmed to the broker, only when it is durably stored. MLLP is plain
    TCP: put TLS in front of anything but the own machine. Not an alarm system.
    """
    chosen = [name for name in ("mllp", "mqtt", "readings") if given[name]]
    if len(chosen) != 1:
        raise InputError("name one thing to listen to", remedy="--mllp, --mqtt or --readings")
    with session(ctx, actor) as work:
        if given["mllp"]:
            _messages(work, given)
        elif given["mqtt"]:
            _broker(work, given)
        else:
            _lines(work, given["readings"])


def _messages(work: Session, given: dict[str, Any]) -> None:
    from salus.app.live.receiver import Receiver
    from salus.intake.live.mllp import Limits

    work.administer()
    host, port = _address(given["mllp"], "--mllp")
    check_host(host, "TCP", behind_proxy=given["behind_proxy"])
    receiver = Receiver(work, zone=zone(given["time_zone"]), encoding=given["encoding"])
    try:
        asyncio.run(_serve(receiver, host, port, Limits(given["max_bytes"], given["idle"])))
    finally:
        receiver.close()


async def _serve(receiver: Receiver, host: str, port: int, limits: Limits) -> None:
    from salus.intake.live.mllp import Server

    server = Server(receiver, receiver.refusal, limits)
    bound = await server.start(host, port)
    click.echo(f"listening on {host}:{bound}")
    try:
        await asyncio.Event().wait()
    finally:
        await server.stop()


def _broker(work: Session, given: dict[str, Any]) -> None:
    from salus.app.live.filing import WAIT
    from salus.app.live.readings import Monitor
    from salus.intake.live.mqtt import Broker, Subscriber

    host, port = _address(given["mqtt"], "--mqtt")
    with Monitor(work) as monitor, Subscriber(Broker(host, port, given["topic"])) as line:
        click.echo(f"watching {monitor.watch_all()} devices, readings from {host}:{port}")
        ticked = 0.0
        while True:
            line.pump(monitor.receive, seconds=1.0)
            _tell_refused(monitor.drain(WAIT))
            if time.monotonic() - ticked > TICK:
                ticked = time.monotonic()
                monitor.advance()


def _lines(work: Session, stream: Any) -> None:
    from salus.app.live.readings import Monitor

    new = duplicates = refused = 0
    with Monitor(work) as monitor:
        monitor.watch_all()
        while batch := [line for line in stream.readlines(1 << 20) if line.strip()]:
            said = monitor.receive(batch)
            new, duplicates = new + said.new, duplicates + said.duplicates
            refused += len(said.refused) + said.conflicts
            _tell_refused(monitor.drain())
        changed = monitor.advance()
    click.echo(f"{new} new readings, {duplicates} doubles, {refused} refused; {changed} alerts changed with the clock")


def _tell_refused(done: Drained) -> None:
    """Say how many readings are in no record, and why; nothing of a reading or a device is named."""
    if nobodys := done.refused - done.erased:
        click.echo(f"{nobodys} readings in quarantine: nobody had the device at their time", err=True)
    if done.erased:
        click.echo(f"{done.erased} readings dropped: their patient was erased", err=True)


@click.group()
def alerts() -> None:
    """Alerts of live monitoring, and the devices that raise them. Not an alarm system."""


@alerts.command("list")
@click.argument("patient")
@click.option("--all", "everything", is_flag=True, help="Also those that are resolved.")
@acting
@click.pass_context
def alerts_list(ctx: click.Context, patient: str, everything: bool, actor: str) -> None:
    """PATIENT's alerts with their history, as far as they are released to you."""
    from salus.app.live.alerts import alerts as found

    with session(ctx, actor) as work:
        shown = [a for a in found(work, work.resolve(patient)) if everything or a.state != "resolved"]
    for alert in shown:
        seen = f", seen by {alert.seen_by}" if alert.seen_by else ""
        click.echo(f"{alert.id}  {alert.state}{seen}  {alert.title}  since {alert.since}")
        for step in alert.steps:
            by = f" by {step['by']}" if step.get("by") else ""
            click.echo(f"    {step['at']}  {step['to']}{by}: {step['why']}")
        if alert.late:
            click.echo(f"    {alert.late} readings of this time came too late to count")
    if not shown:
        click.echo("no alert that is released to you; what no device measures raises none")


@alerts.command("ack")
@click.argument("patient")
@click.argument("alert")
@acting
@click.pass_context
def alerts_ack(ctx: click.Context, patient: str, alert: str, actor: str) -> None:
    """Say that you have seen ALERT of PATIENT."""
    from salus.app.live.alerts import acknowledge

    with session(ctx, actor) as work:
        acknowledge(work, work.resolve(patient), alert)
    click.echo(f"acknowledged by {actor}")


@alerts.command("assign")
@click.argument("device")
@click.argument("patient")
@click.option("--setting", type=click.Choice(["home", "ward"]), required=True, help="Where it measures.")
@click.option("--silent-after", type=float, help="Minutes without a reading after which it is not monitored.")
@click.option("--since", metavar="TIME", help="Since when it measures the patient (a FHIR instant; default: now).")
@acting
@click.pass_context
def alerts_assign(
    ctx: click.Context,
    device: str,
    patient: str,
    setting: Any,
    silent_after: float | None,
    since: str | None,
    actor: str,
) -> None:
    """DEVICE measures PATIENT, from now on or since an earlier time."""
    from salus.app.live.readings import Monitor

    limit = timedelta(minutes=silent_after) if silent_after else None
    with session(ctx, actor) as work, Monitor(work) as monitor:
        begun = moment(since, "--since") if since else None
        monitor.assign(device, work.resolve(patient), setting=setting, silent_after=limit, since=begun)
    click.echo(f"{device} measures {patient}")


@alerts.command("release")
@click.argument("device")
@acting
@click.pass_context
def alerts_release(ctx: click.Context, device: str, actor: str) -> None:
    """DEVICE measures nobody any more."""
    from salus.app.live.readings import Monitor

    with session(ctx, actor) as work, Monitor(work) as monitor:
        monitor.release(device)
    click.echo(f"{device} measures nobody")


def _address(text: str, where: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise InputError("not HOST:PORT", where=where)
    return host.strip("[]"), int(port)
