"""Entries of the log that several threads write at once, committed together: one signature and one wait for the disk.

The first thread that has entries to write commits all that wait (it leads the batch). What arrives meanwhile forms the
next batch. No call returns before its entries are durable. Where one caller's entries cannot be written, only that call
fails.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salus.record.protocols import Scope
from salus.record.store import Store
from salus.trust.log import Log

LARGEST = 256
"""Callers whose entries make one batch."""
Entry = tuple[str, str, Mapping[str, Any]]
"""Patient, topic and content."""


def _taken() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True)
class _Waiting:
    entries: Sequence[Entry]
    numbers: list[int] = field(default_factory=list)
    error: BaseException | None = None
    leads: bool = False
    """The thread that waits with these entries commits the next batch."""
    turn: threading.Lock = field(default_factory=_taken)
    """Released when the entries were written, or when their thread is to lead."""


class Batches:
    """The entries that wait for one store in this process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._queue: deque[_Waiting] = deque()
        self._guard = threading.Lock()
        self._committing = False

    def append(self, store: Store, log: Log, scope: Scope, entries: Sequence[Entry]) -> list[int]:
        """Write entries durably in one transaction, with those of other threads; returns their indices.

        ``store`` is the caller's own. All of ``entries`` are written or none. Raises what :meth:`Store.transaction`
        and :meth:`Log.append` raise.
        """
        own = _Waiting(entries)
        with self._guard:
            self._queue.append(own)
            own.leads, self._committing = not self._committing, True
            waits = not own.leads  # read under the guard: later another thread may have made this one the leader
        if waits:
            self._wait(own)
        if own.leads:
            self._lead(store, log, scope)
        if own.error is not None:
            raise own.error
        return own.numbers

    def _wait(self, own: _Waiting) -> None:
        try:
            own.turn.acquire()
        except BaseException:  # interrupted: the entries are not written, and another thread leads in the place of this
            with self._guard:
                if own in self._queue:
                    self._queue.remove(own)
                if own.leads:
                    self._pass_on()
            raise

    def _lead(self, store: Store, log: Log, scope: Scope) -> None:
        """Commit what waits, then make the first of those that came meanwhile the next leader."""
        with self._guard:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), LARGEST))]
        try:
            self._write(store, log, scope, batch)
        finally:
            with self._guard:
                self._pass_on()
            for item in batch:
                item.turn.release()

    def _pass_on(self) -> None:
        if self._queue:
            self._queue[0].leads = True
            self._queue[0].turn.release()
        else:
            self._committing = False

    def _write(self, store: Store, log: Log, scope: Scope, batch: Sequence[_Waiting]) -> None:
        try:
            with store.transaction(scope) as connection:
                numbers = iter(log.append_all(connection, [entry for item in batch for entry in item.entries]))
                for item in batch:
                    item.numbers = [next(numbers) for _ in item.entries]
        except BaseException as error:
            if len(batch) > 1 and isinstance(error, Exception):
                for item in batch:  # one of them cannot be written: each is tried alone
                    self._write(store, log, scope, [item])
                return
            for item in batch:
                item.error = error
            if not isinstance(error, Exception):
                raise


_BATCHES: dict[Path, Batches] = {}
_GUARD = threading.Lock()


def of(path: Path) -> Batches:
    """The batches of the store at ``path``, the same for every thread of this process."""
    with _GUARD:
        return _BATCHES.setdefault(path.resolve(), Batches())
