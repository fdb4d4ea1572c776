"""The observations of a chart: the usable ones by name, and those that no question returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from salus.record.contents import Row
from salus.record.facts import Is

Named = Mapping[str, Sequence[Row]]
_EARLIEST = -1 << 62


class Results:
    """The observations of one snapshot that have begun by its moment; ``past`` says whether a start has been reached.

    Lists come oldest first; of equal times, the lower reference first. Each list is made when it is first asked for.
    No resource is opened.
    """

    def __init__(self, rows: Sequence[Row], past: Callable[[int | None], bool]) -> None:
        self._rows = rows
        self._past = past

    @property
    def own(self) -> Named:
        """The usable observations by their own names."""
        return self._named[0]

    @property
    def parts(self) -> Named:
        """The usable observations by the names of their components that are not their own names."""
        return self._named[1]

    @cached_property
    def newest(self) -> dict[str, Row]:
        """The newest usable observation of each name, be it its own name or that of a component."""
        return {name: row for row in self._usable for name in (*row.facts.kind.concepts, *row.facts.kind.parts)}

    @cached_property
    def unread(self) -> tuple[Row, ...]:
        """Observations that no other question returns: undated, with an unknown code or status, or about others."""
        said = (row for row in self._rows if not row.facts.has(Is.WITHOUT_RESULT) and self._past(row.facts.start))
        found = [row for row in said if row.facts.start is None or not _is_usable(row) or not row.facts.has(Is.MEANT)]
        return tuple(sorted(found, key=lambda row: (_EARLIEST if row.facts.start is None else row.start, row.ref)))

    @cached_property
    def _usable(self) -> tuple[Row, ...]:
        dated = (row for row in self._rows if row.facts.start is not None and _is_usable(row))
        return tuple(sorted((row for row in dated if self._past(row.start)), key=lambda row: (row.start, row.ref)))

    @cached_property
    def _named(self) -> tuple[Named, Named]:
        own: dict[str, list[Row]] = {}
        parts: dict[str, list[Row]] = {}
        for row in self._usable:
            for name in row.facts.kind.concepts:
                own.setdefault(name, []).append(row)
            for name in row.facts.kind.parts:
                parts.setdefault(name, []).append(row)
        return own, parts


def _is_usable(row: Row) -> bool:
    return row.facts.has(Is.VOUCHED)
