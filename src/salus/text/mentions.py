"""Mentions of problems and medicines in a note: where, of whom, and what exactly the note asserts.

The rule of safety: only an affirmed, certain, present mention about the patient is "present". Everything else keeps its
own word, so that nothing denied, doubted, past, conditional or about a relative can become an active condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from salus.text import lexicon
from salus.text.context import Context, Sentence, Trigger
from salus.text.document import Document, Span
from salus.text.sections import Section, sections
from salus.text.sentences import sentences

MEDICINE_SECTIONS = frozenset({"medications", "discontinued_medications", "allergies"})
_NOW = re.compile(
    r"\b(acute|new|current|currently|recent|recently|further|recurrent|active|today|more|additional)\b", re.I
)
_EVER = re.compile(r"\b(never|ever|history|hx|prior|previous|previously|past|known|h/o)\b", re.I)
_AGE = re.compile(
    r"\b(?:at|age|aged|age of|at the age of)\s+(?P<age>\d{1,3})\b|\b(?P<years>\d{1,3})[- ](?:years?|yrs?)[- ]old\b"
    r"|\bin (?:his|her|their) (?:early |mid |late |mid-)?(?P<decade>[2-9]0)['’]?s\b",
    re.I,
)
_AGE_WITHIN = 60  # code points after a family mention in which its age may stand


@dataclass(frozen=True, slots=True)
class Mention:
    """One name in a note with everything the note says of it.

    ``assertion``: "present", "absent", "possible", "historical", "hypothetical"; for people who are not the patient
    "family", "family-absent", "family-possible" and "other"; for medicines also "allergy". ``use`` (medicines):
    "in-use", "stopped", "past", "proposed", "not-taking", "avoid", "allergy", "no-allergy", "adverse-reaction",
    "not-patient", "unclear".
    ``denial`` of what is absent: "ever" (no history of, never), "now" (no acute, no new), "unqualified".
    """

    span: Span
    entry: lexicon.Entry
    section: Section
    sentence: Span
    context: Context
    assertion: str
    use: str = ""
    denial: str = ""
    relative: str = ""
    age_at_onset: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two mentions of a note the same statement."""
        c = self.context
        axes = (c.negation, c.certainty, c.temporality, c.experiencer)
        return (
            self.entry.kind,
            self.entry.concept,
            self.assertion,
            *axes,
            self.use,
            self.denial,
            self.relative.lower(),
        )


def mentions(document: Document, *, note_year: int | None = None) -> list[Mention]:
    """All mentions in the order of the text. Years before ``note_year`` count as past. Never raises for any text."""
    return [
        mention
        for section in sections(document)
        for span in sentences(document.text, section.body.start, section.body.end)
        for mention in _in_sentence(document, section, span, note_year)
    ]


def _in_sentence(document: Document, section: Section, span: Span, note_year: int | None) -> Iterator[Mention]:
    sentence = Sentence(document.text, span, before_year=note_year)
    found = lexicon.matches(sentence.tokens, in_medicine_list=section.heading.id in MEDICINE_SECTIONS)
    for match in found:
        is_medicine = match.entry.kind == "medication"
        past = section.heading.id == "discontinued_medications" or not is_medicine
        context = sentence.assess(
            match.span,
            kind=match.entry.kind,
            temporality=section.heading.temporality if past else None,
            experiencer=section.heading.experiencer,
        )
        use = _use(context, section.heading.id) if is_medicine else ""
        assertion = _USE_ASSERTS[use] if is_medicine and use != "not-patient" else _assertion(context)
        family = context.experiencer == "family"
        yield Mention(
            match.span,
            match.entry,
            section,
            span,
            context,
            assertion,
            use,
            _denial(document, match.span, context) if assertion in ("absent", "family-absent") else "",
            _relative(document, context) if family else "",
            _age(document, match.span, span) if family else "",
        )


def _ended(triggers: tuple[Trigger, ...]) -> bool:
    return bool(triggers) and all(trigger.kind == "ended" for trigger in triggers)


def _assertion(context: Context) -> str:
    negated = context.negation == "negated"
    if context.experiencer == "family":
        return "family-absent" if negated else "family-possible" if context.certainty == "uncertain" else "family"
    if context.experiencer == "other":
        return "other"
    if context.temporality == "hypothetical":
        return "hypothetical"
    if context.certainty == "uncertain":
        return "possible"
    if negated:
        # "resolved", "quit": it is not there now, but it was.
        return "historical" if _ended(context.of("negation")) else "absent"
    return "historical" if context.temporality == "historical" else "present"


_USE_ASSERTS = {
    "in-use": "present",
    "stopped": "historical",
    "past": "historical",
    "proposed": "hypothetical",
    "not-taking": "absent",
    "avoid": "absent",
    "allergy": "allergy",
    "no-allergy": "absent",
    "adverse-reaction": "possible",
    "unclear": "possible",
}


def _use(context: Context, section: str) -> str:
    """What the note says of the use of a medicine. In doubt: not in use."""
    negated = context.negation == "negated"
    if context.experiencer != "patient":
        return "not-patient"
    if context.use == "allergy" or section == "allergies":
        # "did not tolerate" is a denial of tolerance, not of the intolerance.
        said = any(
            t.axis == "use" and any(n.span.overlaps(t.span) for n in context.of("negation")) for t in context.triggers
        )
        return "no-allergy" if negated and not said else "allergy"
    if context.use == "avoid":
        return "avoid"
    if context.use in ("stopped", "past"):
        settled = context.temporality != "hypothetical" and "restarted" not in context.also
        return context.use if settled else "unclear"
    if context.temporality == "hypothetical":
        return "proposed"
    if negated:
        # "No muscle pain on simvastatin" denies the pain, not the medicine.
        return "in-use" if context.use == "adverse-reaction" else "not-taking"
    if context.temporality == "historical" and context.use != "started":
        return "past"
    if context.use == "adverse-reaction":
        return "adverse-reaction"
    return "unclear" if context.doubted_at_once else "in-use"


def _denial(document: Document, target: Span, context: Context) -> str:
    """How far a denial reaches; "" where nothing was denied in words (a medicine to be avoided)."""
    triggers = context.of("negation")
    if not triggers:
        return ""
    if context.temporality == "historical" or any(_EVER.search(document.slice(t.span)) for t in triggers):
        return "ever"
    for trigger in triggers:
        between = (
            document.text[trigger.span.start : target.end] if trigger.direction == "forward" else document.slice(target)
        )
        if _NOW.search(between):
            return "now"
    return "unqualified"


def _relative(document: Document, context: Context) -> str:
    nearest = min(context.of("experiencer"), key=lambda trigger: trigger.gap, default=None)
    return " ".join(document.slice(nearest.span).split()) if nearest else ""


def _age(document: Document, target: Span, sentence: Span) -> str:
    """The age that stands behind a family mention, as written: "48" or "40s"."""
    found = _AGE.search(document.text, target.end, min(sentence.end, target.end + _AGE_WITHIN))
    if not found:
        return ""
    return found["age"] or found["years"] or f"{found['decade']}s"
