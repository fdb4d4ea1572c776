"""The contents of a snapshot of one record: its resources by type, each opened only when its content is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TypeVar

from salus.fhir import views
from salus.fhir.categories import TAG_FINDING
from salus.fhir.views import Body, Source
from salus.record.facts import Facts, Is, Reader, contained

Entry = tuple[Source, Body]
V = TypeVar("V")
AT_ONCE = 256
"""Resources that are opened together."""


class Row:
    """One resource of a snapshot.

    ``ref`` is its reference ("Type/id"), ``mark`` the digest of its content, ``categories`` its kinds of data.
    ``open_all`` opens many rows at once and calls :meth:`opened` of each. ``facts`` are worked out where not given.
    """

    __slots__ = ("_entry", "_facts", "_line", "_open_all", "_reader", "_seen", "categories", "mark", "ref")

    def __init__(
        self,
        ref: str,
        mark: str,
        categories: frozenset[str],
        reader: Reader,
        open_all: Callable[[Sequence[Row]], None],
        facts: Facts | None = None,
    ) -> None:
        self.ref, self.mark, self.categories = ref, mark, categories
        self._reader, self._open_all, self._facts = reader, open_all, facts
        self._entry: Entry | None = None
        self._seen: object = None
        self._line: bytes | None = None

    @classmethod
    def of(cls, entry: Entry, reader: Reader) -> Row:
        """A row of a resource that is open already."""
        source, _ = entry
        row = cls(source.ref, source.digest, source.categories, reader, _not_to_be_opened)
        row.opened(entry)
        return row

    @property
    def holder(self) -> Row:
        """The row that has to be opened to read this one: itself, or the report that contains it."""
        return self

    @property
    def rank(self) -> tuple[object, ...]:
        """The rank of an Observation among the sources of one event. It comes before the reading of the same event in a
        block, which may say less."""
        device = self.facts.kind.device
        return (0, device is None, device or "", "")

    @property
    def line(self) -> bytes:
        """Reference and mark, as they go into the digest of an answer that rests on this row."""
        if self._line is None:
            self._line = f"{self.ref} {self.mark}\n".encode()
        return self._line

    @property
    def is_open(self) -> bool:
        """Whether the row was opened."""
        return self._entry is not None

    def opened(self, entry: Entry) -> None:
        """Set the content of the row, once it is opened."""
        self._entry = entry

    @property
    def entry(self) -> Entry:
        """The resource with its source. Raises IntegrityError where it cannot be opened."""
        if self._entry is None:
            self._open_all([self])
        assert self._entry is not None
        return self._entry

    @property
    def facts(self) -> Facts:
        """The facts by which questions choose the resource. Opens the row where they were not given."""
        if self._facts is None:
            self._facts, self._seen = self._reader.read(*self.entry)
        return self._facts

    def seen(self, view: Callable[[Source, Body], V]) -> V:
        """The view that ``view`` makes of the resource; made once, since each row is viewed in one way only."""
        if self._seen is None:
            self._seen = view(*self.entry)
        return self._seen  # type: ignore[return-value]

    @property
    def start(self) -> int:
        """When the resource's time begins (microseconds since 1970). Only for rows that have a time."""
        assert self.facts.start is not None
        return self.facts.start


class Inside(Row):
    """A result that a report contains. It has the reference of the report."""

    __slots__ = ("_number", "_report")

    def __init__(self, report: Row, number: int, reader: Reader) -> None:
        facts = report.facts.contained[number]
        super().__init__(report.ref, report.mark, report.categories, reader, _not_to_be_opened, facts)
        self._report, self._number = report, number
        self._line = f"{self.ref} {number} {self.mark}\n".encode()

    @property
    def holder(self) -> Row:
        """The report."""
        return self._report

    @property
    def entry(self) -> Entry:
        """The result, with the report's source."""
        source, body = self._report.entry
        return source, contained(body)[self._number]


def _not_to_be_opened(rows: Sequence[Row]) -> None:
    raise AssertionError("a row that is open from the beginning")


def opened(rows: Iterable[Row]) -> Iterator[Row]:
    """The same rows in order, opened; those that were not open are opened :data:`AT_ONCE` at a time."""
    waiting: list[Row] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == AT_ONCE:
            yield from _open(waiting)
            waiting = []
    yield from _open(waiting)


def _open(rows: list[Row]) -> list[Row]:
    closed = list({id(row.holder): row.holder for row in rows if not row.holder.is_open}.values())
    if closed:
        closed[0]._open_all(closed)
    return rows


class Contents:
    """The rows of a snapshot by type, without findings. ``listed`` is called when the first question is asked."""

    def __init__(self, listed: Callable[[Reader], Iterable[Row]], reader: Reader) -> None:
        self._listed = listed
        self.reader = reader

    @classmethod
    def given(cls, entries: Callable[[], Iterable[Entry]], reader: Reader) -> Contents:
        """The contents made of resources that are open; ``entries`` returns them."""

        def listed(reader: Reader) -> Iterator[Row]:
            return (Row.of(e, reader) for e in entries() if not views.tags(e[1], TAG_FINDING))

        return cls(listed, reader)

    @cached_property
    def by_type(self) -> dict[str, list[Row]]:
        """The rows of each type in the order in which they were listed. Observations contained in reports come last."""
        found: dict[str, list[Row]] = {}
        for row in self._listed(self.reader):
            found.setdefault(row.ref.partition("/")[0], []).append(row)
        for report in found.get("DiagnosticReport", ()):
            inside = (Inside(report, n, self.reader) for n in range(len(report.facts.contained)))
            found.setdefault("Observation", []).extend(inside)
        return found

    def of(self, *kinds: str) -> list[Row]:
        """The rows of some types, type by type."""
        return [row for kind in kinds for row in self.by_type.get(kind, ())]

    def find(self, reference: str) -> Row | None:
        """The row that a relative reference names; None where there is none, and for one with a server's address."""
        kind, _, rest = reference.partition("/")
        return self._by_reference.get(f"{kind}/{rest.partition('/')[0]}")

    @cached_property
    def _by_reference(self) -> dict[str, Row]:
        found: dict[str, Row] = {}
        for row in (row for rows in self.by_type.values() for row in rows if row.holder is row):
            found.setdefault(row.ref, row)
        return found

    @cached_property
    def blocks(self) -> list[Row]:
        """The blocks of readings."""
        return [row for row in self.of("Observation") if row.facts.has(Is.BLOCK)]

    @cached_property
    def results(self) -> list[Row]:
        """The other observations, without those with a modifier: such a one may mean the opposite of what it says."""
        return [row for row in self.of("Observation") if not row.facts.has(Is.BLOCK | Is.MODIFIED)]
