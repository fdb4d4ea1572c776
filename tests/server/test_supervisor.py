"""Workers that die are started again, ever more slowly; one that never lives ends it; events are told without names."""

from __future__ import annotations

import io
import logging
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("uvicorn")

from salus.errors import StoreError
from salus.fhir import json
from salus.server import events, supervisor
from salus.server.events import Lines, Seldom, tell
from salus.server.metrics import IN_FLIGHT, Metrics
from salus.server.serving import Serving
from salus.server.supervisor import FIRST_WAIT, HOPELESS, LIVED, LONGEST_WAIT, Supervisor, order

SERVING = Serving("s", "k", "i", "n", "http://x", "127.0.0.1", 1, 4, 1, True, 7)
WAITS = (sys.executable, "-c", "import sys; sys.stdin.read()")
DIES = (sys.executable, "-c", "import sys; sys.stdin.readline(); raise SystemExit(3)")


@pytest.fixture
def kept(caplog):
    """Makes supervisors; what they started is ended."""
    caplog.set_level(logging.INFO, "salus.server")
    made = []

    def make(command, workers=1):
        made.append(Supervisor(SERVING, workers, command, socket.create_server(("127.0.0.1", 0))))
        return made[-1]

    yield make
    for each in made:
        each._listener.close()
        each._stop()


class Died:
    """A process that ended, as the supervisor sees it."""

    returncode, pid, stdin = -9, 1, io.BytesIO()

    def poll(self):
        return self.returncode


def test_who_dies_early_waits_longer_each_time_and_who_lived_does_not(kept):
    made = kept(WAITS)
    slot, waits = made._slots[0], []
    slot.begun = 100.0
    for _ in range(9):
        made._ended(slot, Died(), now=100.0)
        waits.append(slot.due - 100.0)
    assert waits == [FIRST_WAIT * 2**n for n in range(6)] + [LONGEST_WAIT] * 3
    made._ended(slot, Died(), now=100.0 + LIVED)
    assert slot.due - 100.0 - LIVED == FIRST_WAIT


def test_a_worker_is_started_again_when_its_time_has_come_and_not_before(kept, caplog):
    made = kept(WAITS, workers=2)
    made._look()
    first = made._slots[0].process
    assert (made._alive(), made.problems()) == (2, [])
    first.kill()
    first.wait()
    made._look()
    assert made._slots[0].process is None
    assert made.samples()["salus_workers"] == 1
    made._slots[0].due = time.monotonic() + 60
    dead = Metrics([], made._counted(made._slots[0]))
    dead.begun()
    dead.refused("connection", 2)
    assert made.samples()[IN_FLIGHT] == 0, "what it was at is over"
    assert made.samples()['salus_refused_total{reason="connection"}'] == 2
    made._look()
    assert made._alive() == 1
    made._slots[0].due = 0
    made._look()
    assert made._alive() == 2
    assert made.samples()["salus_worker_ends_total"] == 1
    (died,) = [r for r in caplog.records if r.getMessage() == "worker-died"]
    assert died.figures == {"worker": 0, "status": -9, "again_after": FIRST_WAIT}


def test_a_server_none_of_whose_workers_ever_lives_ends(kept, monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_WAIT", 0.0)
    made = kept(DIES)
    with pytest.raises(StoreError, match="end as soon as they start"):
        made.run()
    assert made._ends == HOPELESS
    assert made.problems() == ["no worker process runs"]
    assert not made._folder.exists()


def test_what_once_lived_is_started_again_for_ever(kept, monkeypatch):
    monkeypatch.setattr(supervisor, "LIVED", 0.0)
    made = kept(WAITS)
    made._look()
    monkeypatch.undo()
    made._ends = 1000
    made._look()  # which raises StoreError where no worker ever lived
    assert made.problems() == []


def test_who_does_not_end_in_time_is_ended(kept, monkeypatch, caplog):
    monkeypatch.setattr(supervisor, "STOP", 0.3)
    deaf = "import signal, sys; signal.signal(15, signal.SIG_IGN); print(flush=True); sys.stdin.read(); signal.pause()"
    made = kept((sys.executable, "-c", deaf))
    made._look()
    process = made._slots[0].process
    time.sleep(0.5)
    made._stop()
    assert process.poll() == -9
    assert "workers-killed" in caplog.text


def test_a_worker_is_told_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        first = {"socket": listener.fileno(), "counted": "/x/0.metrics", "upkeep": True}
        told = io.BytesIO(json.dumps(first) + b"\n" + SERVING.dump())
        found, counted, upkeep, serving = order(told)
        assert found.getsockname() == listener.getsockname()
        assert (str(counted), upkeep, serving) == ("/x/0.metrics", True, SERVING)
        found.detach()


def test_a_process_ends_as_told_when_its_input_is_closed():
    code = (
        "import signal, sys\n"
        "from salus.server.supervisor import end_with\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "end_with(sys.stdin.buffer)\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    with subprocess.Popen((sys.executable, "-c", code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(60) == 7


# ---- events


def line(form, message="happened", **more):
    record = logging.LogRecord("salus.server", logging.ERROR, __file__, 1, message, (), more.pop("exc_info", None))
    for name, value in more.items():
        setattr(record, name, value)
    return Lines(form).format(record)


def test_an_event_is_one_line_of_json_or_of_text():
    found = json.loads(line("json", figures={"count": 3, "what": "two\nlines"}).encode())
    assert (found["event"], found["level"], found["count"]) == ("happened", "error", 3)
    assert found["time"].endswith("+00:00")
    assert "\n" not in line("json", figures={"what": "two\nlines"})
    assert line("text", figures={"count": 3}).endswith("count=3")


def test_of_what_broke_only_kind_and_place_are_told():
    try:
        raise KeyError("Ada Example")
    except KeyError:
        told = line("json", "Exception in ASGI application\n", exc_info=sys.exc_info())
    found = json.loads(told.encode())
    assert (found["event"], found["what"].startswith("KeyError at ")) == ("failure", True)
    assert "Ada" not in told


@given(
    st.dictionaries(st.sampled_from(["count", "seconds", "status"]), st.integers(-(2**62), 2**62) | st.text(max_size=9))
)
def test_figures_come_back_as_they_were(figures):
    found = json.loads(line("json", figures=figures).encode())
    assert {name: found[name] for name in figures} == figures


def test_what_happens_often_is_told_of_once_with_its_number(monkeypatch):
    told, clock = [], SimpleNamespace(now=0.0)
    monkeypatch.setattr(events, "tell", lambda event, **more: told.append((event, more["count"])))
    monkeypatch.setattr(events.time, "monotonic", lambda: clock.now)
    seldom = Seldom("refused", few=2, seconds=10)
    for _ in range(5):
        seldom.add()
    assert told == []
    clock.now = 10.0
    seldom.add()
    assert told == [("refused", 6)]
    clock.now = 20.0
    seldom.add(2)
    assert len(told) == 1, "few"


def test_every_line_goes_to_stderr_once(capsys):
    loggers = [logging.getLogger(name) for name in ("salus", "uvicorn", "asyncio")]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    try:
        events.to_stderr("json")
        events.to_stderr("json")
        tell("happened", count=1)
    finally:
        for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
    assert [json.loads(each.encode())["event"] for each in capsys.readouterr().err.splitlines()] == ["happened"]


def test_threads_count_what_happens_often_together(monkeypatch):
    seldom = Seldom("refused", seconds=1e9)
    threads = [threading.Thread(target=lambda: [seldom.add() for _ in range(1000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seldom._count == 4000
