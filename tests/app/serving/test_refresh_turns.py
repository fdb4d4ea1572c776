"""One process at a time brings a record up to date; nobody waits for another record, or for one who died."""

from __future__ import annotations

import subprocess
import sys

import pytest

from salus.app.serving import refresh_turns
from salus.app.session import Session
from salus.errors import StoreError

HOLDER = """
import sys
from pathlib import Path
from salus.app.serving import refresh_turns
from salus.app.config import at_folder
from salus.app.house import House
with House(at_folder(Path(sys.argv[1]))) as house, refresh_turns.taken(house, "p1"):
    print("held", flush=True)
    sys.stdin.readline()
print("given back", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def holder(ward):
    """Another process, which has the turn over p1."""
    command = (sys.executable, "-c", HOLDER, str(ward.house.configuration.store.parent))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def is_free(ward, patient: str) -> bool:
    try:
        with refresh_turns.taken(ward.house, patient, patience=0.05):
            return True
    except StoreError:
        return False


def test_nobody_has_a_turn_that_another_process_has_and_others_are_free(ward, holder):
    assert not is_free(ward, "p1")
    assert is_free(ward, "p2")
    holder.stdin.write(b"\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == b"given back\n"
    assert is_free(ward, "p1")


def test_a_turn_ends_with_its_process(ward, holder):
    assert not is_free(ward, "p1")
    holder.kill()
    holder.wait()
    assert is_free(ward, "p1")


def test_a_refresh_takes_the_turn(ward, holder, monkeypatch):
    monkeypatch.setattr(refresh_turns.time, "monotonic", iter(range(0, 10_000, 100)).__next__)
    with pytest.raises(StoreError, match="being brought up to date"):
        Session.for_upkeep(ward.house).refresh("p1")


def test_nothing_stays_open_and_one_turn_given_back_leaves_the_others(ward):
    with refresh_turns.taken(ward.house, "p1"):
        with refresh_turns.taken(ward.house, "p2"):
            assert [each.users for each in refresh_turns._OPEN.values()] == [2]
        command = (sys.executable, "-c", HOLDER, str(ward.house.configuration.store.parent))
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            with pytest.raises(subprocess.TimeoutExpired):
                other.wait(2)  # it waits for the turn that is still held here
            other.kill()
    assert refresh_turns._OPEN == {}


def test_where_the_lock_cannot_be_made_the_work_is_done_all_the_same(ward, monkeypatch):
    monkeypatch.setattr(refresh_turns.os, "open", lambda *_: (_ for _ in ()).throw(OSError(28, "no space left")))
    with refresh_turns.taken(ward.house, "p1"):
        assert refresh_turns._OPEN == {}
