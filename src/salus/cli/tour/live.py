"""Live monitoring: a morning of readings of a made-up person, shuffled and doubled, into a fresh house."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from salus.cli.tour.slice import Slice, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from salus.app.live.alerts import Alert

START = datetime(2026, 3, 1, 7, tzinfo=UTC)
DEVICE, PATIENT = "belt-1", "tour-live"


def run(stage: Stage) -> str:
    """Both ways through the queue; raise unless the record and the alerts are the same."""
    import random

    from salus.app.demo import examples_root
    from salus.fhir import json

    lines = (examples_root() / "tour" / "live" / "readings.ndjson").read_bytes().splitlines()
    source = random.Random(7)  # noqa: S311 - a shuffle, not a secret
    moved = [(_at(json.loads(line)) + source.uniform(0, 100), line) for line in lines * 2]
    shuffled = [line for _, line in sorted(moved, key=lambda pair: pair[0])]
    stored, alerts = _through(stage.folder / "ordered", lines)
    again, others = _through(stage.folder / "shuffled", shuffled)
    if (stored, alerts) != (again, others) or stored != len(lines):
        raise AssertionError("the shuffled and doubled readings gave another record")
    states = {alert.rule: alert.state for alert in alerts}
    if states != {"hr-high": "acknowledged", "not-monitored": "open"}:
        raise AssertionError(f"the alerts are {states}")
    return (
        f"{len(shuffled)} readings, shuffled and doubled, became {stored} in the record and the same alerts as in "
        "order: heart rate above 100/min for 10 minutes (acknowledged) and, when the belt fell silent, not monitored"
    )


def _at(reading: dict[str, Any]) -> float:
    return datetime.fromisoformat(reading["at"]).timestamp()


def _through(folder: Path, lines: list[bytes]) -> tuple[int, list[Alert]]:
    """How many readings a fresh house then holds, and the alerts that the clinician sees after acknowledging one."""
    from salus.app.config import at_folder
    from salus.app.demo import CLINICIAN, OPERATOR, enrol, session
    from salus.app.house import House
    from salus.app.intake.intake import Intake
    from salus.app.live.alerts import acknowledge, alerts
    from salus.app.live.readings import Monitor
    from salus.fhir import json

    clock = [START + timedelta(hours=1)]
    with House.create(at_folder(folder), demo=True, clock=lambda: clock[0]) as house:
        enrol(house, OPERATOR, "operator")
        enrol(house, CLINICIAN, "practitioner")
        enrol(house, "demo-live", "patient", PATIENT)
        operator, clinician, patient = (session(house, name) for name in (OPERATOR, CLINICIAN, "demo-live"))
        person = {"resourceType": "Patient", "id": PATIENT, "birthDate": "1951-05-20"}
        (folder / "person.json").write_bytes(json.dumps(person))
        Intake(operator).run([folder / "person.json"])
        patient.give_consent(PATIENT, clock[0], actors=[CLINICIAN], categories=["signal"])
        with Monitor(operator) as monitor:
            monitor.assign(DEVICE, PATIENT, setting="home", silent_after=timedelta(minutes=10), since=START)
            monitor.receive(lines)
            stored = monitor.drain().stored
            monitor.advance()
            first = next(a for a in alerts(clinician, PATIENT) if a.rule == "hr-high")
            acknowledge(clinician, PATIENT, first.id)
            clock[0] += timedelta(minutes=5)
            monitor.advance()
        return stored, alerts(clinician, PATIENT)


SLICE = Slice(
    name="live",
    title="Live monitoring",
    says="readings in any order and twice over are stored once, with the same alerts",
    also="a person acknowledges alerts",
    capabilities=("monitoring.live",),
    run=run,
)
