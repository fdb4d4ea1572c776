"""What a rule hands to the composer: a proposal with its reasons, before ranking and before conflicts are settled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Literal

from salus.careplan.model import Dropped, PlanItem, Tier
from salus.findings.model import Action, Evidence, Finding
from salus.findings.strength import Strength
from salus.person.answer import Answer, Statement
from salus.person.measurements import Measured
from salus.person.medicines import Medicine


@dataclass(frozen=True, slots=True)
class Basis:
    """Reasons with what they rest on: the chain of words, the findings' ids and the places in the record."""

    words: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    stale: tuple[str, ...] = ()
    """Medicines among the reasons that nobody confirmed for long."""

    def __add__(self, other: Basis) -> Basis:
        evidence = list(self.evidence)
        evidence += [e for e in other.evidence if e not in evidence]
        return Basis(
            tuple(dict.fromkeys((*self.words, *other.words))),
            tuple(dict.fromkeys((*self.findings, *other.findings))),
            tuple(evidence),
            tuple(dict.fromkeys((*self.stale, *other.stale))),
        )


def of_finding(finding: Finding, words: str = "") -> Basis:
    """A finding as a reason."""
    return Basis((words or finding.sentence,), (finding.id,), finding.evidence)


def of_answer(answer: Answer) -> Basis:
    """What the record says of a question as a reason."""
    return Basis(answer.words, answer.findings, answer.evidence)


def of_statement(statement: Statement) -> Basis:
    """One statement as a reason."""
    return Basis((statement.words,), (statement.finding,) if statement.finding else (), statement.evidence)


def of_measured(measured: Measured, words: str) -> Basis:
    """A measurement as a reason."""
    return Basis((words,), (), measured.evidence)


def of_medicine(medicine: Medicine) -> Basis:
    """A medicine that is taken as a reason."""
    where = " and ".join(medicine.sources)
    when = f", last confirmed {medicine.last_confirmed}" if medicine.last_confirmed else ", undated"
    words = f"takes {medicine.words} ({where}{when})"
    doubts = tuple(f"in doubt: {doubt}" for doubt in medicine.doubts)
    stale = (medicine.ingredient,) if medicine.stale else ()
    return Basis((words, *doubts), medicine.findings, medicine.evidence, stale)


def said(words: str) -> Basis:
    """A reason that rests on the guideline alone."""
    return Basis((words,))


def total(parts: Iterable[Basis]) -> Basis:
    """All reasons, each once, in order."""
    result = Basis()
    for part in parts:
        result += part
    return result


@dataclass(frozen=True, slots=True)
class Draft:
    """A proposal of a rule. ``order`` ranks within the tier, lowest first; of one ``topic`` only one draft stays."""

    guideline: str
    action: Action
    target: str
    tier: Tier
    order: int
    text: str
    patient_text: str
    strength: Strength
    citation: str
    basis: Basis
    changes_if: str
    status: Literal["proposed", "unresolved"] = "proposed"
    ask: str = ""
    why: str = ""
    window: str = ""
    alternatives: tuple[str, ...] = ()
    topic: str = ""
    begins: str = ""
    """The medicine that a "start" begins, as a sentence begins with it ("A statin")."""
    offers: tuple[str, ...] = ()
    """The classes or ingredients that it would be."""
    swaps: bool = False
    """Whether another member may be taken where one was not tolerated: a reaction is said then and holds nothing back.
    """
    finish: Finish | None = field(default=None, compare=False, repr=False)
    """What settles doses and choices, once all proposals of all rules are known."""

    @property
    def key(self) -> str:
        """Guideline, action, target."""
        return f"{self.guideline}:{self.action}:{self.target}"

    def because(self, more: Basis) -> Draft:
        """The same with further reasons."""
        return replace(self, basis=self.basis + more)

    def instead(self, *, action: Action, text: str, basis: Basis, changes_if: str) -> Draft:
        """The same proposal as another step; nothing is left to be settled in it."""
        return replace(self, action=action, text=text, basis=basis, changes_if=changes_if, alternatives=(), finish=None)

    @property
    def asking_first(self) -> Draft:
        """Never urgent for a medicine that nobody confirmed for long: the first step is to ask whether it is taken."""
        if self.tier != "urgent" or not self.basis.stale:
            return self
        *others, last = self.basis.stale
        names = f"{', '.join(others)} and {last}" if others else last
        verb = "are" if others else "is"
        return replace(
            self,
            tier="medicines",
            text=f"Ask first whether {names} {verb} still taken: it was not confirmed for more than two years. If so: "
            f"{self.text}",
            patient_text=f"Do you still take {names}? Please tell your doctor's office. {self.patient_text}",
            window="at the next contact",
        )

    def item(self, rank: int) -> PlanItem:
        """As it stands in the plan."""
        return PlanItem(
            key=self.key,
            tier=self.tier,
            rank=rank,
            action=self.action,
            target=self.target,
            text=self.text,
            patient_text=self.patient_text,
            strength=self.strength,
            citation=self.citation,
            because=self.basis.words,
            findings=self.basis.findings,
            evidence=self.basis.evidence,
            changes_if=self.changes_if,
            status=self.status,
            ask=self.ask,
            why=self.why,
            window=self.window,
            alternatives=self.alternatives,
        )


Finish = Callable[[Draft, Sequence[Draft]], Draft]
Outcome = Iterator[Draft | Dropped]


@cache
def _sources() -> dict[str, dict[str, str]]:
    import tomllib

    return tomllib.loads(files("salus.careplan").joinpath("tables", "sources.toml").read_text("utf-8"))


def cite(*names: str) -> str:
    """The citations called ``names`` in tables/sources.toml, as one line."""
    return "; ".join(_sources()[name]["citation"] for name in names)
