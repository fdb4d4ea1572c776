"""What is kept in memory for a time: so much for each owner, so much in all, and nothing longer than it is good.

No call looks through everything: what expired is found by a heap, and the heap is tidied when half of it is stale.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T")

FREE_FAILURES = 10
"""Failures under one name from one place that need no waiting."""
LONGEST_WAIT = timedelta(seconds=60)
FORGOTTEN = timedelta(minutes=10)
"""How long after the last one failures count."""
MAX_NAMES = 200
"""Names from one place, and ``MAX_ORIGINS`` places, whose failures are counted; the longest unused goes first."""
MAX_ORIGINS = 2_000


class Full(Exception):
    """No room for one more of this owner."""


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    owner: str
    value: T
    expires: datetime


class Shelf(Generic[T]):
    """Values by key, each with an owner and a time until which it is good. Not safe to use from several threads."""

    def __init__(self, each: int, total: int) -> None:
        """``each``: how many of one owner; ``total``: how many in all."""
        self._each = each
        self._total = total
        self._kept: dict[bytes, _Kept[T]] = {}
        self._owned: dict[str, OrderedDict[bytes, None]] = {}
        self._ends: list[tuple[datetime, bytes]] = []

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes, now: datetime) -> T | None:
        """The value that is good at ``now``; None where there is none. It counts as used."""
        kept = self._kept.get(key)
        if kept is None or kept.expires <= now:
            return None
        self._owned[kept.owner].move_to_end(key)
        return kept.value

    def put(self, owner: str, key: bytes, value: T, expires: datetime, now: datetime) -> None:
        """Keep a value. Where there is no room, the owner's longest unused goes for it, or what ends first."""
        self._sweep(now)
        while len(self._owned.get(owner, ())) >= self._each:
            self.drop(next(iter(self._owned[owner])))
        while len(self._kept) >= self._total:
            self.drop(self._next_to_end())
        self._insert(owner, key, value, expires)

    def add(self, owner: str, key: bytes, value: T, expires: datetime, now: datetime) -> None:
        """Keep a value; nothing else makes place for it.

        Raises Full where the owner has no room; where nobody has, only for owners who hold their fair share already.
        """
        self._sweep(now)
        owned = len(self._owned.get(owner, ()))
        if owned >= self._each or (len(self._kept) >= self._total and owned >= self._total // (len(self._owned) + 1)):
            raise Full
        self._insert(owner, key, value, expires)

    def drop(self, key: bytes) -> None:
        """Forget a value, if it is kept."""
        kept = self._kept.pop(key, None)
        if kept is None:
            return
        owned = self._owned[kept.owner]
        del owned[key]
        if not owned:
            del self._owned[kept.owner]

    def _insert(self, owner: str, key: bytes, value: T, expires: datetime) -> None:
        self._kept[key] = _Kept(owner, value, expires)
        self._owned.setdefault(owner, OrderedDict())[key] = None
        heapq.heappush(self._ends, (expires, key))
        if len(self._ends) > 2 * len(self._kept) + 64:
            self._ends = [(kept.expires, key) for key, kept in self._kept.items()]
            heapq.heapify(self._ends)

    def _sweep(self, now: datetime) -> None:
        while self._ends and self._ends[0][0] <= now:
            self.drop(heapq.heappop(self._ends)[1])

    def _next_to_end(self) -> bytes:
        while self._ends[0][1] not in self._kept:
            heapq.heappop(self._ends)
        return self._ends[0][1]


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    last: datetime

    def wait_until(self) -> datetime:
        """When the next attempt is heard: after 1, 2, 4 … seconds, at most :data:`LONGEST_WAIT`."""
        over = self.count - FREE_FAILURES
        return self.last if over < 0 else self.last + min(timedelta(seconds=2 ** min(over, 10)), LONGEST_WAIT)


class Attempts:
    """Failures to sign in, by place and name: neither another name nor another place is kept waiting by them.

    A name that nobody has counts like any other. Not safe to use from several threads.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[str, OrderedDict[bytes, _Failures]] = OrderedDict()

    def must_wait(self, origin: str, name: str, now: datetime) -> bool:
        """Whether an attempt is too early after the failures before it."""
        names = self._failures.get(origin)
        found = names.get(_short(name)) if names else None
        return found is not None and now - found.last <= FORGOTTEN and now < found.wait_until()

    def failed(self, origin: str, name: str, now: datetime) -> None:
        """Count a failure."""
        names = self._failures.setdefault(origin, OrderedDict())
        self._failures.move_to_end(origin)
        key = _short(name)
        before = names.pop(key, None)
        goes_on = before is not None and now - before.last <= FORGOTTEN
        names[key] = _Failures(before.count + 1 if before is not None and goes_on else 1, now)
        if len(names) > MAX_NAMES:
            names.popitem(last=False)
        if len(self._failures) > MAX_ORIGINS:
            self._failures.popitem(last=False)

    def succeeded(self, origin: str, name: str) -> None:
        """Forget the failures under a name from one place."""
        names = self._failures.get(origin)
        if names is not None and names.pop(_short(name), None) is not None and not names:
            del self._failures[origin]


def _short(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:16]
