"""Erasure: unreadable at once and for good, also in old backups; every proof of everybody else still holds."""

import shutil
import sqlite3
from datetime import timedelta

import pytest

from salus.app import erasure
from salus.app.config import at_folder
from salus.app.house import House
from salus.app.intake.intake import Intake
from salus.app.live.readings import Monitor
from salus.app.session import Session
from salus.errors import AccessError, InputError, IntegrityError, SalusError, StoreError
from salus.fhir import json
from salus.fhir.views import CATEGORIES
from salus.trust import erasure as erasures
from salus.trust import proof, quarantine
from salus.trust.identity import Actor, Identity
from salus.trust.mark import Mark
from salus.trust.vault import SYSTEM
from tests.conftest import AT, Ward, bundle, creatinine, person

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
    mark = Mark(configuration.keys / "log.checkpoint").look().mark
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
        "INSERT INTO resource (rid, pid, type, id, version, updated, deleted, mac, body) "
        "VALUES (99, 1, 'Patient', 'p1', 1, '2026', 0, x'00', x'00')",
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
    mark = Mark(configuration.keys / "log.checkpoint").look().mark
    with pytest.raises(StoreError, match="older"):
        House.restore(configuration, tmp_path / "old.db")
    assert Mark(configuration.keys / "log.checkpoint").look().mark == mark
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
    mark = Mark(configuration.keys / "log.checkpoint").look().mark
    monkeypatch.setattr(House, "verify", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        House.restore(configuration, tmp_path / "old.db", accept_loss=True)
    assert not list(configuration.store.glob(configuration.store_file.name + "*"))
    assert Mark(configuration.keys / "log.checkpoint").look().mark == mark


def test_an_erasure_beside_an_open_reader_is_whole_and_the_rest_goes_when_the_house_is_tidied(two):
    ward, other = two
    folder = ward.house.configuration.store
    body = ward.house.store.connection.execute("SELECT body FROM resource WHERE pid = 1").fetchone()[0]

    def left():
        return any(body in p.read_bytes() for p in folder.iterdir() if p.is_file())

    ward.house.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with House(ward.house.configuration, clock=lambda: AT) as reader:
        reader.store.connection.execute("BEGIN")
        reader.store.connection.execute("SELECT count(*) FROM resource").fetchone()
        assert erase(ward)["compacted"] is False
        ward.house.tidy()
        assert left()
        assert (folder / "uncompacted").exists()
        reader.store.connection.execute("ROLLBACK")
    assert ward.house.verify().problems == ()
    assert reads(ward, other, "p2")
    ward.house.tidy()
    assert not left()
    assert not (folder / "uncompacted").exists()


# ---- quarantine


def put_in_quarantine(house, content=b"nobody knows whose"):
    scope = house.gate.house("operator", may_write=True)
    return quarantine.keep(house.store, house.vault, house.log, scope, [content], "unreadable", house.time())


def bytes_in(house, n):
    rows = house.store.connection.execute("SELECT body FROM quarantine WHERE n = ? ORDER BY part", (n,))
    return [body for (body,) in rows]


def test_a_source_in_quarantine_expires_and_its_number_is_given_to_nobody_else(ward):
    house = ward.house
    first = put_in_quarantine(house, b"a" * (3 << 20))
    before = bytes_in(house, first)
    assert len(before) == 3
    ward.time = AT + timedelta(days=10)
    second = put_in_quarantine(house)
    ward.time = AT + timedelta(days=30) - timedelta(seconds=1)
    assert house.expire_quarantine() == []
    ward.time = AT + timedelta(days=30)
    assert house.expire_quarantine() == [first]
    assert house.expire_quarantine() == []
    assert bytes_in(house, first) == [b""] * 3
    assert house.store.connection.execute("PRAGMA freelist_count").fetchone() == (0,)
    assert [entry["n"] for entry in house.quarantined()] == [second]
    for action in (house.release, house.destroy_quarantined):
        with pytest.raises(InputError, match="nothing lies"):
            action(first, "operator")
    with pytest.raises(InputError, match="any more"):
        quarantine.release(house.store, house.vault, first)
    assert house.release(second, "operator") == b"nobody knows whose"
    with pytest.raises(SalusError):
        house.vault.unseal(quarantine.key_name(first), before[0], quarantine._context(first, 0))
    assert house.verify().problems == ()
    assert put_in_quarantine(house) == second + 1


def test_what_is_blanked_in_quarantine_behind_saluss_back_is_noticed(ward):
    n = put_in_quarantine(ward.house)
    ward.house.store.connection.execute("UPDATE quarantine SET body = x'' WHERE n = ?", (n,))
    assert ward.house.verify().problems


def test_a_source_that_an_operator_calls_the_patients_goes_with_him(two):
    ward, _ = two
    house = ward.house
    mine, others, moved = (put_in_quarantine(house) for _ in range(3))
    house.assign_quarantined(mine, "p1", "operator")
    house.assign_quarantined(others, "p2", "operator")
    house.assign_quarantined(moved, "p1", "operator")
    house.assign_quarantined(moved, "p2", "operator")
    with pytest.raises(InputError, match="nothing lies"):
        house.assign_quarantined(99, "p1", "operator")
    with pytest.raises(AccessError):
        house.assign_quarantined(mine, "nobody", "operator")
    generation = house.vault.generation
    erase(ward)
    assert house.vault.generation == generation + 1  # one rewrap for all of it
    assert bytes_in(house, mine) == [b""]
    assert house.vault.shredded(quarantine.key_name(mine))
    assert sorted(entry["n"] for entry in house.quarantined()) == [others, moved]
    assert house.verify().problems == ()
    assert house.destroy_quarantined(others, "operator")
    assert bytes_in(house, others) == [b""]
    assert house.verify().problems == ()


def test_quarantine_of_the_release_before_still_opens_and_expires(ward):
    house = ward.house
    scope = house.gate.house("operator", may_write=True)
    with house.store.transaction(scope) as connection:
        body = house.vault.seal(SYSTEM, b"old", quarantine._context(1, 0))
        connection.execute("INSERT INTO quarantine VALUES (1, 0, ?)", (body,))
        entry = {"reason": "quarantined", "n": 1, "parts": 1, "sha256": "", "why": "unreadable", "at": house.time()}
        house.log.append(connection, SYSTEM, "house", entry)
    assert house.release(1, "operator") == b"old"
    assert house.verify().problems == ()
    ward.time = AT + timedelta(days=31)
    house.tidy()
    assert bytes_in(house, 1) == [b""]
    assert house.verify().problems == ()


def test_a_restored_backup_holds_nothing_that_has_expired_since(two, tmp_path):
    ward, other = two
    house = ward.house
    n = put_in_quarantine(house)
    house.backup(tmp_path / "old.db", "operator")
    house.destroy_quarantined(n, "operator")
    house.close()
    remove_store(house.configuration)
    assert House.restore(house.configuration, tmp_path / "old.db", accept_loss=True).problems == ()
    with House(house.configuration, clock=lambda: AT) as again:
        assert bytes_in(again, n) == [b""]
        assert again.quarantined() == []
        assert reads(Ward(again, *(None,) * 3, tmp_path), other, "p2")


# ---- the live queue


def test_readings_that_wait_in_the_queue_are_erased_too(two):
    ward, _ = two
    with Monitor(Session(ward.house, ward.operator)) as monitor:
        for device, patient in (("cuff-1", "p1"), ("cuff-2", "p2")):
            monitor.assign(device, patient, setting="home", silent_after=None, since=AT - timedelta(hours=1))
        said = monitor.receive([sent("cuff-1", 171), sent("cuff-2", 122)])
        assert said.new == 2
        path = ward.house.configuration.store / "live.sqlite"
        with sqlite3.connect(path) as connection:
            bodies = [body for (body,) in connection.execute("SELECT body FROM reading ORDER BY n")]
        connection.close()
        erase(ward)
        assert monitor.queue.waiting() == 1
        files = b"".join(p.read_bytes() for p in path.parent.glob("live.sqlite*"))
        assert bodies[0] not in files
        assert bodies[1] in files
        assert monitor.receive([sent("cuff-1", 171)]).duplicates == 1
        done = monitor.drain()
    assert (done.stored, done.refused) == (1, 0)


def sent(device, pulse):
    at = "2026-06-01T11:59:00Z"
    return json.dumps({"device": device, "code": "heart-rate", "at": at, "value": pulse, "unit": "/min"})


# ---- backups


def remove_store(configuration):
    for leftover in configuration.store.glob(configuration.store_file.name + "*"):
        leftover.unlink()


def test_a_backup_holds_no_index_and_a_restore_makes_it_again(two, tmp_path):
    ward, _ = two
    house = ward.house
    tables = ("token_index", "date_index")
    before = {t: sorted(house.store.connection.execute(f"SELECT * FROM {t}").fetchall()) for t in tables}
    assert all(before.values())
    backup = tmp_path / "copy.db"
    house.backup(backup, "operator")
    assert backup.stat().st_mode & 0o777 == 0o600
    assert b"2026-05-01" not in backup.read_bytes()
    assert [p.name for p in tmp_path.glob("*copy.db*")] == ["copy.db"]
    with sqlite3.connect(backup) as connection:
        assert [connection.execute(f"SELECT count(*) FROM {t}").fetchone() for t in tables] == [(0,), (0,)]
    connection.close()
    house.close()
    remove_store(house.configuration)
    assert House.restore(house.configuration, backup).problems == ()
    with House(house.configuration, clock=lambda: AT) as again:
        after = {t: sorted(again.store.connection.execute(f"SELECT * FROM {t}").fetchall()) for t in tables}
        assert after == before


def test_the_list_of_erasures_erases_again_where_the_keys_are_of_before_as_well(two, tmp_path):
    ward, other = two
    house, configuration = ward.house, ward.house.configuration
    house.backup(tmp_path / "old.db", "operator")
    shutil.copytree(configuration.keys, tmp_path / "old-keys")
    erase(ward)
    listed = configuration.store / erasures.LIST
    assert not [name for name in ('"p1"', "Patient/p1") if name in listed.read_text()]  # it holds random letters
    kept = tmp_path / "kept-elsewhere"
    shutil.copy(listed, kept)
    house.close()
    for known in (True, False):  # beside the store, or handed over
        shutil.rmtree(configuration.keys)
        shutil.copytree(tmp_path / "old-keys", configuration.keys)
        remove_store(configuration)
        if not known:
            listed.unlink()
        with pytest.raises(StoreError, match="older"):
            House.restore(configuration, tmp_path / "old.db", erased=None if known else kept)
        report = House.restore(configuration, tmp_path / "old.db", accept_loss=True, erased=None if known else kept)
        assert report.problems == ()
        with House(configuration, clock=lambda: AT) as again:
            assert again.store.patients(again.gate.house("t")) == ["p2"]
            assert reads(Ward(again, *(None,) * 3, tmp_path), other, "p2")
            assert again.vault.shredded("p1")


def test_a_list_of_erasures_that_was_changed_is_refused(two, tmp_path):
    ward, _ = two
    house = ward.house
    erase(ward)
    listed = house.configuration.store / erasures.LIST
    found = erasures.remembered(listed, house.vault)
    assert list(found) == [house.vault.name("p1")]
    data = listed.read_bytes()
    for place in range(0, len(data) - 1, 5):
        changed = bytearray(data)
        changed[place] ^= 1
        listed.write_bytes(bytes(changed))
        with pytest.raises(IntegrityError):
            erasures.remembered(listed, house.vault)
    with pytest.raises(StoreError, match="no such file"):
        House.restore(at_folder(tmp_path / "other"), listed, erased=tmp_path / "nowhere")


def test_who_came_again_after_an_erasure_is_not_erased_by_the_list(two, tmp_path):
    ward, _ = two
    erase(ward)
    source = bundle(person("p1"), creatinine("1.4", "2026-05-20", "new"))
    assert not Intake(Session(ward.house, ward.operator)).run([ward.write("again.json", source)])[0].error
    configuration = ward.house.configuration
    ward.house.backup(tmp_path / "new.db", "operator")
    ward.house.close()
    remove_store(configuration)
    assert House.restore(configuration, tmp_path / "new.db").problems == ()
    with House(configuration, clock=lambda: AT) as again:
        assert again.store.patients(again.gate.house("t")) == ["p2", "p1"]


def test_the_houses_own_entries_tell_nothing_of_who_was_erased(two):
    ward, _ = two
    house = ward.house
    house.add_actor(Actor("aunt-agnes", "proxy", Identity.generate("aunt-agnes").public_key, "p1", "Agnes"), by="pat")
    house.remove_actor("aunt-agnes", by="pat")
    assert house.registry.person({"reason": "stopped", "proposal": 99}) == ""
    kept = [e.content for e in house.log.entries(house.store.connection, topic="house")]
    assert not any(word in str(kept) for word in ("aunt-agnes", "Agnes", "p1", "'pat'"))
    assert "aunt-agnes" in house.registry.ever
    erase(ward)
    assert not {"pat", "aunt-agnes"} & house.registry.ever.keys()
    with House(house.configuration) as again:
        assert not {"pat", "aunt-agnes"} & again.registry.ever.keys()
        assert not again.verify().problems
        again.add_actor(Actor("pat", "practitioner", Identity.generate("x").public_key), by="operator")
