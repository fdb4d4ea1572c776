"""Blood pressure at home: treatment above the threshold, none on clinic values that home values contradict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from salus.careplan.draft import (
    Basis,
    Draft,
    Outcome,
    cite,
    of_answer,
    of_finding,
    of_medicine,
    of_statement,
    said,
    total,
)
from salus.careplan.guidelines.common import BRAIN, CORONARY_EVENT, OTHER_VESSELS, event, number, positive, value_of
from salus.findings.model import Evidence, Finding
from salus.findings.strength import Grade, Strength
from salus.person.measurements import Reading, label
from salus.person.medicines import Medicine
from salus.person.person import Person
from salus.person.pressure import IMPOSSIBLE_PAIR, impossible, together

CLINIC_SETTINGS = (None, "clinic", "office")
"""Readings from home have rules of their own."""
HIGH_RISK = (130.0, 80.0)
"""Home threshold where risk is high (2025 AHA/ACC)."""
NICE = (135.0, 85.0)
CLINIC = (140.0, 90.0)
SEVERE = (180.0, 120.0)
"""Pressure that NICE NG136 has looked at the same day or within a week."""
SEVERE_IN_PREGNANCY = (160.0, 110.0)
SEVERE_DAYS = 90
"""How old such a value may be to count as unsettled; salus's own choice, as for home averages."""
PREVENT_LIMIT = 7.5
LOWERING = ("ace-inhibitor", "arb", "renin-inhibitor", "beta-blocker", "calcium-channel-blocker", "thiazide", "mra")


@dataclass(frozen=True, slots=True)
class Clinic:
    """A systolic and a diastolic pressure (mm[Hg]) of one moment."""

    upper: Reading
    lower: Reading

    @property
    def systolic(self) -> float:
        """The upper value."""
        return float(self.upper.value or 0)

    @property
    def diastolic(self) -> float:
        """The lower value."""
        return float(self.lower.value or 0)

    @property
    def words(self) -> str:
        """Both for a sentence."""
        return f"{self.systolic:.0f}/{self.diastolic:.0f} mmHg"

    def reaches(self, limit: tuple[float, float]) -> bool:
        """Whether either value is at or above its limit."""
        return self.systolic >= limit[0] or self.diastolic >= limit[1]

    def basis(self, words: str) -> Basis:
        """Both as a reason."""
        places = [(self.upper.observation, "systolic-bp"), (self.lower.observation, "diastolic-bp")]
        if self.upper.observation == self.lower.observation:
            places = places[:1]
        return Basis((words,), (), tuple(Evidence.of_observation(o, "clinic blood pressure", c) for o, c in places))


def propose(person: Person) -> Outcome:
    """Raise treatment, leave it, or measure at home first. In pregnancy other limits hold."""
    wrong = tuple(_reversed(person))
    yield from wrong
    if person.pregnancy.state == "present":
        yield from _expecting(person)
        return
    average = person.one("home-bp-average")
    mean = _mean(average) if average is not None else None
    severe = _severe(person, average, mean)
    if severe is not None:
        yield severe
    if mean is None and severe is not None:
        return  # a week of measurements at home would be waiting
    if average is not None and mean is not None:
        yield from _home(person, average, mean)
    elif not wrong or _clinic(person) is not None:
        yield from _clinic_only(person)


def _expecting(person: Person) -> Outcome:
    """160/110 mmHg or more in pregnancy is an emergency; what is lower belongs to antenatal care."""
    basis = _reaching(person, SEVERE_IN_PREGNANCY)
    if not basis.words:
        return
    yield Draft(
        guideline="acog-767",
        action="refer",
        target="severe-blood-pressure",
        tier="urgent",
        order=1,
        text="Blood pressure of 160/110 mmHg or more in pregnancy: have it measured again and treated today, in a "
        "maternity unit; what lasts 15 minutes is to be treated within 30 to 60 minutes. Look for pre-eclampsia.",
        patient_text=(
            "Your blood pressure is very high for a pregnancy. Please call your midwife or maternity unit now. If you "
            "have a bad headache, see spots or have pain under the ribs, call for help at once."
        ),
        strength=Strength(Grade.STRONG),
        citation=cite("acog-767"),
        basis=basis + of_answer(person.pregnancy),
        changes_if="the pressure measured again is below 160/110 mmHg",
        window="today",
    )


def _home(person: Person, average: Finding, mean: tuple[float, float]) -> Outcome:
    systolic, diastolic = mean
    risk = _risk(person)
    limit = HIGH_RISK if risk is not None else NICE
    if systolic >= limit[0] or diastolic >= limit[1]:
        yield _treat(person, average, risk, limit)
        return
    if systolic >= HIGH_RISK[0] or diastolic >= HIGH_RISK[1]:
        yield _between(average)
        return
    clinic = _clinic(person)
    if clinic and clinic.reaches(CLINIC):
        yield _white_coat(average, clinic, "Do not step up" if _lowering(person) else "Do not begin")


def _severe(person: Person, average: Finding | None, mean: tuple[float, float] | None) -> Draft | None:
    """A pressure of 180/120 or more, at home on average or at the newest clinic reading, is nothing that can wait."""
    basis = Basis()
    if average is not None and mean is not None and (mean[0] >= SEVERE[0] or mean[1] >= SEVERE[1]):
        basis += of_finding(average)
    basis += _reaching(person, SEVERE)
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
        strength=Strength(Grade.RECOMMENDED),
        citation=cite("nice-ng136", "blood-pressure-2025"),
        basis=basis,
        changes_if="the pressure measured again is below 180/120 mmHg",
        window="today",
    )


def _reaching(person: Person, limit: tuple[float, float]) -> Basis:
    """The newest pressure of the clinic where it reaches ``limit``, or a later single value that does."""
    clinic = _clinic(person)
    basis = Basis()
    if clinic and clinic.reaches(limit) and person.within(clinic.upper.span, SEVERE_DAYS) is not False:
        basis += clinic.basis(f"clinic {clinic.words} on {clinic.upper.day}")
    for name, last, bound in zip(_PARTS, _alone(person), limit, strict=True):
        if last is None or last.value is None or float(last.value) < bound:
            continue
        later = clinic is None or last.span.start > clinic.upper.span.start
        if later and person.within(last.span, SEVERE_DAYS) is not False:
            words = f"{label(name)} {last.value:.0f} mmHg on {last.day}, without the other value"
            basis += Basis((words,), (), (Evidence.of_observation(last.observation, "clinic blood pressure", name),))
    return basis


_PARTS = ("systolic-bp", "diastolic-bp")


def _alone(person: Person) -> list[Reading | None]:
    """The newest systolic and the newest diastolic value of the clinic, where no other value stands beside it."""
    uppers, lowers = (person.readings(name, "mm[Hg]", settings=CLINIC_SETTINGS) for name in _PARTS)
    single = (
        [r for r in uppers if not any(together(r, other) for other in lowers)],
        [r for r in lowers if not any(together(other, r) for other in uppers)],
    )
    return [next((r for r in reversed(found) if r.value is not None), None) for found in single]


def _mean(average: Finding) -> tuple[float, float] | None:
    parts = (average.details.get(name) for name in ("systolic", "diastolic"))
    values = [number(part.get("mean")) if isinstance(part, Mapping) else None for part in parts]
    return (values[0], values[1]) if values[0] is not None and values[1] is not None else None


def _risk(person: Person) -> Basis | None:
    """Why the lower threshold holds: vessel disease, kidney disease, diabetes or a high predicted risk."""
    vessels = event(person, (*CORONARY_EVENT, *BRAIN, *OTHER_VESSELS))
    parts = [vessels.basis] if vessels else []
    stage = person.one("ckd-stage")
    if stage is not None and stage.details.get("persistent_days"):
        parts.append(of_finding(stage))
    diabetes = person.about("diabetes")
    if diabetes.positive:
        parts.append(total(of_statement(s) for s in positive(diabetes)))
    predicted = person.one("prevent-cvd-10y")
    if predicted is not None and (value_of(predicted) or 0) >= PREVENT_LIMIT:
        parts.append(of_finding(predicted))
    return total(parts) if parts else None


def _lowering(person: Person) -> tuple[Medicine, ...]:
    return person.taking(*LOWERING)


def _treat(person: Person, average: Finding, risk: Basis | None, limit: tuple[float, float]) -> Draft:
    taken = _lowering(person)
    stage = person.one("ckd-stage")
    albumin = stage is not None and stage.details.get("albuminuria_category") in ("A2", "A3")
    ras = any(person.taking(name) for name in ("ace-inhibitor", "arb"))
    first = ", first by the ACE inhibitor or ARB that the kidneys need" if albumin and not ras else ""
    known = bool(taken) or person.surely_without(*LOWERING)
    verb = "Step up" if taken else "Start" if known else "Find out which medicines are taken, and settle"
    trend = person.one("home-bp-trend")
    rising = of_finding(trend) if trend is not None and trend.details.get("direction") == "rising" else Basis()
    clinic = _clinic(person)
    hidden = _masked(clinic) if clinic else Basis()
    source = ("blood-pressure-2025",) if risk is not None else ("nice-ng136",)
    goal = " towards below 130/80 mmHg" if risk is not None else ""
    uncertain = average.details.get("verdict") == "uncertain"
    again = " The average lies near the threshold: repeat the week of measurements first." if uncertain else ""
    pain = tuple(m for m in person.taking("nsaid"))
    again += f" {pain[0].ingredient.capitalize()} can raise blood pressure: settle it too." if pain else ""
    return Draft(
        guideline="aha-acc-blood-pressure-2025" if risk is not None else "nice-ng136",
        action="change" if taken else "start" if known else "review",
        target="blood-pressure-treatment",
        begins="Treatment of blood pressure",
        offers=LOWERING,
        swaps=True,
        tier="disease-control",
        order=5,
        text=f"{verb} blood pressure treatment{goal}{first}: the home average is {limit[0]:.0f}/{limit[1]:.0f} mmHg or "
        f"more.{again}",
        patient_text=(
            "Your blood pressure at home is too high. Please show your numbers to your doctor at your next visit and "
            "ask about your treatment. Keep taking your medicines and keep measuring."
        ),
        strength=Strength(Grade.RECOMMENDED),
        citation=cite(*source, *(("nsaid-pressure",) if pain else ())),
        basis=of_finding(average) + rising + hidden + (risk or Basis()) + total(map(of_medicine, (*taken, *pain))),
        changes_if="another week of home measurements averages below the threshold",
        window="within 4 weeks",
    )


def _masked(clinic: Clinic) -> Basis:
    if clinic.reaches(CLINIC):
        return Basis()
    return clinic.basis(f"the clinic value of {clinic.upper.day} ({clinic.words}) does not show it")


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
        strength=Strength(Grade.RECOMMENDED),
        citation=cite("blood-pressure-2025", "nice-ng136"),
        basis=of_finding(average) + said("no disease and no predicted risk asks for the lower threshold"),
        changes_if="heart, vessel or kidney disease, diabetes or a PREVENT risk of 7.5 % or more is found, or a later "
        "week at home averages 135/85 mmHg or more",
        window="in 3 to 6 months",
    )


def _white_coat(average: Finding, clinic: Clinic, verb: str) -> Draft:
    seen = clinic.basis(f"clinic {clinic.words} on {clinic.upper.day}")
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
        strength=Strength(Grade.RECOMMENDED),
        citation=cite("nice-ng136", "blood-pressure-2025"),
        basis=of_finding(average) + seen,
        changes_if="a later week at home averages 135/85 mmHg or more",
        window="in a year",
    )


def _newest(person: Person, wanted: Callable[[Clinic], bool]) -> Clinic | None:
    """The newest wanted pressure of the clinic: of a panel, or of two observations of one moment."""
    readings = [person.readings(name, "mm[Hg]", settings=CLINIC_SETTINGS) for name in _PARTS]
    every = [
        Clinic(upper, lower)
        for upper in readings[0]
        for lower in readings[1]
        if upper.value is not None and lower.value is not None and together(upper, lower)
    ]
    pairs = [pair for pair in every if wanted(pair)]
    return max(pairs, key=lambda pair: (pair.upper.span.start, pair.upper.observation.source.ref), default=None)


def _clinic(person: Person) -> Clinic | None:
    """The newest pressure of the clinic that can be one."""
    return _newest(person, lambda pair: not impossible(pair.upper, pair.lower))


def _reversed(person: Person) -> Outcome:
    """A pair that cannot be a pressure is named and measured again; nothing rests on it."""
    wrong = _newest(person, lambda pair: impossible(pair.upper, pair.lower))
    if wrong is None or person.within(wrong.upper.span, SEVERE_DAYS) is False:
        return
    words = f"a blood pressure of {wrong.upper.day} cannot be right: {IMPOSSIBLE_PAIR}"
    yield Draft(
        guideline="salus-blood-pressure",
        action="measure",
        target="blood-pressure",
        tier="missing-data",
        order=15,
        text=f"Measure blood pressure again: that of {wrong.upper.day} is not used, since {IMPOSSIBLE_PAIR}.",
        patient_text="One of your blood pressure values was written down wrongly. Please have it measured again.",
        strength=Strength(Grade.NEEDED_INPUT),
        citation="rule of salus: what cannot be right is measured again and decides nothing",
        basis=wrong.basis(words),
        changes_if="the entry is corrected",
    )


def _clinic_only(person: Person) -> Outcome:
    clinic = _clinic(person)
    if clinic is None:
        asked = person.newest("systolic-bp", "mm[Hg]", settings=CLINIC_SETTINGS)
        unread = asked.recorded and asked.value is None
        reason = said(asked.problem if unread else "no blood pressure is recorded")
    elif clinic.reaches(HIGH_RISK):
        reason = clinic.basis(f"clinic {clinic.words} on {clinic.upper.day}, and no usable average at home")
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
        strength=Strength(Grade.RECOMMENDED),
        citation=cite("nice-ng136", "blood-pressure-2025"),
        basis=reason,
        changes_if="a week of home measurements is recorded",
    )
