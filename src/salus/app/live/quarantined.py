"""Filing what lies in quarantine, once an operator has settled whose it is: live readings, and sources of any kind.

It goes through the same checks as when it came. What cannot be filed stays in quarantine. What was filed is taken out
of quarantine afterwards. Where that fails, the next attempt finds it in the record, files nothing twice, and takes it
out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from salus.app.house import House
from salus.app.intake.intake import Taken
from salus.app.intake.quarantined import file_source
from salus.app.intake.series import held_of
from salus.app.live import devices, waiting
from salus.app.live.devices import Period
from salus.app.live.filing import Queued, blocks_of, file_readings
from salus.app.live.person import changes, events, load, reading, show
from salus.app.live.readings import checked, why_nobodys
from salus.app.session import Session
from salus.errors import InputError
from salus.fhir import series
from salus.intake.live.readings import Sent, observation_id
from salus.intake.read import Options
from salus.monitoring.live import Key, Setting
from salus.trust import quarantine

How = Literal["by identifier", "by operator"]
"""Who says whose a reading is: the assignment of its device, or the operator."""


@dataclass(frozen=True, slots=True)
class Filed:
    """What became of one number. ``error`` says why it is still in quarantine; else ``patient`` is whose it is.

    ``double``: the record held it already. ``taken`` tells more of what is no reading, source by source.
    """

    number: int
    patient: str = ""
    attribution: str = ""
    double: bool = False
    is_reading: bool = False
    taken: tuple[Taken, ...] = ()
    error: InputError | None = None


@dataclass(frozen=True, slots=True)
class Whose:
    """What the operator says of sources: whose they are ("": the assignment tells), and where the device measured."""

    patient: str = ""
    setting: Setting | None = None
    options: Options = field(default_factory=Options)
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Owned:
    """A reading in quarantine, and whose it is."""

    number: int
    sent: Sent
    patient: str
    setting: Setting
    how: How


def of_device(session: Session, device: str) -> list[int]:
    """The numbers under which readings of a device lie in quarantine. Raises AccessError unless an operator asks."""
    house = session.administer()
    found = []
    for number, form in sorted(quarantine.forms(house.store, house.log).items()):
        try:
            if form in _READINGS and _sent(house, number, form).device == device:
                found.append(number)
        except InputError:  # it is still no reading: it has no device
            continue
    return found


def file(session: Session, numbers: Iterable[int], whose: Whose) -> list[Filed]:
    """File what lies in quarantine under these numbers, as an operator. Returns what became of each, in order.

    A source goes to ``whose.patient``, else to the patient whom ``salus quarantine assign`` named; a reading, where
    neither names one, to the patient to whom its device was assigned when it measured. Raises AccessError unless the
    actor is an operator, InputError where there is no such patient, StoreError where the store cannot be written.
    """
    house = session.administer()
    if whose.patient and not devices.is_here(house, whose.patient):
        raise InputError("no such patient in the store", where="--patient", remedy="take in the patient's record first")
    return _Filing(session, whose).file(list(dict.fromkeys(numbers)))


_READINGS = (quarantine.READING, quarantine.SENT)


class _Filing:
    """One call of :func:`file`."""

    def __init__(self, session: Session, whose: Whose) -> None:
        self._session, self._house, self._whose = session, session.house, whose
        self._forms = quarantine.forms(self._house.store, self._house.log)
        self._owners = quarantine.owners(self._house.store, self._house.log)
        self._periods: dict[str, list[Period]] = {}

    def file(self, numbers: Sequence[int]) -> list[Filed]:
        """File all that can be filed: sources one by one, readings of one patient at once."""
        found = dict[int, Filed]()
        groups: dict[tuple[str, How], list[_Owned]] = {}
        for number in numbers:
            found[number] = Filed(number)  # its place in the order
            try:
                if number not in self._forms:
                    raise InputError(f"nothing lies in quarantine under {number}", remedy="salus quarantine list")
                if self._forms[number] in _READINGS:
                    owned = self._owned(number)
                    groups.setdefault((owned.patient, owned.how), []).append(owned)
                else:
                    found[number] = self._file_source(number)
            except InputError as error:
                found[number] = Filed(number, error=error)
        for group in groups.values():
            found.update((filed.number, filed) for filed in self._file_readings(group))
        return list(found.values())

    def _named(self, number: int) -> str:
        """The patient whom the operator names, now or by an earlier ``salus quarantine assign``; "" for nobody."""
        patient, pid = self._whose.patient, self._owners.get(number)
        if pid is None:
            return patient
        assigned = self._house.store.patient_of(self._house.gate.house("intake"), pid)
        if patient and patient != assigned:
            remedy = f"if that was wrong: salus quarantine assign {number} PATIENT"
            raise InputError("an operator said that this is another patient's", remedy=remedy)
        return assigned

    def _settle(self, number: int, patient: str) -> None:
        """Note that it is the patient's before it is filed: if it stays here, an erasure of the patient takes it."""
        by = self._session.actor.id
        if self._owners.get(number) != self._house.store.number_of(self._house.gate.custody(by, patient)):
            self._house.assign_quarantined(number, patient, by)

    # ---- sources

    def _file_source(self, number: int) -> Filed:
        patient = self._named(number)
        if not patient:
            raise InputError("it is not said whose this is", remedy="--patient ID")
        taken = file_source(
            self._session,
            number,
            patient,
            form=self._forms[number],
            options=self._whose.options,
            accepted=self._whose.accepted,
            settled=lambda: self._settle(number, patient),
        )
        self._house.filed_from_quarantine([number], self._session.actor.id)
        new = any(entry.written is not None and entry.written.leaf is not None for entry in taken)
        how = next(entry.attribution for entry in taken if entry.patient)
        return Filed(number, patient, how, double=not new, taken=tuple(taken))

    # ---- readings

    def _owned(self, number: int) -> _Owned:
        """Whose a reading is, where its device measured, and who says so. Raises InputError where it is not settled."""
        sent, patient = _sent(self._house, number, self._forms[number]), self._named(number)
        if sent.device not in self._periods:
            self._periods[sent.device] = devices.periods(self._house, self._session.actor.id, sent.device)
        known, setting = self._periods[sent.device], self._whose.setting
        then = devices.measured(known, sent.moment)
        if patient and {period.patient for period in known if period.covers(sent.moment)} - {patient}:
            raise InputError("the device measured another patient at that time", remedy="salus quarantine destroy")
        if then is not None:
            if setting not in (None, then.how.setting):
                raise InputError("the assignment of the device says another setting", where="--setting")
            return _Owned(number, sent, then.patient, then.how.setting, "by identifier")
        if not patient:
            remedy = "salus alerts assign DEVICE PATIENT --since TIME, or say whose it is: --patient ID"
            raise InputError(why_nobodys(known), remedy=remedy)
        told = {setting} if setting else {period.how.setting for period in known if period.patient == patient}
        if len(told) != 1:
            raise InputError("it is not known where the device measured", where="--setting", remedy="home or ward")
        return _Owned(number, sent, patient, told.pop(), "by operator")

    def _file_readings(self, group: Sequence[_Owned]) -> list[Filed]:
        """File readings of one patient in one write, and take them out of quarantine.

        The rules are shown them as of now: one whose moment is final is late, as if it had come from the line now.
        """
        house, actor, patient, how = self._house, self._session.actor, group[0].patient, group[0].how
        scope = house.gate.custodian(actor, patient)
        known, waits = _in_record(house, patient, group), waiting.identities(house)
        person = load(house, patient)
        person.stream.advance(house.clock())
        found, new = list[Filed](), list[Queued]()
        for item in group:
            event = reading(item.sent, item.setting)
            double = known.get(event.key) == event.content
            error = None if double else _conflict(event.key in known, item.sent.identity in waits)
            if error is not None:
                found.append(Filed(item.number, error=error))
                continue
            known[event.key] = event.content
            found.append(Filed(item.number, patient, how, double=double, is_reading=True))
            if not double:
                late = show(person, item.sent, item.setting) == "late"
                new.append(Queued(item.number, item.sent, item.setting, late))
        if new:
            for queued in new:
                self._settle(queued.n, patient)
            details = {"attribution": how, "quarantine": [queued.n for queued in new]}
            file_readings(house, scope, new, changes(person), details)
        if numbers := [filed.number for filed in found if filed.error is None]:
            house.filed_from_quarantine(numbers, actor.id)
        return found


def _sent(house: House, number: int, form: str) -> Sent:
    """A reading from quarantine. One that the line refused is checked again. Raises InputError."""
    data = quarantine.release(house.store, house.vault, number)
    return Sent.from_bytes(data) if form == quarantine.READING else checked(data, house.clock())


def _conflict(is_held: bool, waits: bool) -> InputError | None:
    """Why a reading that the record does not hold cannot be filed: another of the same device, time and sequence."""
    if is_held:
        return InputError("the record holds another value of this reading", remedy="salus quarantine destroy NUMBER")
    if waits:
        return InputError("a reading of the same device, time and sequence waits to be filed", remedy="try again later")
    return None


def _in_record(house: House, patient: str, group: Sequence[_Owned]) -> dict[Key, str]:
    """What the record holds of these readings, in blocks or singly, whatever the patient closed to processing."""
    settings: tuple[Setting, ...] = ("home", "ward")
    blocks = blocks_of([Queued(0, item.sent, setting) for item in group for setting in settings], patient)
    names = {name for block in blocks for name in series.ids_for(block, f"Patient/{patient}")}
    names |= {observation_id(item.sent.identity) for item in group}
    held = held_of(house.store, house.gate.comparison(patient), sorted(names))
    return {event.key: event.content for event, _, _ in events(stored.body for stored in held)}
