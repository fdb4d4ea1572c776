"""A bounded pool of threads, each with a House of its own: the core is synchronous and a store is one thread's."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from salus.app.config import Configuration
from salus.app.house import House
from salus.errors import StoreError

T = TypeVar("T")
_Job = tuple[Callable[[House], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]

BUSY = StoreError("too many requests are waiting", remedy="try again in a few seconds")
LATE = StoreError("the request took too long", remedy="ask for less, or try again later")


class Workers:
    """Runs functions of a House in threads. What waits is bounded: more is refused at once."""

    def __init__(
        self, configuration: Configuration, clock: Callable[[], datetime], threads: int, waiting: int, seconds: float
    ) -> None:
        self._configuration = configuration
        self._clock = clock
        self._seconds = seconds
        self._jobs: queue.Queue[_Job | None] = queue.Queue(waiting)
        self._threads = [threading.Thread(target=self._work, name=f"salus-{n}", daemon=True) for n in range(threads)]

    def start(self) -> None:
        """Start the threads. Each opens the store with its first job."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what is under way, close the stores and end the threads."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    async def run(self, function: Callable[[House], T]) -> T:
        """``function`` of a House, in one of the threads. Raises StoreError when all are busy or it takes too long.

        A function that takes too long is not interrupted (what it writes, it writes whole); its answer is dropped.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        try:
            self._jobs.put_nowait((function, loop, answer))
        except queue.Full:
            raise BUSY from None
        try:
            return await asyncio.wait_for(answer, self._seconds)
        except TimeoutError:
            raise LATE from None

    def _work(self) -> None:
        house: House | None = None
        try:
            while (job := self._jobs.get()) is not None:
                function, loop, answer = job
                if answer.cancelled():
                    continue
                try:
                    if house is not None and house.outdated():  # who was removed is out, an erased key forgotten
                        house.close()
                        house = None
                    if house is None:
                        house = House(self._configuration, clock=self._clock)
                    result, error = function(house), None
                except Exception as raised:  # noqa: BLE001  it is raised again where the answer is awaited
                    result, error = None, raised
                loop.call_soon_threadsafe(_settle, answer, result, error)
        finally:
            if house is not None:
                house.close()


def _settle(answer: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)
