"""The record as FHIR resources for one signed-in actor: read, history, search, everything. The gate stands before all.

Denied and absent get the same answer. Findings are brought up to date before any is shown, so that one that no longer
holds is never served; a finding is served only to a reader whose scope covers all that it was drawn from.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from salus.app.fhir.across import Across, Looked, check_number
from salus.app.fhir.pages import LIFE, Hit, Result
from salus.app.fhir.query import ID, TYPE, Query, parse
from salus.app.fhir.released import FINDINGS_IN, hit, may_be_findings
from salus.app.refusals import Ambiguous
from salus.errors import AccessError, InputError
from salus.fhir import json, series
from salus.findings import fhir as findings_fhir
from salus.record import search
from salus.record.reading import Stored
from salus.trust import glass
from salus.trust.grants import Grant, not_released

MAX_HOLDERS = 10_000
"""How many records that hold an id are decided on, as a bound of the work that one question makes: every one of them,
so that the answer depends on those that are released alone. An id that more of them hold is found by nobody."""
EVEN = 0.04
"""Seconds between the moments at which a refusal of one resource is answered: some times what it takes."""
BLUR = 0.004
"""Seconds up to which it is answered later, at random: what work leaves in the processor's caches shows afterwards."""


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a search result. ``next`` names the following page, "" where there is none.

    ``withheld`` are the kinds of data that the patient withholds and lets the reader be told of; told on first pages.
    """

    entries: tuple[Stored, ...]
    total: int | None
    next: str = ""
    withheld: tuple[str, ...] = ()


class Records(Across):
    """FHIR reads of one session, for one purpose of use (None: the actor's usual one)."""

    # ---- one resource

    def read(self, kind: str, name: str) -> Stored:
        """The current version. Raises AccessError where absent or not released, Ambiguous where several records fit.

        A single reading is read by the id under which its block holds it (:mod:`salus.fhir.series`).
        """
        begun = time.monotonic()
        block, stamp = series.split(name) if kind == "Observation" else ("", "")
        stamp = stamp if series.BLOCK_ID.fullmatch(block) else ""
        held = block if stamp else name
        found = [s for grant in self._grants_for(kind, held) for s in self._current(grant, kind, [held])]
        return _only([one for s in found if (one := _reading(s, name))] if stamp else found, begun)

    def version(self, kind: str, name: str, version: int) -> Stored:
        """One version of a resource. Of a finding only the current one is served."""
        return _only([s for s in self.history(kind, name) if s.source.version == version and not s.deleted])

    def history(self, kind: str, name: str) -> list[Stored]:
        """Every version, newest first; no past is told of a finding or of what is deleted. Raises like :meth:`read`."""
        begun = time.monotonic()
        current = [(grant, s) for grant in self._grants_for(kind, name) for s in self._current(grant, kind, [name])]
        last = _only([s for _, s in current], begun)
        if findings_fhir.is_finding(last.body):
            return [last]
        return self._house.store.versions(current[0][0], f"{kind}/{name}")[::-1]

    # ---- many resources

    def search(self, query: Query) -> Page:
        """The first page of a search; of patients who release nothing, nothing is found."""
        glass.refuse(self._purpose)
        named = self._candidates(query)
        if named is None:
            return self._page_across(query)
        looked = Looked()
        for grant in self._grants(named):
            looked.grants[grant.patient] = grant
            looked.hits += self._hits(grant, query)
            check_number(looked.hits)
        page = self._first_page(query, looked, len(looked.hits) if query.total else None)
        return replace(page, withheld=_withheld(query, looked.grants.values()))

    def _page_across(self, query: Query) -> Page:
        """The first page of a search that names no patient."""
        total = self._counted(query) if query.total else None
        if query.sort or (query.total and total is None):
            looked = self._look_everywhere(query)
            total = len(looked.hits) if query.total else None
        else:
            looked = self._look(query, -1, query.count) if query.count else Looked()
        return self._first_page(query, looked, total)

    def everything(self, patient: str, kinds: frozenset[str] | None, count: int) -> Page:
        """All that is released of one patient, the Patient resource first. Raises AccessError."""
        glass.refuse(self._purpose)
        grant = self._grant(patient)
        self._desk.bring_up_to_date(self._session, patient)
        stored = self._released(grant, sorted(kinds) if kinds is not None else ())
        stored.sort(key=lambda s: not s.source.ref.startswith("Patient/"))
        hits = tuple(hit(patient, s) for s in stored)
        page = self._page(self._result(hits, count), stored[:count])
        return replace(page, withheld=tuple(sorted(grant.flagged)))

    def page(self, name: str) -> Page:
        """A later page. Raises Expired; what is no longer released is left out."""
        result = self._desk.pages.find(self._house, name, self._session.actor.id)
        self._purpose = result.purpose
        shown = result.hits[result.start : result.start + result.count]
        by_patient: dict[str, list[Hit]] = {}
        for each in shown:
            by_patient.setdefault(each.patient, []).append(each)
        found = {hit: s for patient, hits in by_patient.items() for hit, s in self._reopen(patient, hits)}
        still = [(h, found[h]) for h in shown if h in found]
        entries = self._once(still) if result.kind else [stored for _, stored in still]
        missing = result.count - len(shown)
        result = replace(result, start=result.start + len(shown))
        if missing and result.onward is not None:
            looked = self._look(parse(result.kind, result.asked, lenient=True), result.onward, missing)
            more = self._single(looked)
            entries += self._entries(more[:missing], looked)
            left = tuple(each for each, _ in more)
            result = replace(result, hits=left, start=min(missing, len(left)), onward=looked.onward, name="")
        return self._next(result, entries)

    # ----

    def _grants_for(self, kind: str, name: str) -> list[Grant]:
        """Grants over the records that may hold a resource. Where none does, the question is logged all the same."""
        if not TYPE.match(kind) or not ID.match(name):
            raise not_released()
        candidates = [name] if kind == "Patient" else self._holders(kind, name)
        if not candidates:
            self._ask_for_nobody(f"{kind}/{name}")
        return self._grants(candidates)

    def _holders(self, kind: str, name: str) -> list[str]:
        scope = self._house.gate.house(self._session.actor.id)
        found = self._house.store.holders(scope, kind, name, MAX_HOLDERS + 1)
        return found if len(found) <= MAX_HOLDERS else []

    def _current(self, grant: Grant, kind: str, ids: Sequence[str]) -> list[Stored]:
        if kind in FINDINGS_IN and may_be_findings(ids):
            self._desk.bring_up_to_date(self._session, grant.patient)
        return self._released(grant, (kind,), ids)

    def _candidates(self, query: Query) -> list[str] | None:
        """The patients whose records a search looks into; None where it names none."""
        scope = self._house.gate.house(self._session.actor.id)
        restricted = [s for s in (query.patients, query.ids if query.kind == "Patient" else None) if s is not None]
        if query.identifiers:
            store = self._house.store
            restricted.append(
                frozenset(p for t in query.identifiers for p in store.find_identifier(scope, t.system or "", t.code))
            )
        elif query.ids is not None and query.kind != "Patient" and not restricted:
            restricted.append(frozenset(p for name in query.ids for p in self._holders(query.kind, name)))
        if not restricted:
            return None
        found = sorted(frozenset.intersection(*restricted))
        if len(found) > MAX_HOLDERS:
            raise InputError("the search names too many patients", remedy="name fewer")
        if not found:
            self._ask_for_nobody(f"{query.kind}?")
        return found

    def _first_page(self, query: Query, looked: Looked, total: int | None) -> Page:
        if query.sort:
            looked.hits = [*_sorted(self._opened(looked.hits, looked.grants), query.kind, *query.sort)]
        hits = self._single(looked)
        entries = self._entries(hits[: query.count], looked)
        result = self._result(tuple(each for each, _ in hits), query.count)
        kind, asked = (query.kind, query.asked) if looked.across else ("", ())
        return self._page(replace(result, total=total, onward=looked.onward, kind=kind, asked=asked), entries)

    def _result(self, hits: tuple[Hit, ...], count: int) -> Result:
        return Result(self._session.actor.id, self._purpose, hits, count, self._house.clock() + LIFE)

    def _page(self, result: Result, entries: Sequence[Stored]) -> Page:
        """The first page of a result."""
        return self._next(replace(result, start=min(result.count, len(result.hits))), entries)

    def _next(self, result: Result, entries: Sequence[Stored]) -> Page:
        name = "" if result.over else self._desk.pages.keep(self._house, result)
        return Page(tuple(entries), result.total, name)

    def _reopen(self, patient: str, hits: Sequence[Hit]) -> Iterator[tuple[Hit, Stored]]:
        """The listed versions of one patient's hits, as far as they are released now and were not withdrawn."""
        try:
            grant = self._grant(patient)
        except AccessError:
            return
        kinds = sorted({each.ref.partition("/")[0] for each in hits})
        if FINDINGS_IN & set(kinds):
            self._desk.bring_up_to_date(self._session, patient)
        store = self._house.store
        names = [each.ref.partition("/")[2] for each in hits]
        current = {s.source.ref: s for s in self._released(grant, kinds, names)}
        for each in hits:
            now = current.get(each.ref)
            if now is not None and now.source.version != each.version and not findings_fhir.is_finding(now.body):
                now = next((s for s in store.versions(grant, each.ref) if s.source.version == each.version), None)
            if now is not None:
                yield each, now


def _reading(block: Stored, name: str) -> Stored | None:
    """One reading of a block as a resource of its own; None where the block has none of that id."""
    body = series.find(block.body, name) if series.is_block(block.body) else None
    if body is None:
        return None
    source = replace(block.source, ref=f"Observation/{name}")
    return replace(block, source=source, body=body, data=json.dumps(body))


def _only(found: Sequence[Stored], begun: float | None = None) -> Stored:
    """The one that was found. What is not there and what is not released are refused after the same time: at the next
    of some even moments since ``begun``."""
    if not found:
        if begun is not None:
            blur = random.SystemRandom().uniform(0, BLUR)
            time.sleep(EVEN - (time.monotonic() - begun) % EVEN + blur)
        raise not_released()
    if len({s.source.digest for s in found}) > 1:
        raise Ambiguous("several records hold this id", remedy="search with patient=ID and _id=ID")
    return found[0]


def _withheld(query: Query, grants: Iterable[Grant]) -> tuple[str, ...]:
    """What a search tells that its patient withholds: of one who is named, where anything is released of him.

    It is told of every type that is about a patient, so that it depends on nothing that is in the record.
    """
    if query.kind == "Patient" or query.patients is None or len(query.patients) != 1 or query.count == 0:
        return ()
    return tuple(sorted(kind for grant in grants for kind in grant.flagged))


def _sorted(hits: list[tuple[Hit, Stored]], kind: str, name: str, newest: bool) -> list[tuple[Hit, Stored]]:
    """By date; what has none comes last either way."""

    def moment(stored: Stored) -> datetime | None:
        if name == "_lastUpdated":
            found = search.span(stored.updated)
            return found.start if found else None
        paths = search.types()[kind][name].paths
        spans = [search.span(e) for path in paths for e in search.elements(stored.body, path)]
        return max((s.start for s in spans if s), default=None)

    dated: list[tuple[Any, tuple[Hit, Stored]]] = [(moment(pair[1]), pair) for pair in hits]
    known = sorted((d for d in dated if d[0] is not None), key=lambda d: d[0], reverse=newest)
    return [pair for _, pair in known] + [pair for when, pair in dated if when is None]
