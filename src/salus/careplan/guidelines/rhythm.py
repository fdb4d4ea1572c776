"""Atrial fibrillation: whether an anticoagulant is due, by CHA2DS2-VASc (2023 ACC/AHA/ACCP/HRS)."""

from __future__ import annotations

from salus.careplan.draft import Basis, Draft, Outcome, cite, of_answer, said, total
from salus.careplan.guidelines.common import joined
from salus.careplan.safety import check
from salus.findings.strength import Grade, Strength
from salus.person.person import Person

POINTS = (
    (("heart-failure",), 1, "heart failure"),
    (("hypertension",), 1, "hypertension"),
    (("diabetes",), 1, "diabetes"),
    (("ischaemic-stroke", "stroke", "transient-ischaemic-attack", "stroke-or-tia-history"), 2, "stroke or TIA"),
    (("myocardial-infarction", "peripheral-arterial-disease", "atherosclerosis-other"), 1, "disease of vessels"),
)
OLD, AGED = 65, 75
VALVES = ("mechanical-heart-valve", "mitral-stenosis")
ASKED = ("active-bleeding", "intracranial-haemorrhage")


def propose(person: Person) -> Outcome:
    """One item where the score asks for an anticoagulant and none is known to be taken."""
    rhythm = person.about("atrial-fibrillation-or-flutter")
    if rhythm.state != "present" or person.taking("anticoagulant"):
        return
    score, reasons = _score(person)
    female = person.patient.sex == "female"
    if person.age is None or score < (3 if female else 2):
        return
    valves = person.about(*VALVES)
    sure = person.surely_without("anticoagulant")
    which = (
        "warfarin rather than a direct one (mechanical valve or mitral stenosis)"
        if valves.positive
        else "a direct one (DOAC) before warfarin"
    )
    checks = [check(person, name) for name in ASKED]
    barred = [c.name for c in checks if c.verdict == "barred"]
    open_ = [c.name for c in checks if c.verdict == "confirm"]
    first = f" First settle: {joined(barred, 'and')} on record." if barred else ""
    first += f" First confirm that there is no {joined(open_)}." if open_ else ""
    begin = (
        "Begin an anticoagulant" if sure and not barred else "Find out whether an anticoagulant is taken, or why not"
    )
    yield Draft(
        guideline="acc-aha-af-2023",
        action="start" if sure and not barred else "review",
        target="anticoagulant",
        begins="An anticoagulant",
        tier="medicines",
        order=8,
        text=f"{begin}: atrial fibrillation with CHA2DS2-VASc {score}; {which}. Aspirin does not replace it.{first}",
        patient_text=(
            "Your heart rhythm can let clots form, which can cause a stroke. A medicine can lower that risk. Please "
            "talk with your doctor about it soon."
        ),
        strength=Strength(Grade.RECOMMENDED, "class 1"),
        citation=cite("af-2023"),
        basis=of_answer(rhythm) + reasons + (of_answer(valves) if valves.positive else Basis()),
        changes_if="an anticoagulant turns out to be taken, bleeding comes up, or the left atrial appendage is closed",
        window="within weeks",
    )


def _score(person: Person) -> tuple[int, Basis]:
    """CHA2DS2-VASc from what is recorded: what is not recorded gives no point, so the score is a lower bound."""
    points, reasons = 0, []
    for concepts, worth, _ in POINTS:
        answer = person.about(*concepts)
        if answer.positive:
            points += worth
            reasons.append(of_answer(answer))
    age = person.age or 0
    points += 2 if age >= AGED else 1 if age >= OLD else 0
    points += person.patient.sex == "female"
    words = f"CHA2DS2-VASc at least {points} ({age} years, {person.patient.sex or 'sex not recorded'})"
    return points, total([said(words), *reasons])
