"""What others do while a monitor runs and readings wait: a write of theirs, an erasure, a store that fails once."""

from __future__ import annotations

import importlib
import threading
import time
from datetime import timedelta
from decimal import Decimal

import pytest

from salus.app import erasure
from salus.app.house import House
from salus.app.intake.intake import Intake
from salus.app.live import devices, waiting
from salus.app.live.alerts import acknowledge, alerts
from salus.app.live.filing import WAIT
from salus.app.live.readings import Monitor
from salus.app.session import Session
from salus.errors import InputError, StoreError
from salus.fhir import json
from salus.intake.live.readings import Sent
from salus.record.store import Change
from salus.trust import quarantine
from tests.app.live.test_readings import held, stored
from tests.conftest import bundle, person

MINUTE = timedelta(minutes=1)


@pytest.fixture
def monitor(ward):
    session = Session(ward.house, ward.operator)
    Intake(session).run([ward.write("p.json", bundle(person()))])
    with Monitor(session) as found:
        found.assign("belt", "p1", setting="home", silent_after=timedelta(minutes=10))
        yield found


@pytest.fixture
def doctor(ward, monitor):
    patient = Session(ward.house, ward.patient)
    patient.give_consent("p1", ward.time, actors=["dr-lee"], categories=["signal", "record"])
    return Session(ward.house, ward.clinician)


def beat(ward, monitor, value, wait=WAIT):
    """A minute passes, and a reading comes."""
    ward.time += MINUTE
    at = ward.time.isoformat()
    monitor.receive([json.dumps({"device": "belt", "code": "heart-rate", "at": at, "value": value, "unit": "/min"})])
    monitor.drain(wait)


def until_high(ward, monitor, doctor):
    """Beats of 130 until the alert is open and one more reading waits. Returns the alert."""
    for _ in range(20):
        beat(ward, monitor, 130)
        if alerts(doctor, "p1"):
            break
    beat(ward, monitor, 130)
    assert monitor.queue.waiting() == 1
    (high,) = alerts(doctor, "p1")
    assert (high.rule, high.state) == ("hr-high", "open")
    return high


def refile(ward, **more):
    """Somebody else writes into the record who the person is."""
    scope = ward.house.gate.custodian(ward.house.registry.actors["operator"], "p1")
    ward.house.commit(scope, [Change("Patient", "p1", person(**more))], reason="intake")


def test_an_acknowledgement_given_while_a_reading_waits_is_seen(ward, monitor, doctor):
    high = until_high(ward, monitor, doctor)
    acknowledge(doctor, "p1", high.id)
    ward.time += WAIT
    monitor.drain(WAIT)
    assert monitor.queue.waiting() == 0
    for _ in range(70):
        beat(ward, monitor, 130)
        monitor.advance()
    (kept,) = alerts(doctor, "p1")
    assert [step["to"] for step in kept.steps] == ["open", "acknowledged"]
    assert kept.seen_by == "dr-lee"


def test_nobody_acknowledges_and_it_escalates(ward, monitor, doctor):
    """What the test before would find where an acknowledgement was lost."""
    until_high(ward, monitor, doctor)
    for _ in range(70):
        beat(ward, monitor, 130)
    (kept,) = alerts(doctor, "p1")
    assert [step["to"] for step in kept.steps] == ["open", "escalated"]


def test_a_death_filed_while_a_reading_waits_ends_the_rules(ward, monitor):
    beat(ward, monitor, 130)
    refile(ward, deceasedBoolean=True)
    ward.time += WAIT
    monitor.drain(WAIT)
    for _ in range(20):
        beat(ward, monitor, 130)
    assert [flag["code"]["text"] for flag in held(ward.house, "Flag")] == ["Not monitored"]


def test_own_writes_alone_rebuild_nothing(ward, monitor, monkeypatch):
    beat(ward, monitor, 70, timedelta())
    monkeypatch.setattr("salus.app.live.readings.load", None)
    for _ in range(5):
        beat(ward, monitor, 70, timedelta())
    assert stored(ward.house) == 6


@pytest.mark.parametrize("copies", [0, 1], ids=["readings", "and a copy"])
def test_of_an_erased_patient_nothing_that_waited_is_kept_anywhere(ward, monitor, copies):
    beat(ward, monitor, 70, timedelta())
    for _ in range(2):
        beat(ward, monitor, 70, timedelta(hours=1))
    monitor._pending["p1"].doubles += [99] * copies
    erasure.ask(Session(ward.house, ward.patient), "p1")
    erasure.carry_out(Session(ward.house, ward.operator), "p1")
    done = monitor.drain()
    assert (done.stored, done.refused) == (0, 2)
    assert ward.house.quarantined() == []
    assert monitor.queue.waiting() == 0
    assert "p1" not in monitor._people
    assert not ward.house.store.exists(ward.house.gate.custody("t", "p1"))


def test_readings_and_copies_of_who_is_gone_leave_the_queue_before_any_machine_sees_them(ward, monitor, monkeypatch):
    beat(ward, monitor, 70, timedelta(hours=1))
    monkeypatch.setattr(Monitor, "_is_here", lambda *_: False)
    monkeypatch.setattr("salus.app.live.readings.load", None)
    beat(ward, monitor, 71, timedelta(hours=1))
    assert monitor.queue.waiting() == 0
    assert ward.house.quarantined() == []
    assert monitor._people == {}


def fail_once(monkeypatch):
    plain = Monitor._notice

    def fails(*_):
        monkeypatch.setattr(Monitor, "_notice", plain)
        raise StoreError("the disk is full")

    monkeypatch.setattr(Monitor, "_notice", fails)


def full_once(ward, monkeypatch):
    """The next commit fails, those after it do not."""
    store = type(ward.house.store)
    plain = store.commit

    def fails(*_, **__):
        monkeypatch.setattr(store, "commit", plain)
        raise StoreError("the disk is full")

    monkeypatch.setattr(store, "commit", fails)


def test_silence_is_noticed_after_a_write_that_failed(ward, monitor, doctor, monkeypatch):
    beat(ward, monitor, 70, timedelta())
    full_once(ward, monkeypatch)
    with pytest.raises(StoreError):
        beat(ward, monitor, 70, timedelta())
    assert monitor.drain().stored == 1
    assert not monitor._forgotten
    ward.time += timedelta(minutes=15)
    assert monitor.advance() == 1
    assert [(a.rule, a.state) for a in alerts(doctor, "p1")] == [("not-monitored", "open")]


def test_also_of_those_who_had_sent_nothing_then(ward, monitor, doctor, monkeypatch):
    beat(ward, monitor, 70, timedelta())
    refile(ward, gender="male")
    Intake(Session(ward.house, ward.operator)).run([ward.write("q.json", bundle(person("p2")))])
    monitor.assign("cuff", "p2", setting="home", silent_after=None)
    full_once(ward, monkeypatch)
    at = ward.time.isoformat()
    monitor.receive([json.dumps({"device": "cuff", "code": "heart-rate", "at": at, "value": 70, "unit": "/min"})])
    with pytest.raises(StoreError):
        monitor.drain()
    monitor.drain()
    ward.time += timedelta(minutes=15)
    monitor.advance()
    assert [(a.rule, a.state) for a in alerts(doctor, "p1")] == [("not-monitored", "open")]


def test_the_clock_makes_no_silence_of_readings_that_a_failed_write_left_in_the_queue(
    ward, monitor, doctor, monkeypatch
):
    beat(ward, monitor, 70, timedelta())
    for _ in range(12):
        beat(ward, monitor, 70, timedelta(hours=1))
    full_once(ward, monkeypatch)
    with pytest.raises(StoreError):
        monitor.drain()
    monitor.advance()
    done = monitor.drain()
    assert (done.stored, done.late) == (12, 0)
    monitor.advance()
    assert alerts(doctor, "p1") == []


def test_a_look_at_the_record_that_fails_after_a_write_loses_no_reading(ward, monitor, monkeypatch):
    beat(ward, monitor, 70, timedelta(hours=1))
    fail_once(monkeypatch)
    with pytest.raises(StoreError):
        monitor.drain()
    again = monitor.drain()
    assert (again.duplicates, monitor.queue.waiting(), stored(ward.house)) == (1, 0, 1)


# ---- an erasure that another process completes within one drain


@pytest.fixture
def other(ward):
    """The same house, opened by another process."""
    with House(ward.house.configuration, clock=lambda: ward.time) as found:
        yield found


def erase(ward, house):
    erasure.ask(Session(house, ward.patient), "p1")
    erasure.carry_out(Session(house, ward.operator), "p1")


def erase_at(ward, other, monkeypatch, owner, name, *, before=True):
    """Let the other process erase p1 once, just before or after the named call."""
    plain = getattr(owner, name)

    def called(*args, **more):
        monkeypatch.setattr(owner, name, plain)
        if before:
            erase(ward, other)
        found = plain(*args, **more)
        if not before:
            erase(ward, other)
        return found

    monkeypatch.setattr(owner, name, called)


def check_nothing_is_kept(ward, monitor, done, count):
    assert (done.stored, done.refused, done.erased) == (0, count, count)
    assert ward.house.quarantined() == []
    assert monitor.queue.waiting() == 0
    assert "p1" not in monitor._people
    assert not ward.house.store.exists(ward.house.gate.custody("t", "p1"))
    assert ward.house.verify().problems == ()


MOMENTS = {
    "before the devices are looked up": (Monitor, "_by_patient", True),
    "before one device is looked up": (devices, "periods", True),
    "after the devices were looked up": (Monitor, "_by_patient", False),
    "while one device is looked up": (devices, "_periods_of", True),
    "before the machine is rebuilt": ("salus.app.live.readings", "load", True),
    "before the write": ("salus.app.live.readings", "file_readings", True),
    "before the write's transaction": (House, "commit", True),
    "before quarantine is written": (quarantine, "keep", True),
}


@pytest.mark.parametrize(("owner", "name", "before"), MOMENTS.values(), ids=MOMENTS)
def test_of_a_patient_erased_by_another_process_within_a_drain_nothing_is_kept(
    ward, monitor, other, monkeypatch, owner, name, before
):
    sent = [{"device": "belt", "code": "heart-rate", "at": ward.time.isoformat(), "value": 70, "unit": "/min"}]
    if owner is quarantine:  # of the patient's device, from before it was assigned: nobody's
        sent[0]["at"] = (ward.time - MINUTE).isoformat()
    monitor.receive([json.dumps(line) for line in sent])
    owner = importlib.import_module(owner) if isinstance(owner, str) else owner
    erase_at(ward, other, monkeypatch, owner, name, before=before)
    check_nothing_is_kept(ward, monitor, monitor.drain(), 1)


def test_a_reading_that_came_to_quarantine_during_the_erasure_goes_with_it(ward, monitor, other, monkeypatch):
    """The listener took it from the line after the erasure had looked into the queue."""
    at = ward.time.isoformat()
    line = json.dumps({"device": "belt", "code": "heart-rate", "at": at, "value": 70, "unit": "/min"})
    plain = House.erase_shredded

    def erased(*args, **more):
        told = plain(*args, **more)
        monitor.receive([line])
        assert monitor.drain().refused == 1
        assert len(other.quarantined()) == 1
        return told

    monkeypatch.setattr(House, "erase_shredded", erased)
    erase(ward, other)
    assert other.quarantined() == []
    assert monitor.queue.waiting() == 0
    assert other.verify().problems == ()


def test_a_listener_that_writes_into_quarantine_at_the_second_look_is_waited_for(ward, monitor, other, monkeypatch):
    sent = Sent("belt", "heart-rate", ward.time.isoformat(), "1", {"value": Decimal(70)})
    writing, plain, looks, threads = threading.Event(), waiting.forget, [], []

    def writes():
        writing.set()
        time.sleep(0.3)  # nothing is committed yet, and the erasure goes on

    def listen():
        with House(ward.house.configuration, clock=ward.house.clock) as house:
            scope, kept = house.gate.house("operator", may_write=True), [sent.to_bytes()]
            given = (house.store, house.vault, house.log, scope, kept, "nobody's", house.time())
            quarantine.keep(*given, form=quarantine.READING, check=writes)

    def forget(*given):
        looks.append(plain(*given))
        if len(looks) == 2:
            threads.append(threading.Thread(target=listen))
            threads[0].start()
            assert writing.wait(20)
        return looks[-1]

    monkeypatch.setattr(waiting, "forget", forget)
    erase(ward, other)
    threads[0].join(20)
    assert other.quarantined() == []


def test_a_source_that_does_not_open_stops_no_erasure(ward, monitor, other):
    at = (ward.time - MINUTE).isoformat()  # before the belt was anybody's
    monitor.receive([json.dumps({"device": "belt", "code": "heart-rate", "at": at, "value": 70, "unit": "/min"})])
    assert monitor.drain().refused == 1
    other.store.connection.execute("UPDATE quarantine SET body = ?", (b"changed",))
    erase(ward, other)
    assert not other.store.exists(other.gate.custody("t", "p1"))
    assert len(other.quarantined()) == 1


def test_a_device_may_have_measured_any_number_of_patients(ward, monitor):
    """A monitor of a ward measures hundreds: the last one is known as well as the first."""
    names = [f"q{n}" for n in range(60)]
    Intake(Session(ward.house, ward.operator)).run([ward.write(f"{name}.json", bundle(person(name))) for name in names])
    for name in names:
        monitor.release("belt")
        monitor.assign("belt", name, setting="home", silent_after=None)
        ward.time += MINUTE
    assert devices.current(devices.periods(ward.house, "t", "belt")).patient == "q59"
    with pytest.raises(InputError, match="assigned to another patient"):
        monitor.assign("belt", "p1", setting="home", silent_after=None)


def test_an_erasure_takes_from_quarantine_what_may_be_the_patients_and_leaves_the_rest(ward, monitor):
    Intake(Session(ward.house, ward.operator)).run([ward.write("q.json", bundle(person("p2")))])
    monitor.assign("cuff", "p2", setting="home", silent_after=None)

    def line(device, minutes, value=70):
        at = (ward.time + minutes * MINUTE).isoformat()
        return json.dumps({"device": device, "code": "heart-rate", "at": at, "value": value, "unit": "/min"})

    early = [line(device, -5) for device in ("belt", "cuff", "lost")]
    refused = [line("belt", 0, 900), line("cuff", 0, 900), b"{"]
    monitor.receive([*early, *refused])
    assert monitor.drain().refused == 3
    assert len(ward.house.quarantined()) == 6
    erase(ward, ward.house)
    left = [ward.house.release(e["n"], "operator") for e in ward.house.quarantined()]
    assert len(left) == 4
    assert not any(b"belt" in data for data in left)


def test_a_reading_that_came_into_the_queue_during_the_erasure_goes_with_it(ward, monitor, other, monkeypatch):
    line = json.dumps(
        {"device": "belt", "code": "heart-rate", "at": ward.time.isoformat(), "value": 70, "unit": "/min"}
    )
    plain = House.erase_shredded

    def erased(*args, **more):
        assert monitor.receive([line]).new == 1
        return plain(*args, **more)

    monkeypatch.setattr(House, "erase_shredded", erased)
    erase(ward, other)
    assert monitor.queue.waiting() == 0
    assert monitor.drain().refused == 0
    assert ward.house.quarantined() == []
