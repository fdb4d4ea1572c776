"""The readings of one concept in order of time, each physiological event once, opened only where they are needed.

A *page* is the stretch of time of a block: a day, or a month for what is measured rarely. When a question touches a
page, its blocks and single Observations are put in order and doubles are removed. Methods get :class:`Readings`, a
sequence of Observations that are made one by one, or :class:`Arrays`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple, overload

from salus.errors import UnitError
from salus.fhir.columns import date_of
from salus.fhir.quantity import Quantity
from salus.fhir.views import Body, Observation, Source, Value
from salus.record import doubles
from salus.record.contents import Row, opened
from salus.record.facts import Is
from salus.record.series import Held
from salus.terminology import units

Item = tuple[int, str, "Held | Single", int]
"""A reading in a page: start (microseconds since 1970), reference, the block or Observation it is in, its number there.

The reference puts readings of equal times in order.
"""


class Single(NamedTuple):
    """An Observation outside of blocks. ``view`` makes its view once it is opened."""

    row: Row
    view: Callable[[Source, Body], Observation]

    @property
    def seen(self) -> Observation:
        """The view of the Observation, which is opened for it."""
        return self.row.seen(self.view)

    @property
    def is_reading(self) -> bool:
        """Whether a device recorded it, or it was taken at home. Only such an Observation can be a double."""
        return self.row.facts.has(Is.HOME) or self.row.facts.kind.device is not None


@dataclass(slots=True)
class Page:
    """The blocks and single Observations of one concept in one stretch of time."""

    held: list[Held] = field(default_factory=list)
    single: list[Single] = field(default_factory=list)

    @property
    def end(self) -> int:
        """The latest end of its blocks or start of its single Observations (microseconds since 1970)."""
        return max(*(h.end for h in self.held), *(o.row.start for o in self.single), -_FAR, -_FAR)

    def ranks(self) -> set[tuple[object, ...]]:
        """The ranks of the sources that recorded it (see :mod:`salus.record.doubles`)."""
        return {h.rank for h in self.held} | {o.row.rank for o in self.single}

    def items(self, since: int, until: int) -> list[Item]:
        """Its readings from ``since`` on and before ``until`` (microseconds since 1970) in order, doubles included."""
        found: list[Item] = []
        for held in self.held:
            columns, ref = held.columns, held.row.ref
            found += [(columns.starts[n], ref, held, n) for n in held.block.between(since, until)]
        found += [(o.row.start, o.row.ref, o, 0) for o in self.single if since <= o.row.start < until]
        if len(self.held) + len(self.single) > 1:
            found.sort(key=_order)
        return found


def _order(item: Item) -> tuple[int, str, int]:
    """The key that puts readings in order: by time, then by reference. No two readings have the same key."""
    return item[0], item[1], item[3]


def may_be_doubled(rows: Iterable[Row]) -> bool:
    """Whether single Observations may hold one event twice, because several devices or apps at home recorded them."""
    return len({row.facts.kind.device for row in rows if row.facts.has(Is.HOME)}) > 1


class Pages:
    """All readings of one concept, page by page.

    ``held`` are its blocks, ``single`` its Observations outside of blocks, oldest first. ``counts``: the readings are
    sums over a time (see :data:`salus.record.doubles.COUNTS`).
    """

    def __init__(self, held: Iterable[Held], single: Iterable[Single], *, counts: bool) -> None:
        told = list(held)
        self._counts = counts
        self._digits = 6 if any(h.stretch == "month" for h in told) else 8
        found: dict[str, Page] = {}
        for each in told:
            found.setdefault(self._key(each.start), Page()).held.append(each)
        for one in single:
            found.setdefault(self._key(one.row.start), Page()).single.append(one)
        self._keys = sorted(found)
        self._pages = [found[key] for key in self._keys]
        self._settled: dict[int, list[Item]] = {}

    def _key(self, start: int) -> str:
        return date_of(start)[: self._digits]

    def among(self, since: int | None, until: int) -> range:
        """The numbers of the pages that may hold readings from ``since`` on and before ``until``."""
        if since is not None and since >= until:
            return range(0)
        first = 0 if since is None else bisect_left(self._keys, self._key(since))
        return range(first, bisect_right(self._keys, self._key(until - 1)))

    def near(self, n: int, last: int | None = None) -> list[Page]:
        """Page ``n`` (to page ``last``) with those beside it, which may hold doubles of its readings."""
        return self._pages[max(0, n - 1) : (n if last is None else last) + 2]

    def __getitem__(self, n: int) -> Page:
        return self._pages[n]

    def settled(self, n: int) -> list[Item]:
        """The readings of page ``n`` in order, without doubles."""
        if n not in self._settled:
            self._settled[n] = self._settle(n)
        return self._settled[n]

    def next_after(self, now: int) -> int | None:
        """The start of the first reading in a block after ``now`` (microseconds since 1970); None without such one."""
        waiting = [h for page in self._pages for h in page.held if h.end > now]
        starts = [h.start if h.start > now else next((s for s in h.columns.starts if s > now), None) for h in waiting]
        return min((start for start in starts if start is not None), default=None)

    def _settle(self, n: int) -> list[Item]:
        own = self._pages[n].items(-_FAR, _FAR)
        near = self.near(n)
        ranks = set[tuple[object, ...]]().union(*(page.ranks() for page in near))
        if len(ranks) < 2:
            return own
        reach = doubles.reach(len(ranks))
        since, until = own[0][0] - reach, own[-1][0] + reach + 1
        about = [i for page in near for i in page.items(since, until) if isinstance(i[2], Held) or i[2].is_reading]
        about.sort(key=_order)
        out = doubles.dropped([_told(item) for item in about], counts=self._counts)
        gone = {_order(about[place]) for place in out}
        return [item for item in own if _order(item) not in gone]


_FAR = 1 << 62


def _told(item: Item) -> doubles.Told:
    start, _, where, n = item
    if isinstance(where, Held):
        return where.told(n)
    seen = where.seen
    parts = [seen.components[name] for name, _ in sorted(seen.places.items(), key=lambda named: named[1])]
    values = tuple((q.value, q.unit) for q in (seen.value, *parts) if isinstance(q, Quantity))
    return doubles.Told(start, values, doubles.By(seen.device or "", None), where.row.rank)


def view(item: Item) -> Observation:
    """The reading as an Observation."""
    return item[2].view(item[3]) if isinstance(item[2], Held) else item[2].seen


def _views(items: Sequence[Item]) -> Iterator[Observation]:
    deque(opened(item[2].row for item in items), 0)  # many together
    return map(view, items)


class Readings(Sequence[Observation]):
    """The readings of one concept that start from ``since`` on and before ``until``, as Observations, oldest first.

    Times are in microseconds since 1970; ``since`` None is no limit. Pages are read only where they are needed: asking
    for the last readings reads the last page.
    """

    def __init__(self, pages: Pages, since: int | None, until: int) -> None:
        self._pages, self._since, self._until = pages, -_FAR if since is None else since, until
        self._among = pages.among(since, until)

    @property
    def numbers(self) -> range:
        """The numbers of the pages that it covers."""
        return self._among

    def alone(self, n: int) -> Held | None:
        """The block that makes up all of page ``n``, where the whole page is asked for and doubles are impossible.

        Else None.
        """
        held = self._pages[n].held
        ranks = set[tuple[object, ...]]().union(*(near.ranks() for near in self._pages.near(n)))
        if len(held) != 1 or len(ranks) > 1:
            return None
        return held[0] if self._since <= held[0].start and held[0].end < self._until else None

    def of_page(self, n: int) -> list[Item]:
        """The readings of page ``n`` that lie in the time asked for."""
        found = self._pages.settled(n)
        if found and (found[0][0] < self._since or found[-1][0] >= self._until):
            return [item for item in found if self._since <= item[0] < self._until]
        return found

    def items(self) -> Iterator[Item]:
        """The readings one by one, oldest first."""
        for n in self._among:
            yield from self.of_page(n)

    @property
    def rows(self) -> list[Row]:
        """The rows of the record that the readings may rest on, including rows of doubles."""
        near = self._pages.near(self._among[0], self._among[-1]) if self._among else []
        return [h.row for p in near for h in p.held] + [o.row for p in near for o in p.single]

    @property
    def come(self) -> int | None:
        """The number of readings of the last page before ``until``, where more of that page come later; else None.

        It goes into the digest of the answer.
        """
        if self._among and self._pages[self._among[-1]].end >= self._until:
            return len(self.of_page(self._among[-1]))
        return None

    def last(self) -> Item | None:
        """The newest reading; None where there is none."""
        return next((found[-1] for n in reversed(self._among) if (found := self.of_page(n))), None)

    def __iter__(self) -> Iterator[Observation]:
        for n in self._among:
            yield from _views(self.of_page(n))

    def __reversed__(self) -> Iterator[Observation]:
        for n in reversed(self._among):
            yield from _views(self.of_page(n)[::-1])

    def __bool__(self) -> bool:
        return any(self.of_page(n) for n in self._among)

    @cached_property
    def _count(self) -> int:
        return sum(len(self.of_page(n)) for n in self._among)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Observation: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Observation, ...]: ...
    def __getitem__(self, place: int | slice) -> Observation | tuple[Observation, ...]:
        if isinstance(place, slice):
            if place.stop is None and place.step is None and place.start is not None and place.start < 0:
                return tuple(self._last(-place.start))
            return tuple(view(item) for item in list(self.items())[place])
        if place < 0:
            found = self._last(-place)
            if len(found) < -place:
                raise IndexError(place)
            return found[0]
        for n, item in enumerate(self.items()):
            if n == place:
                return view(item)
        raise IndexError(place)

    def _last(self, count: int) -> list[Observation]:
        found: list[Observation] = []
        for observation in reversed(self):
            found.append(observation)
            if len(found) == count:
                break
        return found[::-1]


@dataclass(frozen=True, slots=True)
class Arrays:
    """Readings as two arrays of length n, for methods that work on arrays; each event once, oldest first.

    ``times`` are microseconds since 1970 (UTC), ``values`` are in ``unit``. ``unread`` counts the readings left out
    because they are no number, only a bound, or in a unit that cannot be converted.
    """

    times: array[int]
    values: array[float]
    unit: str
    unread: int

    @classmethod
    def of(cls, told: Readings, concept: str, unit: str) -> Arrays:
        """The values of ``concept`` in ``unit``, as the value of a reading or as a part of a panel."""
        times, values, unread = array("q"), array("d"), 0
        lines: dict[int, Line | None] = {}
        for n in told.numbers:
            alone = told.alone(n)
            scale = line(alone, concept, unit) if alone is not None else None
            if alone is not None and scale is not None:
                times.extend(alone.columns.starts)
                values.extend(scale.values())
                continue
            for item in told.of_page(n):
                value = value_of(item, concept, unit, lines)
                if value is None:
                    unread += 1
                    continue
                times.append(item[0])
                values.append(value)
        return cls(times, values, unit, unread)


def value_of(item: Item, concept: str, unit: str, lines: dict[int, Line | None]) -> float | None:
    """The value of a reading in ``unit``, None where it has none. ``lines`` caches the conversion of each block."""
    _, _, where, n = item
    if isinstance(where, Single):
        return number(where.seen.components.get(concept, where.seen.value), concept, unit)
    if id(where) not in lines:
        lines[id(where)] = line(where, concept, unit)
    scale = lines[id(where)]
    return None if scale is None else scale.value(n)


@dataclass(frozen=True, slots=True)
class Line:
    """The linear conversion of the values of one part of a block to another unit."""

    held: Held
    part: int
    slope: float
    start: float

    def value(self, n: int) -> float:
        """The value of reading ``n`` in the new unit."""
        columns = self.held.columns
        return columns.values[self.part][n] / float(10 ** columns.exponents[self.part]) * self.slope + self.start

    def values(self) -> list[float]:
        """The values of all readings in the new unit."""
        columns = self.held.columns
        size, slope, start = float(10 ** columns.exponents[self.part]), self.slope, self.start
        return [number / size * slope + start for number in columns.values[self.part]]

    def of(self, value: Decimal) -> float:
        """A value in the block's own unit, converted to the new unit."""
        return float(value) * self.slope + self.start


def line(held: Held, concept: str, unit: str) -> Line | None:
    """The conversion of a block's readings to values of ``concept`` in ``unit``; None where there is none."""
    part = next((p for p, names in enumerate(held.heading.parts) if concept in names), 0)
    written = held.heading.units[part]
    zero, one = (number(Quantity(Decimal(v), written), concept, unit) for v in (0, 1))
    if zero is None or one is None:
        return None
    return Line(held, part, one - zero, zero)


def number(value: Value, concept: str, unit: str) -> float | None:
    """The value as a number in ``unit``; None where it is no quantity, a bound, or cannot be converted."""
    if not isinstance(value, Quantity) or value.comparator:
        return None
    if value.unit == unit:
        return float(value.value)
    try:
        return float(units.convert(value, unit, concept).value)
    except UnitError:
        return None
