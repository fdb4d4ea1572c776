"""Criteria held against a chart in three-valued logic (Kleene 1938): met, not met, unknown.

Unknown never counts as met, and what a record does not mention is unknown. A condition counts as absent only where a
dated source denies it; a note that asserts what the problem list does not hold is shown and asks to be confirmed. Every
answer names its evidence, or what would settle it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from salus.errors import InputError, UnitError
from salus.fhir import codes, drugs
from salus.fhir.quantity import Quantity, convert
from salus.fhir.views import Condition, Medication
from salus.findings.model import Evidence
from salus.record.chart import Chart
from salus.trials.criteria import (
    Age,
    All,
    Any_,
    Criterion,
    Found,
    HasCondition,
    Measured,
    Not,
    Protocol,
    Rule,
    Sex,
    Takes,
)

Truth = Literal["met", "not met", "unknown"]
Verdict = Literal["eligible", "excluded", "needs data"]
ALIVE = Criterion("alive", "inclusion", "The person lives (asked of everybody)", Age(0, None))
"""Stands in front of a protocol's criteria where the record tells of a death."""
_OPPOSITE: dict[Truth, Truth] = {"met": "not met", "not met": "met", "unknown": "unknown"}


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a rule holds, why in one phrase, on what evidence, and what would settle it where that is open."""

    truth: Truth
    why: str
    evidence: tuple[Evidence, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """A criterion with its answer. ``passed``: an inclusion that is met, an exclusion that is not; None: open."""

    criterion: Criterion
    answer: Answer

    @property
    def passed(self) -> bool | None:
        """True, False, or None where it is not known."""
        if self.answer.truth == "unknown":
            return None
        return (self.answer.truth == "met") == (self.criterion.kind == "inclusion")


@dataclass(frozen=True, slots=True)
class Match:
    """A protocol against one chart. ``needs`` is what to measure or ask to decide, once each."""

    protocol: Protocol
    judged: tuple[Judged, ...]

    @property
    def verdict(self) -> Verdict:
        """Excluded by one criterion, eligible when all passed, else in need of data. Never a score."""
        states = [j.passed for j in self.judged]
        return "excluded" if False in states else "needs data" if None in states else "eligible"

    @property
    def needs(self) -> tuple[str, ...]:
        """What would decide; nothing where the verdict stands already."""
        if self.verdict != "needs data":
            return ()
        return tuple(dict.fromkeys(n for j in self.judged if j.passed is None for n in j.answer.needs))


def match(protocol: Protocol, chart: Chart) -> Match:
    """Hold every criterion against the chart, and first whether the person lives."""
    dead = (Judged(ALIVE, _dead(chart)),) if chart.known and chart.patient.deceased else ()
    return Match(protocol, (*dead, *(Judged(c, judge(c.rule, chart)) for c in protocol.criteria)))


def _dead(chart: Chart) -> Answer:
    return Answer("not met", "recorded as deceased", (Evidence(chart.patient.source),))


def judge(rule: Rule, chart: Chart) -> Answer:
    """The answer to one rule."""
    match rule:
        case All(rules):
            return _together([judge(r, chart) for r in rules], decided_by="not met", otherwise="met")
        case Any_(rules):
            return _together([judge(r, chart) for r in rules], decided_by="met", otherwise="not met")
        case Not(inner):
            answer = judge(inner, chart)
            return Answer(_OPPOSITE[answer.truth], answer.why, answer.evidence, answer.needs)
        case Age():
            return _age(rule, chart)
        case Sex(allowed):
            return _sex(allowed, chart)
        case HasCondition():
            return _condition(rule, chart)
        case Takes(name):
            return _medicine(name, chart)
        case Measured():
            return _measured(rule, chart)
        case Found():
            return _found(rule, chart)
    raise InputError("an unknown kind of rule")


def _together(answers: Sequence[Answer], decided_by: Truth, otherwise: Truth) -> Answer:
    """AND is decided by one that is not met, OR by one that is met; what is open keeps it open."""
    deciding = [a for a in answers if a.truth == decided_by]
    if deciding:
        return deciding[0]
    unknown = [a for a in answers if a.truth == "unknown"]
    shown = unknown or answers
    why = "; ".join(a.why for a in shown)
    evidence = tuple(e for a in shown for e in a.evidence)
    return Answer("unknown" if unknown else otherwise, why, evidence, tuple(n for a in unknown for n in a.needs))


def _age(rule: Age, chart: Chart) -> Answer:
    years, place = chart.patient.age(chart.now), Evidence(chart.patient.source, {"path": "birthDate"})
    if years is None:
        return Answer("unknown", "the date of birth is not known well enough", needs=("the date of birth",))
    inside = (rule.low is None or years >= rule.low) and (rule.high is None or years <= rule.high)
    return Answer("met" if inside else "not met", f"{years} years old", (place,))


def _sex(allowed: tuple[str, ...], chart: Chart) -> Answer:
    sex = chart.patient.sex
    if sex in (None, "unknown"):
        return Answer("unknown", "administrative sex is not recorded", needs=("administrative sex",))
    place = Evidence(chart.patient.source, {"path": "gender"})
    return Answer("met" if sex in allowed else "not met", f"recorded as {sex}", (place,))


def _condition(rule: HasCondition, chart: Chart) -> Answer:
    name = codes.get(rule.concept).display
    listed = [c for c in chart.conditions() if rule.concept in c.concepts]
    present = [c for c in listed if c.asserted and (rule.ever or not _over(c, chart))]
    noted = [f for f in chart.findings("note-problem") if f.status == "ok" and f.details.get("concept") == rule.concept]
    asserted = [f for f in noted if f.details.get("assertion") in ("present", *(("historical",) if rule.ever else ()))]
    denied = [f for f in noted if f.details.get("assertion") == "absent" and (not rule.ever or _ever(f))]
    refuted = [c for c in listed if c.verification == "refuted"]
    over = [] if rule.ever else [c for c in listed if c.asserted and c not in present]
    open_ = [c for c in listed if not c.asserted and c.verification != "refuted"]
    against = tuple(Evidence(c.source) for c in (*refuted, *over)) + tuple(e for f in denied for e in f.evidence)
    if present:
        return Answer("met", f"{name} is on the problem list", tuple(Evidence(c.source) for c in present))
    if open_:
        evidence = tuple(Evidence(c.source) for c in open_) + against
        return Answer("unknown", f"{name} is suspected, not confirmed", evidence, (f"confirm: {name}?",))
    if asserted:
        evidence = tuple(e for f in asserted for e in f.evidence) + against
        return Answer("unknown", f"a note says {name}, the problem list does not", evidence, (f"confirm: {name}?",))
    if against:
        return Answer("not met", f"{name} is denied or over", against)
    return Answer("unknown", f"{name} is not mentioned", needs=(f"ask about: {name}",))


def _over(condition: Condition, chart: Chart) -> bool:
    """Said to be over, by a status that can be read or by an end that has come. What cannot be read is not over."""
    ended = condition.abatement is not None and condition.abatement.start <= chart.now
    return ended or (condition.abatement is None and condition.clinical in ("inactive", "remission", "resolved"))


def _ever(finding: Any) -> bool:
    """A denial that speaks of the past too."""
    return bool(finding.details.get("denial") != "now")


def _medicine(name: str, chart: Chart) -> Answer:
    taken: list[Medication] = []
    past: list[Medication] = []
    for medicine in chart.medications():
        drug = drugs.identify(medicine.codes, medicine.text)
        if name in medicine.concepts or drug.is_a(name):
            (taken if medicine.current else past).append(medicine)
    if taken:
        return Answer("met", f"{name} is on the medicine list", tuple(Evidence(m.source) for m in taken))
    places = tuple(Evidence(m.source) for m in past)
    return Answer("unknown", f"{name} is not on the medicine list as taken", places, (f"ask: is {name} taken?",))


def _measured(rule: Measured, chart: Chart) -> Answer:
    concept = codes.get(rule.concept)
    ask = f"measure: {concept.display}"
    latest = chart.latest(rule.concept)
    if latest is None or latest.effective is None:
        return Answer("unknown", f"{concept.display} was not measured", needs=(ask,))
    place = (Evidence.of_observation(latest, concept=rule.concept),)
    if rule.within_days is not None and latest.effective.start < chart.now - timedelta(days=rule.within_days):
        return Answer("unknown", f"the last {concept.display} is older than {rule.within_days} days", place, (ask,))
    value = latest.quantity or latest.components.get(rule.concept)
    if not isinstance(value, Quantity) or value.comparator:
        return Answer("unknown", f"the last {concept.display} is no plain number with a unit", place, (ask,))
    try:
        told = convert(value, rule.unit, concept.analyte)
    except UnitError:
        return Answer("unknown", f"the last {concept.display} is in a unit that does not convert", place, (ask,))
    inside = _inside(told.value, rule.low, rule.high)
    return Answer("met" if inside else "not met", f"{concept.display} {value}", place)


def _found(rule: Found, chart: Chart) -> Answer:
    findings = [f for f in chart.findings(rule.code) if f.status == "ok" and isinstance(f.value, Quantity | Decimal)]
    if not findings:
        reasons = [n for f in chart.findings(rule.code) for n in f.needs]
        return Answer("unknown", f"there is no finding {rule.code}", needs=tuple(reasons) or (f"input of {rule.code}",))
    newest = max(findings, key=lambda f: f.effective)
    value = _number(newest)
    if len({_number(g) for g in findings if g.effective == newest.effective}) > 1:
        return Answer("unknown", f"two findings {rule.code} of one moment differ", newest.evidence, ("which holds?",))
    edge = newest.interval
    if edge is not None and _straddles(edge.low, edge.high, rule):
        needs = tuple(newest.needs) or ("a person's judgement: the uncertainty reaches over the limit",)
        return Answer("unknown", newest.sentence, newest.evidence, needs)
    return Answer("met" if _inside(value, rule.low, rule.high) else "not met", newest.sentence, newest.evidence)


def _number(finding: Any) -> Decimal:
    return Decimal(finding.value.value if isinstance(finding.value, Quantity) else finding.value)


def _straddles(low: Decimal, high: Decimal, rule: Found) -> bool:
    """True where an interval lies neither wholly inside the rule's bounds nor wholly on one side of them."""
    inside = _inside(low, rule.low, rule.high) and _inside(high, rule.low, rule.high)
    below = rule.low is not None and max(low, high) < rule.low
    above = rule.high is not None and min(low, high) > rule.high
    return not (inside or below or above)


def _inside(value: Decimal, low: Decimal | None, high: Decimal | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)
