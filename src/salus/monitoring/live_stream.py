"""Event time: readings in any order and number become one ordered stream without doubles.

The watermark is the latest time seen less the allowed lateness (Akidau et al. 2015, The Dataflow Model, PVLDB 8:1792).
What lies before it is released in order of time and is final; what comes after its moment was released is late.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

from salus.monitoring.live import Event, Key

Verdict = Literal["accepted", "duplicate", "conflict", "late"]
_START = datetime(1, 1, 1, tzinfo=UTC)


class Stream:
    """Orders events and hands each to ``sink`` once. ``tick`` is told the watermark after every release."""

    def __init__(
        self, lateness: timedelta, sink: Callable[[Event], None], tick: Callable[[datetime], None] = lambda _: None
    ) -> None:
        self._lateness = lateness
        self._sink = sink
        self._tick = tick
        self._waiting: list[tuple[datetime, Key]] = []
        self._events: dict[Key, Event] = {}
        self._seen: dict[Key, str] = {}
        self.watermark = _START

    def offer(self, event: Event) -> Verdict:
        """Take an event in.

        Two events with one key and other content are a conflict: while neither is released, neither counts.
        """
        earlier = self._seen.get(event.key)
        if earlier == event.content:
            return "duplicate"
        if earlier is not None:
            self._events.pop(event.key, None)
            return "conflict"
        self._seen[event.key] = event.content
        if event.at < self.watermark:
            return "late"
        self._events[event.key] = event
        heapq.heappush(self._waiting, (event.at, event.key))
        self.advance(event.at)
        return "accepted"

    def known(self, event: Event) -> None:
        """Remember an event that was late when it came, so that its copies are doubles."""
        self._seen.setdefault(event.key, event.content)

    def advance(self, seen: datetime) -> None:
        """Time has come to ``seen``: by a reading, or by the clock where nothing comes any more."""
        mark = seen - self._lateness if seen - _START > self._lateness else _START
        if mark <= self.watermark:
            return
        self.watermark = mark
        while self._waiting and self._waiting[0][0] < mark:
            _, key = heapq.heappop(self._waiting)
            event = self._events.pop(key, None)
            if event is not None:
                self._sink(event)
        self._tick(mark)
