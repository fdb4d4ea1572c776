"""Findings are brought up to date in processes of their own, so that nobody who reads waits for a long computation.

Threads of one process take turns at the interpreter: one that looks through a long note delays every other. Whoever
waits here for another process leaves the interpreter to those who can be answered.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import IO, Any, cast

from salus import errors
from salus.app.config import Configuration
from salus.app.serving.refresh_turns import refreshing
from salus.errors import SalusError, StoreError
from salus.fhir import json
from salus.server.refresher import GRACE

BESIDE = 2
"""Records that are brought up to date in the background, beside those for which somebody waits."""
LONGEST = 900.0
"""Seconds after which a refresh that is not over never will be: its process is ended."""
COMMAND = (sys.executable, "-P", "-m", "salus.server.refresher")
"""How a process is started (-P: modules are not looked for in the folder in which the server happens to run)."""


class RefreshError(Exception):
    """A refresh failed for a reason that is no SalusError: the process that did it has logged what it was."""


class Refreshers:
    """The processes of one server. Each is started when it is first needed, and again after it ended."""

    def __init__(self, configuration: Configuration, processes: int, threads: int, seconds: float) -> None:
        """Each process refreshes ``threads`` records at a time; whoever asks waits ``seconds`` for one of them."""
        self._configuration = configuration
        self._room = processes * threads
        self._threads = threads + BESIDE
        self._seconds = seconds
        self._lock = threading.Lock()
        self._processes: list[_Process | None] = [None] * processes
        self._background: dict[str, Future[None]] = {}
        self._closed = False

    def refresh(self, patient: str) -> None:
        """Bring one record's findings up to date, with all that was written before this was called.

        Raises StoreError where the record's last refresh is not over yet, there is no room, it takes too long or the
        process ended; else what :meth:`~salus.app.session.Session.refresh` raises.
        """
        until = time.monotonic() + self._seconds
        with self._lock:
            before = self._background.get(patient)
        if before is not None:  # it may have begun before the last write: ask again when it is over
            wait([before], self._seconds)
        with self._lock:
            answer = self._ask(patient, self._room)
        try:
            answer.result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            raise refreshing() from None

    def begin(self, patient: str) -> Future[None] | None:
        """Begin to bring a record up to date for which nobody waits. None where there is no room, or it is under way.

        What is returned tells when it is done, or what it failed with.
        """
        with self._lock:
            if len(self._background) >= BESIDE:
                return None
            try:
                answer = self._background[patient] = self._ask(patient, self._room + BESIDE)
            except StoreError:
                return None
        answer.add_done_callback(lambda _: self._over(patient))
        return answer

    def _over(self, patient: str) -> None:
        with self._lock:
            self._background.pop(patient, None)

    def stop(self) -> None:
        """End the processes. What is under way may be completed, for a while."""
        with self._lock:
            self._closed = True
            left = [process for process in self._processes if process]
        for process in left:
            process.close()
        for process in left:
            process.join()

    def _ask(self, patient: str, room: int) -> Future[None]:
        for process in self._processes:
            if process and process.stuck():
                process.kill()
        asked = [process.patients() if process else [] for process in self._processes]
        here = sum(map(len, asked)) - (len(self._background) if room == self._room else 0)
        if self._closed or here >= room or any(patient in patients for patients in asked):
            raise refreshing()
        number = min(range(len(asked)), key=lambda n: len(asked[n]))
        process = self._processes[number]
        answer = process.ask(patient) if process else None
        if answer is None:
            process = self._processes[number] = _Process(self._configuration, self._threads)
            answer = process.ask(patient)
        if answer is None:
            raise _ended()
        return answer


class _Process:
    """One running process, and the thread that hears its answers."""

    def __init__(self, configuration: Configuration, threads: int) -> None:
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the server, which lets it complete what it does
        )
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._lock = threading.Lock()
        self._pending: dict[int, tuple[str, float, Future[None]]] = {}
        self._count = 0
        self._over = False
        self._listener = threading.Thread(target=self._listen, name="salus-refresher", daemon=True)
        self._listener.start()
        self._send({**configuration.told(), "threads": threads})

    def patients(self) -> list[str]:
        """Whose records are being refreshed."""
        with self._lock:
            return [patient for patient, _, _ in self._pending.values()]

    def stuck(self) -> bool:
        """True where a refresh takes longer than any does."""
        with self._lock:
            return any(time.monotonic() - begun > LONGEST for _, begun, _ in self._pending.values())

    def kill(self) -> None:
        """End it at once. Its threads may hang: nothing is waited for."""
        self._process.kill()

    def ask(self, patient: str) -> Future[None] | None:
        """What will be done when the record is up to date; None where the process has ended."""
        answer: Future[None] = Future()
        with self._lock:
            if self._over:
                return None
            self._count += 1
            number = self._count
            self._pending[number] = (patient, time.monotonic(), answer)
        self._send({"n": number, "patient": patient})
        return answer

    def close(self) -> None:
        """Let it end: there are no more requests."""
        with suppress(OSError):  # it has ended
            self._requests.close()

    def join(self) -> None:
        """Wait until it has ended, and see to it that it does."""
        self._end(2 * GRACE)
        self._listener.join()

    def _end(self, seconds: float) -> None:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        with suppress(OSError, ValueError):  # it has ended: the listener tells everybody
            self._requests.write(json.dumps(message) + b"\n")
            self._requests.flush()

    def _listen(self) -> None:
        answers = cast("IO[bytes]", self._process.stdout)
        try:
            with answers:
                for line in answers:
                    self._settle(json.loads(line))
        finally:
            self._end(GRACE)
            with self._lock:
                self._over = True
                left, self._pending = list(self._pending.values()), {}
            for _, _, answer in left:
                answer.set_exception(_ended())
            self.close()

    def _settle(self, message: dict[str, Any]) -> None:
        with self._lock:
            _, _, answer = self._pending.pop(message["n"])
        if "error" in message:
            answer.set_exception(_error(message))
        else:
            answer.set_result(None)


def _ended() -> StoreError:
    return StoreError("the record could not be brought up to date", remedy="try again in a few seconds")


def _error(message: dict[str, Any]) -> Exception:
    """The error that an answer tells of, as it would have been raised here."""
    kind = getattr(errors, message["error"], None) if message["error"] else None
    if kind is None:
        return RefreshError()
    made: SalusError = kind(message["what"], message.get("where"), message.get("remedy"))
    return made
