"""What the assistant says: sentences, each with the places it rests on, and one fixed line about what it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from salus.findings.model import Evidence, Finding

Kind = Literal["emergency", "answer", "unknown"]
Place = Literal["record", "finding", "plan", "log", "library", "warning-signs"]

NOT_A_DOCTOR = (
    "salus is not a medical device and not a doctor. It shows what is written; a health professional decides."
)
MAY_BE_MORE = "Looked at: {looked_at}. More may be recorded elsewhere, not recorded at all, or not released to you."
UNKNOWN = "I do not know. The record that is released to you does not tell. Please ask your doctor or pharmacist."


@dataclass(frozen=True, slots=True)
class Citation:
    """A place that a sentence rests on.

    ``ref`` is a resource reference, a finding's id, a plan item's key, a log entry's number or a library card's id;
    ``version`` and ``digest`` pin what was read (the resource's or the finding's SHA-256), ``path`` is the JSON path in
    a resource, ``title`` says in words what it is.
    """

    place: Place
    ref: str
    title: str = ""
    version: int | None = None
    path: str = ""
    digest: str = ""

    @classmethod
    def of_evidence(cls, evidence: Evidence, title: str = "") -> Citation:
        """The place of a piece of evidence."""
        source, path = evidence.source, evidence.locator.get("path", "")
        return cls("record", source.ref, title or evidence.label, source.version, str(path), source.digest)

    @classmethod
    def of_finding(cls, finding: Finding, title: str) -> Citation:
        """A finding as the place."""
        return cls("finding", finding.id, title, digest=finding.version_hash)

    @property
    def mark(self) -> str:
        """The citation as it stands in text."""
        version = f"/v{self.version}" if self.version is not None else ""
        path = f"#{self.path}" if self.path else ""
        return f"{self.place}:{self.ref}{version}{path}"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence with what it rests on. There is none without a citation."""

    text: str
    citations: tuple[Citation, ...]

    def __post_init__(self) -> None:
        if not self.citations or not self.text.strip():
            raise ValueError("a sentence of the assistant needs words and a citation")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. ``notice`` is fixed words, which state nothing of the patient; ``triggers`` what raised a red flag."""

    kind: Kind
    sentences: tuple[Sentence, ...] = ()
    notice: str = NOT_A_DOCTOR
    triggers: tuple[str, ...] = ()
    topic: str = ""
    reworded: str = ""
    """The same in a language model's words, where one was set up and its words passed the checks; "" otherwise."""

    @property
    def text(self) -> str:
        """The sentences with numbered marks, and the notice."""
        numbers = self._numbers()
        said = [f"{s.text} {''.join(f'[{numbers[c]}]' for c in s.citations)}" for s in self.sentences]
        return "\n".join([*said, self.notice])

    @property
    def spoken(self) -> str:
        """The sentences without marks, for a voice."""
        return " ".join([*(s.text for s in self.sentences), self.notice])

    @property
    def sources(self) -> tuple[Citation, ...]:
        """Every citation once, in the order of their numbers."""
        return tuple(self._numbers())

    def noting(self, notice: str) -> Reply:
        """The same with another notice."""
        return replace(self, notice=notice)

    def as_json(self) -> dict[str, Any]:
        """The reply as plain JSON."""
        numbers = self._numbers()
        return {
            "kind": self.kind,
            "topic": self.topic,
            "sentences": [{"text": s.text, "citations": [numbers[c] for c in s.citations]} for s in self.sentences],
            "sources": [
                {"number": n, "place": c.place, "ref": c.ref, "version": c.version, "path": c.path, "title": c.title}
                for c, n in numbers.items()
            ],
            "notice": self.notice,
            "triggers": list(self.triggers),
            **({"reworded": self.reworded} if self.reworded else {}),
        }

    def _numbers(self) -> dict[Citation, int]:
        found: dict[Citation, int] = {}
        for sentence in self.sentences:
            for citation in sentence.citations:
                found.setdefault(citation, len(found) + 1)
        return found


def unknown(topic: str = "", notice: str = UNKNOWN) -> Reply:
    """The answer where nothing is known. It asserts nothing, so it cites nothing."""
    return Reply("unknown", notice=notice, topic=topic)


def answered(topic: str, sentences: Iterable[Sentence], notice: str = NOT_A_DOCTOR) -> Reply:
    """An answer of these sentences; "I do not know" where there are none."""
    said = tuple(sentences)
    return Reply("answer", said, notice, topic=topic) if said else unknown(topic)
