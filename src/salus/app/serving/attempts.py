"""Failures to sign in, counted so that who guesses has to wait. Each process of a server counts its own."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

FREE_FAILURES = 10
"""Failures under one name from one place that need no waiting."""
LONGEST_WAIT = timedelta(seconds=60)
FORGOTTEN = timedelta(minutes=10)
"""How long after the last one failures count."""
MAX_NAMES = 200
"""Names from one place, and ``MAX_ORIGINS`` places, whose failures are counted; the longest unused goes first."""
MAX_ORIGINS = 2_000


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    last: datetime

    def wait_until(self) -> datetime:
        """When the next attempt is heard: after 1, 2, 4 … seconds, at most :data:`LONGEST_WAIT`."""
        over = self.count - FREE_FAILURES
        return self.last if over < 0 else self.last + min(timedelta(seconds=2 ** min(over, 10)), LONGEST_WAIT)


class Attempts:
    """Failures to sign in, counted by place and name. They keep no other name and no other place waiting.

    A name that nobody has is counted like any other. Not safe to use from several threads.
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
