"""Going on from a verification that was interrupted: nothing that was changed in between is passed over."""

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from salus.app.house import House
from salus.formats.content import Bytes
from salus.record.store import Change
from salus.trust import verify_memory
from salus.trust.grants import Grant
from salus.trust.vault import SYSTEM
from tests.conftest import AT, creatinine, person

WHEN = "2026-06-01T12:00:00Z"
PEOPLE = ("p1", "p2", "p3", "p4")


@pytest.fixture
def four(ward, monkeypatch):
    """A house of four patients, each with three results, one of them corrected, and a file."""
    monkeypatch.setattr(verify_memory, "EVERY", 0.0)
    store = ward.house.store
    for name in PEOPLE:
        scope = Grant("t", name, "self", frozenset({"record"}), may_write=True, purpose="PATRQT")
        results = [Change("Observation", f"c{n}", creatinine(f"1.{n}", "2026-01-01", f"c{n}", name)) for n in range(3)]
        content = Bytes(name.encode() * 1000)
        blobs = [(store.address(scope, content.sha256), "record", content)]
        store.commit(scope, [Change("Patient", name, person(name)), *results], at=WHEN, blobs=blobs)
        later = creatinine("9.9", "2026-01-01", "c1", name)
        store.commit(scope, [Change("Observation", "c1", later)], at=WHEN)
    return ward.house


class Stop(Exception):
    pass


def interrupted(house, after=11):
    """A verification that ends when it has looked at that many versions: of 20, so that two patients are done."""

    def stop(done, total):
        assert total == 20
        if done >= after:
            raise Stop

    with pytest.raises(Stop):
        house.verify(progress=stop)
    return house.store.path.with_name("record.sqlite-verified")


def behind_its_back(house, statement):
    with sqlite3.connect(house.store.path) as connection:
        assert connection.execute(statement).rowcount
    connection.close()


def test_a_run_that_was_interrupted_is_continued_and_then_forgotten(four):
    place = interrupted(four)
    assert place.stat().st_mode & 0o077 == 0
    report = four.verify(resume=True)
    assert (report.problems, report.versions, report.blobs, report.remembered) == ((), 20, 4, 10)
    assert not place.exists()
    assert four.verify(resume=True).remembered == 0


def test_without_the_word_everything_is_looked_at(four):
    interrupted(four)
    assert four.verify().remembered == 0


CHANGES = [
    "UPDATE resource SET body = (SELECT body FROM resource WHERE rid = 3) WHERE rid = 2",
    "UPDATE resource SET kinds = 0 WHERE rid = 2",
    "UPDATE resource SET own_kinds = 3 WHERE rid = 2",
    "UPDATE resource SET updated = '2020-01-01T00:00:00Z' WHERE rid = 2",
    "UPDATE resource SET body = 7 WHERE rid = 2",
    "DELETE FROM resource WHERE rid = 2",
    "DELETE FROM history WHERE rid = 3",
    "UPDATE history SET mac = zeroblob(32) WHERE rid = 3",
    "UPDATE history SET body = zeroblob(length(body)) WHERE rid = 3",
    "DELETE FROM token_index WHERE rid = 2",
    "INSERT INTO date_index VALUES ('Observation', 'date', 'a', 'b', 2)",
    "INSERT INTO target VALUES (2, 'Observation', 'c2')",
    "UPDATE log_leaf SET entry = zeroblob(length(entry)) WHERE pid = 1",
    "UPDATE log_leaf SET topic = 'access' WHERE pid = 1",
    "UPDATE log_leaf SET pid = 2 WHERE pid = 1",
    "UPDATE blob_chunk SET body = zeroblob(length(body)) WHERE address IN (SELECT address FROM blob WHERE pid = 1)",
    "DELETE FROM blob WHERE pid = 1",
    "UPDATE blob SET category = 'note' WHERE pid = 1",
    "UPDATE blob SET pid = 2 WHERE pid = 1",
    "DELETE FROM log_checkpoint WHERE size = (SELECT min(n) FROM log_leaf WHERE pid = 2)",
    "UPDATE patient SET id = 'p9' WHERE pid = 1",
]


@pytest.mark.parametrize("statement", CHANGES)
def test_what_is_changed_between_the_halves_is_found(four, statement):
    interrupted(four)
    behind_its_back(four, statement)
    assert four.verify(resume=True).problems


def test_a_key_that_was_lost_between_the_halves_is_found(four):
    interrupted(four)
    for path in (four.configuration.keys / "patients").glob("??/*.key"):
        path.unlink()
    four.vault._ciphers.pop("p1")
    assert any("key is missing" in p.what for p in four.verify(resume=True).problems)


def test_what_is_written_between_the_halves_is_verified_again(four):
    interrupted(four)
    scope = Grant("t", "p1", "self", frozenset({"record"}), may_write=True, purpose="PATRQT")
    four.store.commit(scope, [Change("Observation", "c2", creatinine("5.0", "2026-01-02", "c2"))], at=WHEN)
    report = four.verify(resume=True)
    assert (report.problems, report.versions, report.remembered) == ((), 21, 5)


def test_a_patient_with_a_problem_is_not_remembered(four):
    behind_its_back(four, "UPDATE resource SET kinds = 0 WHERE rid = 2")
    interrupted(four)
    report = four.verify(resume=True)
    assert report.remembered == 5
    assert [p.where for p in report.problems] == ["Observation (row 2)"]


def test_a_line_counts_only_for_the_patient_log_and_code_that_it_was_written_for(four, monkeypatch):
    place = interrupted(four)
    lines = place.read_bytes().splitlines()
    assert len(lines) == 2
    forged = b"00" * 40
    place.write_bytes(b"\n".join([forged, lines[0][:-10], b"\xff", b"", lines[1]]) + b"\n")
    assert four.verify(resume=True).remembered == 5
    place.write_bytes(b"\n".join(lines) + b"\n")
    monkeypatch.setattr(verify_memory, "_code", lambda: "another release")
    assert four.verify(resume=True).remembered == 0


def test_who_has_not_the_keys_cannot_write_a_line(four):
    place = interrupted(four)
    line = bytes.fromhex(place.read_text("ascii").splitlines()[0])
    for context in (b"", b"verified"):
        with pytest.raises(Exception, match="changed"):
            four.vault.unseal(SYSTEM, line, context)
    assert b"digest" not in line


def test_where_nothing_can_be_written_everything_is_verified(four):
    place = four.store.path.with_name("record.sqlite-verified")
    place.mkdir()
    try:
        with pytest.raises(Stop):
            four.verify(progress=lambda done, _: (_ for _ in ()).throw(Stop) if done > 11 else None)
    finally:
        place.rmdir()
    assert four.verify(resume=True).remembered == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from salus.app.config import at_folder
from salus.app.house import House
from salus.trust import verify_memory
verify_memory.EVERY = 0.0
def stop(done, total):
    if done >= 11:
        os.kill(os.getpid(), signal.SIGKILL)
with House(at_folder(Path(sys.argv[1])), checked=False) as house:
    house.verify(progress=stop)
"""


@pytest.mark.parametrize("changed", [False, True])
def test_a_run_that_was_killed_is_continued(four, changed):
    configuration = four.configuration
    four.close()
    here = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(configuration.store.parent)], env=here, check=False)
    assert done.returncode == -signal.SIGKILL
    with House(configuration, clock=lambda: AT) as house:
        if changed:
            behind_its_back(house, "UPDATE date_index SET lo = 'x' WHERE rid = 2")
        report = house.verify(resume=True)
    assert report.remembered == (5 if changed else 10)
    assert bool(report.problems) is changed
