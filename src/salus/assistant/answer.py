"""Answers put together from the record: every sentence is a template filled from one place, which it cites.

What the record does not hold is not answered. A negative is stated only from a recorded, dated negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from salus.assistant import education, measures, named
from salus.assistant.intents import Question
from salus.assistant.reply import Citation, Reply, Sentence, answered, unknown
from salus.assistant.view import Item, Medicine, View
from salus.fhir.views import Event
from salus.findings.model import Finding
from salus.person import relatives
from salus.person.person import Person

_LISTED = {"present": "active", "past": "over", "possible": "not confirmed", "denied": "refuted"}
ASKED_MOST = 10
"""How many items or entries one answer names."""


def answer(question: Question, view: View) -> Reply:
    """The answer to a question about the record. "I do not know" where no topic fits or the record is silent."""
    if question.topic == "measure" and question.measure:
        told = measures.trend if question.trend else measures.latest
        return answered("measure", told(question.measure, view))
    teller = _TELLERS.get(question.topic)
    return answered(question.topic, teller(question, view)) if teller else unknown()


def _idle(kind: str) -> frozenset[str]:
    return education.idle() | education.idle(kind)


def _medicines(question: Question, view: View) -> Iterator[Sentence]:
    asked = named.ingredients(question.text.plain)
    ours = [(m, {*named.ingredients(m.name), *m.ingredient.split(" + ")}) for m in view.medicines]
    for medicine, ingredients in ours:
        if asked and not asked & ingredients:
            continue
        if not asked and (strange := _named_thing(question)) and strange not in medicine.name.lower():
            continue
        yield _medicine(medicine, view)


def _named_thing(question: Question) -> str:
    """What "do I take X" names, where X is not a medicine in our tables; "" when it asks for all."""
    words = question.text.plain.split()
    asked = [w for w in words if w.isalpha() and len(w) > 3 and w not in _idle("medicine")]
    return (
        asked[-1] if asked and {"take", "taking", "on"} & set(words) and {"do", "am", "does", "is"} & {words[0]} else ""
    )


def _medicine(medicine: Medicine, view: View) -> Sentence:
    dose = f", {medicine.dose}" if medicine.dose else ""
    when = f", last confirmed {view.day(medicine.confirmed)}" if medicine.confirmed else ", undated"
    doubts = f" In doubt: {'; '.join(medicine.notes)}." if medicine.notes else ""
    text = f"On the medicine list: {medicine.name}{dose} ({medicine.status}{when}).{doubts}"
    return Sentence(view.say(text), tuple(Citation.of_evidence(e, medicine.name) for e in medicine.evidence))


def _allergies(question: Question, view: View) -> Iterator[Sentence]:
    nothing = {a.statement.evidence[0].source.ref for a in Person(view.chart, ()).allergies if a.nothing}
    entries = view.chart.events("AllergyIntolerance")
    meant = [
        e
        for e in entries
        if question.words & set(e.text.lower().split()) - _idle("plan") and e.source.ref not in nothing
    ]
    for entry in meant or entries:
        when = f" ({view.day(entry.period.text)})" if entry.period else " (undated)"
        if entry.source.ref in nothing:
            told = f"On the allergy list stands: {entry.text}{when}. Something newer may not be recorded."
        elif entry.status in ("refuted", "unreadable"):
            told = f"On the allergy list stands: {entry.text}{when}, marked {entry.status}."
        else:
            told = f"On the allergy list stands an allergy or intolerance: {entry.text}{when}."
        yield Sentence(told, (_event(entry),))


def _event(event: Event) -> Citation:
    source = event.source
    return Citation("record", source.ref, event.text, source.version, digest=source.digest)


def _conditions(question: Question, view: View) -> Iterator[Sentence]:
    asked = {w for w in question.words if w not in _idle("condition")}
    for entry in Person(view.chart, ()).problems():
        if asked and not _shared(asked, entry.words):
            continue
        when = f" ({view.day(entry.statement.date)})" if entry.statement.date else ""
        source = entry.statement.evidence[0].source
        citation = Citation("record", source.ref, entry.words, source.version, digest=source.digest)
        yield Sentence(f"On the problem list: {entry.words}{when}, {_LISTED[entry.statement.state]}.", (citation,))
    if asked:
        for finding in view.with_codes(["note-problem"]):
            if _shared(asked, getattr(finding.value, "display", "")):
                yield Sentence(view.say(finding.sentence), (Citation.of_finding(finding, "note"),))


def _shared(asked: set[str], text: str) -> bool:
    words = set(text.lower().replace(",", " ").split())
    return bool(asked & words) or any(len(a) > 5 and any(w.startswith(a[:6]) for w in words) for a in asked)


def _procedures(_: Question, view: View) -> Iterator[Sentence]:
    for event in view.chart.events("Procedure"):
        when = f" ({view.day(event.period.text)})" if event.period else " (undated)"
        yield Sentence(f"Recorded procedure: {event.text}{when}.", (_event(event),))


def _family(_: Question, view: View) -> Iterator[Sentence]:
    for event in view.chart.events("FamilyMemberHistory"):
        who = relatives.called(event.body.get("relationship"))
        yield Sentence(f"Recorded family history: {who}, {event.text}.", (_event(event),))


def _genes(question: Question, view: View) -> Iterator[Sentence]:
    found = [f for f in view.findings if f.code.endswith("-phenotype")]
    named = [f for f in found if f.code.partition("-")[0] in question.text.plain.replace(" ", "")]
    for finding in named or found:
        yield view.finding(finding)
        if finding.status == "ok" and view.to_patient:
            yield Sentence(view.say(finding.sentence), (Citation.of_finding(finding, finding.code),))
    if any(f.code.startswith("cyp2c19") for f in (named or found)):
        yield from education.cards()["clopidogrel"].cited(5)


def _risk(_: Question, view: View) -> Iterator[Sentence]:
    wanted = ("prevent-ascvd-10y", "prevent-cvd-10y", "prevent-hf-10y", "prevent-ascvd-30y")
    told: dict[str, Finding] = {}
    for finding in view.with_codes(wanted):
        told.setdefault(finding.reason or finding.code, finding)
    for finding in told.values():
        yield view.finding(finding)


def _why(question: Question, view: View) -> Iterator[Sentence]:
    item = _meant(question, view)
    if item is None:
        return
    by_words = {f.sentence: f for f in view.findings}
    places = tuple(dict.fromkeys(Citation.of_evidence(e) for e in item.evidence))
    plan = Citation("plan", item.key, f"item {item.number} of the plan")
    yield Sentence(view.say(item.text or item.clinical), (plan, *places[:ASKED_MOST]))
    for reason in item.because[:ASKED_MOST]:
        finding = by_words.get(reason)
        place = (Citation.of_finding(finding, finding.code),) if finding else ()
        yield Sentence(view.say(f"Reason: {reason.rstrip('.')}."), (plan, *place))
    if item.ask:
        yield Sentence(f"Whom to ask: {item.ask.rstrip('.')}.", (plan,))


def _meant(question: Question, view: View) -> Item | None:
    """The item that a question means: its number, else the one that shares most words with it; None when none does."""
    if question.number is not None and "item" in question.words:
        return next((i for i in view.items if i.number == question.number), None)
    asked = {w for w in question.words if w not in _idle("plan")}
    best, score = None, 0
    for item in view.items:
        target = item.key.rpartition(":")[2].replace("-", " ").split()
        words = set(f"{item.text} {item.clinical}".lower().replace(",", " ").replace(".", " ").split())
        points = 3 * len(asked & set(target)) + len(asked & words)
        if points > score:
            best, score = item, points
    return best


def _plan(_: Question, view: View) -> Iterator[Sentence]:
    for item in view.items[:ASKED_MOST]:
        words = item.text or item.clinical
        yield Sentence(f"{item.number}. {view.say(words)}", of_item(item))


def of_item(item: Item) -> tuple[Citation, ...]:
    """The places of a plan item: the item itself, and the first places it rests on."""
    plan = Citation("plan", item.key, f"item {item.number} of the plan")
    return (plan, *dict.fromkeys(Citation.of_evidence(e) for e in item.evidence[:3]))


def _ask_at_visit(_: Question, view: View) -> Iterator[Sentence]:
    for item in view.items[:ASKED_MOST]:
        yield Sentence(f"Ask about this: {view.say(item.text or item.clinical)}", of_item(item))
    if not view.items:
        yield from education.cards()["visit"].cited(3)


def _stop(question: Question, view: View) -> Iterator[Sentence]:
    yield from education.cards()["side-effects"].cited(1)
    asked = named.ingredients(question.text.plain)
    for item in view.items:
        if item.key.rpartition(":")[2] in asked and item.text:
            yield Sentence(view.say(item.text), of_item(item))
    yield from education.cards()["side-effects"].cited(1, 4)


def _looked(_: Question, view: View) -> Iterator[Sentence]:
    for entry in view.looked[:ASKED_MOST]:
        place = Citation("log", str(entry.n), "entry of the log")
        yield Sentence(f"{view.day(entry.at)}: {entry.who} {entry.what}.", (place,))


def _appointments(_: Question, view: View) -> Iterator[Sentence]:
    from salus.assistant import booking

    yield from booking.told(view)


def _alerts(_: Question, view: View) -> Iterator[Sentence]:
    from salus.assistant import watch

    yield from watch.told(view)


_TELLERS: Mapping[str, Callable[[Question, View], Iterator[Sentence]]] = {
    "medicines": _medicines,
    "allergy": _allergies,
    "conditions": _conditions,
    "procedures": _procedures,
    "family": _family,
    "genes": _genes,
    "risk": _risk,
    "why-plan": _why,
    "plan": _plan,
    "ask-at-visit": _ask_at_visit,
    "stop-medicine": _stop,
    "who-looked": _looked,
    "appointment": _appointments,
    "alerts": _alerts,
}
