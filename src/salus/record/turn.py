"""Whose turn it is to write into a store, among all threads and processes.

Where SQLite finds its file taken it tries again after a while, and after a longer one: a short write of one process
costs whoever came second many times as long. Here who waits is woken.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Turn:
    """One store's turn. The lock is the system's, and ends with a process, however that ended."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(f"{store.name}-turn")
        self._descriptor: int | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for the turn and hold it.

        Where the lock's file cannot be made nothing is waited for: whether the store can be written, SQLite tells.
        """
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError:
                yield
                return
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the lock's file back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
