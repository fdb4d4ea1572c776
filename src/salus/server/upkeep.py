"""What a server does when nobody asks: findings of records that were written to, and tidying what has ended.

One thread of one of its processes does it. The findings are worked out by the same processes that bring them up to date
for a reader, beside the places that readers have.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from contextlib import suppress

from salus.app.house import House
from salus.app.serving import state as server_state
from salus.app.serving.backlog import Backlog
from salus.app.serving.open_house import OpenHouse
from salus.errors import AccessError, SalusError
from salus.server.events import Seldom, tell
from salus.server.failures import described
from salus.server.metrics import REFRESH_FAILING, REFRESH_WAITING, Metrics
from salus.server.refreshing import Refreshers

PAUSE = 1.0
"""Seconds after which it looks again."""
KEEP = 30.0
"""Seconds after which it is written down how far everything is done."""
SLOW = 2.0
"""Seconds that a small write may take before the store is said to be slow."""


class Upkeep:
    """The thread. ``refreshers`` None: nothing is brought up to date before somebody asks."""

    def __init__(self, own: OpenHouse, refreshers: Refreshers | None, metrics: Metrics) -> None:
        self._own = own
        self._refreshers = refreshers
        self._metrics = metrics
        self._backlog = Backlog()
        self._begun: dict[str, Future[None]] = {}
        self._kept = time.monotonic()
        self._failures = Seldom("refresh-failures", seconds=60.0)
        self._broken = Seldom("upkeep-failures", seconds=60.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="salus-upkeep", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """End it; what is under way is waited for no longer than ``seconds``."""
        self._ended.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            while not self._ended.wait(PAUSE):
                try:
                    self.step(self._own.current())
                except SalusError:  # what cannot be done now is done later
                    self._broken.add()
                except Exception as error:  # noqa: BLE001  as above; what it was is told, and nothing is lost by it
                    tell("upkeep-failed", level=logging.ERROR, what=described(error))
            with suppress(SalusError):
                self._backlog.keep(self._own.current())
        finally:
            self._own.close()

    def step(self, house: House) -> None:
        """What is to be done now."""
        for seldom in (self._failures, self._broken):
            seldom.add(0)  # to tell of what was counted before
        if self._refreshers is not None:
            self._settle(house)
            self._backlog.follow(house)
            self._begin(house, self._refreshers)
            self._metrics.set(REFRESH_WAITING, self._backlog.waiting)
            self._metrics.set(REFRESH_FAILING, self._backlog.failing)
        now = time.monotonic()
        if now - self._kept >= KEEP:
            self._kept = now
            server_state.sweep(house)
            self._backlog.keep(house)
            took = time.monotonic() - now
            if took > SLOW:
                tell("slow-store", level=logging.WARNING, seconds=round(took, 1))

    def _begin(self, house: House, refreshers: Refreshers) -> None:
        while (patient := self._backlog.take(house.clock())) is not None:
            answer = refreshers.begin(patient)
            if answer is None:
                self._backlog.put_back(patient)
                return
            self._begun[patient] = answer

    def _settle(self, house: House) -> None:
        for patient, answer in [each for each in self._begun.items() if each[1].done()]:
            del self._begun[patient]
            if answer.exception() is None or isinstance(answer.exception(), AccessError):  # erased meanwhile
                self._backlog.done(patient)
                self._metrics.refreshed("done")
            else:
                self._backlog.failed(patient, house.clock())
                self._metrics.refreshed("failed")
                self._failures.add()
