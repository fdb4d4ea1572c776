"""What is known of one person, asked in clinical words: is this condition there, denied, or not recorded?

Joins the record's conditions, procedures and allergies with what notes say. "Not recorded" is an answer of its own and
never stands for "absent": a rule that needs a negative turns it into "confirm that ...".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

from salus.careplan.medicines import Medicine, reconcile
from salus.errors import InputError, UnitError
from salus.fhir import codes, dates, quantity
from salus.fhir.codes import Code
from salus.fhir.dates import Span
from salus.fhir.quantity import Quantity
from salus.fhir.views import Condition, Event, Observation, Source
from salus.findings.model import Evidence, Finding
from salus.record.chart import Chart

State = Literal["present", "past", "possible", "denied", "denied-now", "not-recorded"]
_RANK: dict[str, int] = {"present": 0, "past": 1, "possible": 2, "denied": 3, "denied-now": 4}
_ASSERTIONS: dict[str, State] = {"present": "present", "historical": "past", "possible": "possible"}
ADULT = 18
_DONE = ("completed", "in-progress", "")


@dataclass(frozen=True, slots=True)
class Statement:
    """One place that says something of a concept: the words for the plan, its date and where it stands."""

    state: State
    words: str
    date: str
    evidence: tuple[Evidence, ...]
    finding: str = ""

    @property
    def when(self) -> datetime | None:
        """The first moment of its date; None when undated."""
        return dates.instant(self.date) if self.date else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the record says of one question. The statements that decide come first."""

    concept: str
    state: State
    statements: tuple[Statement, ...] = ()

    @property
    def positive(self) -> bool:
        """True when it is or was there. What is only possible is not."""
        return self.state in ("present", "past")

    @property
    def excluded(self) -> bool:
        """True when a dated source denies it, and none asserts it or holds it possible."""
        return self.state == "denied"

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


class Facts:
    """One person's data as rules read them. Pure: the same chart and findings give the same answers."""

    def __init__(self, chart: Chart, findings: Sequence[Finding]) -> None:
        self.chart = chart
        self.now = chart.now
        self.patient = chart.patient
        self.age = self.patient.age(self.now)
        self.adult = _adult(self.patient.birth, self.now)
        self.findings = tuple(sorted(findings, key=lambda f: (f.code, f.effective, f.id, f.sentence)))

    # ---- findings

    def all(self, code: str) -> tuple[Finding, ...]:
        """The assessable findings with this code, oldest first."""
        return tuple(f for f in self.findings if f.code == code and f.status == "ok")

    def one(self, code: str) -> Finding | None:
        """The newest assessable finding with this code."""
        found = self.all(code)
        return max(found, key=lambda f: (f.effective[1], f.id, f.sentence)) if found else None

    # ---- measurements

    def latest(self, concept: str, unit: str, analyte: str | None = None) -> tuple[float, Observation] | None:
        """The newest value of ``concept`` that can be read in ``unit``."""
        for observation in reversed(self.chart.observations(concept)):
            value = in_unit(observation.quantity, unit, analyte)
            if value is not None:
                return value, observation
        return None

    # ---- medicines

    @cached_property
    def medicines(self) -> tuple[Medicine, ...]:
        """The reconciled list of medicines, taken or in doubt."""
        return reconcile(self.chart.medications(), self.all("note-medication"), self.now)

    @cached_property
    def list_known(self) -> bool:
        """Whether the record holds a medicine list at all. Without one, that a medicine is not on it says nothing."""
        return bool(self.chart.medications())

    def taking(self, name: str) -> tuple[Medicine, ...]:
        """Medicines in use that are ``name`` (an ingredient or a class)."""
        return tuple(m for m in self.medicines if m.in_use and m.drug.is_a(name))

    # ---- conditions

    def about(self, *concepts: str) -> Answer:
        """What the record and the notes say of any of ``concepts``: what asserts wins over what denies."""
        found = [s for concept in concepts for s in self._statements(concept)]
        found.sort(key=lambda s: (_RANK[s.state], s.date, s.words))
        unique = each_once(found)
        state: State = unique[0].state if unique else "not-recorded"
        return Answer(concepts[0], state, unique)

    def _statements(self, concept: str) -> Iterable[Statement]:
        for condition in self.chart.conditions():
            if concept in condition.concepts:
                yield _of_condition(condition)
        for procedure in self.chart.events("Procedure"):
            if concept in procedure.concepts and procedure.status in _DONE:
                yield _of_procedure(procedure)
        for finding in self.all("note-problem"):
            if concept in _concepts_of(finding):
                state = _note_state(finding)
                if state:
                    yield Statement(state, finding.sentence, finding.effective[0], finding.evidence, finding.id)

    def allergy(self, ingredient: str) -> Answer:
        """What is said of an allergy to ``ingredient``, or of no allergy to any medicine."""
        found = [s for e in self.chart.events("AllergyIntolerance") if (s := _of_allergy(e, ingredient))]
        for finding in self.all("note-medication"):
            if ingredient in finding.details.get("ingredients", ()):
                use = finding.details.get("use")
                if use in ("allergy", "no-allergy"):
                    state: State = "present" if use == "allergy" else "denied"
                    found.append(Statement(state, finding.sentence, finding.effective[0], finding.evidence, finding.id))
        found.sort(key=lambda s: (_RANK[s.state], s.date, s.words))
        return Answer(f"allergy to {ingredient}", found[0].state if found else "not-recorded", tuple(found))

    def family(self, *concepts: str) -> tuple[Statement, ...]:
        """What is recorded of ``concepts`` in relatives: the record's family history first, then notes."""
        return family_statements(self, concepts)

    def within(self, span: Span | None, days: int) -> bool | None:
        """Whether ``span`` lies within the last ``days``; None when its date is missing or too partial to tell."""
        if span is None:
            return None
        earliest = self.now - timedelta(days=days)
        if span.start >= earliest:
            return True
        return None if span.end > earliest else False


def family_statements(facts: Facts, concepts: Sequence[str]) -> tuple[Statement, ...]:
    """Statements on relatives; ``words`` name the relative, the condition and, where given, the age at onset."""
    found = []
    for event in facts.chart.events("FamilyMemberHistory"):
        for concept in concepts:
            if concept in event.concepts:
                found.append(
                    Statement(
                        "present",
                        _relative_words(event),
                        _text(event.period),
                        (_whole(event.source, "condition[0].code"),),
                    )
                )
    for finding in facts.all("note-problem"):
        if finding.details.get("assertion") == "family" and set(concepts) & _concepts_of(finding):
            found.append(Statement("present", finding.sentence, finding.effective[0], finding.evidence, finding.id))
    return each_once(found)


def each_once(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """The statements without repetition, in their order."""
    found: list[Statement] = []
    for statement in statements:
        if statement not in found:
            found.append(statement)
    return tuple(found)


def in_unit(value: Quantity | None, unit: str, analyte: str | None = None) -> float | None:
    """``value`` in ``unit``; None where it is missing, a mere bound, or of another kind."""
    if value is None or value.comparator:
        return None
    try:
        return float(quantity.convert(value, unit, analyte).value)
    except UnitError:
        return None  # a value in a unit that does not fit is missing to the rules; the finding's method says so


def _adult(birth: Span | None, now: datetime) -> bool | None:
    """Whether the person is 18 or older; None when the birth date leaves it open."""
    if birth is None:
        return None
    ages = {
        dates.age_years(Span(at, at + timedelta(days=1)), now) for at in (birth.start, birth.end - timedelta(days=1))
    }
    if None in ages:
        return None
    adult = {age >= ADULT for age in ages if age is not None}
    return adult.pop() if len(adult) == 1 else None


def day(text: str) -> str:
    """The day of a FHIR date, or as much of it as there is."""
    return text[:10]


def span_of(text: str) -> Span | None:
    """The interval of a date; None where there is none."""
    try:
        return dates.parse(text) if text else None
    except InputError:
        return None


def _text(span: Span | None) -> str:
    return span.text if span else ""


def _whole(source: Source, path: str = "code", label: str = "") -> Evidence:
    return Evidence(source, {"path": path}, digest=source.digest, label=label)


def _on(span: Span | None) -> str:
    return f" ({day(span.text)})" if span and span.text else " (undated)"


def _of_condition(condition: Condition) -> Statement:
    when = condition.onset or condition.recorded
    evidence = (_whole(condition.source, label="problem list"),)
    if condition.verification == "refuted":
        return Statement("denied", f"the problem list refutes {condition.text}{_on(when)}", _text(when), evidence)
    if not condition.asserted:
        return Statement("possible", f"the problem list has {condition.text} as not confirmed", _text(when), evidence)
    state: State = "present" if condition.active else "past"
    return Statement(state, f"{condition.text} on the problem list{_on(when)}", _text(when), evidence)


def _of_procedure(procedure: Event) -> Statement:
    evidence = (_whole(procedure.source, label="procedure"),)
    words = f"procedure: {procedure.text}{_on(procedure.period)}"
    return Statement("past", words, _text(procedure.period), evidence)


def _of_allergy(event: Event, ingredient: str) -> Statement | None:
    from salus.fhir import drugs

    evidence = (_whole(event.source, label="allergy list"),)
    if event.status in ("refuted", "unreadable"):
        return None
    if "no-known-drug-allergy" in event.concepts:
        words = f"no known drug allergy on the allergy list{_on(event.period)}"
        return Statement("denied", words, _text(event.period), evidence) if event.period else None
    if ingredient in drugs.identify(event.codes, event.text).ingredients or ingredient in event.text.lower():
        return Statement("present", f"allergy to {event.text}{_on(event.period)}", _text(event.period), evidence)
    return None


def _concepts_of(finding: Finding) -> frozenset[str]:
    value = finding.value
    named = codes.names((value,)) if isinstance(value, Code) else frozenset()
    return named | {str(finding.details.get("concept", ""))}


def _note_state(finding: Finding) -> State | None:
    assertion = str(finding.details.get("assertion", ""))
    if assertion == "absent":
        if not finding.effective[0]:
            return None  # a negative counts only from a dated source
        return "denied-now" if finding.details.get("denial") == "now" else "denied"
    return _ASSERTIONS.get(assertion)


def _relative_words(event: Event) -> str:
    relationship = event.body.get("relationship", {})
    name = relationship.get("text") if isinstance(relationship, dict) else ""
    coded = relationship.get("coding") if isinstance(relationship, dict) else None
    if not name and isinstance(coded, list) and coded and isinstance(coded[0], dict):
        name = coded[0].get("display", "")
    ages = [f", at {age} years" for age in _onset_ages(event)]
    return f"family history: {name or 'a relative'}, {event.text}{ages[0] if ages else ''}"


def _onset_ages(event: Event) -> tuple[int, ...]:
    found = []
    entries = event.body.get("condition")
    for entry in entries if isinstance(entries, list) else ():
        onset = entry.get("onsetAge") if isinstance(entry, dict) else None
        if isinstance(onset, dict) and onset.get("code") == "a" and onset.get("value") is not None:
            found.append(int(onset["value"]))
    return tuple(found)
