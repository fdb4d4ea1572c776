"""Whose turn it is to bring a record's findings up to date, among all processes over one store.

Two that did it at once would both work it out and both write it. The lock is the system's: it ends with a process,
however that ended. Threads of one process see to it themselves that each record has one of them.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from salus.app.house import House
from salus.errors import StoreError

PATIENCE = 60.0
"""Seconds that one process waits for another to be done with a record."""
_PAUSE = 0.02
_PLACES = 1 << 31


@dataclass(slots=True)
class _Open:
    """The file of one store as the whole process has it open: POSIX locks end when any of several is closed."""

    descriptor: int
    users: int = 0


_OPEN: dict[Path, _Open] = {}
_GUARD = threading.Lock()


def refreshing() -> StoreError:
    """Who asks for a record must wait until another's refresh of it is over."""
    return StoreError("the record is being brought up to date", remedy="try again in a few seconds")


@contextmanager
def taken(house: House, patient: str, patience: float = PATIENCE) -> Iterator[None]:
    """Wait for the turn over one record and hold it. Raises StoreError where another process has it for too long.

    Where the lock's file cannot be made nothing is waited for: whether the store can be written, SQLite tells.
    """
    place = int.from_bytes(house.vault.blind(f"refresh\0{patient}")[:8]) % _PLACES
    path = house.store.path.resolve()
    with _opened(path.with_name(f"{path.name}-refresh")) as descriptor:
        if descriptor is None:
            yield
            return
        _wait(descriptor, place, time.monotonic() + patience)
        try:
            yield
        finally:
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, place)


def _wait(descriptor: int, place: int, until: float) -> None:
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):
            if time.monotonic() >= until:
                raise refreshing() from None
            time.sleep(_PAUSE)
        else:
            return


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    """The file at ``path``, open as long as anybody in this process uses it; None where it cannot be made."""
    try:
        found = _used(path)
    except OSError:
        yield None
        return
    try:
        yield found.descriptor
    finally:
        with _GUARD:
            found.users -= 1
            if not found.users:
                os.close(_OPEN.pop(path).descriptor)


def _used(path: Path) -> _Open:
    with _GUARD:
        found = _OPEN.get(path)
        if found is None:
            found = _OPEN[path] = _Open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        found.users += 1
        return found
