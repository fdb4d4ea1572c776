"""Readings from quarantine into the record: by the device's assignment or the operator's word, once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from salus.app import erasure
from salus.app.house import House
from salus.app.intake.intake import Intake
from salus.app.live import quarantined
from salus.app.live.quarantined import Whose
from salus.app.live.readings import Monitor
from salus.app.session import Session
from salus.errors import AccessError, InputError, IntegrityError, StoreError
from salus.fhir import json, series
from salus.intake.live import readings
from salus.record.store import Change
from salus.trust import quarantine
from tests.app.live.test_readings import held, stored
from tests.conftest import AT, bundle, person

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def operator(ward):
    session = Session(ward.house, ward.operator)
    Intake(session).run([ward.write(f"{name}.json", bundle(person(name))) for name in ("p1", "p2")])
    return session


@pytest.fixture
def monitor(operator):
    with Monitor(operator) as found:
        yield found


def line(minutes, value=70, device="belt", **more):
    at = (AT + minutes * MINUTE).isoformat()
    return json.dumps({"device": device, "code": "heart-rate", "at": at, "value": value, "unit": "/min", **more})


def lay(ward, monitor, *lines):
    """These lines lie in quarantine. Returns their numbers."""
    before = {e["n"] for e in ward.house.quarantined()}
    monitor.receive(list(lines))
    monitor.drain()
    return sorted({e["n"] for e in ward.house.quarantined()} - before)


def told(filed):
    return [entry.error.what if entry.error else (entry.patient, entry.attribution, entry.double) for entry in filed]


def write_entry(ward, patient="p1"):
    """The newest log entry about a write into the record."""
    entries = ward.house.log.entries(ward.house.store.connection, topic="write", patient=patient)
    return list(entries)[-1].content


def assign(monitor, patient, setting="home", since=None):
    monitor.assign("belt", patient, setting=setting, silent_after=None, since=since)


def test_readings_go_to_whom_the_device_was_assigned_meanwhile(ward, operator, monitor):
    numbers = lay(ward, monitor, *(line(-n) for n in range(5)))
    assert told(quarantined.file(operator, numbers, Whose())) == ["the device is assigned to nobody"] * 5
    assert len(ward.house.quarantined()) == 5
    assign(monitor, "p1", since=AT - HOUR)
    assert quarantined.of_device(operator, "belt") == numbers
    assert quarantined.of_device(operator, "cuff") == []
    filed = quarantined.file(operator, numbers, Whose())
    assert told(filed) == [("p1", "by identifier", False)] * 5
    assert stored(ward.house) == 5
    assert ward.house.quarantined() == []
    entry = write_entry(ward)
    assert (entry["reason"], entry["actor"], entry["readings"]) == ("live", "operator", 5)
    assert (entry["attribution"], entry["quarantine"]) == ("by identifier", numbers)
    assert ward.house.verify().problems == ()
    assert quarantined.of_device(operator, "belt") == []
    assert told(quarantined.file(operator, numbers[:1], Whose())) == [f"nothing lies in quarantine under {numbers[0]}"]
    assert stored(ward.house) == 5


def test_an_assignment_that_began_later_gives_nothing(ward, operator, monitor):
    numbers = lay(ward, monitor, line(-5))
    assign(monitor, "p1")
    (said,) = quarantined.file(operator, numbers, Whose())
    assert said.error.what == "measured when the device was not assigned to one patient"
    assert stored(ward.house) == 0
    assert len(ward.house.quarantined()) == 1


def test_the_operators_word_settles_what_nobody_had(ward, operator, monitor):
    numbers = lay(ward, monitor, line(-5))
    (said,) = quarantined.file(operator, numbers, Whose("p1"))
    assert (said.error.what, said.error.where) == ("it is not known where the device measured", "--setting")
    assert told(quarantined.file(operator, numbers, Whose("p1", "ward"))) == [("p1", "by operator", False)]
    assert write_entry(ward)["attribution"] == "by operator"
    (block,) = held(ward.house)
    assert "record/reading" in {tag["code"] for tag in block["meta"]["tag"]}


def test_where_the_patient_had_the_device_before_its_setting_is_known(ward, operator, monitor):
    numbers = lay(ward, monitor, line(-5))
    assign(monitor, "p1", "home")
    assert told(quarantined.file(operator, numbers, Whose("p1"))) == [("p1", "by operator", False)]
    (block,) = held(ward.house)
    assert "signal/reading" in {tag["code"] for tag in block["meta"]["tag"]}


def test_an_assigned_number_goes_to_its_patient_and_to_no_other(ward, operator, monitor):
    numbers = lay(ward, monitor, line(-5))
    ward.house.assign_quarantined(numbers[0], "p2", "operator")
    assert told(quarantined.file(operator, numbers, Whose("p1", "home"))) == [
        "an operator said that this is another patient's"
    ]
    assert told(quarantined.file(operator, numbers, Whose("", "home"))) == [("p2", "by operator", False)]
    assert (stored(ward.house, patient="p1"), stored(ward.house, patient="p2")) == (0, 1)


@pytest.mark.parametrize("assigned", [False, True])
def test_what_the_device_measured_of_another_is_never_filed(ward, operator, monitor, assigned):
    numbers = lay(ward, monitor, line(-5))
    assign(monitor, "p2", since=AT - HOUR)
    if assigned:
        ward.house.assign_quarantined(numbers[0], "p1", "operator")
    whose = Whose("" if assigned else "p1", "home")
    assert told(quarantined.file(operator, numbers, whose)) == ["the device measured another patient at that time"]
    assert (stored(ward.house, patient="p1"), stored(ward.house, patient="p2")) == (0, 0)
    assert len(ward.house.quarantined()) == 1


def test_another_setting_than_the_assignment_says_is_refused(ward, operator, monitor):
    numbers = lay(ward, monitor, line(-5))
    assign(monitor, "p1", "ward", since=AT - HOUR)
    (said,) = quarantined.file(operator, numbers, Whose("p1", "home"))
    assert said.error.where == "--setting"
    assert stored(ward.house) == 0


def test_another_value_of_a_reading_that_the_record_holds_stays_in_quarantine(ward, operator, monitor):
    assign(monitor, "p1", since=AT - HOUR)
    numbers = lay(ward, monitor, line(-5, 70), line(-5, 71))
    assert len(numbers) == 1
    assert told(quarantined.file(operator, numbers, Whose())) == ["the record holds another value of this reading"]
    assert stored(ward.house) == 1
    assert len(ward.house.quarantined()) == 1


def test_of_two_values_of_one_reading_in_quarantine_one_is_filed(ward, operator, monitor):
    first, second = lay(ward, monitor, line(-5, 70), line(-5, 71))
    assign(monitor, "p1", since=AT - HOUR)
    said = told(quarantined.file(operator, [first, second], Whose()))
    assert said == [("p1", "by identifier", False), "the record holds another value of this reading"]
    assert stored(ward.house) == 1
    assert [e["n"] for e in ward.house.quarantined()] == [second]


def test_a_conflict_is_seen_where_the_patient_closed_these_data_to_processing(ward, operator, monitor):
    assign(monitor, "p1", since=AT - HOUR)
    numbers = lay(ward, monitor, line(-5, 70), line(-5, 71))
    plain = ward.house.gate.processed
    ward.house.gate.processed = lambda patient: plain(patient) - {"signal"}
    assert told(quarantined.file(operator, numbers, Whose())) == ["the record holds another value of this reading"]


def test_while_a_copy_waits_in_the_queue_nothing_is_filed(ward, operator, monitor):
    assign(monitor, "p1", since=AT - HOUR)
    monitor.receive([line(-5, 70), line(-5, 71)])
    numbers = [entry["n"] for entry in ward.house.quarantined()]
    assert told(quarantined.file(operator, numbers, Whose())) == [
        "a reading of the same device, time and sequence waits to be filed"
    ]
    monitor.drain()
    assert stored(ward.house) == 1


def test_what_the_line_refused_is_held_to_its_checks_again(ward, operator, monitor, monkeypatch):
    assign(monitor, "p1", since=AT - HOUR)
    future, wrong, broken = lay(ward, monitor, line(10), line(0, 900), b"{")
    said = told(quarantined.file(operator, [future, wrong, broken], Whose("p1", "home")))
    assert said[0] == "measured in the future"
    assert "outside" in said[1]
    assert "not valid JSON" in said[2]
    monkeypatch.setattr("salus.app.live.readings.check_plausible", lambda _: None)  # a later release takes it
    assert told(quarantined.file(operator, [wrong], Whose())) == [("p1", "by identifier", False)]
    assert stored(ward.house) == 1
    assert sorted(e["n"] for e in ward.house.quarantined()) == [future, broken]


def test_what_was_measured_in_the_future_when_it_came_is_never_filed(ward, operator, monitor):
    """The clock of the device was a day ahead. At the time that it told, another patient has the device."""
    assign(monitor, "p1", since=AT - HOUR)
    numbers = lay(ward, monitor, line(24 * 60))
    ward.time += 2 * HOUR
    monitor.release("belt")
    assign(monitor, "p2")
    ward.time += timedelta(days=2)
    assert told(quarantined.file(operator, numbers, Whose())) == ["measured in the future"]
    assert quarantined.of_device(operator, "belt") == []
    assert (stored(ward.house, patient="p1"), stored(ward.house, patient="p2")) == (0, 0)
    assert [e["n"] for e in ward.house.quarantined()] == numbers


def test_a_device_cannot_pass_off_what_it_sends_as_checked(ward, operator, monitor):
    """The queue's own form has no units: it is believed where the house wrote it, and nowhere else."""
    assign(monitor, "p1", since=AT - HOUR)
    at = AT.isoformat()
    forged = {"device": "belt", "code": "heart-rate", "at": at, "seq": "", "values": {"heart-rate": 70}}
    numbers = lay(ward, monitor, json.dumps(forged))
    (said,) = quarantined.file(operator, numbers, Whose())
    assert said.error is not None
    assert stored(ward.house) == 0


@pytest.mark.parametrize("name", ["filed_from_quarantine", "_destroy_quarantined"])
def test_what_was_filed_and_not_taken_out_is_filed_once(ward, operator, monitor, monkeypatch, name):
    numbers = lay(ward, monitor, line(-5), line(-4))
    assign(monitor, "p1", since=AT - HOUR)
    plain = getattr(House, name)

    def fails(*_):
        monkeypatch.setattr(House, name, plain)
        raise StoreError("the disk is full")

    monkeypatch.setattr(House, name, fails)
    with pytest.raises(StoreError):
        quarantined.file(operator, numbers, Whose())
    assert stored(ward.house) == 2
    assert len(ward.house.quarantined()) == 2
    entry = write_entry(ward)
    assert told(quarantined.file(operator, numbers, Whose())) == [("p1", "by identifier", True)] * 2
    assert write_entry(ward) == entry
    assert stored(ward.house) == 2
    assert ward.house.quarantined() == []
    assert ward.house.verify().problems == ()


def test_a_write_that_fails_leaves_all_in_quarantine(ward, operator, monitor, monkeypatch):
    numbers = lay(ward, monitor, line(-5), line(-4))
    assign(monitor, "p1", since=AT - HOUR)
    store = type(ward.house.store)
    plain = store.commit

    def fails(*_, **__):
        monkeypatch.setattr(store, "commit", plain)
        raise StoreError("the disk is full")

    monkeypatch.setattr(store, "commit", fails)
    with pytest.raises(StoreError):
        quarantined.file(operator, numbers, Whose())
    assert stored(ward.house) == 0
    assert len(ward.house.quarantined()) == 2
    quarantined.file(operator, numbers, Whose())
    assert stored(ward.house) == 2


def test_a_reading_whose_moment_is_final_is_late_and_opens_no_alert(ward, operator, monitor):
    numbers = lay(ward, monitor, *(line(n - 30, 130, seq=n) for n in range(20)))
    assign(monitor, "p1", since=AT - HOUR)
    quarantined.file(operator, numbers, Whose())
    assert {late for body in held(ward.house) for _, late, _ in readings.sent_in(body)} == {True}
    assert held(ward.house, "Flag") == []


def test_a_running_monitor_takes_up_what_was_filed(ward, operator, monitor):
    numbers = lay(ward, monitor, line(-5))
    assign(monitor, "p1", since=AT - HOUR)
    monitor.receive([line(0)])
    monitor.drain(HOUR)
    quarantined.file(operator, numbers, Whose())
    monitor.receive([line(-5)])
    monitor.receive([line(0, 70, seq=1)])
    monitor.drain()
    assert stored(ward.house) == 3
    assert len(series.expand(held(ward.house)[0])) <= 2


def test_only_an_operator_files_and_only_for_a_patient_who_is_there(ward, operator, monitor):
    numbers = lay(ward, monitor, line(-5))
    with pytest.raises(AccessError):
        quarantined.file(Session(ward.house, ward.clinician), numbers, Whose("p1", "home"))
    with pytest.raises(AccessError):
        quarantined.of_device(Session(ward.house, ward.clinician), "belt")
    with pytest.raises(InputError, match="no such patient"):
        quarantined.file(operator, numbers, Whose("p9", "home"))
    assert ward.house.store.patients(ward.house.gate.house("operator")) == ["p1", "p2"]
    assert len(ward.house.quarantined()) == 1


def test_a_number_that_was_settled_and_not_filed_goes_with_an_erasure(ward, operator, monitor, monkeypatch):
    numbers = lay(ward, monitor, line(-5, device="lost"))

    def fails(*_, **__):
        raise StoreError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(type(ward.house.store), "commit", fails)
        with pytest.raises(StoreError):
            quarantined.file(operator, numbers, Whose("p1", "home"))
    erasure.ask(Session(ward.house, ward.patient), "p1")
    erasure.carry_out(operator, "p1")
    assert ward.house.quarantined() == []


def test_of_one_file_by_several_grounds_each_write_says_its_own(ward, operator, monitor):
    early, late = lay(ward, monitor, line(-90), line(-5))
    assign(monitor, "p1", since=AT - HOUR)
    said = quarantined.file(operator, [late, early], Whose("p1"))
    assert [entry.number for entry in said] == [late, early]
    assert told(said) == [("p1", "by identifier", False), ("p1", "by operator", False)]
    assert stored(ward.house) == 2


def test_a_block_that_others_changed_meanwhile_is_joined(ward, operator, monitor):
    assign(monitor, "p1", since=AT - HOUR)
    monitor.receive([line(-5, seq=1)])
    monitor.drain()
    (block,) = held(ward.house)
    scope = ward.house.gate.custodian(ward.house.registry.actors["operator"], "p1")
    ward.house.commit(
        scope, [Change("Observation", block["id"], {**block, "note": [{"text": "loose"}]})], reason="intake"
    )
    numbers = lay(ward, monitor, line(-5, 71, seq=1))
    assert told(quarantined.file(operator, numbers, Whose())) == ["the record holds another value of this reading"]


@pytest.mark.parametrize("value", [70, 71])
def test_a_reading_that_the_record_holds_singly_is_a_double_or_a_conflict(ward, operator, monitor, value):
    """As an earlier release filed it."""
    numbers = lay(ward, monitor, line(-5, value))
    single = readings.observation(readings.parse(line(-5, 70)), "p1", "home", late=False)
    scope = ward.house.gate.custodian(ward.house.registry.actors["operator"], "p1")
    ward.house.commit(scope, [Change("Observation", single["id"], single)], reason="live")
    said = told(quarantined.file(operator, numbers, Whose("p1", "home")))
    double, conflict = ("p1", "by operator", True), "the record holds another value of this reading"
    assert said == [double if value == 70 else conflict]
    assert stored(ward.house) == 1


@pytest.fixture
def colleague(ward):
    """Another operator's process: the same store, opened a second time."""
    with House(ward.house.configuration, clock=ward.house.clock) as house:
        yield Session(house, ward.operator)


def meanwhile(monkeypatch, what, name="file_readings"):
    """Do ``what`` once, right before the next write of readings."""
    plain = getattr(quarantined, name)

    def delayed(*args):
        monkeypatch.setattr(quarantined, name, plain)
        what()
        return plain(*args)

    monkeypatch.setattr(quarantined, name, delayed)


def test_of_two_operators_who_file_one_number_for_two_patients_one_does(
    ward, operator, monitor, colleague, monkeypatch
):
    (number,) = lay(ward, monitor, line(-5))
    other = quarantined._Filing(colleague, Whose("p2", "home"))
    said = []
    meanwhile(monkeypatch, lambda: said.extend(other.file([number])))
    assert told(quarantined.file(operator, [number], Whose("p1", "home"))) == [("p1", "by operator", False)]
    assert told(said) == ["an operator said that this is another patient's"]
    assert (stored(ward.house, patient="p1"), stored(ward.house, patient="p2")) == (1, 0)
    pid = ward.house.store.number_of(ward.house.gate.custody("t", "p1"))
    assert quarantine.owners(ward.house.store, ward.house.log) == {number: pid}


def test_a_number_that_another_filed_for_another_patient_meanwhile_is_gone(
    ward, operator, monitor, colleague, monkeypatch
):
    (number,) = lay(ward, monitor, line(-5))
    late = quarantined._Filing(colleague, Whose("p2", "home"))
    meanwhile(monkeypatch, lambda: quarantined.file(operator, [number], Whose("p1", "home")), "load")
    assert told(late.file([number])) == [f"nothing lies in quarantine under {number} any more"]
    assert (stored(ward.house, patient="p1"), stored(ward.house, patient="p2")) == (1, 0)


@pytest.mark.parametrize("name", ["load", "file_readings"])
@pytest.mark.parametrize("what", ["assigned", "assigned and back", "destroyed", "key destroyed"])
def test_what_changes_of_one_number_meanwhile_holds_and_the_others_are_filed(
    ward, operator, monitor, colleague, monkeypatch, name, what
):
    first, second = lay(ward, monitor, line(-5), line(-4))
    ward.house.assign_quarantined(first, "p1", "operator")
    house = colleague.house

    def change():
        if what.startswith("assigned"):
            house.assign_quarantined(first, "p2", "operator")
        if what == "assigned and back":
            house.assign_quarantined(first, "p1", "operator")
        if what == "destroyed":
            house.destroy_quarantined(first, "operator")
        if what == "key destroyed":
            house.vault.shred(quarantine.key_name(first))

    meanwhile(monkeypatch, change, name)
    gone = f"nothing lies in quarantine under {first} any more"
    error = "an operator said that this is another patient's" if what.startswith("assigned") else gone
    said = told(quarantined.file(operator, [first, second], Whose("p1", "home")))
    assert said == [error, ("p1", "by operator", False)]
    assert (stored(ward.house, patient="p1"), stored(ward.house, patient="p2")) == (1, 0)
    assert [e["n"] for e in ward.house.quarantined()] == ([] if what == "destroyed" else [first])


def test_a_double_that_was_called_anothers_meanwhile_stays(ward, operator, monitor, colleague, monkeypatch):
    """It was filed, and not taken out of quarantine. Then an operator says that it is another patient's."""
    (number,) = lay(ward, monitor, line(-5))
    with monkeypatch.context() as broken:
        broken.setattr(House, "filed_from_quarantine", lambda *_: None)
        quarantined.file(operator, [number], Whose("p1", "home"))
    meanwhile(monkeypatch, lambda: colleague.house.assign_quarantined(number, "p2", "operator"), "load")
    assert told(quarantined.file(operator, [number], Whose("", "home"))) == [
        "an operator said that this is another patient's"
    ]
    assert [e["n"] for e in ward.house.quarantined()] == [number]


def compared(ward, patient="p1"):
    """By whom the log of the patient says that something was compared with the record."""
    entries = ward.house.log.entries(ward.house.store.connection, topic="access", patient=patient)
    return [e.content["actor"] for e in entries if e.content["reason"] == "compared"]


@pytest.mark.parametrize("value", [70, 71])
def test_that_readings_were_compared_and_not_filed_is_logged(ward, operator, monitor, value):
    numbers = lay(ward, monitor, line(-5, value), line(-4))
    assign(monitor, "p1", since=AT - HOUR)
    single = readings.observation(readings.parse(line(-5, 70)), "p1", "home", late=False)
    scope = ward.house.gate.custodian(ward.house.registry.actors["operator"], "p1")
    ward.house.commit(scope, [Change("Observation", single["id"], single)], reason="live")
    quarantined.file(operator, numbers[:1], Whose())
    assert compared(ward) == ["operator"]
    quarantined.file(operator, numbers[1:], Whose())
    assert compared(ward) == ["operator"]  # the entry of the write names him


@pytest.mark.parametrize("name", ["load", "file_readings"])
def test_an_erased_patient_ends_nothing_for_the_others(ward, operator, monitor, colleague, monkeypatch, name):
    mine, others = lay(ward, monitor, line(-90), line(-5, device="cuff"))
    assign(monitor, "p1", since=AT - 2 * HOUR)
    ward.house.assign_quarantined(others, "p2", "operator")
    erasure.ask(Session(ward.house, ward.patient), "p1")

    def erase():
        with monkeypatch.context() as kept:  # as if it were looked for just before the reading came
            kept.setattr("salus.app.live.waiting.quarantined", lambda *_: [])
            erasure.carry_out(colleague, "p1")

    meanwhile(monkeypatch, erase, name)
    said = told(quarantined.file(operator, [mine, others], Whose("", "home")))
    assert said == ["the patient was erased", ("p2", "by operator", False)]
    assert stored(ward.house, patient="p2") == 1


def test_one_that_cannot_be_opened_ends_nothing_for_the_others(ward, operator, monitor):
    damaged, other = lay(ward, monitor, line(-5), line(-4))
    assign(monitor, "p1", since=AT - HOUR)
    changed = "UPDATE quarantine SET body = zeroblob(length(body)) WHERE n = ?"
    ward.house.store.connection.execute(changed, (damaged,))
    assert quarantined.of_device(operator, "belt") == [other]
    said = quarantined.file(operator, [damaged, other], Whose())
    assert isinstance(said[0].error, IntegrityError)
    assert told(said)[1] == ("p1", "by identifier", False)


def test_a_number_whose_key_was_destroyed_is_gone(ward, operator, monitor):
    """Its bytes are still there: the call that destroyed it was killed."""
    (number,) = lay(ward, monitor, line(-5))
    ward.house.vault.shred(quarantine.key_name(number))
    assert told(quarantined.file(operator, [number], Whose("p1", "home"))) == [
        f"nothing lies in quarantine under {number}"
    ]
