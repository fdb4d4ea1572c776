"""A rule held against a person in three-valued logic (Kleene 1938): met, not met, unknown.

Unknown never counts as met, and what a record does not mention is unknown. A condition counts as absent only where a
dated source denies it and nothing that could not be read may be it; a note that asserts what the problem list does not
hold is shown and asks to be confirmed. Every answer names its evidence, or what would settle it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from salus.errors import InputError
from salus.fhir.quantity import Quantity
from salus.findings.model import Evidence, Finding
from salus.person import answer as answers
from salus.person.answer import Statement, place
from salus.person.medicines import STALE_DAYS
from salus.person.person import Person
from salus.person.rules import (
    Age,
    All,
    Allergic,
    Any_,
    AtLeast,
    Found,
    HasCondition,
    Holds,
    InFamily,
    Measured,
    Not,
    Rule,
    Sex,
    Takes,
)
from salus.terminology import codes

Truth = Literal["met", "not met", "unknown"]
_OPPOSITE: dict[Truth, Truth] = {"met": "not met", "not met": "met", "unknown": "unknown"}


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a rule holds, why in one phrase, on what evidence, and what would settle it where that is open."""

    truth: Truth
    why: str
    evidence: tuple[Evidence, ...] = ()
    needs: tuple[str, ...] = ()


def judge(rule: Rule, person: Person) -> Answer:
    """The answer to one rule."""
    match rule:
        case All(rules):
            return together([judge(r, person) for r in rules], decided_by="not met", otherwise="met")
        case Any_(rules):
            return together([judge(r, person) for r in rules], decided_by="met", otherwise="not met")
        case AtLeast(count, rules):
            return _at_least(count, [judge(r, person) for r in rules])
        case Not(inner):
            answer = judge(inner, person)
            return Answer(_OPPOSITE[answer.truth], answer.why, answer.evidence, answer.needs)
        case Age():
            return _age(rule, person)
        case Sex(allowed):
            return _sex(allowed, person)
        case HasCondition():
            return _condition(rule, person)
        case Takes(name):
            return _medicine(name, person)
        case Allergic(name):
            return _allergy(name, person)
        case InFamily():
            return _family(rule, person)
        case Holds():
            return _state(rule, person)
        case Measured():
            return _measured(rule, person)
        case Found():
            return _found(rule, person)
    raise InputError("an unknown kind of rule")


def together(parts: Sequence[Answer], decided_by: Truth, otherwise: Truth) -> Answer:
    """AND is decided by one that is not met, OR by one that is met; what is open keeps it open."""
    deciding = [a for a in parts if a.truth == decided_by]
    if deciding:
        return deciding[0]
    unknown = [a for a in parts if a.truth == "unknown"]
    return _joined("unknown" if unknown else otherwise, unknown or parts, unknown)


def _joined(truth: Truth, shown: Sequence[Answer], open_: Sequence[Answer]) -> Answer:
    why = "; ".join(a.why for a in shown)
    return Answer(truth, why, tuple(e for a in shown for e in a.evidence), tuple(n for a in open_ for n in a.needs))


def _at_least(count: int, parts: Sequence[Answer]) -> Answer:
    """Met where enough are met, not met where even all that are open would not do."""
    met = [a for a in parts if a.truth == "met"]
    unknown = [a for a in parts if a.truth == "unknown"]
    if len(met) >= count:
        return _joined("met", met, ())
    if len(met) + len(unknown) < count:
        return _joined("not met", [a for a in parts if a.truth == "not met"], ())
    return _joined("unknown", unknown, unknown)


def _age(rule: Age, person: Person) -> Answer:
    years, where = person.age, place(person.patient.source, "birthDate")
    if years is None:
        return Answer("unknown", "the date of birth is not known well enough", needs=("the date of birth",))
    inside = (rule.low is None or years >= rule.low) and (rule.high is None or years <= rule.high)
    return Answer("met" if inside else "not met", f"{years} years old", (where,))


def _sex(allowed: tuple[str, ...], person: Person) -> Answer:
    sex = person.patient.sex
    if sex in (None, "unknown"):
        return Answer("unknown", "administrative sex is not recorded", needs=("administrative sex",))
    where = place(person.patient.source, "gender")
    return Answer("met" if sex in allowed else "not met", f"recorded as {sex}", (where,))


def _condition(rule: HasCondition, person: Person) -> Answer:
    """The record decides; a note alone asks to be confirmed."""
    name = codes.get(rule.concept).display
    ask = (f"confirm: {name}?",)
    answer = person.about(rule.concept)
    wanted = ("present", "past") if rule.ever else ("present",)
    recorded = [s for s in answer.statements if not s.finding]
    asserted = [s for s in recorded if s.state in wanted]
    if asserted:
        return _dated(rule, name, asserted, person)
    open_ = [s for s in recorded if s.state == "possible"]
    noted = [s for s in answer.statements if s.finding and s.state in wanted]
    against = [s for s in answer.statements if _denies(s, rule.ever)]
    proof = tuple(e for s in (*open_, *noted, *against) for e in s.evidence)
    if open_:
        return Answer("unknown", f"{name} is suspected, not confirmed", proof, ask)
    if noted:
        return Answer("unknown", f"a note says {name}, the problem list does not", proof, ask)
    if against and answer.open:
        why = f"{name} is denied, but there is what could not be read: {'; '.join(u.sentence for u in answer.open)}"
        return Answer("unknown", why, proof, ask)
    if against:
        return Answer("not met", f"{name} is denied or over", proof)
    return Answer("unknown", f"{name} is not mentioned", needs=(f"ask about: {name}",))


def _denies(statement: Statement, ever: bool) -> bool:
    """A denial that speaks of the time asked for; what is over denies that it is there now."""
    if statement.state == "denied":
        return True
    return (
        not ever and statement.state in ("denied-now", "past") and not (statement.finding and statement.state == "past")
    )


def _dated(rule: HasCondition, name: str, asserted: Sequence[Statement], person: Person) -> Answer:
    """Whether what is asserted began when the rule wants it."""
    found: list[Answer] = []
    for statement in asserted:
        inside = _in_time(rule, statement, person)
        truth: Truth = "unknown" if inside is None else "met" if inside else "not met"
        needs = (f"when did it begin: {name}?",) if inside is None else ()
        found.append(Answer(truth, statement.words, statement.evidence, needs))
    return together(found, decided_by="met", otherwise="not met")


def _in_time(rule: HasCondition, statement: Statement, person: Person) -> bool | None:
    if rule.within_days is None and rule.since_days is None:
        return True
    span = answers.span_of(statement.date)
    late = True if rule.within_days is None else person.within(span, rule.within_days)
    recent = None if rule.since_days is None else person.within(span, rule.since_days)
    early = True if rule.since_days is None else None if recent is None else not recent
    return False if False in (late, early) else None if None in (late, early) else True


def _medicine(name: str, person: Person) -> Answer:
    taken = [m for m in person.taking(name) if m.status != "contradicted"]
    recorded = [m for m in taken if "record" in m.sources]
    if recorded:
        return Answer("met", f"{name} is on the medicine list", tuple(e for m in recorded for e in m.evidence))
    ask = (f"ask: is {name} taken?",)
    doubtful = person.taking(name)
    if doubtful:
        proof = tuple(e for m in doubtful for e in m.evidence)
        return Answer("unknown", f"whether {name} is taken is in doubt", proof, ask)
    vouched = [one.entry for one in person.listed if person.within(one.entry.confirmed, STALE_DAYS)]
    if person.surely_without(name) and vouched:
        return Answer(
            "not met", f"{name} is not on the medicine list", tuple(place(m.source, "") for m in vouched[-1:])
        )
    unread = person.unread("medicine")
    why = f"{name} is not on the medicine list as taken"
    if unread:
        why += f", which holds what could not be read: {'; '.join(u.sentence for u in unread)}"
    past = tuple(place(one.entry.source, "") for one in person.listed if one.drug.is_a(name))
    return Answer("unknown", why, past or tuple(e for u in unread for e in u.evidence), ask)


def _allergy(name: str, person: Person) -> Answer:
    answer = person.allergy(name)
    if answer.positive:
        return Answer("met", "; ".join(answer.words), answer.evidence)
    if answer.excluded:
        return Answer("not met", "; ".join(answer.words), answer.evidence)
    return Answer("unknown", f"no allergy to {name} is recorded either way", needs=(f"ask: allergy to {name}?",))


def _family(rule: InFamily, person: Person) -> Answer:
    name = codes.get(rule.concept).display
    relatives = [r for r in person.family(rule.concept) if r.kin.degree != 0]
    met = [r for r in relatives if (r.premature if rule.premature else r.kin.degree)]
    if met:
        return Answer(
            "met", "; ".join(r.statement.words for r in met), tuple(e for r in met for e in r.statement.evidence)
        )
    why = f"{name} in the family is not recorded"
    if relatives:
        why = f"{name} is recorded in a relative, but {'not at what age' if rule.premature else 'not in which'}"
    proof = tuple(e for r in relatives for e in r.statement.evidence)
    return Answer("unknown", why, proof, (f"ask: {name} in parents, brothers or sisters, and at what age?",))


def _state(rule: Holds, person: Person) -> Answer:
    answer = person.pregnancy if rule.state == "pregnant" else person.smoking
    if answer.state == "present":
        return Answer("met" if rule.wanted else "not met", "; ".join(answer.words), answer.evidence)
    over = ("denied", "denied-now", "past") if rule.state == "smokes" else ("denied", "denied-now")
    if answer.state in over:
        return Answer("not met" if rule.wanted else "met", "; ".join(answer.words), answer.evidence)
    word = "pregnancy" if rule.state == "pregnant" else "smoking"
    return Answer("unknown", f"{word} is not known", answer.evidence, (f"ask about: {word}",))


def _measured(rule: Measured, person: Person) -> Answer:
    name = codes.get(rule.concept).display
    ask = (f"measure: {name}",)
    within = None if rule.within_days is None else timedelta(days=rule.within_days)
    if rule.times > 1:
        return _several(rule, person, name)
    found = person.newest(rule.concept, rule.unit, within=within)
    if found.reading is None or found.reading.value is None or found.value is None:
        return Answer("unknown", found.problem, found.evidence, ask)
    inside = _inside(found.reading.value, rule.low, rule.high)
    return Answer("met" if inside else "not met", f"{name} {found.reading.quantity}", found.evidence)


def _several(rule: Measured, person: Person, name: str) -> Answer:
    """Met where enough values of the time lie inside; unknown else: more may be measured."""
    since = person.now - timedelta(days=rule.within_days or 0)
    readings = person.readings(rule.concept, rule.unit, since=since)
    inside = [r for r in readings if r.value is not None and _inside(r.value, rule.low, rule.high)]
    proof = tuple(Evidence.of_observation(r.observation, concept=rule.concept) for r in (inside or readings))
    if len(inside) >= rule.times:
        return Answer("met", f"{len(inside)} values of {name} lie inside", proof)
    return Answer("unknown", f"{len(inside)} of {rule.times} values of {name} lie inside", proof, (f"measure: {name}",))


def _found(rule: Found, person: Person) -> Answer:
    findings = [f for f in person.all(rule.code) if isinstance(f.value, Quantity | Decimal)]
    if not findings:
        reasons = [n for f in person.chart.findings(rule.code) for n in f.needs]
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


def _number(finding: Finding) -> Decimal:
    return Decimal(finding.value.value if isinstance(finding.value, Quantity) else str(finding.value))


def _straddles(low: Decimal, high: Decimal, rule: Found) -> bool:
    """True where an interval lies neither wholly inside the rule's bounds nor wholly on one side of them."""
    inside = _inside(low, rule.low, rule.high) and _inside(high, rule.low, rule.high)
    below = rule.low is not None and max(low, high) < rule.low
    above = rule.high is not None and min(low, high) > rule.high
    return not (inside or below or above)


def _inside(value: Decimal, low: Decimal | None, high: Decimal | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)
