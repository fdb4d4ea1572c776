"""Searches that name no patient: over all records of which anything is released, patient by patient.

The gate's reach says whose records those are, and the index in which of them something may match; only these are looked
into, each under a grant of its own. A page ends with what it asked for, or with the work that one page may make; what
was found in a record stands in the result as of that moment, and the next page goes on with the next record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from salus.app.fhir.findings import is_own
from salus.app.fhir.pages import Hit
from salus.app.fhir.query import Query
from salus.app.fhir.released import Released, distinct
from salus.errors import InputError
from salus.record import planner
from salus.record.reach import Reach
from salus.record.reading import Stored
from salus.trust.grants import Grant

MAX_HITS = 10_000
WORK = 200
"""Records that one page looks into at most."""
EVERYWHERE = 2_000
"""Records that one search looks into at most, where the order or number of all its hits is asked for."""
REFRESH = 10
"""For how many of them a record counts whose findings have to be up to date first."""
FIRST = 4
"""Records that are looked into at first; then as many as seem to be needed."""
FIRST_COUNTED = 8
"""At first where the index counts what matches: of these, no more are looked into than hold what is wanted."""
PAPERS = frozenset({"Consent", "Provenance"})
"""Types of which a reader sees only those by which he reads: no index tells which."""


@dataclass(slots=True)
class Looked:
    """What was found in the records that were looked into, with their grants; ``onward`` is the number of the last one,
    None where no more are left."""

    hits: list[tuple[Hit, Stored | None]] = field(default_factory=list)
    grants: dict[str, Grant] = field(default_factory=dict)
    onward: int | None = None
    across: bool = False
    """True where more records than these might have been looked into."""


class Across(Released):
    """Searches over many records."""

    def _reach(self) -> Reach:
        return self._house.gate.reach(self._session.actor, self._purpose or "TREAT")

    def _look(self, query: Query, after: int, wanted: int, work: int = WORK) -> Looked:
        """Look into records, from the one after a number on, until ``wanted`` hits are found or the work is done."""
        reach, looked = self._reach(), Looked(onward=after, across=True)
        findings = self._asks_for_findings(query)
        clauses = () if findings or query.kind in PAPERS else query.clauses
        left = work // REFRESH if findings else work
        house = self._house.gate.house(self._session.actor.id)
        at_once = FIRST_COUNTED if clauses and planner.exact(query.kind, clauses) else FIRST
        while looked.onward is not None and len(looked.hits) < wanted and left > 0:
            some = min(at_once, left)
            batch, looked.onward = self._house.store.having(
                house, reach, query.kind, clauses, after=looked.onward, limit=some, enough=wanted - len(looked.hits)
            )
            for grant in self._grants(batch, named=False):
                looked.grants[grant.patient] = grant
                looked.hits += self._hits(grant, query)
            left -= max(1, len(batch))
            at_once = _needed(wanted - len(looked.hits), len(looked.hits), len(looked.grants))
        if not looked.grants:
            self._ask_for_nobody(f"{query.kind}?")
        return looked

    def _look_everywhere(self, query: Query) -> Looked:
        """Everything there is, where the order or number of all hits is asked for. Raises InputError for too many."""
        looked = self._look(query, -1, MAX_HITS + 1, work=EVERYWHERE)
        check_number(looked.hits)
        if looked.onward is not None:
            raise too_many()
        return looked

    def _single(self, looked: Looked) -> list[tuple[Hit, Stored | None]]:
        """The hits without those of a resource that another record, looked into before, holds as well.

        Raises Ambiguous where records hold different resources of one id: they are never shown as one.
        """
        times = Counter(hit.ref for hit, _ in looked.hits)
        if len(times) == len(looked.hits):
            return looked.hits
        doubled = [pair for pair in looked.hits if times[pair[0].ref] > 1]
        kept = {hit for hit, _ in distinct(self._opened(doubled, looked.grants))}
        return [pair for pair in looked.hits if times[pair[0].ref] == 1 or pair[0] in kept]

    def _entries(self, hits: Sequence[tuple[Hit, Stored | None]], looked: Looked) -> list[tuple[Hit, Stored]]:
        """The resources of hits, without those that a record before, which is not among these, has shown."""
        opened = self._opened(hits, looked.grants)
        return self._once(opened, looked.grants) if looked.across else opened

    def _once(self, opened: Sequence[tuple[Hit, Stored]], known: Collection[str] = ()) -> list[tuple[Hit, Stored]]:
        """The resources without those that a record before, which is not among the ``known`` ones, has shown."""
        house = self._house.gate.house(self._session.actor.id)
        refs = self._house.store.doubled(house, [hit.ref for hit, _ in opened if not is_own(hit.ref)])
        if not refs:
            return list(opened)
        holders = self._house.store.holders_within(house, self._reach(), refs)
        return [(hit, s) for hit, s in opened if not self._stands_before(hit, s, holders.get(hit.ref, []), known)]

    def _stands_before(self, hit: Hit, stored: Stored, holders: Sequence[str], known: Collection[str]) -> bool:
        """Whether another of the record's holders comes before. Raises Ambiguous where what it holds differs."""
        kind, _, name = hit.ref.partition("/")
        others = [p for p in holders if p != hit.patient and p not in known]
        if not others or hit.patient not in holders:
            return False
        grants = {grant.patient: grant for grant in self._grants(others, named=False)}
        found = [(p, s) for p, grant in grants.items() for s in self._house.store.read(grant, (kind,), (name,))]
        distinct([(hit, stored), *((Hit(p, hit.ref, s.source.version), s) for p, s in found)])
        return any(holders.index(p) < holders.index(hit.patient) for p, _ in found)


def check_number(found: Sequence[object]) -> None:
    """Raise InputError for more results than one search may have at once."""
    if len(found) > MAX_HITS:
        raise InputError(f"more than {MAX_HITS} results", remedy="narrow the search by patient, code or date")


def too_many() -> InputError:
    """The refusal of a search that would look into too many records."""
    return InputError("the search looks into too many records", remedy="name a patient, or one code")


def _needed(missing: int, found: int, looked: int) -> int:
    """How many records to look into next."""
    return max(1, min(64, -(-missing * looked // found) if found else 2 * looked or FIRST))
