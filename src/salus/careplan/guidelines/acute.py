"""What cannot wait: high potassium, a sudden fall of kidney function, medicines that harm an unborn child."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from salus.careplan.draft import (
    Basis,
    Draft,
    Outcome,
    cite,
    of_answer,
    of_measured,
    of_medicine,
    total,
)
from salus.careplan.guidelines.common import joined
from salus.findings.model import Evidence
from salus.findings.strength import Grade, Strength
from salus.person.answer import day
from salus.person.measurements import Reading
from salus.person.medicines import Medicine
from salus.person.person import Person

RAISE_POTASSIUM = (
    "ace-inhibitor",
    "arb",
    "renin-inhibitor",
    "mra",
    "potassium-sparing-diuretic",
    "potassium-supplement",
)
MODERATE_POTASSIUM, SEVERE_POTASSIUM = 6.0, 6.5
"""mmol/L (UK Kidney Association 2023)."""
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
    yield from _kidney_injury(person)
    yield from _unborn(person)


def _potassium(person: Person) -> Outcome:
    found = person.newest("potassium", "mmol/L", within=ACUTE)
    if found.value is None or found.value < MODERATE_POTASSIUM:
        return
    raising = person.taking(*RAISE_POTASSIUM)
    severe = found.value >= SEVERE_POTASSIUM
    names = joined((m.ingredient for m in raising), "and")
    held = f" Decide today whether {names} {'is' if len(raising) == 1 else 'are'} held." if raising else ""
    where = (
        "emergency treatment in hospital"
        if severe
        else "a 12-lead ECG and a repeated test today, in hospital if unwell"
    )
    yield Draft(
        guideline="ukka-hyperkalaemia-2023",
        action="refer",
        target="hyperkalaemia",
        tier="urgent",
        order=2,
        text=f"Potassium {found.value:.1f} mmol/L: {where}; look for acute kidney injury.{held}",
        patient_text=(
            "A salt in your blood (potassium) is too high, which can harm the heart. Please call your doctor's office "
            "today. If you feel weak or your heart stumbles, call for help at once."
        ),
        strength=Strength(Grade.STRONG),
        citation=cite("ukka-hyperkalaemia-2023"),
        basis=of_measured(found, f"potassium {found.value:.1f} mmol/L on {day(found.date)}")
        + total(map(of_medicine, raising)),
        changes_if="a repeated potassium is below 6.0 mmol/L",
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
    """Medicines that harm an unborn child are settled today."""
    if person.pregnancy.state != "present":
        return
    for medicine in person.taking(*HARMFUL):
        yield _replace(person, medicine, "lisinopril-label", Strength(Grade.STRONG, "boxed warning"), "today")
    for medicine in person.taking("statin"):
        yield _replace(person, medicine, "statin-pregnancy-fda-2021", Strength(Grade.RECOMMENDED), "within days")


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
