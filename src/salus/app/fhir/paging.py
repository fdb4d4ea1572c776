"""From what was found to pages of resources: the first one, and later ones, each of which passes the gate anew."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, lru_cache
from itertools import groupby, islice
from typing import Any

from salus.app.fhir import across as fhir_across
from salus.app.fhir.across import Across, Looked, too_many
from salus.app.fhir.pages import LIFE, Hit, Result
from salus.app.fhir.query import UPDATED, Query, parse
from salus.app.fhir.readings import Wanted, single
from salus.app.fhir.released import FINDINGS_IN
from salus.app.fhir.walk import Opened, Walk
from salus.errors import AccessError
from salus.fhir import series
from salus.fhir.columns import micros
from salus.findings import fhir as findings_fhir
from salus.record import planner, search
from salus.record.reading import Stored
from salus.trust.grants import Grant

OPEN = 128
"""Blocks that stay open while a page is made."""
Pair = tuple[Hit, Stored | None]
GrantOf = Callable[[str], Grant | None]
"""The grant over a patient's record; None where nothing is released."""


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a search result. ``next`` names the following page, "" where there is none.

    ``withheld`` are the kinds of data that the patient withholds and lets the reader be told of; told on first pages.
    """

    entries: tuple[Stored, ...]
    total: int | None
    next: str = ""
    withheld: tuple[str, ...] = ()


class Paging(Across):
    """Pages of results."""

    def page(self, name: str) -> Page:
        """A later page. Raises Expired; what is no longer released is left out."""
        result = self._cache.pages.find(self._house, name, self._session.actor.id)
        self._purpose = result.purpose
        query = parse(result.kind, result.asked, lenient=True) if result.kind else Query("")
        grant_of = cache(self._decided)
        shown, left = step(result, self._walk(query, result.hits, grant_of, () if result.across else None))
        again = self._again([hit for hit, _ in shown if not hit.series], grant_of)
        entries = _in_place(shown, self._once(again) if result.across else again)
        missing = result.count - len(shown)
        if missing and result.onward is not None:
            looked = self._look(query, result.onward, missing)
            more = self._single(looked)
            left = replace(left, hits=tuple(hit for hit, _ in more), start=0, onward=looked.onward, name="")
            walk = self._walk(query, left.hits, looked.grants.get, looked.grants)
            shown, left = step(left, walk, missing)
            entries += _in_place(shown, self._entries(_with(shown, more), looked))
        return self._told(left, entries)

    def _first_page(self, query: Query, looked: Looked, total: int | None) -> Page:
        """The first page; ``total`` is None where it is not known yet, or not asked for."""
        found = self._single(looked)
        if query.sort:
            found = self._in_order(found, query, looked)
        hits = tuple(hit for hit, _ in found)
        walk = self._walk(query, hits, looked.grants.get, looked.grants if looked.across else None)
        if query.total and total is None:
            total = walk.count()
        result = replace(self._result(hits, query.count), total=total, onward=looked.onward)
        result = replace(result, kind=query.kind, asked=query.asked, across=looked.across)
        shown, left = step(result, walk)
        return self._told(left, _in_place(shown, self._entries(_with(shown, found), looked)))

    def _result(self, hits: tuple[Hit, ...], count: int) -> Result:
        return Result(self._session.actor.id, self._purpose, hits, count, self._house.clock() + LIFE)

    def _told(self, left: Result, entries: Sequence[Stored]) -> Page:
        """A page, and the name of the next one where anything is left."""
        name = "" if left.over else self._cache.pages.keep(self._house, left)
        return Page(tuple(entries), left.total, name)

    # ---- counts

    def _counted(self, query: Query) -> int | None:
        """How many resources match, by the index alone; None where it does not tell.

        One entry of the log names everybody of whom any is counted. A block is one row of the index and many readings:
        people who have any that match are looked into one by one.
        """
        singular = query.kind in planner.ONE_CODE and not query.ids and not query.updated
        if not singular or not planner.exact(query.kind, query.clauses) or self._asks_for_findings(query):
            return None
        reach, house = self._reach(), self._house.gate.house(self._session.actor.id)
        if len(reach.singly) > fhir_across.EVERYWHERE:
            raise too_many()
        store = self._house.store
        inside = set(reach.singly)
        if query.kind == "Observation":
            inside |= store.beginning(
                house, reach, query.kind, query.clauses, series.ID_PREFIX, fhir_across.EVERYWHERE + 1
            )
        if len(inside) > fhir_across.EVERYWHERE:
            raise too_many()
        found = {
            pid: n for pid, n in store.counts(house, reach, query.kind, query.clauses).items() if pid not in inside
        }
        self._house.gate.note_counted(self._session.actor, self._purpose or "TREAT", found)
        singly = [store.patient_of(house, pid) for pid in sorted(inside)]
        return sum(found.values()) + sum(self._count_in(grant, query) for grant in self._grants(singly, named=False))

    def _count_in(self, grant: Grant, query: Query) -> int:
        """How many resources of one record match, readings one by one."""
        hits = [each for each, _ in self._hits(grant, query)]
        return self._walk(query, hits, {grant.patient: grant}.get, None).count()

    # ---- blocks of readings

    def _walk(self, query: Query, hits: Sequence[Hit], grant_of: GrantOf, known: Collection[str] | None) -> Walk:
        """The order of a result. ``known`` are the patients among whom doubles were settled; None: of a search that
        names its patients, in which there are none."""
        wanted, (name, newest) = Wanted.of(query), query.sort or ("", False)

        @lru_cache(maxsize=OPEN)
        def opened(hit: Hit) -> Opened | None:
            return self._block(hit, wanted, grant_of, known)

        return Walk(hits, wanted, opened, name == "date", newest)

    def _block(self, hit: Hit, wanted: Wanted, grant_of: GrantOf, known: Collection[str] | None) -> Opened | None:
        """What a hit with the id of a block holds; None where it is not released, or not what was asked for."""
        grant = grant_of(hit.patient)
        stored = None if grant is None else dict(self._reopen(grant, [hit])).get(hit)
        if stored is None or not wanted.fits(stored) or (known is not None and not self._once([(hit, stored)], known)):
            return None
        block = wanted.opened(stored)
        return (stored, block) if block is not None or wanted.fits_as_it_is(stored) else None

    # ---- resources again

    def _again(self, hits: Sequence[Hit], grant_of: GrantOf) -> list[tuple[Hit, Stored]]:
        """The listed versions of hits, as far as they are released now and were not withdrawn."""
        found: dict[Hit, Stored] = {}
        for patient, some in groupby(sorted(hits, key=lambda hit: hit.patient), lambda hit: hit.patient):
            if (grant := grant_of(patient)) is not None:
                found.update(self._reopen(grant, list(some)))
        return [(hit, found[hit]) for hit in hits if hit in found]

    def _decided(self, patient: str) -> Grant | None:
        try:
            return self._grant(patient)
        except AccessError:
            return None

    def _reopen(self, grant: Grant, hits: Sequence[Hit]) -> Iterator[tuple[Hit, Stored]]:
        kinds = sorted({each.ref.partition("/")[0] for each in hits})
        names = [each.ref.partition("/")[2] for each in hits]
        if FINDINGS_IN & set(kinds) and not all(each.series for each in hits):
            self._cache.bring_up_to_date(self._session, grant.patient)
        store = self._house.store
        current = {s.source.ref: s for s in self._released(grant, kinds, names)}
        for each in hits:
            now = current.get(each.ref)
            if now is not None and now.source.version != each.version and not findings_fhir.is_finding(now.body):
                now = next((s for s in store.versions(grant, each.ref) if s.source.version == each.version), None)
            if now is not None:
                yield each, now

    # ---- order

    def _in_order(self, found: Sequence[Pair], query: Query, looked: Looked) -> list[Pair]:
        """Hits as they are sorted, each with its place in time; what has none comes last either way."""
        assert query.sort is not None
        name, newest = query.sort
        spread = name == "date"
        stored: dict[Hit, Stored] = dict(self._opened([p for p in found if not p[0].series], looked.grants))
        times = {hit: _instant(each, query) for hit, each in stored.items()}
        if spread:
            times |= {hit: bound(hit, newest=newest) for hit, _ in found if hit.series}
        else:
            times |= self._times([hit for hit, _ in found if hit.series], query, looked)
        placed: list[Pair] = [(replace(hit, at=times[hit]), stored.get(hit)) for hit, _ in found if hit in times]
        known = sorted((p for p in placed if p[0].at is not None), key=lambda p: p[0].at or 0, reverse=newest)
        return known + [pair for pair in placed if pair[0].at is None]

    def _times(self, blocks: Sequence[Hit], query: Query, looked: Looked) -> dict[Hit, int | None]:
        """When blocks were written, by what a search is sorted by; few are open at once."""
        found: dict[Hit, int | None] = {}
        for start in range(0, len(blocks), OPEN):
            again = self._again(blocks[start : start + OPEN], looked.grants.get)
            found.update((hit, _instant(stored, query)) for hit, stored in again)
        return found


def step(result: Result, walk: Walk, most: int | None = None) -> tuple[list[Pair], Result]:
    """What the next places hold, readings made, and the result from behind them on."""
    places = walk.places(result.after)
    shown: list[Pair] = []
    at, n = result.start - 1, -1
    for at, n in islice(places, result.count if most is None else most):
        hit = walk.hits[at]
        opened = walk.open(hit) if hit.series else None
        shown.append((hit, made(opened, n)))
    if next(places, None) is None:
        return shown, replace(result, start=len(result.hits), reading=-1, ended=True)
    return shown, replace(result, start=at if n >= 0 else at + 1, reading=n, ended=False)


def bound(hit: Hit, *, newest: bool) -> int | None:
    """Where the first of a block's readings can stand."""
    stretch = series.stretch_in(hit.ref.partition("/")[2])
    return None if stretch is None else stretch[1] - 1 if newest else stretch[0]


def _instant(stored: Stored, query: Query) -> int | None:
    """When a resource begins, by what a search is sorted by; None where it has no such date."""
    name, _ = query.sort or (UPDATED.name, False)
    elements: list[Any] = [stored.updated]
    if name != UPDATED.name:
        paths = search.types()[query.kind][name].paths
        elements = [e for path in paths for e in search.elements(stored.body, path)]
    begun: list[datetime] = [span.start for e in elements if (span := search.span(e)) is not None]
    return micros(max(begun)) if begun else None


def made(opened: Opened | None, n: int) -> Stored | None:
    """What is shown at a place: a reading, or a block as it is; None for what is still to be opened."""
    if opened is None:
        return None
    stored, block = opened
    return stored if block is None else single(stored, block, n)


def _with(shown: Sequence[Pair], found: Sequence[Pair]) -> list[Pair]:
    """The hits of a page that are no blocks, with what was opened of them before."""
    opened = dict(found)
    return [(hit, opened[hit]) for hit, _ in shown if not hit.series]


def _in_place(shown: Sequence[Pair], opened: Sequence[tuple[Hit, Stored]]) -> list[Stored]:
    """The entries of a page in their order, without what could not be opened."""
    found = dict(opened)
    entries = (found.get(hit) if stored is None else stored for hit, stored in shown)
    return [stored for stored in entries if stored is not None]
