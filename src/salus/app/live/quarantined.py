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
from salus.app.intake.quarantined import file_source, not_taken, remove_left_over
from salus.app.intake.series import held_of
from salus.app.live import devices, waiting
from salus.app.live.devices import Period
from salus.app.live.filing import Erased, Queued, blocks_of, file_readings
from salus.app.live.person import changes, events, load, reading, show
from salus.app.live.readings import checked, why_nobodys
from salus.app.session import Session
from salus.errors import InputError, IntegrityError, SalusError
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

    ``double``: the record held it already. ``taken`` tells more of what is no reading, source by source; where only a
    part of it is in the record, of what stays in quarantine as well.
    """

    number: int
    patient: str = ""
    attribution: str = ""
    double: bool = False
    is_reading: bool = False
    taken: tuple[Taken, ...] = ()
    error: SalusError | None = None


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
    for number, kept in sorted(quarantine.kept(house.store, house.log).items()):
        try:
            if kept.form in _READINGS and _sent(house, number, kept).device == device:
                found.append(number)
        except (InputError, IntegrityError):  # it is no reading, or cannot be opened: whose device it is of is not told
            continue
    return found


def file(session: Session, numbers: Iterable[int], whose: Whose) -> list[Filed]:
    """File what lies in quarantine under these numbers, as an operator. Returns what became of each, in order.

    A source goes to ``whose.patient``, else to the patient whom ``salus quarantine assign`` named; a reading, where
    neither names one, to the patient to whom its device was assigned when it measured. Raises AccessError unless the
    actor is an operator, InputError where there is no such patient, StoreError where the store cannot be written.
    """
    house = session.administer()
    remove_left_over(house.clock())
    if whose.patient and not devices.is_here(house, whose.patient):
        raise InputError("no such patient in the store", where="--patient", remedy="take in the patient's record first")
    return _Filing(session, whose).file(list(dict.fromkeys(numbers)))


_READINGS = (quarantine.READING, quarantine.SENT)
_ITS_OWN = (InputError, Erased, IntegrityError)
"""Errors that concern one number, or one patient: the others are filed all the same."""


class _Unsettled(Exception):
    """What was settled of some numbers changed meanwhile."""


class _Filing:
    """One call of :func:`file`."""

    def __init__(self, session: Session, whose: Whose) -> None:
        self._session, self._house, self._whose = session, session.house, whose
        self._kept = quarantine.kept(self._house.store, self._house.log)
        self._said = quarantine.assignments(self._house.store, self._house.log)
        """By number, the patients whom operators named before this call began."""
        self._periods: dict[str, list[Period]] = {}

    def file(self, numbers: Sequence[int]) -> list[Filed]:
        """File all that can be filed: sources one by one, readings of one patient at once."""
        found: dict[int, Filed] = {}
        groups: dict[tuple[str, How], list[_Owned]] = {}
        for number in numbers:
            found[number] = Filed(number)  # its place in the order
            try:
                if number not in self._kept or self._house.vault.shredded(quarantine.key_name(number)):
                    raise InputError(f"nothing lies in quarantine under {number}", remedy="salus quarantine list")
                if self._kept[number].form in _READINGS:
                    owned = self._owned(number)
                    groups.setdefault((owned.patient, owned.how), []).append(owned)
                else:
                    found[number] = self._file_source(number)
            except _ITS_OWN as error:
                found[number] = Filed(number, error=error)
        for group in groups.values():
            found.update((filed.number, filed) for filed in self._file_group(group))
        return list(found.values())

    def _named(self, number: int) -> str:
        """The patient whom the operator names, now or by an earlier ``salus quarantine assign``; "" for nobody."""
        patient, said = self._whose.patient, self._said.get(number)
        if not said:
            return patient
        assigned = self._house.store.patient_of(self._house.gate.house("intake"), said[-1])
        if patient and patient != assigned:
            raise _anothers(number)
        return assigned

    def _settle(self, number: int, patient: str) -> None:
        """Note that it is the patient's before it is filed: if it stays here, an erasure of the patient takes it."""
        if self._said.get(number, [])[-1:] != [self._pid(patient)]:
            self._house.assign_quarantined(number, patient, self._session.actor.id)

    def _pid(self, patient: str) -> int:
        return self._house.store.number_of(self._house.gate.custody(self._session.actor.id, patient))

    def _unsettled(self, numbers: Iterable[int], patient: str) -> dict[int, SalusError]:
        """Why numbers may not be filed for the patient after all: gone, or called another's since this call began.

        Asked before they are settled, and again inside the transaction that files them: nobody else can take them out
        or call them another's then.
        """
        house = self._house
        if not devices.is_here(house, patient):
            return {number: Erased("the patient was erased") for number in numbers}
        there, said = quarantine.held(house.store), quarantine.assignments(house.store, house.log)
        found, pid = dict[int, SalusError](), self._pid(patient)
        for number in numbers:
            before = len(self._said.get(number, ()))
            if number not in there or house.vault.shredded(quarantine.key_name(number)):
                what = f"nothing lies in quarantine under {number} any more"
                found[number] = InputError(what, remedy="salus quarantine list")
            elif {*said.get(number, ())[max(before - 1, 0) :]} - {pid}:
                found[number] = _anothers(number)
        return found

    # ---- sources

    def _file_source(self, number: int) -> Filed:
        patient = self._named(number)
        if not patient:
            raise InputError("it is not said whose this is", remedy="--patient ID")

        def check() -> None:
            for error in self._unsettled([number], patient).values():
                raise error

        def settled() -> None:
            check()
            self._settle(number, patient)

        taken = file_source(
            self._session,
            number,
            patient,
            form=self._kept[number].form,
            options=self._whose.options,
            accepted=self._whose.accepted,
            settled=settled,
            check=check,
        )
        if left := not_taken(taken):
            return Filed(number, taken=tuple(taken), error=_not_whole(number, left))
        self._house.filed_from_quarantine([number], self._session.actor.id)
        new = any(entry.written is not None and entry.written.leaf is not None for entry in taken)
        how = next(entry.attribution for entry in taken if entry.patient)
        return Filed(number, patient, how, double=not new, taken=tuple(taken))

    # ---- readings

    def _owned(self, number: int) -> _Owned:
        """Whose a reading is, where its device measured, and who says so. Raises InputError where it is not settled."""
        sent, patient = _sent(self._house, number, self._kept[number]), self._named(number)
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

    def _file_group(self, group: Sequence[_Owned]) -> list[Filed]:
        """File readings of one patient, again without those of which something else was settled meanwhile."""
        while True:
            try:
                return self._file_readings(group)
            except _Unsettled:
                continue
            except SalusError as error:
                is_here = devices.is_here(self._house, group[0].patient)
                if is_here and not isinstance(error, _ITS_OWN):
                    raise
                why = error if is_here else Erased("the patient was erased")
                return [Filed(item.number, error=why) for item in group]

    def _file_readings(self, group: Sequence[_Owned]) -> list[Filed]:
        """File readings of one patient in one write, and take them out of quarantine.

        The rules are shown them as of now: one whose moment is final is late, as if it had come from the line now.
        Where nothing is written, the log tells that the operator had them compared with the record. Raises _Unsettled
        where something else was settled of a number meanwhile.
        """
        house, actor, patient, how = self._house, self._session.actor, group[0].patient, group[0].how
        scope = house.gate.custodian(actor, patient)
        known, waits = _in_record(house, patient, group), waiting.identities(house)
        person = load(house, patient)
        person.stream.advance(house.clock())
        why = self._unsettled([item.number for item in group], patient)
        found, new = [Filed(number, error=error) for number, error in why.items()], list[Queued]()
        group = [item for item in group if item.number not in why]
        if not group:
            return found
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
        leaf = None
        if new:
            for queued in new:
                self._settle(queued.n, patient)
            numbers = [queued.n for queued in new]

            def still() -> None:
                if self._unsettled(numbers, patient):
                    raise _Unsettled

            details = {"attribution": how, "quarantine": numbers}
            leaf = file_readings(house, scope, new, changes(person), details, still).leaf
        if leaf is None:
            house.gate.note_comparison(actor, patient)
        if numbers := [filed.number for filed in found if filed.error is None]:
            house.filed_from_quarantine(numbers, actor.id)
        return found


def _sent(house: House, number: int, kept: quarantine.Kept) -> Sent:
    """A reading from quarantine. One that the line refused is checked again, as of when it came. Raises InputError.

    What was measured in the future then stays refused: its device's clock is wrong, so that nobody knows by it whom the
    device measured.
    """
    data = quarantine.release(house.store, house.vault, number)
    return Sent.from_bytes(data) if kept.form == quarantine.READING else checked(data, kept.at)


def _anothers(number: int) -> InputError:
    remedy = f"if that was wrong: salus quarantine assign {number} PATIENT"
    return InputError("an operator said that this is another patient's", remedy=remedy)


def _not_whole(number: int, left: Sequence[str]) -> InputError:
    """Why a source stays of which the record does not hold all."""
    remedy = f"salus quarantine release {number} FILE keeps it elsewhere, salus quarantine destroy {number} ends it"
    return InputError(f"not all of it is in the record: {'; '.join(left)}", remedy=remedy)


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
