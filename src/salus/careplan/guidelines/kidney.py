"""Chronic kidney disease by KDIGO 2024: what protects, what harms, and doses that kidney function limits."""

from __future__ import annotations

from salus.careplan.draft import Basis, Draft, Outcome, cite, of_answer, of_finding, of_medicine, said, total
from salus.careplan.facts import Facts, observed
from salus.careplan.guidelines.common import egfr, joined, number
from salus.careplan.model import Dropped
from salus.careplan.safety import Check, check
from salus.findings.model import Finding

RAS = ("ace-inhibitor", "arb", "renin-inhibitor")
SGLT2_EGFR, SGLT2_ACR = 20, 200
POTASSIUM_LIMIT = 5.0
"""mmol/L above which NICE does not start an ACE inhibitor or ARB."""
LOW_GFR, VERY_LOW_GFR = 60, 30


def propose(facts: Facts) -> Outcome:
    """Items for kidney protection, and for medicines that low kidney function makes unsafe."""
    stage = facts.one("ckd-stage")
    if stage is not None and stage.details.get("persistent_days"):
        yield from _ras(facts, stage)
        yield from _sglt2(facts, stage)
    yield from _harmful(facts)
    yield from _metformin(facts)


def _ras(facts: Facts, stage: Finding) -> Outcome:
    category = stage.details.get("albuminuria_category")
    if category not in ("A2", "A3") or any(facts.taking(name) for name in RAS):
        return
    strong = category == "A3" or facts.about("diabetes").positive
    strength = "recommended" if strong else "suggested"
    key, text = "kdigo-2024-ckd:start:ras-inhibitor", "Start an ACE inhibitor or an ARB."
    potassium = facts.latest("potassium", "mmol/L")
    checks = [check(facts, name) for name in ("angioedema", *(("pregnancy",) if _may_be_pregnant(facts) else ()))]
    pregnancy = next((c for c in checks if c.name == "pregnancy" and c.verdict == "barred"), None)
    if pregnancy:
        yield Dropped(key, text, f"contraindicated: {'; '.join(pregnancy.basis.words)}", cite("ras-cautions"))
        return
    if potassium and potassium[0] > POTASSIUM_LIMIT:
        reason = f"potassium {potassium[0]:.1f} mmol/L is above {POTASSIUM_LIMIT}: it is to be lowered first"
        yield Dropped(key, text, reason, cite("ras-cautions"))
        return
    swelling = next(c for c in checks if c.name == "angio-oedema")
    drug = "an ARB (not an ACE inhibitor: angio-oedema)" if swelling.verdict == "barred" else "an ACE inhibitor or ARB"
    yield Draft(
        guideline="kdigo-2024-ckd",
        action="start",
        target="ras-inhibitor",
        tier="disease-control",
        order=10,
        text=f"Start {drug} for albuminuria {category} with chronic kidney disease.{_first(facts, checks, potassium)}",
        patient_text=(
            "A blood pressure medicine that also protects the kidneys may help you. Ask your doctor if it suits you. "
            "You will need blood tests before and after."
        ),
        strength=strength,
        citation=cite("kdigo-2024", "ras-cautions"),
        basis=of_finding(stage) + _cleared(checks) + _potassium(facts),
        changes_if="potassium rises above 5.0 mmol/L, creatinine rises by more than 30 % after the start, or "
        "albuminuria is not confirmed",
        window="after the fall of kidney function has been looked at; creatinine and potassium 1 to 2 weeks after",
    )


def _first(facts: Facts, checks: list[Check], potassium: object) -> str:
    unknown = [c.name for c in checks if c.verdict == "confirm"]
    steps = [f"confirm that there is no {joined(unknown)}"] if unknown else []
    steps += [] if potassium else ["measure potassium"]
    course = facts.one("egfr-course")
    if course is not None and course.details.get("rapid_decline") == "yes":
        steps.append("look for a reversible cause of the fast fall in kidney function")
    if facts.taking("nsaid"):
        steps.append("settle the pain medicine")
    return f" First {joined(steps, 'and')}." if steps else ""


def _may_be_pregnant(facts: Facts) -> bool:
    return facts.patient.sex != "male" and (facts.age is None or facts.age < 55)


def _cleared(checks: list[Check]) -> Basis:
    return total(c.basis for c in checks if c.verdict != "confirm")


def _potassium(facts: Facts) -> Basis:
    found = facts.latest("potassium", "mmol/L")
    if not found:
        return Basis()
    value, observation = found
    when = observation.effective.text[:10] if observation.effective else "an unknown day"
    return Basis((f"potassium {value:.1f} mmol/L on {when}",), (), (observed(observation, "potassium"),))


def _sglt2(facts: Facts, stage: Finding) -> Outcome:
    kidney = egfr(facts)
    ratio = number(stage.details.get("acr_mg_g"))
    heart = facts.about("heart-failure")
    albumin = ratio is not None and ratio >= SGLT2_ACR
    indicated = albumin or heart.positive
    if kidney is None or kidney[0] < SGLT2_EGFR or not indicated or facts.taking("sglt2-inhibitor"):
        return
    dialysis = check(facts, "dialysis")
    if dialysis.verdict == "barred":
        reason = "contraindicated: dialysis is recorded"
        yield Dropped(
            "kdigo-2024-ckd:start:sglt2-inhibitor", "Start an SGLT2 inhibitor.", reason, cite("sglt2-cautions")
        )
        return
    diabetes = facts.about("diabetes")
    kind = " First confirm the type of diabetes: not in type 1." if diabetes.positive else ""
    why = f"ACR {ratio:.0f} mg/g is {SGLT2_ACR} or more" if albumin else "heart failure with chronic kidney disease"
    yield Draft(
        guideline="kdigo-2024-ckd",
        action="start",
        target="sglt2-inhibitor",
        tier="disease-control",
        order=12,
        text=f"Start an SGLT2 inhibitor to slow kidney disease and prevent heart failure.{kind}",
        patient_text="There is a tablet that can protect kidneys and heart. Ask your doctor if it is right for you.",
        strength="recommended (1A)",
        citation=cite("kdigo-2024", "sglt2-cautions"),
        basis=of_finding(stage) + kidney[1] + said(why)
        + (of_answer(heart) if heart.positive else Basis()),
        changes_if="ACR stays below 200 mg/g on repeat without heart failure, or eGFR falls below 20 before the start",
        window="one new medicine at a time: after the start of the ACE inhibitor or ARB is settled",
    )  # fmt: skip


def _harmful(facts: Facts) -> Outcome:
    kidney = egfr(facts)
    low = kidney is not None and kidney[0] < LOW_GFR
    for medicine in facts.taking("nsaid"):
        if not low or kidney is None:
            continue
        course = facts.one("egfr-course")
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
            strength="recommended",
            citation=cite("nsaid-ckd"),
            basis=of_medicine(medicine) + kidney[1] + falling,
            changes_if="the pain medicine is no longer taken, or kidney function recovers to 60 or more",
            window="within days",
        )


def _metformin(facts: Facts) -> Outcome:
    kidney = egfr(facts)
    for medicine in facts.taking("metformin"):
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
            strength="strong (label)" if barred else "recommended (label)",
            citation=cite("metformin-fda-2016"),
            basis=of_medicine(medicine) + kidney[1],
            changes_if="a repeated creatinine gives an eGFR of 45 or more",
        )
    return
