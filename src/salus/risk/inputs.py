"""From the chart to the inputs of PREVENT: newest usable value, its unit converted, its evidence kept.

Nothing is guessed. A yes/no input is "no" only from something recorded: a smoking status, a laboratory value, a
medicine list that somebody vouched for within the look-back. Everything else stays missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from salus.errors import UnitError
from salus.fhir import codes, dates, quantity
from salus.fhir.codes import Code
from salus.fhir.quantity import Quantity
from salus.fhir.views import Medication, Observation
from salus.findings.model import Evidence
from salus.record.chart import Chart
from salus.risk.drugs import belongs

LOOK_BACK_DAYS = 730
"""How old a value may be. Set by salus (PREVENT names no limit); the parameter ``look_back_days`` changes it."""

DAYS_A_MONTH = 365.25 / 12

WORDS = {
    "total-cholesterol": "total cholesterol",
    "hdl-cholesterol": "HDL cholesterol",
    "hba1c": "HbA1c",
    "glucose": "glucose",
    "body-mass-index": "body mass index",
    "body-weight": "weight",
    "body-height": "height",
}
"""What a measurement is called in a reason."""

CLINIC_SETTINGS = (None, "clinic", "office")
"""PREVENT was fitted on clinic pressures: readings from home or from acute care are not used."""

PRESSURES = ("blood-pressure", "systolic-bp")

HBA1C_LIMIT, GLUCOSE_LIMIT = 6.5, 126.0
"""Diagnostic limits of the ADA (HbA1c in %, plasma glucose in mg/dL when fasting)."""


@dataclass(frozen=True, slots=True)
class Found:
    """One input: its value (None: missing) with unit as used, where it came from and how."""

    value: Any
    evidence: tuple[Evidence, ...] = ()
    basis: str = ""
    date: str = ""
    too_old: str = ""
    """Where ``value`` is missing only because what is recorded lies before the look-back: a clause that says so."""


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


def gather(chart: Chart, look_back_days: int = LOOK_BACK_DAYS) -> Inputs:
    """The inputs of PREVENT's base model that the chart supports."""
    since = chart.now - timedelta(days=look_back_days)
    person = chart.patient
    who = Evidence(person.source, {"path": "Patient"}, digest=person.source.digest, label="person")
    readers: dict[str, Callable[[], Found]] = {
        "sex": lambda: Found(person.sex if person.sex in ("female", "male") else None, (who,), "recorded sex"),
        "age": lambda: Found(person.age(chart.now), (who,), "date of birth"),
        "sbp": lambda: systolic(chart, since),
        "bp_treatment": lambda: treatment(chart, "blood-pressure-medicine", since),
        "total_cholesterol": lambda: laboratory(chart, "total-cholesterol", "mg/dL", "cholesterol", since),
        "hdl_cholesterol": lambda: laboratory(chart, "hdl-cholesterol", "mg/dL", "cholesterol", since),
        "statin": lambda: treatment(chart, "statin", since),
        "diabetes": lambda: diabetes(chart, since),
        "smoking": lambda: smoking(chart, since),
        "egfr": lambda: kidney(chart, since),
        "bmi": lambda: body_mass_index(chart, since),
    }
    return Inputs({name: read() for name, read in readers.items()})


def _in(value: Quantity | None, unit: str, analyte: str | None = None) -> float | None:
    if value is None or value.comparator:
        return None
    try:
        return float(quantity.convert(value, unit, analyte).value)
    except UnitError:
        return None  # stays missing: the refusal then asks for the value


def _too_old(chart: Chart, since: datetime, what: str, usable: Iterable[str], recent: bool) -> str:
    """That the newest of the ``usable`` dates lies before ``since``; "" without any. ``recent``: something unusable
    is recorded after it."""
    newest = max((date[:10] for date in usable), default="")
    if not newest:
        return ""
    days = (chart.now - since).days
    months = round(days / DAYS_A_MONTH)
    age = f"{months} months" if abs(months * DAYS_A_MONTH - days) < 1 else f"{days} days"
    return f"the last {'usable ' if recent else ''}{what}, of {newest}, is more than {age} old"


def laboratory(chart: Chart, concept: str, unit: str, analyte: str | None, since: datetime) -> Found:
    """The newest usable value of ``concept`` in ``unit``."""
    recent = chart.observations(concept, since)
    for observation in reversed(recent):
        value = _in(observation.quantity, unit, analyte)
        if value is not None:
            return Found(
                value,
                (Evidence.of_observation(observation, concept),),
                f"measured {_date(observation)[:10]}",
                _date(observation),
            )
    usable = [_date(o) for o in chart.observations(concept) if _in(o.quantity, unit, analyte) is not None]
    return Found(None, too_old=_too_old(chart, since, WORDS[concept], usable, bool(recent)))


def _date(observation: Observation) -> str:
    return observation.effective.text if observation.effective else ""


def systolic(chart: Chart, since: datetime) -> Found:
    """Mean of the clinic readings of the newest day with any, in mm[Hg]."""
    readings = _clinic_readings(chart, since)
    if not readings:
        recent = any(chart.observations(concept, since) for concept in PRESSURES)
        usable = [_date(o) for o, _ in _clinic_readings(chart, None)]
        return Found(None, too_old=_too_old(chart, since, "systolic blood pressure", usable, recent))
    newest = max(o.effective.start.date() for o, _ in readings if o.effective)
    of_day = {o.source.ref: (o, v) for o, v in readings if o.effective and o.effective.start.date() == newest}
    mean = sum(value for _, value in of_day.values()) / len(of_day)
    evidence = tuple(Evidence.of_observation(o, "systolic-bp", "systolic-bp") for o, _ in of_day.values())
    return Found(mean, evidence, f"mean of {len(of_day)} clinic reading(s) of {newest}", newest.isoformat())


def _clinic_readings(chart: Chart, since: datetime | None) -> list[tuple[Observation, float]]:
    return [
        (o, value)
        for concept in PRESSURES
        for o in chart.observations(concept, since)
        if o.setting in CLINIC_SETTINGS and (value := _in(_systolic_of(o), "mm[Hg]")) is not None and o.effective
    ]


def _systolic_of(observation: Observation) -> Quantity | None:
    value = observation.components.get("systolic-bp")
    if isinstance(value, Quantity):
        return value
    return observation.quantity if "systolic-bp" in observation.concepts else None


def treatment(chart: Chart, drug_class: str, since: datetime) -> Found:
    """Whether a medicine of the class is taken: yes if one is current, no if a vouched-for list holds none."""
    medicines = chart.medications()
    taken = [m for m in medicines if m.current and belongs(m, drug_class)]
    if taken:
        return Found(True, tuple(_medicine(m) for m in taken), "on the medicine list")
    vouched = [m for m in medicines if m.confirmed is not None and m.confirmed.start >= since]
    if not vouched:
        return Found(None)
    newest = max(vouched, key=lambda m: (m.confirmed.start, m.source.ref))  # type: ignore[union-attr]
    date = newest.confirmed.text if newest.confirmed else ""
    return Found(False, (_medicine(newest),), f"not on the medicine list, last confirmed {date}")


def _medicine(medicine: Medication) -> Evidence:
    path = {"path": "medicationCodeableConcept"}
    return Evidence(medicine.source, path, digest=medicine.source.digest, label="medicine list")


def diabetes(chart: Chart, since: datetime) -> Found:
    """Yes from the problem list; no from a refuted entry, or from HbA1c or glucose below ADA's limits.

    A value at or above a limit without a diagnosis leaves it open: ADA asks for a second result.
    """
    for condition in chart.conditions():
        if "diabetes" in condition.concepts:
            evidence = Evidence(
                condition.source, {"path": "code"}, digest=condition.source.digest, label="problem list"
            )
            if condition.active:
                return Found(True, (evidence,), "on the problem list")
            if condition.verification == "refuted":
                return Found(False, (evidence,), "refuted on the problem list")
    if any(m.current and belongs(m, "glucose-lowering-medicine") for m in chart.medications()):
        return Found(None, basis="a glucose-lowering medicine is taken, but no diagnosis is recorded")
    hba1c = laboratory(chart, "hba1c", "%", None, since)
    if hba1c.value is not None:
        return Found(False if hba1c.value < HBA1C_LIMIT else None, hba1c.evidence, f"HbA1c {hba1c.basis}")
    glucose = laboratory(chart, "glucose", "mg/dL", "glucose", since)
    if glucose.value is not None:
        return Found(False if glucose.value < GLUCOSE_LIMIT else None, glucose.evidence, f"glucose {glucose.basis}")
    return Found(None, too_old=hba1c.too_old or glucose.too_old)


def smoking(chart: Chart, since: datetime) -> Found:
    """From the newest explicit smoking status; an unknown or unlisted status leaves it open."""
    observations = chart.observations("smoking-status", since)
    if not observations:
        usable = [_date(o) for o in chart.observations("smoking-status") if _smokes(o) is not None]
        return Found(None, too_old=_too_old(chart, since, "smoking status", usable, recent=False))
    newest = observations[-1]
    evidence = (Evidence.of_observation(newest, "smoking status"),)
    return Found(_smokes(newest), evidence, f"stated {_date(newest)[:10]}", _date(newest))


def _smokes(status: Observation) -> bool | None:
    names: Iterable[str] = codes.names((status.value,)) if isinstance(status.value, Code) else ()
    if "smoker-current" in names:
        return True
    return False if "smoker-not-now" in names else None


def kidney(chart: Chart, since: datetime) -> Found:
    """The newest eGFR, from the finding ``egfr``."""
    dated: list[str] = []
    for finding in chart.findings("egfr"):
        if finding.status != "ok" or not isinstance(finding.value, Quantity):
            continue
        dated.append(finding.effective[0])
        if dates.instant(finding.effective[0]) >= since:
            value = finding.details.get("unrounded", finding.value.value)
            return Found(
                float(value), finding.evidence, f"finding egfr of {finding.effective[0][:10]}", finding.effective[0]
            )
    return Found(None, too_old=_too_old(chart, since, "estimated GFR", dated, recent=False))


def body_mass_index(chart: Chart, since: datetime) -> Found:
    """The newest recorded BMI, else the newest weight over the newest height squared."""
    recorded = laboratory(chart, "body-mass-index", "kg/m2", None, since)
    if recorded.value is not None:
        return recorded
    weight = laboratory(chart, "body-weight", "kg", None, since)
    height = laboratory(chart, "body-height", "m", None, since)
    if weight.value is None or not height.value:
        parts = [part.too_old for part in (weight, height) if part.value is None]
        return Found(None, too_old=recorded.too_old or (" and ".join(parts) if all(parts) else ""))
    basis = "computed from weight and height"
    return Found(weight.value / height.value**2, (*weight.evidence, *height.evidence), basis)
