"""Live readings go into the record in blocks: those of a short time in one write, none lost, none twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from salus.app.live.alerts import alerts
from salus.app.live.filing import WAIT
from salus.app.live.readings import Monitor
from salus.app.session import Session
from salus.errors import StoreError
from salus.fhir import json, series
from salus.fhir.categories import categories_of
from salus.fhir.columns import in_columns
from salus.intake.live import readings
from salus.intake.live.queue import Queue
from salus.record.store import Change
from salus.trust.grants import Grant
from tests.app.live.conftest import BEGUN
from tests.app.live.test_readings import ALL, held, stored
from tests.conftest import AT, person


def beat(seconds, value=70, device="belt", **more):
    at = (AT - timedelta(hours=2) + timedelta(seconds=seconds)).isoformat()
    return json.dumps({"device": device, "code": "heart-rate", "at": at, "value": value, "unit": "/min", **more})


def pressure(seconds, upper):
    at = (AT - timedelta(hours=2) + timedelta(seconds=seconds)).isoformat()
    parts = {"systolic-bp": [upper, "mm[Hg]"], "diastolic-bp": [80, "mm[Hg]"]}
    return json.dumps({"device": "belt", "code": "blood-pressure", "at": at, "components": parts})


def versions(ward):
    grant = Grant("t", "p1", "", ALL, may_write=False, purpose="T")
    return [s.source.version for s in ward.house.store.read(grant, ("Observation",))]


def singles(ward):
    return [body for block in held(ward.house) for body in series.expand(block)]


def test_readings_of_a_minute_are_one_block_and_keep_all_that_was_sent(ward, monitor):
    lines = [beat(n, 70 + n % 3, seq=n) for n in range(120)]
    monitor.receive([*lines, pressure(5, 131), beat(30.25, 71.5, seq="a b#c:d")])
    assert monitor.drain().stored == 122
    assert len(held(ward.house)) == 3
    told = [sent for body in held(ward.house) for sent, _, _ in readings.sent_in(body)]
    assert sorted(sent.seq for sent in told) == sorted([*map(str, range(120)), "a b#c:d", ""])
    (odd,) = [b for b in singles(ward) if "a b#c:d" in str(b)]
    assert odd["extension"] == [{"url": series.NUMBER, "valueString": "a b#c:d"}]
    assert odd["device"] == {"display": "belt"}
    assert odd["subject"] == {"reference": "Patient/p1"}
    (panel,) = [b for b in singles(ward) if "component" in b]
    assert [c["valueQuantity"]["value"] for c in panel["component"]] == [131, 80]
    assert not ward.house.verify().problems


def test_readings_wait_for_others_and_the_rules_do_not(ward, monitor):
    monitor.receive([beat(n) for n in range(10)])
    assert monitor.drain(WAIT).stored == 0
    assert (stored(ward.house), monitor.queue.waiting()) == (0, 10)
    ward.time += WAIT / 2
    monitor.receive([beat(n) for n in range(10, 20)])
    assert monitor.drain(WAIT).stored == 0
    ward.time += WAIT / 2
    assert monitor.drain(WAIT).stored == 20
    assert versions(ward) == [1]
    assert monitor.queue.waiting() == 0


def test_an_alert_is_written_at_once_with_the_readings_that_it_names(ward, monitor):
    Session(ward.house, ward.patient).give_consent("p1", ward.time, actors=["dr-lee"], categories=["signal", "record"])
    monitor.receive([beat(60 * n, 130, seq=n % 3) for n in range(15)])
    done = monitor.drain(WAIT)
    assert done.alerts
    (flag,) = held(ward.house, "Flag")
    named = [part["valueReference"]["reference"] for part in _evidence(flag)]
    chart, _ = ward.house.gate.service_chart("p1", ward.time)
    assert named
    assert [chart.resource(ref)[1]["valueQuantity"]["value"] for ref in named] == [130] * len(named)
    assert [a.rule for a in alerts(Session(ward.house, ward.clinician), "p1")] == ["hr-high"]


def _evidence(flag):
    inner = [part for step in flag["extension"] for part in step.get("extension", ())]
    return [part for part in inner if part["url"] == "evidence"]


def test_too_many_do_not_wait(ward, monitor, monkeypatch):
    monkeypatch.setattr("salus.app.live.filing.MOST", 7)
    monitor.receive([beat(n) for n in range(7)])
    assert monitor.drain(WAIT).stored == 7


def test_what_waits_is_written_when_the_monitor_ends(ward, operator):
    with Monitor(operator) as monitor:
        monitor.assign("belt", "p1", setting="home", silent_after=None, since=BEGUN)
        monitor.receive([beat(n) for n in range(5)])
        monitor.drain(WAIT)
        assert stored(ward.house) == 0
    assert stored(ward.house) == 5


def test_what_waited_when_a_monitor_died_is_taken_from_the_queue_by_the_next(ward, operator):
    first = Monitor(operator)
    first.assign("belt", "p1", setting="home", silent_after=None, since=BEGUN)
    first.receive([beat(n) for n in range(5)])
    first.drain(WAIT)
    first.queue.close()  # as a process ends that is killed
    with Monitor(operator) as second:
        assert second.drain().stored == 5
    assert stored(ward.house) == 5


def test_a_reading_that_left_the_queue_too_late_is_a_double(ward, monitor, operator, monkeypatch):
    """The write was made and the queue was not told: numbers tell two readings of one moment apart after that too."""
    monitor.receive([beat(0, 70, seq=1), beat(0, 70, seq=2), beat(1, 71.50)])
    done = Queue.done

    def fails(*_):
        raise StoreError("the disk is full")

    monkeypatch.setattr(Queue, "done", fails)
    with pytest.raises(StoreError):
        monitor.drain()
    monkeypatch.setattr(Queue, "done", done)
    again = monitor.drain()
    assert (again.stored, again.duplicates, monitor.queue.waiting()) == (0, 3, 0)
    assert stored(ward.house) == 3
    assert versions(ward) == [1]


def test_a_monitor_whose_record_others_write_into_loses_and_doubles_nothing(ward, monitor, operator):
    monitor.receive([beat(n) for n in range(5)])
    monitor.drain(WAIT)
    scope = ward.house.gate.custodian(ward.house.registry.actors["operator"], "p1")
    ward.house.store.commit(scope, [Change("Patient", "p1", person(gender="male"))], at=ward.house.time())
    monitor.receive([beat(n) for n in range(5, 10)])
    monitor.drain(WAIT)
    assert stored(ward.house) == 5
    monitor.drain()
    assert stored(ward.house) == 10


def test_nobody_who_was_erased_comes_back_by_what_waited(ward, monitor, monkeypatch):
    monitor.receive([beat(n) for n in range(3)])
    monitor.drain(WAIT)
    monkeypatch.setattr(Monitor, "_is_here", lambda *_: False)
    ward.time += WAIT
    assert monitor.drain(WAIT).refused == 3
    assert stored(ward.house) == 0
    assert ward.house.quarantined() == []
    assert monitor.queue.waiting() == 0


def test_beside_a_block_that_says_more_readings_are_kept_too(ward, monitor):
    monitor.receive([beat(0), beat(1)])
    monitor.drain()
    (block,) = held(ward.house)
    scope = ward.house.gate.custodian(ward.house.registry.actors["operator"], "p1")
    noted = {**block, "note": [{"text": "loose belt"}]}
    ward.house.store.commit(scope, [Change("Observation", block["id"], noted)], at=ward.house.time())
    monitor.receive([beat(1.5), beat(2)])
    assert monitor.drain().stored == 2
    assert sorted(len(series.Block(b)) for b in held(ward.house)) == [2, 2]
    withdrawn = {**noted, "status": "entered-in-error"}
    ward.house.store.commit(scope, [Change("Observation", block["id"], withdrawn)], at=ward.house.time())
    monitor.receive([beat(3)])
    monitor.drain()
    assert [b["effectiveDateTime"] for b in held(ward.house) if "valueQuantity" in b] == [
        (AT - timedelta(hours=2) + timedelta(seconds=3)).isoformat()
    ]


@pytest.mark.parametrize("setting", ["home", "ward"])
def test_a_block_is_of_the_kinds_that_its_readings_are(setting):
    sent = readings.parse(beat(0))
    body = series.body(
        readings.head(sent.code, sent.device, setting),
        series_columns(sent),
        "Patient/p1",
    )
    single = readings.observation(sent, "p1", setting, late=False)
    assert categories_of(body) == categories_of(series.reading_body(body, 0)) == categories_of(single)
    noted = {**body, "note": [{"text": "The patient reports that the belt was loose during the night."}]}
    assert categories_of(noted) == categories_of({**single, "note": noted["note"]})


def series_columns(sent):
    return in_columns([readings.row(sent, late=False)])


@pytest.mark.parametrize("at", ["2026-03-01T08:00:00Z", "2026-03-01T08:00:00.25-03:30", "2026-03-01T08:00+01:00"])
def test_a_reading_comes_back_from_its_block(at):
    sent = readings.parse(
        json.dumps({"device": "d", "code": "8867-4", "at": at, "seq": "é %", "value": 72.5, "unit": "/min"})
    )
    head = readings.head(sent.code, sent.device, "ward")
    body = series.body(head, series_columns(sent), "Patient/p1")
    ((found, late, ref),) = readings.sent_in(json.loads(json.dumps(body)))
    assert (found.identity, found.values, late) == (sent.identity, sent.values, False)
    assert ref == readings.reference(sent, "p1", "ward")
