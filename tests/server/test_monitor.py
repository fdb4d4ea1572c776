"""What is answered to who watches over a server: alive, ready or why not, and nothing of anybody."""

from __future__ import annotations

import shutil
import socket
import sqlite3

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from starlette.testclient import TestClient

from salus.app.serving import readiness
from salus.record.turn import Turn
from salus.server.monitor import Monitor, listening


@pytest.fixture
def watched(ward):
    monitor = Monitor(ward.house.configuration, lambda: {"salus_workers": 2.0})
    with TestClient(monitor.application()) as http:
        yield http


def test_a_store_that_serves_is_ready(watched, ward):
    answer = watched.get("/readyz")
    assert (answer.status_code, answer.text) == (200, "ready\n")
    text = watched.get("/metrics")
    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    entries = ward.house.log.newest(ward.house.store.connection).size
    assert f"salus_log_entries {entries}\n" in text.text
    assert "salus_workers 2\n" in text.text
    size = ward.house.configuration.store_file.stat().st_size
    assert int(text.text.split("salus_store_bytes ")[-1].split("\n")[0]) >= size
    assert "salus_build_info{version=" in text.text


def test_a_problem_of_the_processes_is_one_too(ward):
    monitor = Monitor(ward.house.configuration, dict, lambda: ["no worker process runs"])
    with TestClient(monitor.application()) as http:
        answer = http.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "no worker process runs\n")


def test_the_store_is_not_asked_again_at_once(ward, monkeypatch):
    asked = []
    monkeypatch.setattr(readiness, "problems", lambda _: asked.append(1) or [])
    monitor = Monitor(ward.house.configuration, dict)
    for _ in range(5):
        assert monitor.problems() == []
    assert len(asked) == 1


def test_a_missing_store_is_named_and_not_made(ward):
    settings = ward.house.configuration
    ward.house.close()
    shutil.move(settings.store_file, settings.store / "elsewhere")
    assert readiness.problems(settings) == ["there is no store"]
    assert not settings.store_file.exists()
    assert "log_entries" not in readiness.sizes(settings)


def test_a_store_of_another_schema_is_named(ward):
    with sqlite3.connect(ward.house.configuration.store_file) as connection:
        connection.execute("PRAGMA user_version=4")
    (found,) = readiness.problems(ward.house.configuration)
    assert found.startswith("the store has schema 4, this salus works with ")


def test_a_damaged_store_is_named(ward):
    ward.house.close()
    ward.house.configuration.store_file.write_bytes(b"no store at all" * 1000)
    (found,) = readiness.problems(ward.house.configuration)
    assert found in ("the store cannot be opened", "the store cannot be read")


def test_a_store_that_others_keep_is_ready_only_where_it_was_written_lately(ward, monkeypatch):
    monkeypatch.setattr(readiness, "PATIENCE", 0.05)
    turn = Turn(ward.house.configuration.store_file)
    ward.house.note("operator", {"reason": "tried"})
    with turn.taken():
        assert readiness.problems(ward.house.configuration) == []
        monkeypatch.setattr(readiness, "FRESH", -1.0)
        assert readiness.problems(ward.house.configuration) == ["another process keeps the store from being written"]
    turn.close()
    assert readiness.problems(ward.house.configuration) == []


def test_a_full_disk_is_named_before_it_is(ward, monkeypatch):
    usage = shutil.disk_usage(ward.house.configuration.store)
    monkeypatch.setattr(readiness.shutil, "disk_usage", lambda _: usage._replace(free=readiness.ROOM - 1))
    assert readiness.problems(ward.house.configuration) == [
        "the disk of the store is full",
        "the disk of the keys is full",
    ]


def test_looking_writes_nothing(ward):
    before = ward.house.store.connection.execute("PRAGMA data_version").fetchone()
    assert readiness.problems(ward.house.configuration) == []
    assert ward.house.store.connection.execute("PRAGMA data_version").fetchone() == before


@pytest.mark.parametrize("address", ["", "here", "127.0.0.1", "127.0.0.1:x", ":"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises((ValueError, OSError)):
        listening(address)


def test_it_listens_where_it_is_told_and_answers_there(ward):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monitor = Monitor(ward.house.configuration, dict)
    monitor.start(listening(f"127.0.0.1:{port}"))
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as asked:
            asked.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            told = b"".join(iter(lambda: asked.recv(4096), b""))
    finally:
        monitor.stop()
    assert told.startswith(b"HTTP/1.1 200")
    assert told.endswith(b"ready\n")


def test_alive_is_answered_under_any_name_and_touches_nothing(front, monkeypatch):
    service = front.http.app.state.salus
    monkeypatch.setattr(service.workers, "run", lambda *_: pytest.fail("the store was asked"))
    answer = front.http.get("/healthz", headers={"Host": "10.0.0.7"})
    assert (answer.status_code, answer.text) == (200, "alive\n")
    assert front.http.get("/cds-services", headers={"Host": "10.0.0.7"}).status_code == 421
    for path in ("/metrics", "/readyz"):
        assert front.http.get(path).status_code == 404
