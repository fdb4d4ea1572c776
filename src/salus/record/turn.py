"""The turn to write into a store: a lock among all threads and processes.

When SQLite finds its file locked it waits longer and longer between its tries, so that a short write of one process
delays the next one many times as long. Here a waiting writer tries again soon, and not for ever: a writer may hang.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from salus.errors import StoreError

PATIENCE = 30.0
"""Seconds that a writer waits for others before it gives up."""
_SOON, _LATER = 0.0002, 0.002
_REMEDY = "try again; is a process of salus stopped, or a disk hanging?"


class Turn:
    """The turn of one store. The operating system holds the lock and releases it when the process ends in any way."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(f"{store.name}-turn")
        self._descriptor: int | None = None

    @contextmanager
    def taken(self, patience: float = PATIENCE) -> Iterator[None]:
        """Wait for the turn and hold it. Raises StoreError where others hold it for longer than ``patience`` seconds.

        Where the file of the lock cannot be made there is no waiting; SQLite then reports whether it can write.
        """
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError:
                yield
                return
        self._wait(self._descriptor, time.monotonic() + patience)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _wait(self, descriptor: int, until: float) -> None:
        pause = _SOON
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise StoreError("another writer holds the store", where=str(self._path), remedy=_REMEDY) from None
                time.sleep(pause)
                pause = min(2 * pause, _LATER)
            else:
                return

    def close(self) -> None:
        """Close the file of the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
