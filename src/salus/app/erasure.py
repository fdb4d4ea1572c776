"""Erasure of a patient: asked for by the patient, carried out by an operator. How it is done: salus.trust.erasure.

Where data of a patient can lie, and what an erasure does there, is told in docs/threats.md; validation/trust/erasure.py
looks for them everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from salus.app import acts
from salus.app.acts import Outcome
from salus.app.house import House
from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.trust.grants import not_released

GROUND_MAX = 200
ERASURE = "erasure"
"""Topic of a patient's own request in the log."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A patient's request: whose, when, and the log entry that holds it."""

    patient: str
    at: str
    entry: int


def ask(session: Session, patient: str) -> Asked:
    """Write the patient's request into the log. Raises AccessError for everybody but the patient and proxies."""
    house, actor = session.house, session.actor
    if actor.kind not in ("patient", "proxy") or actor.patient != patient:
        raise AccessError("only the patient or a proxy asks for erasure", remedy="--as the patient or a proxy")
    scope = house.gate.own_consent(actor, patient)
    if not house.store.exists(scope):
        raise not_released()
    at = house.time()
    with house.store.transaction(scope) as connection:
        content = {"reason": "erasure-asked", "actor": actor.id, "at": at}
        entry = house.log.append(connection, patient, ERASURE, content)
    return Asked(patient, at, entry)


def asked(house: House) -> list[Asked]:
    """The requests that wait, oldest first, the last one of each patient. Completes what was interrupted before."""
    house.complete_erasures()
    entries = house.log.entries(house.store.connection, topic=ERASURE)
    found = {e.patient: Asked(e.patient, str(e.content["at"]), e.n) for e in entries}
    return sorted(found.values(), key=lambda request: request.entry)


def carry_out(session: Session, patient: str) -> Outcome:
    """Erase a patient who asked for it, or propose it where a second person has to confirm.

    Returns the proposal, or what the log says of what was erased. Raises AccessError for others than operators,
    InputError without a request or under a legal hold.

    The key goes first: from then on nothing can be read, whatever happens to the machine. The rest is deleted in one
    step; were that interrupted, the next look at the requests completes it.
    """
    house = session.administer()
    request = next((r for r in asked(house) if r.patient == patient), None)
    if request is None:
        raise InputError("this patient did not ask to be erased", remedy="salus privacy ask-erasure, as the patient")
    act = {"reason": "erasure", "pid": house.store.number_of(house.gate.custody(session.actor.id, patient))}
    return acts.do(house, {**act, "request": request.entry}, session.actor.id)


def hold(session: Session, patient: str, ground: str, *, end: bool = False) -> None:
    """Keep a record from being erased while the law requires it, or end that. Raises AccessError for all but operators.

    ``ground`` is the duty (a case number, a section of a law): it stands in the log and must not describe the patient.
    """
    house = session.administer()
    if not ground.strip() or len(ground) > GROUND_MAX:
        raise InputError(f"a hold names its ground in 1 to {GROUND_MAX} characters", where="ground")
    scope = house.gate.custody(session.actor.id, patient)
    reason = "hold-ended" if end else "hold"
    house.note(session.actor.id, {"reason": reason, "pid": house.store.number_of(scope), "ground": ground.strip()})
    house.tell(patient, session.actor.id, {"reason": reason, "ground": ground.strip(), "notice": reason})
