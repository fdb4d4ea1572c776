"""Live readings: from the line into the queue, from the queue into the record exactly once, alerts beside them.

The rules see each reading as soon as it is drained. Into the record readings go in blocks, those of a short time in one
write (:mod:`salus.app.live.filing`); until then they stay in the queue, from which a monitor that ended begins anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from salus.app.house import House
from salus.app.live import devices, waiting
from salus.app.live.devices import Period
from salus.app.live.filing import Pending, Queued, file_readings
from salus.app.live.long_session import LongSession
from salus.app.live.person import (
    Assignment,
    Person,
    assignment,
    changes,
    load,
    reading,
)
from salus.app.session import Session
from salus.errors import InputError, SalusError
from salus.intake.live import readings
from salus.intake.live.readings import Sent
from salus.monitoring.live import Setting, check_plausible, table
from salus.record.store import Change
from salus.trust import quarantine
from salus.trust.grants import Grant

BATCH = 500


@dataclass(frozen=True, slots=True)
class Received:
    """What became of readings that came in: new ones are durable in the queue."""

    new: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: tuple[str, ...] = ()


@dataclass(slots=True)
class Drained:
    """What became of readings that left the queue.

    ``refused`` are in no record: those that are nobody's are in quarantine, those of an erased patient nowhere.
    """

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
        self._forgotten: set[str] = set()
        """Who was watched when a write failed, and is to be watched again."""
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

    def assign(
        self,
        device: str,
        patient: str,
        *,
        setting: Setting,
        silent_after: timedelta | None,
        since: datetime | None = None,
    ) -> None:
        """``device`` measures ``patient`` from now on, or ``since`` earlier already.

        Raises InputError where it is somebody else's, or was since then.
        """
        self._begin()
        scope = self._house.gate.custodian(self._actor, patient)
        if not self._house.store.exists(scope):
            raise InputError("no such patient in the store", remedy="take in the patient's record first")
        others = [period for period in self._periods(device) if period.patient != patient]
        if any(period.end is None for period in others):
            raise InputError("the device is assigned to another patient", remedy="salus alerts release DEVICE")
        if since is not None and since > self._house.clock():
            raise InputError("a device is not assigned in advance", where="since")
        if since is not None and any(period.end and period.end > since for period in others):
            raise InputError("the device measured another patient since then", where="since", remedy="say a later time")
        how = Assignment(device, setting, silent_after, since)
        self._write(scope, [devices.resource(device, patient, how, "active")])

    def release(self, device: str) -> None:
        """The device measures nobody any more. Raises InputError where it measured nobody."""
        self._begin()
        now = devices.current(self._periods(device))
        if now is None:
            raise InputError("the device is assigned to nobody")
        scope = self._house.gate.custodian(self._actor, now.patient)
        self._write(scope, [devices.resource(device, now.patient, now.how, "inactive")])

    def _periods(self, device: str) -> list[Period]:
        return devices.periods(self._house, self._actor.id, device)

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
            self._watch_again()
        except BaseException:
            self._forget()
            raise
        return total

    def _forget(self) -> None:
        """Everything that is not in the record is taken from the queue again, and shown to machines rebuilt from it."""
        self._forgotten.update(self._people)
        self._pending.clear()
        self._people.clear()
        self._taken = 0

    def _watch_again(self) -> None:
        """Go on watching for silence after a failed write, as soon as what the queue still held was shown to the rules.

        Not before: the clock would make late what was there in time.
        """
        for patient in self._forgotten:
            if self._is_here(patient):
                self._person(patient)
        self._forgotten.clear()

    def _by_patient(self, taken: Sequence[tuple[int, bytes]], total: Drained) -> dict[str, list[Queued]]:
        """The readings by whom their device measured at their moment; what is nobody's goes into quarantine."""
        known: dict[str, list[Period]] = {}
        found: dict[str, list[Queued]] = {}
        for n, body in taken:
            sent = Sent.from_bytes(body)
            if sent.device not in known:
                known[sent.device] = self._periods(sent.device)
            then = devices.measured(known[sent.device], sent.moment)
            if then is None:
                total.refused += 1
                self._quarantine(body, InputError(_why_nobodys(known[sent.device])))
                self.queue.done([n])
                continue
            found.setdefault(then.patient, []).append(Queued(n, sent, then.how.setting))
        return found

    def _is_here(self, patient: str) -> bool:
        """False for a patient who was erased since: nothing that is remembered of him may bring him back."""
        return self._house.store.exists(self._house.gate.custody("live", patient))

    def _offer(self, patient: str, found: Sequence[Queued], total: Drained) -> None:
        """Show readings to the patient's machine; what changes an alert is written with it at once."""
        if not self._is_here(patient):
            held = self._pending.pop(patient, Pending(self._house.clock()))
            held.readings.extend(found)
            self._drop(patient, held, total)
            return
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
            self._drop(patient, held, total)
            return
        if held.readings or flags:
            try:
                scope = self._house.gate.custodian(self._actor, patient)
                written = file_readings(self._house, scope, held.readings, flags)
                self._notice(patient, written.leaf)
            except BaseException:
                self._forget()
                raise
        total.stored += len(held.readings)
        total.alerts += len(flags)
        self.queue.done(held.numbers)

    def _notice(self, patient: str, leaf: int | None) -> None:
        """After an own write: the machine is rebuilt where somebody else wrote between the last look and this one."""
        person = self._people.get(patient)
        if person is None or leaf is None:
            return
        if self._house.log.wrote_between(self._house.store.connection, patient, person.leaf, leaf):
            self._people[patient] = load(self._house, patient)
        else:
            person.leaf = leaf

    def _drop(self, patient: str, held: Pending, total: Drained) -> None:
        """Of an erased patient nothing is kept: in quarantine it would be nobody's, and no erasure would find it."""
        self._people.pop(patient, None)
        total.refused += len(held.readings)
        self.queue.done(held.numbers)

    def _write(self, scope: Grant, found: list[Change]) -> None:
        self._house.commit(scope, found, reason="live", details={"resources": len(found)})

    def _person(self, patient: str, total: Drained | None = None) -> Person:
        """The patient's machine; rebuilt when somebody else wrote into the record meanwhile.

        What waits is written before that, so that the record holds all that the machine has seen.
        """
        if patient in self._pending and self._is_outdated(patient):
            self._keep(patient, [], total or Drained())
        if self._is_outdated(patient):
            self._people[patient] = load(self._house, patient)
        return self._people[patient]

    def _is_outdated(self, patient: str) -> bool:
        known = self._people.get(patient)
        connection = self._house.store.connection
        return known is None or self._house.log.written_since(connection, patient, known.leaf) is not None

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


def _why_nobodys(known: Sequence[Period]) -> str:
    """Why a reading is in quarantine, from what is known of its device."""
    if devices.current(known) is None:
        return "the device is assigned to nobody"
    return "measured when the device was not assigned to one patient"
