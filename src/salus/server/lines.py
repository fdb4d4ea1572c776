"""A queue that is fair between those who ask: everybody in turn, and one thread for whoever's requests take long."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from salus.errors import StoreError

Job = TypeVar("Job")

QUICK = 0.05
"""Seconds of a usual job, up to which one asker may have several threads while nobody else needs them."""
REST = 2.0
"""How many times as long as its last job took an asker with more of them gives way to others."""
LONGEST_REST = 2 * QUICK
_MEMORY = 0.2
"""The share of the newest job in what is taken for usual."""


class TooMany(StoreError):
    """More requests of one asker than are taken at once: only this asker is refused."""


def busy() -> StoreError:
    """No place for one more request of anybody. Made anew each time: an error that was raised holds its request."""
    return StoreError("too many requests are waiting", remedy="try again in a few seconds")


def too_many() -> TooMany:
    """No place for one more request of this asker."""
    return TooMany("too many of your requests are waiting", remedy="wait for answers before asking for more")


@dataclass(slots=True)
class _Line(Generic[Job]):
    """One asker's jobs. ``usual`` is how many seconds a job takes, None before the first is done.

    ``modest`` counts the running ones that were begun after the rest that is due, which ends at ``rested``.
    """

    jobs: deque[Job] = field(default_factory=deque)
    running: int = 0
    usual: float | None = None
    modest: int = 0
    rested: float = 0.0

    @property
    def slow(self) -> bool:
        return self.usual is not None and self.usual > QUICK


class Lines(Generic[Job]):
    """A line of jobs for every asker, for several threads. Safe to use from all of them.

    Whoever waits gets a turn before anybody gets a second one. An asker has one thread; several only while nobody else
    has a job and the asker's own are quick. Askers with slow jobs get half of the threads together. Threads share one
    interpreter, where whoever always runs halves everybody else's pace: who has the next job waiting when one is done
    lets others complete theirs, for a while.
    """

    def __init__(self, threads: int, waiting: int, each: int) -> None:
        """``waiting`` jobs are kept in all, ``each`` for one asker."""
        self._threads = threads
        self._waiting = waiting
        self._each = each
        self._changed = threading.Condition()
        self._lines: dict[str, _Line[Job]] = {}
        self._turns: OrderedDict[str, None] = OrderedDict()
        self._count = 0
        self._running = 0
        self._slow_running = 0
        self._modest = 0
        self._closed = False

    def __len__(self) -> int:
        """How many jobs wait."""
        return self._count

    def put(self, by: str, job: Job) -> Job | None:
        """Add a job. Returns the job that lost its place for it, the last of the longest line, if one had to.

        Raises TooMany where ``by`` has too many jobs waiting, StoreError where all places are taken by fair shares.
        """
        with self._changed:
            line = self._lines.get(by)
            length = len(line.jobs) if line else 0
            if length >= self._each:
                raise too_many()
            lost = self._make_place(length) if self._count >= self._waiting else None
            if line is None:
                line = self._lines[by] = _Line()
            line.jobs.append(job)
            self._turns.setdefault(by)
            self._count += 1
            self._changed.notify()
            return lost

    def take(self) -> tuple[str, Job] | None:
        """The next job and whose it is; waits for one. None when the queue was closed."""
        with self._changed:
            while True:
                if self._closed:
                    return None
                by = next((by for by in self._turns if self._may_run(self._lines[by])), None)
                if by is not None:
                    return by, self._start(by)
                self._changed.wait(self._until_rested())

    def done(self, by: str, seconds: float) -> None:
        """A job of ``by`` is over; it took ``seconds``."""
        with self._changed:
            line = self._lines[by]
            self._slow_running -= line.running if line.slow else 0
            line.running -= 1
            self._running -= 1
            if line.modest:
                line.modest -= 1
                self._modest -= 1
            line.rested = time.monotonic() + min(REST * seconds, LONGEST_REST)
            line.usual = seconds if line.usual is None else line.usual + _MEMORY * (seconds - line.usual)
            self._slow_running += line.running if line.slow else 0
            if not line.running and not line.jobs:
                del self._lines[by]
            self._changed.notify_all()

    def close(self) -> list[Job]:
        """Hand out no more jobs; whoever waits for one gets None. Returns the jobs that were not begun."""
        with self._changed:
            self._closed = True
            left = [job for line in self._lines.values() for job in line.jobs]
            self._turns.clear()
            self._changed.notify_all()
            return left

    def _start(self, by: str) -> Job:
        line = self._lines[by]
        job = line.jobs.popleft()
        line.running += 1
        self._running += 1
        self._slow_running += line.slow
        if time.monotonic() >= line.rested:
            line.modest += 1
            self._modest += 1
        self._count -= 1
        if line.jobs:
            self._turns.move_to_end(by)
        else:
            del self._turns[by]
        return job

    def _may_run(self, line: _Line[Job]) -> bool:
        if line.slow and self._slow_running >= max(1, self._threads // 2):
            return False
        if self._modest > line.modest and time.monotonic() < line.rested:
            return False
        if not line.running:
            return True
        alone = self._running == line.running and len(self._turns) == 1
        return alone and line.usual is not None and not line.slow and line.running < self._threads - 1

    def _until_rested(self) -> float | None:
        """Seconds until somebody who gives way need not any more; None where nobody does."""
        now = time.monotonic()
        return min((line.rested - now for by in self._turns if (line := self._lines[by]).rested > now), default=None)

    def _make_place(self, length: int) -> Job:
        longest = max((self._lines[by] for by in self._turns), key=lambda line: len(line.jobs), default=None)
        if longest is None or len(longest.jobs) <= length + 1:
            raise busy()
        self._count -= 1
        return longest.jobs.pop()
