"""Diaries: Schedules and Slots of the house, and Appointments booked into patients' records.

A diary belongs to no patient: its Schedules and Slots are sealed entries of the house's log. Who takes a Slot is
decided inside one write transaction, so two people cannot have the same one; the Appointment itself lies in the
patient's record.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from salus.app.session import Session
from salus.assistant import booking
from salus.assistant.booking import Diary, Free
from salus.errors import AccessError, InputError
from salus.fhir import dates
from salus.record.store import Change
from salus.trust.grants import Grant
from salus.trust.vault import SYSTEM

TOPIC = "diary"
HOLD = timedelta(minutes=10)
"""How long a Slot is held for a booking that did not come to its end (a crash between two writes)."""


def _taken() -> InputError:
    """The answer where somebody else has the slot."""
    return InputError("the slot is taken", remedy="choose another")


def offer(session: Session, value: Any) -> int:
    """Put Schedules and Slots, as a Bundle, into the house's diary. Staff only. Returns how many Slots."""
    if session.actor.kind not in ("operator", "practitioner"):
        raise AccessError("only operators and practitioners keep a diary")
    read = booking.read(value)
    content = {
        "by": session.actor.id,
        "reason": "offered",
        "schedules": dict(read.schedules),
        "slots": dict(read.slots),
    }
    with session.house.store.transaction(_house(session)) as connection:
        session.house.log.append(connection, SYSTEM, TOPIC, _entry(session, content))
    return len(read.slots)


def free(session: Session, at: datetime) -> list[Free]:
    """The Slots that can be booked now, the earliest first."""
    offered, taken = _state(session)
    return booking.free(offered, frozenset(taken), at)


def book(session: Session, patient: str, slot: str) -> str:
    """Book a free Slot for the actor's own patient. Returns the Appointment's id.

    The basis is the patient's own: only the patient or a proxy books. Raises AccessError for everybody else, InputError
    for a Slot that is not free.
    """
    house, now = session.house, session.house.clock()
    scope = _own(session, patient)
    name = str(uuid.uuid4())
    chosen = _hold(session, slot, name, now)
    body = booking.appointment(name, patient, chosen, status="booked", created=house.time())
    try:
        house.commit(scope, [Change("Appointment", name, body)], reason="booking")
    except BaseException:
        _note(session, {"reason": "released", "slot": slot, "appointment": name})
        raise
    if not _confirm(session, slot, name):
        ended = booking.appointment(name, patient, chosen, status="cancelled", created=house.time())
        house.commit(scope, [Change("Appointment", name, ended)], reason="booking")
        raise _taken()
    return name


def cancel(session: Session, patient: str, appointment: str) -> None:
    """Cancel one's own Appointment and give its Slot back. Raises InputError where there is none that stands."""
    house = session.house
    scope = _own(session, patient)
    found = [
        s.body for s in house.store.read(scope, ("Appointment",), ids=[appointment]) if s.body["status"] == "booked"
    ]
    if not found:
        raise InputError("no such appointment")
    ended = Change("Appointment", appointment, {**found[0], "status": "cancelled"})
    house.commit(scope, [ended], reason="booking")
    slot = str(found[0]["slot"][0]["reference"]).removeprefix("Slot/")
    _note(session, {"reason": "released", "slot": slot, "appointment": appointment})


def _own(session: Session, patient: str) -> Grant:
    """The right to write into one's own record, decided and logged by the gate."""
    return session.house.gate.own_record(session.actor, patient)


def _hold(session: Session, slot: str, appointment: str, now: datetime) -> Free:
    """Take a Slot, or raise _taken(): looking and taking are one transaction."""
    house = session.house
    with house.store.transaction(_house(session)) as connection:
        offered, taken = _state(session)
        chosen = next((f for f in booking.free(offered, frozenset(taken), now) if f.id == slot), None)
        if chosen is None:
            raise _taken()
        content = {"reason": "held", "slot": slot, "appointment": appointment}
        house.log.append(connection, SYSTEM, TOPIC, _entry(session, content))
    return chosen


def _confirm(session: Session, slot: str, appointment: str) -> bool:
    """Make a held Slot a booked one. False when the hold had run out and somebody else took the Slot."""
    house = session.house
    with house.store.transaction(_house(session)) as connection:
        holder = _state(session)[1].get(slot)
        if holder not in (None, appointment):
            return False
        content = {"reason": "booked", "slot": slot, "appointment": appointment}
        house.log.append(connection, SYSTEM, TOPIC, _entry(session, content))
    return True


def _note(session: Session, content: Mapping[str, Any]) -> None:
    with session.house.store.transaction(_house(session)) as connection:
        session.house.log.append(connection, SYSTEM, TOPIC, _entry(session, content))


def _state(session: Session) -> tuple[Diary, dict[str, str]]:
    """What was offered, and which Slot is taken by which Appointment."""
    house = session.house
    schedules: dict[str, Any] = {}
    slots: dict[str, Any] = {}
    taken: dict[str, str] = {}
    held: dict[str, datetime] = {}
    for entry in house.log.entries(house.store.connection, topic=TOPIC, patient=SYSTEM):
        content = entry.content
        match content["reason"]:
            case "offered":
                schedules |= content["schedules"]
                slots |= content["slots"]
            case "held":
                taken[content["slot"]] = content["appointment"]
                held[content["slot"]] = dates.instant(content["at"])
            case "booked":
                taken[content["slot"]] = content["appointment"]
                held.pop(content["slot"], None)
            case "released" if taken.get(content["slot"]) == content["appointment"]:
                del taken[content["slot"]]
                held.pop(content["slot"], None)
    for slot, since in held.items():
        if house.clock() - since > HOLD:
            taken.pop(slot, None)
    return Diary(schedules, slots), taken


def _house(session: Session) -> Grant:
    return session.house.gate.house(session.actor.id, may_write=True)


def _entry(session: Session, content: Mapping[str, Any]) -> dict[str, Any]:
    """One entry. Who took a Slot is not in it: that stands in the patient's own record and chain of entries."""
    return {"at": session.house.time(), **content}
