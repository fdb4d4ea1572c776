"""The statin that is taken, or is to be begun, in disease of the arteries: intensity, genotype, interactions, LDL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

from salus.careplan.draft import (
    Basis,
    Draft,
    Outcome,
    cite,
    of_finding,
    of_measured,
    of_medicine,
    said,
    total,
)
from salus.careplan.guidelines import non_statin
from salus.careplan.guidelines import statin_questions as questions
from salus.careplan.guidelines.common import Need, joined, may_be_pregnant, statin_needed
from salus.careplan.guidelines.non_statin import LDL_GOAL, NON_STATINS
from salus.careplan.guidelines.statin_choice import GUIDELINE, Choice, high_choices
from salus.careplan.model import Dropped
from salus.careplan.safety import Hit, check, interactions
from salus.findings.model import Finding, Proposal
from salus.findings.strength import Grade, Strength
from salus.person.answer import Answer, day
from salus.person.medicines import Medicine
from salus.person.person import Person
from salus.terminology import classes

TOLERATED = "CPIC: what was taken for a year or more without muscle symptoms may be continued"
"""CPIC 2022 on statins already taken (as given by UF Health's page on SLCO1B1 and statins): a year where the risk of
muscle symptoms is high, four weeks where it is moderate; the longer time is used for both."""
AGED = 75
"""Years above which moderate intensity is as good a choice as high (2018 guideline, disease of the vessels)."""

_PATIENT = (
    "Another tablet for cholesterol may suit you better. Keep taking {name} until your doctor gives you a new plan. "
    "Tell your doctor if your muscles hurt."
)
_PATIENT_TODAY = (
    "Two of your medicines do not go well together: {name} and {other}. Please call your doctor or pharmacist today "
    "and ask what to do. Tell them if your muscles hurt."
)
_PATIENT_START = (
    "A medicine that lowers cholesterol can lower your risk of a heart attack or stroke. Ask your doctor about it."
)


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason to change, with the guideline it comes from. ``against`` is the medicine that forbids it."""

    guideline: str
    strength: Strength
    citation: str
    basis: Basis
    safety: bool = True
    against: str = ""


def propose(person: Person) -> Outcome:
    """One item for the statin that is taken; one to begin a statin in vessel disease; what else CPIC says falls."""
    offered = [(p, f) for f in person.findings for p in f.proposals if p.guideline == GUIDELINE]
    taken = tuple(m for m in person.taking("statin") if m.drug.ingredients)
    idle = [p for p, _ in offered if not any(m.drug.is_a(p.target) for m in taken)]
    if idle:
        names = joined(sorted({p.target for p in idle}), "and")
        reason = f"not known to be taken: {names}; it counts where a statin is chosen"
        yield Dropped(f"{GUIDELINE}:others", f"What CPIC advises for {names}", reason, idle[0].citation)
    need = statin_needed(person)
    if not taken:
        if need:
            yield _untaken(person, need)
        return
    for medicine in taken:
        yield from _judged(person, medicine, need, [(p, f) for p, f in offered if medicine.drug.is_a(p.target)])
    if need:
        yield from non_statin.propose(person, taken, need)


def _untaken(person: Person, need: Need) -> Draft | Dropped:
    """What follows where high intensity is needed and no statin is known to be taken."""
    ended = person.ended("statin")
    if ended:
        return questions.why_ended(need, ended)
    if not person.surely_without("statin"):
        return questions.which(need, person)
    intolerant = statin_intolerance(person)
    if intolerant:
        return questions.instead(need, intolerant)
    return expecting(person, need.guideline) or _begin(person, need)


def _judged(person: Person, medicine: Medicine, need: Need | None, offered: list[tuple[Proposal, Finding]]) -> Outcome:
    name = medicine.ingredient
    reasons = [*_interaction_reasons(person, medicine), *_gene_reasons(medicine, offered)]
    if need:
        reasons += _intensity_reasons(medicine, need)
    reasons.sort(key=lambda r: (r.strength.rank, not r.safety, r.guideline))
    if not reasons:
        if need:
            yield questions.dose(medicine, need) if _dose_decides(medicine) else _continue(medicine, need)
        for proposal, _ in offered:
            yield Dropped(proposal.key, proposal.text, "the dose that is taken is within what it advises", "")
        return
    first, *others = reasons
    against = first.against
    urgent = first.strength.grade is Grade.CONTRAINDICATED
    changing = [p for p, _ in offered if p.action in ("change", "avoid")]
    taken = classes.statin_intensity(questions.statin_of(medicine), questions.statin_mg(medicine))
    wanted = "high" if need else str(taken or "moderate")
    draft = Draft(
        guideline=first.guideline,
        action="change",
        target=name,
        tier="urgent" if urgent else "medicines",
        order=12,
        text="",
        patient_text=(_PATIENT_TODAY if against else _PATIENT).format(name=name, other=against),
        strength=first.strength,
        citation="; ".join(dict.fromkeys(r.citation for r in reasons)),
        basis=of_medicine(medicine) + total(r.basis for r in reasons) + _course(person),
        changes_if="muscle symptoms appear, the genotype is not confirmed, or kidney function or medicines change",
        window=_window(person, need, "today" if against else "at the next visit"),
        topic=f"medicine:{name}",
        finish=partial(_changed, person, medicine, need, wanted == "high", changing, against),
    )
    yield draft
    for guideline, citation in {r.guideline: r.citation for r in others if r.guideline != first.guideline}.items():
        reason = f"merged into {draft.key}: the same step for a further reason"
        yield Dropped(f"{guideline}:change:{name}", f"Change {name}.", reason, citation)


def _changed(
    person: Person,
    medicine: Medicine,
    need: Need | None,
    high: bool,
    changing: Sequence[Proposal],
    against: str,
    draft: Draft,
    drafts: Sequence[Draft],
) -> Draft:
    """The item with its choice of statins, reckoned against the proposals of all rules."""
    choices = high_choices(person, drafts) if high else ()
    text = _forbidden(medicine.ingredient, against) + _text(person, medicine, need, choices, changing, against)
    return replace(draft, text=text, alternatives=tuple(f"{c.name} {c.mg} mg" for c in choices if c.mg))


def _interaction_reasons(person: Person, medicine: Medicine) -> list[Reason]:
    found = []
    for hit in interactions(person):
        if hit.entry.get("rule") != "statins" or not set(medicine.drug.ingredients) & set(hit.of):
            continue
        if _within(hit, medicine):
            continue
        words = said(f"{hit.other.name}: {hit.text}")
        limit = f"dose limit of {hit.entry.get('of_above_mg')} mg"
        strength = Strength(Grade.CONTRAINDICATED) if hit.bars else Strength(Grade.RECOMMENDED, limit)
        basis = of_medicine(hit.other) + words
        against = hit.other.ingredient if hit.bars else ""
        citation = cite(str(hit.entry["source"]))
        found.append(Reason(str(hit.entry["guideline"]), strength, citation, basis, against=against))
    return found


def _within(hit: Hit, medicine: Medicine) -> bool:
    limit, mg = hit.entry.get("of_above_mg"), questions.statin_mg(medicine)
    return limit is not None and mg is not None and mg <= limit


def _gene_reasons(medicine: Medicine, offered: list[tuple[Proposal, Finding]]) -> list[Reason]:
    found = []
    for proposal, finding in offered:
        if _satisfied(proposal, questions.statin_mg(medicine)):
            continue
        basis = of_finding(finding) + said(f"CPIC: {proposal.text}") + said(TOLERATED)
        found.append(Reason(proposal.guideline, proposal.strength, proposal.citation, basis))
    return found


def _satisfied(proposal: Proposal, mg: Decimal | None) -> bool:
    """Whether the dose taken is already within what the proposal advises; an unknown dose is not."""
    details = proposal.details
    if mg is None:
        return False
    if "below_mg_per_day" in details:
        return bool(mg < details["below_mg_per_day"])
    limits = ("at_most_mg_per_day", "start_at_most_mg_per_day", "caution_above_mg_per_day")
    bounds = [details[name] for name in limits if name in details]
    return bool(bounds) and bool(mg <= min(bounds))


def _dose_decides(medicine: Medicine) -> bool:
    """Whether only the dose, which is not known, tells if the statin is of high intensity."""
    return questions.statin_mg(medicine) is None and questions.statin_of(medicine) in classes.high_doses()


def _intensity_reasons(medicine: Medicine, need: Need) -> list[Reason]:
    mg = questions.statin_mg(medicine)
    level = classes.statin_intensity(questions.statin_of(medicine), mg)
    if level == "high" or _dose_decides(medicine):
        return []
    dose = "whatever its dose" if mg is None else f"at {mg.normalize():f} mg a day"
    words = f"{medicine.ingredient} {dose} is not of high intensity" + (f" ({level} intensity)" if level else "")
    return [Reason(need.guideline, need.strength, need.citation, said(words) + need.basis, safety=False)]


def _continue(medicine: Medicine, need: Need) -> Draft:
    """What is taken is what is recommended: said, so that silence is not taken for it."""
    if not medicine.sure:
        return questions.whether(medicine, need)
    name, mg = medicine.ingredient, medicine.daily_mg
    return Draft(
        guideline=need.guideline,
        action="continue",
        target=name,
        tier="disease-control",
        order=30,
        text=f"Continue {name} {mg.normalize():f} mg a day: it is a statin of high intensity, which is recommended "
        f"here."
        if mg is not None
        else f"Continue {name}.",
        patient_text=f"Keep taking {name} every day: it lowers your risk of a heart attack or stroke.",
        strength=need.strength,
        citation=need.citation,
        basis=of_medicine(medicine) + need.basis,
        changes_if="muscle symptoms appear, or a medicine is begun that raises its level",
        topic=f"medicine:{name}",
    )


def _forbidden(name: str, other: str) -> str:
    """Two that must not be taken together are settled today; how, the prescriber decides."""
    if not other:
        return ""
    return (
        f"{name.capitalize()} must not be taken with {other}: replace one of the two; for a short course the "
        f"prescriber may suspend {name}. "
    )


def _window(person: Person, need: Need | None, when: str) -> str:
    """When, and what is looked at after the change."""
    if need is None:
        return when
    if person.taking(*NON_STATINS):
        return f"{when}; lipids 4 to 8 weeks after"
    return f"{when}; lipids 4 to 8 weeks after: with LDL of {LDL_GOAL} mg/dL or more add a non-statin"


def _aged(person: Person) -> str:
    above = person.age is not None and person.age > AGED
    return f" Above {AGED} years moderate intensity is a reasonable choice too." if above else ""


def _text(
    person: Person,
    medicine: Medicine,
    need: Need | None,
    choices: tuple[Choice, ...],
    changing: Sequence[Proposal],
    against: str,
) -> str:
    name = medicine.ingredient
    if need and choices:
        listed = " or ".join(c.words for c in choices)
        several = len(choices) > 1 and all(c.cautions for c in choices)
        fewest = len(choices) > 1 and len(choices[0].cautions) < len(choices[1].cautions)
        lead = f" Less speaks against {choices[0].name};" if fewest else " Each asks for care:"
        even = f"{lead} prescriber and pharmacist choose." if several else ""
        return f"Change {name} to a high-intensity statin: {listed}.{even}{_aged(person)}"
    if need:
        return (
            f"Change {name}: no statin reaches high intensity within the limits that apply here. Take the highest "
            "tolerated dose of a suitable statin and add a non-statin."
        )
    if against:
        return "Look for muscle symptoms."
    if changing:
        return f"{changing[0].text} Alternatives: {joined(changing[0].alternatives)}."
    return f"Review the dose of {name}: see the reasons."


def _begin(person: Person, need: Need) -> Draft:
    return Draft(
        guideline=need.guideline,
        action="start",
        target="statin",
        begins="A statin of high intensity",
        offers=("statin",),
        swaps=True,
        tier="medicines",
        order=14,
        text="",
        patient_text=_PATIENT_START,
        strength=need.strength,
        citation=need.citation,
        basis=need.basis + said("no statin is on the medicine list") + _genes(person) + _course(person),
        changes_if="a statin turns out to be taken, was not tolerated before, or a stroke was a bleed",
        window=_window(person, need, "at the next visit"),
        topic="medicine:statin",
        finish=partial(_begun, person),
    )


def _begun(person: Person, draft: Draft, drafts: Sequence[Draft]) -> Draft:
    choices = high_choices(person, drafts)
    listed = " or ".join(c.words for c in choices)
    text = f"Begin a high-intensity statin: {listed}." if listed else "Begin a statin at the highest tolerated dose."
    text += _aged(person) + pregnancy_words(person)
    text += " First confirm that none is taken or was not tolerated: none is on the medicine list."
    return replace(draft, text=text, alternatives=tuple(f"{c.name} {c.mg} mg" for c in choices))


def statin_intolerance(person: Person) -> Answer | None:
    """An allergy or intolerance to every statin of high intensity, or muscle breakdown that was recorded; else None."""
    answers = [person.allergy(name) for name in classes.high_doses()]
    if all(a.positive for a in answers):
        return answers[0]
    muscles = person.about("rhabdomyolysis")
    return muscles if muscles.positive else None


def pregnancy_words(person: Person) -> str:
    """A statin is not begun in pregnancy: where it may be, that is asked first."""
    if not may_be_pregnant(person) or check(person, "pregnancy").verdict == "clear":
        return ""
    return " Not in pregnancy or while breastfeeding: ask first."


def expecting(person: Person, guideline: str) -> Dropped | None:
    """The statin that is not begun because a pregnancy or breast-feeding is recorded."""
    found = person.pregnancy if person.pregnancy.state == "present" else person.breastfeeding
    if found.state != "present":
        return None
    reason = f"not in most pregnancies nor while breastfeeding: {'; '.join(found.words)}"
    return Dropped(f"{guideline}:start:statin", "Begin a statin.", reason, cite("statin-pregnancy-fda-2021"))


def _genes(person: Person) -> Basis:
    finding = person.one("slco1b1-phenotype")
    return of_finding(finding) if finding and finding.proposals else Basis()


def _course(person: Person) -> Basis:
    """LDL and muscle symptoms, as far as they are recorded."""
    found = Basis()
    ldl = person.newest("ldl-cholesterol", "mg/dL")
    if ldl.value is not None:
        side = "at or above" if ldl.value >= LDL_GOAL else "below"
        found += of_measured(ldl, f"LDL {ldl.value:.0f} mg/dL on {day(ldl.date)}, {side} {LDL_GOAL}")
    muscles = person.about("myopathy")
    if muscles.state != "not-recorded":
        found += Basis(muscles.words, muscles.findings, muscles.evidence)
    return found
