"""Home blood pressure: the protocol's average, its interval, the trend, and what is not enough."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.fhir import json
from salus.findings.method import Context, Method
from salus.findings.model import Finding, Interval
from salus.monitoring import blood_pressure as bp
from salus.monitoring.method_home_blood_pressure import HOME_BLOOD_PRESSURE
from salus.record.chart import Chart

from .made import NOW, SNOMED, home_series, observation, patient, pressure

START = datetime(2026, 1, 5, 7, 0, tzinfo=UTC)


def series(days: int, level: Any = 140.0, per_day: int = 4) -> list[bp.Measurement]:
    found = []
    for day in range(days):
        base = level(day) if callable(level) else level
        for n in range(per_day):
            at = START + timedelta(days=day, hours=(0, 0, 13, 13)[n % 4], minutes=n)
            found.append(bp.Measurement(at, base + n % 2, 80 + n % 2, f"{day}-{n}"))
    return found


def test_first_day_is_discarded_and_all_others_averaged() -> None:
    found = bp.average(series(7, lambda day: 180.0 if day == 0 else 120.0 + day))
    assert isinstance(found, bp.Average)
    assert (found.days, len(found.used), len(found.discarded)) == (6, 24, 4)
    assert found.systolic.mean == pytest.approx(120 + 3.5 + 0.5)
    assert all(m.systolic < 150 for m in found.used)


def test_interval_is_students_t_over_days() -> None:
    found = bp.average(series(7, lambda day: 120.0 + day))
    assert isinstance(found, bp.Average)
    means = np.array([120.5 + day for day in range(1, 7)])  # equal numbers a day: the plain t interval of day means
    reach = 2.570581835636314 * means.std(ddof=1) / np.sqrt(6)
    assert found.systolic.high - found.systolic.mean == pytest.approx(reach)


@pytest.mark.parametrize(
    ("days", "per_day", "enough"),
    [(4, 4, True), (3, 4, False), (4, 3, False), (7, 2, True), (6, 2, False), (1, 20, False)],
)
def test_shortest_series_that_the_protocol_allows(days: int, per_day: int, enough: bool) -> None:
    found = bp.average(series(days, per_day=per_day))
    assert isinstance(found, bp.Average) is enough


def test_latest_full_week_is_taken() -> None:
    stray = [bp.Measurement(START + timedelta(days=30), 200, 100, "x")]
    found = bp.average(series(7, 130.0) + stray)
    assert isinstance(found, bp.Average)
    assert found.systolic.mean < 140
    assert found.used[-1].day == (START + timedelta(days=6)).date()


def test_the_same_measurement_twice_counts_once() -> None:
    once, twice = bp.average(series(5)), bp.average(series(5) * 2)
    assert isinstance(once, bp.Average)
    assert isinstance(twice, bp.Average)
    assert len(twice.used) == len(once.used)


@given(
    levels=st.lists(st.floats(90, 190), min_size=4, max_size=20),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=40)
def test_average_lies_within_its_data_and_order_does_not_matter(levels: list[float], order: Any) -> None:
    made = series(len(levels), lambda day: levels[day])
    shuffled = list(made)
    order.shuffle(shuffled)
    found = bp.average(made)
    assert isinstance(found, bp.Average)
    assert found == bp.average(shuffled)
    used = [m.systolic for m in found.used]
    assert min(used) - 1e-9 <= found.systolic.mean <= max(used) + 1e-9
    assert found.systolic.low <= found.systolic.mean <= found.systolic.high
    assert (max(m.day for m in found.used) - min(m.day for m in found.used)).days < bp.WINDOW_DAYS - 1


@pytest.mark.parametrize(
    ("level", "verdict"), [(150.0, "above"), (120.0, "below"), (lambda day: 125.0 + 20 * (day % 2), "uncertain")]
)
def test_verdict_follows_the_interval(level: Any, verdict: str) -> None:
    found = bp.average(series(7, level))
    assert isinstance(found, bp.Average)
    assert found.verdict == verdict


def test_trend_finds_a_drift_and_its_size() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 4, 80)
    made = series(80, lambda day: 130 + day * 2 / 7 + noise[day])
    found = bp.trend(made, (START + timedelta(days=80)).date())
    assert isinstance(found, bp.Trend)
    assert found.direction == "rising"
    assert found.per_week.low < 2 < found.per_week.high
    assert found.change.mean == pytest.approx(found.per_week.mean / 7 * found.span_days)
    assert found.beyond_usual


def test_no_drift_is_not_called_one() -> None:
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(60):
        noise = rng.normal(0, 6, 56)
        found = bp.trend(series(56, lambda day, n=noise: 130 + n[day]), (START + timedelta(days=56)).date())
        assert isinstance(found, bp.Trend)
        wrong += found.direction != "no clear trend"
    assert wrong <= 8  # 95 % interval: 3 expected of 60


def test_too_few_weeks_are_no_trend() -> None:
    assert isinstance(bp.trend(series(27), (START + timedelta(days=27)).date()), bp.Shortage)
    two_visits = series(7) + [m for m in series(50) if m.day >= (START + timedelta(days=43)).date()]
    assert isinstance(bp.trend(two_visits, (START + timedelta(days=50)).date()), bp.Shortage)


def test_day_and_session_are_local() -> None:
    late = datetime(2026, 1, 5, 23, 30, tzinfo=timezone(timedelta(hours=-8)))
    m = bp.Measurement(late, 130, 80)
    assert (m.day.isoformat(), m.morning) == ("2026-01-05", False)


# ---- the method


def run(*resources: Any, person: dict[str, Any] | None = None, **parameters: Any) -> list[Finding]:
    chart = Chart.of([person or patient(), *resources], now=NOW)
    return list(HOME_BLOOD_PRESSURE.run(chart, Context(parameters)))


def test_it_is_a_method() -> None:
    assert isinstance(HOME_BLOOD_PRESSURE, Method)


def test_a_week_gives_an_average_with_details() -> None:
    (found,) = run(*home_series(7, 142))
    assert found.status == "ok"
    assert found.code == "home-bp-average"
    assert str(found.value) == "141.8 mm[Hg]"
    assert isinstance(found.interval, Interval)
    assert found.interval.level == 0.95
    assert found.details["diastolic"]["mean"] == Decimal("84.8")
    assert (found.details["measurements"], found.details["days"], found.details["mornings"]) == (24, 6, 12)
    assert found.details["verdict"] == "above"
    assert len(found.evidence) == 24
    assert "142/85 mmHg" in found.sentence


def test_three_months_give_a_trend_with_a_series() -> None:
    average, trend = run(*home_series(70, [128 + n * 0.2 for n in range(70)]))
    assert average.status == trend.status == "ok"
    assert trend.details["direction"] == "rising"
    assert trend.details["diastolic_direction"] == "no clear trend"
    (media,) = trend.media
    points = json.loads(media.data)
    assert media.kind == "series"
    assert len(points) == 70
    assert set(points[0]) >= {"at", "value"}
    assert trend.evidence


def test_only_home_measurements_count() -> None:
    clinic = [b | {"meta": {}} for b in home_series(7)]
    assert run(*clinic) == []


def test_too_few_says_what_to_obtain() -> None:
    (found,) = run(*home_series(2))
    assert found.status == "not-assessable"
    assert "too few" in found.reason
    assert "every morning and every evening" in found.needs[0]


def test_an_old_week_does_not_speak_for_today() -> None:
    old = home_series(7, last=NOW - timedelta(days=100))
    (found,) = run(*old)
    assert found.status == "not-assessable"
    (found,) = run(*old, **{"max-age-days": 120})
    assert found.status == "ok"


def test_unusable_measurements_are_left_out_and_counted() -> None:
    at = NOW - timedelta(hours=3)
    swapped = pressure(900, at, 80, 140)
    no_time = pressure(901, at, 140, 80) | {"effectiveDateTime": "2026-02-28"}
    no_unit = pressure(902, at, 140, 80)
    no_unit["component"][0]["valueQuantity"] = {"value": Decimal(140)}
    (found,) = run(*home_series(7), swapped, no_time, no_unit)
    assert found.details["left_out"] == 3
    assert found.details["measurements"] == 24


def test_kilopascals_are_converted() -> None:
    bodies = home_series(7, 120)
    for body in bodies:
        for component in body["component"]:
            quantity = component["valueQuantity"]
            value = quantity["value"] / Decimal("7.500615050434136")
            component["valueQuantity"] = quantity | {"value": value, "code": "kPa", "unit": "kPa"}
    (found,) = run(*bodies)
    assert found.details["systolic"]["mean"] == Decimal("119.8")


@pytest.mark.parametrize(
    ("person", "words"),
    [
        (patient("2010-01-01"), "for adults"),
        (patient(None), "age is not known"),
        (patient(deceasedDateTime="2026-02-28"), "died"),
    ],
)
def test_whom_it_does_not_apply_to(person: dict[str, Any], words: str) -> None:
    (found,) = run(*home_series(7), person=person)
    assert found.status == "not-assessable"
    assert words in found.reason


def test_not_in_pregnancy() -> None:
    condition = {
        "resourceType": "Condition",
        "id": "c1",
        "code": {"coding": [{"system": SNOMED, "code": "77386006"}]},
        "onsetDateTime": "2025-12-01",
        "clinicalStatus": {"coding": [{"code": "active"}]},
    }
    (found,) = run(*home_series(7), condition)
    assert "pregnancy" in found.reason


def test_nothing_measured_at_home_is_no_finding() -> None:
    assert run(observation(1, "8867-4", NOW)) == []
