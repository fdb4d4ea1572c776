"""The trends of the report: kidney function, albumin in urine, blood pressure at home, and any other series."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from salus.careplan.report.svg import WIDE, Geometry, Level, Line, Mean, Plot, Sample, Slope, draw, drawable
from salus.careplan.report.words import coverage, plain_number, short_date, unit_words
from salus.errors import InputError, UnitError
from salus.fhir import dates, json
from salus.fhir.quantity import Quantity
from salus.fhir.views import Observation
from salus.findings.model import Finding, MediaItem
from salus.record.chart import Chart
from salus.terminology import units

MAX_SAMPLES = 2_000
NOON = 12


@dataclass(frozen=True, slots=True)
class Trend:
    """A chart with its words: ``text`` says what it shows to who cannot see it, ``rows`` are the values.

    One that is ``broad`` has a row of its own on a broad screen, and is drawn once for it and once for a small one.
    """

    anchor: str
    title: str
    unit: str
    plot: Plot
    legend: tuple[tuple[str, str], ...]
    text: str
    notes: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    broad: bool = False

    @property
    def drawings(self) -> tuple[tuple[str, Geometry], ...]:
        """Each drawing with the class that says where it is shown."""
        if self.broad:
            return (("only-broad", draw(self.plot, WIDE)), ("only-narrow", draw(self.plot)))
        return (("", draw(self.plot)),)


@cache
def _references() -> Mapping[str, Any]:
    return tomllib.loads(files("salus.careplan.report").joinpath("references.toml").read_text("utf-8"))


def _levels(name: str, category: bool = True) -> tuple[Level, ...]:
    return tuple(Level(float(e["value"]), e["name"], category) for e in _references()[name]["levels"])


def trends(findings: Sequence[Finding], chart: Chart) -> tuple[Trend, ...]:
    """Every trend that the findings and the chart carry, kidneys first."""
    found = [_egfr(findings), _albumin(chart.fresh()), _home_pressure(findings, chart.fresh())]
    drawn = {"egfr", "home-bp-trend"}
    for finding in findings:
        if finding.code not in drawn:
            found += [_series(finding, item) for item in finding.media if item.kind == "series"]
    kept = [t for t in found if t is not None]
    if len(kept) % 2:
        kept[-1] = replace(kept[-1], broad=True)
    return tuple(kept)


def _of(findings: Iterable[Finding], code: str) -> Finding | None:
    return next((f for f in findings if f.code == code and f.status == "ok"), None)


def read_series(item: MediaItem) -> tuple[Sample, ...]:
    """The samples of a "series", oldest first; () when it is not one. Rows may carry "low" and "high"."""
    try:
        rows = json.loads(item.data)
        found = [
            Sample(dates.instant(r["at"]), float(r["value"]), _number(r.get("low")), _number(r.get("high")))
            for r in rows[:MAX_SAMPLES]
        ]
    except (InputError, KeyError, TypeError, ValueError, AttributeError):
        return ()
    if not all(drawable(v) for s in found for v in (s.value, s.low, s.high) if v is not None):
        return ()
    return tuple(sorted(found, key=lambda s: s.at))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _egfr(findings: Sequence[Finding]) -> Trend | None:
    finding = _of(findings, "egfr")
    item = next((m for m in finding.media if m.kind == "series"), None) if finding else None
    samples = read_series(item) if item else ()
    if finding is None or not samples:
        return None
    if finding.interval is not None and samples[-1].low is None:
        newest = samples[-1]
        edges = float(finding.interval.low), float(finding.interval.high)
        samples = (*samples[:-1], Sample(newest.at, newest.value, *edges))
        bars = "Bar: of the newest value, the"
    else:
        bars = "Bars and shading:"
    reference = _references()["egfr"]
    unit = unit_words(reference["unit"])
    slope, words = _slope(findings, samples, unit)
    notes = [f"{bars} {coverage(finding.interval)}."] if finding.interval else []
    notes += [words] if words else []
    line = Line("eGFR", "a", samples, newest=str(getattr(finding.value, "value", "")))
    return Trend(
        "trend-egfr",
        "Estimated GFR",
        unit,
        Plot((line,), unit, _levels("egfr"), slope=slope, floor=0),
        legend=(("a", "eGFR"), *((("slope", "straight line through all values"),) if slope else ())),
        text=_told("Estimated GFR", samples, unit),
        notes=(*notes, f"{reference['note']} ({reference['source']})."),
        columns=("Date", f"eGFR ({unit})"),
        rows=tuple((short_date(s.at), plain_number(s.value)) for s in samples),
    )


def _slope(findings: Sequence[Finding], samples: Sequence[Sample], unit: str) -> tuple[Slope | None, str]:
    """The least-squares line of the finding ``egfr-course``, through the mean of its values, and its words."""
    course = _of(findings, "egfr-course")
    if course is None or not isinstance(course.value, Quantity) or course.details.get("n") != len(samples):
        return None, ""
    year = 365.25 * 86_400
    seconds = [s.at.timestamp() for s in samples]
    centre = sum(seconds) / len(seconds)
    mean = sum(s.value for s in samples) / len(samples)
    ends = [mean + float(course.value.value) * (t - centre) / year for t in (seconds[0], seconds[-1])]
    interval = f" ({course.interval.low} to {course.interval.high})" if course.interval else ""
    words = f"Dashed: slope {course.value.value} {unit} a year{interval}."
    return Slope(samples[0].at, ends[0], samples[-1].at, ends[1]), words


def _told(name: str, samples: Sequence[Sample], unit: str) -> str:
    first, last = samples[0], samples[-1]
    if len(samples) == 1:
        return f"{name}: {plain_number(last.value)} {unit} on {short_date(last.at)}."
    values = [s.value for s in samples]
    return (
        f"{name}, {len(samples)} values: {plain_number(first.value)} on {short_date(first.at)}, "
        f"{plain_number(last.value)} {unit} on {short_date(last.at)}; "
        f"lowest {plain_number(min(values))}, highest {plain_number(max(values))}."
    )


def _albumin(chart: Chart) -> Trend | None:
    reference = _references()["urine-albumin-creatinine-ratio"]
    samples = []
    for observation in chart.observations("urine-albumin-creatinine-ratio"):
        if observation.quantity is None or observation.effective is None:
            continue
        try:
            value = units.convert(observation.quantity, reference["unit"], "urine-albumin-creatinine-ratio").value
        except UnitError:
            continue  # a ratio in an unknown unit is not drawn; the findings say that it was not used
        if drawable(float(value)):
            samples.append(Sample(observation.effective.start, float(value)))
    if len(samples) < 2:
        return None
    unit = unit_words(reference["unit"])
    levels = _levels("urine-albumin-creatinine-ratio")
    return Trend(
        "trend-uacr",
        "Albumin-creatinine ratio in urine",
        unit,
        Plot((Line("Albumin-creatinine ratio", "a", tuple(samples)),), unit, levels, floor=0),
        legend=(("a", "albumin-creatinine ratio"),),
        text=_told("Albumin-creatinine ratio in urine", samples, unit),
        notes=(f"{reference['note']} ({reference['source']}).",),
        columns=("Date", f"Ratio ({unit})"),
        rows=tuple((short_date(s.at), plain_number(s.value)) for s in samples),
    )


@dataclass(frozen=True, slots=True)
class _Pressure:
    at: datetime
    systolic: float
    diastolic: float
    morning: bool


def _home_pressure(findings: Sequence[Finding], chart: Chart) -> Trend | None:
    """Every measurement that the home findings rest on, morning and evening apart, with the week's average."""
    wanted = [f for code in ("home-bp-trend", "home-bp-average") if (f := _of(findings, code))]
    refs = {e.source.ref for f in wanted for e in f.evidence}
    measured = [p for o in chart.observations("blood-pressure") if o.source.ref in refs and (p := _pressure(o))]
    if len(measured) < 2:
        return None
    reference = _references()["home-blood-pressure"]
    unit = unit_words(reference["unit"])
    lines = (*_readings(measured, early=True), *_readings(measured, early=False))
    average = _of(findings, "home-bp-average")
    means = _means(average) if average else ()
    averaged = (("mean", "average of the week, with its interval"),) if means else ()
    notes = [f"{reference['note']} ({reference['source']})."]
    if average is not None:
        notes.insert(0, average.sentence)
    return Trend(
        "trend-home-bp",
        "Blood pressure at home",
        unit,
        Plot(lines, unit, _levels("home-blood-pressure", category=False), means),
        legend=(("a", "morning"), ("b", "evening"), *averaged),
        text=_pressure_text(measured),
        notes=tuple(notes),
        columns=("Measured", "Time of day", "Systolic", "Diastolic"),
        rows=tuple(
            (f"{short_date(p.at)}, {p.at:%H:%M}", "morning" if p.morning else "evening", plain_number(p.systolic),
             plain_number(p.diastolic)) for p in measured
        ),
    )  # fmt: skip


def _readings(measured: Sequence[_Pressure], early: bool) -> tuple[Line, ...]:
    """The points of mornings or evenings, systolic above diastolic."""
    group = [p for p in measured if p.morning is early]
    time, style = ("morning", "a") if early else ("evening", "b")
    if not group:
        return ()
    systolic = tuple(Sample(p.at, p.systolic) for p in group)
    diastolic = tuple(Sample(p.at, p.diastolic) for p in group)
    return (
        Line(f"Systolic, {time}", style, systolic, joined=False),
        Line(f"Diastolic, {time}", style, diastolic, joined=False),
    )


def _pressure(observation: Observation) -> _Pressure | None:
    span = observation.effective
    values = [observation.components.get(name) for name in ("systolic-bp", "diastolic-bp")]
    if span is None or "T" not in span.text or not all(isinstance(v, Quantity) for v in values):
        return None
    zone = datetime.fromisoformat(span.text).tzinfo
    local = span.start.astimezone(zone) if zone else span.start
    try:
        high, low = (float(units.convert(v, "mm[Hg]").value) for v in values if isinstance(v, Quantity))
    except UnitError:
        return None
    if not (drawable(high) and drawable(low)):
        return None
    return _Pressure(local, high, low, local.hour < NOON)


def _means(average: Finding) -> tuple[Mean, ...]:
    parts = [average.details.get(name) for name in ("systolic", "diastolic")]
    try:
        start, end = (dates.instant(text) for text in average.effective)
        return tuple(Mean(start, end, float(p["mean"]), float(p["low"]), float(p["high"]), "mean") for p in parts if p)
    except (InputError, KeyError, TypeError, ValueError):
        return ()


def _pressure_text(measured: Sequence[_Pressure]) -> str:
    words = []
    for time, early in (("Morning", True), ("Evening", False)):
        group = [p for p in measured if p.morning is early]
        if group:
            top = sum(p.systolic for p in group) / len(group)
            low = sum(p.diastolic for p in group) / len(group)
            words.append(f"{time}: {len(group)} measurements, on average {top:.0f}/{low:.0f} mmHg.")
    return f"From {short_date(measured[0].at)} to {short_date(measured[-1].at)}. {' '.join(words)}"


def _series(finding: Finding, item: MediaItem) -> Trend | None:
    samples = read_series(item)
    if len(samples) < 2:
        return None
    unit = unit_words(finding.value.unit) if isinstance(finding.value, Quantity) else ""
    return Trend(
        f"trend-{finding.id[:8]}",
        item.title,
        unit,
        Plot((Line(item.title, "a", samples),), unit),
        legend=(("a", item.title),),
        text=_told(item.title, samples, unit),
        notes=(finding.sentence,),
        columns=("Date", f"Value ({unit})" if unit else "Value"),
        rows=tuple((short_date(s.at), plain_number(s.value)) for s in samples),
    )
