"""Method ``monitoring.home-blood-pressure``: the average at home, by protocol, and its drift over weeks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from salus.fhir import dates, json
from salus.fhir.quantity import Quantity
from salus.fhir.views import Observation
from salus.findings.method import Context
from salus.findings.model import Finding, Interval, MediaItem
from salus.monitoring._chart import evidence, local_time, number, period, pregnant, refuse, rounded
from salus.record.chart import Chart

if TYPE_CHECKING:
    from salus.monitoring.blood_pressure import Average, Estimate, Measurement, Shortage, Trend

MAX_AGE_DAYS = 90
"""Default of the parameter ``max-age-days``: an older week says how it was, not how it is. salus's own choice."""
MIN_AGE = 18
OBTAIN = (
    "home blood pressure on 7 days (at least 4): two measurements a minute apart, seated and at rest, "
    "every morning and every evening, with a validated upper-arm device"
)
AVERAGE_METHOD = "mean of all measurements, days as clusters, Student t"
TREND_METHOD = "Theil-Sen slope of daily means, Sen's interval; days taken as independent"


class HomeBloodPressure:
    """Seven-day home blood pressure by NICE NG136, and a trend over up to twelve weeks."""

    id = "monitoring.home-blood-pressure"
    version = "1.0.0"
    title = "Home blood pressure: seven-day average and trend"
    intended_use = "Gives clinician and patient the average that guidelines speak of, from measurements at home."
    inputs = ("signal", "record")
    produces = ("home-bp-average", "home-bp-trend")
    consumes: tuple[str, ...] = ()
    population = "Adults of 18 years and older, not pregnant, with measurements made at home."
    references = (
        "NICE guideline NG136, Hypertension in adults: diagnosis and management (home blood pressure monitoring)",
        "McManus RJ et al. The case for home monitoring in hypertension. BMC Medicine 2010; 8:55",
        "Confidence limits for interpretation of home blood pressure recordings. Blood Press Monit, August 2009",
        "Warren RE et al. Variability of office, 24-hour ambulatory, and self-monitored blood pressure measurements. "
        "Br J Gen Pract 2010; 60:675-680",
        "Sen PK. Estimates of the regression coefficient based on Kendall's tau. J Am Stat Assoc 1968; 63:1379-1389",
    )
    licence = "Apache-2.0"
    limits = (
        "Not measured on outside data.",
        "At least 12 measurements on 3 days after the first day of the week is discarded.",
        "The interval speaks of day-to-day variation, not of the device's own error or the cuff's size.",
        "The threshold of 135/85 mmHg is NICE's for diagnosis; a person's own target may differ.",
        "The trend does not know of changes of treatment in between.",
        "In an irregular pulse (atrial fibrillation) automatic devices may measure wrongly.",
    )

    def run(self, chart: Chart, context: Context) -> Iterable[Finding]:
        """``home-bp-average``, and ``home-bp-trend`` where there are weeks of data; none without home measurements."""
        from salus.monitoring import blood_pressure as bp

        measurements, observations, dropped = _measurements(chart)
        if not observations and not dropped:
            return ()
        refusal = _population(chart)
        if refusal is not None:
            return (refusal,)
        earliest = chart.now - timedelta(days=float(context.parameters.get("max-age-days", MAX_AGE_DAYS)))
        found = bp.average([m for m in measurements if m.at >= earliest])
        today = chart.now.date() + timedelta(days=1)  # east of Greenwich the local day may be ahead
        drifts = [bp.trend(measurements, today, part) for part in ("systolic", "diastolic")]
        first = (
            _average(found, observations, dropped) if isinstance(found, bp.Average) else _too_few(found, measurements)
        )
        if isinstance(drifts[0], bp.Trend) and isinstance(drifts[1], bp.Trend):
            return (first, _trend(drifts[0], drifts[1], observations))
        return (first,)


def _population(chart: Chart) -> Finding | None:
    age = chart.patient.age(chart.now)
    if chart.patient.deceased:
        return refuse("home-bp-average", "the person has died", "nothing: the average does not apply")
    if age is None:
        return refuse("home-bp-average", "the age is not known, and the protocol is for adults", "date of birth")
    if age < MIN_AGE:
        return refuse("home-bp-average", "the protocol is for adults", "a paediatric assessment of blood pressure")
    if pregnant(chart):
        reason = "the protocol and its threshold are not for use in pregnancy"
        return refuse("home-bp-average", reason, "blood pressure as asked for in antenatal care")
    return None


def _measurements(chart: Chart) -> tuple[list[Measurement], dict[str, Observation], int]:
    """Home measurements with both pressures and a time of day; how many had to be left out."""
    from salus.monitoring.blood_pressure import Measurement

    found, observations, dropped = [], {}, 0
    for observation in chart.observations("blood-pressure"):
        if observation.setting != "home":
            continue
        at = local_time(observation)
        systolic = number(observation.components.get("systolic-bp"), "mm[Hg]")
        diastolic = number(observation.components.get("diastolic-bp"), "mm[Hg]")
        if at is None or systolic is None or diastolic is None or not 20 <= diastolic < systolic <= 350:
            dropped += 1
            continue
        observations[observation.source.ref] = observation
        found.append(Measurement(at, float(systolic), float(diastolic), observation.source.ref))
    return found, observations, dropped


def _too_few(found: Shortage, measurements: Sequence[Measurement]) -> Finding:
    from salus.monitoring.blood_pressure import MIN_DAYS, MIN_READINGS

    reason = (
        f"too few home measurements in one week: {found.readings} on {found.days} days after the first day, "
        f"{MIN_READINGS} on {MIN_DAYS} days needed"
    )
    span = period([m.at for m in measurements]) if measurements else ("", "")
    return refuse("home-bp-average", reason, OBTAIN, details={"measurements": len(measurements)}, effective=span)


def _interval(estimate: Estimate, method: str, sign: int = 1) -> Interval:
    low, high = sorted((sign * estimate.low, sign * estimate.high))
    return Interval(rounded(low), rounded(high), 0.95, method)


def _part(estimate: Estimate) -> dict[str, object]:
    return {"mean": rounded(estimate.mean), "low": rounded(estimate.low), "high": rounded(estimate.high)}


_VERDICT = {
    "above": "in the range of hypertension (135/85 mmHg or more), also at the lower end of the interval",
    "below": "below 135/85 mmHg, also at the upper end of the interval",
    "uncertain": "too near to 135/85 mmHg to tell on which side it lies",
}


def _average(found: Average, observations: dict[str, Observation], dropped: int) -> Finding:
    mean = f"{rounded(found.systolic.mean, '1')}/{rounded(found.diastolic.mean, '1')} mmHg"
    mornings = sum(m.morning for m in found.used)
    details = {
        "systolic": _part(found.systolic),
        "diastolic": _part(found.diastolic),
        "unit": "mm[Hg]",
        "measurements": len(found.used),
        "days": found.days,
        "mornings": mornings,
        "evenings": len(found.used) - mornings,
        "discarded_first_day": len(found.discarded),
        "left_out": dropped,
        "raised": found.raised,
        "verdict": found.verdict,
    }
    return Finding(
        code="home-bp-average",
        sentence=f"Average blood pressure at home {mean} ({len(found.used)} measurements on {found.days} days, the "
        f"first day discarded): {_VERDICT[found.verdict]}.",
        value=Quantity(rounded(found.systolic.mean), "mm[Hg]"),
        interval=_interval(found.systolic, AVERAGE_METHOD),
        effective=period([m.at for m in found.used]),
        evidence=evidence(observations[m.key] for m in found.used),
        details=details,
        patient_sentence=f"Your average blood pressure at home was {mean}.",
    )


def _trend(systolic: Trend, diastolic: Trend, observations: dict[str, Observation]) -> Finding:
    from salus.monitoring.blood_pressure import by_day

    change = rounded(systolic.change.mean)
    daily = [
        {
            "at": dates.write(group[0].at),
            "value": rounded(sum(m.systolic for m in group) / len(group)),
            "diastolic": rounded(sum(m.diastolic for m in group) / len(group)),
        }
        for group in by_day(systolic.used).values()
    ]
    words = {"rising": "has been rising", "falling": "has been falling"}.get(systolic.direction, "shows no clear trend")
    return Finding(
        code="home-bp-trend",
        sentence=f"Systolic blood pressure at home {words}: {change:+} mmHg over {systolic.span_days} days.",
        value=Quantity(change, "mm[Hg]"),
        interval=_interval(systolic.change, TREND_METHOD),
        effective=period([m.at for m in systolic.used]),
        evidence=evidence(observations[m.key] for m in systolic.used),
        details={
            "systolic": {"change": _part(systolic.change), "per_week": _part(systolic.per_week)},
            "diastolic": {"change": _part(diastolic.change), "per_week": _part(diastolic.per_week)},
            "direction": systolic.direction,
            "diastolic_direction": diastolic.direction,
            "beyond_usual_variation": systolic.beyond_usual,
            "days": systolic.days,
            "span_days": systolic.span_days,
            "unit": "mm[Hg]",
        },
        media=(MediaItem("series", "Home blood pressure, daily means", "application/json", json.dumps(daily)),),
        patient_sentence=f"Your blood pressure at home {words} over the last weeks.",
    )


HOME_BLOOD_PRESSURE = HomeBloodPressure()
