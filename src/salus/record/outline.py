"""The outline of a record: the facts of each of its resources, kept sealed beside them, so that a chart opens only what
somebody looks at.

It is worked out of the resources whenever they are met without it, holds for a content (by its keyed hash), a
terminology and this code, and says no more than they do: it may be deleted at any time. There is one for each set of
kinds of data under which a record is read, so that what is not released to a reader costs him nothing; where consents
speak of single resources there is none.
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
"""Bytes of a keyed hash by which a content is known again."""
_FEW, _SHARE = 32, 0.02
"""So many resources without facts, and such a share of all, are rather opened again than written down."""


class Line(NamedTuple):
    """What is kept of one resource: the beginning of its keyed hash, the digest of its content (which is sealed like
    it), the kinds of data of its body, its facts."""

    keyed: str
    mark: str
    categories: str
    facts: Facts


Lines = dict[str, Line]
_READ_WITH = (".py", ".toml", ".tsv", ".json")
"""Files that decide how a resource is read, code and tables."""


def listing(store: Store, scope: Scope, keeping: Scope, then: Callable[[], None]) -> Callable[[Reader], list[Row]]:
    """What lists the rows of a scope's record; ``then`` is called when they were listed, before any is given out.

    ``keeping`` may write into the record: under it the outline is kept.
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
    """The rows of one record as they are listed once."""

    def __init__(self, store: Store, scope: Scope, reader: Reader) -> None:
        self._store, self._scope, self._reader = store, scope, reader
        self._form = _form(reader.terminology.digest)
        self._name = None if scope.partial else "+".join(sorted(scope.categories))
        data = None if self._name is None else store.memo(scope, MEMO, self._name)
        self._places = {place.ref: place for place in store.places(scope)}
        self._known = _load(data, self._form)
        self._fresh: Lines = {}

    def rows(self) -> list[Row]:
        """The rows in scope, in their order, without findings."""
        unknown = [place for place in self._places.values() if not self._knows(place)]
        met = {row.ref: row for row in self._met(unknown)}
        told = (self._told(place) if self._knows(place) else met.get(ref) for ref, place in self._places.items())
        return [row for row in told if row is not None and not row.facts.has(Is.FINDING)]

    def _knows(self, place: Place) -> bool:
        line = self._known.get(place.ref)
        return line is not None and line.keyed == place.mac[:_KEYED].hex()

    def _told(self, place: Place) -> Row | None:
        """A row that is not opened; None where a kind of data that it tells of is not in scope."""
        line = self._known[place.ref]
        found = frozenset(line.categories.split("+")) | kinds.names(place.kinds)
        if not covers(self._scope, found):
            return None
        seen = frozenset(joined(found).split("+"))
        return Row(place.ref, line.mark, seen, self._reader, self._open, line.facts)

    def _met(self, places: Sequence[Place]) -> Iterator[Row]:
        """Rows of which nothing was known: they are opened, and their facts are read."""
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
        """Keep the outline, where enough is new. Where the store cannot be written now, it is worked out again."""
        if self._name is None or len(self._fresh) < max(_FEW, _SHARE * len(self._known)):
            return
        lines = {ref: line for ref, line in {**self._known, **self._fresh}.items() if ref in self._places}
        with suppress(StoreError, AccessError):  # the latter: the record was erased meanwhile
            self._store.memorise(keeping, MEMO, _dump(lines, self._form), self._name)


# ---- as it is written: what many resources have in common stands once


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
    """What was kept; nothing where it is of another form."""
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
    """What the facts of a content follow from, as a digest: the terminology, and the code that reads resources."""
    root = Path(salus.__file__).parent
    files = [root / "record" / "facts.py", Path(__file__)]
    files += [p for name in ("fhir", "terminology") for p in (root / name).rglob("*") if p.suffix in _READ_WITH]
    total = hashlib.sha256(terminology.encode())
    for file in sorted(files):
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()
