"""Whose findings wait to be brought up to date, by the log: its entries are written together with what they tell of.

Nothing else is kept but how far the log was followed. Whoever begins anew follows it from there: a record that stands
is passed over quickly, and none that was written to is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from salus.app.house import House
from salus.app.serving import state as server_state
from salus.fhir import json
from salus.record.state import Kind

MOST = 1_000
"""Records that wait at once; the log is followed no further while there are so many."""
SPAN = 20_000
"""Entries of the log that are looked at in one go."""
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
"""How long a record that could not be brought up to date waits for the next time: twice as long each time."""
MARK = Kind("followed", 1)
_FOR_EVER = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class _Failing:
    """``entry`` is the first entry of the log that was not looked at."""

    entry: int
    times: int
    due: datetime


class Backlog:
    """The records that wait, each once, in the order in which they were first written to. One thread's."""

    def __init__(self) -> None:
        self._followed: int | None = None
        self._kept = -1
        self._waiting: OrderedDict[str, int] = OrderedDict()
        self._begun: dict[str, int] = {}
        self._failing: OrderedDict[str, _Failing] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many records wait, or are being brought up to date."""
        return len(self._waiting) + len(self._begun)

    @property
    def failing(self) -> int:
        """How many could not be brought up to date the last time."""
        return len(self._failing)

    def follow(self, house: House) -> None:
        """Take in what was written since the last time, as far as there is room."""
        if self._followed is None:
            self._followed = self._kept = _kept(house)
        room = MOST - len(self._waiting)
        if room <= 0:
            return
        found, self._followed = house.log.written_after(house.store.connection, self._followed, SPAN, room)
        for n, patient in found:
            self._waiting.setdefault(patient, n)

    def take(self, now: datetime) -> str | None:
        """The next record to bring up to date that is not under way already; None where there is none."""
        for patient in [p for p, failing in self._failing.items() if failing.due <= now]:
            self._waiting.setdefault(patient, self._failing[patient].entry)
        found = next((p for p in self._waiting if p not in self._begun and self._is_due(p, now)), None)
        if found is not None:
            self._begun[found] = self._waiting.pop(found)
        return found

    def done(self, patient: str) -> None:
        """A record is up to date with what was written before it was taken."""
        self._begun.pop(patient, None)
        self._failing.pop(patient, None)

    def put_back(self, patient: str) -> None:
        """Give back a record that was taken, because there was no room for it."""
        self._waiting[patient] = self._begun.pop(patient)
        self._waiting.move_to_end(patient, last=False)

    def failed(self, patient: str, now: datetime) -> None:
        """A record could not be brought up to date: it waits for its next time, longer each time."""
        entry, before = self._begun.pop(patient), self._failing.pop(patient, None)
        times = before.times + 1 if before else 1
        wait = min(FIRST_WAIT * 2 ** min(times - 1, 10), LONGEST_WAIT)
        self._failing[patient] = _Failing(min(entry, before.entry) if before else entry, times, now + wait)
        while len(self._failing) > MOST:
            self._failing.popitem(last=False)

    def keep(self, house: House) -> None:
        """Write down how far everything is done, where that is further than what is written down."""
        entries = [*self._waiting.values(), *self._begun.values(), *(f.entry for f in self._failing.values())]
        done = min(entries, default=(self._followed if self._followed is not None else -1) + 1) - 1
        if done <= self._kept:
            return
        now = house.clock()
        with server_state.writing(house) as state:
            state.put(MARK, "", "", json.dumps({"entry": done}), now + _FOR_EVER, now)
        self._kept = done

    def _is_due(self, patient: str, now: datetime) -> bool:
        failing = self._failing.get(patient)
        return failing is None or failing.due <= now


def _kept(house: House) -> int:
    """How far the log was followed, as it was written down; -1: not at all."""
    kept = server_state.reading(house).find(MARK, "", house.clock())
    newest = house.log.newest(house.store.connection)
    found = int(json.loads(kept.body)["entry"]) if kept else -1
    return found if newest is not None and found < newest.size else -1
