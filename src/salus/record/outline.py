"""The outline of a record: the facts of its resources, kept sealed, so that a chart opens only the resources it needs.

A line of the outline is worked out when a resource without one is met. It holds for one content (known by its keyed
hash), one terminology and this code, and says no more than the resource does: an outline may be deleted at any time.
There is one outline for each set of kinds of data under which a record is read, so that a reader spends no time on what
is not released to him. Where consents decide on single resources there is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

import salus
from salus.errors import AccessError, StoreError
from salus.fhir.categories import joined
from salus.record import kinds
from salus.record.contents import AT_ONCE, Row
from salus.record.facts import Facts, Is, Kind, Reader
from salus.record.protocols import Scope
from salus.record.reading import Place, covers
from salus.record.store import Store

MEMO = "outline"
_KEYED = 16
"""The first bytes of a keyed hash, by which a content is recognised."""
_FEW, _SHARE = 32, 0.02
"""The outline is written only when new lines are at least this many and at least this share of the known ones."""


class Line(NamedTuple):
    """One resource in an outline.

    ``keyed`` is the beginning of its keyed hash (hex), ``mark`` the digest of its content (sealed as the content is),
    ``categories`` the kinds of data in its body as one text, ``facts`` its facts.
    """

    keyed: str
    mark: str
    categories: str
    facts: Facts


Lines = dict[str, Line]
_READ_WITH = (".py", ".toml", ".tsv", ".json")
"""Endings of the files that decide how a resource is read: code and tables."""


def listing(store: Store, scope: Scope, keeping: Scope, then: Callable[[], None]) -> Callable[[Reader], list[Row]]:
    """A function that lists the rows of the record of ``scope``.

    ``then`` is called when the rows were listed, before they are returned. The outline is kept under ``keeping``, a
    scope that may write into the record.
    """

    def listed(reader: Reader) -> list[Row]:
        with store.snapshot():
            found = _Listing(store, scope, reader)
            rows = found.rows()
        then()
        found.keep(keeping)
        return rows

    return listed


class _Listing:
    """One listing of the rows of a record."""

    def __init__(self, store: Store, scope: Scope, reader: Reader) -> None:
        self._store, self._scope, self._reader = store, scope, reader
        self._form = _form(reader.terminology.digest)
        self._name = None if scope.partial else "+".join(sorted(scope.categories))
        data = None if self._name is None else store.memo(scope, MEMO, self._name)
        self._places = {place.ref: place for place in store.places(scope)}
        self._known = _load(data, self._form)
        self._fresh: Lines = {}

    def rows(self) -> list[Row]:
        """The rows in scope in the order of the record, without findings."""
        unknown = [place for place in self._places.values() if not self._knows(place)]
        met = {row.ref: row for row in self._met(unknown)}
        told = (self._told(place) if self._knows(place) else met.get(ref) for ref, place in self._places.items())
        return [row for row in told if row is not None and not row.facts.has(Is.FINDING)]

    def _knows(self, place: Place) -> bool:
        line = self._known.get(place.ref)
        return line is not None and line.keyed == place.mac[:_KEYED].hex()

    def _told(self, place: Place) -> Row | None:
        """A row of the outline, not opened; None where one of its kinds of data is not in scope."""
        line = self._known[place.ref]
        found = frozenset(line.categories.split("+")) | kinds.names(place.kinds)
        if not covers(self._scope, found):
            return None
        seen = frozenset(joined(found).split("+"))
        return Row(place.ref, line.mark, seen, self._reader, self._open, line.facts)

    def _met(self, places: Sequence[Place]) -> Iterator[Row]:
        """The rows in scope that the outline does not know: they are opened, and their facts are worked out."""
        for start in range(0, len(places), AT_ONCE):
            part = places[start : start + AT_ONCE]
            for place, stored in zip(part, self._store.open_places(self._scope, part), strict=True):
                source = stored.source
                row = Row(place.ref, source.digest, source.categories, self._reader, self._open)
                row.opened((source, stored.body))
                keyed = place.mac[:_KEYED].hex()
                self._fresh[place.ref] = Line(keyed, source.digest, joined(stored.own), row.facts)
                if covers(self._scope, stored.categories):
                    yield row

    def _open(self, rows: Sequence[Row]) -> None:
        places = [self._places[row.ref] for row in rows]
        for row, stored in zip(rows, self._store.open_places(self._scope, places), strict=True):
            row.opened((stored.source, stored.body))

    def keep(self, keeping: Scope) -> None:
        """Write the outline where enough of it is new. Where that fails, it is worked out again the next time."""
        if self._name is None or len(self._fresh) < max(_FEW, _SHARE * len(self._known)):
            return
        lines = {ref: line for ref, line in {**self._known, **self._fresh}.items() if ref in self._places}
        with suppress(StoreError, AccessError):  # the latter: the record was erased meanwhile
            self._store.memorise(keeping, MEMO, _dump(lines, self._form), self._name)


# ---- the written form: what many resources share is written once


def _dump(lines: Lines, form: str) -> bytes:
    shapes: dict[tuple[str, Kind], int] = {}
    told: list[list[Any]] = []
    for ref, (keyed, mark, categories, facts) in lines.items():
        inside = [[_shape(shapes, "", each.kind), each.start, each.end, each.mentioned] for each in facts.contained]
        number = _shape(shapes, categories, facts.kind)
        told.append([ref, keyed, mark, number, facts.start, facts.end, facts.mentioned, *([inside] if inside else [])])
    return orjson.dumps({"form": form, "shapes": [[categories, *kind] for categories, kind in shapes], "lines": told})


def _shape(shapes: dict[tuple[str, Kind], int], categories: str, kind: Kind) -> int:
    return shapes.setdefault((categories, kind), len(shapes))


def _load(data: bytes | None, form: str) -> Lines:
    """The lines of a written outline; none where it was made by another terminology or other code."""
    told = {} if data is None else orjson.loads(data)
    if told.get("form") != form:
        return {}
    shapes = [
        (categories, Kind(flags, tuple(concepts), tuple(parts), *rest))
        for categories, flags, concepts, parts, *rest in told["shapes"]
    ]
    found: Lines = {}
    for ref, keyed, mark, number, start, end, mentioned, *inside in told["lines"]:
        categories, kind = shapes[number]
        contained = tuple(Facts(shapes[n][1], *times) for n, *times in inside[0]) if inside else ()
        found[ref] = Line(keyed, mark, categories, Facts(kind, start, end, mentioned, contained))
    return found


@cache
def _form(terminology: str) -> str:
    """The digest of what facts follow from besides a content: the terminology, and the code that reads resources."""
    root = Path(salus.__file__).parent
    files = [root / "record" / "facts.py", Path(__file__)]
    files += [p for name in ("fhir", "terminology") for p in (root / name).rglob("*") if p.suffix in _READ_WITH]
    total = hashlib.sha256(terminology.encode())
    for file in sorted(files):
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()
