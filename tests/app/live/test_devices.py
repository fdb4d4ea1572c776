"""Whom a device measures: a reading goes to whoever had the device at its moment, not to whoever has it now."""

from __future__ import annotations

from datetime import timedelta

import pytest

from salus.app import erasure
from salus.app.intake.intake import Intake
from salus.app.live import devices
from salus.app.live.devices import Period
from salus.app.live.person import Assignment
from salus.app.live.readings import Monitor
from salus.app.session import Session
from salus.errors import InputError
from salus.fhir import json
from tests.app.live.test_readings import held, stored
from tests.conftest import AT, bundle, person

HOUR = timedelta(hours=1)


@pytest.fixture
def monitor(ward):
    session = Session(ward.house, ward.operator)
    Intake(session).run([ward.write(f"{name}.json", bundle(person(name))) for name in ("p1", "p2")])
    with Monitor(session) as found:
        yield found


def heart(at, value=70):
    said = {"device": "belt", "code": "heart-rate", "at": at.isoformat(), "value": value, "unit": "/min"}
    return json.dumps(said)


def assign(monitor, patient, setting="home", since=None):
    monitor.assign("belt", patient, setting=setting, silent_after=None, since=since)


def whose(ward):
    return stored(ward.house, patient="p1"), stored(ward.house, patient="p2")


def moved(ward, monitor):
    """p1 had the device from AT, nobody from an hour later, p2 from two hours later; it is half an hour after that."""
    assign(monitor, "p1")
    ward.time += HOUR
    monitor.release("belt")
    ward.time += HOUR
    assign(monitor, "p2")
    ward.time += HOUR / 2


def test_what_was_measured_before_the_device_was_anybodys_goes_into_quarantine(ward, monitor):
    assign(monitor, "p1")
    monitor.receive([heart(AT - timedelta(seconds=1)), heart(AT, 71)])
    done = monitor.drain()
    assert (done.stored, done.refused, monitor.queue.waiting()) == (1, 1, 0)
    assert whose(ward) == (1, 0)
    assert [e["why"] for e in ward.house.quarantined()] == ["measured when the device was not assigned to one patient"]


@pytest.mark.parametrize(
    ("hours", "filed"),
    [(0, (1, 0)), (0.99, (1, 0)), (1, (0, 0)), (1.5, (0, 0)), (2, (0, 1)), (2.4, (0, 1))],
)
def test_a_reading_is_of_whoever_had_the_device_then(ward, monitor, hours, filed):
    moved(ward, monitor)
    monitor.receive([heart(AT + hours * HOUR)])
    monitor.drain()
    assert whose(ward) == filed
    assert len(ward.house.quarantined()) == 1 - sum(filed)


def test_the_setting_is_that_of_the_time_too(ward, monitor):
    assign(monitor, "p1", "ward")
    ward.time += HOUR
    assign(monitor, "p1", "home")
    monitor.receive([heart(AT + HOUR / 2)])
    monitor.drain()
    (block,) = held(ward.house)
    assert block["meta"]["tag"][0]["code"] == "record/reading"  # a device at home writes signals


def test_where_two_assignments_to_one_patient_overlap_the_later_one_is_right(ward, monitor):
    assign(monitor, "p1", "ward")
    ward.time += HOUR
    assign(monitor, "p1", "home", since=AT + HOUR / 2)
    known = monitor._periods("belt")
    told = [devices.measured(known, AT + HOUR * part) for part in (0.25, 0.75, 1.25)]
    assert [period.how.setting for period in told] == ["ward", "home", "home"]


def test_what_two_patients_are_said_to_have_had_at_once_is_neithers():
    how = Assignment("belt", "home", None)
    one, other = Period("p1", how, AT, AT + 2 * HOUR), Period("p2", how, AT + HOUR, None)
    told = [devices.measured([one, other], AT + HOUR * part) for part in (0.5, 1, 1.5, 2)]
    assert told == [one, None, None, other]


def test_a_device_that_was_put_on_before_it_was_entered(ward, monitor):
    ward.time += HOUR
    assign(monitor, "p1", since=AT)
    monitor.receive([heart(AT)])
    assert monitor.drain().stored == 1
    monitor.release("belt")
    ward.time += HOUR
    monitor.receive([heart(AT + HOUR / 2, 71), heart(AT + HOUR, 72)])
    assert (monitor.drain().stored, whose(ward)) == (1, (2, 0))


def test_since_is_neither_to_come_nor_when_the_device_measured_somebody_else(ward, monitor):
    with pytest.raises(InputError, match="in advance"):
        assign(monitor, "p1", since=AT + timedelta(seconds=1))
    assign(monitor, "p1")
    ward.time += HOUR
    monitor.release("belt")
    ward.time += HOUR
    with pytest.raises(InputError, match="another patient since then"):
        assign(monitor, "p2", since=AT + HOUR / 2)
    assert held(ward.house, "Device", "p2") == []
    assign(monitor, "p2", since=AT + HOUR)
    monitor.receive([heart(AT + HOUR)])
    monitor.drain()
    assert whose(ward) == (0, 1)


def test_an_erasure_takes_what_waits_of_the_patients_time_and_of_nobodys_and_leaves_what_is_of_others(ward, monitor):
    moved(ward, monitor)
    monitor.receive([heart(AT), heart(AT + 1.5 * HOUR, 71), heart(AT + 2 * HOUR, 72)])
    erasure.ask(Session(ward.house, ward.patient), "p1")
    erasure.carry_out(Session(ward.house, ward.operator), "p1")
    assert monitor.queue.waiting() == 1
    assert monitor.drain().stored == 1
    assert stored(ward.house, patient="p2") == 1
    assert ward.house.quarantined() == []
