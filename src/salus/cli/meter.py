"""How far a long piece of work has come, on standard error: per cent, number and rate."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

AFTER = 1.0
"""Seconds for which nothing is shown: what is done by then needs no meter."""
ON_TERMINAL, ELSEWHERE = 0.2, 10.0
"""Seconds between two showings: on a terminal one line is written over, elsewhere each is a line of its own."""


class Meter:
    """Shows ``title`` and how many ``things`` of how many are done, whenever it is called and some time has passed."""

    def __init__(
        self,
        title: str,
        things: str,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title, self._things = title, things
        self._stream, self._clock = stream or sys.stderr, clock
        self._over = self._stream.isatty()
        self._begun = self._clock()
        self._next = self._begun + AFTER
        self._width = 0

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._over and self._width:
            self._stream.write(f"\r{' ' * self._width}\r")
            self._stream.flush()

    def __call__(self, done: int, total: int) -> None:
        """``done`` of ``total`` things are done."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + (ON_TERMINAL if self._over else ELSEWHERE)
        share, rate = 100 * done // max(total, 1), round(done / (now - self._begun))
        line = f"{self._title}: {share} %, {done:,} of {total:,} {self._things}, {rate:,} a second"
        self._stream.write(f"\r{line:<{self._width}}" if self._over else f"{line}\n")
        self._stream.flush()
        self._width = max(self._width, len(line))
