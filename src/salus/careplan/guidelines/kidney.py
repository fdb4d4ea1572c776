"""Chronic kidney disease by KDIGO 2024: what protects, what harms, and doses that kidney function limits."""

from __future__ import annotations

from datetime import timedelta

from salus.careplan.draft import (
    Basis,
    Draft,
    Outcome,
    cite,
    of_answer,
    of_finding,
    of_measured,
    of_medicine,
    of_statement,
    said,
    total,
)
from salus.careplan.guidelines.common import egfr, joined, may_be_pregnant, number
from salus.careplan.guidelines.filtration import kidney_function
from salus.careplan.model import Dropped
from salus.careplan.safety import Check, check
from salus.careplan.starts import reactions, shown_as
from salus.findings.model import Finding
from salus.findings.strength import Grade, Strength
from salus.person.answer import day
from salus.person.measurements import Measured
from salus.person.person import Person

RAS = ("ace-inhibitor", "arb", "renin-inhibitor")
SGLT2_EGFR, SGLT2_EGFR_SUGGESTED, SGLT2_ACR = 20, 45, 200
POTASSIUM_LIMIT = 5.0
"""mmol/L above which NICE does not start an ACE inhibitor or ARB."""
LOW_GFR, VERY_LOW_GFR = 60, 30
POTASSIUM_VALID = timedelta(days=365)
"""How old a potassium may be to decide on a start. salus's own choice; it is measured again after every start."""


def propose(person: Person) -> Outcome:
    """Items for kidney protection, and for medicines that low kidney function makes unsafe."""
    stage = person.one("ckd-stage")
    if stage is not None and stage.details.get("persistent_days"):
        yield from _ras(person, stage)
        yield from _sglt2(person, stage)
    yield from _harmful(person)
    yield from _metformin(person)


def _ras(person: Person, stage: Finding) -> Outcome:
    category = stage.details.get("albuminuria_category")
    if category not in ("A2", "A3") or person.taking(*RAS):
        return
    pressure = person.about("hypertension")
    strong = category == "A3" or person.about("diabetes").positive or pressure.positive
    strength = Strength(Grade.RECOMMENDED if strong else Grade.SUGGESTED)
    key, text = "kdigo-2024-ckd:start:ras-inhibitor", "Start an ACE inhibitor or an ARB."
    potassium = person.newest("potassium", "mmol/L", within=POTASSIUM_VALID)
    checks = [check(person, name) for name in ("angioedema", *(("pregnancy",) if may_be_pregnant(person) else ()))]
    pregnancy = next((c for c in checks if c.name == "pregnancy" and c.verdict == "barred"), None)
    if pregnancy:
        yield Dropped(key, text, f"contraindicated: {'; '.join(pregnancy.basis.words)}", cite("ras-cautions"))
        return
    if potassium.value is not None and potassium.value > POTASSIUM_LIMIT:
        reason = f"potassium {potassium.value:.1f} mmol/L is above {POTASSIUM_LIMIT}: it is to be lowered first"
        yield Dropped(key, text, reason, cite("ras-cautions"))
        return
    sure = person.surely_without(*RAS) and (potassium.value is not None or not potassium.recorded or potassium.too_old)
    drug, offers, reacted = _blocker(person, next(c for c in checks if c.name == "angio-oedema"))
    yield Draft(
        guideline="kdigo-2024-ckd",
        action="start" if sure else "review",
        target="ras-inhibitor",
        begins="An ACE inhibitor or ARB" if len(offers) > 1 else "An ARB",
        offers=offers,
        tier="disease-control",
        order=10,
        text=(f"Start {drug}" if sure else f"Settle whether {drug} is due")
        + f" for albuminuria {category} with chronic kidney disease.{_first(person, checks, potassium, sure)}",
        patient_text=(
            "A blood pressure medicine that also protects the kidneys may help you. Ask your doctor if it suits you. "
            "You will need blood tests before and after."
        ),
        strength=strength,
        citation=cite("kdigo-2024", *(("blood-pressure-2025",) if pressure.positive else ()), "ras-cautions",
                      *(("ace-cough",) if reacted.words else ())),
        basis=of_finding(stage) + (of_answer(pressure) if pressure.positive else Basis()) + _cleared(checks)
        + reacted + _potassium(potassium),
        changes_if="potassium rises above 5.0 mmol/L, creatinine rises by more than 30 % after the start, or "
        "albuminuria is not confirmed",
        window="creatinine and potassium 1 to 2 weeks after the start",
    )  # fmt: skip


SPARED = {"cough": "cough", "angioedema": "angio-oedema", "anaphylaxis": "anaphylaxis"}
"""Reactions to an ACE inhibitor that come back with every other one and leave an ARB to be offered."""


def _blocker(person: Person, swelling: Check) -> tuple[str, tuple[str, ...], Basis]:
    """Which class is offered, in words and by name, and the reactions for which it is not an ACE inhibitor.

    Another reaction, or one to an ARB, leaves both open: it holds the start back (:mod:`salus.careplan.starts`).
    """
    statements = reactions(person, ("ace-inhibitor",))
    shown = shown_as(person, statements)
    barred = swelling.verdict == "barred"
    if (shown is not None and shown <= frozenset(SPARED) and (shown or barred)) or (barred and not statements):
        names = dict.fromkeys([SPARED[name] for name in sorted(shown or ())] + (["angio-oedema"] if barred else []))
        why = total(of_statement(s) for s in statements)
        return f"an ARB (not an ACE inhibitor: {joined(names, 'and')})", ("arb",), why
    return "an ACE inhibitor or ARB", ("ace-inhibitor", "arb"), Basis()


def _first(person: Person, checks: list[Check], potassium: Measured, sure: bool) -> str:
    unknown = [c.name for c in checks if c.verdict == "confirm"]
    steps = [] if sure or person.surely_without(*RAS) else ["find out whether one is taken"]
    steps += [f"confirm that there is no {joined(unknown)}"] if unknown else []
    steps += [] if potassium.value is not None else [f"measure potassium ({potassium.problem})"]
    if _fast(person):
        steps.append("look for a reversible cause of the fast fall in kidney function")
    if person.taking("nsaid"):
        steps.append("settle the pain medicine")
    return f" First {joined(steps, 'and')}." if steps else ""


def _fast(person: Person) -> bool:
    course = person.one("egfr-course")
    return course is not None and course.details.get("rapid_decline") == "yes"


def _cleared(checks: list[Check]) -> Basis:
    return total(c.basis for c in checks if c.verdict != "confirm")


def _potassium(found: Measured) -> Basis:
    if found.value is None:
        return Basis()
    return of_measured(found, f"potassium {found.value:.1f} mmol/L on {day(found.date)}")


def _sglt2_reason(person: Person, stage: Finding, level: float) -> tuple[Strength, Basis, str] | None:
    """Strength, reason, and what would undo it: the first of KDIGO's indications that holds."""
    ratio = number(stage.details.get("acr_mg_g"))
    if ratio is not None and ratio >= SGLT2_ACR:
        undone = "ACR stays below 200 mg/g on repeat without heart failure"
        return Strength(Grade.RECOMMENDED, "1A"), said(f"ACR {ratio:.0f} mg/g is {SGLT2_ACR} or more"), undone
    for concept in ("heart-failure", "diabetes"):
        answer = person.about(concept)
        if answer.positive:
            words = said(f"{concept.replace('-', ' ')} with chronic kidney disease")
            undone = "the diabetes is not of type 2" if concept == "diabetes" else "there is no heart failure"
            return Strength(Grade.RECOMMENDED, "1A"), words + of_answer(answer), undone
    if ratio is not None and level <= SGLT2_EGFR_SUGGESTED:
        words = said(f"eGFR of {SGLT2_EGFR} to {SGLT2_EGFR_SUGGESTED} with ACR below {SGLT2_ACR} mg/g")
        return Strength(Grade.SUGGESTED, "2B"), words, "kidney function recovers"
    return None


def _sglt2(person: Person, stage: Finding) -> Outcome:
    kidney = egfr(person)
    if kidney is None or kidney[0] < SGLT2_EGFR or person.taking("sglt2-inhibitor"):
        return
    reason = _sglt2_reason(person, stage, kidney[0])
    if reason is None:
        return
    strength, why, undone = reason
    if person.about("diabetes-type-1").positive:
        words = f"contraindicated: {'; '.join(person.about('diabetes-type-1').words)}"
        key = "kdigo-2024-ckd:start:sglt2-inhibitor"
        yield Dropped(key, "An SGLT2 inhibitor.", words, cite("sglt2-cautions"))
        return
    asked = ("dialysis", *(("pregnancy",) if may_be_pregnant(person) else ()))
    for found in (check(person, name) for name in asked):
        if found.verdict == "barred":
            words = f"contraindicated: {found.name} is recorded"
            key = "kdigo-2024-ckd:start:sglt2-inhibitor"
            yield Dropped(key, "An SGLT2 inhibitor.", words, cite("sglt2-cautions"))
            return
    sure = person.surely_without("sglt2-inhibitor")
    steps = [] if sure else ["find out whether one is taken"]
    if person.about("diabetes").positive and not person.about("diabetes-type-2").positive:
        steps.append("confirm the type of diabetes (not in type 1)")
    if "pregnancy" in asked and check(person, "pregnancy").verdict == "confirm":
        steps.append("confirm that there is no pregnancy")
    if _fast(person):
        steps.append("look for a reversible cause of the fast fall in kidney function")
    first = f" First {joined(steps, 'and')}." if steps else ""
    yield Draft(
        guideline="kdigo-2024-ckd",
        action="start" if sure else "review",
        target="sglt2-inhibitor",
        begins="An SGLT2 inhibitor",
        offers=("sglt2-inhibitor",),
        tier="disease-control",
        order=12,
        text=f"{'Start an SGLT2 inhibitor' if sure else 'Settle whether an SGLT2 inhibitor is due'} to slow kidney "
        f"disease and prevent heart failure.{first}",
        patient_text="There is a tablet that can protect kidneys and heart. Ask your doctor if it is right for you.",
        strength=strength,
        citation=cite("kdigo-2024", "sglt2-cautions"),
        basis=of_finding(stage) + kidney[1] + why,
        changes_if=f"{undone}, or eGFR falls below {SGLT2_EGFR} before the start",
        window=_one_at_a_time(person, stage),
    )


def _one_at_a_time(person: Person, stage: Finding) -> str:
    """Where a blocker of the renin-angiotensin system is to be begun too, it comes first."""
    due = stage.details.get("albuminuria_category") in ("A2", "A3") and not any(person.taking(n) for n in RAS)
    return "one new medicine at a time: after the start of the ACE inhibitor or ARB is settled" if due else ""


def _harmful(person: Person) -> Outcome:
    kidney = kidney_function(person)
    low = kidney is not None and kidney[0] < LOW_GFR
    for medicine in person.taking("nsaid"):
        if not low or kidney is None:
            continue
        course = person.one("egfr-course")
        falling = of_finding(course) if course is not None and course.details.get("rapid_decline") == "yes" else Basis()
        degree = "Avoid" if kidney[0] < VERY_LOW_GFR else "Avoid longer use of"
        yield Draft(
            guideline="kdigo-nsaid-ckd",
            action="avoid",
            target=medicine.ingredient,
            tier="urgent",
            order=28,
            text=f"{degree} {medicine.ingredient} at this kidney function: find another way to treat the pain.",
            patient_text=(
                f"{medicine.ingredient.capitalize()} can harm your kidneys. Please ask your doctor or pharmacist soon "
                "which pain relief is safe for you."
            ),
            strength=Strength(Grade.RECOMMENDED),
            citation=cite("nsaid-ckd"),
            basis=of_medicine(medicine) + kidney[1] + falling,
            changes_if="the pain medicine is no longer taken, or kidney function recovers to 60 or more",
            window="within days",
        )


def _metformin(person: Person) -> Outcome:
    kidney = kidney_function(person)
    for medicine in person.taking("metformin"):
        if kidney is None or kidney[0] >= 45:
            continue
        barred = kidney[0] < VERY_LOW_GFR
        yield Draft(
            guideline="fda-metformin-2016",
            action="avoid" if barred else "review",
            target="metformin",
            tier="urgent" if barred else "medicines",
            order=26,
            text="Metformin is contraindicated at this eGFR: replace it."
            if barred
            else "Weigh benefit and risk of metformin, and its dose, at this eGFR.",
            patient_text=(
                "Your kidneys work less well, so your diabetes tablet may need a change. Keep in touch: call your "
                "doctor's office this week and ask."
            ),
            strength=Strength(Grade.STRONG if barred else Grade.RECOMMENDED, "label"),
            citation=cite("metformin-fda-2016"),
            basis=of_medicine(medicine) + kidney[1],
            changes_if="a repeated creatinine gives an eGFR of 45 or more",
        )
