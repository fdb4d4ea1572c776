"""Before any disease of the vessels: predicted risk, family history, smoking, and what would settle a doubt."""

from __future__ import annotations

import re

from salus.careplan.draft import Basis, Draft, Outcome, cite, of_finding, of_statement, said, total
from salus.careplan.facts import Facts, Statement
from salus.careplan.guidelines import statins
from salus.careplan.guidelines.common import egfr, positive, value_of
from salus.fhir import codes
from salus.fhir.codes import Code
from salus.fhir.views import Observation
from salus.findings.model import Evidence, Finding

BORDERLINE, INTERMEDIATE, HIGH = 3.0, 5.0, 10.0
"""PREVENT-ASCVD in percent over 10 years (2026 ACC/AHA)."""
LDL_ENHANCER, LDL_SEVERE = 160, 190
HEART = ("myocardial-infarction", "coronary-heart-disease", "acute-coronary-syndrome", "stroke", "sudden-cardiac-death")
_MEN = re.compile(r"\b(?:father|brother|dad|son)\b", re.IGNORECASE)
_WOMEN = re.compile(r"\b(?:mother|sister|mum|mom|daughter)\b", re.IGNORECASE)
_AGE = re.compile(r"at (?:the age of )?(\d{1,3})(?: years)?\b")
_DECADE = re.compile(r"at the age of (\d0)s\b")
PREMATURE = {"man": 55, "woman": 65}


def propose(facts: Facts) -> Outcome:
    """Smoking for everybody; statin, lipoprotein(a) and the like where PREVENT applies."""
    yield from _smoking(facts)
    yield from _lung_screening(facts)
    risk = facts.one("prevent-ascvd-10y")
    early = premature(facts)
    if not facts.taking("statin") and statins.intensity_needed(facts) is None:
        yield from _statin(facts, risk, early)
    if risk is not None and early:
        yield _lipoprotein(early)


def premature(facts: Facts) -> tuple[Statement, ...]:
    """Statements of a heart attack or stroke in a father, mother, brother or sister before 55 (men) or 65 (women)."""
    return tuple(s for s in facts.family(*HEART) if _is_early(s.words))


def _is_early(words: str) -> bool:
    sex = "man" if _MEN.search(words) else "woman" if _WOMEN.search(words) else ""
    found = _AGE.search(words)
    decade = _DECADE.search(words)
    age = int(found[1]) if found and not decade else int(decade[1]) + 9 if decade else None
    return bool(sex) and age is not None and age < PREMATURE[sex]


def _statin(facts: Facts, risk: Finding | None, early: tuple[Statement, ...]) -> Outcome:
    """A statin by predicted risk, or whatever the risk for LDL of 190 and for diabetes at 40 to 75 years."""
    percent = value_of(risk)
    ldl = facts.latest("ldl-cholesterol", "mg/dL", "cholesterol")
    band = _band(percent, ldl[0] if ldl else None, _diabetic(facts))
    reasons = _statin_reasons(facts, risk, ldl, early, band)
    kidney = egfr(facts)
    low_kidney = bool(kidney and kidney[0] < 60)
    enhancers = bool(early) or low_kidney or bool(ldl and ldl[0] >= LDL_ENHANCER)
    if band == "unknown" or (band == "low" and not enhancers):
        return
    if kidney and low_kidney:
        reasons += kidney[1]
    gene = facts.one("slco1b1-phenotype")
    if gene is not None:
        reasons += of_finding(gene)
    expecting = statins.expecting(facts, "acc-aha-dyslipidaemia-2026")
    if expecting is not None:
        yield expecting
        return
    taken = "" if facts.list_known else " First find out whether one is taken: no medicine list is recorded."
    yield Draft(
        guideline="acc-aha-dyslipidaemia-2026",
        action="start",
        target="statin",
        tier="prevention",
        order=10,
        text=_statin_text(facts, band, percent, enhancers) + statins.pregnancy_words(facts) + taken,
        patient_text=(
            "A medicine called a statin can lower your risk of a heart attack or stroke. Not smoking, moving more and "
            "good food help too. Talk with your doctor about what you want."
        ),
        strength="consider" if band in ("borderline", "low") else "recommended",
        citation="; ".join((cite("dyslipidaemia-2026", "cholesterol-2018"), *_gene_source(gene))),
        basis=reasons,
        changes_if="the risk is predicted anew with newer values, coronary calcium is measured, or a statin was not "
        "tolerated before",
        topic="medicine:statin",
    )


def _gene_source(gene: Finding | None) -> tuple[str, ...]:
    offered = [p.citation for p in gene.proposals if p.guideline == statins.GUIDELINE] if gene is not None else []
    return tuple(offered[:1])


def _statin_reasons(
    facts: Facts,
    risk: Finding | None,
    ldl: tuple[float, Observation] | None,
    early: tuple[Statement, ...],
    band: str,
) -> Basis:
    reasons = of_finding(risk) if risk is not None else Basis()
    if ldl:
        when = ldl[1].effective.text[:10] if ldl[1].effective else ""
        reasons += Basis((f"LDL {ldl[0]:.0f} mg/dL on {when}",), (), (Evidence.of_observation(ldl[1], "LDL"),))
    if band == "diabetes":
        reasons += total(of_statement(s) for s in positive(facts.about("diabetes")))
    return reasons + total(of_statement(s) for s in early)


def _diabetic(facts: Facts) -> bool:
    return bool(facts.age is not None and 40 <= facts.age <= 75 and facts.about("diabetes").positive)


def _band(percent: float | None, ldl: float | None, diabetic: bool) -> str:
    """The group that decides on a statin; "unknown" without a predicted risk or a reason that needs none."""
    if ldl is not None and ldl >= LDL_SEVERE:
        return "severe"
    if percent is not None and percent >= HIGH:
        return "high"
    if diabetic:
        return "diabetes"
    if percent is None:
        return "unknown"
    if percent >= INTERMEDIATE:
        return "intermediate"
    return "borderline" if percent >= BORDERLINE else "low"


def _statin_text(facts: Facts, band: str, percent: float | None, enhancers: bool) -> str:
    choices = " or ".join(c.words for c in statins.high_choices(facts)) or "a statin at the highest tolerated dose"
    if band == "severe":
        return (
            f"LDL of {LDL_SEVERE} mg/dL or more: whatever the predicted risk, talk about a high-intensity statin: "
            f"{choices}. Look for a cause and for LDL that high in the family."
        )
    if band == "diabetes":
        start = "Diabetes at 40 to 75 years: whatever the predicted risk, talk about a statin of at least moderate"
        return f"{start} intensity.{_moderate(facts)}"
    start = f"10-year risk of heart attack or stroke {percent} % ({band} by PREVENT-ASCVD"
    start += ", with risk enhancers)" if enhancers else ")"
    if band == "high":
        return f"{start}: talk about a high-intensity statin: {choices}."
    advice = {
        "intermediate": "talk about a statin of at least moderate intensity",
        "borderline": "a talk about a moderate-intensity statin is reasonable; coronary calcium can help decide",
        "low": "lifestyle first; the enhancers are worth a talk with 30-year risk in view",
    }[band]
    return f"{start}: {advice}.{_moderate(facts)}"


def _moderate(facts: Facts) -> str:
    """What the genotype says of the statins that have a moderate dose."""
    gene = facts.one("slco1b1-phenotype")
    if gene is None or not any(p.guideline == statins.GUIDELINE for p in gene.proposals):
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
        strength="recommended",
        citation=cite("dyslipidaemia-2026"),
        basis=total(of_statement(s) for s in early) + said("once in every adult; it weighs more with early disease"),
        changes_if="a lipoprotein(a) result is found",
    )


def _smoking(facts: Facts) -> Outcome:
    basis = smokes(facts)
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
        strength="strong (grade A)",
        citation=cite("uspstf-tobacco-2021"),
        basis=basis,
        changes_if="a later status says that the person no longer smokes",
        window="now",
    )


def smokes(facts: Facts) -> Basis | None:
    """Evidence of smoking now: the newest recorded status decides, a note only where there is none."""
    observations = facts.chart.observations("smoking-status")
    if observations:
        newest = observations[-1]
        named = codes.names((newest.value,)) if isinstance(newest.value, Code) else frozenset()
        if "smoker-current" not in named:
            return None
        when = newest.effective.text[:10] if newest.effective else ""
        display = newest.value.display if isinstance(newest.value, Code) else ""
        words = f"smoking status of {when}: {display or 'smokes'}"
        return Basis((words,), (), (Evidence.of_observation(newest, "smoking status"),)) + _noted(facts)
    return _noted(facts) if facts.about("smoking").state == "present" else None


def _noted(facts: Facts) -> Basis:
    answer = facts.about("smoking")
    return Basis(answer.words, answer.findings, answer.evidence) if answer.state == "present" else Basis()


def _lung_screening(facts: Facts) -> Outcome:
    basis = smokes(facts)
    if basis is None or facts.age is None or not 50 <= facts.age <= 80 or facts.all("lung-volume"):
        return
    yield Draft(
        guideline="uspstf-lung-2021",
        action="review",
        target="lung-cancer-screening",
        tier="prevention",
        order=40,
        text="Ask for the pack-years: with 20 or more, yearly low-dose CT for lung cancer is advised at this age.",
        patient_text="Tell your doctor how much and how long you have smoked. A yearly lung scan may be good for you.",
        strength="recommended (grade B)",
        citation=cite("uspstf-lung-2021"),
        basis=basis + said(f"{facts.age} years old; pack-years are not recorded as a number"),
        changes_if="fewer than 20 pack-years are recorded, or smoking stopped 15 years ago",
    )
