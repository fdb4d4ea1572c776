"""Live readings: received into a durable queue, shown to the rules, and filed into the record exactly once.

The rules see each reading as soon as it is drained from the queue. Readings of a short time are written into the record
together, in blocks (:mod:`salus.app.live.filing`). Until then they stay in the queue: a monitor that starts after
another one ended takes them from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from salus.app.house import House
from salus.app.live import devices, waiting
from salus.app.live.devices import Period
from salus.app.live.filing import Pending, Queued, file_readings
from salus.app.live.long_session import LongSession
from salus.app.live.person import Assignment, Person, assignment, changes, load, show
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
    """What became of readings that came in: how many are new, and durable in the queue, and how many are not.

    ``refused`` tells why what was no reading was refused.
    """

    new: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: tuple[str, ...] = ()


@dataclass(slots=True)
class Drained:
    """What became of readings that left the queue.

    ``refused`` are in no record. Of these, ``erased`` are those of patients who were erased, and are nowhere; the
    others are nobody's and are in quarantine.
    """

    stored: int = 0
    duplicates: int = 0
    late: int = 0
    refused: int = 0
    erased: int = 0
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
        """The queue's number of the last reading that the machines have seen."""
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
        """Begin a piece of work with the house as it is now. Raises AccessError where the operator was removed."""
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
        """Write that ``device`` measures ``patient``: from now on, or since an earlier time.

        Raises InputError where it measures another patient, or did so after ``since``, and for a ``since`` to come.
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
        """Write that the device measures nobody any more. Raises InputError where it measured nobody."""
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
        """Check readings and keep them durably in the queue. What is refused, or conflicts, goes into quarantine.

        Raises StoreError.
        """
        self._begin()
        items: list[tuple[bytes, bytes]] = []
        refused: list[str] = []
        for payload in payloads:
            try:
                sent = checked(payload, self._house.clock())
                items.append((sent.identity, sent.to_bytes()))
            except InputError as error:
                refused.append(str(error))
                self._quarantine(payload, error, quarantine.SENT)
        said = self.queue.put(items)
        for (_, body), what in zip(items, said, strict=True):
            if what == "conflict":
                why = InputError("another value under the same device, time and sequence")
                self._quarantine(body, why, quarantine.READING)
        return Received(said.count("new"), said.count("duplicate"), said.count("conflict"), tuple(refused))

    def _quarantine(
        self, content: bytes, error: SalusError, form: str, check: Callable[[], None] = lambda: None
    ) -> None:
        house, at = self._house, self._house.time()
        scope = house.gate.house(self._actor.id, may_write=True)
        args = (house.store, house.vault, house.log, scope, [content], error.what, at)
        quarantine.keep(*args, form=form, check=check)

    # ---- through

    def drain(self, wait: timedelta = timedelta()) -> Drained:
        """Show all readings of the queue to the rules, and write them into the record.

        A patient's readings wait up to ``wait`` for others, to be written with them, but where an alert changes they
        are written at once. Until they are written they stay in the queue. Raises StoreError; what was not written is
        then still in the queue.
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
        """Forget what is not in the record: the next drain takes it from the queue and shows it to rebuilt machines."""
        self._forgotten.update(self._people)
        self._pending.clear()
        self._people.clear()
        self._taken = 0

    def _watch_again(self) -> None:
        """Watch for silence again after a failed write, once the rules have seen what was left in the queue.

        Done earlier, the clock would pass and make readings late that had come in time.
        """
        for patient in self._forgotten:
            self._present(patient)
        self._forgotten.clear()

    def _by_patient(self, taken: Sequence[tuple[int, bytes]], total: Drained) -> dict[str, list[Queued]]:
        """The readings by the patient whom their device measured at their moment.

        Readings of nobody go into quarantine.
        """
        known: dict[str, list[Period]] = {}
        found: dict[str, list[Queued]] = {}
        for n, body in taken:
            sent = Sent.from_bytes(body)
            if sent.device not in known:
                known[sent.device] = self._periods(sent.device)
            then = devices.measured(known[sent.device], sent.moment)
            if then is None:
                self._keep_nobodys(n, body, why_nobodys(known[sent.device]), total)
                continue
            found.setdefault(then.patient, []).append(Queued(n, sent, then.how.setting))
        return found

    def _keep_nobodys(self, n: int, body: bytes, why: str, total: Drained) -> None:
        """Put a reading of no patient into quarantine, unless an erasure took it out of the queue meanwhile.

        An erasure in another process deletes the patient's readings in the queue first, and those in quarantine after
        that. Here the queue is looked at inside the transaction that writes into quarantine. So either the reading is
        gone from the queue by then, or the erasure finds it in quarantine.
        """
        try:
            self._quarantine(body, InputError(why), quarantine.READING, lambda: self._check_waits(n))
        except _TakenOut:
            total.erased += 1
        total.refused += 1
        self.queue.done([n])

    def _check_waits(self, n: int) -> None:
        if not any(waits == n for waits, _ in self.queue.take(1, n - 1)):
            raise _TakenOut

    def _is_here(self, patient: str) -> bool:
        """False for a patient who was erased since: nothing that is remembered of the patient may be filed then."""
        return devices.is_here(self._house, patient)

    def _offer(self, patient: str, found: Sequence[Queued], total: Drained) -> None:
        """Show readings to the patient's machine. Where an alert changes, it is written at once with what waits."""
        person = self._present(patient, total)
        if person is None:
            held = self._pending.pop(patient, Pending(self._house.clock()))
            held.readings.extend(found)
            self._drop(patient, held, total)
            return
        held = self._pending.setdefault(patient, Pending(self._house.clock()))
        for queued in found:
            verdict = show(person, queued.sent, queued.setting)
            if verdict in ("duplicate", "conflict"):
                total.duplicates += 1
                held.doubles.append(queued.n)
                continue
            late = verdict == "late"
            total.late += late
            held.readings.append(replace(queued, late=late))
        if flags := changes(person):
            self._keep(patient, flags, total)

    def _keep(self, patient: str, flags: list[Change], total: Drained) -> None:
        """Write the patient's readings that wait, and changed alerts.

        Where that fails, all machines are rebuilt from the record, and the queue is read again.
        """
        held = self._pending.pop(patient, Pending(self._house.clock()))
        if not self._is_here(patient):
            self._drop(patient, held, total)
            return
        if held.readings or flags:
            try:
                scope = self._house.gate.custodian(self._actor, patient)
                written = file_readings(self._house, scope, held.readings, flags)
                self._notice(patient, written.leaf)
            except BaseException as error:
                if isinstance(error, SalusError) and not self._is_here(patient):
                    self._drop(patient, held, total)
                    return
                self._forget()
                raise
        total.stored += len(held.readings)
        total.alerts += len(flags)
        self.queue.done(held.numbers)

    def _notice(self, patient: str, leaf: int | None) -> None:
        """After a write of our own, rebuild the machine if somebody else wrote since it last looked at the record."""
        person = self._people.get(patient)
        if person is None or leaf is None:
            return
        if self._house.log.wrote_between(self._house.store.connection, patient, person.leaf, leaf):
            self._people[patient] = load(self._house, patient)
        else:
            person.leaf = leaf

    def _drop(self, patient: str, held: Pending, total: Drained) -> None:
        """Drop the readings of an erased patient: they are kept nowhere, and only their number is told."""
        self._people.pop(patient, None)
        total.refused += len(held.readings)
        total.erased += len(held.readings)
        self.queue.done(held.numbers)

    def _write(self, scope: Grant, found: list[Change]) -> None:
        self._house.commit(scope, found, reason="live", details={"resources": len(found)})

    def _present(self, patient: str, total: Drained | None = None) -> Person | None:
        """The patient's machine; None for a patient who was erased, also while the machine was rebuilt."""
        try:
            return self._person(patient, total) if self._is_here(patient) else None
        except SalusError:
            if self._is_here(patient):
                raise
            return None

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
            person = self._present(patient)
            if person is None:
                self._people.pop(patient)
                continue
            person.stream.advance(self._house.clock())
            flags = changes(person)
            if flags:
                self._keep(patient, flags, Drained())
            changed += len(flags)
        return changed


def checked(payload: bytes, now: datetime) -> Sent:
    """What a device sent, as a reading. Raises InputError where it is none, implausible, or measured in the future."""
    sent = readings.parse(payload)
    check_plausible(sent.values)
    if sent.moment > now + table().future:
        raise InputError("measured in the future", where="at", remedy="set the device's clock")
    return sent


class _TakenOut(Exception):
    """An erasure took the reading out of the queue."""


def why_nobodys(known: Sequence[Period]) -> str:
    """Why a reading is in quarantine, from what is known of its device."""
    if devices.current(known) is None:
        return "the device is assigned to nobody"
    return "measured when the device was not assigned to one patient"
