"""One writer at a time: who waits is woken, the dead hold nobody up, what cannot be locked is not waited for."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from salus.errors import StoreError
from salus.record.turn import Turn

HOLDER = """
import sys, time
from pathlib import Path
from salus.record.turn import Turn
with Turn(Path(sys.argv[1])).taken():
    print("mine", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_waits_and_is_woken(tmp_path):
    first, second, order = Turn(tmp_path / "s"), Turn(tmp_path / "s"), []

    def wait():
        with second.taken():
            order.append("second")

    with first.taken():
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.1)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]
    for turn in (first, second):
        turn.close()
        turn.close()


def test_nobody_waits_for_ever_for_a_writer_that_hangs(tmp_path):
    first, second = Turn(tmp_path / "s"), Turn(tmp_path / "s")
    with first.taken():
        begun = time.monotonic()
        with pytest.raises(StoreError, match="another writer"), second.taken(patience=0.2):
            pytest.fail("the turn is another's")
        assert 0.2 <= time.monotonic() - begun < 10
    with second.taken(patience=0.2), pytest.raises(StoreError), first.taken(patience=0):
        pytest.fail("the turn is another's")


def test_an_error_gives_the_turn_back(tmp_path):
    turn, other = Turn(tmp_path / "s"), Turn(tmp_path / "s")
    with pytest.raises(ValueError), turn.taken():
        raise ValueError
    taken = threading.Thread(target=lambda: other.taken().__enter__(), daemon=True)
    taken.start()
    taken.join(10)
    assert not taken.is_alive()


def test_a_killed_process_gives_the_turn_back(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "mine\n"
        holder.send_signal(signal.SIGKILL)
        with Turn(tmp_path / "s").taken():
            pass


def test_where_the_lock_cannot_be_made_the_store_itself_says_what_is_wrong(ward):
    store = ward.house.store
    store._turn = Turn(ward.folder / "missing" / "s")
    scope = ward.house.gate.house("t", may_write=True)
    with store.transaction(scope):
        pass
    store.connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match="cannot be written"), store.transaction(scope):
        store.connection.execute("DELETE FROM patient")
    store.connection.execute("PRAGMA query_only = OFF")
