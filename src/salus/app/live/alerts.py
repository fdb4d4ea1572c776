"""Alerts of live monitoring as their readers see them, and their acknowledgement."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from salus.app.live.person import changes, history, late_readings, load, remember, rule_of
from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.fhir import dates
from salus.fhir.views import OWN_ID, TAG_KIND
from salus.monitoring.live import Acknowledgement
from salus.record.store import Change

_NAMESPACE = uuid.UUID("7d8f4d52-7c43-5a47-9d0b-9ef9c2a0b4c9")


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as its reader sees it. ``seen_by`` names who acknowledged it, as soon as that is written."""

    id: str
    rule: str
    title: str
    state: str
    since: str
    steps: tuple[dict[str, Any], ...]
    seen_by: str = ""
    late: int = 0


def alerts(session: Session, patient: str) -> list[Alert]:
    """The alerts of a patient that are released to the actor, oldest first. Raises AccessError."""
    grant = session.house.gate.grant(session.actor, patient, _purpose(session, patient))
    stored = session.house.store.read(grant, ("Flag", "Task"))
    seen = {str(t.body["focus"]["reference"]): t.body for t in stored if "focus" in t.body}
    found = []
    for body in (s.body for s in stored if rule_of(s.body)):
        steps = history(body)
        task = seen.get(f"Flag/{body['id']}")
        state = str(steps[-1]["to"])
        by = str(task["owner"]["identifier"]["value"]) if task else ""
        found.append(
            Alert(
                id=str(body["id"]).removeprefix(OWN_ID),
                rule=rule_of(body),
                title=str(body["code"]["text"]),
                state="acknowledged" if task and state in ("open", "escalated") and _later(task, steps) else state,
                since=str(body["period"]["start"]),
                steps=tuple(steps),
                seen_by=by,
                late=late_readings(body),
            )
        )
    return sorted(found, key=lambda a: (a.since, a.id))


def _later(task: dict[str, Any], steps: list[dict[str, Any]]) -> bool:
    """True for an acknowledgement newer than the last step: it becomes a step once the watermark has passed it."""
    return dates.instant(str(task["authoredOn"])) >= dates.instant(str(steps[-1]["at"]))


def acknowledge(session: Session, patient: str, alert: str) -> None:
    """Acknowledge an alert: write that the actor has seen it.

    Raises AccessError for others than staff and for who may not see the alert, InputError where there is no such alert
    or it is neither open nor escalated.
    """
    house = session.house
    if session.actor.kind not in ("practitioner", "operator"):
        raise AccessError("alerts are acknowledged by staff", remedy="--as a practitioner")
    known = {a.id: a for a in alerts(session, patient)}
    if alert not in known:
        raise InputError("no such alert", remedy="salus alerts list PATIENT")
    if known[alert].state not in ("open", "escalated"):
        raise InputError(f"the alert is {known[alert].state}", remedy="salus alerts list PATIENT")
    person = load(house, patient)
    at = max(house.clock(), person.stream.watermark)
    event = Acknowledgement(alert, at, session.actor.id)
    remember(person, event, late=False)
    task = _task(patient, event)
    scope = house.gate.custodian(session.actor, patient)
    house.commit(scope, [Change("Task", task["id"], task), *changes(person)], reason="live")


def _task(patient: str, event: Acknowledgement) -> dict[str, Any]:
    at = dates.write(event.at)
    return {
        "resourceType": "Task",
        "id": OWN_ID + str(uuid.uuid5(_NAMESPACE, f"{event.alert} {event.by} {at}")),
        "meta": {"tag": [{"system": TAG_KIND, "code": "signal/alert"}]},
        "status": "completed",
        "intent": "order",
        "description": "Alert acknowledged",
        "focus": {"reference": f"Flag/{OWN_ID}{event.alert}"},
        "for": {"reference": f"Patient/{patient}"},
        "authoredOn": at,
        "owner": {"identifier": {"system": "urn:salus:actor", "value": event.by}},
    }


def _purpose(session: Session, patient: str) -> str:
    return "PATRQT" if session.actor.patient == patient else "TREAT"
