"""Method ``risk.egfr``: the newest estimated GFR with its uncertainty, and all earlier values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from salus.fhir.quantity import Quantity, unit_words
from salus.findings.method import Context
from salus.findings.model import Finding, Interval, MediaItem, Proposal
from salus.findings.strength import Grade, Strength
from salus.person.measurements import DAYS_A_MONTH
from salus.person.person import Person
from salus.record.chart import Chart
from salus.risk import kidney
from salus.risk.creatinine import MEASURE_CREATININE, EgfrValue, Series, excluded, instead, refusal, series

UNIT = "mL/min/{1.73_m2}"
UNIT_WORDS = unit_words(UNIT)
KDIGO = "KDIGO 2024 CKD guideline, Kidney Int 2024;105(4S):S117-S314"
INKER = "Inker LA et al. N Engl J Med 2021;385:1737-1749 (CKD-EPI 2021), doi:10.1056/NEJMoa2102953"


def decimal(value: float, digits: int = 1) -> Decimal:
    """``value`` rounded half up to ``digits`` decimals."""
    return Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


class Egfr:
    """eGFR by CKD-EPI 2021 from the newest valid creatinine."""

    id = "risk.egfr"
    version = "1.1.0"
    title = "Estimated GFR (CKD-EPI 2021, creatinine)"
    intended_use = "Shows a professional the estimated kidney function of an adult from serum creatinine, age and sex."
    inputs = ("record",)
    produces = ("egfr",)
    consumes: tuple[str, ...] = ()
    population = (
        "adults of 18 years and older in a steady state; refused in pregnancy, on dialysis, in acute kidney injury, "
        "after death, and where sex or date of birth is not recorded"
    )
    references = (INKER, KDIGO)
    licence = "equation: facts of the cited paper"
    limits = (
        "sex is the recorded administrative sex; above 0.9 mg/dL the formulas of the two sexes differ by a quarter",
        "creatinine also depends on muscle mass, diet and some medicines; cystatin C gives a second opinion",
        "the interval comes from the validation cohort as a whole, not from this person",
        "acute illness is only recognised from the problem list",
    )

    def run(self, chart: Chart, context: Context) -> Iterable[Finding]:
        """One finding ``egfr``: the newest value, or why there is none."""
        person = Person(chart, ())  # the record alone: whoever may not see notes still gets it
        reason = excluded(person)
        if reason:
            return [refusal("egfr", reason, instead(reason))]
        found = series(person)
        if not found.values:
            return [_missing(found)]
        if found.newest_problem is not None:
            newest = found.newest_problem
            reason = f"the newest creatinine cannot be used: {newest.text}"
            return [refusal("egfr", reason, (newest.obtain,), (found.values[-1].evidence,))]
        limit = timedelta(days=int(context.parameters.get("look_back_days", VALID_DAYS)))
        last = found.values[-1]
        return [_finding(found)] if last.point.at >= person.now - limit else [_too_old(last, limit)]


VALID_DAYS = 730
"""How old the newest creatinine may be to tell kidney function now. salus's own choice; ``look_back_days`` changes
it."""


def _too_old(last: EgfrValue, limit: timedelta) -> Finding:
    months = round(limit.days / DAYS_A_MONTH)
    reason = (
        f"the newest creatinine, of {last.day}, is more than {months} months old (estimated GFR then "
        f"{last.estimate.rounded} {UNIT_WORDS})"
    )
    base = refusal("egfr", reason, (MEASURE_CREATININE,), (last.evidence,))
    return replace(base, proposals=(_measure(f"the newest is of {last.day}"),))


def _missing(found: Series) -> Finding:
    if found.rejected:
        newest = found.rejected[-1][1]
        return refusal("egfr", newest.text, (newest.obtain,))
    base = refusal("egfr", "no creatinine is recorded", (MEASURE_CREATININE,))
    return replace(base, proposals=(_measure("no usable creatinine is recorded"),))


def _measure(indication: str) -> Proposal:
    return Proposal(
        guideline="kdigo-2024-ckd",
        action="measure",
        target="creatinine",
        text="Measure creatinine in blood: kidney function is not known.",
        indication=indication,
        strength=Strength(Grade.PRACTICE_POINT),
        citation=KDIGO,
        tier="missing-data",
        patient_text="A blood test can show how well your kidneys work. Ask your doctor whether you need one.",
    )


def _finding(found: Series) -> Finding:
    newest = found.values[-1]
    low, high = kidney.p30_interval(newest.estimate.value)
    value = newest.estimate.rounded
    interval = Interval(
        decimal(low, 0), decimal(high, 0), kidney.P30, "P30 of the validation cohort: e/1.3 to e/0.7 (Inker 2021)"
    )
    return Finding(
        code="egfr",
        value=Quantity(value, UNIT),
        interval=interval,
        sentence=(
            f"Estimated GFR {value} {UNIT_WORDS} on {newest.day} (CKD-EPI 2021), KDIGO category "
            f"{kidney.gfr_category(newest.estimate.value)}; in at least 85 of 100 people the measured GFR lies "
            f"between {interval.low} and {interval.high}." + _left_out(found)
        ),
        patient_sentence=f"Your kidney value (eGFR) is {value}. Below 60 for months can mean kidney disease.",
        effective=(newest.date, newest.date),
        evidence=(newest.evidence,),
        details=_details(found),
        media=(_media(found.values),) if len(found.values) > 1 else (),
    )


def _left_out(found: Series) -> str:
    count = len(found.rejected)
    return f" {count} other creatinine result{'s' if count > 1 else ''} could not be used." if count else ""


def _details(found: Series) -> dict[str, object]:
    newest = found.values[-1]
    return {
        "equation": f"{kidney.CKD_EPI} 2021.1",
        "unrounded": decimal(newest.estimate.value, 4),
        "creatinine_mg_dl": decimal(float(newest.creatinine), 3),
        "category": kidney.gfr_category(newest.estimate.value),
        "values": [
            {"at": v.date, "egfr": decimal(v.estimate.value), "observation": v.observation.source.ref}
            for v in found.values
        ],
        "left_out": [{"observation": ref, "why": problem.text} for ref, problem in found.rejected],
    }


def _media(values: tuple[EgfrValue, ...]) -> MediaItem:
    rows = []
    for value in values:
        low, high = (float(decimal(bound, 0)) for bound in kidney.p30_interval(value.estimate.value))
        shown = float(decimal(value.estimate.value))
        rows.append({"at": value.point.at.isoformat(), "value": shown, "low": low, "high": high})
    return MediaItem("series", "Estimated GFR over time", "application/json", json.dumps(rows).encode())


EGFR = Egfr()
