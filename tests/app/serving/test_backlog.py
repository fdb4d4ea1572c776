"""Records that wait to be brought up to date: by the log, each once, in turn, none forgotten over a restart."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from salus.app.intake.intake import Intake
from salus.app.serving import backlog as module
from salus.app.serving.backlog import FIRST_WAIT, Backlog
from salus.app.session import Session
from tests.conftest import AT, bundle, creatinine, person

MINUTE = timedelta(minutes=1)


@pytest.fixture
def written(ward):
    """Writes into patients' records, one after the other."""

    def write(*patients: str, value: str = "1.10") -> None:
        for patient in patients:
            ward.write("r.json", bundle(person(patient), creatinine(value, "2026-01-01", "c0", patient)))
            Intake(Session(ward.house, ward.operator)).run([ward.folder])

    return write


def taken(backlog: Backlog, at: Any = AT) -> list[str]:
    found = []
    while (patient := backlog.take(at)) is not None:
        found.append(patient)
    return found


def test_who_was_written_to_waits_once_and_in_turn(ward, written):
    written("p2", "p1")
    written("p2", value="1.20")
    backlog = Backlog()
    backlog.follow(ward.house)
    assert backlog.waiting == 2
    assert taken(backlog) == ["p2", "p1"]
    assert (backlog.waiting, taken(backlog)) == (2, [])
    backlog.done("p2")
    backlog.done("p1")
    backlog.follow(ward.house)
    assert (backlog.waiting, taken(backlog)) == (0, [])


def test_a_look_is_no_write(ward, written):
    written("p1")
    backlog = Backlog()
    backlog.follow(ward.house)
    assert taken(backlog) == ["p1"]
    backlog.done("p1")
    ward.house.gate.grant(ward.house.registry.actors["pat"], "p1", "PATRQT")
    backlog.follow(ward.house)
    assert taken(backlog) == []


def test_what_is_written_while_a_record_is_refreshed_is_refreshed_afterwards(ward, written):
    written("p1")
    backlog = Backlog()
    backlog.follow(ward.house)
    assert taken(backlog) == ["p1"]
    written("p1", value="1.30")
    backlog.follow(ward.house)
    assert taken(backlog) == [], "one at a time"
    backlog.done("p1")
    assert taken(backlog) == ["p1"]


def test_a_restart_goes_on_where_all_was_done(ward, written):
    written("p1", "p2", "p3")
    backlog = Backlog()
    backlog.follow(ward.house)
    assert taken(backlog) == ["p1", "p2", "p3"]
    backlog.done("p1")
    backlog.failed("p2", AT)
    backlog.done("p3")
    backlog.keep(ward.house)
    again = Backlog()
    again.follow(ward.house)
    assert taken(again) == ["p2", "p3"], "what failed, and what came after it"
    again.done("p2")
    again.done("p3")
    again.keep(ward.house)
    last = Backlog()
    last.follow(ward.house)
    assert taken(last) == []


def test_a_mark_of_a_store_that_was_longer_counts_for_nothing(ward, written):
    written("p1")
    backlog = Backlog()
    backlog.follow(ward.house)
    backlog.done(taken(backlog)[0])
    backlog._followed = 10_000  # as of entries that a restored backup has not
    backlog.keep(ward.house)
    again = Backlog()
    again.follow(ward.house)
    assert taken(again) == ["p1"]


def test_a_record_that_fails_waits_longer_each_time_and_holds_nobody_up(ward, written):
    written("p1", "p2")
    backlog = Backlog()
    backlog.follow(ward.house)
    assert taken(backlog) == ["p1", "p2"]
    backlog.done("p2")
    now, waits = AT, []
    for _ in range(8):
        backlog.failed("p1", now)
        assert backlog.failing == 1
        minutes = next(n for n in range(100) if backlog.take(now + n * MINUTE) is not None)
        waits.append(minutes)
        now += minutes * MINUTE
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    backlog.done("p1")
    assert (backlog.failing, backlog.waiting) == (0, 0)


def test_a_write_into_a_record_that_fails_brings_no_earlier_try(ward, written):
    written("p1")
    backlog = Backlog()
    backlog.follow(ward.house)
    backlog.failed(taken(backlog)[0], AT)
    written("p1", value="1.40")
    backlog.follow(ward.house)
    assert taken(backlog, AT + FIRST_WAIT / 2) == []
    assert taken(backlog, AT + FIRST_WAIT) == ["p1"]


def test_what_waits_is_bounded_and_the_rest_comes_later(ward, written, monkeypatch):
    monkeypatch.setattr(module, "MOST", 2)
    written("p1", "p2", "p3")
    backlog = Backlog()
    for _ in range(3):
        backlog.follow(ward.house)
    assert backlog.waiting == 2
    found = taken(backlog)
    for _ in range(4):
        backlog.follow(ward.house)
        for patient in found:
            backlog.done(patient)
        found += taken(backlog)
    assert list(dict.fromkeys(found)) == ["p1", "p2", "p3"]


def test_a_long_log_is_followed_in_steps(ward, written, monkeypatch):
    monkeypatch.setattr(module, "SPAN", 3)
    written("p1", "p2")
    (newest,) = ward.house.store.connection.execute("SELECT max(n) FROM log_leaf").fetchone()
    backlog, steps = Backlog(), 0
    while (backlog._followed if backlog._followed is not None else -1) < newest:
        backlog.follow(ward.house)
        steps += 1
        assert steps <= newest
    assert steps > 1
    assert taken(backlog) == ["p1", "p2"]


def test_who_finds_no_room_is_the_next_again(ward, written):
    written("p1", "p2")
    backlog = Backlog()
    backlog.follow(ward.house)
    assert backlog.take(AT) == "p1"
    backlog.put_back("p1")
    assert taken(backlog) == ["p1", "p2"]
