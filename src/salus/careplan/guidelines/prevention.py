"""Before any disease of the vessels: predicted risk, family history, smoking, and what would settle a doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from salus.careplan.draft import (
    Basis,
    Draft,
    Outcome,
    cite,
    of_answer,
    of_finding,
    of_measured,
    of_statement,
    said,
    total,
)
from salus.careplan.guidelines import statins
from salus.careplan.guidelines.common import BLEEDING_IN_BRAIN, egfr, positive, statin_needed, value_of
from salus.careplan.guidelines.statin_choice import GUIDELINE as CPIC
from salus.careplan.guidelines.statin_choice import high_choices
from salus.careplan.model import Dropped
from salus.findings.model import Finding
from salus.findings.strength import Grade, Strength
from salus.person.answer import Statement, day
from salus.person.measurements import Measured
from salus.person.person import Person

BORDERLINE, INTERMEDIATE, HIGH = 3.0, 5.0, 10.0
"""PREVENT-ASCVD in percent over 10 years (2026 ACC/AHA)."""
LDL_ENHANCER, LDL_SEVERE = 160, 190
HEART = ("myocardial-infarction", "coronary-heart-disease", "acute-coronary-syndrome", "stroke", "sudden-cardiac-death")
LIPIDS_VALID = timedelta(days=730)
"""How old an LDL may be to decide on a statin. salus's own choice, the look-back of risk.prevent."""
CKD_AGE = 50
"""Years from which KDIGO recommends a statin at eGFR below 60."""


def propose(person: Person) -> Outcome:
    """Smoking for everybody; statin, lipoprotein(a) and the like where PREVENT applies."""
    yield from _smoking(person)
    yield from _lung_screening(person)
    risk = person.one("prevent-ascvd-10y")
    early = premature(person)
    if not person.taking("statin") and statin_needed(person) is None:
        yield from _statin(person, risk, early)
    if risk is not None and early:
        yield _lipoprotein(early)


def premature(person: Person) -> tuple[Statement, ...]:
    """Statements of a heart attack or stroke in a parent, brother, sister or child before 55 (men) or 65 (women)."""
    bleeding = frozenset(BLEEDING_IN_BRAIN)
    found = (r for r in person.family(*HEART) if r.premature and not bleeding & r.concepts)
    return tuple(relative.statement for relative in found)


def _statin(person: Person, risk: Finding | None, early: tuple[Statement, ...]) -> Outcome:
    """A statin by predicted risk, or whatever the risk for LDL of 190, diabetes at 40 to 75 years, kidney disease."""
    percent = value_of(risk)
    ldl = person.newest("ldl-cholesterol", "mg/dL", within=LIPIDS_VALID)
    band = _band(percent, ldl.value, _diabetic(person), _kidney_disease(person))
    kidney = egfr(person)
    low_kidney = bool(kidney and kidney[0] < 60)
    enhancers = bool(early) or low_kidney or bool(ldl.value is not None and ldl.value >= LDL_ENHANCER)
    if band == "unknown" or (band == "low" and not enhancers):
        return
    reasons = _statin_reasons(person, risk, ldl, early, band)
    if kidney and low_kidney:
        reasons += kidney[1]
    gene = person.one("slco1b1-phenotype")
    if gene is not None:
        reasons += of_finding(gene)
    expecting = statins.expecting(person, "acc-aha-dyslipidaemia-2026")
    if expecting is not None:
        yield expecting
        return
    intolerant = statins.statin_intolerance(person)
    if intolerant is not None:
        reason = f"an intolerance is recorded: {'; '.join(intolerant.words)}"
        yield Dropped("acc-aha-dyslipidaemia-2026:start:statin", "Talk about a statin.", reason)
        return
    sure = person.surely_without("statin")
    yield Draft(
        guideline="kdigo-2024-ckd" if band == "kidney" else "acc-aha-dyslipidaemia-2026",
        action="start" if sure else "review",
        target="statin",
        begins="A statin",
        offers=("statin",),
        swaps=True,
        tier="prevention",
        order=10,
        text="",
        patient_text=(
            "A medicine called a statin can lower your risk of a heart attack or stroke. Not smoking, moving more and "
            "good food help too. Talk with your doctor about what you want."
        ),
        strength=Strength(Grade.CONSIDER if band in ("borderline", "low") else Grade.RECOMMENDED),
        citation="; ".join((cite(*_SOURCES.get(band, _LIPIDS)), *_gene_source(gene))),
        basis=reasons,
        changes_if="the risk is predicted anew with newer values, coronary calcium is measured, or a statin was not "
        "tolerated before",
        topic="medicine:statin",
        finish=partial(_worded, person, band, percent, enhancers, sure),
    )


_LIPIDS = ("dyslipidaemia-2026", "cholesterol-2018")
_SOURCES = {"kidney": ("kdigo-2024",)}


def _worded(
    person: Person, band: str, percent: float | None, enhancers: bool, sure: bool, draft: Draft, drafts: Sequence[Draft]
) -> Draft:
    """The item in words, its choice of statins reckoned against the proposals of all rules."""
    first = "" if sure else f" First find out whether one is taken: {_doubt(person)}."
    text = f"{_statin_text(person, band, percent, enhancers, drafts)}{statins.pregnancy_words(person)}{first}"
    return replace(draft, text=text)


def _doubt(person: Person) -> str:
    """Why it is not known whether a statin is taken."""
    unread = person.unread("medicine")
    return f"read but not understood: {'; '.join(u.sentence for u in unread)}" if unread else (
        "no medicine list is recorded"
    )  # fmt: skip


def _kidney_disease(person: Person) -> bool:
    """Lasting kidney disease with eGFR below 60 at 50 years or more."""
    stage, kidney = person.one("ckd-stage"), egfr(person)
    lasting = stage is not None and bool(stage.details.get("persistent_days"))
    return lasting and bool(kidney and kidney[0] < 60) and person.age is not None and person.age >= CKD_AGE


def _gene_source(gene: Finding | None) -> tuple[str, ...]:
    offered = [p.citation for p in gene.proposals if p.guideline == CPIC] if gene is not None else []
    return tuple(offered[:1])


def _statin_reasons(
    person: Person,
    risk: Finding | None,
    ldl: Measured,
    early: tuple[Statement, ...],
    band: str,
) -> Basis:
    reasons = of_finding(risk) if risk is not None else Basis()
    if ldl.value is not None:
        reasons += of_measured(ldl, f"LDL {ldl.value:.0f} mg/dL on {day(ldl.date)}")
    if band == "diabetes":
        reasons += total(of_statement(s) for s in positive(person.about("diabetes")))
    stage = person.one("ckd-stage")
    if band == "kidney" and stage is not None:
        reasons += of_finding(stage)
    return reasons + total(of_statement(s) for s in early)


def _diabetic(person: Person) -> bool:
    return bool(person.age is not None and 40 <= person.age <= 75 and person.about("diabetes").positive)


def _band(percent: float | None, ldl: float | None, diabetic: bool, kidney: bool) -> str:
    """The group that decides on a statin; "unknown" without a predicted risk or a reason that needs none."""
    if ldl is not None and ldl >= LDL_SEVERE:
        return "severe"
    if percent is not None and percent >= HIGH:
        return "high"
    if diabetic:
        return "diabetes"
    if kidney:
        return "kidney"
    if percent is None:
        return "unknown"
    if percent >= INTERMEDIATE:
        return "intermediate"
    return "borderline" if percent >= BORDERLINE else "low"


def _statin_text(
    person: Person, band: str, percent: float | None, enhancers: bool, drafts: Sequence[Draft]
) -> str:  # fmt: skip
    choices = " or ".join(c.words for c in high_choices(person, drafts)) or "a statin at the highest tolerated dose"
    if band == "severe":
        return (
            f"LDL of {LDL_SEVERE} mg/dL or more: whatever the predicted risk, talk about a high-intensity statin: "
            f"{choices}. Look for a cause and for LDL that high in the family."
        )
    if band == "diabetes":
        start = "Diabetes at 40 to 75 years: whatever the predicted risk, talk about a statin of at least moderate"
        return f"{start} intensity.{_moderate(person)}"
    if band == "kidney":
        return (
            f"Kidney disease at {CKD_AGE} years or more: a statin is recommended whatever the risk.{_moderate(person)}"
        )
    start = f"10-year risk of heart attack or stroke {percent} % ({band} by PREVENT-ASCVD"
    start += ", with risk enhancers)" if enhancers else ")"
    if band == "high":
        return f"{start}: talk about a high-intensity statin: {choices}."
    advice = {
        "intermediate": "talk about a statin of at least moderate intensity",
        "borderline": "a talk about a moderate-intensity statin is reasonable; coronary calcium can help decide",
        "low": "lifestyle first; the enhancers are worth a talk with 30-year risk in view",
    }[band]
    return f"{start}: {advice}.{_moderate(person)}"


def _moderate(person: Person) -> str:
    """What the genotype says of the statins that have a moderate dose."""
    gene = person.one("slco1b1-phenotype")
    if gene is None or not any(p.guideline == CPIC for p in gene.proposals):
        return ""
    limits = []
    for proposal in gene.proposals:
        start = proposal.details.get("start_at_most_mg_per_day")
        if start is not None and proposal.target in ("rosuvastatin", "atorvastatin"):
            limits.append(f"{proposal.target} at first not above {start} mg")
    avoided = [p.target for p in gene.proposals if p.action == "change"]
    words = f" By SLCO1B1 not {' or '.join(sorted(avoided))}" if avoided else " By SLCO1B1"
    return f"{words}{'; ' + ', '.join(sorted(limits)) if limits else ''}."


def _lipoprotein(early: tuple[Statement, ...]) -> Draft:
    return Draft(
        guideline="acc-aha-dyslipidaemia-2026",
        action="measure",
        target="lipoprotein-a",
        tier="prevention",
        order=30,
        text="Measure lipoprotein(a) once, if it was never measured.",
        patient_text="A blood fat called lipoprotein(a) runs in families. Ask if yours was ever tested. Once will do.",
        strength=Strength(Grade.RECOMMENDED),
        citation=cite("dyslipidaemia-2026"),
        basis=total(of_statement(s) for s in early) + said("once in every adult; it weighs more with early disease"),
        changes_if="a lipoprotein(a) result is found",
    )


def _smoking(person: Person) -> Outcome:
    basis = smokes(person)
    if basis is None:
        return
    yield Draft(
        guideline="uspstf-tobacco-2021",
        action="start",
        target="smoking-cessation",
        tier="prevention",
        order=5,
        text="Offer help to stop smoking: counselling together with an approved medicine.",
        patient_text=(
            "Not smoking is the best thing you can do for your heart and lungs. Help works. Ask your doctor about "
            "talks and medicines that make it easier."
        ),
        strength=Strength(Grade.STRONG, "grade A"),
        citation=cite("uspstf-tobacco-2021"),
        basis=basis,
        changes_if="a later status says that the person no longer smokes",
        window="now",
    )


def smokes(person: Person) -> Basis | None:
    """Evidence of smoking now: the newest recorded status decides, a note only where there is none."""
    return of_answer(person.smoking) if person.smoking.state == "present" else None


def _lung_screening(person: Person) -> Outcome:
    basis = smokes(person)
    if basis is None or person.age is None or not 50 <= person.age <= 80 or person.all("lung-volume"):
        return
    yield Draft(
        guideline="uspstf-lung-2021",
        action="review",
        target="lung-cancer-screening",
        tier="prevention",
        order=40,
        text="Ask for the pack-years: with 20 or more, yearly low-dose CT for lung cancer is advised at this age.",
        patient_text="Tell your doctor how much and how long you have smoked. A yearly lung scan may be good for you.",
        strength=Strength(Grade.RECOMMENDED, "grade B"),
        citation=cite("uspstf-lung-2021"),
        basis=basis + said(f"{person.age} years old; pack-years are not recorded as a number"),
        changes_if="fewer than 20 pack-years are recorded, or smoking stopped 15 years ago",
    )
