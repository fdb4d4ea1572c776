"""Pages of search results that stay the same result while the record goes on changing.

The first page fixes which version of which resource is in the result; later pages are read from that list. A page's
name is random, belongs to one actor, says nothing of anybody and ends after ten minutes. What is listed is not data:
every page passes the gate anew.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.app.refusals import Expired

LIFE = timedelta(minutes=10)
MAX_KEPT = 500
"""How many results are kept at once; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One version of one resource in one patient's record."""

    patient: str
    ref: str
    version: int


@dataclass(frozen=True, slots=True)
class Result:
    """What is left of a search result: the hits that are still to be shown, ``count`` at a time.

    Where the search goes on beyond them, ``onward`` is the number of the patient after whom, and ``kind`` and ``asked``
    are its type and parameters. ``total`` is None where it was not asked for.
    """

    actor: str
    purpose: str | None
    hits: tuple[Hit, ...]
    count: int
    expires: datetime
    total: int | None = None
    onward: int | None = None
    kind: str = ""
    asked: tuple[tuple[str, str], ...] = ()


class Pages:
    """The results that are still being paged through. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, Result] = {}

    def keep(self, result: Result) -> str:
        """Keep a result for its next page; returns the page's name."""
        name = secrets.token_urlsafe(24)
        with self._lock:
            while len(self._kept) >= MAX_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[name] = result
        return name

    def find(self, name: str, actor: str, now: datetime) -> Result:
        """The result under ``name``. Raises Expired, also for another actor's."""
        with self._lock:
            found = self._kept.get(name)
        if found is None or found.actor != actor or found.expires <= now:
            raise Expired("this page is no longer kept", remedy="search anew")
        return found
