"""From the chart to eGFR values: every usable creatinine, and every one that was left out with the reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from salus.errors import UnitError
from salus.fhir import quantity
from salus.fhir.views import Observation
from salus.findings.model import Evidence, Finding
from salus.record.chart import Chart
from salus.risk import kidney
from salus.risk.engine import Estimate, Problem
from salus.risk.kidney import Point

ADULT = 18
MEASURE_CREATININE = "measure creatinine in blood"
DIED = "the person has died"
NOTHING = "nothing: the person has died"


@dataclass(frozen=True, slots=True)
class EgfrValue:
    """One creatinine (mg/dL) and the eGFR computed from it with the person's age on that day."""

    observation: Observation
    creatinine: Decimal
    estimate: Estimate

    @property
    def point(self) -> Point:
        """Moment and unrounded eGFR."""
        assert self.observation.effective is not None
        return Point(self.observation.effective.start, self.estimate.value)

    @property
    def evidence(self) -> Evidence:
        """The place of the creatinine in the record."""
        source = self.observation.source
        return Evidence(source, {"path": "valueQuantity.value"}, digest=source.digest, label="creatinine")

    @property
    def date(self) -> str:
        """The measurement's date as its source wrote it."""
        assert self.observation.effective is not None
        return self.observation.effective.text

    @property
    def day(self) -> str:
        """The day of :attr:`date` (YYYY-MM-DD), for sentences."""
        return self.date[:10]


@dataclass(frozen=True, slots=True)
class Series:
    """Usable values, oldest first, and why others were left out: (reference, problem)."""

    values: tuple[EgfrValue, ...]
    rejected: tuple[tuple[str, Problem], ...]


def series(chart: Chart) -> Series:
    """All eGFR values that the chart supports. Contradictory values of the same moment are all left out."""
    sex = chart.patient.sex
    values: list[EgfrValue] = []
    rejected: list[tuple[str, Problem]] = []
    observations = chart.observations("creatinine")
    conflicts = _conflicting(observations)
    for observation in observations:
        found = (
            _problem("another creatinine of the same moment says something else", "clarify which result is right")
            if observation.source.ref in conflicts
            else _value(chart, observation, sex)
        )
        if isinstance(found, Problem):
            rejected.append((observation.source.ref, found))
        else:
            values.append(found)
    return Series(tuple(values), tuple(rejected))


def excluded(chart: Chart) -> str | None:
    """Why a creatinine-based eGFR must not be read for this person at all, or None."""
    if chart.patient.deceased:
        return DIED
    age = chart.patient.age(chart.now)
    if age is not None and age < ADULT:
        return "the equation is for adults of 18 years and older"
    for condition in chart.conditions():
        if not condition.active:
            continue
        if "dialysis" in condition.concepts:
            return "on dialysis: creatinine does not reflect kidney function"
        if "pregnancy" in condition.concepts:
            return "pregnancy: the equation was not made for it"
        if "acute-kidney-injury" in condition.concepts:
            return "acute kidney injury: creatinine is not in a steady state"
    return None


def instead(reason: str) -> tuple[str, ...]:
    """What is needed where :func:`excluded` gave ``reason``."""
    return (NOTHING if reason == DIED else "another way of measuring kidney function, if it is needed",)


def refusal(code: str, reason: str, needs: Iterable[str], evidence: tuple[Evidence, ...] = ()) -> Finding:
    """A finding that says why there is no result and what would settle it."""
    return Finding(
        code=code,
        sentence=f"Not assessable: {reason}.",
        status="not-assessable",
        reason=reason,
        needs=tuple(needs),
        evidence=evidence,
    )


def _problem(text: str, obtain: str) -> Problem:
    return Problem("creatinine", "range", text, obtain)


def _conflicting(observations: tuple[Observation, ...]) -> set[str]:
    seen: dict[object, list[Observation]] = {}
    for observation in observations:
        assert observation.effective is not None
        seen.setdefault(observation.effective.start, []).append(observation)
    return {
        o.source.ref
        for group in seen.values()
        if len({(q.value, q.unit) for o in group if (q := o.quantity)}) > 1
        for o in group
    }


def _value(chart: Chart, observation: Observation, sex: str | None) -> EgfrValue | Problem:
    span = observation.effective
    assert span is not None
    if observation.quantity is None:
        return _problem("the creatinine has no plain number with a unit", "record the result with its unit")
    if span.end - span.start > timedelta(days=1):
        return _problem("the creatinine's date is too imprecise", "record the full date of the result")
    try:
        creatinine = quantity.convert(observation.quantity, "mg/dL", "creatinine").value
    except UnitError as error:
        return Problem("creatinine", "unit", error.what, "record the result in mg/dL or umol/L")
    age = chart.patient.age(span.start)
    if age is None:
        return Problem("age", "missing", "the age on the day of the result is not known", "record the date of birth")
    found = kidney.egfr(float(creatinine), age, sex)
    return EgfrValue(observation, creatinine, found) if isinstance(found, Estimate) else found[0]
