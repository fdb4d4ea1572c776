"""How many bytes of bodies are in memory at once: so many in all, so many of one asker, and who waits for room."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from salus.server.lines import busy, too_many


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    size: int
    askers: tuple[str, ...]
    admitted: asyncio.Future[None]


class Budget:
    """Room for bodies. To be used in one event loop."""

    def __init__(self, total: int, each: int, queue: int, seconds: float) -> None:
        """``total`` and ``each`` are bytes; ``queue`` bodies of one asker may wait for room, ``seconds`` long."""
        self._total = total
        self._each = each
        self._queue = queue
        self._seconds = seconds
        self._used = 0
        self._used_by: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []

    async def take(self, size: int, askers: Sequence[str]) -> None:
        """Wait for room for ``size`` bytes, counted for each of ``askers``. Raises TooMany or StoreError.

        What is larger than one asker's share is admitted when that asker holds nothing.
        """
        wanted = _Waiting(size, tuple(askers), asyncio.get_running_loop().create_future())
        if self._fits(wanted):
            self._hold(wanted)
            return
        if any(sum(a in w.askers for w in self._waiting) >= self._queue for a in wanted.askers):
            raise too_many()
        self._waiting.append(wanted)
        try:
            async with asyncio.timeout(self._seconds):
                await wanted.admitted
        except (TimeoutError, asyncio.CancelledError) as error:
            if wanted in self._waiting:
                self._waiting.remove(wanted)
            else:  # admitted at the same moment
                self.give_back(size, askers)
            if isinstance(error, TimeoutError):
                raise busy() from None
            raise

    def give_back(self, size: int, askers: Sequence[str]) -> None:
        """What :meth:`take` took is free again."""
        self._used -= size
        for asker in askers:
            self._used_by[asker] -= size
            if not self._used_by[asker]:
                del self._used_by[asker]
        for waiting in list(self._waiting):
            if not waiting.admitted.done() and self._fits(waiting):
                self._waiting.remove(waiting)
                self._hold(waiting)
                waiting.admitted.set_result(None)

    def _fits(self, wanted: _Waiting) -> bool:
        if self._used and self._used + wanted.size > self._total:
            return False
        return all(not self._used_by[a] or self._used_by[a] + wanted.size <= self._each for a in wanted.askers)

    def _hold(self, wanted: _Waiting) -> None:
        self._used += wanted.size
        for asker in wanted.askers:
            self._used_by[asker] += wanted.size
