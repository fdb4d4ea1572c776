"""Tampering: byte flips, rows changed, removed, reordered or added, and a store rolled back as a whole."""

import random
import shutil
import sqlite3

import pytest

from salus.app.house import House
from salus.errors import SalusError, StoreError
from salus.formats.content import Bytes
from salus.record.store import Change
from salus.trust import quarantine
from salus.trust.grants import Grant
from tests.conftest import AT, creatinine, person

WHEN = "2026-06-01T12:00:00Z"
SCOPE = Grant("t", "p1", "self", frozenset({"record"}), may_write=True, purpose="PATRQT")


@pytest.fixture
def filled(ward):
    house = ward.house
    store = house.store
    changes = [Change("Observation", f"c{n}", creatinine(f"1.{n}", f"2026-01-{n + 1:02d}", f"c{n}")) for n in range(9)]
    contents = Bytes(random.Random(0).randbytes(204_800)), Bytes(bytes(range(256)) * 80)  # the latter is compressed
    blobs = [(store.address(SCOPE, content.sha256), "record", content) for content in contents]
    store.commit(SCOPE, [Change("Patient", "p1", person()), *changes], at=WHEN, blobs=blobs)
    store.commit(SCOPE, [Change("Observation", "c1", creatinine("2.0", "2026-01-02", "c1"))], at=WHEN)
    store.commit(SCOPE, [Change("Observation", "c2", None)], at=WHEN)
    upkeep = house.gate.house("operator", may_write=True)
    quarantine.keep(store, house.vault, house.log, upkeep, [b"unreadable"], "not a kind of file", WHEN)
    house.gate.service_chart("p1", AT)
    assert not house.verify().problems
    store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    house.close()
    return house.configuration


def logical(house):
    """Everything the store says, opened."""
    connection = house.store.connection
    leaves = [(e.n, e.patient, e.topic, repr(e.content)) for e in house.log.entries(connection)]
    current = [(s.source, s.updated, s.data) for s in house.store.read(SCOPE)]
    versions = [(v.source, v.data) for n in range(9) for v in house.store.versions(SCOPE, f"Observation/c{n}")]
    blobs = [house.store.blob(SCOPE, a) for (a,) in connection.execute("SELECT address FROM blob ORDER BY address")]
    held = quarantine.release(house.store, house.vault, 1)
    index = [
        connection.execute(f"SELECT * FROM {t} ORDER BY 1,2,3,4").fetchall() for t in ("token_index", "date_index")
    ]
    return repr((leaves, current, versions, blobs, held, index, house.store.patients(house.gate.house("t"))))


def flip_and_look(configuration, original, position, bit):
    """(detected, logical content) after one flipped bit."""
    data = bytearray(original)
    data[position] ^= 1 << bit
    configuration.store_file.write_bytes(bytes(data))
    for extra in configuration.store.glob("*-*"):
        extra.unlink()
    try:
        with House(configuration, clock=lambda: AT) as house:
            if house.verify().problems:
                return True, None
            return False, logical(house)
    except (SalusError, sqlite3.DatabaseError):
        return True, None


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_five_hundred_byte_flips_are_detected_or_change_nothing(filled, seed):
    original = filled.store_file.read_bytes()
    with House(filled, clock=lambda: AT) as house:
        truth = logical(house)
    draw = random.Random(seed)
    detected = 0
    for _ in range(500):
        position = draw.randrange(len(original))
        found, content = flip_and_look(filled, original, position, draw.randrange(8))
        detected += found
        assert found or content == truth, f"a flip at byte {position} went unnoticed"
    assert detected > 250


STATEMENTS = [
    "UPDATE resource SET updated = '2020-01-01T00:00:00Z' WHERE id = 'c3'",
    "UPDATE resource SET deleted = 0 WHERE id = 'c2'",
    "UPDATE resource SET id = 'c99' WHERE id = 'c4'",
    "DELETE FROM resource WHERE id = 'c5'",
    "DELETE FROM history",
    "UPDATE resource SET body = (SELECT body FROM resource WHERE id = 'c7') WHERE id = 'c6'",
    "UPDATE resource SET body = (SELECT body FROM resource WHERE id = 'c7'), mac = (SELECT mac FROM resource WHERE "
    "id = 'c7') WHERE id = 'c6'",
    "DELETE FROM token_index WHERE rid = (SELECT rid FROM resource WHERE id = 'c6')",
    "UPDATE date_index SET lo = '2000-01-01T00:00:00Z' WHERE rid = (SELECT rid FROM resource WHERE id = 'c6')",
    "INSERT INTO token_index VALUES ('Observation', 'code', x'00', 1, 2, 1)",
    "UPDATE token_index SET kinds = 0 WHERE rid = (SELECT rid FROM resource WHERE id = 'c6')",
    "UPDATE token_index SET pid = 7 WHERE rid = (SELECT rid FROM resource WHERE id = 'c6')",
    "DELETE FROM blob_chunk",
    "DELETE FROM blob",
    "UPDATE log_leaf SET topic = 'write' WHERE topic = 'access'",
    "DELETE FROM log_leaf WHERE n = 3",
    "DELETE FROM log_leaf WHERE n = (SELECT max(n) FROM log_leaf)",
    "UPDATE log_leaf SET n = -1 WHERE n = 3",
    "UPDATE log_leaf SET commitment = zeroblob(32) WHERE n = 2",
    "DELETE FROM log_checkpoint WHERE size = 4",
    "UPDATE log_checkpoint SET signature = zeroblob(64) WHERE size = 4",
    "DELETE FROM quarantine",
    "INSERT INTO patient VALUES (77, 'stranger')",
    "INSERT INTO blob VALUES ('stray', 1, 'record', 0, 1)",
    "INSERT INTO log_checkpoint VALUES (0, x'', x'', x'')",
    "INSERT INTO log_checkpoint VALUES (999, x'', x'', x'')",
    "UPDATE patient SET id = 'p2' WHERE id = 'p1'",
    "CREATE TRIGGER t AFTER INSERT ON resource BEGIN DELETE FROM history; END",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_change_behind_saluss_back_is_named(filled, statement):
    with sqlite3.connect(filled.store_file) as connection:
        assert connection.execute(statement).rowcount or statement.startswith("CREATE")
    connection.close()
    assert noticed(filled)


def noticed(configuration):
    """True when verify names a problem, or the log no longer opens at all."""
    try:
        with House(configuration, clock=lambda: AT) as house:
            return bool(house.verify().problems)
    except SalusError:
        return True


def test_an_older_version_put_in_the_place_of_the_current_one_is_noticed(filled):
    """Both rows are sealed and logged as they are: only which of them is the newer gives it away."""
    columns = "version, updated, deleted, mac, body"
    with sqlite3.connect(filled.store_file) as connection:
        (rid,) = connection.execute("SELECT rid FROM resource WHERE id = 'c1'").fetchone()
        newer = connection.execute(f"SELECT {columns} FROM resource WHERE rid = ?", (rid,)).fetchone()
        older = connection.execute(f"SELECT {columns} FROM history WHERE rid = ?", (rid,)).fetchone()
        for table, row in (("resource", older), ("history", newer)):
            connection.execute(
                f"UPDATE {table} SET version = ?, updated = ?, deleted = ?, mac = ?, body = ? WHERE rid = ?",
                (*row, rid),
            )
    connection.close()
    with House(filled, clock=lambda: AT) as house:
        assert "an older version stands as the current one" in {p.what for p in house.verify().problems}


def test_two_leaves_changing_places_are_noticed(filled):
    with sqlite3.connect(filled.store_file) as connection:
        rows = connection.execute("SELECT n, pid, topic, commitment, entry FROM log_leaf WHERE n IN (1, 2)").fetchall()
        for (n, *_), (_, *content) in zip(rows, reversed(rows), strict=True):
            connection.execute(
                "UPDATE log_leaf SET pid = ?, topic = ?, commitment = ?, entry = ? WHERE n = ?", (*content, n)
            )
    connection.close()
    assert noticed(filled)


def test_an_older_copy_put_in_place_of_the_store_is_noticed(filled, tmp_path):
    older = tmp_path / "older.sqlite"
    with House(filled, clock=lambda: AT) as house:
        house.backup(older, "operator")
        house.gate.service_chart("p1", AT)
    for file in filled.store.iterdir():
        file.unlink()
    shutil.copyfile(older, filled.store_file)
    with House(filled, checked=False, clock=lambda: AT) as house:
        assert any("rolled back" in p.what for p in house.verify().problems)
    with pytest.raises(SalusError, match="rolled back"):
        House(filled, clock=lambda: AT)


def test_backup_and_restore(filled, tmp_path):
    copy = tmp_path / "copy.sqlite"
    with House(filled, clock=lambda: AT) as house:
        house.backup(copy, "operator")
        truth = logical(house)
    with pytest.raises(StoreError, match="already"):
        House.restore(filled, copy)
    for file in filled.store.iterdir():
        file.unlink()
    damaged = tmp_path / "damaged.sqlite"
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 255
    damaged.write_bytes(data)
    with pytest.raises(SalusError):
        House.restore(filled, damaged)
    assert not filled.store_file.exists()
    assert not House.restore(filled, copy).problems
    with House(filled, clock=lambda: AT) as house:
        assert logical(house) == truth


def test_restoring_an_older_backup_needs_a_word_and_is_logged(filled, tmp_path):
    copy = tmp_path / "copy.sqlite"
    with House(filled, clock=lambda: AT) as house:
        house.backup(copy, "operator")
        house.gate.service_chart("p1", AT)
    for file in filled.store.iterdir():
        file.unlink()
    with pytest.raises(StoreError, match="older"):
        House.restore(filled, copy)
    assert not House.restore(filled, copy, accept_loss=True).problems


def test_a_restore_that_lost_a_revocation_opens_nothing_until_the_patient_decides(ward, tmp_path):
    from salus.app.session import Session
    from salus.errors import AccessError, IntegrityError

    house = ward.house
    house.store.commit(SCOPE, [Change("Patient", "p1", person())], at=WHEN)
    name = Session(house, ward.patient).give_consent("p1", AT, actors=["dr-lee"], categories=["record"])
    copy = tmp_path / "copy.sqlite"
    house.backup(copy, "operator")
    Session(house, ward.patient).revoke("p1", name)
    house.close()
    for file in house.configuration.store.iterdir():
        file.unlink()
    House.restore(house.configuration, copy, accept_loss=True)
    with House(house.configuration, clock=lambda: ward.time) as again:
        with pytest.raises(IntegrityError, match="newer decision"):
            Session(again, ward.clinician).open("p1", AT)
        mine = Session(again, ward.patient)
        assert [state for _, state in mine.consents("p1")] == ["in force"]
        mine.revoke("p1", name)
        with pytest.raises(AccessError):
            Session(again, ward.clinician).open("p1", AT)
        assert mine.open("p1", AT).chart.patient.name == "Ada Example"
        assert not again.verify().problems
