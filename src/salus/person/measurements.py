"""Measurements in a wanted unit and of an accepted age. The newest result decides, also where it cannot be read:

an older value never stands in for a newer one that says something else, or may.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby

from salus.errors import UnitError
from salus.fhir.codes import Code
from salus.fhir.dates import Span
from salus.fhir.quantity import Quantity
from salus.fhir.views import Observation, Value, unit_of
from salus.findings.model import Evidence
from salus.person.answer import NotUnderstood, day, place, text_of
from salus.record.chart import Chart
from salus.terminology import plausible, units

PANELS = {"systolic-bp": "blood-pressure", "diastolic-bp": "blood-pressure"}
"""Components that mean something else in a panel of another name (an average of a day, a pressure at home)."""
NAMED = "no table knows what was measured"
UNDATED = "it has no date"
STATUS = "its status does not say that it is a result"
OTHER = "it speaks of somebody or something else"
DAYS_A_MONTH = 365.25 / 12
_NEVER = datetime.min.replace(tzinfo=UTC)
_ROUNDING = 0.005
"""Share by which two results of one moment may differ and be the same, rounded in two units."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One result: ``told`` as it stands there, ``quantity`` with its own unit, ``value`` in the wanted one.

    ``value`` is None where it cannot be had in the wanted unit; ``problem`` says why then.
    """

    observation: Observation
    span: Span
    told: Value
    quantity: Quantity | None
    value: Decimal | None
    problem: str

    @property
    def day(self) -> str:
        """The day of the result, or as much of it as there is."""
        return day(self.span.text)


@dataclass(frozen=True, slots=True)
class Measured:
    """The answer to "what is the newest ...?". Without a value ``problem`` says why, as a clause.

    ``too_old`` where only results before the accepted age exist, ``differing`` where two of the newest moment say
    different things; ``recorded`` tells whether anything is recorded.
    """

    concept: str
    unit: str
    value: float | None
    reading: Reading | None
    problem: str = ""
    too_old: bool = False
    differing: bool = False
    recorded: bool = True
    evidence: tuple[Evidence, ...] = ()

    @property
    def date(self) -> str:
        """The date of the result as its source wrote it; "" without one."""
        return self.reading.span.text if self.reading else ""


_WORDS = {
    "systolic-bp": "systolic blood pressure",
    "diastolic-bp": "diastolic blood pressure",
    "hba1c": "HbA1c",
    "alt": "ALT", "ast": "AST", "alp": "ALP", "ggt": "GGT", "inr": "INR", "aptt": "aPTT", "crp": "CRP", "esr": "ESR",
    "tsh": "TSH", "pth": "PTH", "psa": "PSA", "bnp": "BNP", "nt-probnp": "NT-proBNP", "ldh": "LDH",
    "wbc": "white cells",
    "rbc": "red cells", "body-weight": "weight", "body-height": "height",
}  # fmt: skip


def label(concept: str) -> str:
    """What a measurement is called in a sentence: its name, with the abbreviations that everybody writes."""
    words = _WORDS.get(concept) or concept.replace("-", " ")
    return re.sub(r"^(hdl|ldl|fev1|lvef)\b", lambda m: m[0].upper(), words)


def readings(
    chart: Chart,
    concept: str,
    unit: str,
    *,
    since: datetime | None = None,
    settings: Collection[str | None] | None = None,
) -> tuple[Reading, ...]:
    """Every result of ``concept``, oldest first, each in ``unit`` or with the reason why not."""
    told: list[tuple[Observation, Value]] = [(o, o.value) for o in chart.observations(concept, since)]
    told += [
        (o, o.components[concept])
        for o in chart.panels(concept)
        if _panel_of(concept, o) and (since is None or _starts(o) >= since)
    ]
    found = [_reading(concept, unit, o, value) for o, value in told if settings is None or o.setting in settings]
    return tuple(sorted(found, key=lambda r: (r.span.start, r.observation.source.ref)))


def _last_readings(
    chart: Chart, concept: str, unit: str, settings: Collection[str | None] | None
) -> tuple[Reading, ...]:
    """Of :func:`readings` those of the newest moment: where a watch measured for years, its last day is opened."""
    own = _last(o for o in reversed(chart.observations(concept)) if settings is None or o.setting in settings)
    panels = _last(
        o
        for o in reversed(chart.panels(concept))
        if _panel_of(concept, o) and (settings is None or o.setting in settings)
    )
    told: list[tuple[Observation, Value]] = [(o, o.value) for o in own] + [(o, o.components[concept]) for o in panels]
    newest = max((_starts(o) for o, _ in told), default=None)
    found = [_reading(concept, unit, o, value) for o, value in told if _starts(o) == newest]
    return tuple(sorted(found, key=lambda r: r.observation.source.ref))


def _last(backwards: Iterable[Observation]) -> list[Observation]:
    """The first of ``backwards`` and those of the same moment."""
    return list(next((group for _, group in groupby(backwards, key=_starts)), ()))


def _panel_of(concept: str, observation: Observation) -> bool:
    return concept not in PANELS or PANELS[concept] in observation.concepts


def _starts(observation: Observation) -> datetime:
    assert observation.effective is not None  # the chart gives dated observations only
    return observation.effective.start


def _reading(concept: str, unit: str, observation: Observation, value: Value) -> Reading:
    assert observation.effective is not None  # the chart gives dated observations only
    told = value if isinstance(value, Quantity) else _written(value)
    problem, number = "", None
    if told is None:
        problem = "it has no number with a unit"
    elif not plausible.possible(concept, told):
        problem = f"nobody can have {told}: {_suspected(concept, told)}"
    elif told.comparator:
        problem = f"it is only a bound ({told})"
    else:
        try:
            number = units.convert(told, unit, concept).value
        except UnitError as error:
            problem = error.what
    return Reading(observation, observation.effective, value, told, number, problem)


def _suspected(concept: str, told: Quantity) -> str:
    """What is wrong with a value that nobody can have: the unit, where it would fit in another one."""
    for unit in ("mg/dL", "umol/L", "mmol/L", "g/L", "g/dL", "%", "mmol/mol"):
        other = Quantity(told.value, unit, told.comparator)
        fits = units.compatible(unit, concept) and plausible.possible(concept, other)
        if fits and unit != told.unit:
            return f"perhaps {unit} recorded as {told.unit}"
    return "the unit, the decimal point or the name is wrong"


_WRITTEN = re.compile(
    r"\s*(<=|>=|<|>)?\s*(\d{1,7}(?:[.,]\d{1,6})?)\s*([^\s\d.,(].{0,19}?)\s*(?:\((?:[HL]{1,2}|high|low)\)|\*+|[↑↓])?\s*",
    re.I,
)
_THOUSANDS = re.compile(r"\d{1,3},\d{3}")


def _written(value: object) -> Quantity | None:
    """A number with its unit that was written as words ("6.6 mmol/L"); None for any other words."""
    match = _WRITTEN.fullmatch(value) if isinstance(value, str) else None
    if match is None or _THOUSANDS.fullmatch(match[2]):  # "1,234" is a thousand, or a little more than one
        return None
    return Quantity(Decimal(match[2].replace(",", ".")), match[3], match[1])


def newest(
    chart: Chart, concept: str, unit: str, *, within: timedelta | None = None,
    settings: Collection[str | None] | None = None,
) -> Measured:  # fmt: skip
    """The newest result of ``concept`` in ``unit``, not older than ``within``.

    No value where the newest result cannot be read, where two of one moment differ, or where something newer was
    measured that nobody understands and that could be it.
    """
    found = _last_readings(chart, concept, unit, settings)
    name = label(concept)
    if not found:
        hidden = _hidden(chart, concept, None)
        problem = f"{hidden} was not understood and may be it" if hidden else f"no {name} is recorded"
        return Measured(concept, unit, None, None, problem, recorded=bool(hidden))
    last = found[-1]
    proof = (Evidence.of_observation(last.observation, concept, concept),)
    if within is not None and last.span.start < chart.now - within:
        return Measured(concept, unit, None, last, aged(name, last.day, within), too_old=True, evidence=proof)
    if last.value is None:
        return Measured(
            concept,
            unit,
            None,
            last,
            f"the newest {name}, of {last.day}, cannot be read: {last.problem}",
            evidence=proof,
        )
    if _differing(found):
        problem = f"two results of {name} of one moment ({last.day}) differ"
        return Measured(concept, unit, None, last, problem, differing=True, evidence=proof)
    hidden = _hidden(chart, concept, last.span.start)
    if hidden:
        problem = f"{hidden} was not understood and may be a newer {name}"
        return Measured(concept, unit, None, last, problem, evidence=proof)
    return Measured(concept, unit, float(last.value), last, evidence=proof)


def aged(name: str, date: str, within: timedelta) -> str:
    """That the newest is older than a question accepts, as a clause."""
    months = round(within.days / DAYS_A_MONTH)
    age = f"{months} months" if abs(months * DAYS_A_MONTH - within.days) < 1 else f"{within.days} days"
    return f"the last {name}, of {date}, is more than {age} old"


def _differing(found: tuple[Reading, ...]) -> bool:
    """Whether results of the newest moment say different things."""
    last = found[-1]
    values = [r.value for r in found if r.span == last.span or r.span.start == last.span.start]
    if None in values:
        return True
    numbers = [float(v) for v in values if v is not None]
    return max(numbers) - min(numbers) > _ROUNDING * max(abs(n) for n in numbers)


def _hidden(chart: Chart, concept: str, since: datetime | None) -> str:
    """A result that nobody understands, newer than ``since``, whose unit fits ``concept``; "" where there is none."""
    for observation in chart.unread_observations():
        span = observation.effective
        if since is not None and span is not None and span.end <= since:
            continue
        if observation.other or (observation.concepts and (span is not None or concept not in observation.concepts)):
            continue  # it is known to be something else, or a question of this concept finds it
        if any(_is_loinc(code) for code in observation.codes):
            continue  # LOINC tells apart what is measured, and its codes of this concept are known
        unit = unit_of(observation.value)
        if isinstance(observation.value, Quantity) and units.compatible(unit, concept):
            shown = observation.text or ", ".join(c.code for c in observation.codes) or "without a name"
            return f"a result “{shown}”{f' of {day(span.text)}' if span else ''} in {unit}"
    return ""


def _is_loinc(code: Code) -> bool:
    """Whether a code is one of LOINC, by system and check digit (mod 10, LOINC Users' Guide)."""
    match = _LOINC.fullmatch(code.code) if code.system == "http://loinc.org" else None
    if match is None:
        return False
    doubled = [int(d) * (1 + n % 2) for n, d in enumerate(reversed(match[1]), 1)]
    return (10 - sum(d // 10 + d % 10 for d in doubled) % 10) % 10 == int(match[2])


_LOINC = re.compile(r"(\d{1,7})-(\d)")


def not_understood(chart: Chart) -> Iterator[NotUnderstood]:
    """Results that no question finds, and newest results of what is known whose value cannot be read."""
    for observation in chart.unread_observations():
        known = bool(observation.concepts)
        why = OTHER if observation.other else NAMED
        if known and not observation.other:
            why = UNDATED if observation.effective is None else STATUS
        yield _listed(observation, why)
    for concept, observation in sorted(chart.recorded().items(), key=lambda row: row[1].source.ref):
        unit = units.canonical_unit_of(concept) if units.known(concept) else ""
        if unit and (why := _unreadable(chart, concept, unit)):
            yield _listed(observation, why)


def _unreadable(chart: Chart, concept: str, unit: str) -> str:
    """Why the newest result of ``concept`` has no value; "" where it has one, is a bound or is said in words."""
    newest = max(
        [*chart.observations(concept)[-1:], *chart.panels(concept)[-1:]],
        key=lambda o: o.effective.start if o.effective else _NEVER,
        default=None,
    )
    last = None
    if newest is not None and (concept in newest.concepts or concept in newest.components):
        value = newest.value if concept in newest.concepts else newest.components[concept]
        last = _reading(concept, unit, newest, value)
    if last is None or last.value is not None or last.observation.body.get("dataAbsentReason"):
        return ""
    bound = last.quantity is not None and last.quantity.comparator
    worded = isinstance(last.told, Code | bool) or (isinstance(last.told, str) and not re.search(r"\d", last.told))
    return "" if bound or worded else last.problem


def _listed(observation: Observation, why: str) -> NotUnderstood:
    known = label(min(observation.concepts)) if observation.concepts else ""
    name = known or observation.text or ", ".join(c.display or c.code for c in observation.codes)
    evidence = (place(observation.source, label="result"),)
    unit = unit_of(observation.value)
    return NotUnderstood("result", name, why, text_of(observation.effective), evidence, unit)
