"""The record as FHIR resources for one signed-in actor: read, history, search, everything. The gate stands before all.

Denied and absent get the same answer. Findings are brought up to date before any is shown, so that one that no longer
holds is never served; a finding is served only to a reader whose scope covers all that it was drawn from.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from salus.app import collecting
from salus.app.fhir.across import Looked, check_number
from salus.app.fhir.paging import Page, Paging
from salus.app.fhir.query import ID, TYPE, Query
from salus.app.fhir.readings import find
from salus.app.fhir.released import FINDINGS_IN, hit, may_be_findings
from salus.app.refusals import Ambiguous
from salus.errors import InputError
from salus.fhir import series
from salus.findings import fhir as findings_fhir
from salus.record.reading import Stored
from salus.trust import glass
from salus.trust.grants import Grant, not_released

__all__ = ["Page", "Records"]

MAX_HOLDERS = 10_000
"""How many records that hold an id are decided on, as a bound of the work that one question makes: every one of them,
so that the answer depends on those that are released alone. An id that more of them hold is found by nobody."""
EVEN = 0.04
"""Seconds between the moments at which a refusal of one resource is answered: some times what it takes."""
BLUR = 0.004
"""Seconds up to which it is answered later, at random: what work leaves in the processor's caches shows afterwards."""


class Records(Paging):
    """FHIR reads of one session, for one purpose of use (None: the actor's usual one)."""

    # ---- one resource

    def read(self, kind: str, name: str) -> Stored:
        """The current version. Raises AccessError where absent or not released, Ambiguous where several records fit.

        A single reading is read by the id under which its block holds it (:mod:`salus.fhir.series`).
        """
        begun = time.monotonic()
        held = series.block_of(name) if kind == "Observation" else name
        found = [s for grant in self._grants_for(kind, held) for s in self._current(grant, kind, [held])]
        return _only(found if held == name else _readings(found, name), begun)

    def version(self, kind: str, name: str, version: int) -> Stored:
        """One version of a resource. Of a finding only the current one is served."""
        return _only([s for s in self.history(kind, name) if s.source.version == version and not s.deleted])

    def history(self, kind: str, name: str) -> list[Stored]:
        """Every version, newest first; no past is told of a finding or of what is deleted. Raises like :meth:`read`.

        A reading has the versions of its block in which it stands.
        """
        begun = time.monotonic()
        held = series.block_of(name) if kind == "Observation" else name
        current = [(grant, s) for grant in self._grants_for(kind, held) for s in self._current(grant, kind, [held])]
        if held != name:
            current = [(grant, s) for grant, block in current for s in _readings([block], name)]
        last = _only([s for _, s in current], begun)
        if findings_fhir.is_finding(last.body):
            return [last]
        versions = self._house.store.versions(current[0][0], f"{kind}/{held}")[::-1]
        return versions if held == name else _readings(versions, name)

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
        page = self._first_page(query, looked, None)
        return replace(page, withheld=_withheld(query, looked.grants.values()))

    def _page_across(self, query: Query) -> Page:
        """The first page of a search that names no patient."""
        total = self._counted(query) if query.total else None
        if query.sort or (query.total and total is None):
            looked = self._look_everywhere(query)
        else:
            looked = self._look(query, -1, query.count) if query.count else Looked()
        return self._first_page(query, looked, total)

    @collecting.seldom()
    def everything(self, patient: str, kinds: frozenset[str] | None, count: int) -> Page:
        """All that is released of one patient, the Patient resource first, blocks of readings as they are.

        Raises AccessError.
        """
        glass.refuse(self._purpose)
        grant = self._grant(patient)
        self._cache.bring_up_to_date(self._session, patient)
        stored = self._released(grant, sorted(kinds) if kinds is not None else ())
        stored.sort(key=lambda s: not s.source.ref.startswith("Patient/"))
        result = self._result(tuple(hit(patient, s) for s in stored), count)
        page = self._told(replace(result, start=count, ended=count >= len(stored)), stored[:count])
        return replace(page, withheld=tuple(sorted(grant.flagged)))

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
            self._cache.bring_up_to_date(self._session, grant.patient)
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
            held = {series.block_of(name) if query.kind == "Observation" else name for name in query.ids}
            restricted.append(frozenset(p for name in held for p in self._holders(query.kind, name)))
        if not restricted:
            return None
        found = sorted(frozenset.intersection(*restricted))
        if len(found) > MAX_HOLDERS:
            raise InputError("the search names too many patients", remedy="name fewer")
        if not found:
            self._ask_for_nobody(f"{query.kind}?")
        return found


def _readings(blocks: Iterable[Stored], name: str) -> list[Stored]:
    """The readings of this id in blocks, or in the versions of one."""
    return [one for block in blocks if not block.deleted and (one := find(block, name)) is not None]


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
