"""Method ``risk.egfr-course``: how kidney function changes, and the KDIGO stage where its persistence is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from salus.fhir.quantity import Quantity
from salus.fhir.views import Observation
from salus.findings.method import Context
from salus.findings.model import Evidence, Finding, Interval, Proposal
from salus.findings.strength import Grade, Strength
from salus.person.person import Person
from salus.record.chart import Chart
from salus.risk import kidney
from salus.risk.creatinine import MEASURE_CREATININE, EgfrValue, Series, excluded, instead, refusal, series
from salus.risk.egfr import KDIGO, UNIT, UNIT_WORDS, decimal
from salus.risk.kidney import Point, Slope
from salus.terminology import units

KDIGO_2012 = "KDIGO 2012 CKD guideline, Kidney Int Suppl 2013;3:1-150, 2.1.3 and 2.1.4"
NICE = "NICE NG203 (at least three eGFR values over at least 90 days to establish a rate)"
MEASURE_UACR = "measure the albumin-creatinine ratio in urine"


@dataclass(frozen=True, slots=True)
class AcrValue:
    """One urine albumin-creatinine ratio in mg/g."""

    observation: Observation
    point: Point
    category: str

    @property
    def evidence(self) -> Evidence:
        """The place of the ratio in the record."""
        source = self.observation.source
        return Evidence(source, {"path": "valueQuantity.value"}, digest=source.digest, label="urine albumin/creatinine")


class EgfrCourse:
    """Slope, change and KDIGO categories."""

    id = "risk.egfr-course"
    version = "1.1.0"
    title = "Course of kidney function and KDIGO stage"
    intended_use = "Shows a professional whether kidney function falls, how fast, and which KDIGO stage is established."
    inputs = ("record",)
    produces = ("egfr-course", "ckd-stage")
    consumes: tuple[str, ...] = ()
    population = (
        "as risk.egfr; a rate needs three values over at least 90 days, a stage needs an abnormality that lasted "
        "at least 90 days"
    )
    references = (KDIGO, KDIGO_2012, NICE)
    licence = "definitions: facts of the cited guidelines"
    limits = (
        "Not measured on outside data.",
        "a straight line through few values: its interval carries the statement, the slope alone does not",
        "values from acute illness are not recognised unless the problem list says so",
        "KDIGO's cause of disease (the C of CGA) is not determined",
        "one urine sample gives a category, not its persistence: ratios vary from day to day",
    )

    def run(self, chart: Chart, context: Context) -> Iterable[Finding]:
        """Findings ``egfr-course`` and ``ckd-stage``, each a result or the reason why there is none."""
        person = Person(chart, ())  # the record alone: whoever may not see notes still gets it
        reason = excluded(person)
        if reason:
            needs = instead(reason)
            return [refusal("egfr-course", reason, needs), refusal("ckd-stage", reason, needs)]
        found = series(person)
        ratios = _ratios(person)
        return [_course(found, ratios), _stage(found, ratios)]


def _ratios(person: Person) -> tuple[AcrValue, ...]:
    """The ratios, each judged in the unit in which it was given: KDIGO rounds the limits of mg/mmol."""
    values = []
    for reading in person.readings("urine-albumin-creatinine-ratio", "mg/g"):
        if reading.value is None or reading.quantity is None:
            continue  # counted as missing: a ratio in an unknown unit is never used
        per_mole = units.dimension(reading.quantity.unit) == units.dimension("mg/mmol")
        given = units.convert(reading.quantity, "mg/mmol") if per_mole else None
        category = kidney.albuminuria_category(float((given or Quantity(reading.value, "mg/g")).value), per_mole)
        values.append(AcrValue(reading.observation, Point(reading.span.start, float(reading.value)), category))
    return tuple(values)


def _course(found: Series, ratios: tuple[AcrValue, ...]) -> Finding:
    values = found.values
    line = kidney.slope([v.point for v in values])
    if line is None:
        have = f"{len(values)} usable creatinine value{'' if len(values) == 1 else 's'}"
        reason = f"a rate needs at least three creatinine values over at least 90 days; there {_are(values)} {have}"
        evidence = tuple(v.evidence for v in values)
        return refusal("egfr-course", reason, (_further(len(values)),), evidence)
    first, last = values[0].estimate.value, values[-1].estimate.value
    before, recent = _before(values), _recent_first(values)
    rapid = kidney.rapid_decline(line)
    change = (last - first) / first
    interval = Interval(decimal(line.low), decimal(line.high), 0.95, "least squares over all values, t interval")
    return Finding(
        code="egfr-course",
        value=Quantity(decimal(line.per_year), f"{UNIT}/a"),
        interval=interval,
        sentence=(
            f"eGFR went from {decimal(first, 0)} to {decimal(last, 0)} {UNIT_WORDS} between {values[0].day} and "
            f"{values[-1].day} ({change:+.0%}); slope {decimal(line.per_year)} per year (95 % interval "
            f"{interval.low} to {interval.high}, {line.n} values); decline faster than 5 per year: {rapid}."
        ),
        patient_sentence=_patient_sentence(line),
        effective=(values[0].date, values[-1].date),
        evidence=tuple(v.evidence for v in values),
        proposals=_course_proposals(rapid, before, recent, last, bool(ratios)),
        details={
            "n": line.n,
            "days": decimal(line.days, 0),
            "first": decimal(first),
            "last": decimal(last),
            "change_share": decimal(change, 3),
            "rapid_decline": rapid,
            "certain_drop": kidney.certain_drop(recent, last),
            "beyond_expected_variability": kidney.unexpected_change(before, last),
            "left_out": [{"observation": ref, "why": problem.text} for ref, problem in found.rejected],
        },
    )


def _are(values: tuple[Any, ...]) -> str:
    return "is" if len(values) == 1 else "are"


def _further(have: int) -> str:
    missing = max(kidney.MINIMUM_VALUES - have, 1)
    plural = "" if missing == 1 else "s"
    return f"{MEASURE_CREATININE} {missing} more time{plural}, so that values span at least 90 days"


def _patient_sentence(line: Slope) -> str:
    if line.high < 0:
        return "Your kidneys work less well than before. Please talk with your doctor about it."
    if line.low > 0:
        return "Your kidney values have become better."
    return "Your kidney values go up and down. It is not certain that they change."


DROP_YEARS = 5
"""Over how many years a drop of category counts as one: a fall over decades is ageing. salus's own choice."""


def _before(values: Sequence[EgfrValue]) -> float:
    """What the newest test is held against: the oldest test of the year before it, else the test before it."""
    newest = values[-1].point.at
    year = [v for v in values[:-1] if v.point.at >= newest - timedelta(days=365)]
    return (year[0] if year else values[-2]).estimate.value


def _recent_first(values: Sequence[EgfrValue]) -> float:
    """The oldest value of the last years: what a drop of category is measured from."""
    newest = values[-1].point.at
    return next(v for v in values if v.point.at >= newest - timedelta(days=365.25 * DROP_YEARS)).estimate.value


def _course_proposals(rapid: str, before: float, recent: float, last: float, have_acr: bool) -> tuple[Proposal, ...]:
    """``before``: the test before the newest (KDIGO speaks of a change on a subsequent test)."""
    found: list[Proposal] = []
    fell = last < before and kidney.unexpected_change(before, last)
    if rapid == "yes" or fell or (last < recent and kidney.certain_drop(recent, last)):
        found.append(
            Proposal(
                guideline="kdigo-2024-ckd",
                action="review",
                target="kidney-function-decline",
                text=(
                    "Review kidney function: look for reversible causes, review current medicines and doses, repeat "
                    "creatinine and urine albumin-creatinine ratio; consider a nephrologist."
                ),
                indication=(
                    "eGFR fell by more than 20 %" if fell else "eGFR falls by more than 5 mL/min/1.73 m2 a year"
                ),
                strength=Strength(Grade.PRACTICE_POINT),
                citation=f"{KDIGO}, practice point 2.1.3; {KDIGO_2012}",
                tier="disease-control",
                changes_if="a repeated creatinine shows that the fall was not real",
                patient_text="Your kidneys work less well than before. Ask your doctor what could be behind it.",
            )
        )
    if not have_acr:
        found.append(_acr_proposal("kidney function is followed without a urine albumin-creatinine ratio"))
    return tuple(found)


def _acr_proposal(indication: str) -> Proposal:
    return Proposal(
        guideline="kdigo-2024-ckd",
        action="measure",
        target="urine-albumin-creatinine-ratio",
        text="Measure the albumin-creatinine ratio in urine.",
        indication=indication,
        strength=Strength(Grade.PRACTICE_POINT),
        citation=f"{KDIGO}, practice point 2.1.1",
        tier="missing-data",
        patient_text="A urine test can show more about your kidneys. Ask your doctor about it.",
    )


def _stage(found: Series, ratios: tuple[AcrValue, ...]) -> Finding:
    if not found.values:
        return refusal("ckd-stage", "no usable creatinine is recorded", (MEASURE_CREATININE, MEASURE_UACR))
    points = [v.point for v in found.values]
    abnormal = [Point(r.point.at, float(r.category != "A1")) for r in ratios]
    latest = points[-1].value
    low_gfr = kidney.persistent_since(points, latest < 60, 60, above=False)
    high_acr = kidney.persistent_since(abnormal, bool(abnormal) and abnormal[-1].value == 1, 1, above=True)
    lasting = [days for days in (low_gfr, high_acr) if days is not None and days >= kidney.CHRONIC_DAYS]
    evidence = (found.values[-1].evidence, *(r.evidence for r in ratios[-1:]))
    if lasting:
        return _staged(found, ratios, low_gfr, high_acr)
    if low_gfr is None and high_acr is None:
        return _no_criterion(found, ratios, evidence)
    what = "eGFR below 60" if low_gfr is not None else "albuminuria"
    need = MEASURE_CREATININE if low_gfr is not None else MEASURE_UACR
    reason = f"{what} has not been shown to last 90 days, which a stage needs"
    return refusal("ckd-stage", reason, (f"{need} again, at least 90 days after the first abnormal value",), evidence)


def _no_criterion(found: Series, ratios: tuple[AcrValue, ...], evidence: tuple[Evidence, ...]) -> Finding:
    if not ratios:
        base = refusal(
            "ckd-stage",
            "eGFR is 60 or above, and without a urine albumin-creatinine ratio kidney damage is not excluded",
            (MEASURE_UACR,),
            evidence,
        )
        return replace(base, proposals=(_acr_proposal("no albumin-creatinine ratio is recorded"),))
    newest = found.values[-1]
    return Finding(
        code="ckd-stage",
        value="no KDIGO criterion met by eGFR and albuminuria",
        sentence=f"On {newest.day} neither eGFR nor urine albumin meets a KDIGO criterion of chronic kidney disease.",
        patient_sentence="Your blood and urine tests show no sign of lasting kidney disease.",
        no_uncertainty="a category by fixed limits; the eGFR's own interval stands in the finding egfr",
        effective=(newest.date, newest.date),
        evidence=evidence,
        details={"gfr_category": kidney.gfr_category(newest.estimate.value), "albuminuria_category": "A1"},
    )


def _staged(found: Series, ratios: tuple[AcrValue, ...], low_gfr: float | None, high_acr: float | None) -> Finding:
    newest = found.values[-1]
    g = kidney.gfr_category(newest.estimate.value)
    a = ratios[-1].category if ratios else None
    value = f"CKD {g}{a}" if a else f"CKD {g}, albuminuria not known"
    days = {"egfr_below_60": low_gfr, "albuminuria": high_acr}
    proposals = () if ratios else (_acr_proposal("the albuminuria category of chronic kidney disease is not known"),)
    low, high = (kidney.gfr_category(limit) for limit in kidney.p30_interval(newest.estimate.value))
    return Finding(
        code="ckd-stage",
        value=value,
        sentence=(
            f"KDIGO stage {value}: the abnormality has lasted "
            f"{max(round(d) for d in days.values() if d is not None)} days (at least 90 are needed)."
        ),
        patient_sentence="Your tests show a lasting change of your kidneys. Please talk with your doctor about it.",
        no_uncertainty=f"a category by fixed limits; with the eGFR's own interval it could be {low} to {high}",
        effective=(newest.date, newest.date),
        evidence=(*(v.evidence for v in found.values), *(r.evidence for r in ratios)),
        proposals=proposals,
        details={
            "gfr_category": g,
            "albuminuria_category": a,
            "acr_mg_g": decimal(ratios[-1].point.value) if ratios else None,
            "persistent_days": {k: None if v is None else Decimal(round(v)) for k, v in days.items()},
        },
    )


EGFR_COURSE = EgfrCourse()
