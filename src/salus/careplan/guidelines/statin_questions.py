"""What is asked before a statin of high intensity is begun, changed or counted on."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from salus.careplan.draft import Basis, Draft, of_answer, of_medicine, said
from salus.careplan.guidelines.common import Need
from salus.person.answer import Answer
from salus.person.medicines import Ended, Medicine
from salus.person.person import Person
from salus.terminology import classes


def statin_of(medicine: Medicine) -> str:
    """The statin of a medicine, which may hold something else too."""
    found = (name for name in medicine.drug.ingredients if "statin" in classes.classes_of((name,)))
    return next(found, medicine.ingredient)


def statin_mg(medicine: Medicine) -> Decimal | None:
    """The statin's daily dose in mg; None where it is not known: the dose of a combination is not the statin's."""
    return medicine.daily_mg if len(medicine.drug.ingredients) == 1 else None


def dose(medicine: Medicine, need: Need) -> Draft:
    """Nothing is changed on a dose that is not known: it is asked for."""
    name = statin_of(medicine)
    low, high = classes.high_doses()[name]
    return _question(
        need, name, 13,
        f"Find out the daily dose of {name}: a high-intensity statin is recommended here, which is {low} to {high} mg "
        f"of {name} a day.",
        f"How much {name} do you take each day? Please tell your doctor or bring the box to your next visit.",
        of_medicine(medicine) + need.basis + said(f"the daily dose of {name} is not known"),
        "the dose is recorded", "at the next visit",
    )  # fmt: skip


def whether(medicine: Medicine, need: Need) -> Draft:
    """A statin that the list leaves in doubt protects nobody surely."""
    name = medicine.ingredient
    return _question(
        need, name, 12,
        f"Find out whether {name} is taken: a high-intensity statin is recommended here, and the record leaves it in "
        "doubt.",
        f"Do you take {name} every day? Please tell your doctor's office, or bring the box to your visit.",
        of_medicine(medicine) + need.basis,
        "it is recorded whether it is taken, and at which dose", "at the next contact",
    )  # fmt: skip


def why_ended(need: Need, ended: Sequence[Ended]) -> Draft:
    """Nothing is begun again that was stopped for a reason: whether it speaks against a statin is asked."""
    names = "; ".join(f"{one.name} ({one.status}: “{one.reason}”)" for one in ended)
    return _question(
        need, "statin", 14,
        f"No statin is proposed before it is clear why it was ended: {names}. If a statin was not the cause or another "
        "one may be tried, high intensity is recommended here.",
        "A tablet for cholesterol was ended in the past. Tell your doctor why, and whether your muscles hurt.",
        need.basis + said(f"a statin was ended: {names}"),
        "it is recorded that statins were tolerated, or that none was",
    )  # fmt: skip


def which(need: Need, person: Person) -> Draft:
    """Where the medicine list does not tell, nothing is begun: it is asked which statin is taken, if any."""
    unread = "; ".join(u.sentence for u in person.unread("medicine"))
    why = f"read but not understood: {unread}" if unread else ""
    return _question(
        need, "statin", 14,
        "Find out whether a statin is taken, which and at what dose: high intensity is recommended here.",
        "Do you take a tablet for high cholesterol? Tell your doctor and bring it to your next visit.",
        need.basis + said(why or "what was looked at does not tell which statin is taken, if any"),
        "a medicine list is recorded that can be read whole",
    )  # fmt: skip


def instead(need: Need, why: Answer) -> Draft:
    """No statin where none was tolerated: what else lowers cholesterol is asked."""
    return _question(
        need, "statin", 14,
        "No statin is proposed, since an intolerance is recorded: clarify it, and ask a lipid clinic about medicines "
        "that lower cholesterol in other ways.",
        "Your record says that you did not tolerate a cholesterol tablet. Ask your doctor what else helps.",
        need.basis + of_answer(why),
        "it turns out that a statin was not the cause",
    )  # fmt: skip


def _question(
    need: Need, target: str, order: int, text: str, patient_text: str, basis: Basis, changes_if: str, window: str = ""
) -> Draft:
    return Draft(
        guideline=need.guideline,
        action="review",
        target=target,
        tier="medicines",
        order=order,
        text=text,
        patient_text=patient_text,
        strength=need.strength,
        citation=need.citation,
        basis=basis,
        changes_if=changes_if,
        window=window,
        topic=f"medicine:{target}",
    )
