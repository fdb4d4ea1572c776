"""What cannot wait: high potassium, a sudden fall of kidney function, medicines that harm an unborn child."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from salus.careplan.draft import (
    Basis,
    Draft,
    Outcome,
    cite,
    of_answer,
    of_medicine,
    total,
)
from salus.careplan.guidelines.common import FERTILE, joined
from salus.errors import UnitError
from salus.fhir.quantity import Quantity
from salus.findings.model import Evidence
from salus.findings.strength import Grade, Strength
from salus.person.measurements import Reading, label
from salus.person.medicines import Medicine
from salus.person.person import Person
from salus.terminology import units

RAISE_POTASSIUM = (
    "ace-inhibitor",
    "arb",
    "renin-inhibitor",
    "mra",
    "potassium-sparing-diuretic",
    "potassium-supplement",
    "trimethoprim",
    "nsaid",
)
MODERATE_POTASSIUM, SEVERE_POTASSIUM = Decimal("6.0"), Decimal("6.5")
"""mmol/L (UK Kidney Association 2023)."""
LOW_POTASSIUM, VERY_LOW_POTASSIUM = Decimal("3.0"), Decimal("2.5")
"""mmol/L (source "hypokalaemia")."""
GLUCOSE, LOW_GLUCOSE = ("glucose", "glucose-fasting"), Decimal(54)
"""mg/dL below which hypoglycaemia is of level 2 (American Diabetes Association)."""
LOWER_GLUCOSE = ("insulin", "sulfonylurea", "glinide")
"""Classes that bring on hypoglycaemia by themselves."""
ACUTE = timedelta(days=14)
"""How old a result may be to ask for action today. salus's own choice."""
BASELINE = timedelta(days=365)
"""How far back the baseline of creatinine may lie (NHS England's algorithm takes the median of 8 to 365 days)."""
WEEK = timedelta(days=7)
RISE, TWICE, SEVERE_RISE = Decimal("1.5"), Decimal(2), Decimal(3)
"""Times the baseline: stages 1, 2 and 3 of acute kidney injury (KDIGO 2012)."""
HOLD = (
    "ace-inhibitor",
    "arb",
    "renin-inhibitor",
    "mra",
    "nsaid",
    "biguanide",
    "sglt2-inhibitor",
    "loop-diuretic",
    "thiazide",
)
HARMFUL = ("ace-inhibitor", "arb", "renin-inhibitor")


def propose(person: Person) -> Outcome:
    """Items for today."""
    yield from _potassium(person)
    yield from _glucose(person)
    yield from _kidney_injury(person)
    yield from _unborn(person)


def _potassium(person: Person) -> Outcome:
    found = _now(person, "potassium", "mmol/L")
    if found is None:
        return
    if found.value is None:
        yield _look(found, "potassium")
    elif found.value >= MODERATE_POTASSIUM:
        yield _high_potassium(person, found)
    elif found.value < LOW_POTASSIUM and found.bound != AT_LEAST:
        yield _low_potassium(found)


@dataclass(frozen=True, slots=True)
class Now:
    """A result of the last two weeks. ``value`` is None where it cannot be read, or two of one moment differ."""

    value: Decimal | None
    bound: str
    problem: str
    reading: Reading
    unit: str

    @property
    def shown(self) -> str:
        """The value with its bound, for a sentence."""
        return f"{self.bound}{self.value:.1f} {self.unit}"

    def basis(self, name: str) -> Basis:
        """It as a reason."""
        told = self.shown if self.value is not None else f"that cannot be read ({self.problem})"
        place = Evidence.of_observation(self.reading.observation, name, name)
        return Basis((f"{name} {told} on {self.reading.day}",), (), (place,))


AT_LEAST, AT_MOST = "above ", "below "
_BOUNDS = {">": AT_LEAST, ">=": AT_LEAST, "<": AT_MOST, "<=": AT_MOST}


def _now(person: Person, concept: str, unit: str) -> Now | None:
    """The newest result if it is of the last two weeks: also where it is only a bound, or cannot be read.

    A result that nobody understands and that may be a newer one takes nothing from what this one asks for today.
    """
    found = person.newest(concept, unit, within=ACUTE)
    last = found.reading
    if last is None or last.span.end < person.now - ACUTE or _never_made(last):
        return None  # of a month only, it may be of yesterday
    bound = _BOUNDS.get((last.quantity.comparator or "") if last.quantity else "", "")
    value = _bounded(last, unit, concept) if bound else last.value
    if found.differing:
        value = None
    return Now(value, bound, last.problem or found.problem, last, unit)


def _never_made(reading: Reading) -> bool:
    """Whether the source itself says that there is no result, and why."""
    return reading.quantity is None and "dataAbsentReason" in reading.observation.body


def _bounded(reading: Reading, unit: str, concept: str) -> Decimal | None:
    """The number of a bound in the wanted unit."""
    told = reading.quantity
    if told is None:
        return None
    try:
        return units.convert(Quantity(told.value, told.unit), unit, concept).value
    except UnitError:
        return None


def _look(found: Now, name: str) -> Draft:
    """A recent result that cannot be read may be the alarm: somebody looks at it today."""
    return Draft(
        guideline="salus-unread-result",
        action="review",
        target=f"unread-{name}",
        tier="urgent",
        order=6,
        text=f"Look at the {name} result of {found.reading.day} today: it is recorded but cannot be read "
        f"({found.problem}), and whether it is dangerous is not known.",
        patient_text="One of your recent blood results could not be read. Please ask your doctor's office about it "
        "today.",
        strength=Strength(Grade.NEEDED_INPUT),
        citation="rule of salus: a recent result that may be dangerous and cannot be read is looked at today",
        basis=found.basis(name),
        changes_if="the result is read, or measured again",
        window="today",
    )


def _high_potassium(person: Person, found: Now) -> Draft:
    raising = person.taking(*RAISE_POTASSIUM)
    severe = found.value is not None and found.value >= SEVERE_POTASSIUM
    names = joined((m.ingredient for m in raising), "and")
    held = f" Decide today whether {names} {'is' if len(raising) == 1 else 'are'} held." if raising else ""
    where = (
        "emergency treatment in hospital"
        if severe
        else "a 12-lead ECG and a repeated test today, in hospital if unwell"
    )
    return Draft(
        guideline="ukka-hyperkalaemia-2023",
        action="refer",
        target="hyperkalaemia",
        tier="urgent",
        order=2,
        text=f"Potassium {found.shown}: {where}; look for acute kidney injury.{held}",
        patient_text=(
            "A salt in your blood (potassium) is too high, which can harm the heart. Please call your doctor's office "
            "today. If you feel weak or your heart stumbles, call for help at once."
        ),
        strength=Strength(Grade.STRONG),
        citation=cite("ukka-hyperkalaemia-2023", *(("potassium-raising",) if raising else ())),
        basis=found.basis("potassium") + total(map(of_medicine, raising)),
        changes_if="a repeated potassium is below 6.0 mmol/L",
        window="today",
    )


def _low_potassium(found: Now) -> Draft:
    severe = found.value is not None and found.value < VERY_LOW_POTASSIUM
    where = "urgent treatment in hospital" if severe else "a 12-lead ECG and treatment today, in hospital if unwell"
    return Draft(
        guideline="hypokalaemia",
        action="refer",
        target="hypokalaemia",
        tier="urgent",
        order=2,
        text=f"Potassium {found.shown}: {where}; measure magnesium and look for the cause, medicines among them.",
        patient_text=(
            "A salt in your blood (potassium) is too low, which can harm the heart. Please call your doctor's office "
            "today. If you feel weak or your heart stumbles, call for help at once."
        ),
        strength=Strength(Grade.RECOMMENDED),
        citation=cite("hypokalaemia"),
        basis=found.basis("potassium"),
        changes_if="a repeated potassium is 3.0 mmol/L or more",
        window="today",
    )


def _glucose(person: Person) -> Outcome:
    """A glucose below 54 mg/dL of the last two weeks; one that cannot be read is only asked for where it may matter."""
    for concept in GLUCOSE:
        found = _now(person, concept, "mg/dL")
        if found is None:
            continue
        lowering = person.taking(*LOWER_GLUCOSE)
        if found.value is None and lowering:
            yield _look(found, label(concept))
        elif found.value is not None and found.value < LOW_GLUCOSE and found.bound != AT_LEAST:
            yield _low_glucose(found, concept, lowering)


def _low_glucose(found: Now, concept: str, lowering: tuple[Medicine, ...]) -> Draft:
    names = joined((m.ingredient for m in lowering), "and")
    dose = f" Review {names} today." if names else " No medicine that lowers glucose is known: look for the cause."
    return Draft(
        guideline="ada-hypoglycaemia",
        action="refer",
        target="hypoglycaemia",
        tier="urgent",
        order=2,
        text=f"Glucose {found.value:.0f} mg/dL on {found.reading.day}: hypoglycaemia that asks for immediate action "
        f"(level 2). Reach the person today, and measure again.{dose}",
        patient_text="Your blood sugar was very low. If you feel shaky, sweaty or confused, take sugar now and call "
        "for help. Please call your doctor's office today.",
        strength=Strength(Grade.STRONG),
        citation=cite("ada-hypoglycaemia"),
        basis=found.basis(label(concept)) + total(map(of_medicine, lowering)),
        changes_if="a repeated glucose is 70 mg/dL or more and the cause is settled",
        window="today",
    )


def _kidney_injury(person: Person) -> Outcome:
    """A creatinine of 1.5 times the baseline or more: within a week it is acute, over longer it may be."""
    readings = [r for r in person.readings("creatinine", "mg/dL") if r.value is not None]
    if not readings or readings[-1].span.start < person.now - ACUTE or person.about("dialysis").positive:
        return
    newest = readings[-1]
    baseline = _baseline(newest, readings[:-1])
    if baseline is None:
        return
    ratio = (newest.value or Decimal(0)) / (baseline.value or Decimal(1))
    if ratio < RISE:
        return
    stage = "3" if ratio >= SEVERE_RISE else "2" if ratio >= TWICE else "1"
    taken = person.taking(*HOLD)
    names = joined((m.ingredient for m in taken), "and")
    held = f" Decide today whether {names} {'is' if len(taken) == 1 else 'are'} held." if taken else ""
    yield Draft(
        guideline="kdigo-2012-aki",
        action="refer",
        target="acute-kidney-injury",
        tier="urgent",
        order=3,
        text=f"Creatinine rose to {ratio:.1f} times the value of {baseline.day}: acute kidney injury (KDIGO stage "
        f"{stage} if it rose within 7 days) until shown otherwise. Assess the person today: cause, fluids, "
        f"obstruction.{held}",
        patient_text=(
            "Your kidney value has become much worse. Please call your doctor's office today and ask which of your "
            "medicines to take until you are seen."
        ),
        strength=Strength(Grade.STRONG),
        citation=cite("kdigo-2012-aki"),
        basis=_of_readings(newest, baseline) + total(map(of_medicine, taken)),
        changes_if="a repeated creatinine is back near the earlier value",
        window="today",
    )


def _baseline(newest: Reading, earlier: Sequence[Reading]) -> Reading | None:
    """The lowest value of the week before, else the middle one (the lower of two) of the year before."""
    start = newest.span.start
    week = [r for r in earlier if start - WEEK <= r.span.start < start]
    year = [r for r in earlier if start - BASELINE <= r.span.start < start]
    if week:
        return min(week, key=_value)
    return sorted(year, key=_value)[(len(year) - 1) // 2] if year else None


def _value(reading: Reading) -> Decimal:
    return reading.value or Decimal(0)


def _of_readings(*readings: Reading) -> Basis:
    words = tuple(f"creatinine {_value(r):.2f} mg/dL on {r.day}" for r in readings)
    return Basis(words, (), tuple(Evidence.of_observation(r.observation, "creatinine") for r in readings))


def _unborn(person: Person) -> Outcome:
    """Medicines that harm an unborn child are settled today; whether there is one, where that is in doubt."""
    if person.pregnancy.state == "possible":
        yield from _perhaps(person)
    if person.pregnancy.state != "present":
        return
    for medicine in person.taking(*HARMFUL):
        yield _replace(person, medicine, "lisinopril-label", Strength(Grade.STRONG, "boxed warning"), "today")
    for medicine in person.taking("statin"):
        yield _replace(person, medicine, "statin-pregnancy-fda-2021", Strength(Grade.RECOMMENDED), "within days")


def _perhaps(person: Person) -> Outcome:
    """A pregnancy that is named in passing, cannot be read or contradicts the record is settled first."""
    taken = person.taking(*HARMFUL)
    if taken and (person.age is None or person.age < FERTILE):
        names = joined((m.ingredient for m in taken), "and")
        yield Draft(
            guideline="pregnancy-ras",
            action="review",
            target="pregnancy",
            tier="urgent",
            order=4,
            text=f"Find out today whether there is a pregnancy: the record leaves it open, and {names} can harm an "
            "unborn child.",
            patient_text=f"Could you be pregnant? Please call your doctor's office today, since you take {names}.",
            strength=Strength(Grade.STRONG),
            citation=cite("lisinopril-label"),
            basis=of_answer(person.pregnancy) + total(map(of_medicine, taken)),
            changes_if="it is recorded whether there is a pregnancy",
            window="today",
        )


def _replace(person: Person, medicine: Medicine, source: str, strength: Strength, window: str) -> Draft:
    urgent = window == "today"
    advice = (
        "it can injure or kill the unborn child: replace it today by a medicine that is safe in pregnancy"
        if urgent
        else "it is not for most pregnancies: settle whether it is stopped until after breast-feeding"
    )
    return Draft(
        guideline=f"pregnancy-{'ras' if urgent else 'statin'}",
        action="avoid",
        target=medicine.ingredient,
        tier="urgent" if urgent else "medicines",
        order=4,
        text=f"{medicine.ingredient.capitalize()} in pregnancy: {advice}.",
        patient_text=(
            f"{medicine.ingredient.capitalize()} may not be right in pregnancy. Please call your doctor's office "
            f"{'today' if urgent else 'this week'} and ask what to take instead."
        ),
        strength=strength,
        citation=cite(source),
        basis=of_medicine(medicine) + of_answer(person.pregnancy),
        changes_if="there is no pregnancy, or the medicine is no longer taken",
        window=window,
        topic=f"medicine:{medicine.ingredient}",
    )
