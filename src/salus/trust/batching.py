"""Entries of the log that several threads write at once, committed together: one signature and one wait for the disk.

Whoever comes first commits what waits; what arrives meanwhile forms the next batch. Nothing is answered before it is
durable, and one that cannot be written fails alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salus.record.protocols import Scope
from salus.record.store import Store
from salus.trust.log import Log

LARGEST = 256
"""Entries of one batch."""


@dataclass(slots=True)
class _Waiting:
    patient: str
    topic: str
    entry: Mapping[str, Any]
    n: int = -1
    error: BaseException | None = None
    done: bool = False


class Batches:
    """The entries that wait for one store in this process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._queue: deque[_Waiting] = deque()
        self._commit = threading.Lock()

    def append(self, store: Store, log: Log, scope: Scope, patient: str, topic: str, entry: Mapping[str, Any]) -> int:
        """Write one entry durably, with those of other threads; returns its index. ``store`` is the caller's own.

        Raises what :meth:`Store.transaction` and :meth:`Log.append` raise.
        """
        own = _Waiting(patient, topic, entry)
        self._queue.append(own)
        with self._commit:
            while not own.done:
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), LARGEST))]
                self._write(store, log, scope, batch)
        if own.error is not None:
            raise own.error
        return own.n

    def _write(self, store: Store, log: Log, scope: Scope, batch: Sequence[_Waiting]) -> None:
        try:
            with store.transaction(scope) as connection:
                for item in batch:
                    item.n = log.append(connection, item.patient, item.topic, item.entry)
        except BaseException as error:
            if len(batch) > 1 and isinstance(error, Exception):
                for item in batch:  # one of them cannot be written: the others can
                    self._write(store, log, scope, [item])
                return
            for item in batch:
                item.error, item.done = error, True
            if not isinstance(error, Exception):
                raise
        for item in batch:
            item.done = True


_BATCHES: dict[Path, Batches] = {}
_GUARD = threading.Lock()


def of(path: Path) -> Batches:
    """The batches of the store at ``path``, the same for every thread of this process."""
    with _GUARD:
        return _BATCHES.setdefault(path.resolve(), Batches())
