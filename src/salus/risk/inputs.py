"""From the chart to the inputs of PREVENT: newest usable value, its unit converted, its evidence kept.

Nothing is guessed. A yes/no input is "no" only from something recorded: a smoking status, a laboratory value, a
medicine list that somebody vouched for within the look-back. Everything else stays missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from salus.fhir import dates
from salus.fhir.quantity import Quantity
from salus.findings.model import Evidence
from salus.person.answer import day
from salus.person.measurements import Measured, Reading, aged, label
from salus.person.person import Person
from salus.person.pressure import IMPOSSIBLE_PAIR, impossible, together
from salus.risk.creatinine import CHANGING

LOOK_BACK_DAYS = 730
"""How old a value may be. Set by salus (PREVENT names no limit); the parameter ``look_back_days`` changes it."""

CLINIC_SETTINGS = (None, "clinic", "office")
"""PREVENT was fitted on clinic pressures: readings from home or from acute care are not used."""

HBA1C_LIMIT, GLUCOSE_LIMIT = 6.5, 126.0
"""Diagnostic limits of the ADA (HbA1c in %, plasma glucose in mg/dL when fasting)."""


@dataclass(frozen=True, slots=True)
class Found:
    """One input: its value (None: missing) with unit as used, where it came from and how."""

    value: Any
    evidence: tuple[Evidence, ...] = ()
    basis: str = ""
    date: str = ""
    why: str = ""
    """Where ``value`` is missing although something is recorded: a clause that says why it was not used."""


@dataclass(slots=True)
class Inputs:
    """All inputs by name."""

    found: dict[str, Found] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """Values for the equation."""
        return {name: item.value for name, item in self.found.items()}

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Every place used, each once."""
        seen = {(e.source.ref, e.label): e for item in self.found.values() for e in item.evidence}
        return tuple(seen.values())

    @property
    def newest_date(self) -> str:
        """The date (YYYY-MM-DD) of the newest measurement or statement used; "" without any."""
        return max((item.date[:10] for item in self.found.values()), default="")


def gather(person: Person, look_back_days: int = LOOK_BACK_DAYS) -> Inputs:
    """The inputs of PREVENT's base model that the record supports."""
    within = timedelta(days=look_back_days)
    patient = person.patient
    who = Evidence(patient.source, {"path": "Patient"}, digest=patient.source.digest, label="person")
    readers: dict[str, Callable[[], Found]] = {
        "sex": lambda: Found(patient.sex if patient.sex in ("female", "male") else None, (who,), "recorded sex"),
        "age": lambda: age(person, who),
        "sbp": lambda: systolic(person, within),
        "bp_treatment": lambda: treatment(person, BLOOD_PRESSURE, within),
        "total_cholesterol": lambda: laboratory(person, "total-cholesterol", "mg/dL", within),
        "hdl_cholesterol": lambda: laboratory(person, "hdl-cholesterol", "mg/dL", within),
        "statin": lambda: treatment(person, ("statin",), within),
        "diabetes": lambda: diabetes(person, within),
        "smoking": lambda: smoking(person, within),
        "egfr": lambda: kidney(person, within),
        "bmi": lambda: body_mass_index(person, within),
    }
    return Inputs({name: read() for name, read in readers.items()})


def age(person: Person, who: Evidence) -> Found:
    """Completed years; missing where the date of birth cannot be right."""
    if person.age_doubt:
        return Found(None, (who,), why=person.age_doubt)
    return Found(person.age, (who,), "date of birth")


BLOOD_PRESSURE = (
    "ace-inhibitor", "arb", "renin-inhibitor", "beta-blocker", "calcium-channel-blocker", "thiazide", "thiazide-like",
    "loop-diuretic", "potassium-sparing-diuretic", "mra", "alpha-blocker", "central-antihypertensive", "vasodilator",
    "methyldopa",
)  # fmt: skip
"""Classes that lower blood pressure (source of the classes: the table of terminology)."""
GLUCOSE_TESTS = ("glucose", "glucose-fasting")
"""Glucose at any time, and fasting: below the limit either speaks against diabetes, at or above it leaves it open."""
GLUCOSE = (
    "insulin", "biguanide", "sulfonylurea", "glinide", "thiazolidinedione", "dpp4-inhibitor", "glp1-agonist",
    "sglt2-inhibitor", "alpha-glucosidase-inhibitor",
)  # fmt: skip
"""Classes that lower glucose."""


def laboratory(person: Person, concept: str, unit: str, within: timedelta) -> Found:
    """The newest value of ``concept`` in ``unit``; missing, with the reason, where the newest cannot be used."""
    found = person.newest(concept, unit, within=within)
    if found.value is None:
        return Found(None, why=found.problem if found.recorded else "")
    return Found(found.value, found.evidence, f"measured {day(found.date)}", found.date)


def systolic(person: Person, within: timedelta) -> Found:
    """Mean of the clinic readings of the newest day with any, in mm[Hg]; missing where one of them cannot be read."""
    newest = person.newest("systolic-bp", "mm[Hg]", within=within, settings=CLINIC_SETTINGS)
    if newest.reading is None or (newest.value is None and not _only_differ(newest)):
        return Found(None, why=_unused(person, newest, within))
    date = newest.reading.span.start.date()
    of_day = [r for r in person.readings("systolic-bp", "mm[Hg]", settings=CLINIC_SETTINGS)
              if r.span.start.date() == date]  # fmt: skip
    unread = next((r for r in of_day if r.value is None), None)
    if unread is not None:
        return Found(None, why=f"a {label('systolic-bp')} of {unread.day} cannot be read: {unread.problem}")
    lower = person.readings("diastolic-bp", "mm[Hg]", settings=CLINIC_SETTINGS)
    if any(together(u, low) and impossible(u, low) for u in of_day for low in lower):
        return Found(None, why=f"a blood pressure of {newest.reading.day} cannot be right: {IMPOSSIBLE_PAIR}")
    mean = sum(float(r.value or 0) for r in of_day) / len(of_day)
    evidence = tuple(Evidence.of_observation(r.observation, "systolic-bp", "systolic-bp") for r in _each(of_day))
    return Found(mean, evidence, f"mean of {len(of_day)} clinic reading(s) of {date}", date.isoformat())


def _unused(person: Person, newest: Measured, within: timedelta) -> str:
    """Why there is no pressure; an old one is called the last usable one where something unusable is newer."""
    if newest.too_old and newest.reading is not None:
        every = person.readings("systolic-bp", "mm[Hg]")
        usable = "usable " if every[-1].span.start > newest.reading.span.start else ""
        return aged(f"{usable}{label('systolic-bp')}", newest.reading.day, within)
    return newest.problem if newest.recorded else ""


def _only_differ(newest: Measured) -> bool:
    """Several readable pressures of one moment are no contradiction: they are averaged."""
    return not newest.too_old and newest.reading is not None and newest.reading.value is not None and "differ" in (
        newest.problem
    )  # fmt: skip


def _each(readings: list[Reading]) -> list[Reading]:
    return list({r.observation.source.ref: r for r in readings}.values())


def treatment(person: Person, classes: tuple[str, ...], within: timedelta) -> Found:
    """Whether a medicine of the classes is taken: yes if one is in use, no if a list that could be read whole and was
    confirmed within the look-back holds none."""
    taken = [m for m in person.taking(*classes) if "record" in m.sources]
    if taken:
        return Found(True, tuple(e for m in taken for e in m.evidence), "on the medicine list")
    unread = person.unread("medicine")
    if unread:
        return Found(None, why=f"read but not understood: {'; '.join(u.sentence for u in unread)}")
    vouched = [one.entry for one in person.listed if one.entry.confirmed is not None
               and one.entry.confirmed.start >= person.now - within]  # fmt: skip
    if not vouched:
        return Found(None)
    newest = max(vouched, key=lambda m: (m.confirmed.start, m.source.ref))  # type: ignore[union-attr]
    date = newest.confirmed.text if newest.confirmed else ""
    proof = Evidence(newest.source, {}, digest=newest.source.digest, label="medicine list")
    return Found(False, (proof,), f"not on the medicine list, last confirmed {date}")


def diabetes(person: Person, within: timedelta) -> Found:
    """Yes from the problem list; no from a refuted entry, or from HbA1c or glucose below ADA's limits.

    A value at or above a limit without a diagnosis leaves it open: ADA asks for a second result. So does a diagnosis
    that nobody could read, and a medicine that lowers glucose.
    """
    answer = person.about("diabetes")
    recorded = [s for s in answer.statements if not s.finding]
    noted = [s for s in answer.statements if s.finding and s.state in ("present", "past", "possible")]
    for state, value, words in (
        ("present", True, "on the problem list"),
        ("denied", False, "refuted on the problem list"),
    ):
        statements = [s for s in recorded if s.state == state]
        if statements and not (value is False and (answer.open or noted)):
            return Found(value, tuple(e for s in statements for e in s.evidence), words)
    if any(s.state in ("past", "possible") for s in recorded):
        return Found(None, why="diabetes is on record as past or not confirmed")
    if noted:
        return Found(None, why=f"a note speaks of diabetes, and the problem list does not ({noted[0].words})")
    if person.taking(*GLUCOSE):
        return Found(None, why="a glucose-lowering medicine is taken, but no diagnosis is recorded")
    if answer.open or person.unread("medicine"):
        shown = "; ".join(u.sentence for u in (*answer.open, *person.unread("medicine")))
        return Found(None, why=f"read but not understood: {shown}")
    hba1c = laboratory(person, "hba1c", "%", within)
    if hba1c.value is not None:
        return Found(False if hba1c.value < HBA1C_LIMIT else None, hba1c.evidence, f"HbA1c {hba1c.basis}")
    glucose = [laboratory(person, name, "mg/dL", within) for name in GLUCOSE_TESTS]
    told = [found for found in glucose if found.value is not None]
    why = hba1c.why or next((found.why for found in glucose if found.why), "")
    if not told or why:
        return Found(None, why=why)
    high = [found for found in told if found.value >= GLUCOSE_LIMIT]
    decides = max(high or told, key=lambda found: found.date)
    return Found(None if high else False, decides.evidence, f"glucose {decides.basis}")


def smoking(person: Person, within: timedelta) -> Found:
    """From the newest explicit smoking status; an unknown or unlisted status leaves it open."""
    answer = person.smoking
    if not answer.statements or answer.deciding[:1] == () or answer.deciding[0].finding:
        return Found(None)
    newest = answer.deciding[0]
    if newest.when is not None and newest.when < person.now - within:
        return Found(None, why=aged("smoking status", day(newest.date), within))
    if answer.state == "possible":
        return Found(None, newest.evidence, why=newest.words)
    return Found(answer.state == "present", newest.evidence, f"stated {day(newest.date)}", newest.date)


def kidney(person: Person, within: timedelta) -> Found:
    """The newest eGFR, from the finding ``egfr``."""
    why = ""
    for finding in person.chart.findings("egfr"):
        if finding.status != "ok" or not isinstance(finding.value, Quantity):
            why = finding.reason if finding.evidence or finding.reason in CHANGING.values() else why
            continue
        if dates.instant(finding.effective[0]) >= person.now - within:
            value = finding.details.get("unrounded", finding.value.value)
            return Found(
                float(value), finding.evidence, f"finding egfr of {finding.effective[0][:10]}", finding.effective[0]
            )
        why = aged("estimated GFR", day(finding.effective[0]), within)
    return Found(None, why=why)


def body_mass_index(person: Person, within: timedelta) -> Found:
    """The newest recorded BMI, else the newest weight over the newest height squared."""
    recorded = laboratory(person, "body-mass-index", "kg/m2", within)
    if recorded.value is not None:
        return recorded
    weight = laboratory(person, "body-weight", "kg", within)
    height = laboratory(person, "body-height", "m", HEIGHT_VALID)
    if weight.value is None or not height.value:
        parts = [part.why for part in (weight, height) if part.value is None]
        return Found(None, why=recorded.why or (" and ".join(parts) if all(parts) else ""))
    basis = "computed from weight and height"
    return Found(weight.value / height.value**2, (*weight.evidence, *height.evidence), basis, weight.date)


HEIGHT_VALID = timedelta(days=3653)
"""How old an adult's height may be. salus's own choice: ten years."""
