"""Failures to sign in, by place and name."""

from __future__ import annotations

from datetime import timedelta

from salus.app.serving.attempts import FORGOTTEN, FREE_FAILURES, LONGEST_WAIT, MAX_NAMES, MAX_ORIGINS, Attempts
from tests.conftest import AT

SECOND = timedelta(seconds=1)


def at(seconds: int):
    return AT + seconds * SECOND


def test_failures_cost_ever_longer_waits_up_to_a_minute_and_are_forgotten():
    attempts = Attempts()
    for _ in range(FREE_FAILURES - 1):
        attempts.failed("there", "pat", AT)
    assert not attempts.must_wait("there", "pat", AT)
    waits = []
    for _ in range(9):
        attempts.failed("there", "pat", AT)
        waits.append(next(n for n in range(100) if not attempts.must_wait("there", "pat", at(n))))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert LONGEST_WAIT == 60 * SECOND
    later = AT + FORGOTTEN + SECOND
    attempts.failed("there", "pat", later)
    assert not attempts.must_wait("there", "pat", later)


def test_failures_count_for_one_name_from_one_place():
    attempts = Attempts()
    for _ in range(FREE_FAILURES + 5):
        attempts.failed("there", "pat", AT)
    assert attempts.must_wait("there", "pat", AT)
    assert not attempts.must_wait("here", "pat", AT)
    assert not attempts.must_wait("there", "dr-lee", AT)
    attempts.succeeded("there", "pat")
    assert not attempts.must_wait("there", "pat", AT)
    assert not attempts._failures


def test_places_and_names_are_bounded():
    attempts = Attempts()
    for number in range(MAX_NAMES + 10):
        attempts.failed("there", str(number), AT)
    for number in range(MAX_ORIGINS + 10):
        attempts.failed(str(number), "pat", AT)
    assert len(attempts._failures) == MAX_ORIGINS
    assert all(len(names) <= MAX_NAMES for names in attempts._failures.values())
