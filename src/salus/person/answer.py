"""Answers in three values: there, denied, or not recorded, each with the places that decide.

"Not recorded" never stands for "absent": a rule that needs a negative turns it into "confirm that ...". A negative
holds only while nothing that was not understood could break it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from salus.errors import InputError
from salus.fhir import dates
from salus.fhir.dates import Span
from salus.fhir.views import Source
from salus.findings.model import Evidence

State = Literal["present", "past", "possible", "denied", "denied-now", "not-recorded"]
RANK: dict[str, int] = {"present": 0, "past": 1, "possible": 2, "denied": 3, "denied-now": 4}
"""Of several statements the first in this order decides: what asserts wins over what denies."""

Kind = Literal[
    "diagnosis", "procedure", "device", "allergy", "medicine", "dose", "result", "relative", "modifier", "note"
]
SHOWN = 80
"""Characters of an entry that are shown where it was not understood."""


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """Something on record that salus could not read: what stands there and why it says nothing to the rules."""

    kind: Kind
    words: str
    why: str
    date: str
    evidence: tuple[Evidence, ...]
    unit: str = ""

    @property
    def sentence(self) -> str:
        """As it is shown: "diagnosis “Zxqv” (2026-05-10): no table knows it"."""
        shown = self.words if len(self.words) <= SHOWN else f"{self.words[: SHOWN - 1]}…"
        when = f" ({day(self.date)})" if self.date else ""
        return f"{self.kind} “{shown}”{when}: {self.why}" if shown else f"{self.kind} without words{when}: {self.why}"


@dataclass(frozen=True, slots=True)
class Statement:
    """One place that says something of a concept: the words for the plan, its date and where it stands.

    ``date`` is when it was said or began; ``happened`` is when the event itself was, "" where only a note or a date of
    recording tells.
    """

    state: State
    words: str
    date: str
    evidence: tuple[Evidence, ...]
    finding: str = ""
    happened: str = ""

    @property
    def when(self) -> datetime | None:
        """The first moment of its date; None when undated."""
        return dates.instant(self.date) if self.date else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the record says of one question. The statements that decide come first.

    ``open`` holds what was not understood and could be the thing asked for: while there is any, no negative holds.
    """

    concept: str
    state: State
    statements: tuple[Statement, ...] = ()
    open: tuple[NotUnderstood, ...] = ()

    @property
    def positive(self) -> bool:
        """True when it is or was there. What is only possible is not."""
        return self.state in ("present", "past")

    @property
    def excluded(self) -> bool:
        """True when a dated source denies it, none asserts it or holds it possible, and nothing unread could be it."""
        return self.state == "denied" and not self.open

    @property
    def deciding(self) -> tuple[Statement, ...]:
        """The statements of the deciding state."""
        return tuple(s for s in self.statements if s.state == self.state)

    @property
    def words(self) -> tuple[str, ...]:
        """Their words, each once."""
        return tuple(dict.fromkeys(s.words for s in self.deciding))

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Their places."""
        return tuple(e for s in self.deciding for e in s.evidence)

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings among them."""
        return tuple(dict.fromkeys(s.finding for s in self.deciding if s.finding))


def settle(concept: str, found: Iterable[Statement], unread: Iterable[NotUnderstood] = ()) -> Answer:
    """The answer that ``found`` give together, each statement once."""
    ordered = sorted(found, key=lambda s: (RANK[s.state], s.date, s.words, s.finding))
    unique = each_once(ordered)
    return Answer(concept, unique[0].state if unique else "not-recorded", unique, tuple(unread))


def each_once(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """The statements without repetition, in their order."""
    found: list[Statement] = []
    for statement in statements:
        if statement not in found:
            found.append(statement)
    return tuple(found)


def day(text: str) -> str:
    """The day of a FHIR date, or as much of it as there is."""
    return text[:10]


def span_of(text: str) -> Span | None:
    """The interval of a date; None where there is none."""
    try:
        return dates.parse(text) if text else None
    except InputError:
        return None


def text_of(span: Span | None) -> str:
    """What the source wrote of a date; "" where there is none."""
    return span.text if span else ""


def on(span: Span | None) -> str:
    """ " (2026-05-10)" or " (undated)" for a sentence."""
    return f" ({day(span.text)})" if span and span.text else " (undated)"


def place(source: Source, path: str = "code", label: str = "") -> Evidence:
    """An element of a resource as evidence."""
    return Evidence(source, {"path": path}, digest=source.digest, label=label)
