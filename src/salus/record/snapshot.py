"""The answers of a record to the questions of a chart: the resources that each rests on, and the result.

An :class:`Answer` knows the resources it rests on before any of them is opened: their marks alone show whether the
answer is still the same.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar, overload

from salus.errors import MethodError
from salus.fhir import blobs, views
from salus.fhir.blobs import Blob
from salus.fhir.columns import micros, moment
from salus.fhir.dates import Span
from salus.fhir.medications import Medication, medication, modified, unread
from salus.fhir.mentions import MENTIONING, mentions
from salus.fhir.views import Body, Condition, Observation
from salus.record import pages
from salus.record.contents import Contents, Entry, Row, opened
from salus.record.doubles import COUNTS
from salus.record.facts import EVENTS, Is
from salus.record.moment import Horizon
from salus.record.pages import Arrays, Pages, Readings, Single, may_be_doubled
from salus.record.results import Results
from salus.record.series import Held
from salus.record.summaries import By, Summaries

K = TypeVar("K")
V = TypeVar("V")
MEDICATIONS = ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration")
OUTDATED = ("MedicationPrescription",)
"""Resource types older than FHIR DSTU2. salus does not read them: each entry counts as not understood."""
_EARLIEST = -1 << 62


class Answer:
    """The answer to a question. Its result is made when it is first asked for.

    ``digest`` (SHA-256, hex) covers what the answer rests on: the reference and mark of each row, and ``words`` where
    the marks alone do not determine the result. ``categories`` are the kinds of data in those rows.
    """

    def __init__(self, rows: Iterable[Row], make: Callable[[], Any], *words: str) -> None:
        lines, touched = [], set[frozenset[str]]()
        for row in rows:
            lines.append(row.line)
            touched.add(row.categories)
        self.digest = hashlib.sha256(b"".join(lines) + "\n".join(words).encode()).hexdigest()
        self.categories = frozenset[str]().union(*touched)
        self._make = make

    @cached_property
    def result(self) -> Any:
        """The result, as ``make`` returned it."""
        return self._make()


class Seen(Sequence[V]):
    """The views of some rows. A row is opened when its view is asked for, so ``[-1:]`` opens the last one only."""

    def __init__(self, rows: Sequence[Row], view: Callable[[views.Source, Body], V]) -> None:
        self.rows, self._view = rows, view

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> V: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[V, ...]: ...
    def __getitem__(self, place: int | slice) -> V | tuple[V, ...]:
        if isinstance(place, slice):
            return tuple(row.seen(self._view) for row in opened(self.rows[place]))
        return self.rows[place].seen(self._view)

    def __iter__(self) -> Iterator[V]:
        return (row.seen(self._view) for row in opened(self.rows))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple | Seen) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


class Snapshot:
    """One record at one moment, ``now``. Each question is answered once; ``horizon`` notes until when answers hold."""

    def __init__(self, contents: Contents, now: datetime, loader: Callable[[str], bytes]) -> None:
        self.contents = contents
        self.now = now
        self.horizon = Horizon(now)
        self._now = micros(now)
        self.load = loader
        self._kept: dict[str, Any] = {}
        self._answers: dict[tuple[str, tuple[str, ...]], Answer] = {}

    def answer(self, accessor: str, arguments: tuple[str, ...]) -> Answer:
        """The answer to a question: the name of an accessor of the chart, and its arguments as texts."""
        found = self._answers.get((accessor, arguments))
        if found is None:
            found = self._answers[accessor, arguments] = _QUESTIONS[accessor](self, *arguments)
        return found

    def kept(self, name: str, make: Callable[[], K]) -> K:
        """The result of ``make``, computed once and kept under ``name``."""
        if name not in self._kept:
            self._kept[name] = make()
        found: K = self._kept[name]
        return found

    def find(self, reference: str) -> Entry | None:
        """The resource that a relative reference names; None where there is none."""
        row = self.contents.find(reference)
        return None if row is None else row.entry

    def newest(self) -> dict[str, Observation]:
        """The newest usable observation of each concept, as its own name or as a component."""
        reader = self.contents.reader
        rows = dict(self._results.newest)
        found = {name: row.seen(reader.observation) for name, row in zip(rows, opened(rows.values()), strict=True)}
        for name in dict.fromkeys(n for row in self.contents.blocks for n in _names(row)):
            for last in (*self._observations(name, "").result[-1:], *self._panels(name).result[-1:]):
                if name not in found or _order(last) > _order(found[name]):
                    found[name] = last
        return found

    # ---- the questions

    def _patient(self) -> Answer:
        rows = self._readable("Patient")[:1]
        found = tuple(row.seen(views.patient) for row in rows)
        if found and found[0].deceased_at and not self._past(found[0].deceased_at):
            found = (replace(found[0], deceased=False),)  # the snapshot is of a moment before the death
        # whether the person has died depends on the moment, not only on the resource
        return Answer(rows, lambda: found, *(str(p.deceased) for p in found))

    def _observations(self, concept: str, since: str) -> Answer:
        earliest = micros(datetime.fromisoformat(since)) if since else None
        own = self._results.own.get(concept, ())
        return self._told(concept, self._held(concept, own=True), own, earliest)

    def _panels(self, concept: str) -> Answer:
        parts = self._results.parts.get(concept, ())
        return self._told(f"panels {concept}", self._held(concept, own=False), parts, None)

    def _latest(self, concept: str) -> Answer:
        found = self._observations(concept, "").result
        if isinstance(found, Seen):
            return self._as_seen(found.rows[-1:], self.contents.reader.observation)
        last = found.last()
        if last is None:
            return Answer((), tuple)
        newest = pages.view(last)
        return Answer([last[2].row], lambda: (newest,), newest.source.ref)

    def _readings(self, concept: str, unit: str, start: str, end: str) -> Answer:
        told = self._all_of(concept, start, end)
        return _of_readings(told, lambda: Arrays.of(told, concept, unit))

    def _summaries(self, concept: str, unit: str, by: By, start: str, end: str) -> Answer:
        if by not in ("hour", "day"):
            raise MethodError(f"no summaries by {by!r}", remedy='by "hour" or "day"')
        told = self._all_of(concept, start, end)
        return _of_readings(told, lambda: Summaries.of(told, concept, unit, by))

    def _unread_observations(self) -> Answer:
        return self._as_seen(self._results.unread, self.contents.reader.observation)

    def _modified(self, kind: str) -> Answer:
        if kind in MEDICATIONS:
            rows = [row for row in opened(self.contents.of(kind)) if modified(row.entry[1], self.find)]
        else:
            rows = [row for row in self.contents.of(kind) if kind in OUTDATED or row.facts.has(Is.MODIFIED)]
        return Answer(rows, lambda: tuple(unread(*row.entry) for row in opened(rows)))

    def _conditions(self) -> Answer:
        found = [(row, c) for row, c in self._diagnosed if self._past(c.onset or c.recorded)]
        rows = sorted(found, key=lambda told: (_start(told[1].onset or told[1].recorded), told[0].ref))
        return _of_pairs(rows)

    def _future(self) -> Answer:
        found = [(row, c) for row, c in self._diagnosed if not self._past(c.onset) and self._past(c.recorded)]
        return _of_pairs(sorted(found, key=lambda told: told[0].ref))

    @property
    def _diagnosed(self) -> list[tuple[Row, Condition]]:
        """The problems without those entered in error."""
        found = ((row, row.seen(views.condition)) for row in self._readable("Condition"))
        return self.kept("conditions", lambda: [each for each in found if each[1].verification != "entered-in-error"])

    def _mentions(self) -> Answer:
        rows = [row for row in self.contents.of(*MENTIONING) if row.facts.has(Is.MENTIONING)]
        past = [row for row in rows if self._is_past(row.facts.mentioned)]
        return Answer(past, lambda: tuple(m for row in opened(past) for m in mentions(*row.entry)))

    def _medications(self) -> Answer:
        seen = ((row, row.seen(self._medication)) for row in self._readable(*MEDICATIONS))
        found = [told for told in seen if told[1].status != "entered-in-error" and self._past(told[1].period)]
        rows = sorted(found, key=lambda told: (_start(told[1].period), told[0].ref))
        named = [self.contents.find(m.named.ref) if m.named else None for _, m in rows]
        words = ("" if of is None else f"{of.ref} {of.mark}" for of in named)  # the medicine that a prescription names
        return Answer((row for row, _ in rows), lambda: tuple(m for _, m in rows), *words)

    def _medication(self, source: views.Source, body: Body) -> Medication:
        return medication(source, body, self.find)

    def _events(self, kind: str) -> Answer:
        if kind not in EVENTS:
            raise MethodError(f"the chart has no events of kind {kind!r}", remedy=f"one of {', '.join(EVENTS)}")
        rows = [row for row in self.contents.of(kind) if not row.facts.has(Is.ERROR | Is.MODIFIED)]
        past = [row for row in rows if self._is_past(row.facts.start)]
        past.sort(key=lambda row: (_EARLIEST if row.facts.start is None else row.facts.start, row.ref))
        return self._as_seen(past, self.contents.reader.event)

    def _blobs(self, kind: str) -> Answer:
        found = [(row, b) for row, b in self._files if b.kind == kind and self._past(b.effective)]
        return _of_pairs(sorted(found, key=lambda told: (_start(told[1].effective), told[0].ref)))

    @property
    def _files(self) -> list[tuple[Row, Blob]]:
        def make() -> list[tuple[Row, Blob]]:
            found = ((row, blobs.blob(*row.entry, self.load)) for row in opened(self.contents.of("DocumentReference")))
            return [(row, blob) for row, blob in found if blob is not None]

        return self.kept("blobs", make)

    # ----

    def _readable(self, *kinds: str) -> list[Row]:
        """The rows of some types, opened, without those with a modifier, which may reverse their meaning."""
        return [row for row in opened(self.contents.of(*kinds)) if not modified(row.entry[1], self.find)]

    @property
    def _results(self) -> Results:
        return self.kept("results", lambda: Results(self.contents.results, self._is_past))

    def _held(self, concept: str, *, own: bool | None) -> list[Held]:
        """The blocks of a concept: under its own name (``own`` true), as a part of panels (false), or both (None)."""
        kinds = ((row, row.facts.kind) for row in self.contents.blocks)
        rows = [
            row
            for row, kind in kinds
            if (own is not False and concept in kind.concepts) or (own is not True and concept in kind.parts)
        ]
        return [self.kept(f"block {row.ref}", lambda row=row: Held(row, self.contents.reader)) for row in rows]  # type: ignore[misc]

    def _told(self, name: str, held: Sequence[Held], rows: Sequence[Row], since: int | None) -> Answer:
        """The answer for the blocks and rows of a name since a time; without blocks or doubles, the rows themselves."""
        view = self.contents.reader.observation
        if not held and not may_be_doubled(rows):
            first = 0 if since is None else bisect_left(rows, since, key=lambda row: row.start)
            return self._as_seen(rows[first:], view)
        told = Readings(self._pages(name, held, [Single(row, view) for row in rows]), since, self._now + 1)
        return _of_readings(told, lambda: told)

    def _as_seen(self, rows: Sequence[Row], view: Callable[[views.Source, Body], V]) -> Answer:
        return Answer(rows, lambda: Seen(rows, view))

    def _pages(self, name: str, held: Sequence[Held], single: Sequence[Single]) -> Pages:
        def make() -> Pages:
            found = Pages(held, single, counts=name.rpartition(" ")[2] in COUNTS)
            coming = found.next_after(self._now)
            if coming is not None:
                self.horizon.limit(moment(coming) - self.now)
            return found

        return self.kept(f"pages {name}", make)

    def _all_of(self, concept: str, start: str, end: str) -> Readings:
        """The readings of a concept, by its own name or as a part of a panel, from ``start`` on and before ``end``."""
        rows = (*self._results.own.get(concept, ()), *self._results.parts.get(concept, ()))
        single = [Single(row, self.contents.reader.observation) for row in rows]
        until = min(micros(datetime.fromisoformat(end)), self._now + 1)
        pages = self._pages(f"all {concept}", self._held(concept, own=None), single)
        return Readings(pages, micros(datetime.fromisoformat(start)), until)

    def _past(self, span: Span | None) -> bool:
        return self._is_past(None if span is None else micros(span.start))

    def _is_past(self, start: int | None) -> bool:
        """Whether ``start`` (microseconds since 1970) has been reached; true for None, which is no date."""
        if start is None or start <= self._now:
            return True
        self.horizon.limit(moment(start) - self.now)
        return False


def _of_pairs(pairs: Sequence[tuple[Row, Any]]) -> Answer:
    return Answer((row for row, _ in pairs), lambda: tuple(item for _, item in pairs))


def _of_readings(told: Readings, make: Callable[[], Any]) -> Answer:
    """An answer that rests on the rows of the pages asked for and of the pages beside them.

    The digest also covers the number of pages asked for, which determines the last one, and how many readings of that
    last page have come already.
    """
    return Answer(told.rows, make, str(len(told.numbers)), "all" if told.come is None else str(told.come))


def _names(row: Row) -> tuple[str, ...]:
    return row.facts.kind.concepts + row.facts.kind.parts


def _start(span: Span | None) -> int:
    return _EARLIEST if span is None else micros(span.start)


def _order(observation: Observation) -> tuple[int, str]:
    return _start(observation.effective), observation.source.ref


_QUESTIONS: Mapping[str, Callable[..., Answer]] = {
    "patient": Snapshot._patient,
    "observations": Snapshot._observations,
    "latest": Snapshot._latest,
    "panels": Snapshot._panels,
    "readings": Snapshot._readings,
    "summaries": Snapshot._summaries,
    "unread_observations": Snapshot._unread_observations,
    "modified": Snapshot._modified,
    "conditions": Snapshot._conditions,
    "future": Snapshot._future,
    "mentions": Snapshot._mentions,
    "medications": Snapshot._medications,
    "events": Snapshot._events,
    "notes": lambda snapshot: snapshot._blobs("note"),
    "genome": lambda snapshot: snapshot._blobs("genome"),
    "images": lambda snapshot: snapshot._blobs("image"),
    "signals": Snapshot._blobs,
}
