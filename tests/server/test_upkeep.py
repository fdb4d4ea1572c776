"""What is done when nobody asks: findings of who was written to stand before the first look."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("jwt")

from salus.app.house import House
from salus.app.intake.intake import Intake
from salus.app.serving.open_house import Houses, OpenHouse
from salus.app.session import Session
from salus.errors import AccessError, StoreError
from salus.server.metrics import REFRESH_FAILING, REFRESH_WAITING, Metrics
from salus.server.refreshing import BESIDE, Refreshers
from salus.server.upkeep import Upkeep
from tests.conftest import bundle, creatinine, person
from tests.server.test_refreshing import ask, place, process, slow, wait_for  # noqa: F401


class Elsewhere:
    """Refreshers that are done when they are told to be."""

    def __init__(self, room: int = 9) -> None:
        self.asked: dict[str, Future[None]] = {}
        self.room = room

    def begin(self, patient: str) -> Future[None] | None:
        if sum(not answer.done() for answer in self.asked.values()) >= self.room:
            return None
        self.asked[patient] = Future()
        return self.asked[patient]


@pytest.fixture
def kept(ward):
    """An upkeep over the ward, in which two records were written; its steps are taken by the test."""
    for patient in ("p1", "p2"):
        ward.write("r.json", bundle(person(patient), creatinine("1.10", "2026-01-01", "c0", patient)))
        Intake(Session(ward.house, ward.operator)).run([ward.folder])

    def make(elsewhere: Any) -> tuple[Upkeep, Metrics]:
        metrics = Metrics([])
        return Upkeep(OpenHouse(Houses(ward.house.configuration, ward.house.clock)), elsewhere, metrics), metrics

    return make


def test_records_that_were_written_to_are_begun_as_far_as_there_is_room(ward, kept):
    elsewhere = Elsewhere(room=1)
    upkeep, metrics = kept(elsewhere)
    upkeep.step(ward.house)
    assert list(elsewhere.asked) == ["p1"]
    assert metrics.samples()[REFRESH_WAITING] == 2
    elsewhere.asked["p1"].set_result(None)
    upkeep.step(ward.house)
    assert list(elsewhere.asked) == ["p1", "p2"]
    elsewhere.asked["p2"].set_result(None)
    upkeep.step(ward.house)
    assert metrics.samples()[REFRESH_WAITING] == 0
    assert metrics.samples()['salus_refreshes_total{outcome="done"}'] == 2


def test_one_that_fails_is_counted_and_not_named_and_one_that_was_erased_is_done(ward, kept, caplog):
    elsewhere = Elsewhere()
    upkeep, metrics = kept(elsewhere)
    upkeep.step(ward.house)
    elsewhere.asked["p1"].set_exception(StoreError("poison"))
    elsewhere.asked["p2"].set_exception(AccessError("no such patient"))
    upkeep.step(ward.house)
    samples = metrics.samples()
    assert samples[REFRESH_FAILING] == 1
    assert samples['salus_refreshes_total{outcome="failed"}'] == 1
    assert "p1" not in caplog.text
    del elsewhere.asked["p1"]
    ward.time += 2 * (ward.time - ward.time.replace(hour=11, minute=59))
    upkeep.step(ward.house)
    assert "p1" in elsewhere.asked, "it is tried again"


def test_the_thread_goes_on_after_a_failure_and_ends_when_told(ward, kept, monkeypatch):
    monkeypatch.setattr("salus.server.upkeep.PAUSE", 0.01)
    upkeep, _ = kept(None)
    steps, both = [], threading.Event()

    def step(house: House) -> None:
        steps.append(house)
        if len(steps) == 1:
            raise KeyError("Ada Example")
        if len(steps) == 2:
            raise StoreError("locked")
        both.set()

    monkeypatch.setattr(upkeep, "step", step)
    upkeep.start()
    assert both.wait(60)
    upkeep.stop(60)
    assert not upkeep._thread.is_alive()


def test_the_first_look_finds_what_stands(place):  # noqa: F811
    refreshers = Refreshers(place.configuration, 1, 2, 60)
    upkeep = Upkeep(OpenHouse(Houses(place.configuration)), refreshers, Metrics([]))
    try:
        with House(place.configuration) as house:
            assert house.store.connection.execute("SELECT count(*) FROM memo").fetchone() == (0,)
            wait_for(lambda: upkeep.step(house) is None and upkeep._backlog.waiting == 0)
            assert house.store.connection.execute("SELECT count(*) FROM memo").fetchone() == (2,)
            assert Session.for_upkeep(house).refresh("p1").computed == ()
    finally:
        refreshers.stop()


def test_the_background_takes_no_place_of_who_waits_and_has_few_of_its_own(slow):  # noqa: F811
    refreshers = slow(1, 1, 30)
    assert refreshers.begin("p1") is not None
    assert refreshers.begin("p1") is None, "it is under way"
    refreshers.refresh("p2")
    others = [refreshers.begin(f"p1-{n}") is not None for n in range(BESIDE)]
    assert others == [True] * (BESIDE - 1) + [False]


def test_who_asks_for_a_record_that_is_at_it_in_the_background_waits_and_then_asks(slow):  # noqa: F811
    refreshers = slow(1, 1, 30)
    before: Future[None] = Future()
    refreshers._background["p2"] = before
    asker = threading.Thread(target=refreshers.refresh, args=("p2",))
    asker.start()
    asker.join(0.3)
    assert asker.is_alive()
    assert refreshers._processes == [None], "nothing was asked"
    before.set_result(None)
    asker.join(60)
    assert not asker.is_alive()
    assert refreshers._processes != [None], "what was written meanwhile is looked at"


def test_what_failed_in_the_background_is_asked_for_again(slow):  # noqa: F811
    refreshers = slow(1, 1, 0.3)
    answer = refreshers.begin("p1")
    failed: list[StoreError] = []
    ask(refreshers, failed)
    assert [error.what for error in failed] == ["the record is being brought up to date"]
    process(refreshers).kill()
    wait_for(answer.done)
    wait_for(lambda: not refreshers._background)
    refreshers.refresh("p2")
