"""Reaches: of which patients one reader is released anything for one purpose, as a table that searches join.

The gate compiles a reach (:mod:`salus.trust.reaching`). It narrows: which patients a search looks into, and how many
resources it counts. What is shown of a patient is decided by a grant of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from salus.record import planner
from salus.record.database import Database
from salus.record.search import Clause

MAX_TABLES = 64
"""Reaches that one connection holds as tables; the one that was asked for longest ago goes first."""
COUNTED_AT_ONCE = 5000
"""Patients of one statement that counts."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one patient releases.

    ``withheld`` are the kinds of data that are not released, as bits (:mod:`salus.record.kinds`). ``singly``: a consent
    speaks of single resources, so that only a grant tells which.
    """

    withheld: int
    singly: bool = False


class Reach:
    """The patients of whom anything is released to one reader for one purpose, by number, as of one moment.

    Never changed once it is made: where a decision changed there is another one under the same ``name``.
    """

    def __init__(self, name: str, shares: Mapping[int, Share]) -> None:
        self.name = name
        self.shares = shares
        self.numbers: Sequence[int] = sorted(shares)
        self.singly: Sequence[int] = [pid for pid in self.numbers if shares[pid].singly]


class Having(NamedTuple):
    """Numbers of patients, and whether there may be more after them."""

    numbers: Sequence[int]
    more: bool


class ReachTables:
    """The reaches of one connection as rows of a temporary table, which is nobody else's and never in the file."""

    def __init__(self, connection: Database) -> None:
        self._connection = connection
        self._held: OrderedDict[str, tuple[int, Reach]] = OrderedDict()
        self._next = 0

    def having(
        self,
        reach: Reach,
        kind: str,
        clauses: Sequence[Clause],
        blind: planner.Blind,
        after: int,
        limit: int,
        enough: int | None = None,
    ) -> Having:
        """The next patients after a number, in order, of whom the index does not say that nothing matches.

        One who decides on single resources is always among them: whether there is a row tells what he withholds.
        ``enough``: no more than have so many matches together, where the index counts these.
        """
        held, values = planner.held(kind, clauses, blind)
        if not held:
            first = bisect_right(reach.numbers, after)
            numbers = reach.numbers[first : first + limit]
            return Having(numbers, more=len(numbers) == limit)
        counted, given = "0", list[planner.Value]()
        if enough is not None and planner.exact(kind, clauses):
            counted, given = planner.counted(kind, clauses, blind)
        rows = self._connection.execute(
            f"SELECT x.pid, CASE x.singly WHEN 1 THEN 0 ELSE ({counted}) END FROM shares x "
            f"WHERE x.reader = ? AND x.pid > ? AND (x.singly = 1 OR (1 = 1{held})) ORDER BY x.pid LIMIT ?",
            (*given, self._number(reach), after, *values, limit),
        )
        found: list[int] = []
        matches = 0
        for pid, number in rows:
            found.append(pid)
            matches += number
            if enough is not None and matches >= enough:
                return Having(found, more=True)
        return Having(found, more=len(found) == limit)

    def beginning(
        self, reach: Reach, kind: str, clauses: Sequence[Clause], prefix: str, blind: planner.Blind, limit: int
    ) -> Iterator[int]:
        """Patients of whom the index does not say that they have no match whose id begins with a prefix, without those
        who decide on single resources.

        Who has no such id at all, nearly everybody, is told by one look; only of others each clause's rows are read.
        """
        one = (
            "SELECT 1 FROM resource r WHERE r.pid = x.pid AND r.type = ? AND r.id BETWEEN ? AND ? AND r.deleted = 0 "
            "AND r.kinds & x.withheld = 0"
        )
        place = [kind, prefix, f"{prefix}\x7f"]
        held, values = "", list[planner.Value]()
        for clause in clauses:
            rows, given = planner.carried(kind, clause, blind)
            held += f" AND EXISTS (SELECT 1 {rows} AND t.pid = x.pid AND EXISTS ({one} AND r.rid = t.rid))"
            values += [*given, *place]
        found = self._connection.execute(
            f"SELECT x.pid FROM shares x WHERE x.reader = ? AND x.singly = 0 AND EXISTS ({one}){held} LIMIT ?",
            (self._number(reach), *place, *values, limit),
        )
        return (pid for (pid,) in found)

    def counts(
        self, reach: Reach, kind: str, clauses: Sequence[Clause], blind: planner.Blind
    ) -> Iterator[tuple[int, int]]:
        """Patients and how many of their resources match, where any does, without those who decide on single resources.

        The clauses are ones that the index holds exactly.
        """
        if clauses:
            counted, values = planner.counted(kind, clauses, blind)
        else:
            counted, values = (
                "SELECT count(*) FROM resource r WHERE r.pid = x.pid AND r.type = ? AND r.deleted = 0 "
                "AND r.kinds & x.withheld = 0",
                [kind],
            )
        number, after = self._number(reach), -1
        while True:
            rows = self._connection.execute(
                f"SELECT x.pid, ({counted}) FROM shares x WHERE x.reader = ? AND x.pid > ? AND x.singly = 0 "
                "ORDER BY x.pid LIMIT ?",
                (*values, number, after, COUNTED_AT_ONCE),
            ).fetchall()
            yield from ((pid, found) for pid, found in rows if found)
            if len(rows) < COUNTED_AT_ONCE:
                return
            after = rows[-1][0]

    def _number(self, reach: Reach) -> int:
        """The number under which a reach stands in the table, after making it what it is now."""
        held = self._held.get(reach.name)
        if held is None:
            self._make_room()
            self._next += 1
            held = self._next, Reach(reach.name, {})
        number, before = held
        if before is not reach:
            self._bring(number, before.shares, reach.shares)
            self._held[reach.name] = number, reach
        self._held.move_to_end(reach.name)
        return number

    def _make_room(self) -> None:
        if not self._next:
            self._connection.execute(
                "CREATE TEMP TABLE shares (reader BIGINT, pid BIGINT, withheld BIGINT, singly BIGINT, "
                "PRIMARY KEY (reader, pid))"
            )
        while len(self._held) >= MAX_TABLES:
            _, (number, _) = self._held.popitem(last=False)
            self._connection.execute("DELETE FROM shares WHERE reader = ?", (number,))

    def _bring(self, number: int, before: Mapping[int, Share], now: Mapping[int, Share]) -> None:
        """Change the rows of one reach to what it is now."""
        gone = [(number, pid) for pid in before.keys() - now.keys()]
        changed = [(number, pid, s.withheld, s.singly) for pid, s in now.items() if before.get(pid) != s]
        begun = not self._connection.in_transaction
        if begun:
            self._connection.begin_reading()
        try:
            self._connection.executemany("DELETE FROM shares WHERE reader = ? AND pid = ?", gone)
            self._connection.executemany(
                "INSERT INTO shares VALUES (?, ?, ?, ?) ON CONFLICT (reader, pid) DO UPDATE SET "
                "withheld = excluded.withheld, singly = excluded.singly",
                changed,
            )
        finally:
            if begun:
                self._connection.execute("COMMIT")
