"""The process that brings findings up to date for a server: ``python -m salus.server.refresher``, started by one.

The first line on its input is the configuration, every other one a request with a number and a patient's id; a line on
its output answers each. Nothing else crosses: findings are in the store. It ends when the server does, however that
ended, for then its input is closed.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from salus.app.config import Configuration
from salus.app.serving.open_house import Houses, OpenHouse
from salus.app.session import Session
from salus.errors import SalusError
from salus.fhir import json
from salus.server.failures import described

"""What the configuration names."""
NICE = 10
"""By how much the server goes first where both want the processor."""
KILLED_FIRST = 500
"""What is added to the process's badness, of 1000, where the system has no memory left and must kill one."""
GRACE = 5.0
"""Seconds that work under way may take once the server is gone."""
LOG = logging.getLogger("salus.server")


class Refresher:
    """Answers requests in threads with a house each, so that no record's refresh waits for another's."""

    def __init__(self, configuration: Configuration, threads: int, answers: IO[bytes]) -> None:
        self._houses = Houses(configuration)
        self._answers = answers
        self._writing = threading.Lock()
        self._own = threading.local()
        self._threads = ThreadPoolExecutor(threads, "refresh")

    def take(self, request: dict[str, Any]) -> None:
        """Begin with one request as soon as a thread is free."""
        self._threads.submit(self._answer, request["n"], request["patient"])

    def end(self) -> None:
        """Wait for what is under way; what was not begun is dropped."""
        self._threads.shutdown(cancel_futures=True)

    def _answer(self, number: int, patient: str) -> None:
        answer: dict[str, Any] = {"n": number}
        try:
            Session.for_upkeep(self._house().current()).refresh(patient)
        except SalusError as error:
            told = {"what": error.what, "where": error.where, "remedy": error.remedy}
            answer |= {"error": type(error).__name__, **{k: v for k, v in told.items() if v is not None}}
        except Exception as error:  # noqa: BLE001  the server answers for it
            LOG.error("%s", described(error))
            answer |= {"error": ""}
        with self._writing, suppress(BrokenPipeError):  # the server is gone
            self._answers.write(json.dumps(answer) + b"\n")
            self._answers.flush()

    def _house(self) -> OpenHouse:
        if not hasattr(self._own, "house"):
            self._own.house = OpenHouse(self._houses)
        house: OpenHouse = self._own.house
        return house


def main() -> None:
    """Answer requests until there are no more."""
    _give_way()
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is not an answer
    told = json.loads(requests.readline())
    refresher = Refresher(Configuration.of(told), told["threads"], answers)
    for line in requests:
        refresher.take(json.loads(line))
    late = threading.Timer(GRACE, os._exit, (1,))
    late.daemon = True
    late.start()
    refresher.end()


def _give_way() -> None:
    """Let whoever answers go first, and live longer."""
    if hasattr(os, "nice"):
        os.nice(NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(KILLED_FIRST))


if __name__ == "__main__":
    main()
