"""Intervals hold what they say on series of known make; what cannot be forecast is refused."""

from datetime import date, timedelta

import numpy as np
import pytest

from salus.errors import InputError
from salus.operations.forecast import DRAWS, forecast
from salus.operations.history import Series, read_history

START = date(2024, 1, 1)
WEEK = np.array([1.2, 1.1, 1.0, 1.0, 1.1, 0.7, 0.6])


def simulated(days, rate, alpha, wander, seed, growth=0.1):
    """Negative binomial counts with weekdays, growth and a level that moves from week to week."""
    random, t = np.random.default_rng(seed), np.arange(days)
    level = np.repeat(random.normal(0, wander, days // 7 + 1), 7)[:days]
    mean = rate * WEEK[t % 7] * np.exp(growth * t / 365 + level)
    return random.poisson(random.gamma(1 / alpha, mean * alpha) if alpha else mean)


def series(counts, name="all"):
    return Series(name, START, tuple(None if c is None else int(c) for c in counts))


@pytest.mark.parametrize(
    ("rate", "alpha", "wander", "days"), [(8, 0.05, 0, 200), (30, 0, 0, 120), (40, 0.02, 0.1, 400), (12, 0.3, 0, 84)]
)
def test_intervals_hold_their_share_of_days_to_come(rate, alpha, wander, days):
    inside, width, n = {0.8: 0, 0.95: 0}, [], 0
    for seed in range(40):
        counts = simulated(days + 14, rate, alpha, wander, seed)
        found = forecast(series(counts[:days]), 14)
        for day, count in zip(found.days, counts[days:], strict=True):
            inside[0.8] += day.interval_80[0] <= count <= day.interval_80[1]
            inside[0.95] += day.interval_95[0] <= count <= day.interval_95[1]
            n += 1
            width.append(day.interval_95[1] - day.interval_95[0])
    assert 0.76 <= inside[0.8] / n <= 0.92
    assert 0.92 <= inside[0.95] / n <= 0.995
    assert np.mean(width) < 10 * np.sqrt(rate * (1 + alpha * rate))  # not bought with width


def test_expected_counts_follow_the_weekday_and_the_sum_is_narrower_than_its_parts():
    found = forecast(series(simulated(700, 50, 0, 0, 1, growth=0)), 7)
    by_weekday = [day.expected for day in sorted(found.days, key=lambda day: day.date.weekday())]
    assert by_weekday == pytest.approx(50 * WEEK, rel=0.08)
    assert found.days[0].date == START + timedelta(days=700)
    assert found.total.expected == pytest.approx(sum(by_weekday))
    assert found.total.interval_95[1] - found.total.interval_95[0] < sum(
        day.interval_95[1] - day.interval_95[0] for day in found.days
    )


def test_the_time_of_year_is_used_from_two_years_on():
    t = np.arange(900)
    counts = np.random.default_rng(2).poisson(20 * np.exp(0.4 * np.sin(2 * np.pi * t / 365.25)))
    found = forecast(series(counts), 60)
    truth = 20 * np.exp(0.4 * np.sin(2 * np.pi * np.arange(900, 960) / 365.25))
    assert [day.expected for day in found.days] == pytest.approx(truth, rel=0.2)
    assert not any("time of year" in warning for warning in found.warnings)


def test_a_level_that_moved_lately_is_said():
    counts = simulated(200, 20, 0, 0, 3)
    counts[-28:] *= 2
    assert any("the level may have changed" in warning for warning in forecast(series(counts), 7).warnings)


def test_the_same_seed_gives_the_same_intervals():
    history = series(simulated(100, 5, 0.1, 0, 4))
    assert forecast(history, 10) == forecast(history, 10)
    assert DRAWS >= 1000


def test_a_weekday_without_admissions_stays_near_none():
    counts = [0 if i % 7 == 6 else 9 + i % 3 for i in range(140)]
    assert [day.interval_95[1] for day in forecast(series(counts), 7).days][6] <= 2


REFUSED = {
    "short": (series([5] * 55), 7, "55 days of history"),
    "holes": (series([5, None] * 50), 7, "50 of 100 days have no count"),
    "thin": (series([0] * 99 + [1]), 7, "1 admissions in all"),
    "far": (series([5] * 100), 26, "a horizon of 26 days"),
    "none": (series([5] * 100), 0, "a horizon of 0 days"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_forecast_is_refused(case):
    history, horizon, says = REFUSED[case]
    with pytest.raises(InputError, match=says):
        forecast(history, horizon)


def test_a_table_becomes_series_and_a_day_without_a_row_is_missing():
    lines = ["Date,ward,admissions\n", "2026-01-01,a,3\n", "2026-01-04,a,0\n", "2026-01-02,b,1\n"]
    assert read_history(lines, "x.csv") == (
        Series("a", date(2026, 1, 1), (3, None, None, 0)),
        Series("b", date(2026, 1, 2), (1,)),
    )


WRONG = {
    "": "no single column 'date'",
    "date,count\n2026-01-01,3\n": "no single column 'admissions'",
    "date,admissions\n": "no rows",
    "date,admissions\n2026-01-01,-3\n": "line 2: not a whole number",
    "date,admissions\n2026-01-01,٣\n": "not a whole number",
    "date,admissions\n2026-01-01,3.5\n": "not a whole number",
    "date,admissions\n1.1.2026,3\n": "not a date",
    "date,admissions\n2026-01-01,3\n2026-01-01,4\n": "stands twice",
    "date,admissions\n2026-01-01,3,4\n": "3 cells where the heading has 2",
    "date,admissions\n0001-01-01,3\n2026-01-01,4\n": "a series over",
    'date,admissions\n"2026-01-01,3\n': "not a CSV table",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_table_is_refused(text):
    with pytest.raises(InputError, match=WRONG[text]):
        read_history(text.splitlines(keepends=True), "x.csv")
