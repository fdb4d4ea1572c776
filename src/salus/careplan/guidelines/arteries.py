"""Platelet inhibitors in disease of the arteries: one for good, two for a year after an acute coronary syndrome."""

from __future__ import annotations

from salus.careplan.draft import Basis, Draft, Outcome, cite, of_medicine, said, total
from salus.careplan.guidelines.common import (
    BRAIN,
    CORONARY_EVENT,
    DAYS_OF_DAPT,
    OTHER_VESSELS,
    Event,
    event,
    joined,
)
from salus.careplan.safety import check
from salus.findings.strength import Grade, Strength
from salus.person.medicines import Medicine
from salus.person.person import Person

ASKED = ("active-bleeding", "intracranial-haemorrhage", "hypersensitivity-to-aspirin")
HEART = (*CORONARY_EVENT, "coronary-heart-disease")


def propose(person: Person) -> Outcome:
    """One item at most. With an anticoagulant, whether a platelet inhibitor is needed is a specialist's question."""
    if person.taking("anticoagulant"):
        return
    recent = event(person, CORONARY_EVENT)
    if recent is not None and recent.recent(person, DAYS_OF_DAPT):
        yield from _two(person, recent)
        return
    found = event(person, (*HEART, *OTHER_VESSELS, *BRAIN))
    if found is not None and not person.taking("antiplatelet", "p2y12-inhibitor"):
        yield _one(person, found)


def _two(person: Person, found: Event) -> Outcome:
    """Within a year of an acute coronary syndrome two platelet inhibitors are the default."""
    aspirin, other = person.taking("aspirin"), person.taking("p2y12-inhibitor")
    if any(m.sure for m in aspirin) and any(m.sure for m in other):
        return
    if aspirin and other:
        yield _doubtful(found, tuple(m for m in (*aspirin, *other) if not m.sure))
        return
    taken = (*aspirin, *other)
    missing = "a P2Y12 inhibitor" if aspirin else "aspirin" if other else "aspirin and a P2Y12 inhibitor"
    known = person.surely_without("p2y12-inhibitor" if aspirin else "aspirin")
    lead = f"Only {joined((m.ingredient for m in taken), 'and')} is" if taken and known else "Not both are"
    yield Draft(
        guideline="acc-aha-acs-2025",
        action="review",
        target="two-platelet-inhibitors",
        tier="urgent",
        order=11,
        text=f"{lead} known to be taken, and the acute coronary event or stent is less than 12 months old: two "
        f"platelet inhibitors (dual antiplatelet therapy) are the default for 12 months. Find out why {missing} is "
        "not, and ask cardiology this week.",
        patient_text=(
            "After your heart event two medicines against clots are usual for a year. Please call your heart doctor's "
            "office this week, ask if one is missing, and keep taking all your medicines."
        ),
        strength=Strength(Grade.RECOMMENDED),
        citation=cite("acs-2025", "ccd-2023"),
        basis=found.basis + total(map(of_medicine, taken)) + _unread(person),
        changes_if="the second one turns out to be taken, or was ended on purpose, or the stent was elective and 6 "
        "months have passed",
        window="within days",
        topic="platelet-inhibitor",
    )


def _doubtful(found: Event, taken: tuple[Medicine, ...]) -> Draft:
    """Both are on the list, but not both are known to be taken now."""
    names = joined((m.ingredient for m in taken), "and")
    why = joined(dict.fromkeys(d for m in taken for d in m.doubts), "and")
    return Draft(
        guideline="acc-aha-acs-2025",
        action="review",
        target="two-platelet-inhibitors",
        tier="medicines",
        order=11,
        text=f"Ask this week whether {names} is taken now ({why}): the acute coronary event or stent is less than 12 "
        "months old, and two platelet inhibitors are the default.",
        patient_text=f"Do you take {names} now? After your heart event two medicines against clots are usual for a "
        "year. Please tell your heart doctor's office this week, and keep taking all your medicines.",
        strength=Strength(Grade.RECOMMENDED),
        citation=cite("acs-2025", "ccd-2023"),
        basis=found.basis + total(map(of_medicine, taken)),
        changes_if=f"{names} turns out to be taken, or was ended on purpose",
        window="this week",
        topic="platelet-inhibitor",
    )


def _one(person: Person, found: Event) -> Draft:
    checks = [check(person, name) for name in ASKED]
    barred = [c for c in checks if c.verdict == "barred"]
    open_ = [c.name for c in checks if c.verdict == "confirm"]
    known = person.surely_without("antiplatelet", "p2y12-inhibitor")
    heart = event(person, HEART) is not None
    lead = (
        "No platelet inhibitor is on the medicine list: with disease of the arteries one is taken for good (low-dose "
        "aspirin, as a rule)."
        if known
        else "Find out whether a platelet inhibitor (aspirin or another) is taken: with disease of the arteries one is "
        "taken for good."
    )
    against = f" On record against it: {joined((c.name for c in barred), 'and')}." if barred else ""
    first = f" First confirm that there is no {joined(open_)}." if open_ else ""
    return Draft(
        guideline="aha-acc-ccd-2023",
        action="review",
        target="platelet-inhibitor",
        tier="medicines",
        order=15,
        text=f"{lead}{against}{first}",
        patient_text=(
            "With your condition most people take a small daily tablet against clots. Do you take one, such as "
            "aspirin? Ask your doctor about it, and do not begin by yourself."
        ),
        strength=Strength(Grade.RECOMMENDED, "class 1") if heart else Strength(Grade.RECOMMENDED),
        citation=cite("ccd-2023"),
        basis=found.basis + total(c.basis for c in barred) + _unread(person),
        changes_if="a platelet inhibitor or anticoagulant turns out to be taken, or bleeding speaks against it",
        topic="platelet-inhibitor",
    )


def _unread(person: Person) -> Basis:
    unread = person.unread("medicine")
    return said(f"read but not understood: {'; '.join(u.sentence for u in unread)}") if unread else Basis()
