"""What patients tell of themselves: answers to a questionnaire, and a diary."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from salus.app.session import Session
from salus.errors import InputError
from salus.formats.content import Bytes
from salus.intake import questionnaires
from salus.intake.batch import Attachment, Document
from salus.intake.documents import document_reference
from salus.record.store import Change, Written

DIARY_MAX = 4000


@dataclass(frozen=True, slots=True)
class Answered:
    """A filed response: its id, and how many Observations follow from it."""

    id: str
    observations: int
    written: Written


def answer(session: Session, patient: str, answers: Mapping[str, str], *, name: str = "lifestyle") -> Answered:
    """File the patient's own answers and what they say as Observations, in one step.

    Only questions that are answered now give new Observations; earlier answers to other questions stay valid. Raises
    AccessError for others than the patient or a proxy, InputError for an answer that a question does not allow (then
    nothing is filed).
    """
    questionnaire = questionnaires.load(name)
    scope = session.house.gate.own_data(session.actor, patient)
    at = session.house.time()
    newest = session.house.log.newest(session.house.store.connection)
    number = f"{newest.size if newest else 0:012d}-{uuid.uuid4().hex[:16]}"  # of one moment, what was filed last counts
    response = questionnaires.respond(questionnaire, answers, id=number, patient=patient, authored=at)
    bodies = [response, *questionnaires.observations(questionnaire, response)]
    changes = [Change(str(b["resourceType"]), str(b["id"]), b) for b in bodies]
    written = session.house.commit(scope, changes, at=at, reason="answers")
    return Answered(str(response["id"]), len(bodies) - 1, written)


def keep_diary(session: Session, patient: str, text: str) -> Written:
    """File a diary entry of the patient as a note of today: methods read it like every note, as the patient's words.

    Raises AccessError for others than the patient or a proxy, InputError for an empty or overlong entry.
    """
    if not text.strip() or len(text) > DIARY_MAX or "\x00" in text:
        raise InputError(f"a diary entry has 1 to {DIARY_MAX:,} characters")
    scope = session.house.gate.own_data(session.actor, patient)
    at = session.house.time()
    content = Bytes(f"Date: {at[:10]}\nPatient diary, written {at}\n\n{text.strip()}\n".encode())
    document = Document(
        kind="note",
        format="text",
        title="Patient diary",
        when=at[:10],
        parts=(Attachment("diary.txt", "text/plain", content),),
        meta={"encoding": "utf-8"},
    )
    address = session.house.store.address(scope, content.sha256)
    body = document_reference(document, patient, [address], at)
    changes = [Change("DocumentReference", str(body["id"]), body)]
    return session.house.commit(scope, changes, at=at, blobs=[(address, "note", content)], reason="diary")
