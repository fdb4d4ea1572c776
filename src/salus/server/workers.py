"""A bounded pool of threads, each with a House of its own: the core is synchronous and a store is one thread's."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from salus.app.house import House
from salus.app.serving.open_house import Houses, OpenHouse
from salus.errors import StoreError
from salus.server.lines import Lines, busy

T = TypeVar("T")
GRACE = 10.0
"""Seconds that jobs may take once the server ends."""
_Job = tuple[Callable[[House], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class Workers:
    """Runs functions of a House in threads, fairly between those who ask. What waits is bounded: more is refused."""

    def __init__(
        self,
        houses: Houses,
        threads: int,
        waiting: int,
        seconds: float,
        each: int = 16,
    ) -> None:
        """``waiting`` functions may wait in all, ``each`` of one asker, and an answer may take ``seconds``."""
        self._houses = houses
        self._seconds = seconds
        self._lines: Lines[_Job] = Lines(threads, waiting, each)
        self._threads = [threading.Thread(target=self._work, name=f"salus-{n}", daemon=True) for n in range(threads)]

    def start(self) -> None:
        """Start the threads. Each opens the store with its first job."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = GRACE) -> None:
        """Finish what is under way, close the stores and end the threads. What still waits is refused.

        A job that takes longer than ``seconds`` more ends with the process, and what it writes is written whole or not.
        """
        for _, _, answer in self._lines.close():
            _settle(answer, None, busy())
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    @property
    def waiting(self) -> int:
        """How many jobs wait for a thread."""
        return len(self._lines)

    async def run(self, function: Callable[[House], T], by: str = "") -> T:
        """``function`` of a House, in one of the threads. ``by`` names who asks: an actor, or an address.

        Raises TooMany where too much of ``by`` waits, and StoreError when all are busy or it takes too long. A function
        that takes too long is not interrupted (what it writes, it writes whole); its answer is dropped.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        lost = self._lines.put(by, (function, loop, answer))
        if lost is not None:
            _settle(lost[2], None, busy())
        try:
            return await asyncio.wait_for(answer, self._seconds)
        except TimeoutError:
            raise StoreError("the request took too long", remedy="ask for less, or try again later") from None

    def _work(self) -> None:
        own = OpenHouse(self._houses)
        try:
            while (taken := self._lines.take()) is not None:
                begun = time.monotonic()
                self._do(taken[1], own)
                self._lines.done(taken[0], time.monotonic() - begun)
                del taken  # an idle thread holds no request's body
        finally:
            own.close()

    def _do(self, job: _Job, own: OpenHouse) -> None:
        """One job in the house that this thread keeps."""
        function, loop, answer = job
        if answer.cancelled():
            return
        result, error = None, None
        try:
            result = function(own.current())
        except Exception as raised:  # noqa: BLE001  it is raised again where the answer is awaited
            error = raised
        with suppress(RuntimeError):  # the server has ended, and nobody waits any more
            loop.call_soon_threadsafe(_settle, answer, result, error)


def _settle(answer: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)
