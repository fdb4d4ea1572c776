"""Atrial fibrillation: whether an anticoagulant is due, by CHA2DS2-VASc (2023 ACC/AHA/ACCP/HRS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from salus.careplan.draft import Basis, Draft, Outcome, cite, of_answer, of_medicine, said, total
from salus.careplan.guidelines.common import BLEEDING_IN_BRAIN, joined, may_be_pregnant
from salus.careplan.safety import check
from salus.findings.strength import Grade, Strength
from salus.person.answer import Answer
from salus.person.medicines import Medicine
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
OTHER = ("heparin", "direct-thrombin-inhibitor", "fondaparinux", "certoparin", "tinzaparin")
"""Anticoagulants that are not taken for good: heparins and the like, by class and by name."""
ASKED = ("active-bleeding", "intracranial-haemorrhage")


def propose(person: Person) -> Outcome:
    """One item where the score asks for an anticoagulant and none is known to be taken."""
    rhythm = person.about("atrial-fibrillation-or-flutter")
    taken = person.taking("anticoagulant")
    if rhythm.state != "present" or any(m.sure for m in taken):
        return
    score, reasons = _score(person)
    female = person.patient.sex == "female"
    if person.age is None or score < (3 if female else 2):
        return
    other = person.taking(*OTHER)
    if taken:
        yield _doubtful(taken, score, of_answer(rhythm) + reasons)
    elif other:
        yield _other(other, score, of_answer(rhythm) + reasons)
    elif person.pregnancy.state == "present":
        yield _expecting(person, score, of_answer(rhythm) + reasons)
    else:
        yield _begin(person, rhythm, score, reasons)


def _question(text: str, patient_text: str, basis: Basis, changes_if: str, **other: Any) -> Draft:
    """What is settled before an anticoagulant is begun, or instead of beginning one."""
    draft = Draft(
        guideline="acc-aha-af-2023",
        action="review",
        target="anticoagulant",
        tier="medicines",
        order=8,
        text=text,
        patient_text=patient_text,
        strength=Strength(Grade.RECOMMENDED, "class 1"),
        citation=cite("af-2023"),
        basis=basis,
        changes_if=changes_if,
        window="within days",
    )
    return replace(draft, **other)


def _doubtful(taken: Sequence[Medicine], score: int, reasons: Basis) -> Draft:
    """One that is on hold or that nobody confirmed protects only if it is taken."""
    names = joined((m.ingredient for m in taken), "and")
    doubts = joined(dict.fromkeys(d for m in taken for d in m.doubts), "and")
    return _question(
        f"Ask whether {names} is taken now ({doubts}): atrial fibrillation with CHA2DS2-VASc {score} asks for an "
        "anticoagulant.",
        f"Do you take {names} now? Please tell your doctor's office: it protects you from a stroke.",
        reasons + total(map(of_medicine, taken)),
        f"{names} turns out to be taken",
    )


def _other(taken: Sequence[Medicine], score: int, reasons: Basis) -> Draft:
    """A heparin thins the blood already: nothing is begun beside it; what follows it is asked."""
    names = joined((m.ingredient for m in taken), "and")
    return _question(
        f"Find out what {names} is given for, at which dose and for how long, and what follows it: atrial "
        f"fibrillation with CHA2DS2-VASc {score} asks for lasting anticoagulation, and two anticoagulants are not "
        "taken together.",
        f"You have {names} against clots. Ask your doctor how long you need it and what comes after it.",
        reasons + total(map(of_medicine, taken)),
        f"{names} turns out not to be taken",
    )


def _expecting(person: Person, score: int, reasons: Basis) -> Draft:
    return _question(
        "Ask cardiology and obstetrics this week about a heparin: atrial fibrillation with CHA2DS2-VASc "
        f"{score} in pregnancy. Direct anticoagulants are not recommended in pregnancy, and warfarin can harm the "
        "unborn child.",
        "Your heart rhythm can let clots form. Please call your doctor's office this week: some medicines "
        "against clots are right in pregnancy, others are not.",
        reasons + of_answer(person.pregnancy),
        "there is no pregnancy, or an anticoagulant turns out to be taken",
        strength=Strength(Grade.RECOMMENDED),
        citation=cite("af-2023", "af-pregnancy"),
        window="this week",
    )


def _which(person: Person, valves: Answer | None) -> tuple[str, tuple[str, ...]]:
    """The kind of anticoagulant, in words and by class."""
    if valves:
        return "warfarin rather than a direct one (mechanical valve or mitral stenosis)", ("vitamin-k-antagonist",)
    if person.breastfeeding.state == "present":
        return "warfarin or a heparin rather than a direct one (breast-feeding)", ("vitamin-k-antagonist",)
    return "a direct one (DOAC) before warfarin", ("doac",)


def _begin(person: Person, rhythm: Answer, score: int, reasons: Basis) -> Draft:
    known = person.about(*VALVES)
    valves = known if known.positive else None
    sure = person.surely_without("anticoagulant", *OTHER)
    which, offers = _which(person, valves)
    checks = [check(person, name) for name in ASKED]
    barred = [c.name for c in checks if c.verdict == "barred"]
    open_ = [c.name for c in checks if c.verdict == "confirm"]
    first = f" First settle: {joined(barred, 'and')} on record." if barred else ""
    first += f" First confirm that there is no {joined(open_)}." if open_ else ""
    begin = (
        "Begin an anticoagulant" if sure and not barred else "Find out whether an anticoagulant is taken, or why not"
    )
    ask = may_be_pregnant(person) and check(person, "pregnancy").verdict != "clear"
    first += " Neither warfarin nor a direct one in pregnancy: ask first." if ask else ""
    feeding = person.breastfeeding if person.breastfeeding.state == "present" else None
    return _question(
        f"{begin}: atrial fibrillation with CHA2DS2-VASc {score}; {which}. Aspirin does not replace it.{first}",
        "Your heart rhythm can let clots form, which can cause a stroke. A medicine can lower that risk. Please talk "
        "with your doctor about it soon.",
        of_answer(rhythm) + reasons + total(of_answer(a) for a in (valves, feeding) if a is not None),
        "an anticoagulant turns out to be taken, bleeding comes up, or the left atrial appendage is closed",
        action="start" if sure and not barred else "review",
        begins="An anticoagulant",
        offers=offers,
        citation=cite("af-2023", *(("af-pregnancy",) if ask or feeding else ())),
        window="within weeks",
    )


def _score(person: Person) -> tuple[int, Basis]:
    """CHA2DS2-VASc from what is recorded: what is not recorded gives no point, so the score is a lower bound."""
    points, reasons = 0, []
    for concepts, worth, _ in POINTS:
        answer = person.about(*concepts, but=BLEEDING_IN_BRAIN)
        if answer.positive:
            points += worth
            reasons.append(of_answer(answer))
    age = person.age or 0
    points += 2 if age >= AGED else 1 if age >= OLD else 0
    points += person.patient.sex == "female"
    words = f"CHA2DS2-VASc at least {points} ({age} years, {person.patient.sex or 'sex not recorded'})"
    return points, total([said(words), *reasons])
