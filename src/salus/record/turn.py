"""Whose turn it is to write into a store, among all threads and processes.

Where SQLite finds its file taken it tries again after a while, and after a longer one: a short write of one process
costs whoever came second many times as long. Here who waits looks again soon, and not for ever: a writer may hang.
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
"""Seconds that a writer waits for others."""
_SOON, _LATER = 0.0002, 0.002
_REMEDY = "try again; is a process of salus stopped, or a disk hanging?"


class Turn:
    """One store's turn. The lock is the system's, and ends with a process, however that ended."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(f"{store.name}-turn")
        self._descriptor: int | None = None

    @contextmanager
    def taken(self, patience: float = PATIENCE) -> Iterator[None]:
        """Wait for the turn and hold it. Raises StoreError where others have it for longer than ``patience`` seconds.

        Where the lock's file cannot be made nothing is waited for: whether the store can be written, SQLite tells.
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
        """Give the lock's file back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
