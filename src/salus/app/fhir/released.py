"""What a signed-in actor is released of records, as FHIR resources: the part that every way of asking shares.

Findings are brought up to date before any is shown, so that one that no longer holds is never served; a finding is
served only to a reader whose scope covers all that it was drawn from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from salus.app.fhir.findings import is_own
from salus.app.fhir.pages import Hit
from salus.app.fhir.query import Query
from salus.app.fhir.readings import Wanted
from salus.app.refusals import Ambiguous
from salus.app.serving.cache import Cache
from salus.app.session import Session
from salus.errors import AccessError
from salus.fhir import series
from salus.fhir.codes import SYSTEMS
from salus.fhir.views import OWN_ID
from salus.record import planner
from salus.record.reading import Listed, Stored
from salus.record.search import Clause, Token
from salus.terminology.codes import concepts
from salus.trust.grants import Grant

FINDINGS_IN = frozenset({"Observation", "RiskAssessment", "Provenance"})


class Released:
    """The records of one session, for one purpose of use (None: the actor's usual one)."""

    def __init__(self, session: Session, cache: Cache, purpose: str | None = None) -> None:
        self._session = session
        self._house = session.house
        self._cache = cache
        self._purpose = purpose
        self._findings: dict[str, tuple[Stored, ...] | None] = {}

    def _grant(self, patient: str) -> Grant:
        return self._house.gate.grant(self._session.actor, patient, self._purpose_for(patient))

    def _grants(self, patients: Iterable[str], *, named: bool = True) -> list[Grant]:
        """Grants over those of the patients who release anything; all are decided on, in one transaction of the log."""
        asked = {patient: self._purpose_for(patient) for patient in patients}
        return self._house.gate.grants(self._session.actor, asked, named=named)

    def _purpose_for(self, patient: str) -> str:
        return self._purpose or ("PATRQT" if self._session.actor.patient == patient else "TREAT")

    def _ask_for_nobody(self, what: str) -> None:
        """Log a question that leads to no record: it costs and tells as much as one that was denied."""
        try:
            self._grant(what)
        except AccessError:
            return

    # ---- one record

    def _released(self, grant: Grant, kinds: Sequence[str], ids: Sequence[str] = ()) -> list[Stored]:
        """What the store holds for a grant; of findings, those that follow from what is released to it."""
        stored = self._house.store.read(grant, kinds, ids)
        own = self._own_among(grant, kinds, ids)
        return stored if own is None else [*(s for s in stored if not is_own(s.source.ref)), *own]

    def _own_among(self, grant: Grant, kinds: Sequence[str], ids: Sequence[str]) -> list[Stored] | None:
        """The findings among what is asked for, for a reader to whom the stored ones are not released as they are.

        None where none is asked for, or the stored ones are his, too.
        """
        if (kinds and not FINDINGS_IN & set(kinds)) or not may_be_findings(ids):
            return None
        own = self._own_findings(grant)
        if own is None:
            return None
        asked = [s for s in own if not kinds or s.source.ref.partition("/")[0] in kinds]
        return [s for s in asked if not ids or s.source.ref.partition("/")[2] in ids]

    def _own_findings(self, grant: Grant) -> tuple[Stored, ...] | None:
        """Findings as FHIR for a reader to whom not all is released; None where the stored ones are his, too."""
        if grant.patient not in self._findings:
            self._findings[grant.patient] = self._cache.partial.of(self._session, grant)
        return self._findings[grant.patient]

    def _hits(self, grant: Grant, query: Query) -> list[tuple[Hit, Stored | None]]:
        """What a search finds in one record; opened (not None) where it had to be looked into.

        What has the id of a block of readings is not opened here: it may match (see :mod:`salus.app.fhir.readings`).
        """
        findings = self._asks_for_findings(query)
        if findings:
            self._cache.bring_up_to_date(self._session, grant.patient)
        own = self._own_among(grant, (query.kind,), sorted(query.ids or ())) if findings else None
        found = self._blocks(grant, query) if query.kind == "Observation" else self._plain(grant, query, query.ids)
        if findings and own is None:
            return found
        found = [pair for pair in found if not is_own(pair[0].ref)]  # of a method that is gone: nobody refreshes it
        wanted = Wanted.of(query)
        matching = (s for s in own or () if all(c.matches(s.body) for c in query.clauses) and wanted.is_updated(s))
        return found + [(hit(grant.patient, s), s) for s in matching]

    def _plain(
        self, grant: Grant, query: Query, ids: Collection[str] | None, *, without: str = ""
    ) -> list[tuple[Hit, Stored | None]]:
        """What a search finds in one record among these ids (None: all), each resource as it is."""
        store, names = self._house.store, sorted(ids or ())
        if ids is not None and not names:
            return []
        if _by_index(query):
            listed = store.listed(grant, query.kind, query.clauses, names, without=without)
            return [(_unopened(grant.patient, each), None) for each in listed]
        wanted, found = Wanted.of(query), store.search(grant, query.kind, query.clauses, names, without=without)
        return [(hit(grant.patient, s), s) for s in found if wanted.is_updated(s)]

    def _blocks(self, grant: Grant, query: Query) -> list[tuple[Hit, Stored | None]]:
        """What a search of Observations finds in one record, blocks in which it may find readings last.

        These stand in the order of their series and time. One that is named by its own id is shown as it is.
        """
        wanted = Wanted.of(query)
        if wanted.stamps is not None and not wanted.stamps:
            return self._plain(grant, query, query.ids)
        of_blocks, store = sorted(wanted.stamps or ()), self._house.store
        whole = None
        if query.ids is None and _by_index(query):  # then one list tells of both
            whole = list(store.listed(grant, query.kind, query.clauses, of_blocks))
            listed = [each for each in whole if _like_a_block(each.ref)]
        else:
            listed = list(store.listed(grant, query.kind, query.clauses, of_blocks, prefix=series.ID_PREFIX))
        names = {each.ref.partition("/")[2]: each for each in sorted(listed, key=lambda each: each.ref)}
        hits = [
            replace(_unopened(grant.patient, each), series=True)
            for name, each in names.items()
            if wanted.may_hold(name)
        ]
        strays = {name for name in names if series.stretch_in(name) is None}  # which look like a block's, and are not
        if query.ids is not None:
            found = self._plain(grant, query, query.ids)
        elif whole is not None:
            others = [each for each in whole if not _like_a_block(each.ref)]
            others += [each for each in listed if each.ref.partition("/")[2] in strays]
            found = [(_unopened(grant.patient, each), None) for each in others]
        else:
            found = self._plain(grant, query, None, without=series.ID_PREFIX) + self._plain(grant, query, strays)
        return found + [(each, None) for each in hits]

    def _asks_for_findings(self, query: Query) -> bool:
        """False where no finding can be among what is asked for: by its type, its ids or its codes."""
        if query.kind not in FINDINGS_IN or not may_be_findings(sorted(query.ids or ())):
            return False
        known = finding_codes(self._session.produced())
        return all(_names_one(c, known) for c in query.clauses if c.parameter.paths == (("code",),))

    def _opened(
        self, found: Sequence[tuple[Hit, Stored | None]], grants: Mapping[str, Grant]
    ) -> list[tuple[Hit, Stored]]:
        """Hits with their resources, those that were only listed opened now; what is gone meanwhile is left out."""
        closed = [each for each, stored in found if stored is None]
        scopes = [grants[patient] for patient in dict.fromkeys(each.patient for each in closed)]
        read = self._house.store.read_listed(scopes, [each.rid for each in closed])
        opened = {hit(patient, stored): stored for patient, stored in read.values()}
        shown = ((each, opened.get(each) if stored is None else stored) for each, stored in found)
        return [(each, stored) for each, stored in shown if stored is not None]


def _by_index(query: Query) -> bool:
    """True where the index tells what matches, and no body is looked into."""
    return planner.exact(query.kind, query.clauses) and not query.sort and not query.updated


def _like_a_block(ref: str) -> bool:
    """True for references with an id as blocks of readings have it."""
    return ref.partition("/")[2].startswith(series.ID_PREFIX)


def may_be_findings(ids: Sequence[str]) -> bool:
    """False where resources are asked for by ids that no finding has."""
    return not ids or any(name.startswith(OWN_ID) for name in ids)


def _unopened(patient: str, listed: Listed) -> Hit:
    return Hit(patient, listed.ref, listed.version, rid=listed.rid)


def hit(patient: str, stored: Stored) -> Hit:
    """The version of a resource that is shown."""
    return Hit(patient, stored.source.ref, stored.source.version)


def distinct(hits: Sequence[tuple[Hit, Stored]]) -> list[tuple[Hit, Stored]]:
    """One entry a resource. Two people's different resources under one id are never shown as one: raises Ambiguous."""
    kept: dict[str, tuple[Hit, Stored]] = {}
    for found, stored in hits:
        _, first = kept.setdefault(found.ref, (found, stored))
        if first.source.digest != stored.source.digest:
            raise Ambiguous("several records hold different resources of one id", remedy="search one patient at a time")
    return list(kept.values())


@lru_cache(maxsize=8)
def finding_codes(given: frozenset[str]) -> frozenset[tuple[str, str]]:
    """System and code of every coding that findings of some codes have."""
    own = {(SYSTEMS["salus"], code) for code in given}
    known = (concepts()[code] for code in given if code in concepts())
    return frozenset(own | {(code.system, code.code) for concept in known for code in concept.codes})


def _names_one(clause: Clause, codes: frozenset[tuple[str, str]]) -> bool:
    """Whether a clause finds any of some codes."""
    values = [value for value in clause.values if isinstance(value, Token)]
    return any(
        value.system in (None, system) and value.code in ("", code) for value in values for system, code in codes
    )
