"""The contents of a snapshot of one record: its resources by type, each opened when somebody looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TypeVar

from salus.fhir import views
from salus.fhir.views import Body, Source
from salus.record.facts import TAG_FINDING, Facts, Is, Reader, contained

Entry = tuple[Source, Body]
V = TypeVar("V")
AT_ONCE = 256
"""Resources that are opened together."""


class Row:
    """One resource of a snapshot.

    ``mark`` is the digest of its content. ``open_all`` opens many rows at once; it
    calls :meth:`opened` of each.
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
        """A row that is open."""
        source, _ = entry
        row = cls(source.ref, source.digest, source.categories, reader, _not_to_be_opened)
        row.opened(entry)
        return row

    @property
    def holder(self) -> Row:
        """The row that has to be opened to look at it."""
        return self

    @property
    def rank(self) -> tuple[object, ...]:
        """Where an Observation stands among the sources of an event: before what the event left in a block, which may
        say less."""
        device = self.facts.kind.device
        return (0, device is None, device or "", "")

    @property
    def line(self) -> bytes:
        """Reference and mark, for the digest of what rests on it."""
        if self._line is None:
            self._line = f"{self.ref} {self.mark}\n".encode()
        return self._line

    @property
    def is_open(self) -> bool:
        """Whether it was opened."""
        return self._entry is not None

    def opened(self, entry: Entry) -> None:
        """Take what it is."""
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
        """What questions choose it by."""
        if self._facts is None:
            self._facts, self._seen = self._reader.read(*self.entry)
        return self._facts

    def seen(self, view: Callable[[Source, Body], V]) -> V:
        """A view of it, made once: a row is seen in one way only."""
        if self._seen is None:
            self._seen = view(*self.entry)
        return self._seen  # type: ignore[return-value]

    @property
    def start(self) -> int:
        """When it begins (microseconds since 1970)."""
        assert self.facts.start is not None
        return self.facts.start


class Inside(Row):
    """A result that a report contains. It has the report's reference."""

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
    """The rows, those not open yet opened many at once."""
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
    """The rows of a snapshot by type, findings left out. They are listed when the first question is asked."""

    def __init__(self, listed: Callable[[Reader], Iterable[Row]], reader: Reader) -> None:
        self._listed = listed
        self.reader = reader

    @classmethod
    def given(cls, entries: Callable[[], Iterable[Entry]], reader: Reader) -> Contents:
        """Contents of resources that are open."""

        def listed(reader: Reader) -> Iterator[Row]:
            return (Row.of(e, reader) for e in entries() if not views.tags(e[1], TAG_FINDING))

        return cls(listed, reader)

    @cached_property
    def by_type(self) -> dict[str, list[Row]]:
        """The rows of each type, in the order in which they came; results in reports after those by themselves."""
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
        """The row that a relative reference leads to. A reference with a server's address is never ours."""
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
        """The other observations, as far as they can be read: with a modifier one may mean the contrary."""
        return [row for row in self.of("Observation") if not row.facts.has(Is.BLOCK | Is.MODIFIED)]
