"""Erasure: unreadable at once and for good, also in old backups; every proof of everybody else still holds."""

import shutil
import sqlite3

import pytest

from salus.app import erasure
from salus.app.house import House
from salus.app.intake import Intake
from salus.app.session import Session
from salus.fhir import json
from salus.errors import AccessError, InputError, SalusError, StoreError
from salus.fhir.views import CATEGORIES
from salus.trust import proof
from salus.trust.identity import Actor, Identity
from tests.conftest import AT, bundle, creatinine, person

SECRET = "Zyxwvut"


@pytest.fixture
def two(ward):
    """The ward with two patients, p1 open to dr-lee, and an own actor of p2."""
    other = Identity.generate("pip")
    ward.house.add_actor(Actor("pip", "patient", other.public_key, patient="p2"), by="operator")
    operator = Session(ward.house, ward.operator)
    for name in ("p1", "p2"):
        named = person(name, name=[{"family": SECRET}])
        source = bundle(named, creatinine("1.1", "2026-05-01", f"c-{name}", name))
        assert not Intake(operator).run([ward.write(f"{name}.json", source)])[0].error
    Session(ward.house, ward.patient).give_consent("p1", AT, actors=["dr-lee"], categories=CATEGORIES)
    return ward, other


def reads(ward, who, patient):
    return Session(ward.house, who).open(patient, AT).chart.known


def erase(ward, patient="p1"):
    erasure.ask(Session(ward.house, ward.patient), patient)
    return erasure.carry_out(Session(ward.house, ward.operator), patient)


def test_only_the_patient_asks_and_only_an_operator_carries_out(two):
    ward, other = two
    for who in (ward.clinician, ward.operator, other):
        with pytest.raises(AccessError):
            erasure.ask(Session(ward.house, who), "p1")
    with pytest.raises(InputError, match="did not ask"):
        erasure.carry_out(Session(ward.house, ward.operator), "p1")
    erasure.ask(Session(ward.house, ward.patient), "p1")
    assert [r.patient for r in erasure.asked(ward.house)] == ["p1"]
    with pytest.raises(AccessError):
        erasure.carry_out(Session(ward.house, ward.clinician), "p1")
    assert reads(ward, ward.clinician, "p1")


def test_an_erased_patient_is_gone_and_everything_else_verifies(two):
    ward, other = two
    house = ward.house
    entries = Session(house, other).accesses("p2")
    kept = Session(house, other).proof("p2", entries[0]["n"])
    before = house.log.newest(house.store.connection)
    told = erase(ward)
    assert told["versions"] > 0
    assert told["entries"] > 0
    assert "p1" not in repr(told)
    for who in (ward.clinician, ward.patient):
        with pytest.raises(AccessError):
            reads(ward, who, "p1")
    assert house.store.patients(house.gate.house("t")) == ["p2"]
    assert reads(ward, other, "p2")
    assert house.verify(before).problems == ()
    key = house.vault.house.public_key()
    assert proof.check(kept, key)
    proof.check(json.dumps(proof.of_growth(house.store.connection, house.log, before)), key)
    assert erasure.asked(house) == []


def test_nothing_of_the_erased_is_left_in_the_file_but_commitments(two):
    ward, _ = two
    house = ward.house
    store = house.store
    sealed = [row[0] for row in store.connection.execute("SELECT body FROM resource WHERE pid = 1")]
    assert sealed
    erase(ward)
    house.close()
    data = b"".join(p.read_bytes() for p in house.configuration.store.iterdir() if p.is_file())
    assert not any(body in data for body in sealed)
    connection = sqlite3.connect(house.configuration.store_file)
    assert connection.execute("SELECT id FROM patient WHERE pid = 1").fetchone() == ("erased:1",)
    for table in ("resource", "blob"):
        assert connection.execute(f"SELECT count(*) FROM {table} WHERE pid = 1").fetchone() == (0,)
    assert connection.execute(
        "SELECT max(length(entry)), min(length(commitment)) FROM log_leaf WHERE pid = 1"
    ).fetchone() == (0, 32)


def test_a_copy_from_before_cannot_be_read_and_a_restore_erases_again(two, tmp_path):
    ward, other = two
    house = ward.house
    house.backup(tmp_path / "old.db", "operator")
    erase(ward)
    house.close()
    configuration = house.configuration
    for leftover in configuration.store.glob(configuration.store_file.name + "*"):
        leftover.unlink()
    with pytest.raises(StoreError, match="older"):
        House.restore(configuration, tmp_path / "old.db")
    assert not configuration.store_file.exists()
    mark = (configuration.keys / "log.checkpoint").read_bytes()
    assert mark
    assert House.restore(configuration, tmp_path / "old.db", accept_loss=True).problems == ()
    with House(configuration, clock=lambda: AT) as again:
        assert again.store.patients(again.gate.house("t")) == ["p2"]
        assert Session(again, other).open("p2", AT).chart.known
        assert again.verify().problems == ()


def test_an_interrupted_erasure_reads_as_erased_and_is_completed(two):
    ward, other = two
    erasure.ask(Session(ward.house, ward.patient), "p1")
    ward.house.vault.shred("p1")  # and here the machine stopped
    for who in (ward.clinician, ward.patient):
        with pytest.raises(SalusError):
            reads(ward, who, "p1")
    assert reads(ward, other, "p2")
    assert ward.house.verify().problems
    assert erasure.asked(ward.house) == []
    assert ward.house.verify().problems == ()


def test_a_missing_key_without_an_erasure_stays_a_defect(two):
    ward, _ = two
    ward.house.vault._ciphers.pop("p1")
    ward.house.vault._path("p1").unlink()
    assert any("key is missing" in p.what for p in ward.house.verify().problems)


def test_what_is_put_back_or_blanked_behind_saluss_back_is_noticed(two):
    ward, _ = two
    erase(ward)
    house = ward.house
    file = house.configuration.store_file
    house.close()
    spare = file.with_suffix(".spare")
    shutil.copyfile(file, spare)
    for change in (
        "UPDATE log_leaf SET entry = x'00' WHERE pid = 1",
        "UPDATE log_leaf SET entry = x'' WHERE pid = 2",
        "UPDATE patient SET id = 'p1' WHERE pid = 1",
        "UPDATE patient SET id = 'erased:2' WHERE pid = 2",
        "INSERT INTO resource VALUES (99, 1, 'Patient', 'p1', 1, '2026', 0, x'00', x'00')",
    ):
        shutil.copyfile(spare, file)
        with sqlite3.connect(file) as connection:
            connection.execute(change)
        connection.close()
        with House(house.configuration, checked=False) as changed:
            assert changed.verify().problems, change


def test_the_same_person_may_come_again_as_a_new_record(two):
    ward, _ = two
    erase(ward)
    source = bundle(person("p1"), creatinine("1.4", "2026-05-20", "new"))
    assert not Intake(Session(ward.house, ward.operator)).run([ward.write("again.json", source)])[0].error
    assert ward.house.verify().problems == ()
    with pytest.raises(AccessError):
        reads(ward, ward.clinician, "p1")  # consents of the former record open nothing


def test_another_process_neither_reads_nor_writes_with_a_destroyed_key(two):
    ward, _ = two
    with House(ward.house.configuration, clock=lambda: AT) as worker:
        worker.vault.mac("p1", b"x")
        old = worker.vault.mac("p1", b"x")
        erase(ward)
        with pytest.raises(SalusError):
            worker.vault.mac("p1", b"x")
        worker.vault.create("p1")
        assert worker.vault.mac("p1", b"x") != old
        assert ward.house.vault.mac("p1", b"x") == worker.vault.mac("p1", b"x")


def test_nobody_speaks_for_the_erased_even_when_it_was_interrupted(two, monkeypatch):
    ward, _ = two
    erasure.ask(Session(ward.house, ward.patient), "p1")
    monkeypatch.setattr("salus.trust.erasure.forget", lambda *_: (_ for _ in ()).throw(OSError("power")))
    with pytest.raises(OSError, match="power"):
        erasure.carry_out(Session(ward.house, ward.operator), "p1")
    monkeypatch.undo()
    ward.house.complete_erasures()
    assert "p1" not in {a.patient for a in ward.house.registry.actors.values()}
    assert ward.house.verify().problems == ()


def test_a_backup_from_before_an_erasure_is_restored_also_when_the_person_came_again(two, tmp_path):
    ward, _ = two
    ward.house.backup(tmp_path / "old.db", "operator")
    erase(ward)
    source = bundle(person("p1"), creatinine("1.4", "2026-05-20", "new"))
    assert not Intake(Session(ward.house, ward.operator)).run([ward.write("again.json", source)])[0].error
    configuration = ward.house.configuration
    ward.house.close()
    for leftover in configuration.store.glob(configuration.store_file.name + "*"):
        leftover.unlink()
    mark = (configuration.keys / "log.checkpoint").read_bytes()
    with pytest.raises(StoreError, match="older"):
        House.restore(configuration, tmp_path / "old.db")
    assert (configuration.keys / "log.checkpoint").read_bytes() == mark
    assert House.restore(configuration, tmp_path / "old.db", accept_loss=True).problems == ()
    with House(configuration, clock=lambda: AT) as again:
        assert again.store.patients(again.gate.house("t")) == ["p2"]


def test_a_restore_that_breaks_off_leaves_the_mark_and_no_file(two, tmp_path, monkeypatch):
    ward, _ = two
    ward.house.backup(tmp_path / "old.db", "operator")
    erase(ward)
    configuration = ward.house.configuration
    ward.house.close()
    configuration.store_file.unlink()
    mark = (configuration.keys / "log.checkpoint").read_bytes()
    monkeypatch.setattr(House, "verify", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        House.restore(configuration, tmp_path / "old.db", accept_loss=True)
    assert not list(configuration.store.glob(configuration.store_file.name + "*"))
    assert (configuration.keys / "log.checkpoint").read_bytes() == mark


def test_an_erasure_beside_an_open_reader_is_whole_and_says_what_stays(two):
    ward, other = two
    with House(ward.house.configuration, clock=lambda: AT) as reader:
        reader.store.connection.execute("BEGIN")
        reader.store.connection.execute("SELECT count(*) FROM resource").fetchone()
        assert erase(ward)["compacted"] is False
        reader.store.connection.execute("ROLLBACK")
    assert ward.house.verify().problems == ()
    assert reads(ward, other, "p2")
