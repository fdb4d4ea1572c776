"""Findings are brought up to date in a process of its own: as fresh as ever, and no failure of it is the server's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("jwt")

from starlette.testclient import TestClient

from salus.app.config import Configuration, at_folder
from salus.app.house import House
from salus.app.intake.intake import Intake
from salus.app.serving.open_house import Houses, OpenHouse
from salus.app.serving.tokens import assertion
from salus.app.session import Session
from salus.errors import AccessError, ConfigurationError, InputError, StoreError
from salus.fhir import json
from salus.server import refreshing
from salus.server.application import create
from salus.server.auth import ASSERTION_TYPE
from salus.server.refresher import Refresher
from salus.server.refreshing import RefreshError, Refreshers
from salus.server.service import Limits
from salus.trust.identity import Actor, Identity
from tests.conftest import bundle, creatinine, person

BASE = "http://testserver"
TODAY = datetime.now(UTC)


def day(ago: int) -> str:
    return (TODAY - timedelta(days=ago)).date().isoformat()


@dataclass
class Place:
    """A house by the real clock, in which ``pat`` and an operator are at home."""

    configuration: Configuration
    people: dict[str, Identity]

    def file(self, body: dict[str, Any], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "record.json").write_bytes(json.dumps(body))
        with House(self.configuration) as house:
            taken = Intake(Session(house, self.people["operator"])).run([folder])
            assert not [t for t in taken if t.error]


@pytest.fixture
def place(tmp_path) -> Place:
    people = {name: Identity.generate(name) for name in ("operator", "pat")}
    found = Place(at_folder(tmp_path / "house"), people)
    with House.create(found.configuration, alone=True) as house:
        house.add_actor(Actor("operator", "operator", people["operator"].public_key), by="operator")
        house.add_actor(Actor("pat", "patient", people["pat"].public_key, patient="p1"), by="operator")
    found.file(bundle(person(), creatinine("1.10", day(200), "c0")), tmp_path / "p1")
    found.file(bundle(person("p2"), creatinine("2.22", day(100), "c0", "p2")), tmp_path / "p2")
    return found


@pytest.fixture
def refreshers(place) -> Iterator[Refreshers]:
    made = Refreshers(place.configuration, 1, 2, 60)
    yield made
    made.stop()


@dataclass
class Front:
    """A server whose findings are made elsewhere."""

    http: TestClient
    place: Place

    def as_(self, name: str) -> dict[str, str]:
        signed = assertion(self.place.people[name], f"{BASE}/auth/token", datetime.now(UTC))
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
        return {"Authorization": f"Bearer {self.http.post('/auth/token', data=form).json()['access_token']}"}

    def findings(self, kind: str = "Observation") -> dict[str, Any]:
        page = self.http.get(f"/fhir/{kind}?patient=p1&_count=100", headers=self.as_("pat"))
        assert page.status_code == 200, page.text
        found = [entry["resource"] for entry in page.json().get("entry", [])]
        return {r["id"]: r for r in found if r["id"].startswith("salus-")}


@pytest.fixture
def front(place) -> Iterator[Front]:
    application = create(place.configuration, base=BASE, limits=Limits(threads=2, refreshers=1))
    with TestClient(application) as http:
        yield Front(http, place)


def process(refreshers: Refreshers) -> subprocess.Popen[bytes]:
    (one,) = refreshers._processes
    assert one is not None
    return one._process


def ask(refreshers: Refreshers, failed: list[StoreError]) -> None:
    try:
        refreshers.refresh("p1")
    except StoreError as error:
        failed.append(error)


def counted(front: Front, monkeypatch) -> list[str]:
    """The patients whose findings are asked of the process from now on."""
    cache = front.http.app.state.salus.cache
    asked, refresh = [], cache.elsewhere
    monkeypatch.setattr(cache, "elsewhere", lambda patient: (asked.append(patient), refresh(patient))[1])
    return asked


# ---- fresh


def test_a_read_after_a_write_has_findings_refreshed_with_it(front, monkeypatch):
    monkeypatch.setattr(Session, "refresh", lambda *_: pytest.fail("a thread of the server computed"))
    before = front.findings()
    assert before
    value = {k: v for k, v in creatinine("2.90", day(1), "new").items() if k != "id"}
    headers = {**front.as_("operator"), "Content-Type": "application/fhir+json"}
    assert front.http.post("/fhir/Observation", content=json.dumps(value), headers=headers).status_code == 201
    after = front.findings()
    assert after != before
    assert front.findings() == after


def test_a_plan_is_composed_of_what_the_process_found(front, monkeypatch):
    asked = counted(front, monkeypatch)
    ran = []
    with House(front.place.configuration) as house:
        session = front.http.app.state.salus.session(house, house.registry.actors["pat"])
        opened = session.open("p1", house.clock(), progress=ran.append)
        assert (asked, bool(opened.findings), opened.refresh.new) == (["p1"], True, 0)
        with pytest.raises(AccessError):
            session.open("p2", house.clock())
        session.open("p1", house.clock() - timedelta(days=300))
    assert asked == ["p1"], "neither whom nothing is released of nor the past is brought up to date"


def test_a_house_that_changed_is_opened_anew(place):
    own = OpenHouse(Houses(place.configuration))
    first = own.current()
    assert own.current() is first
    with House(place.configuration) as house:
        house.add_actor(Actor("new", "practitioner", Identity.generate("new").public_key), by="operator")
    assert "new" in own.current().registry.actors
    own.close()
    own.close()


def test_the_process_goes_on_where_the_house_changed(place, refreshers):
    refreshers.refresh("p1")
    with House(place.configuration) as house:
        house.add_actor(Actor("new", "practitioner", Identity.generate("new").public_key), by="operator")
    refreshers.refresh("p1")
    refreshers.refresh("p2")
    assert process(refreshers).poll() is None


# ---- ends


def test_a_process_that_dies_is_told_of_once_and_started_again(refreshers):
    refreshers.refresh("p1")
    first = process(refreshers)
    first.send_signal(signal.SIGSTOP)
    failed: list[StoreError] = []
    asker = threading.Thread(target=ask, args=(refreshers, failed))
    asker.start()
    wait_for(lambda: refreshers._processes[0].patients() == ["p1"])
    first.kill()
    asker.join(10)
    assert [error.what for error in failed] == ["the record could not be brought up to date"]
    refreshers.refresh("p1")
    assert process(refreshers).pid != first.pid


def test_one_that_died_while_nobody_asked_is_not_noticed(front):
    before = front.findings()
    refreshers = front.http.app.state.salus.refreshers
    process(refreshers).kill()
    wait_for(lambda: refreshers._processes[0]._over)
    refreshers.refresh("p2")
    assert front.findings() == before


PARENT = """
import sys, time
from pathlib import Path
from salus.app.config import at_folder
from salus.server.refreshing import Refreshers
refreshers = Refreshers(at_folder(Path(sys.argv[1])), 1, 2, 60)
refreshers.refresh("p1")
print(refreshers._processes[0]._process.pid, flush=True)
time.sleep(60)
"""


def test_it_ends_with_the_server_however_that_ended(place):
    command = [sys.executable, "-c", PARENT, str(place.configuration.store.parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert running(child)
        parent.kill()
    wait_for(lambda: not running(child))


def test_it_ends_with_an_orderly_end_and_is_asked_no_more(place):
    refreshers = Refreshers(place.configuration, 1, 2, 60)
    refreshers.refresh("p1")
    ended = process(refreshers)
    refreshers.stop()
    assert ended.poll() == 0
    with pytest.raises(StoreError, match="being brought up to date"):
        refreshers.refresh("p1")


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(what: Any, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


# ---- room

ANSWERS_P2 = """
import json, sys
sys.stdin.readline()
for line in sys.stdin:
    request = json.loads(line)
    if request["patient"] == "p2":
        print(json.dumps({"n": request["n"]}), flush=True)
"""


@pytest.fixture
def slow(monkeypatch, tmp_path):
    """Makes refreshers whose processes never are done with p1, and at once with p2."""
    monkeypatch.setattr(refreshing, "COMMAND", (sys.executable, "-c", ANSWERS_P2))
    made: list[Refreshers] = []

    def make(processes: int, threads: int, seconds: float) -> Refreshers:
        made.append(Refreshers(at_folder(tmp_path), processes, threads, seconds))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def test_nobody_waits_for_anothers_record(slow):
    refreshers = slow(1, 2, 30)
    waiting = threading.Thread(target=ask, args=(refreshers, []))
    waiting.start()
    wait_for(lambda: refreshers._processes[0] and refreshers._processes[0].patients() == ["p1"])
    refreshers.refresh("p2")
    assert waiting.is_alive(), "the other one, which takes for ever, is not over"
    process(refreshers).kill()
    waiting.join(60)


def test_what_takes_too_long_is_given_up_and_not_begun_twice(slow):
    refreshers = slow(1, 2, 0.2)
    for _ in range(2):
        with pytest.raises(StoreError, match="being brought up to date"):
            refreshers.refresh("p1")
    assert refreshers._processes[0].patients() == ["p1"]
    refreshers.refresh("p2")


def test_where_there_is_no_room_it_is_refused_at_once(slow):
    refreshers = slow(1, 1, 60)
    waiting = threading.Thread(target=ask, args=(refreshers, []))
    waiting.start()
    wait_for(lambda: refreshers._processes[0] and refreshers._processes[0].patients() == ["p1"])
    with pytest.raises(StoreError, match="being brought up to date"):
        refreshers.refresh("p2")
    assert waiting.is_alive(), "who came before still waits: this one did not wait at all"
    process(refreshers).kill()
    waiting.join(60)


def test_the_least_busy_of_several_processes_is_asked(slow):
    refreshers = slow(2, 1, 0.5)
    with pytest.raises(StoreError):
        refreshers.refresh("p1")
    refreshers.refresh("p2")
    assert [each and each.patients() for each in refreshers._processes] == [["p1"], []]


def test_a_refresh_that_never_ends_is_ended(slow, monkeypatch):
    refreshers = slow(1, 1, 0.2)
    with pytest.raises(StoreError):
        refreshers.refresh("p1")
    hung = process(refreshers)
    monkeypatch.setattr(refreshing, "LONGEST", 0.0)
    with pytest.raises(StoreError):
        refreshers.refresh("p2")
    wait_for(lambda: hung.poll() is not None and refreshers._processes[0]._over)
    monkeypatch.undo()
    monkeypatch.setattr(refreshing, "COMMAND", (sys.executable, "-c", ANSWERS_P2))
    monkeypatch.setattr(refreshers, "_seconds", 30)
    refreshers.refresh("p2")


# ---- what crosses


def test_an_error_is_the_one_that_the_house_raised(place, refreshers):
    with House(place.configuration) as house, pytest.raises(Exception) as here:
        Session.for_upkeep(house).refresh("nobody")
    with pytest.raises(type(here.value)) as there:
        refreshers.refresh("nobody")
    assert str(there.value) == str(here.value)


def answers_of(place: Place, monkeypatch, refresh: Any, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """What the process answers, in this process, where a session refreshes so."""
    monkeypatch.setattr(Session, "refresh", refresh)
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as answers:
        made = Refresher(place.configuration, 2, answers)
        for request in requests:
            made.take(request)
        made._threads.shutdown()
    with os.fdopen(reading, "rb") as told:
        return [json.loads(line) for line in told]


def test_the_process_refreshes_two_records_side_by_side(place, monkeypatch):
    both = threading.Barrier(2)
    asked = [{"n": 1, "patient": "p1"}, {"n": 2, "patient": "p2"}]
    told = answers_of(place, monkeypatch, lambda *_: both.wait(10), *asked)
    assert sorted(answer["n"] for answer in told) == [1, 2]
    assert not [answer for answer in told if "error" in answer]


def test_of_what_broke_its_words_are_neither_sent_nor_logged(place, monkeypatch, caplog):
    def broken(*_: Any) -> None:
        raise KeyError("Ada Example")

    (told,) = answers_of(place, monkeypatch, broken, {"n": 1, "patient": "p1"})
    assert told == {"n": 1, "error": ""}
    assert isinstance(refreshing._error(told), RefreshError)
    assert "KeyError at tests.server.test_refreshing" in caplog.text
    assert "Ada" not in caplog.text


def test_errors_are_made_again_as_they_were(place, monkeypatch):
    def refused(*_: Any) -> None:
        raise InputError("wrong", "Patient.birthDate", "mend it")

    (told,) = answers_of(place, monkeypatch, refused, {"n": 1, "patient": "p1"})
    made = refreshing._error(told)
    assert type(made) is InputError
    assert str(made) == str(InputError("wrong", "Patient.birthDate", "mend it"))


def test_a_clock_of_ones_own_and_a_process_of_its_own_do_not_go_together(place):
    with pytest.raises(ConfigurationError, match="time"):
        create(place.configuration, base=BASE, clock=lambda: TODAY, limits=Limits(refreshers=1))
