"""Pages of search results that stay the same result while the record goes on changing.

The first page fixes which version of which resource is in the result; later pages are read from that list. A page's
name is random, belongs to one actor, says nothing of anybody and ends after ten minutes. What is listed is not data:
every page passes the gate anew.

A result is listed once, in the store, where every process of a server finds it (:mod:`salus.app.serving.state`);
each of its pages is named by the result's own name and where the page begins.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from salus.app.house import House
from salus.app.refusals import Expired
from salus.app.serving import state as server_state
from salus.app.serving.state import PAGE
from salus.errors import InputError
from salus.fhir import json
from salus.record.sealing import pack, unpack

LIFE = timedelta(minutes=10)
MAX_KEPT = 100
"""How many results one process has at hand; the oldest go first, and are read from the store again."""


_PAGE = re.compile(r"(?P<name>[^.]*)\.(?P<start>\d{1,6})(?:-(?P<reading>\d{1,7}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hit:
    """One version of one resource in one patient's record.

    ``series``: it has the id of a block and is shown as the readings that it holds. ``at`` is where it stands in a
    result that is sorted by date, in microseconds since 1970: its time, of a block the first (newest first: the last)
    instant that one of its readings can have; None: it has no date, or they are not sorted. ``rid`` is the row in which
    it was found unopened, of which later pages know nothing.
    """

    patient: str
    ref: str
    version: int
    at: int | None = field(default=None, compare=False)
    series: bool = field(default=False, compare=False)
    rid: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Result:
    """A search result: the hits that were found, from where on they are still to be shown, ``count`` at a time.

    ``kind`` and ``asked`` are type and parameters of a search, "" for what is none. Of one over many records
    (``across``) ``onward`` is the number of the patient after whom it goes on; None: it is over. ``total`` is None
    where it was not asked for. ``name`` is what it is kept under, "" before that. Where a page ended within a block,
    ``start`` is that block and ``reading`` the last of its readings that was shown. ``ended``: all hits were shown.
    """

    actor: str
    purpose: str | None
    hits: tuple[Hit, ...]
    count: int
    expires: datetime
    start: int = 0
    total: int | None = None
    onward: int | None = None
    kind: str = ""
    asked: tuple[tuple[str, str], ...] = ()
    name: str = ""
    across: bool = False
    reading: int = -1
    ended: bool = False

    @property
    def after(self) -> tuple[int, int] | None:
        """The hit that was shown last and, where it is a block, the reading (else -1); None: the result begins."""
        if self.reading >= 0:
            return self.start, self.reading
        return (self.start - 1, -1) if self.start else None

    @property
    def over(self) -> bool:
        """True where nothing is left to be shown."""
        return self.count == 0 or (self.ended and self.onward is None)


class Pages:
    """The results that are still being paged through. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Result] = OrderedDict()

    def keep(self, house: House, result: Result) -> str:
        """Keep a result for its next page; returns the page's name. What has a name is kept already.

        Raises StoreError where the store cannot be written: then the page is not to be told of.
        """
        name = result.name or secrets.token_urlsafe(24)
        if not result.name:
            result, now = replace(result, name=name), house.clock()
            with server_state.writing(house) as state:
                state.put(PAGE, result.actor, name, _dump(result), result.expires, now)
            self._hold(result)
        return f"{name}.{result.start}" + (f"-{result.reading}" if result.reading >= 0 else "")

    def find(self, house: House, page: str, actor: str) -> Result:
        """The result under a page's name, from where that page begins. Raises Expired, also for another actor's."""
        name, start, reading = _parts(page)
        now = house.clock()
        with self._lock:
            found = self._kept.get(name)
        if found is None and (kept := server_state.reading(house).find(PAGE, name, now)) is not None:
            found = _load(kept.body, name, kept.expires)
            self._hold(found)
        if found is None or found.actor != actor or found.expires <= now or start > len(found.hits):
            raise _expired()
        return replace(found, start=start, reading=reading)

    def _hold(self, result: Result) -> None:
        with self._lock:
            self._kept[result.name] = result
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)


def _parts(page: str) -> tuple[str, int, int]:
    """A result's name, and the hit where a page of it begins, with the reading after which it does (-1: none)."""
    match = _PAGE.fullmatch(page)
    if match is None:
        raise _expired()
    return match["name"], int(match["start"]), int(match["reading"] or -1)


def _expired() -> Expired:
    return Expired("this page is no longer kept", remedy="search anew")


def _dump(result: Result) -> bytes:
    """A result without its name and end, which the row tells."""
    patients = {hit.patient: None for hit in result.hits}
    places = {patient: n for n, patient in enumerate(patients)}
    told = {
        "actor": result.actor,
        "purpose": result.purpose,
        "count": result.count,
        "start": result.start,
        "total": result.total,
        "onward": result.onward,
        "search": [result.kind, *result.asked],
        "patients": list(patients),
        "across": result.across,
        "reading": result.reading,
        "hits": [[places[hit.patient], hit.ref, hit.version, hit.at, int(hit.series)] for hit in result.hits],
    }
    return pack(json.dumps(told))


def _load(data: bytes, name: str, expires: datetime) -> Result:
    """Inverse of :func:`_dump`. Raises Expired for what an earlier release wrote otherwise."""
    try:
        told = json.loads(unpack(data))
        hits = tuple(Hit(told["patients"][n], ref, v, at, bool(block)) for n, ref, v, at, block in told["hits"])
        kind, *asked = told["search"]
        return Result(
            told["actor"],
            told["purpose"],
            hits,
            told["count"],
            expires,
            told["start"],
            told["total"],
            told["onward"],
            kind,
            tuple((key, value) for key, value in asked),
            name,
            told["across"],
            told["reading"],
        )
    except (KeyError, ValueError, InputError):
        raise _expired() from None
