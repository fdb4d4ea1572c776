"""The garbage collector, held back while many objects are made that stay, hardly any of them in cycles.

Python looks for cycles again after every 700 objects that stay, and at times through everything in memory. While a
record is read, or a source, that takes a third of the time and finds next to nothing.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS = 100_000
"""Objects that are made before cycles are looked for."""
_GUARD = threading.Lock()
_held: list[tuple[int, int, int]] = []
"""One entry for each who holds the collector back: the thresholds as they were before the first of them."""


@contextmanager
def seldom() -> Iterator[None]:
    """Within, the collector runs seldom, for all threads of the process, until the last of them is out again."""
    with _GUARD:
        before = _held[0] if _held else gc.get_threshold()
        _held.append(before)
        gc.set_threshold(max(before[0], OBJECTS), *before[1:])
    try:
        yield
    finally:
        with _GUARD:
            before = _held.pop()
            if not _held:
                gc.set_threshold(*before)
