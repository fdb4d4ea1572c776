"""From the chart to eGFR values: every usable creatinine, and every one that was left out with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from salus.fhir.views import Observation
from salus.findings.model import Evidence, Finding
from salus.person.measurements import Reading
from salus.person.person import Person
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
    newest_problem: Problem | None = None
    """Why the newest result cannot be used, where that is so."""


def series(person: Person) -> Series:
    """All eGFR values that the record supports. Contradictory values of the same moment are all left out."""
    return person.chart.shared("egfr", lambda chart: _series(Person(chart)))


def _series(person: Person) -> Series:
    values: list[EgfrValue] = []
    rejected: list[tuple[str, Problem]] = []
    readings = person.readings("creatinine", "mg/dL")
    conflicts = _conflicting(readings)
    for reading in readings:
        found = (
            _problem("another creatinine of the same moment says something else", "clarify which result is right")
            if reading.observation.source.ref in conflicts
            else _value(person, reading)
        )
        if isinstance(found, Problem):
            rejected.append((reading.observation.source.ref, found))
        else:
            values.append(found)
    return Series(tuple(values), tuple(rejected), _newest_problem(person, readings, values, rejected))


def _newest_problem(
    person: Person, readings: Sequence[Reading], values: Sequence[EgfrValue], rejected: Sequence[tuple[str, Problem]]
) -> Problem | None:
    """Why the newest creatinine cannot be used, where an older one could: what is older decides nothing then."""
    if values and readings[-1].observation != values[-1].observation:
        return next((p for ref, p in reversed(rejected) if ref == readings[-1].observation.source.ref), None)
    asked = person.newest("creatinine", "mg/dL")
    if values and asked.value is None and asked.recorded:
        return _problem(asked.problem, "clarify the newest result")
    return None


CHANGING = {
    "pregnancy": "pregnancy: the equation was not made for it",
    "dialysis": "on dialysis: creatinine does not reflect kidney function",
    "acute-kidney-injury": "acute kidney injury: creatinine is not in a steady state",
}
AKI_DAYS = 90
"""How long a recorded acute kidney injury counts; what lasts longer is chronic kidney disease (KDIGO)."""


def excluded(person: Person) -> str | None:
    """Why a creatinine-based eGFR must not be read for this person at all, or None."""
    if person.patient.deceased:
        return DIED
    if person.age is not None and person.age < ADULT:
        return "the equation is for adults of 18 years and older"
    dialysis = person.about("dialysis")
    if dialysis.state == "present":
        return CHANGING["dialysis"]
    if dialysis.state == "possible":
        return (
            f"dialysis, in which creatinine does not reflect kidney function, is possible: {'; '.join(dialysis.words)}"
        )
    if person.pregnancy.state == "present":
        return CHANGING["pregnancy"]
    if person.about("acute-kidney-injury", within=timedelta(days=AKI_DAYS)).state == "present":
        return CHANGING["acute-kidney-injury"]
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


def _conflicting(readings: Sequence[Reading]) -> set[str]:
    seen: dict[object, list[Reading]] = {}
    for reading in readings:
        seen.setdefault(reading.span.start, []).append(reading)
    return {
        r.observation.source.ref
        for group in seen.values()
        if len({round(float(r.value), 2) for r in group if r.value is not None}) > 1
        for r in group
    }


def _value(person: Person, reading: Reading) -> EgfrValue | Problem:
    if reading.quantity is None or reading.quantity.comparator:
        return _problem("the creatinine has no plain number with a unit", "record the result with its unit")
    if reading.span.end - reading.span.start > timedelta(days=1):
        return _problem("the creatinine's date is too imprecise", "record the full date of the result")
    if reading.value is None:
        return Problem("creatinine", "unit", reading.problem, "record the result in mg/dL or umol/L")
    if person.age_doubt:
        return Problem("age", "range", person.age_doubt, "record the right date of birth")
    age = person.patient.age(reading.span.start)
    if age is None:
        return Problem("age", "missing", "the age on the day of the result is not known", "record the date of birth")
    found = kidney.egfr(float(reading.value), age, person.patient.sex)
    return EgfrValue(reading.observation, reading.value, found) if isinstance(found, Estimate) else found[0]
