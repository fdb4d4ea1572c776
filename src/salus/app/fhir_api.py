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

from salus.app.desk import Desk
from salus.app.fhir_findings import is_own
from salus.app.fhir_pages import LIFE, Hit, Result
from salus.app.fhir_query import ID, TYPE, Query
from salus.app.refusals import Ambiguous
from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.fhir.views import OWN_ID
from salus.findings import fhir as findings_fhir
from salus.record import search
from salus.record.reading import Stored
from salus.trust import glass
from salus.trust.grants import Grant, not_released

MAX_HOLDERS = 10_000
"""How many records that hold an id are decided on, as a bound of the work that one question makes: every one of them,
so that the answer depends on those that are released alone. An id that more of them hold is found by nobody."""
MAX_PATIENTS = 200
"""The largest store (in patients) that is searched without naming a patient, and how many a search may name."""
MAX_HITS = 10_000
FINDINGS_IN = frozenset({"Observation", "RiskAssessment", "Provenance"})
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


class Records:
    """FHIR reads of one session, for one purpose of use (None: the actor's usual one)."""

    def __init__(self, session: Session, desk: Desk, purpose: str | None = None) -> None:
        self._session = session
        self._house = session.house
        self._desk = desk
        self._purpose = purpose
        self._findings: dict[str, tuple[Stored, ...] | None] = {}

    # ---- one resource

    def read(self, kind: str, name: str) -> Stored:
        """The current version. Raises AccessError where absent or not released, Ambiguous where several records fit."""
        begun = time.monotonic()
        found = [s for grant in self._grants_for(kind, name) for s in self._current(grant, kind, [name])]
        return _only(found, begun)

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
        grants = self._grants(self._candidates(query))
        if len(grants) == 1 and not query.clauses and not query.sort:
            page = self._listed_page(grants[0], query)
        else:
            page = self._opened_page(grants, query)
        return replace(page, withheld=_withheld(query, grants))

    def _listed_page(self, grant: Grant, query: Query) -> Page:
        """The first page of a search that asks for all of a type in one record: only what it shows is opened."""
        if query.kind in FINDINGS_IN:
            self._desk.bring_up_to_date(self._session, grant.patient)
        store, ids = self._house.store, sorted(query.ids or ())
        own = self._own_among(grant, (query.kind,), ids)
        listed = store.listed(grant, query.kind, ids)
        hits = [Hit(grant.patient, ref, n) for ref, n in listed if own is None or not is_own(ref)]
        hits += [_hit(grant.patient, s) for s in own or ()]
        _check_number(hits)
        opened = {s.source.ref: s for s in own or ()}
        shown = [hit.ref for hit in hits[: query.count]]
        if names := [ref.partition("/")[2] for ref in shown if ref not in opened]:
            opened |= {s.source.ref: s for s in store.read(grant, (query.kind,), names)}
        return self._first_page(hits, [opened[ref] for ref in shown if ref in opened], query.count, total=query.total)

    def _opened_page(self, grants: Sequence[Grant], query: Query) -> Page:
        """The first page of a search whose every match is looked into."""
        found: list[tuple[Hit, Stored]] = []
        for grant in grants:
            found += [(_hit(grant.patient, s), s) for s in self._matching(grant, query)]
            _check_number(found)
        if query.sort:
            found = _sorted(found, query.kind, *query.sort)
        found = _distinct(found)
        return self._first_page(
            [hit for hit, _ in found], [s for _, s in found[: query.count]], query.count, total=query.total
        )

    def everything(self, patient: str, kinds: frozenset[str] | None, count: int) -> Page:
        """All that is released of one patient, the Patient resource first. Raises AccessError."""
        glass.refuse(self._purpose)
        grant = self._grant(patient)
        self._desk.bring_up_to_date(self._session, patient)
        stored = self._released(grant, sorted(kinds) if kinds is not None else ())
        stored.sort(key=lambda s: not s.source.ref.startswith("Patient/"))
        page = self._first_page([_hit(patient, s) for s in stored], stored[:count], count, total=False)
        return replace(page, withheld=tuple(sorted(grant.flagged)))

    def page(self, name: str) -> Page:
        """A later page. Raises Expired; what is no longer released is left out."""
        result = self._desk.pages.find(name, self._session.actor.id, self._house.clock())
        self._purpose = result.purpose
        shown = result.hits[result.start : result.start + result.count]
        by_patient: dict[str, list[Hit]] = {}
        for hit in shown:
            by_patient.setdefault(hit.patient, []).append(hit)
        found = {hit: s for patient, hits in by_patient.items() for hit, s in self._reopen(patient, hits)}
        return self._page(replace(result, start=result.start + len(shown)), [found[h] for h in shown if h in found])

    # ----

    def _grant(self, patient: str) -> Grant:
        return self._house.gate.grant(self._session.actor, patient, self._purpose_for(patient))

    def _grants(self, patients: Iterable[str]) -> list[Grant]:
        """Grants over those of the patients who release anything; all are decided on, in one transaction of the log."""
        return self._house.gate.grants(self._session.actor, {p: self._purpose_for(p) for p in patients})

    def _purpose_for(self, patient: str) -> str:
        return self._purpose or ("PATRQT" if self._session.actor.patient == patient else "TREAT")

    def _grants_for(self, kind: str, name: str) -> list[Grant]:
        """Grants over the records that may hold a resource. Where none does, the question is logged all the same."""
        if not TYPE.match(kind) or not ID.match(name):
            raise not_released()
        candidates = [name] if kind == "Patient" else self._holders(kind, name)
        if not candidates:
            self._ask_for_nobody(f"{kind}/{name}")
        return self._grants(candidates)

    def _ask_for_nobody(self, what: str) -> None:
        """Log a question that leads to no record: it costs and tells as much as one that was denied."""
        try:
            self._grant(what)
        except AccessError:
            return

    def _holders(self, kind: str, name: str) -> list[str]:
        scope = self._house.gate.house(self._session.actor.id)
        found = self._house.store.holders(scope, kind, name, MAX_HOLDERS + 1)
        return found if len(found) <= MAX_HOLDERS else []

    def _current(self, grant: Grant, kind: str, ids: Sequence[str]) -> list[Stored]:
        if kind in FINDINGS_IN and _may_be_findings(ids):
            self._desk.bring_up_to_date(self._session, grant.patient)
        return self._released(grant, (kind,), ids)

    def _released(self, grant: Grant, kinds: Sequence[str], ids: Sequence[str] = ()) -> list[Stored]:
        """What the store holds for a grant; of findings, those that follow from what is released to it."""
        stored = self._house.store.read(grant, kinds, ids)
        own = self._own_among(grant, kinds, ids)
        return stored if own is None else [*(s for s in stored if not is_own(s.source.ref)), *own]

    def _own_among(self, grant: Grant, kinds: Sequence[str], ids: Sequence[str]) -> list[Stored] | None:
        """The findings among what is asked for, for a reader to whom the stored ones are not released as they are.

        None where none is asked for, or the stored ones are his, too.
        """
        if (kinds and not FINDINGS_IN & set(kinds)) or not _may_be_findings(ids):
            return None
        own = self._own_findings(grant)
        if own is None:
            return None
        asked = [s for s in own if not kinds or s.source.ref.partition("/")[0] in kinds]
        return [s for s in asked if not ids or s.source.ref.partition("/")[2] in ids]

    def _own_findings(self, grant: Grant) -> tuple[Stored, ...] | None:
        """Findings as FHIR for a reader to whom not all is released; None where the stored ones are his, too."""
        if grant.patient not in self._findings:
            self._findings[grant.patient] = self._desk.partial.of(self._session, grant)
        return self._findings[grant.patient]

    def _matching(self, grant: Grant, query: Query) -> Iterator[Stored]:
        if query.kind in FINDINGS_IN:
            self._desk.bring_up_to_date(self._session, grant.patient)
        ids = sorted(query.ids or ())
        if query.kind not in FINDINGS_IN or self._own_findings(grant) is None:
            yield from self._house.store.search(grant, query.kind, query.clauses, ids)
            return
        for stored in self._released(grant, (query.kind,), ids):
            if all(clause.matches(stored.body) for clause in query.clauses):
                yield stored

    def _candidates(self, query: Query) -> list[str]:
        """The patients whose records a search looks into: named ones, or all of a small store."""
        scope = self._house.gate.house(self._session.actor.id)
        restricted = [s for s in (query.patients, query.ids if query.kind == "Patient" else None) if s is not None]
        if restricted and min(map(len, restricted)) > MAX_PATIENTS:
            raise InputError("the search names too many patients", remedy="name fewer")
        if query.identifiers:
            store = self._house.store
            restricted.append(
                frozenset(p for t in query.identifiers for p in store.find_identifier(scope, t.system or "", t.code))
            )
        elif query.ids is not None and query.kind != "Patient" and not restricted:
            restricted.append(frozenset(p for name in query.ids for p in self._holders(query.kind, name)))
        if restricted:
            found = sorted(frozenset.intersection(*restricted))
            if not found:
                self._ask_for_nobody(f"{query.kind}?")
        else:
            found = self._house.store.patients(scope)
        if len(found) > (MAX_HOLDERS if restricted else MAX_PATIENTS):
            raise InputError("the search names no patient, or too many", remedy="name one: patient=ID")
        return found

    def _first_page(self, hits: Sequence[Hit], entries: Sequence[Stored], count: int, *, total: bool) -> Page:
        expires = self._house.clock() + LIFE
        start = min(count, len(hits))
        return self._page(
            Result(self._session.actor.id, self._purpose, tuple(hits), start, count, total, expires), entries
        )

    def _page(self, result: Result, entries: Iterable[Stored]) -> Page:
        more = result.count > 0 and result.start < len(result.hits)
        name = self._desk.pages.keep(result) if more else ""
        return Page(tuple(entries), len(result.hits) if result.total else None, name)

    def _reopen(self, patient: str, hits: Sequence[Hit]) -> Iterator[tuple[Hit, Stored]]:
        """The listed versions of one patient's hits, as far as they are released now and were not withdrawn."""
        try:
            grant = self._grant(patient)
        except AccessError:
            return
        kinds = sorted({hit.ref.partition("/")[0] for hit in hits})
        if FINDINGS_IN & set(kinds):
            self._desk.bring_up_to_date(self._session, patient)
        store = self._house.store
        names = [hit.ref.partition("/")[2] for hit in hits]
        current = {s.source.ref: s for s in self._released(grant, kinds, names)}
        for hit in hits:
            now = current.get(hit.ref)
            if now is not None and now.source.version != hit.version and not findings_fhir.is_finding(now.body):
                now = next((s for s in store.versions(grant, hit.ref) if s.source.version == hit.version), None)
            if now is not None:
                yield hit, now


def _may_be_findings(ids: Sequence[str]) -> bool:
    """False where resources are asked for by ids that no finding has."""
    return not ids or any(name.startswith(OWN_ID) for name in ids)


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


def _withheld(query: Query, grants: Sequence[Grant]) -> tuple[str, ...]:
    """What a search tells that its patient withholds: of one who is named, where anything is released of him.

    It is told of every type that is about a patient, so that it depends on nothing that is in the record.
    """
    if query.kind == "Patient" or query.patients is None or len(query.patients) != 1 or query.count == 0:
        return ()
    return tuple(sorted(kind for grant in grants for kind in grant.flagged))


def _check_number(found: Sequence[object]) -> None:
    if len(found) > MAX_HITS:
        raise InputError(f"more than {MAX_HITS} results", remedy="narrow the search by patient, code or date")


def _hit(patient: str, stored: Stored) -> Hit:
    return Hit(patient, stored.source.ref, stored.source.version)


def _distinct(hits: Sequence[tuple[Hit, Stored]]) -> list[tuple[Hit, Stored]]:
    """One entry a resource. Two people's different resources under one id are never shown as one."""
    kept: dict[str, tuple[Hit, Stored]] = {}
    for hit, stored in hits:
        _, first = kept.setdefault(hit.ref, (hit, stored))
        if first.source.digest != stored.source.digest:
            raise Ambiguous("several records hold different resources of one id", remedy="search one patient at a time")
    return list(kept.values())


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
