"""The last Observations of each code (``Observation/$lastn`` of FHIR R4), readings in blocks among them.

Of a series the newest blocks are opened until there are enough readings. Observations are of one code where they share
a coding; those without codings, where they bear the same text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

from salus.app.fhir.across import check_number
from salus.app.fhir.api import Records
from salus.app.fhir.pages import Hit
from salus.app.fhir.paging import Page, bound, made
from salus.app.fhir.query import Query
from salus.errors import InputError
from salus.fhir.columns import micros
from salus.fhir.views import Body, codings, span_of, text_of
from salus.record.reading import Stored
from salus.trust import glass
from salus.trust.grants import Grant

MOST = 100
"""How many Observations of one code are asked for at most."""
_FAR = 1 << 62
_RESULT = ("_sort", "_count", "_total", "_summary")
_NARROWING = ("code", "combo-code", "component-code", "category")


@dataclass(slots=True)
class _Group:
    """Observations of one code, each with its instant, and the codings (or the text) that they bear."""

    keys: set[tuple[str, str]]
    found: list[tuple[int, Stored]]


class Last(Records):
    """The operation for one session."""

    def last(self, query: Query, most: int) -> Page:
        """The newest ``most`` Observations of each code that match; those without a date come last.

        Raises InputError for a search that names no patient, or neither a code nor a category.
        """
        glass.refuse(self._purpose)
        if query.patients is None or len(query.patients) != 1:
            raise InputError("names no patient, or several", where="patient", remedy="patient=ID")
        if not any(clause.parameter.name in _NARROWING for clause in query.clauses):
            raise InputError("neither a code nor a category", remedy="code=SYSTEM|CODE or category=CODE")
        if not 1 <= most <= MOST:
            raise InputError(f"not 1 to {MOST}", where="max")
        if refused := next((name for name, _ in query.asked if name in _RESULT), ""):
            raise InputError("not a parameter of this operation", where=refused, remedy="max=NUMBER")
        by_key: dict[tuple[str, str], _Group] = {}
        for grant in self._grants(self._candidates(query) or ()):
            for at, stored in self._newest(grant, query, most):
                _sort_in(by_key, at, stored)
        groups = list({id(group): group for group in by_key.values()}.values())
        for group in groups:
            group.found.sort(key=lambda pair: pair[0], reverse=True)
        groups.sort(key=lambda group: group.found[0][0], reverse=True)
        entries = tuple(stored for group in groups for _, stored in group.found[:most])
        return Page(entries, len(entries))

    def _newest(self, grant: Grant, query: Query, most: int) -> Iterator[tuple[int, Stored]]:
        """All Observations of a record that are no readings, and of each series the newest readings."""
        query = replace(query, sort=("date", True))
        found = self._hits(grant, query)
        check_number(found)
        for _, stored in self._opened([pair for pair in found if not pair[0].series], {grant.patient: grant}):
            yield _begun(stored.body), stored
        blocks = sorted((each for each, _ in found if each.series), key=lambda each: each.ref)
        for _, some in groupby(blocks, key=lambda each: each.ref.rpartition("-")[0]):
            yield from self._readings(grant, query, list(some)[::-1], most)

    def _readings(self, grant: Grant, query: Query, blocks: Sequence[Hit], most: int) -> Iterator[tuple[int, Stored]]:
        """The newest readings of one series, whose blocks stand in order, the newest first."""
        hits = [replace(hit, at=bound(hit, newest=True)) for hit in blocks]
        walk = self._walk(query, hits, {grant.patient: grant}.get, None)
        for at, n in islice(walk.places(), most):
            stored = made(walk.open(hits[at]), n)
            if stored is not None:
                yield _begun(stored.body), stored


def _begun(body: Body) -> int:
    """When an Observation begins, in microseconds since 1970; before all others where it has no date."""
    span = span_of(body, "effectiveDateTime", "effectiveInstant", "effectivePeriod")
    return -_FAR if span is None else micros(span.start)


def _sort_in(by_key: dict[tuple[str, str], _Group], at: int, stored: Stored) -> None:
    """Put an Observation to those that share a coding with it; groups that it is the first to connect become one."""
    code = stored.body.get("code")
    keys = {(coding.system, coding.code) for coding in codings(code)} or {("", text_of(code))}
    alike = list({id(by_key[key]): by_key[key] for key in keys if key in by_key}.values())
    alike.sort(key=lambda group: len(group.keys), reverse=True)
    group, *others = alike or [_Group(set(), [])]
    for other in others:  # the smaller ones, so that each is moved seldom
        group.keys |= other.keys
        group.found += other.found
    group.keys |= keys
    group.found.append((at, stored))
    by_key.update(dict.fromkeys(keys.union(*(other.keys for other in others)), group))
