"""Several processes that serve one store on one socket, and the process that keeps them.

The socket is bound once and inherited, so that a connection waits in one queue, whichever process takes it: where one
dies nothing that it had not accepted is lost. (With SO_REUSEPORT what waits at the dead one's own socket is lost.)
uvicorn's own supervisor is not used: it starts what died again at once and for ever, kills what does not answer for
five seconds, and needs the application in a form that another interpreter can import.

A worker is told on its input what it is to do. When the input is closed, the supervisor is gone, however that happened,
and the worker ends as it would on SIGTERM.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from logging import ERROR, WARNING
from pathlib import Path
from types import FrameType
from typing import IO, cast

from salus.errors import StoreError
from salus.fhir import json
from salus.server.events import tell
from salus.server.metrics import GAUGES, read, summed
from salus.server.serving import Serving

LOOK = 0.2
"""Seconds after which the workers are looked at again."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds until a worker that died is started again: twice as long each time, unless it had lived."""
LIVED = 30.0
"""Seconds after which a worker's end has nothing to do with the end of the one before it."""
HOPELESS = 5
"""Ends of workers, none of which lived, after which the server itself ends, where none ever did."""
STOP = 75.0
"""Seconds that workers have to finish what runs: each gives requests 30 s, and then its threads some more."""


@dataclass(slots=True)
class _Slot:
    """A worker's place. ``due`` is when it is to be started again."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    begun: float = 0.0
    early: int = 0
    due: float = 0.0


class Supervisor:
    """Starts the workers, starts again what died, and stops them all."""

    def __init__(self, serving: Serving, workers: int, command: Sequence[str], listener: socket.socket) -> None:
        """``command`` starts a worker, which reads :func:`order` on its input."""
        self._serving = serving
        self._command = command
        self._listener = listener
        self._slots = [_Slot(n) for n in range(workers)]
        self._folder = Path(tempfile.mkdtemp(prefix="salus-serve-"))  # only its owner may look into it
        self._ends = 0
        self._lived = False
        self._stopping = threading.Event()
        self._signals = 0

    def run(self) -> None:
        """Serve until told to stop by SIGTERM or SIGINT; a second one ends everything at once.

        Raises StoreError where no worker lives.
        """
        before = {name: signal.signal(name, self._told) for name in (signal.SIGTERM, signal.SIGINT)}
        try:
            while not self._stopping.wait(LOOK):
                self._look()
        finally:
            self._listener.close()
            self._stop()
            for name, handler in before.items():
                signal.signal(name, handler)
            shutil.rmtree(self._folder, ignore_errors=True)

    def samples(self) -> dict[str, float]:
        """What all workers count together, those before them in their places included."""
        total = summed(self._samples_of(slot) for slot in self._slots)
        return {"salus_workers": self._alive(), "salus_worker_ends_total": self._ends, **total}

    def problems(self) -> list[str]:
        """What is wrong with the workers."""
        return [] if self._alive() else ["no worker process runs"]

    # ----

    def _samples_of(self, slot: _Slot) -> dict[str, float]:
        found = read(self._counted(slot))
        if slot.process is None:  # what it was at when it died is over
            found |= dict.fromkeys(GAUGES, 0.0)
        return found

    def _told(self, _: int, __: FrameType | None) -> None:
        self._signals += 1
        self._stopping.set()

    def _alive(self) -> int:
        return sum(slot.process is not None and slot.process.poll() is None for slot in self._slots)

    def _counted(self, slot: _Slot) -> Path:
        return self._folder / f"{slot.number}.metrics"

    def _look(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.process is not None and slot.process.poll() is not None:
                self._ended(slot, slot.process, now)
            if slot.process is None and slot.due <= now:
                self._start(slot, now)
            self._lived = self._lived or (slot.process is not None and now - slot.begun >= LIVED)
        if not self._lived and self._ends >= HOPELESS * len(self._slots):
            raise StoreError("the worker processes end as soon as they start", remedy="see what they logged")

    def _start(self, slot: _Slot, now: float) -> None:
        slot.process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(self._listener.fileno(),),
            start_new_session=True,  # Ctrl-C is for the supervisor, which tells the workers
        )
        slot.begun = now
        order = {"socket": self._listener.fileno(), "counted": str(self._counted(slot)), "upkeep": slot.number == 0}
        try:
            _input(slot.process).write(json.dumps(order) + b"\n" + self._serving.dump())
            _input(slot.process).flush()
        except OSError:  # it ended already: the next look tells
            return
        tell("worker-started", worker=slot.number, worker_process=slot.process.pid)

    def _ended(self, slot: _Slot, process: subprocess.Popen[bytes], now: float) -> None:
        """Tell of a worker that ended although nobody stopped it, and set the time at which it starts again."""
        _close(process)
        slot.early = 0 if now - slot.begun >= LIVED else slot.early + 1
        wait = min(FIRST_WAIT * 2 ** max(0, slot.early - 1), LONGEST_WAIT)
        slot.process, slot.due = None, now + wait
        self._ends += 1
        tell("worker-died", level=ERROR, worker=slot.number, status=process.returncode, again_after=wait)

    def _stop(self) -> None:
        """Let all workers finish, and end those that do not."""
        left = [slot.process for slot in self._slots if slot.process is not None]
        for process in left:
            process.terminate()
        until, signals = time.monotonic() + STOP, self._signals
        while any(process.poll() is None for process in left):
            if time.monotonic() >= until or self._signals > max(1, signals):
                tell("workers-killed", level=WARNING, count=sum(process.poll() is None for process in left))
                for process in left:
                    process.kill()
                break
            time.sleep(LOOK / 4)
        for process in left:
            process.wait()
            _close(process)


def order(told: IO[bytes]) -> tuple[socket.socket, Path, bool, Serving]:
    """What a worker is to do, by its input: the socket, the file in which it counts, whether upkeep is its task."""
    first = json.loads(told.readline())
    listener = socket.socket(fileno=first["socket"])
    os.set_inheritable(first["socket"], False)  # not for what the worker itself starts
    return listener, Path(first["counted"]), first["upkeep"], Serving.load(told.readline())


def end_with(told: IO[bytes]) -> None:
    """End this process, as on SIGTERM, when its input, of which all was read, is closed."""
    descriptor = told.fileno()

    def wait() -> None:
        while os.read(descriptor, 1):  # not through the object, whose lock an ending interpreter waits for
            continue
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="salus-supervised", daemon=True).start()


def _input(process: subprocess.Popen[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", process.stdin)


def _close(process: subprocess.Popen[bytes]) -> None:
    try:
        _input(process).close()
    except OSError:  # it did not read what it was told
        return
