"""What is missing or in doubt and would change a decision: medicines that nobody has confirmed, statuses unknown."""

from __future__ import annotations

from salus.careplan.draft import Basis, Draft, Outcome, cite, of_medicine, said, total
from salus.careplan.facts import Facts
from salus.careplan.guidelines.common import joined
from salus.findings.model import Evidence

NO_AGE = "the date of birth is not recorded, or too partial to tell the age"
RULE = "rule of salus: a medicine list that sources contradict is settled before it is acted on"


def propose(facts: Facts) -> Outcome:
    """Items that ask for a fact."""
    yield from _age_unknown(facts)
    yield from _doubtful(facts)
    yield from _smoking_unknown(facts)


def _age_unknown(facts: Facts) -> Outcome:
    """Without an age no risk, kidney function or home average can be told: it is asked for first."""
    if facts.age is not None:
        return
    person = facts.patient.source
    yield Draft(
        guideline="salus-identity",
        action="review",
        target="date-of-birth",
        tier="missing-data",
        order=5,
        text="Record the full date of birth: kidney function, risk and the average at home cannot be told without the "
        "age.",
        patient_text="Your full date of birth is missing. Please tell it to your doctor's office.",
        strength="needed input",
        citation="rule of salus: nothing that depends on age is computed without it",
        basis=Basis((NO_AGE,), (), (Evidence(person, {"path": "birthDate"}, digest=person.digest, label="person"),)),
        changes_if="the date of birth is recorded",
        window="now",
    )


def _doubtful(facts: Facts) -> Outcome:
    doubtful = tuple(m for m in facts.medicines if m.status in ("contradicted", "in a note only"))
    old = _all_old(facts)
    if not doubtful and not old:
        return
    names = joined((m.name for m in doubtful), "and")
    about = f" We are not sure about {names}." if names else " Our list is old."
    yield Draft(
        guideline="salus-medicine-list",
        action="review",
        target="medicine-list",
        tier="missing-data",
        order=10,
        text=_go_through(facts, names),
        patient_text=("Please bring all your medicines to your next visit, also those from the shop." + about),
        strength="recommended",
        citation=RULE,
        basis=total(map(of_medicine, facts.medicines if old else doubtful)),
        changes_if="somebody confirms the list",
        window="at the next visit",
    )


def _all_old(facts: Facts) -> bool:
    """Whether the newest confirmation of the whole list is too long ago. A list without any date is not judged."""
    dated = [m for m in facts.medicines if m.last_confirmed]
    return bool(dated) and all(m.stale for m in dated)


def _go_through(facts: Facts, names: str) -> str:
    if not facts.list_known:
        return f"Draw up the medicine list with the patient: none is recorded, and notes name {names}."
    reasons = [f"record and notes do not agree on {names}"] if names else []
    if _all_old(facts):
        newest = max(m.last_confirmed for m in facts.medicines)
        reasons.insert(0, f"no entry was confirmed for more than two years, the newest on {newest}")
    return f"Go through the medicine list with the patient: {'; '.join(reasons)}."


def _smoking_unknown(facts: Facts) -> Outcome:
    if facts.chart.observations("smoking-status") or facts.about("smoking").state != "not-recorded":
        return
    if any(p.target == "smoking" and p.action == "measure" for f in facts.findings for p in f.proposals):
        return  # the item on missing inputs asks for it
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
