"""Charts, ECG paper and colours: the geometry is true to the numbers, and every colour can be read."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.careplan.report.ecg import HEAD, strips
from salus.careplan.report.svg import (
    HEIGHT,
    LEFT,
    NARROW,
    Level,
    Line,
    Mean,
    Plot,
    Sample,
    draw,
    nice_ticks,
    time_ticks,
)
from salus.careplan.report.trends import read_series, trends
from salus.findings.model import Finding, MediaItem

from . import sample

START = datetime(2025, 1, 15, tzinfo=UTC)


def line(values: Sequence[float], days: int = 90, **fields: object) -> Line:
    samples = tuple(Sample(START + timedelta(days=days * n), v) for n, v in enumerate(values))
    return Line("value", "a", samples, **fields)  # type: ignore[arg-type]


# ---- axes


@given(
    st.floats(-1e6, 1e6, allow_nan=False), st.floats(1e-3, 1e6, allow_nan=False), st.integers(2, 10)
)  # fmt: skip
def test_ticks_are_round_and_span_the_range(low: float, span: float, most: int) -> None:
    ticks = nice_ticks(low, low + span, most)
    step = ticks[1] - ticks[0]
    assert ticks[0] <= low + 1e-6 * span
    assert ticks[-1] >= low + span - 1e-6 * span
    assert len(ticks) <= most + 2
    assert all(abs((b - a) - step) < 1e-6 * step + 1e-9 for a, b in itertools.pairwise(ticks))


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (0.0, float("inf")), (float("nan"), 1.0)])
def test_a_scale_without_a_range_is_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="two different finite ends"):
        nice_ticks(low, high)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.integers(2, 36_500))
def test_time_ticks_lie_inside_and_are_few(first: datetime, days: int) -> None:
    start = first.replace(tzinfo=UTC)
    end = start + timedelta(days=days)
    ticks = time_ticks(start, end)
    assert len(ticks) <= 8
    assert all(start <= at <= end for at, _ in ticks)
    assert [at for at, _ in ticks] == sorted(at for at, _ in ticks)


def test_time_ticks_fit_the_length_of_time() -> None:
    assert [w for _, w in time_ticks(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))][:2] == [
        "2 Mar",
        "4 Mar",
    ]
    assert [w for _, w in time_ticks(datetime(2025, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))] == [
        "Apr 2025", "Jul 2025", "Oct 2025", "Jan 2026"]  # fmt: skip
    assert [w for _, w in time_ticks(datetime(1990, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))] == [
        "1992", "2000", "2008", "2016", "2024"]  # fmt: skip


# ---- charts


def test_points_lie_where_the_axis_says() -> None:
    shown = draw(Plot((line([60.0, 45.0, 30.0]),), "u", floor=0))
    zero, sixty = (next(t for t in shown.y_ticks if t.text == text) for text in ("0", "60"))
    unit = (zero.y - sixty.y) / 60
    assert [m.y for m in shown.marks] == pytest.approx([zero.y - 4 - unit * v for v in (60, 45, 30)], abs=0.05)
    gaps = [b.x - a.x for a, b in itertools.pairwise(shown.marks)]
    assert gaps[0] == pytest.approx(gaps[1], abs=0.05)
    assert shown.marks[0].title == "value, 15 January 2025: 60 u"


@given(st.lists(st.floats(-1e12, 1e12, allow_nan=False), min_size=1, max_size=12))
def test_everything_stays_inside_the_picture(values: list[float]) -> None:
    shown = draw(Plot((line(values),), "u", (Level(0, "zero"), Level(50, "above", category=True))))
    assert all(LEFT <= m.x <= NARROW and 0 <= m.y <= HEIGHT for m in shown.marks)
    assert all(0 <= t.y <= HEIGHT and 0 <= t.x <= NARROW for t in (*shown.y_ticks, *shown.x_ticks, *shown.names))


def test_levels_far_away_are_left_out_and_categories_named_in_their_middle() -> None:
    levels = (Level(0, "G5", True), Level(15, "G4", True), Level(60, "G2", True), Level(500, "far", True))
    shown = draw(Plot((line([70.0, 65.0]),), "u", levels, floor=0))
    assert [n.text for n in shown.names] == ["G5", "G4", "G2"]
    assert len(shown.levels) == 2
    fifteen, sixty = sorted(shown.levels, reverse=True)
    assert next(n.y for n in shown.names if n.text == "G4") == pytest.approx((fifteen + sixty) / 2 + 4)


def test_an_interval_band_needs_limits_at_every_sample() -> None:
    full = Line("v", "a", tuple(Sample(START + timedelta(days=n), 5, 4, 6) for n in range(3)))
    part = Line("v", "a", (Sample(START, 5), Sample(START + timedelta(days=1), 5, 4, 6)))
    assert draw(Plot((full,), "u")).areas
    assert not draw(Plot((part,), "u")).areas
    assert [m.low is not None for m in draw(Plot((part,), "u")).marks] == [False, True]


def test_a_mean_is_drawn_with_its_interval_and_number() -> None:
    mean = Mean(START, START + timedelta(days=6), 142.4, 140, 145, "mean")
    shown = draw(Plot((line([130.0, 150.0], joined=False),), "mmHg", means=(mean,)))
    _, _, middle, high, low, _ = shown.means[0]
    assert high < middle < low
    assert [e.text for e in shown.ends] == ["142"]


def test_a_chart_without_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        draw(Plot((), "u"))


def series(data: bytes) -> tuple[Sample, ...]:
    return read_series(MediaItem("series", "t", "application/json", data))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[1]", b'[{"at": "x", "value": 1}]', b'[{"at": "2026"}]', b'{"at": 1}', b"7", b"null",
     b'[{"at": "2026", "value": 1E400}]', b'[{"at": "2026", "value": -1E13}]',
     b'[{"at": "2026", "value": "NaN"}]', b'[{"at": "2026", "value": [1]}]'],
)  # fmt: skip
def test_a_series_that_is_none_is_not_drawn(data: bytes) -> None:
    assert series(data) == ()


def test_a_series_is_sorted_and_keeps_its_limits() -> None:
    found = series(b'[{"at":"2026-02","value":2,"low":1,"high":3},{"at":"2026-01","value":1}]')
    assert [(s.value, s.low, s.high) for s in found] == [(1, None, None), (2, 1, 3)]


def test_a_giant_number_on_record_is_not_drawn_and_breaks_nothing() -> None:
    bodies = [b | {"valueQuantity": b["valueQuantity"] | {"value": Decimal("1E+390")}} if b["id"] == "acr1" else b
              for b in sample.resources()]  # fmt: skip
    found = {t.anchor for t in trends(sample.findings(), sample.chart(bodies))}
    assert "trend-uacr" not in found
    assert "trend-egfr" in found


def test_series_at_the_ends_of_time_are_drawn() -> None:
    assert draw(Plot((Line("v", "a", series(b'[{"at":"0001","value":2},{"at":"9998","value":3}]')),), "u")).marks


def test_home_pressure_keeps_morning_and_evening_apart() -> None:
    found = {t.anchor: t for t in trends(sample.findings(), sample.chart())}
    home = found["trend-home-bp"]
    assert {name.name for name in home.plot.lines} == {
        "Systolic, morning", "Systolic, evening", "Diastolic, morning", "Diastolic, evening"}  # fmt: skip
    average = next(f for f in sample.findings() if f.code == "home-bp-average")
    assert [round(m.value, 1) for m in home.plot.means] == [
        float(average.details["systolic"]["mean"]), float(average.details["diastolic"]["mean"])]  # fmt: skip
    assert {row[1] for row in home.rows} == {"morning", "evening"}
    assert all(row[1] == ("morning" if row[0].endswith(("07:00", "07:02")) else "evening") for row in home.rows)


def test_the_slope_drawn_is_the_slope_found() -> None:
    egfr = next(t for t in trends(sample.findings(), sample.chart()) if t.anchor == "trend-egfr")
    course = next(f for f in sample.findings() if f.code == "egfr-course")
    slope = egfr.plot.slope
    assert slope is not None
    years = (slope.end - slope.start) / timedelta(days=365.25)
    assert (slope.last - slope.first) / years == pytest.approx(float(course.value.value), abs=1e-6)  # type: ignore[union-attr]
    newest = egfr.plot.lines[0].samples[-1]
    egfr_finding = next(f for f in sample.findings() if f.code == "egfr")
    assert egfr_finding.interval is not None
    assert (newest.low, newest.high) == (float(egfr_finding.interval.low), float(egfr_finding.interval.high))


# ---- ECG


def finding(item: MediaItem) -> Finding:
    evidence = next(f for f in sample.findings() if f.code == "ecg-heart-rate").evidence
    return Finding("ecg", "A rate.", value=Decimal(60), no_uncertainty="none", evidence=evidence, media=(item,))


def test_the_strip_is_true_to_paper() -> None:
    (strip,) = strips([finding(sample.strip())])
    assert [p.width for p in strip.pieces] == [75, 75, 75, 25]
    points = re.findall(r"([ML])([\d.]+) ([\d.]+)", strip.pieces[0].path)
    assert len(points) == 301
    peak = min(points[:100], key=lambda p: float(p[2]))
    assert float(peak[1]) == pytest.approx(0.5 * 25)
    assert strip.zero - float(peak[2]) == pytest.approx(10 * round(sample.beat(0), 3), abs=0.006)
    assert strip.pieces[0].beats == (12.5, 37.5, 62.5)
    assert [p.label for p in strip.pieces] == ["0 s", "3 s", "6 s", "9 s"]
    assert strip.height % 5 == 0
    assert strip.zero - HEAD == 15


def test_the_pen_lifts_over_a_gap() -> None:
    (strip,) = strips([finding(sample.strip())])
    assert [p.path.count("M") for p in strip.pieces] == [1, 2, 1, 1]


@pytest.mark.parametrize(
    "change",
    [
        {"unit": "uV"},
        {"fs": 0},
        {"samples": []},
        {"samples": [None]},
        {"samples": ["x"]},
        {"samples": 3},
        {"beats": [None]},
        {"samples": [1e300]},
    ],
)
def test_a_strip_that_cannot_be_drawn_says_so(change: dict[str, object]) -> None:
    (strip,) = strips([finding(sample.strip(**change))])
    assert strip.problem
    assert strip.pieces == ()


def test_a_long_strip_is_cut_and_says_so() -> None:
    (strip,) = strips([finding(sample.strip(samples=[0] * 6000))])
    assert len(strip.pieces) == 10
    assert "the first 30 seconds are shown" in strip.caption


def test_wild_voltages_stay_on_the_paper() -> None:
    (strip,) = strips([finding(sample.strip(samples=[-900, 900, 0]))])
    heights = [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", strip.pieces[0].path)]
    assert all(0 <= y <= strip.height for y in heights)


# ---- colours


def css() -> str:
    return files("salus.careplan.report").joinpath("templates/report.css").read_text("utf-8")


def palettes() -> dict[str, dict[str, str]]:
    """The custom properties of each colour scheme: light, dark and paper."""
    blocks = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root \{([^}]*)\}", css())
    ]
    light, dark, paper = blocks
    return {"light": light, "dark": light | dark, "print": light | paper}


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_by_known_values() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def rules() -> list[tuple[str, str]]:
    plain = re.sub(r"/\*.*?\*/|@media[^{]*\{|@page[^}]*\}", "", css(), flags=re.DOTALL)
    return re.findall(r"([^{}]+)\{([^{}]*)\}", plain)


def property_of(body: str, name: str) -> str | None:
    found = re.search(rf"(?:^|[;\s]){name}: [^;]*?var\(--([a-z-]+)\)", body)
    return found.group(1) if found else None


def test_colours_are_named_in_one_place() -> None:
    outside = re.sub(r":root \{[^}]*\}", "", css())
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsl", outside) == []


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_every_text_colour_can_be_read_on_every_surface(scheme: str) -> None:
    colours = palettes()[scheme]
    texts, surfaces = set(), set()
    for selector, body in rules():
        text, surface = property_of(body, "color"), property_of(body, "background")
        if surface and text:
            assert contrast(colours[text], colours[surface]) >= 4.5, (selector, text, surface)
        if surface and surface not in ("accent", "urgent", "plot-level", "line"):
            surfaces.add(surface)
            assert text, f"{selector.strip()} sets a background without a colour"
        elif text and not surface:
            texts.add(text)
    texts |= {"muted", "ink", "plot-a"}
    surfaces |= {"paper", "card", "tint"}
    for text, surface in itertools.product(texts - {"card", "accent-ink"}, surfaces):
        if (text, surface) not in {("muted", "mark"), ("urgent", "mark"), ("accent", "mark"), ("ask", "mark")}:
            assert contrast(colours[text], colours[surface]) >= 4.5, (scheme, text, surface)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_every_drawn_line_can_be_seen(scheme: str) -> None:
    colours = palettes()[scheme]
    for name in ("plot-a", "plot-b", "plot-level", "ink"):
        assert contrast(colours[name], colours["card"]) >= 3, (scheme, name)
    assert contrast(colours["trace"], colours["sheet"]) >= 7
    assert contrast(colours["ask-line"], colours["card"]) >= 3
