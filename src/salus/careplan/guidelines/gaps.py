"""What is missing or in doubt and would change a decision: medicines that nobody has confirmed, statuses unknown."""

from __future__ import annotations

from salus.careplan.draft import Draft, Outcome, cite, of_medicine, said, total
from salus.careplan.facts import Facts
from salus.careplan.guidelines.common import joined

RULE = "rule of salus: a medicine list that sources contradict is settled before it is acted on"


def propose(facts: Facts) -> Outcome:
    """Items that ask for a fact."""
    yield from _doubtful(facts)
    yield from _smoking_unknown(facts)


def _doubtful(facts: Facts) -> Outcome:
    doubtful = tuple(m for m in facts.medicines if m.status in ("contradicted", "in a note only"))
    if not doubtful:
        return
    names = joined((m.name for m in doubtful), "and")
    yield Draft(
        guideline="salus-medicine-list",
        action="review",
        target="medicine-list",
        tier="missing-data",
        order=10,
        text=f"Go through the medicine list with the patient: record and notes do not agree on {names}.",
        patient_text=(
            "Please bring all your medicines to your next visit, also those from the shop. We are not sure about "
            f"{names}."
        ),
        strength="recommended",
        citation=RULE,
        basis=total(map(of_medicine, doubtful)),
        changes_if="somebody confirms the list",
        window="at the next visit",
    )


def _smoking_unknown(facts: Facts) -> Outcome:
    if facts.chart.observations("smoking-status") or facts.about("smoking").state != "not-recorded":
        return
    yield Draft(
        guideline="uspstf-tobacco-2021",
        action="measure",
        target="smoking-status",
        tier="missing-data",
        order=40,
        text="Ask about tobacco and record the answer.",
        patient_text="Tell your doctor if you smoke or have smoked. It helps to plan your care.",
        strength="strong (grade A)",
        citation=cite("uspstf-tobacco-2021"),
        basis=said("no smoking status is recorded"),
        changes_if="a smoking status is recorded",
    )
