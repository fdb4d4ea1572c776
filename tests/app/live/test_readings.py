"""Readings from the line to the alert: exactly once, whose they are, who may see them, and a kill in between."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta

import pytest

from salus.app.config import load
from salus.app.house import House
from salus.app.intake.intake import Intake
from salus.app.live.alerts import acknowledge, alerts
from salus.app.live.readings import Monitor
from salus.app.session import Session
from salus.errors import AccessError, InputError, StoreError
from salus.fhir import json, series
from salus.trust.grants import Grant
from tests.app.live.conftest import BEGUN
from tests.conftest import AT, bundle, person

"""Since when devices measure the patients here: before their first reading."""


def heart(minutes, value, device="belt", **more):
    at = (AT - timedelta(hours=2) + timedelta(minutes=minutes)).isoformat()
    return json.dumps({"device": device, "code": "heart-rate", "at": at, "value": value, "unit": "/min", **more})


ALL = frozenset({"record", "signal"})


def held(house, kind="Observation", patient="p1"):
    """The current resources of a type."""
    return [s.body for s in house.store.read(Grant("t", patient, "", ALL, may_write=False, purpose="T"), (kind,))]


def stored(house, kind="Observation", patient="p1"):
    """How many there are, readings in blocks one by one."""
    return sum(len(series.expand(body)) if series.is_block(body) else 1 for body in held(house, kind, patient))


@pytest.fixture
def doctor(ward, monitor):
    patient = Session(ward.house, ward.patient)
    patient.give_consent("p1", ward.time, actors=["dr-lee"], categories=["signal", "record"])
    return Session(ward.house, ward.clinician)


def test_a_reading_is_in_the_record_once_however_often_it_comes(ward, monitor):
    lines = [heart(n, 70 + n) for n in range(20)]
    assert monitor.receive(lines + lines).duplicates == 20
    assert monitor.drain().stored == 20
    assert monitor.receive(lines).duplicates == 20
    assert monitor.drain().stored == 0
    assert stored(ward.house) == 20
    chart, _ = ward.house.gate.service_chart("p1", ward.time)
    first = chart.observations("heart-rate")[0]
    assert (str(first.quantity), first.setting, first.device) == ("70 /min", "home", "belt")
    assert not ward.house.verify().problems


def test_one_write_and_one_log_entry_for_what_comes_together(ward, monitor):
    size = ward.house.log.newest(ward.house.store.connection).size
    monitor.receive([heart(n, 70) for n in range(50)])
    monitor.drain()
    assert ward.house.log.newest(ward.house.store.connection).size - size <= 2  # the house's own look, and the write


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "not a reading"),
        (heart(0, 70, unit=""), "without a unit"),
        (heart(0, 70, unit="mg"), "cannot be turned"),
        (heart(0, 900), "outside"),
        (heart(0, 70, code="shoe-size"), "not taken"),
        (heart(0, 70, at="2026-06-01T10:00:00"), "offset"),
        (heart(0, 70, device=""), "no device"),
        (heart(240, 70), "future"),
        (heart(0, "70"), "no number"),
        (b"x" * 9000, "more than"),
    ],
)
def test_what_is_no_reading_is_named_and_kept_in_quarantine(ward, monitor, line, why):
    said = monitor.receive([line, heart(1, 70)])
    assert said.new == 1
    assert why in said.refused[0]
    assert [e["why"] for e in ward.house.quarantined()]


def test_another_value_under_the_same_identity_is_a_conflict_and_changes_nothing(ward, monitor):
    monitor.receive([heart(0, 70)])
    assert monitor.receive([heart(0, 71)]).conflicts == 1
    monitor.drain()
    assert stored(ward.house) == 1
    assert len(ward.house.quarantined()) == 1


def test_a_device_of_nobody_is_nobodys_and_one_of_somebody_stays_his(ward, monitor, operator):
    monitor.receive([heart(0, 70, device="lost")])
    done = monitor.drain()
    assert (done.stored, done.refused, len(ward.house.quarantined())) == (0, 1, 1)
    Intake(operator).run([ward.write("q.json", bundle(person("p2")))])
    with pytest.raises(InputError, match="another patient"):
        monitor.assign("belt", "p2", setting="home", silent_after=None)
    monitor.release("belt")
    monitor.assign("belt", "p2", setting="home", silent_after=None)
    ward.time += timedelta(minutes=10)
    monitor.receive([heart(125, 70)])
    assert monitor.drain().stored == 1
    chart, _ = ward.house.gate.service_chart("p2", ward.time)
    assert chart.observations("heart-rate")


def test_an_alert_is_seen_by_whom_it_is_released_to_and_acknowledged_by_staff(ward, monitor, doctor):
    monitor.receive([heart(n, 130) for n in range(15)])
    monitor.drain()
    monitor.advance()
    (high, silent) = alerts(doctor, "p1")
    assert (high.rule, high.state) == ("hr-high", "escalated")
    assert (silent.rule, silent.state) == ("not-monitored", "open")
    with pytest.raises(AccessError):
        acknowledge(Session(ward.house, ward.patient), "p1", high.id)
    with pytest.raises(AccessError):
        alerts(Session(ward.house, ward.operator), "p1")
    acknowledge(doctor, "p1", high.id)
    (seen,) = [a for a in alerts(doctor, "p1") if a.id == high.id]
    assert (seen.state, seen.seen_by) == ("acknowledged", "dr-lee")
    with pytest.raises(InputError, match="acknowledged"):
        acknowledge(doctor, "p1", high.id)
    ward.time += timedelta(minutes=5)
    monitor.advance()  # the running monitor hears of it from the record
    (kept,) = [a for a in alerts(doctor, "p1") if a.id == high.id]
    assert kept.steps[-1]["to"] == "acknowledged"
    assert kept.steps[-1]["by"] == "dr-lee"


def test_a_monitor_started_anew_knows_what_the_first_one_knew(ward, monitor, operator, doctor):
    monitor.receive([heart(n, 130) for n in range(8)])
    monitor.drain()
    with Monitor(operator) as second:
        assert second.watch_all() == 1
        second.receive([heart(n, 130) for n in range(8, 15)])
        second.drain()
        second.advance()
    one = alerts(doctor, "p1")
    assert [a.rule for a in one] == ["hr-high", "not-monitored"]
    monitor.advance()
    assert alerts(doctor, "p1") == one


def test_a_late_reading_is_kept_and_named_and_rewrites_nothing(ward, monitor, doctor):
    monitor.receive([heart(n, 130) for n in range(20)])
    monitor.drain()
    before = alerts(doctor, "p1")
    monitor.receive([heart(12, 60, seq="late")])
    done = monitor.drain()
    assert (done.stored, done.late) == (1, 1)
    (after,) = [a for a in alerts(doctor, "p1") if a.rule == "hr-high"]
    assert after.late == 1
    assert after.steps == before[0].steps
    assert stored(ward.house) == 21


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"birthDate": "2015-01-01"}, "Not monitored"),
        ({"birthDate": "2008"}, "Not monitored"),
        ({"deceasedBoolean": True}, "Not monitored"),
        ({"birthDate": "1968"}, "Heart rate above 100/min for 10 minutes"),
    ],
)
def test_rules_are_for_living_adults_and_who_is_not_watched_is_told(ward, operator, more, told):
    known = {k: v for k, v in person("p3", **more).items() if k != "identifier"}
    Intake(operator).run([ward.write("c.json", bundle(known))])
    with Monitor(operator) as monitor:
        monitor.assign("toy", "p3", setting="home", silent_after=None, since=BEGUN)
        monitor.receive([heart(n, 130, device="toy") for n in range(15)])
        assert monitor.drain().stored == 15
    chart, _ = ward.house.gate.service_chart("p3", ward.time)
    assert [b["code"]["text"] for _, b in chart.resources() if b["resourceType"] == "Flag"] == [told]


def test_what_is_closed_to_processing_is_stored_and_not_judged(ward, monitor):
    Session(ward.house, ward.patient).close_to_processing("p1", ward.time, categories=["signal"])
    monitor.receive([heart(n, 130) for n in range(15)])
    assert monitor.drain().stored == 15
    chart, _ = ward.house.gate.open_chart(ward.house.registry.actors["pat"], "p1", "PATRQT", ward.time)
    flags = [body["code"]["text"] for _, body in chart.resources() if body["resourceType"] == "Flag"]
    assert flags == ["Not monitored"]


def test_a_store_that_cannot_be_written_loses_nothing(ward, monitor, monkeypatch):
    monitor.receive([heart(n, 130) for n in range(15)])

    def full(*_, **__):
        raise StoreError("the disk is full")

    monkeypatch.setattr(type(ward.house.store), "commit", full)
    with pytest.raises(StoreError):
        monitor.drain()
    assert monitor.queue.waiting() == 15
    monkeypatch.undo()
    assert monitor.drain().stored == 15
    assert stored(ward.house, "Flag") == 1


def test_the_queue_holds_nothing_readable(ward, monitor):
    monitor.receive([heart(0, 77)])
    content = (ward.house.configuration.store / "live.sqlite").read_bytes()
    content += (ward.house.configuration.store / "live.sqlite-wal").read_bytes()
    assert b"belt" not in content
    assert b"heart-rate" not in content


def test_a_removed_operator_is_out_at_once(ward, monitor, operator):
    from salus.trust.identity import Actor, Identity

    other = Identity.generate("second")
    ward.house.add_actor(Actor("second", "operator", other.public_key), by="operator")
    with House(ward.house.configuration, clock=lambda: ward.time) as elsewhere:
        elsewhere.remove_actor("operator", by="second")
    with pytest.raises(AccessError):
        monitor.receive([heart(0, 70)])


# ---- processes


NAMES = ("STORE", "KEYS", "IDENTITIES", "KNOWLEDGE")
PRELUDE = """
import os, random, signal
from salus.intake.live.queue import Queue
from salus.record.store import Store
def deadly(kind, name, before):
    plain = getattr(kind, name)
    def killed(self, *a, **k):
        if before: os.kill(os.getpid(), signal.SIGKILL)
        plain(self, *a, **k)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(kind, name, killed)
"""


def started(environment, *words, prelude=""):
    code = f"{prelude}\nfrom salus.cli.main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-u", "-c", code, *words], env=environment, stdout=subprocess.PIPE, text=True
    )


def finished(environment, *words, prelude="", lines=None):
    code = f"{prelude}\nfrom salus.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *words], env=environment, input=lines, capture_output=True, timeout=600
    )


@pytest.fixture
def outside(tmp_path):
    """A store of its own with patient p1 and the device "belt", for processes that are killed."""
    environment = {**os.environ, **{f"SALUS_{n}": str(tmp_path / n.lower()) for n in NAMES}}
    (tmp_path / "p.json").write_bytes(json.dumps(bundle(person())))
    for words in (
        ["init"],
        ["intake", str(tmp_path / "p.json"), "--as", "operator"],
        ["alerts", "assign", "belt", "p1", "--setting", "home", "--since", BEGUN.isoformat(), "--as", "operator"],
    ):
        done = finished(environment, *words)
        assert done.returncode == 0, done.stderr
    return environment


@pytest.mark.parametrize(
    "fatal",
    ["deadly(Queue, 'put', False)", "deadly(Queue, 'done', True)", "deadly(Store, 'commit', False)"],
    ids=["after the queue", "between store and queue", "after the store"],
)
def test_killed_at_any_step_every_reading_is_there_exactly_once(outside, fatal):
    lines = b"\n".join(heart(n, 130) for n in range(40))
    words = ["listen", "--readings", "-", "--as", "operator"]
    assert finished(outside, *words, prelude=PRELUDE + fatal, lines=lines).returncode == -signal.SIGKILL
    done = finished(outside, *words, lines=lines)
    assert done.returncode == 0, done.stderr
    with House(load(environment=outside)) as house:
        assert stored(house) == 40
        assert stored(house, "Flag") == 1
        assert not house.verify().problems


PATIENT = 120
"""Seconds that a test waits for what comes at once on an idle machine: no figure is measured by it."""


def until(holds):
    """Wait for what another process is about to do."""
    limit = time.monotonic() + PATIENT
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.05)


def answering(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENT).close()
    except ConnectionRefusedError:
        return False
    return True


def kept(environment):
    with House(load(environment=environment)) as house:
        return stored(house)


@pytest.mark.skipif(shutil.which("mosquitto", path="/usr/sbin:/usr/bin") is None, reason="no mosquitto broker here")
def test_readings_come_over_a_real_broker_and_are_confirmed_only_when_kept(outside, tmp_path):
    pytest.importorskip("paho.mqtt", reason="the extra live is not installed")
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = tmp_path / "broker.log"
    settings = ("allow_anonymous true", "log_dest stderr", "log_type subscribe", "log_type notice")
    (tmp_path / "broker.conf").write_text("\n".join((f"listener {port} 127.0.0.1", *settings, "")))
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")
    with told.open("w") as complaints:
        broker = subprocess.Popen([program, "-c", str(tmp_path / "broker.conf")], stderr=complaints)
    words = ["listen", "--mqtt", f"127.0.0.1:{port}", "--as", "operator"]
    victims = []
    try:
        until(lambda: answering(port))
        # the first listener dies before it keeps anything: the broker must send all again
        victims.append(started(outside, *words, prelude=PRELUDE + "deadly(Queue, 'put', True)"))
        assert "watching 1 devices" in victims[0].stdout.readline()
        until(lambda: "salus/readings" in told.read_text())  # what is sent before it subscribed nobody keeps
        sender = Client(CallbackAPIVersion.VERSION2, client_id="belt")
        sender.connect("127.0.0.1", port)
        sender.loop_start()
        lines = [heart(n, 70) for n in range(60)] * 2
        random.Random(1).shuffle(lines)
        for line in lines:
            sender.publish("salus/readings/belt", line, qos=1).wait_for_publish(PATIENT)
        assert victims[0].wait(PATIENT) == -signal.SIGKILL
        victims.append(started(outside, *words))
        until(lambda: kept(outside) == 60)
        sender.disconnect()
        sender.loop_stop()
    finally:
        for process in [*victims, broker]:
            if process.poll() is None:
                process.terminate()
                process.wait(PATIENT)
    with House(load(environment=outside)) as house:
        assert not house.verify().problems


def test_the_clock_does_not_bring_back_who_was_erased(operator):
    """A monitor that runs remembers people: one who is gone must not come again by an alert about his silence."""
    house = operator.house
    with Monitor(operator) as monitor:
        monitor._people["nobody"] = object()
        assert monitor.advance() == 0
        assert "nobody" not in monitor._people
    assert not house.store.exists(house.gate.custody("t", "nobody"))
