"""How a person lives, from answers to a questionnaire: alcohol, movement, food, and the person's own goal."""

from __future__ import annotations

from datetime import timedelta

from salus.careplan.draft import Basis, Draft, Outcome, cite
from salus.fhir.views import Observation, dicts
from salus.findings.model import Evidence
from salus.findings.strength import Grade, Strength
from salus.person.person import Person

AUDIT_C_POSITIVE = {"male": 4, "female": 3}
"""Bush 1998, Bradley 2003. For a sex not recorded as either, the lower one."""
ACTIVE_MINUTES = 150
PORTIONS = 5
OWN = "urn:salus:questionnaire:lifestyle"
VALID = timedelta(days=730)
"""How long an answer counts. Set by salus."""


def propose(person: Person) -> Outcome:
    """Proposals from answers of the last two years, for adults."""
    if not person.adult:
        return
    yield from _alcohol(person)
    yield from _activity(person)
    yield from _food(person)
    yield from _goal(person)


def _recent(person: Person, concept: str, unit: str) -> tuple[float, Observation] | None:
    found = person.newest(concept, unit, within=VALID)
    return (found.value, found.reading.observation) if found.value is not None and found.reading else None


def _said(words: str, *observations: Observation) -> Basis:
    when = observations[0].effective
    date = f" (said on {when.text[:10]})" if when else ""
    return Basis((words + date,), (), tuple(Evidence.of_observation(o, words) for o in observations))


def _alcohol(person: Person) -> Outcome:
    found = _recent(person, "audit-c", "{score}")
    limit = AUDIT_C_POSITIVE.get(person.patient.sex or "", min(AUDIT_C_POSITIVE.values()))
    if found is None or found[0] < limit:
        return
    yield Draft(
        guideline="uspstf-alcohol-2018",
        action="start",
        target="alcohol-counselling",
        tier="prevention",
        order=15,
        text=f"Talk about alcohol: AUDIT-C is {found[0]:.0f} of 12, positive from {limit}. Offer brief counselling.",
        patient_text="You could live healthier with less alcohol. Ask your doctor to talk about it with you.",
        strength=Strength(Grade.RECOMMENDED, "grade B"),
        citation=cite("uspstf-alcohol-2018"),
        basis=_said(f"AUDIT-C {found[0]:.0f}", found[1]),
        changes_if=f"a later AUDIT-C is below {limit}",
    )


def _activity(person: Person) -> Outcome:
    days, minutes = _recent(person, "activity-days", "d/wk"), _recent(person, "activity-minutes", "min/d")
    if days is None or (minutes is None and days[0] > 0):
        return
    weekly = days[0] * (minutes[0] if minutes else 0)
    if weekly >= ACTIVE_MINUTES:
        return
    told = (days[1], minutes[1]) if minutes else (days[1],)
    yield Draft(
        guideline="who-activity-2020",
        action="start",
        target="physical-activity",
        tier="prevention",
        order=16,
        text=f"{weekly:.0f} minutes of activity a week were stated: advise towards {ACTIVE_MINUTES}, as health allows.",
        patient_text=(
            "Moving more is good for your heart. A brisk walk counts. Ask your doctor how much is right for you."
        ),
        strength=Strength(Grade.RECOMMENDED),
        citation=cite("who-activity-2020"),
        basis=_said(f"{weekly:.0f} minutes of activity a week", *told),
        changes_if=f"{ACTIVE_MINUTES} minutes a week or more are stated",
    )


def _food(person: Person) -> Outcome:
    found = _recent(person, "fruit-vegetable-portions", "/d")
    if found is None or found[0] >= PORTIONS:
        return
    yield Draft(
        guideline="who-diet",
        action="start",
        target="fruit-and-vegetables",
        tier="prevention",
        order=17,
        text=f"{found[0]:.0f} portions of fruit and vegetables a day were stated: advise towards {PORTIONS}.",
        patient_text="Try to eat some more fruit and vegetables each day. Five handfuls a day is a good aim.",
        strength=Strength(Grade.RECOMMENDED),
        citation=cite("who-diet"),
        basis=_said(f"{found[0]:.0f} portions a day", found[1]),
        changes_if=f"{PORTIONS} portions a day or more are stated",
    )


def _goal(person: Person) -> Outcome:
    """The newest goal in the person's own words: for the professional to speak about, never judged."""
    told = [
        (event, str(answer["valueString"]))
        for event in person.chart.events("QuestionnaireResponse")
        if str(event.body.get("questionnaire", "")).partition("|")[0] == OWN
        and event.status in ("completed", "amended")
        and event.period is not None
        and event.period.start >= person.now - VALID
        for item in dicts(event.body.get("item"))
        if item.get("linkId") == "goal"
        for answer in dicts(item.get("answer"))
        if answer.get("valueString")
    ]
    if not told:
        return
    event, words = told[-1]
    yield Draft(
        guideline="own-goal",
        action="review",
        target="own-goal",
        tier="prevention",
        order=1,
        text=f"The person's own goal: “{words}”. Speak about what in this plan serves it.",
        patient_text=f"Your own goal: “{words}”. Tell your doctor if it changes.",
        strength=Strength(Grade.WISH),
        citation="the person's own words",
        basis=Basis(("stated in the questionnaire",), (), (Evidence(event.source, {}, digest=event.source.digest),)),
        changes_if="another goal is stated",
    )
