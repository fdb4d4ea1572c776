"""What the requests of one running server share: pages, findings, and since when each record's are up to date."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from salus.app.fhir.findings import PartialFindings
from salus.app.fhir.pages import Pages
from salus.app.house import House
from salus.app.serving.refresh_turns import refreshing
from salus.app.session import Session
from salus.app.session_consents import PRESENT

MAX_FRESH = 10_000
"""Records of which is remembered that they are up to date."""


@dataclass(slots=True)
class _Turn:
    """Whose turn it is to refresh one record; ``users`` have it or wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


@dataclass(slots=True)
class Cache:
    """What the requests of one running server share: pages of results, findings, and which records are up to date.

    A record is refreshed by one request at a time; nobody waits for the refresh of another record.
    """

    pages: Pages = field(default_factory=Pages)
    waiting: int = 2
    """Requests that may wait at once until another has refreshed the record: each of them keeps a thread."""
    patience: float = 10.0
    """Seconds that they wait."""
    partial: PartialFindings = field(default_factory=PartialFindings)
    elsewhere: Callable[[str], None] | None = None
    """Refreshes a patient's findings in another process; None where the session's own does it."""
    _fresh: OrderedDict[str, tuple[int, datetime]] = field(default_factory=OrderedDict)
    _turns: dict[str, _Turn] = field(default_factory=dict)
    _waiting: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def bring_up_to_date(self, session: Session, patient: str) -> None:
        """Refresh a record's findings where something was written since the last time, or ten minutes have passed.

        Raises StoreError where another request is at it for too long.
        """
        if self._is_fresh(session.house, patient):
            return
        with self._turn(patient):
            if not self._is_fresh(session.house, patient):
                self._refresh(session, patient)

    def _is_fresh(self, house: House, patient: str) -> bool:
        with self._lock:
            known = self._fresh.get(patient)
        if known is None or abs(house.clock() - known[1]) > PRESENT:
            return False
        return house.log.written_since(house.store.connection, patient, known[0]) is None

    def _refresh(self, session: Session, patient: str) -> None:
        house = session.house
        begun = house.log.written_since(house.store.connection, patient, -1)
        if self.elsewhere is None:
            session.refresh(patient)
        else:
            self.elsewhere(patient)
        # What was written meanwhile, if only by this refresh itself, is looked at by the next one.
        with self._lock:
            self._fresh[patient] = (-1 if begun is None else begun, house.clock())
            self._fresh.move_to_end(patient)
            while len(self._fresh) > MAX_FRESH:
                self._fresh.popitem(last=False)

    @contextmanager
    def _turn(self, patient: str) -> Iterator[None]:
        with self._lock:
            turn = self._turns.setdefault(patient, _Turn())
            late = turn.users > 0
            if late and self._waiting >= self.waiting:
                raise refreshing()
            turn.users += 1
            self._waiting += late
        try:
            got = turn.lock.acquire(timeout=self.patience)
            with self._lock:
                self._waiting -= late
            if not got:
                raise refreshing()
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            with self._lock:
                turn.users -= 1
                if not turn.users:
                    del self._turns[patient]
