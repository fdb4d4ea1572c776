"""Blood pressure at home: treatment above the threshold, none on clinic values that home values contradict."""

from __future__ import annotations

from collections.abc import Mapping

from salus.careplan.draft import Basis, Draft, Outcome, cite, of_finding, of_medicine, of_statement, said, total
from salus.careplan.facts import Facts
from salus.careplan.guidelines.common import BRAIN, CORONARY_EVENT, OTHER_VESSELS, event, number, positive, value_of
from salus.careplan.medicines import Medicine
from salus.fhir.quantity import Quantity
from salus.fhir.views import Observation
from salus.findings.model import Evidence, Finding

HIGH_RISK = (130.0, 80.0)
"""Home threshold where risk is high (2025 AHA/ACC)."""
NICE = (135.0, 85.0)
CLINIC = (140.0, 90.0)
SEVERE = (180.0, 120.0)
"""Pressure that NICE NG136 has looked at the same day or within a week."""
SEVERE_DAYS = 90
"""How old such a value may be to count as unsettled; salus's own choice, as for home averages."""
PREVENT_LIMIT = 7.5
LOWERING = ("ace-inhibitor", "arb", "renin-inhibitor", "beta-blocker", "calcium-channel-blocker", "thiazide", "mra")


def propose(facts: Facts) -> Outcome:
    """Raise treatment, leave it, or measure at home first."""
    average = facts.one("home-bp-average")
    mean = _mean(average) if average is not None else None
    severe = _severe(facts, average, mean)
    if severe is not None:
        yield severe
    if mean is None and severe is not None:
        return  # a week of measurements at home would be waiting
    if average is not None and mean is not None:
        yield from _home(facts, average, mean)
    else:
        yield from _clinic_only(facts)


def _home(facts: Facts, average: Finding, mean: tuple[float, float]) -> Outcome:
    systolic, diastolic = mean
    risk = _risk(facts)
    limit = HIGH_RISK if risk is not None else NICE
    if systolic >= limit[0] or diastolic >= limit[1]:
        yield _treat(facts, average, risk, limit)
        return
    if systolic >= HIGH_RISK[0] or diastolic >= HIGH_RISK[1]:
        yield _between(average)
        return
    clinic = _clinic(facts)
    if clinic and (clinic[0] >= CLINIC[0] or clinic[1] >= CLINIC[1]):
        yield _white_coat(average, clinic, "Do not step up" if _lowering(facts) else "Do not begin")


def _severe(facts: Facts, average: Finding | None, mean: tuple[float, float] | None) -> Draft | None:
    """A pressure of 180/120 or more, at home on average or at the newest clinic reading, is nothing that can wait."""
    basis = Basis()
    if average is not None and mean is not None and (mean[0] >= SEVERE[0] or mean[1] >= SEVERE[1]):
        basis += of_finding(average)
    clinic = _clinic(facts)
    high = bool(clinic and (clinic[0] >= SEVERE[0] or clinic[1] >= SEVERE[1]))
    if clinic and high and facts.within(clinic[2].effective, SEVERE_DAYS) is not False:
        words = f"clinic {clinic[0]:.0f}/{clinic[1]:.0f} mmHg on {_day(clinic[2])}"
        basis += Basis((words,), (), (Evidence.of_observation(clinic[2], "clinic blood pressure", "systolic-bp"),))
    if not basis.words:
        return None
    return Draft(
        guideline="nice-ng136",
        action="review",
        target="severe-blood-pressure",
        tier="urgent",
        order=5,
        text="Blood pressure of 180/120 mmHg or more: see the person today. Same-day hospital assessment if there "
        "is new confusion, chest pain, heart failure, acute kidney injury, retinal haemorrhage or papilloedema; else "
        "look for organ damage now and measure again within 7 days.",
        patient_text=(
            "One of your blood pressure values was very high. Please call your doctor's office today. Keep taking "
            "your medicines. If you have chest pain, short breath, weakness or a bad headache, call for help at once."
        ),
        strength="recommended",
        citation=cite("nice-ng136", "blood-pressure-2025"),
        basis=basis,
        changes_if="the pressure measured again is below 180/120 mmHg",
        window="today",
    )


def _mean(average: Finding) -> tuple[float, float] | None:
    parts = (average.details.get(name) for name in ("systolic", "diastolic"))
    values = [number(part.get("mean")) if isinstance(part, Mapping) else None for part in parts]
    return (values[0], values[1]) if values[0] is not None and values[1] is not None else None


def _risk(facts: Facts) -> Basis | None:
    """Why the lower threshold holds: vessel disease, kidney disease, diabetes or a high predicted risk."""
    vessels = event(facts, (*CORONARY_EVENT, *BRAIN, *OTHER_VESSELS))
    parts = [vessels.basis] if vessels else []
    stage = facts.one("ckd-stage")
    if stage is not None and stage.details.get("persistent_days"):
        parts.append(of_finding(stage))
    diabetes = facts.about("diabetes")
    if diabetes.positive:
        parts.append(total(of_statement(s) for s in positive(diabetes)))
    predicted = facts.one("prevent-cvd-10y")
    if predicted is not None and (value_of(predicted) or 0) >= PREVENT_LIMIT:
        parts.append(of_finding(predicted))
    return total(parts) if parts else None


def _lowering(facts: Facts) -> tuple[Medicine, ...]:
    return tuple(m for m in facts.medicines if m.in_use and any(m.drug.is_a(name) for name in LOWERING))


def _treat(facts: Facts, average: Finding, risk: Basis | None, limit: tuple[float, float]) -> Draft:
    taken = _lowering(facts)
    stage = facts.one("ckd-stage")
    albumin = stage is not None and stage.details.get("albuminuria_category") in ("A2", "A3")
    ras = any(facts.taking(name) for name in ("ace-inhibitor", "arb"))
    first = ", first by the ACE inhibitor or ARB that the kidneys need" if albumin and not ras else ""
    known = bool(taken) or facts.list_known
    verb = "Step up" if taken else "Start" if known else "Find out which medicines are taken, then start or step up"
    trend = facts.one("home-bp-trend")
    rising = of_finding(trend) if trend is not None and trend.details.get("direction") == "rising" else Basis()
    clinic = _clinic(facts)
    hidden = _masked(clinic) if clinic else Basis()
    source = ("blood-pressure-2025",) if risk is not None else ("nice-ng136",)
    goal = " towards below 130/80 mmHg" if risk is not None else ""
    uncertain = average.details.get("verdict") == "uncertain"
    again = " The average lies near the threshold: repeat the week of measurements first." if uncertain else ""
    pain = tuple(m for m in facts.taking("nsaid"))
    again += f" {pain[0].ingredient.capitalize()} can raise blood pressure: settle it too." if pain else ""
    return Draft(
        guideline="aha-acc-blood-pressure-2025" if risk is not None else "nice-ng136",
        action="change" if taken else "start" if known else "review",
        target="blood-pressure-treatment",
        tier="disease-control",
        order=5,
        text=f"{verb} blood pressure treatment{goal}{first}: the home average is {limit[0]:.0f}/{limit[1]:.0f} mmHg or "
        f"more.{again}",
        patient_text=(
            "Your blood pressure at home is too high. Please show your numbers to your doctor at your next visit and "
            "ask about your treatment. Keep taking your medicines and keep measuring."
        ),
        strength="recommended",
        citation=cite(*source, *(("nsaid-pressure",) if pain else ())),
        basis=of_finding(average) + rising + hidden + (risk or Basis()) + total(map(of_medicine, (*taken, *pain))),
        changes_if="another week of home measurements averages below the threshold",
        window="within 4 weeks",
    )


def _masked(clinic: tuple[float, float, Observation]) -> Basis:
    if clinic[0] >= CLINIC[0] or clinic[1] >= CLINIC[1]:
        return Basis()
    words = f"the clinic value of {_day(clinic[2])} ({clinic[0]:.0f}/{clinic[1]:.0f} mmHg) does not show it"
    return Basis((words,), (), (Evidence.of_observation(clinic[2], "clinic blood pressure", "systolic-bp"),))


def _between(average: Finding) -> Draft:
    """At low risk medicine waits between the two thresholds: lifestyle first (2025), no diagnosis yet (NICE)."""
    return Draft(
        guideline="aha-acc-blood-pressure-2025",
        action="review",
        target="home-blood-pressure",
        tier="prevention",
        order=20,
        text="The average at home is 130/80 mmHg or more but below 135/85 mmHg: talk about salt, weight, alcohol and "
        "moving more, and measure at home again in 3 to 6 months.",
        patient_text=(
            "Your blood pressure at home is a little high. Less salt and more walks can help. Measure again at home in "
            "3 to 6 months, and ask your doctor what else helps."
        ),
        strength="recommended",
        citation=cite("blood-pressure-2025", "nice-ng136"),
        basis=of_finding(average) + said("no disease and no predicted risk asks for the lower threshold"),
        changes_if="heart, vessel or kidney disease, diabetes or a PREVENT risk of 7.5 % or more is found, or a later "
        "week at home averages 135/85 mmHg or more",
        window="in 3 to 6 months",
    )


def _white_coat(average: Finding, clinic: tuple[float, float, Observation], verb: str) -> Draft:
    words = f"clinic {clinic[0]:.0f}/{clinic[1]:.0f} mmHg on {_day(clinic[2])}"
    seen = Basis((words,), (), (Evidence.of_observation(clinic[2], "clinic blood pressure", "systolic-bp"),))
    return Draft(
        guideline="nice-ng136",
        action="continue",
        target="home-blood-pressure",
        tier="prevention",
        order=20,
        text=f"{verb} blood pressure treatment on the clinic value alone: the average at home is normal. Measure at "
        "home again in a year, or sooner if clinic values rise.",
        patient_text=(
            "Your blood pressure was high at the clinic but normal at home. That is good news. Measure at home again "
            "in a year, or when your doctor asks."
        ),
        strength="recommended",
        citation=cite("nice-ng136", "blood-pressure-2025"),
        basis=of_finding(average) + seen,
        changes_if="a later week at home averages 135/85 mmHg or more",
        window="in a year",
    )


def _clinic(facts: Facts) -> tuple[float, float, Observation] | None:
    """The newest clinic pressure with both values."""
    for observation in reversed(facts.chart.observations("blood-pressure")):
        if observation.setting == "home":
            continue
        systolic, diastolic = (observation.components.get(name) for name in ("systolic-bp", "diastolic-bp"))
        if isinstance(systolic, Quantity) and isinstance(diastolic, Quantity):
            units = {systolic.unit, diastolic.unit}
            if units <= {"mm[Hg]", "mmHg"}:
                return float(systolic.value), float(diastolic.value), observation
    return None


def _day(observation: Observation) -> str:
    return observation.effective.text[:10] if observation.effective else "an unknown day"


def _clinic_only(facts: Facts) -> Outcome:
    clinic = _clinic(facts)
    if clinic is None:
        reason = said("no blood pressure is recorded")
    elif clinic[0] >= HIGH_RISK[0] or clinic[1] >= HIGH_RISK[1]:
        words = f"clinic {clinic[0]:.0f}/{clinic[1]:.0f} mmHg on {_day(clinic[2])}, and no usable average at home"
        reason = Basis((words,), (), (Evidence.of_observation(clinic[2], "clinic blood pressure", "systolic-bp"),))
    else:
        return
    yield Draft(
        guideline="nice-ng136",
        action="measure",
        target="home-blood-pressure",
        tier="missing-data",
        order=20,
        text="Measure blood pressure at home for a week: two readings each morning and evening.",
        patient_text=(
            "Please measure your blood pressure at home for a week: two times in the morning and two times in the "
            "evening. Sit and rest first. Bring the numbers to your doctor."
        ),
        strength="recommended",
        citation=cite("nice-ng136", "blood-pressure-2025"),
        basis=reason,
        changes_if="a week of home measurements is recorded",
    )
