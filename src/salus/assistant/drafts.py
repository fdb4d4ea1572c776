"""Drafts for a professional to check and sign: a visit summary, a referral letter, a letter to the patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from salus.assistant import answer, education
from salus.assistant.intents import understand
from salus.assistant.reply import NOT_A_DOCTOR, Citation, Sentence
from salus.assistant.view import Item, View

Kind = Literal["visit", "referral", "letter"]
KINDS: tuple[Kind, ...] = ("visit", "referral", "letter")
TITLES: Mapping[Kind, str] = {
    "visit": "Visit summary",
    "referral": "Referral letter",
    "letter": "Letter to the patient",
}
MARK = "DRAFT: made by salus from the record. To be checked, completed and signed by a health professional. Not sent."
SIGN = "Checked and signed by: ____________________   Date: ____________"
MOST = 10


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the sentences under it."""

    title: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft. Nothing of it is sent by anybody but the person who signs it."""

    kind: Kind
    name: str
    at: str
    sections: tuple[Section, ...]

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """Every sentence, in order."""
        return tuple(s for section in self.sections for s in section.sentences)

    @property
    def text(self) -> str:
        """The draft as text, with its mark first, numbered citations and their list last."""
        numbers: dict[Citation, int] = {}
        lines = [MARK, "", TITLES[self.kind], f"About: {self.name}", f"Date of the record: {self.at}", ""]
        for section in self.sections:
            lines.append(f"{section.title}:")
            for sentence in section.sentences:
                marks = "".join(f"[{numbers.setdefault(c, len(numbers) + 1)}]" for c in sentence.citations)
                lines.append(f"  {sentence.text} {marks}")
            lines.append("")
        lines += [SIGN, "", "Sources:", *(f"  [{n}] {c.mark} {c.title}".rstrip() for c, n in numbers.items())]
        return "\n".join([*lines, "", NOT_A_DOCTOR])


def make(kind: Kind, view: View, name: str, at: str) -> Draft:
    """A draft of ``kind`` from a view. Sections without a sentence are left out."""
    sections = (Section(title, tuple(told(view))) for title, told in _PARTS[kind])
    return Draft(kind, name, at, tuple(s for s in sections if s.sentences))


def _asked(question: str) -> Callable[[View], Iterator[Sentence]]:
    """The sentences with which a question is answered."""
    return lambda view: iter(answer.answer(understand(question), view).sentences)


def _findings(view: View) -> Iterator[Sentence]:
    told = [f for f in view.findings if f.status == "ok" and f.code not in ("note-problem", "note-medication")]
    for finding in told[:MOST]:
        if not view.to_patient or finding.patient_sentence:
            yield view.finding(finding)


def _proposals(view: View) -> Iterator[Sentence]:
    for item in view.items[:MOST]:
        yield Sentence(view.say(_words(item)), answer.of_item(item))


def _referred(view: View) -> Iterator[Sentence]:
    """What is asked of the colleague: the items that name whom to ask, else the first."""
    named = [i for i in view.items if "refer" in i.key or "cardiolog" in i.clinical.lower() or i.ask]
    for item in (named or list(view.items))[:3]:
        yield Sentence(view.say(item.clinical), answer.of_item(item))
        plan = Citation("plan", item.key, f"item {item.number} of the plan")
        for reason in item.because[:MOST]:
            yield Sentence(view.say(f"Reason: {reason.rstrip('.')}."), (plan,))


def _words(item: Item) -> str:
    return item.text or item.clinical


def _closing(view: View) -> Iterator[Sentence]:
    yield from education.cards()["side-effects"].cited(1)


_PARTS: Mapping[Kind, tuple[tuple[str, Callable[[View], Iterator[Sentence]]], ...]] = {
    "visit": (
        ("Problems", _asked("list my diagnoses")),
        ("Allergies", _asked("my allergies")),
        ("Medicines", _asked("list my medicines")),
        ("Findings", _findings),
        ("Proposals", _proposals),
    ),
    "referral": (
        ("Asked of you", _referred),
        ("Problems", _asked("list my diagnoses")),
        ("Procedures", _asked("my procedures")),
        ("Allergies", _asked("my allergies")),
        ("Medicines", _asked("list my medicines")),
    ),
    "letter": (
        ("What your results say", _findings),
        ("What to talk about with your doctor", _proposals),
        ("Your medicines", _asked("list my medicines")),
        ("Please remember", _closing),
    ),
}
