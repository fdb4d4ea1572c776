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

from salus.careplan.draft import Basis, of_answer, of_medicine, of_statement, said, total
from salus.person.answer import Answer, span_of
from salus.person.person import Person
from salus.terminology import classes

Verdict = Literal["clear", "confirm", "barred"]
_ORDER: tuple[Verdict, ...] = ("clear", "confirm", "barred")
RECENT_DAYS = 30
"""How old a mention of something passing (bleeding, pregnancy) may be to count, for it or against. salus's choice."""
DENIAL_DAYS = 730
"""How old a "never" may be: what came after it is not told. salus's own choice, the look-back of the medicine list."""


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


def check(person: Person, name: str) -> Check:
    """Look for one contraindication by name."""
    if name.startswith("hypersensitivity-to-"):
        medicine = name.removeprefix("hypersensitivity-to-")
        return _judge(person, person.allergy(medicine), "ever", f"allergy to {medicine}")
    if name == "pregnancy":
        return _pregnancy(person)
    entry = _table("contraindications").get(name, {"concepts": [name], "kind": "ever", "words": name.replace("-", " ")})
    answer = person.about(*entry["concepts"])
    if entry["kind"] == "now":
        return _judge_now(person, answer, person.about(*entry.get("denied_by", entry["concepts"])), entry["words"])
    return _judge(person, answer, entry["kind"], entry["words"])


def _pregnancy(person: Person) -> Check:
    """Pregnancy is decided in one place, by the person."""
    answer = person.pregnancy
    verdict: Verdict = "barred" if answer.state == "present" else "clear" if answer.state == "denied" else "confirm"
    return Check(verdict, "pregnancy", of_answer(answer))


def _judge_now(person: Person, answer: Answer, denials: Answer, words: str) -> Check:
    """What matters only while it lasts: a recent mention bars, a recent denial that is the newest word clears."""
    if answer.state == "present" and any(_recent(person, s.date) for s in answer.deciding):
        return Check("barred", words, of_answer(answer))
    denied = [s for s in denials.statements if s.state in ("denied", "denied-now") and _surely(person, s.date)]
    newest = max((s.date for s in denied), default="")
    if denied and not any(s.date > newest for s in answer.statements if s.state in ("present", "past", "possible")):
        return Check("clear", words, total(of_statement(s) for s in denied if s.date == newest))
    return Check("confirm", words, of_answer(answer) if answer.positive or answer.state == "possible" else Basis())


def _judge(person: Person, answer: Answer, kind: str, words: str) -> Check:
    if answer.positive:
        return Check("barred" if kind == "ever" else "confirm", words, of_answer(answer))
    if answer.excluded and any(person.within(span_of(s.date), DENIAL_DAYS) for s in answer.deciding):
        return Check("clear", words, of_answer(answer))
    return Check("confirm", words, of_answer(answer) if answer.state == "possible" else Basis())


def _recent(person: Person, date: str) -> bool:
    """Recent, or perhaps recent: an undated mention counts as lasting."""
    return person.within(span_of(date), RECENT_DAYS) is not False


def _surely(person: Person, date: str) -> bool:
    """Certainly recent: an undated denial clears nothing."""
    return person.within(span_of(date), RECENT_DAYS) is True


def option(person: Person, medicine: str, contraindications: Iterable[str], cautions: Iterable[str] = ()) -> Option:
    """``medicine`` held against its contraindications and against the medicines that are taken."""
    checks = [check(person, name) for name in contraindications]
    checks += [
        Check("barred", f"{hit.other.name} is taken", of_medicine(hit.other) + said(hit.text))
        for hit in interactions(person)
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


def interactions(person: Person) -> tuple[Hit, ...]:
    """Every entry of the table of which one side is taken (the other side may only be considered)."""
    found = []
    for entry in _table("interactions")["interaction"]:
        person.asked.update((*entry["of"], *entry["with"]))
        of = tuple(name for n in entry["of"] for name in classes.members(n))
        for other in person.medicines:
            if not other.in_use or not any(other.drug.is_a(name) for name in entry["with"]):
                continue
            above = entry.get("with_above_mg")
            if above is not None and (other.daily_mg is None or other.daily_mg <= above):
                continue
            found.append(Hit(entry, of, other))
    return tuple(found)
