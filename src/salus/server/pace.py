"""How often each asker may do something: a bucket for everyone, filled at a steady pace."""

from __future__ import annotations

from collections import OrderedDict

MOST = 2000
"""Askers that are remembered; the longest unused goes first, which then has a full bucket again."""


class Pace:
    """``burst`` times at once and ``rate`` times a second. To be used in one event loop."""

    def __init__(self, burst: float, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def keeps(self, asker: str, now: float) -> bool:
        """Whether ``asker`` keeps the pace with one more time at ``now`` (seconds of a steady clock)."""
        left, last = self._left.pop(asker, (self._burst, now))
        left = min(self._burst, left + (now - last) * self._rate)
        kept = left >= 1
        self._left[asker] = (left - 1 if kept else left, now)
        if len(self._left) > MOST:
            self._left.popitem(last=False)
        return kept
