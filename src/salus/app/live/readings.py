"""Live readings: from the line into the queue, from the queue into the record exactly once, alerts beside them.

The rules see each reading as soon as it is drained. Into the record readings go in blocks, those of a short time in one
write (:mod:`salus.app.live.filing`); until then they stay in the queue, from which a monitor that ended begins anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from salus.app.house import House
from salus.app.live import waiting
from salus.app.live.filing import Pending, Queued, file_readings
from salus.app.live.long_session import LongSession
from salus.app.live.person import (
    ASSIGNED,
    Assignment,
    Person,
    assignment,
    changes,
    load,
    reading,
)
from salus.app.session import Session
from salus.errors import InputError, SalusError
from salus.fhir.views import OWN_ID, TAG_KIND
from salus.intake.live import readings
from salus.intake.live.readings import Sent
from salus.monitoring.live import Setting, check_plausible, table
from salus.record.store import Change
from salus.trust import quarantine
from salus.trust.grants import Grant

BATCH = 500
_NAMESPACE = uuid.UUID("7d8f4d52-7c43-5a47-9d0b-9ef9c2a0b4c9")


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


class Monitor:
    """Receives and watches, as an operator. Close it, or use it as a context manager."""

    def __init__(self, session: Session) -> None:
        """Raises AccessError unless the actor is an operator."""
        session.administer()
        self._long_session = LongSession(session)
        self._actor = session.actor
        self.queue = waiting.opened(session.house)
        self._people: dict[str, Person] = {}
        self._pending: dict[str, Pending] = {}
        self._taken = 0
        """The last reading of the queue that the machines have seen."""
        self._begin()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits, and close the queue. What cannot be written now is still in the queue."""
        try:
            for patient in list(self._pending):
                self._keep(patient, [], Drained())
        finally:
            self.queue.close()
            self._long_session.close()

    def _begin(self) -> None:
        """A new piece of work begins: whoever was removed meanwhile is out."""
        self._house: House = self._long_session.session().administer()

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
        """The patient whom the device measures, and how it is watched; None unless exactly one has it."""
        name = _device_id(device)
        found = []
        for patient in self._house.store.holders(self._house.gate.house(self._actor.id), "Device", name, 50):
            scope = self._house.gate.attribution(patient, {"signal"})
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

    def drain(self, wait: timedelta = timedelta()) -> Drained:
        """Show everything that waits to the rules, and bring it into the record.

        A patient's readings may wait ``wait`` for others, to be written with them; never where an alert changes. Until
        then they stay in the queue. Raises StoreError; what is not done is then still waiting.
        """
        self._begin()
        total = Drained()
        try:
            while taken := self.queue.take(BATCH, self._taken):
                self._taken = taken[-1][0]
                for patient, found in self._by_patient(taken, total).items():
                    self._offer(patient, found, total)
            now = self._house.clock()
            for patient in [p for p, held in self._pending.items() if held.since + wait <= now or held.is_full]:
                self._keep(patient, [], total)
        except BaseException:
            self._forget()
            raise
        return total

    def _forget(self) -> None:
        """Everything that is not in the record is taken from the queue again, and shown to machines rebuilt from it."""
        self._pending.clear()
        self._people.clear()
        self._taken = 0

    def _by_patient(self, taken: Sequence[tuple[int, bytes]], total: Drained) -> dict[str, list[Queued]]:
        owners: dict[str, tuple[str, Assignment] | None] = {}
        found: dict[str, list[Queued]] = {}
        for n, body in taken:
            sent = Sent.from_bytes(body)
            if sent.device not in owners:
                owners[sent.device] = self._owner(sent.device)
            owner = owners[sent.device]
            if owner is None:
                total.refused += 1
                self._refuse(n, body)
                continue
            found.setdefault(owner[0], []).append(Queued(n, sent, owner[1].setting))
        return found

    def _refuse(self, n: int, body: bytes) -> None:
        self._quarantine(body, InputError("the device is assigned to nobody"))
        self.queue.done([n])

    def _is_here(self, patient: str) -> bool:
        """False for a patient who was erased since: nothing that is remembered of him may bring him back."""
        return self._house.store.exists(self._house.gate.custody("live", patient))

    def _offer(self, patient: str, found: Sequence[Queued], total: Drained) -> None:
        """Show readings to the patient's machine; what changes an alert is written with it at once."""
        if not self._is_here(patient):
            self._people.pop(patient, None)
        person = self._person(patient, total)
        held = self._pending.setdefault(patient, Pending(self._house.clock()))
        for queued in found:
            event = reading(queued.sent, queued.setting)
            verdict = person.stream.offer(event)
            if verdict in ("duplicate", "conflict"):
                total.duplicates += 1
                held.doubles.append(queued.n)
                continue
            late = verdict == "late"
            total.late += late
            if late:
                person.late.append((event.at, event.key))
            person.first = min(person.first or event.at, event.at)
            person.refs[event.key] = readings.reference(queued.sent, patient, queued.setting)
            held.readings.append(replace(queued, late=late))
        if flags := changes(person):
            self._keep(patient, flags, total)

    def _keep(self, patient: str, flags: list[Change], total: Drained) -> None:
        """Write what waits of a patient, and changed alerts; where that fails all is rebuilt from record and queue."""
        held = self._pending.pop(patient, Pending(self._house.clock()))
        if not self._is_here(patient):
            for queued in held.readings:
                total.refused += 1
                self._refuse(queued.n, queued.sent.to_bytes())
            return
        if held.readings or flags:
            try:
                scope = self._house.gate.custodian(self._actor, patient)
                written = file_readings(self._house, scope, held.readings, flags)
            except BaseException:
                self._forget()
                raise
            if written.leaf is not None and patient in self._people:
                self._people[patient].leaf = written.leaf
        total.stored += len(held.readings)
        total.alerts += len(flags)
        self.queue.done([*held.doubles, *(queued.n for queued in held.readings)])

    def _write(self, scope: Grant, found: list[Change]) -> None:
        self._house.commit(scope, found, reason="live", details={"resources": len(found)})

    def _person(self, patient: str, total: Drained | None = None) -> Person:
        """The patient's machine; rebuilt when somebody else wrote into the record meanwhile.

        What waits is written before that, so that the record holds all that the machine has seen.
        """
        known = self._people.get(patient)
        connection = self._house.store.connection
        if known is None or self._house.log.written_since(connection, patient, known.leaf) is not None:
            if patient in self._pending:
                self._keep(patient, [], total or Drained())
            known = self._people[patient] = load(self._house, patient)
        return known

    def watch_all(self) -> int:
        """Watch every assigned device for silence, also where nothing has come since the start. Returns how many."""
        self._begin()
        house = self._house
        for patient in house.store.patients(house.gate.house(self._actor.id)):
            scope = house.gate.attribution(patient, {"signal"})
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
            if flags:
                self._keep(patient, flags, Drained())
            changed += len(flags)
        return changed


def _device_id(device: str) -> str:
    return OWN_ID + str(uuid.uuid5(_NAMESPACE, device))
