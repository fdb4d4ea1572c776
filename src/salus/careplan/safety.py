"""May this person have this medicine? Contraindications, allergies and interactions, each with what decides it.

Three answers: "clear" (every contraindication is denied by a dated source), "confirm" (something is not recorded or
must be judged) and "barred" (a contraindication or a forbidden combination is recorded).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from salus.careplan.draft import Basis, of_answer, of_medicine, said, total
from salus.careplan.facts import Answer, Facts
from salus.fhir import drugs

Verdict = Literal["clear", "confirm", "barred"]
_ORDER: tuple[Verdict, ...] = ("clear", "confirm", "barred")
RECENT_DAYS = 30
"""How old an asserted mention may be to count as lasting. salus's own choice."""


@dataclass(frozen=True, slots=True)
class Check:
    """One contraindication looked at: ``words`` for a sentence ("no stroke is recorded either way")."""

    verdict: Verdict
    name: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class Option:
    """A medicine that might be given, with everything that was looked at. ``cautions`` do not bar it."""

    medicine: str
    checks: tuple[Check, ...]
    cautions: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst of its checks."""
        return max((c.verdict for c in self.checks), key=_ORDER.index, default="clear")

    def named(self, verdict: Verdict) -> tuple[str, ...]:
        """What was looked at with this answer."""
        return tuple(c.name for c in self.checks if c.verdict == verdict)

    @property
    def basis(self) -> Basis:
        """The reasons for the verdict: what bars it, else what clears it."""
        wanted = "barred" if self.verdict == "barred" else "clear"
        found = total(c.basis for c in self.checks if c.verdict == wanted)
        return Basis(tuple(f"{self.medicine}: {words}" for words in found.words), found.findings, found.evidence)


@cache
def _table(name: str) -> Mapping[str, Any]:
    return tomllib.loads(files("salus.careplan").joinpath("tables", f"{name}.toml").read_text("utf-8"))


def check(facts: Facts, name: str) -> Check:
    """Look for one contraindication by name."""
    if name.startswith("hypersensitivity-to-"):
        medicine = name.removeprefix("hypersensitivity-to-")
        return _judge(facts, facts.allergy(medicine), "ever", f"allergy to {medicine}")
    entry = _table("contraindications").get(name, {"concepts": [name], "kind": "ever", "words": name.replace("-", " ")})
    return _judge(facts, facts.about(*entry["concepts"]), entry["kind"], entry["words"])


def _judge(facts: Facts, answer: Answer, kind: str, words: str) -> Check:
    if kind == "now":
        lasting = answer.state == "present" and any(_recent(facts, s.date) for s in answer.deciding)
        if lasting:
            return Check("barred", words, of_answer(answer))
        newest = max((s for s in answer.statements), key=lambda s: s.date, default=None)
        denied = newest is not None and newest.state in ("denied", "denied-now")
        if denied or answer.state in ("denied", "denied-now"):
            return Check("clear", words, of_answer(_denials(answer)))
        return Check("confirm", words, of_answer(answer))
    if answer.positive:
        return Check("barred" if kind == "ever" else "confirm", words, of_answer(answer))
    if answer.excluded:
        return Check("clear", words, of_answer(answer))
    return Check("confirm", words, of_answer(answer) if answer.state == "possible" else Basis())


def _denials(answer: Answer) -> Answer:
    denied = tuple(s for s in answer.statements if s.state in ("denied", "denied-now"))
    return Answer(answer.concept, denied[-1].state, denied[-1:]) if denied else answer


def _recent(facts: Facts, date: str) -> bool:
    from salus.careplan.facts import span_of

    return facts.within(span_of(date), RECENT_DAYS) is not False


def option(facts: Facts, medicine: str, contraindications: Iterable[str], cautions: Iterable[str] = ()) -> Option:
    """``medicine`` held against its contraindications and against the medicines that are taken."""
    checks = [check(facts, name) for name in contraindications]
    checks += [
        Check("barred", f"{hit.other.name} is taken", of_medicine(hit.other) + said(hit.text))
        for hit in interactions(facts)
        if medicine in hit.of and hit.bars
    ]
    return Option(medicine, tuple(checks), tuple(cautions))


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry of tables/interactions.toml that concerns this person: ``of`` are the medicines it speaks of."""

    entry: Mapping[str, Any]
    of: tuple[str, ...]
    other: Any

    @property
    def text(self) -> str:
        """What the source says, in our words."""
        return str(self.entry["text"])

    @property
    def bars(self) -> bool:
        """True for a combination that is forbidden."""
        return bool(self.entry.get("bars"))


def interactions(facts: Facts) -> tuple[Hit, ...]:
    """Every entry of the table of which one side is taken (the other side may only be considered)."""
    found = []
    for entry in _table("interactions")["interaction"]:
        of = tuple(name for n in entry["of"] for name in drugs.members(n))
        for other in facts.medicines:
            if not other.in_use or not any(other.drug.is_a(name) for name in entry["with"]):
                continue
            above = entry.get("with_above_mg")
            if above is not None and (other.daily_mg is None or other.daily_mg <= above):
                continue
            found.append(Hit(entry, of, other))
    return tuple(found)
