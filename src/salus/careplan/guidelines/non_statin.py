"""A further medicine that lowers cholesterol, on a statin of high intensity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from salus.careplan.draft import Draft, Outcome, cite, of_measured, of_medicine, total
from salus.careplan.guidelines.common import Need
from salus.careplan.guidelines.statin_questions import statin_mg, statin_of
from salus.findings.strength import Grade, Strength
from salus.person.answer import day
from salus.person.medicines import Medicine
from salus.person.person import Person
from salus.terminology import classes

LDL_GOAL = 70
"""LDL in mg/dL from which the 2025 guideline adds a non-statin on the highest tolerated statin."""
LDL_VALID = timedelta(days=365)
"""How old an LDL may be to decide on a further medicine. salus's own choice: lipids are measured yearly at least."""
NON_STATINS = ("ezetimibe", "pcsk9-inhibitor", "bempedoic-acid", "inclisiran")


def propose(person: Person, taken: Sequence[Medicine], need: Need) -> Outcome:
    """On a statin of high intensity, LDL of 70 mg/dL or more asks for a further medicine."""
    ldl = person.newest("ldl-cholesterol", "mg/dL", within=LDL_VALID)
    high = [m for m in taken if m.sure and classes.statin_intensity(statin_of(m), statin_mg(m)) == "high"]
    if not high or ldl.value is None or ldl.value < LDL_GOAL or not person.surely_without(*NON_STATINS):
        return
    yield Draft(
        guideline=need.guideline,
        action="start",
        target="non-statin",
        begins="A further medicine that lowers cholesterol",
        offers=NON_STATINS,
        swaps=True,
        tier="medicines",
        order=16,
        text=f"Add a non-statin (ezetimibe first): LDL is {ldl.value:.0f} mg/dL on a statin of high intensity. First "
        "make sure that the statin is taken every day.",
        patient_text="Your cholesterol is still too high. A second tablet may help. Ask your doctor about it.",
        strength=Strength(Grade.RECOMMENDED),
        citation=cite("acs-2025", "dyslipidaemia-2026"),
        basis=total(map(of_medicine, high))
        + of_measured(ldl, f"LDL {ldl.value:.0f} mg/dL on {day(ldl.date)}, at or above {LDL_GOAL}")
        + need.basis,
        changes_if=f"LDL measured again is below {LDL_GOAL} mg/dL, or the statin was not taken",
        window="at the next visit; lipids 4 to 8 weeks after",
    )
