"""Live readings: from the line into the queue, from the queue into the record exactly once, alerts beside them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from salus.app.house import House
from salus.app.live.desk import Desk
from salus.app.live.person import (
    ASSIGNED,
    Assignment,
    Person,
    assignment,
    changes,
    history,
    late_readings,
    load,
    reading,
    remember,
    rule_of,
)
from salus.app.session import Session
from salus.errors import AccessError, InputError, SalusError
from salus.fhir import dates
from salus.fhir.views import OWN_ID, TAG_KIND
from salus.intake.live import readings
from salus.intake.live.queue import Guard, Queue
from salus.intake.live.readings import Sent
from salus.monitoring.live import Acknowledgement, Setting, check_plausible, table
from salus.record.store import Change
from salus.trust import quarantine
from salus.trust.grants import Grant
from salus.trust.vault import SYSTEM

QUEUE_FILE = "live.sqlite"
BATCH = 500
_NAMESPACE = uuid.UUID("7d8f4d52-7c43-5a47-9d0b-9ef9c2a0b4c9")
_CONTEXT = b"live reading"


@dataclass(frozen=True, slots=True)
class Received:
    """What became of readings that came in: new ones are durable in the queue."""

    new: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: tuple[str, ...] = ()


@dataclass(slots=True)
class Drained:
    """What became of readings that left the queue."""

    stored: int = 0
    duplicates: int = 0
    late: int = 0
    refused: int = 0
    alerts: int = 0


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as its reader sees it. ``seen_by`` is filled from the acknowledgement at once."""

    id: str
    rule: str
    title: str
    state: str
    since: str
    steps: tuple[dict[str, Any], ...]
    seen_by: str = ""
    late: int = 0


@dataclass(slots=True)
class _Batch:
    """What of one drain is for one patient."""

    sent: list[tuple[Sent, Setting]] = field(default_factory=list)


class Monitor:
    """Receives and watches, as an operator. Close it, or use it as a context manager."""

    def __init__(self, session: Session) -> None:
        """Raises AccessError unless the actor is an operator."""
        session.administer()
        self._desk = Desk(session)
        self._actor = session.actor
        vault = session.house.vault
        guard = Guard(
            lambda data: vault.mac(SYSTEM, _CONTEXT + data)[:16],
            lambda data: vault.seal(SYSTEM, data, _CONTEXT),
            lambda data: vault.unseal(SYSTEM, data, _CONTEXT),
        )
        self.queue = Queue(session.house.configuration.store / QUEUE_FILE, guard)
        self._people: dict[str, Person] = {}
        self._begin()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the queue."""
        self.queue.close()
        self._desk.close()

    def _begin(self) -> None:
        """A new piece of work begins: whoever was removed meanwhile is out."""
        self._house: House = self._desk.session().administer()

    # ---- devices

    def assign(self, device: str, patient: str, *, setting: Setting, silent_after: timedelta | None) -> None:
        """From now on ``device`` measures ``patient``. Raises InputError where it is somebody else's."""
        self._begin()
        scope = self._house.gate.custodian(self._actor, patient)
        if not self._house.store.exists(scope):
            raise InputError("no such patient in the store", remedy="take in the patient's record first")
        owner = self._owner(device)
        if owner is not None and owner[0] != patient:
            raise InputError("the device is assigned to another patient", remedy="salus alerts release DEVICE")
        self._write(scope, [self._device(device, patient, Assignment(device, setting, silent_after), "active")])

    def release(self, device: str) -> None:
        """The device measures nobody any more. Raises InputError where it measured nobody."""
        self._begin()
        owner = self._owner(device)
        if owner is None:
            raise InputError("the device is assigned to nobody")
        scope = self._house.gate.custodian(self._actor, owner[0])
        self._write(scope, [self._device(device, owner[0], owner[1], "inactive")])

    def _device(self, device: str, patient: str, how: Assignment, status: str) -> Change:
        seconds = int(how.silent_after.total_seconds()) if how.silent_after else 0
        parts: list[dict[str, Any]] = [
            {"url": "device", "valueString": device},
            {"url": "setting", "valueCode": how.setting},
            {"url": "silent-after", "valueUnsignedInt": seconds},
        ]
        body = {
            "resourceType": "Device",
            "id": _device_id(device),
            "meta": {"tag": [{"system": TAG_KIND, "code": "signal/device"}]},
            "extension": [{"url": ASSIGNED, "extension": parts}],
            "identifier": [{"system": "urn:salus:device", "value": device}],
            "status": status,
            "patient": {"reference": f"Patient/{patient}"},
        }
        return Change("Device", _device_id(device), body)

    def _owner(self, device: str) -> tuple[str, Assignment] | None:
        """Whom the device measures; None for nobody or, what must not be, for several."""
        name = _device_id(device)
        found = []
        for patient in self._house.store.holders(self._house.gate.house(self._actor.id), "Device", name, 50):
            scope = Grant("live", patient, "service", frozenset({"signal"}), may_write=False, purpose="attribution")
            for stored in self._house.store.read(scope, ("Device",), ids=[name]):
                how = assignment(stored.body)
                found += [(patient, how)] if how else []
        return found[0] if len(found) == 1 else None

    # ---- in

    def receive(self, payloads: Sequence[bytes]) -> Received:
        """Check readings and keep them durably in the queue; what is none goes into quarantine. Raises StoreError."""
        self._begin()
        items: list[tuple[bytes, bytes]] = []
        refused: list[str] = []
        for payload in payloads:
            try:
                sent = readings.parse(payload)
                check_plausible(sent.values)
                if sent.moment > self._house.clock() + table().future:
                    raise InputError("measured in the future", where="at", remedy="set the device's clock")
                items.append((sent.identity, sent.to_bytes()))
            except InputError as error:
                refused.append(str(error))
                self._quarantine(payload, error)
        said = self.queue.put(items)
        for (_, body), what in zip(items, said, strict=True):
            if what == "conflict":
                self._quarantine(body, InputError("another value under the same device, time and sequence"))
        return Received(said.count("new"), said.count("duplicate"), said.count("conflict"), tuple(refused))

    def _quarantine(self, content: bytes, error: SalusError) -> None:
        house = self._house
        scope = house.gate.house(self._actor.id, may_write=True)
        quarantine.keep(house.store, house.vault, house.log, scope, [content], error.what, house.time())

    # ---- through

    def drain(self) -> Drained:
        """Bring everything that waits into the record. Raises StoreError; what is not done is then still waiting."""
        self._begin()
        total = Drained()
        while taken := self.queue.take(BATCH):
            for patient, batch in self._by_patient(taken, total).items():
                self._file(patient, batch, total)
            self.queue.done([n for n, _ in taken])
        return total

    def _by_patient(self, taken: Sequence[tuple[int, bytes]], total: Drained) -> dict[str, _Batch]:
        owners: dict[str, tuple[str, Assignment] | None] = {}
        found: dict[str, _Batch] = {}
        for _, body in taken:
            sent = Sent.from_bytes(body)
            if sent.device not in owners:
                owners[sent.device] = self._owner(sent.device)
            owner = owners[sent.device]
            if owner is None:
                total.refused += 1
                self._quarantine(body, InputError("the device is assigned to nobody"))
                continue
            found.setdefault(owner[0], _Batch()).sent.append((sent, owner[1].setting))
        return found

    def _is_here(self, patient: str) -> bool:
        """False for a patient who was erased since: nothing that is remembered of him may bring him back."""
        return self._house.store.exists(self._house.gate.custody("live", patient))

    def _file(self, patient: str, batch: _Batch, total: Drained) -> None:
        if not self._is_here(patient):
            self._people.pop(patient, None)
        person = self._person(patient)
        new: list[Change] = []
        late = 0
        for sent, setting in batch.sent:
            event = reading(sent, setting)
            verdict = person.stream.offer(event)
            if verdict in ("duplicate", "conflict"):
                total.duplicates += 1
                continue
            if verdict == "late":
                late += 1
                person.late.append((event.at, event.key))
            person.first = min(person.first or event.at, event.at)
            body = readings.observation(sent, patient, setting, late=verdict == "late")
            new.append(Change("Observation", body["id"], body))
        flags = changes(person)
        self._keep(person, [*new, *flags])
        total.stored += len(new)
        total.late += late
        total.alerts += len(flags)

    def _keep(self, person: Person, found: list[Change]) -> None:
        """Write into the record; where that fails the machine is rebuilt from the record next time."""
        if not found:
            return
        try:
            person.leaf = self._write(self._house.gate.custodian(self._actor, person.patient), found) or person.leaf
        except BaseException:
            self._people.pop(person.patient, None)
            raise

    def _write(self, scope: Grant, found: list[Change]) -> int | None:
        house = self._house
        written = house.store.commit(scope, found, at=house.time(), reason="live", details={"resources": len(found)})
        return written.leaf

    def _person(self, patient: str) -> Person:
        """The patient's machine; rebuilt when somebody else wrote into the record meanwhile."""
        known = self._people.get(patient)
        connection = self._house.store.connection
        if known is None or self._house.log.written_since(connection, patient, known.leaf) is not None:
            known = self._people[patient] = load(self._house, patient)
        return known

    def watch_all(self) -> int:
        """Watch every assigned device for silence, also where nothing has come since the start. Returns how many."""
        self._begin()
        house = self._house
        for patient in house.store.patients(house.gate.house(self._actor.id)):
            scope = Grant("live", patient, "service", frozenset({"signal"}), may_write=False, purpose="attribution")
            if any(assignment(s.body) for s in house.store.read(scope, ("Device",))):
                self._person(patient)
        return sum(len(person.devices) for person in self._people.values())

    def advance(self) -> int:
        """Let the clock pass: silence and escalation happen without a reading. Returns how many alerts changed."""
        self._begin()
        changed = 0
        for patient in list(self._people):
            if not self._is_here(patient):
                self._people.pop(patient)
                continue
            person = self._person(patient)
            person.stream.advance(self._house.clock())
            flags = changes(person)
            self._keep(person, flags)
            changed += len(flags)
        return changed


def _device_id(device: str) -> str:
    return OWN_ID + str(uuid.uuid5(_NAMESPACE, device))


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
    """True when the acknowledgement is newer than the last step: it takes effect when the watermark has passed."""
    return dates.instant(str(task["authoredOn"])) >= dates.instant(str(steps[-1]["at"]))


def acknowledge(session: Session, patient: str, alert: str) -> None:
    """Say that the actor has seen an alert.

    Raises AccessError for who may not see it, InputError where there is none.
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
    house.store.commit(scope, [Change("Task", task["id"], task), *changes(person)], at=house.time(), reason="live")


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
