"""How a person lives, from answers to a questionnaire: alcohol, movement, food, and the person's own goal."""

from __future__ import annotations

from datetime import timedelta

from salus.careplan.draft import Basis, Draft, Outcome, cite
from salus.careplan.facts import Facts
from salus.fhir.views import Observation, dicts
from salus.findings.model import Evidence

AUDIT_C_POSITIVE = {"male": 4, "female": 3}
"""Bush 1998, Bradley 2003. For a sex not recorded as either, the lower one."""
ACTIVE_MINUTES = 150
PORTIONS = 5
OWN = "urn:salus:questionnaire:lifestyle"
VALID = timedelta(days=730)
"""How long an answer counts. Set by salus."""


def propose(facts: Facts) -> Outcome:
    """Proposals from answers of the last two years, for adults."""
    if not facts.adult:
        return
    yield from _alcohol(facts)
    yield from _activity(facts)
    yield from _food(facts)
    yield from _goal(facts)


def _recent(facts: Facts, concept: str, unit: str) -> tuple[float, Observation] | None:
    found = facts.latest(concept, unit)
    if found is None or found[1].effective is None or found[1].effective.start < facts.now - VALID:
        return None
    return found


def _said(words: str, *observations: Observation) -> Basis:
    when = observations[0].effective
    date = f" (said on {when.text[:10]})" if when else ""
    return Basis((words + date,), (), tuple(Evidence.of_observation(o, words) for o in observations))


def _alcohol(facts: Facts) -> Outcome:
    found = _recent(facts, "audit-c", "{score}")
    limit = AUDIT_C_POSITIVE.get(facts.patient.sex or "", min(AUDIT_C_POSITIVE.values()))
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
        strength="recommended (grade B)",
        citation=cite("uspstf-alcohol-2018"),
        basis=_said(f"AUDIT-C {found[0]:.0f}", found[1]),
        changes_if=f"a later AUDIT-C is below {limit}",
    )


def _activity(facts: Facts) -> Outcome:
    days, minutes = _recent(facts, "activity-days", "d/wk"), _recent(facts, "activity-minutes", "min/d")
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
        strength="recommended",
        citation=cite("who-activity-2020"),
        basis=_said(f"{weekly:.0f} minutes of activity a week", *told),
        changes_if=f"{ACTIVE_MINUTES} minutes a week or more are stated",
    )


def _food(facts: Facts) -> Outcome:
    found = _recent(facts, "fruit-vegetable-portions", "/d")
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
        strength="recommended",
        citation=cite("who-diet"),
        basis=_said(f"{found[0]:.0f} portions a day", found[1]),
        changes_if=f"{PORTIONS} portions a day or more are stated",
    )


def _goal(facts: Facts) -> Outcome:
    """The newest goal in the person's own words: for the professional to speak about, never judged."""
    told = [
        (event, str(answer["valueString"]))
        for event in facts.chart.events("QuestionnaireResponse")
        if str(event.body.get("questionnaire", "")).partition("|")[0] == OWN
        and event.status in ("completed", "amended")
        and event.period is not None
        and event.period.start >= facts.now - VALID
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
        strength="the person's wish",
        citation="the person's own words",
        basis=Basis(("stated in the questionnaire",), (), (Evidence(event.source, {}, digest=event.source.digest),)),
        changes_if="another goal is stated",
    )
