"""Partial dates as intervals, offsets, what is impossible, and ages that are never guessed."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import InputError
from salus.fhir import dates

MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2024", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        ("2024-02", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        ("2023-12", "2023-12-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
        ("2024-12-31", "2024-12-31T00:00:00Z", "2025-01-01T00:00:00Z"),
        ("2024-05-03T10:20", "2024-05-03T10:20:00Z", "2024-05-03T10:21:00Z"),
        ("2024-05-03T10:20:30", "2024-05-03T10:20:30Z", "2024-05-03T10:20:31Z"),
        ("2024-05-03T00:20:30+02:00", "2024-05-02T22:20:30Z", "2024-05-02T22:20:31Z"),
        ("2024-05-03T23:20:30-14:00", "2024-05-04T13:20:30Z", "2024-05-04T13:20:31Z"),
        ("2024-05-03T10:20:30.25Z", "2024-05-03T10:20:30.250000Z", "2024-05-03T10:20:30.250001Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z", "2017-01-01T00:00:00Z"),
    ],
)
def test_a_date_stands_for_an_interval(text, start, end):
    span = dates.parse(text)
    assert (dates.write(span.start), dates.write(span.end), span.text) == (start, end, text)
    assert span.start in span
    assert span.end not in span


@pytest.mark.parametrize("text", ["9999", "9999-12", "9999-12-31", "9999-12-31T23:59:59Z"])
def test_the_last_year_which_people_write_for_no_end_is_read(text):
    assert dates.parse(text).end.year == 9999


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29", "2023-02-30", "2023-13", "2023-00", "2023-04-31", "0000", "2024-05-03T24:00:00Z",
        "2024-05-03T10:60:00Z", "2024-05-03T10:20:61Z", "2024-05-03T10:20:99Z", "2024-05-03T10:20:30+99:99",
        "2024-05-03T10:20:30+14:01", "2024-05-03T10:20:30-15:00", "2024-05-03T10:20:30+01:75",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
        "", " 2024", "2024 ", "2024-5", "24-05-03", "2024-05-03T10", "2024-05-03 10:20:30", "2024-05-03T10:20:30z",
        "2024-05-03T10:20:30+0200", "2024-W18", "٢٠٢٤", "2024-05-03T10:20:30.1234567890Z", "2024\n", "now", None, 2024,
    ],
)  # fmt: skip
def test_anything_else_is_refused_and_nothing_else_is_raised(text):
    with pytest.raises(InputError):
        dates.parse(text)


@given(MOMENTS, OFFSETS)
def test_instants_come_back_whatever_their_offset(moment, offset):
    utc = moment.replace(tzinfo=UTC)
    assert dates.instant(utc.astimezone(offset).isoformat()) == utc
    assert dates.instant(dates.write(utc)) == utc


@given(st.text("0123456789-T:Z.+", max_size=30) | st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        span = dates.parse(text)
    except InputError:
        return
    assert span.start < span.end
    assert span.start.tzinfo is UTC


@given(st.dates(date(1900, 1, 1), date(2020, 12, 31)), MOMENTS)
def test_age_is_the_number_of_birthdays_that_have_passed(birth, at):
    at = at.replace(tzinfo=UTC)
    years = [
        y for y in range(birth.year + 1, at.year + 1) if (at.month, at.day) >= (birth.month, birth.day) or y < at.year
    ]
    expected = len(years) if at.date() >= birth else None
    assert dates.age_years(dates.parse(birth.isoformat()), at) == expected


@pytest.mark.parametrize(
    ("birth", "at", "age"),
    [
        ("2000-02-29", "2023-02-28", 22),
        ("2000-02-29", "2023-03-01", 23),
        ("2000-02-29", "2024-02-28", 23),
        ("2000-02-29", "2024-02-29", 24),
        ("1968-03-14", "2026-03-13", 57),
        ("1968-03-14", "2026-03-14", 58),
        ("1968", "2026-06-01", None),
        ("1968", "2026-12-31", 58),
        ("1968", "2027-01-01", None),
        ("1968-03", "2026-02-28", 57),
        ("1968-03", "2026-03-14", None),
        ("1968-03", "2026-04-01", 58),
        ("2026-06-01", "2026-06-01", 0),
        ("2026-06-02", "2026-06-01", None),
        ("2026", "2026-06-01", None),
    ],
)
def test_ages_on_leap_days_and_of_partial_birth_dates(birth, at, age):
    assert dates.age_years(dates.parse(birth), dates.instant(at)) == age
