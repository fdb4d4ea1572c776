"""Entries of several threads are committed together; each is durable before it is answered, and fails alone."""

import threading
import time
from functools import partial

import pytest

from salus.app.house import House
from salus.errors import IntegrityError
from salus.trust import batching
from salus.trust.log import Log
from tests.conftest import AT
from tests.trust.test_gate import fill

THREADS = 8


def counts(house):
    return [
        house.store.connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0]
        for t in ("log_leaf", "log_checkpoint")
    ]


def run(work):
    """``work`` in several threads, each with a house of its own; returns what they gave or raised."""
    found = []

    def one(number):
        try:
            found.append(work(number))
        except Exception as error:
            found.append(error)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


def append(ward, patient, number):
    with House(ward.house.configuration, clock=lambda: AT) as house:
        scope = house.gate.house("t", may_write=True)
        batches = batching.of(house.store.path)
        return [
            batches.append(house.store, house.log, scope, [(patient, "access", {"n": [number, i]})])[0]
            for i in range(20)
        ]


def test_many_threads_share_commits_and_each_gets_its_own_number(ward, monkeypatch):
    fill(ward)
    real = Log.seal

    def slow(self, connection):
        time.sleep(0.002)
        real(self, connection)

    monkeypatch.setattr(Log, "seal", slow)
    leaves, checkpoints = counts(ward.house)
    numbers = [n for each in run(lambda number: append(ward, "p1", number)) for n in each]
    after = counts(ward.house)
    assert sorted(numbers) == list(range(leaves, leaves + 20 * THREADS))
    assert after[0] == leaves + 20 * THREADS
    assert after[1] - checkpoints < 20 * THREADS
    content = {e.n: e.content for e in ward.house.log.entries(ward.house.store.connection, patient="p1")}
    assert all(content[n]["n"] for n in numbers)
    assert not ward.house.verify().problems


def test_one_that_cannot_be_written_fails_alone(ward, monkeypatch):
    fill(ward)
    started = threading.Event()
    real = Log.seal

    def slow(self, connection):
        started.set()
        time.sleep(0.05)
        real(self, connection)

    monkeypatch.setattr(Log, "seal", slow)

    def work(number):
        with House(ward.house.configuration, clock=lambda: AT) as house:
            scope = house.gate.house("t", may_write=True)
            if number:
                started.wait(10)
            patient = "nobody" if number == 3 else "p1"
            return batching.of(house.store.path).append(house.store, house.log, scope, [(patient, "access", {})])[0]

    found = run(work)
    assert sum(isinstance(f, int) for f in found) == THREADS - 1
    assert [type(f) for f in found if not isinstance(f, int)] == [IntegrityError]
    assert not ward.house.verify().problems


def test_the_same_store_has_the_same_batches(tmp_path):
    (tmp_path / "a").mkdir()
    assert batching.of(tmp_path / "a" / ".." / "s") is batching.of(tmp_path / "s")
    assert batching.of(tmp_path / "s") is not batching.of(tmp_path / "t")


def test_a_batch_is_bounded(ward, monkeypatch):
    fill(ward)
    monkeypatch.setattr(batching, "LARGEST", 2)
    sizes, real = [], Log.seal

    def seal(self, connection):
        sizes.append(self._batch.frontier.size - self._batch.begun if self._batch else 0)
        time.sleep(0.002)
        real(self, connection)

    monkeypatch.setattr(Log, "seal", seal)
    found = run(lambda number: append(ward, "p1", number))
    assert len({n for each in found for n in each}) == 20 * THREADS
    assert max(sizes) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt])
def test_an_interruption_is_passed_on_and_holds_nobody_up(ward, monkeypatch, error):
    fill(ward)
    batches, house = batching.of(ward.house.store.path), ward.house
    scope = house.gate.house("t", may_write=True)
    with monkeypatch.context() as patch:
        patch.setattr(Log, "append_all", lambda *_: (_ for _ in ()).throw(error))
        with pytest.raises(error):
            batches.append(house.store, house.log, scope, [("p1", "access", {})])[0]
    assert batches.append(house.store, house.log, scope, [("p1", "access", {})])[0] > 0


class Interrupted:
    """In the place of the lock on which a thread waits: what its thread does there, it is interrupted by ctrl-C."""

    def __init__(self, ready):
        self.ready = ready

    def acquire(self):
        self.ready()
        raise KeyboardInterrupt

    def release(self):
        pass


@pytest.mark.parametrize("leads", [False, True])
def test_who_is_interrupted_while_he_waits_writes_nothing_and_holds_nobody_up(ward, monkeypatch, leads):
    fill(ward)
    house, batches = ward.house, batching.of(ward.house.store.path)
    scope = house.gate.house("t", may_write=True)
    committing, go, real = threading.Event(), threading.Event(), Log.seal

    def slow(self, connection):
        if batches._committing:  # not what a house writes when it is opened
            committing.set()
            assert go.wait(10)
        real(self, connection)

    monkeypatch.setattr(Log, "seal", slow)
    before = counts(house)[0]
    leader = threading.Thread(target=append_one, args=(ward,))
    leader.start()
    assert committing.wait(10)

    def ready():
        if leads:
            go.set()
            leader.join(10)
            assert batches._queue[0].leads

    with monkeypatch.context() as patch:
        patch.setattr(batching, "_Waiting", partial(batching._Waiting, turn=Interrupted(ready)))
        with pytest.raises(KeyboardInterrupt):
            batches.append(house.store, house.log, scope, [("p1", "access", {})])[0]
    go.set()
    leader.join(10)
    assert counts(house)[0] == before + 1
    assert batches.append(house.store, house.log, scope, [("p1", "access", {})])[0] == before + 1


def append_one(ward):
    with House(ward.house.configuration, clock=lambda: AT) as house:
        scope = house.gate.house("t", may_write=True)
        batching.of(house.store.path).append(house.store, house.log, scope, [("p1", "access", {})])


def test_who_is_told_to_lead_before_he_waits_takes_his_turn_once(ward):
    """The one before passes the lead on between a caller's queueing and his waiting."""
    batches = batching.Batches()
    batches._committing = True  # somebody else commits
    guard = batches._guard

    class Passing:
        """The guard; when the caller leaves it for the first time, the lead is passed on to him."""

        left = 0

        def __enter__(self):
            guard.acquire()

        def __exit__(self, *_):
            self.left += 1
            if self.left == 1:
                batches._pass_on()
            guard.release()

    batches._guard = Passing()
    entry = ("", "access", {"actor": "x"})
    house = ward.house
    assert batches.append(house.store, house.log, house.gate.house("x", may_write=True), [entry])
    assert not batches._committing
