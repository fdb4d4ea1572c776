"""Bringing findings up to date: one request a record, nobody waits for another record, and nobody for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from salus.app.serving import cache as caches
from salus.app.serving.cache import Cache
from salus.errors import StoreError
from tests.conftest import AT

PATIENT = 60
"""Seconds that a test waits for what comes at once on an idle machine: no figure is measured by it."""


@dataclass
class Records:
    """A session as the cache needs one: what was written when, and refreshes that take as long as they are let."""

    now: Any = AT
    newest: dict[str, int] = field(default_factory=dict)
    refreshed: list[str] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    gates: dict[str, threading.Event] = field(default_factory=dict)
    writes: int = 0

    @property
    def house(self) -> Any:
        return SimpleNamespace(clock=lambda: self.now, store=SimpleNamespace(connection=None), log=self)

    def written_since(self, _: Any, patient: str, n: int) -> int | None:
        newest = self.newest.get(patient, -1)
        return newest if newest > n else None

    def refresh(self, patient: str) -> None:
        self.begun.set()
        if patient in self.gates:
            assert self.gates[patient].wait(PATIENT)
        self.refreshed.append(patient)
        if self.writes:
            self.writes -= 1
            self.newest[patient] = self.newest.get(patient, 0) + 1


def start(cache: Cache, session: Records, patient: str, failed: list[Exception]) -> threading.Thread:
    def run() -> None:
        try:
            cache.bring_up_to_date(session, patient)
        except StoreError as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    limit = time.monotonic() + PATIENT
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.001)


def test_a_record_is_refreshed_once_and_again_only_after_a_write_or_ten_minutes():
    cache, session = Cache(), Records(newest={"p1": 3})
    for _ in range(3):
        cache.bring_up_to_date(session, "p1")
    assert session.refreshed == ["p1"]
    session.newest["p1"] = 4
    cache.bring_up_to_date(session, "p1")
    assert len(session.refreshed) == 2
    session.now += timedelta(minutes=10, seconds=1)
    cache.bring_up_to_date(session, "p1")
    cache.bring_up_to_date(session, "p1")
    assert len(session.refreshed) == 3


def test_a_record_that_nobody_wrote_to_is_refreshed_once():
    cache, session = Cache(), Records()
    cache.bring_up_to_date(session, "p1")
    cache.bring_up_to_date(session, "p1")
    assert session.refreshed == ["p1"]


def test_what_is_written_during_a_refresh_is_looked_at_by_the_next():
    cache, session = Cache(), Records(newest={"p1": 3}, writes=1)
    for _ in range(3):
        cache.bring_up_to_date(session, "p1")
    assert session.refreshed == ["p1", "p1"]


def test_ones_refresh_never_waits_for_anothers():
    cache, session = Cache(patience=PATIENT), Records(gates={"p1": threading.Event()})
    failed: list[Exception] = []
    slow = start(cache, session, "p1", failed)
    assert session.begun.wait(PATIENT)
    cache.bring_up_to_date(session, "p2")
    assert session.refreshed == ["p2"], "the other refresh, which waits for this test, is not over"
    assert slow.is_alive()
    session.gates["p1"].set()
    slow.join(PATIENT)
    assert (session.refreshed, failed) == (["p2", "p1"], [])


def test_the_second_of_one_record_waits_for_the_first_and_then_need_not_refresh():
    cache, session = Cache(patience=PATIENT), Records(gates={"p1": threading.Event()})
    failed: list[Exception] = []
    first = start(cache, session, "p1", failed)
    assert session.begun.wait(PATIENT)
    second = start(cache, session, "p1", failed)
    until(lambda: cache._waiting == 1)
    assert second.is_alive()
    session.gates["p1"].set()
    first.join(PATIENT)
    second.join(PATIENT)
    assert (session.refreshed, failed) == (["p1"], [])
    assert (cache._turns, cache._waiting) == ({}, 0)


def test_who_waits_too_long_is_told_to_come_again():
    cache, session = Cache(patience=0.02), Records(gates={"p1": threading.Event()})
    failed: list[Exception] = []
    first = start(cache, session, "p1", failed)
    assert session.begun.wait(PATIENT)
    with pytest.raises(StoreError, match="brought up to date"):
        cache.bring_up_to_date(session, "p1")
    assert first.is_alive()
    session.gates["p1"].set()
    first.join(PATIENT)
    assert (failed, cache._turns, cache._waiting) == ([], {}, 0)
    cache.bring_up_to_date(session, "p1")
    assert session.refreshed == ["p1"]


def test_who_would_be_one_too_many_to_wait_is_told_so_at_once():
    cache, session = Cache(patience=PATIENT, waiting=1), Records(gates={"p1": threading.Event()})
    failed: list[Exception] = []
    first = start(cache, session, "p1", failed)
    assert session.begun.wait(PATIENT)
    second = start(cache, session, "p1", failed)
    until(lambda: cache._waiting == 1)
    with pytest.raises(StoreError, match="brought up to date"):
        cache.bring_up_to_date(session, "p1")
    assert (failed, second.is_alive()) == ([], True), "who came before still waits: this one did not wait at all"
    session.gates["p1"].set()
    first.join(PATIENT)
    second.join(PATIENT)
    assert (session.refreshed, failed) == (["p1"], [])
    assert (cache._turns, cache._waiting) == ({}, 0)


def test_where_another_process_refreshes_the_session_does_not():
    asked: list[str] = []
    cache, session = Cache(elsewhere=asked.append), Records(newest={"p1": 3})
    for _ in range(2):
        cache.bring_up_to_date(session, "p1")
    assert (asked, session.refreshed) == (["p1"], [])


def test_a_refresh_that_fails_leaves_the_turn_free():
    cache, session = Cache(), Records()
    session.refresh = lambda _: (_ for _ in ()).throw(StoreError("locked"))  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(StoreError, match="locked"):
            cache.bring_up_to_date(session, "p1")
    assert (cache._turns, cache._fresh) == ({}, {})


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(caches, "MAX_FRESH", 3)
    cache, session = Cache(), Records()
    for number in range(5):
        cache.bring_up_to_date(session, f"p{number}")
    assert list(cache._fresh) == ["p2", "p3", "p4"]
