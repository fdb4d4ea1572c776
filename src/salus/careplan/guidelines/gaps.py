"""What is missing or in doubt and would change a decision: medicines that nobody has confirmed, statuses unknown."""

from __future__ import annotations

from salus.careplan.draft import Basis, Draft, Outcome, cite, of_medicine, said, total
from salus.careplan.guidelines.common import joined
from salus.findings.model import Evidence
from salus.findings.strength import Grade, Strength
from salus.person.person import Person

NO_AGE = "the date of birth is not recorded, or too partial to tell the age"
RULE = "rule of salus: a medicine list that sources contradict is settled before it is acted on"


def propose(person: Person) -> Outcome:
    """Items that ask for a fact."""
    yield from _age_unknown(person)
    yield from _doubtful(person)
    yield from _smoking_unknown(person)


def _age_unknown(person: Person) -> Outcome:
    """Without an age no risk, kidney function or home average can be told: it is asked for first."""
    if person.age is not None:
        return
    source, doubt = person.patient.source, person.age_doubt
    verb, why = ("Correct", f" {doubt[:1].upper()}{doubt[1:]}.") if doubt else ("Record", "")
    place = Evidence(source, {"path": "birthDate"}, digest=source.digest, label="person")
    yield Draft(
        guideline="salus-identity",
        action="review",
        target="date-of-birth",
        tier="missing-data",
        order=5,
        text=f"{verb} the full date of birth: kidney function, risk and the average at home cannot be told without the "
        f"age.{why}",
        patient_text="Your full date of birth is missing. Please tell it to your doctor's office.",
        strength=Strength(Grade.NEEDED_INPUT),
        citation="rule of salus: nothing that depends on age is computed without it",
        basis=Basis((doubt or NO_AGE,), (), (place,)),
        changes_if="the date of birth is recorded",
        window="now",
    )


def _doubtful(person: Person) -> Outcome:
    doubtful = tuple(m for m in person.medicines if m.status in ("contradicted", "in a note only"))
    old = _all_old(person)
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
        text=_go_through(person, names),
        patient_text=("Please bring all your medicines to your next visit, also those from the shop." + about),
        strength=Strength(Grade.RECOMMENDED),
        citation=RULE,
        basis=total(map(of_medicine, person.medicines if old else doubtful)),
        changes_if="somebody confirms the list",
        window="at the next visit",
    )


def _all_old(person: Person) -> bool:
    """Whether the newest confirmation of the whole list is too long ago. A list without any date is not judged."""
    dated = [m for m in person.medicines if m.last_confirmed]
    return bool(dated) and all(m.stale for m in dated)


def _go_through(person: Person, names: str) -> str:
    if not person.list_known:
        return f"Draw up the medicine list with the patient: none is recorded, and notes name {names}."
    reasons = [f"record and notes do not agree on {names}"] if names else []
    if _all_old(person):
        newest = max(m.last_confirmed for m in person.medicines)
        reasons.insert(0, f"no entry was confirmed for more than two years, the newest on {newest}")
    return f"Go through the medicine list with the patient: {'; '.join(reasons)}."


def _smoking_unknown(person: Person) -> Outcome:
    if person.smoking.state not in ("not-recorded", "possible"):
        return
    if any(p.target == "smoking" and p.action == "measure" for f in person.findings for p in f.proposals):
        return  # the item on missing inputs asks for it
    yield Draft(
        guideline="uspstf-tobacco-2021",
        action="measure",
        target="smoking-status",
        tier="missing-data",
        order=40,
        text="Ask about tobacco and record the answer.",
        patient_text="Tell your doctor if you smoke or have smoked. It helps to plan your care.",
        strength=Strength(Grade.STRONG, "grade A"),
        citation=cite("uspstf-tobacco-2021"),
        basis=said("no smoking status is recorded")
        if person.smoking.state == "not-recorded"
        else Basis(tuple(s.words for s in person.smoking.statements), (), person.smoking.evidence),
        changes_if="a smoking status is recorded",
    )
