"""The assistant in the house: red flags before anything else, then the record under the gate, then the library.

What is asked is data, and so is what stands in a note: neither is ever carried out. A message that raises a red flag is
answered before any record is opened, whoever asks and by whatever way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from salus.app.assistant import diary
from salus.app.session import Opened, Session
from salus.app.web import accesses
from salus.assistant import answer, citations, drafts, education, emergency, intents, medquad, reword
from salus.assistant.citations import Places
from salus.assistant.drafts import Draft, Kind
from salus.assistant.reply import MAY_BE_MORE, Citation, Reply, Sentence, answered, unknown
from salus.assistant.view import Item, Looked, Medicine, View
from salus.careplan.model import Plan
from salus.careplan.report import plain, words
from salus.errors import IntegrityError
from salus.fhir.views import CATEGORIES

LIBRARY = "assistant"
INDEX = "library.sqlite"
_NO_RECORD = frozenset({""})
"""Topics that need no record: what is meant is looked for in the library."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A reply with everything that its citations lead to, for whoever wants to check or show them."""

    reply: Reply
    places: Places


def alarm(question: str) -> Reply | None:
    """The answer to a message that raises a red flag; None where it raises none. Needs neither store nor sign-in."""
    return emergency.respond(question)


def ask(session: Session, patient: str, question: str, at: datetime) -> Reply:
    """Answer one message about ``patient`` for the session's actor.

    Raises AccessError, in the usual words, where the question needs a record that is not released; InputError for a
    message that is too long.
    """
    return ask_seen(session, patient, question, at).reply


def ask_seen(session: Session, patient: str, question: str, at: datetime) -> Seen:
    """As :func:`ask`, with what the citations lead to."""
    raised = alarm(question)
    if raised is not None:
        return Seen(raised, Places())
    seen = _answered(session, patient, question, at)
    return replace(seen, reply=emergency.closed(seen.reply, question))


def _answered(session: Session, patient: str, question: str, at: datetime) -> Seen:
    asked = intents.understand(question)
    if asked.topic in _NO_RECORD or (asked.general and asked.topic in ("measure", "genes", "conditions", "medicines")):
        return _learned(session, question)
    if asked.topic == "free-slots":
        return _slots(session, patient, at)
    seen = _from_record(session, patient, asked, at)
    if seen.reply.kind == "unknown" and asked.general:
        return _learned(session, question)
    return seen


def _from_record(session: Session, patient: str, asked: intents.Question, at: datetime) -> Seen:
    plan, opened = session.plan(patient, at)
    view = _view(session, plan, opened)
    if asked.topic == "who-looked":
        view = replace(view, looked=_looked(session))
    reply = answer.answer(asked, view)
    looked_at = ", ".join(c for c in CATEGORIES if c in opened.grant.categories)
    notice = (reply.notice, MAY_BE_MORE.format(looked_at=looked_at), *plan.notices)
    reply = reply.noting(" ".join(notice))
    seen = Seen(reply, _places(view))
    _check(seen)
    return Seen(_reworded(seen.reply), seen.places)


def _check(seen: Seen) -> None:
    """An answer whose citations do not hold is a defect: it is not given."""
    if next(citations.problems(seen.reply, seen.places), None) is not None:
        raise IntegrityError("an answer was put together whose citation does not hold, so it is not given")


def _learned(session: Session, question: str) -> Seen:
    """An answer from our own cards, else from the library that the user loaded; "I do not know" where neither fits."""
    card = education.find(question)
    if card is not None:
        return Seen(answered("library", card.cited()), Places())
    index = library(session)
    found = medquad.search(index, question, 1) if index.is_file() else []
    if found and medquad.names(question, found[0]):
        return _passage(found[0])
    return Seen(unknown("library"), Places())


def _passage(passage: medquad.Passage) -> Seen:
    title = f"{passage.question} ({passage.source}, {passage.url}; {medquad.LICENCE})"
    citation = Citation("library", passage.id, title)
    sentences = [Sentence(plain.safe_for_patient(s) or s, (citation,)) for s in passage.sentences]
    held = f"{passage.question} {passage.answer}"
    return Seen(answered("library", sentences), Places(passages={passage.id: held}))


def library(session: Session) -> Path:
    """Where the index of the library that the user loaded lies."""
    return session.house.configuration.knowledge / LIBRARY / INDEX


def learn(session: Session, file: Path) -> int:
    """Index a file of questions and answers for this house. Operators only. Returns how many passages it holds."""
    return medquad.learn(file, library_of(session))


def library_of(session: Session) -> Path:
    """The index, for who may write it. Raises AccessError."""
    session.administer()
    return library(session)


def _slots(session: Session, patient: str, at: datetime) -> Seen:
    if session.actor.patient != patient:
        session.house.gate.grant(session.actor, patient, "TREAT")
    offered = diary.free(session, at)
    held = {f"Slot/{s.id}": f"{s.start} {s.end} {s.who}" for s in offered}
    sentences = [
        Sentence(
            f"Free: {words.day(s.start)}, {s.start[11:16]} to {s.end[11:16]}, with {s.who} (slot {s.id}).",
            (Citation("log", f"Slot/{s.id}", "diary of the house"),),
        )
        for s in offered[:10]
    ]
    held = {k: f"{v} {k}" for k, v in held.items()}
    return Seen(answered("free-slots", sentences), Places(log=held))


# ---- what the asker may see


def _view(session: Session, plan: Plan, opened: Opened) -> View:
    own = session.actor.kind in ("patient", "proxy")
    return View(
        chart=opened.chart,
        findings=opened.findings,
        items=tuple(_items(plan, own)),
        medicines=tuple(
            Medicine(m.name, m.ingredient, m.dose, m.status, m.last_confirmed, m.notes, m.evidence)
            for m in plan.medicines
        ),
        to_patient=own,
        say=_safe if own else words.prose,
        day=words.day,
        unit=words.unit_words,
    )


def _safe(text: str) -> str:
    return plain.safe_for_patient(words.prose(text)) or text


def _items(plan: Plan, own: bool) -> Iterator[Item]:
    for number, item in enumerate(plan.items, 1):
        text = item.patient_text if own else item.text
        yield Item(number, item.key, text, item.text, item.ask, item.because, item.findings, item.evidence)


def _places(view: View) -> Places:
    held = {item.key: f"{item.held} {plain.ASK_FIRST}" for item in view.items}
    entries = {str(e.n): f"{e.at} {e.who} {e.what}" for e in view.looked}
    return Places(view.chart, view.findings, held, entries)


def _looked(session: Session) -> tuple[Looked, ...]:
    """Who looked at the actor's own record, the newest first. Raises AccessError for all but patient and proxy."""
    found = accesses.page(session, "others").shown
    return tuple(Looked(look.n, look.at, look.who, look.what) for look in found)


# ---- drafts and language models


def draft(session: Session, patient: str, kind: Kind, at: datetime) -> Draft:
    """A draft of a letter or summary for a professional to sign; each sentence is cited. Raises AccessError."""
    plan, opened = session.plan(patient, at)
    view = _view(session, plan, opened)
    if kind == "letter":
        own_items = tuple(_items(plan, True))
        view = replace(view, items=own_items, to_patient=True, say=_safe)
    made = drafts.make(kind, view, plan.name, plan.at)
    seen = Seen(Reply("answer", made.sentences), _places(view))
    _check(seen)
    return made


def _reworded(reply: Reply) -> Reply:
    """The reply, with a language model's words beside it where the operator set one up and its words passed."""
    endpoint = reword.endpoint()
    if endpoint is None or reply.kind != "answer":
        return reply
    said = reword.reword(reply, endpoint)
    return replace(reply, reworded=said)
