"""What an open store answers of many patients, for a scope over the whole store: whose records hold what.

No body is opened here: the index and a reader's reach tell (see :mod:`salus.record.reach`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from salus.errors import AccessError, IntegrityError
from salus.record import kinds
from salus.record.database import Database, one_of
from salus.record.forgetting import ERASED
from salus.record.protocols import Scope, Sealer
from salus.record.reach import Reach, ReachTables
from salus.record.sealing import HOUSE, reach_context, unpack
from salus.record.search import Clause

_ALL = (1 << 63) - 1


class Everybody:
    """The part of a store's answers that is of many patients. Every call takes the scope that the gate gave."""

    def __init__(self, connection: Database, sealer: Sealer) -> None:
        self._connection = connection
        self._sealer = sealer
        self._reaches = ReachTables(connection)

    def patient_of(self, scope: Scope, pid: int) -> str:
        """The patient of a number, for a scope over the whole store. Raises AccessError where there is none."""
        row = self._connection.execute("SELECT id FROM patient WHERE pid = ?", (pid,)).fetchone()
        if scope.patient != "*" or row is None or row[0].startswith(ERASED):
            raise AccessError("no such patient, or not released to you")
        return str(row[0])

    def patients(self, scope: Scope) -> list[str]:
        """The ids of all patients, for a scope over the whole store."""
        if scope.patient != "*":
            raise AccessError("not allowed")
        rows = self._connection.execute("SELECT id FROM patient WHERE id NOT LIKE ? ORDER BY pid", (f"{ERASED}%",))
        return [row[0] for row in rows]

    def holders(self, scope: Scope, kind: str, name: str, limit: int = _ALL) -> list[str]:
        """The patients, at most ``limit``, whose records hold or held a resource of this type and id."""
        return [patient for _, patient in self._holding(scope, kind, name, limit)]

    def doubled(self, scope: Scope, refs: Iterable[str]) -> list[str]:
        """The resources among these that more than one record holds or held. The index alone is read."""
        if scope.patient != "*":
            raise AccessError("not allowed")
        found: list[str] = []
        for kind, names in kinds.by_type(tuple(ref.split("/", 1)) for ref in refs).items():  # type: ignore[misc]
            marks, values = one_of(list(names))
            rows = self._connection.execute(
                f"SELECT id FROM resource WHERE type = ? AND id IN ({marks}) GROUP BY id HAVING count(*) > 1",
                (kind, *values),
            )
            found += [f"{kind}/{name}" for (name,) in rows]
        return found

    def holders_within(self, scope: Scope, reach: Reach, refs: Iterable[str]) -> dict[str, list[str]]:
        """By resource the patients of a reach, in order of number, whose records hold it or held it."""
        if scope.patient != "*":
            raise AccessError("not allowed")
        found: dict[str, list[str]] = {ref: [] for ref in refs}
        for kind, names in kinds.by_type(tuple(ref.split("/", 1)) for ref in found).items():  # type: ignore[misc]
            marks, values = one_of(list(names))
            rows = self._connection.execute(
                "SELECT r.id, p.pid, p.id FROM resource r JOIN patient p ON p.pid = r.pid "
                f"WHERE r.type = ? AND r.id IN ({marks}) ORDER BY p.pid",
                (kind, *values),
            )
            for name, pid, patient in rows:
                if pid in reach.shares:
                    found[f"{kind}/{name}"].append(patient)
        return found

    def _holding(self, scope: Scope, kind: str, name: str, limit: int) -> Iterator[tuple[int, str]]:
        if scope.patient != "*":
            raise AccessError("not allowed")
        rows = self._connection.execute(
            "SELECT p.pid, p.id FROM resource r JOIN patient p ON p.pid = r.pid WHERE r.type = ? AND r.id = ? "
            "ORDER BY p.pid LIMIT ?",
            (kind, name, limit),
        )
        return ((pid, patient) for pid, patient in rows.fetchall())

    def kept_reach(self, scope: Scope, name: str) -> bytes | None:
        """The compiled reach that was kept under a name; None where there is none, or none that opens."""
        if scope.patient != "*":
            raise AccessError("not allowed")
        place = reach_context(name)
        row = self._connection.execute(
            "SELECT body FROM reach WHERE name = ?", (self._sealer.blind(place.decode()),)
        ).fetchone()
        if row is None or not isinstance(row[0], bytes):
            return None
        try:
            return unpack(self._sealer.unseal(HOUSE, row[0], place))
        except IntegrityError:  # it is compiled anew
            return None

    def having(
        self,
        scope: Scope,
        reach: Reach,
        kind: str,
        clauses: Sequence[Clause],
        *,
        after: int,
        limit: int,
        enough: int | None = None,
    ) -> tuple[list[str], int | None]:
        """The next patients of a reach after a number, in order, of whom the index does not say that nothing matches.

        Besides, the number of the last of them; None where there are no more. ``enough``: no more of them than have so
        many matches together, where the index counts these (:func:`planner.exact`).
        """
        if scope.patient != "*":
            raise AccessError("not allowed")
        found = self._reaches.having(reach, kind, clauses, self._sealer.blind, after, limit, enough)
        if not found.numbers:
            return [], None
        marks, values = one_of(found.numbers)
        rows = self._connection.execute(f"SELECT id FROM patient WHERE pid IN ({marks}) ORDER BY pid", values)
        names = [name for (name,) in rows if not name.startswith(ERASED)]
        return names, found.numbers[-1] if found.more else None

    def beginning(
        self, scope: Scope, reach: Reach, kind: str, clauses: Sequence[Clause], prefix: str, limit: int
    ) -> set[int]:
        """The numbers of the patients of a reach, at most ``limit``, who may have a match of :func:`planner.exact`
        clauses whose id begins with a prefix."""
        if scope.patient != "*":
            raise AccessError("not allowed")
        return set(self._reaches.beginning(reach, kind, clauses, prefix, self._sealer.blind, limit))

    def counts(self, scope: Scope, reach: Reach, kind: str, clauses: Sequence[Clause]) -> dict[int, int]:
        """How many resources of one type match :func:`planner.exact` clauses, by patient, as far as a reach tells.

        Patients who decide on single resources are left out.
        """
        if scope.patient != "*":
            raise AccessError("not allowed")
        return dict(self._reaches.counts(reach, kind, clauses, self._sealer.blind))

    def find_identifier(self, scope: Scope, system: str, value: str) -> list[str]:
        """The ids of the patients whose Patient resource carries this identifier."""
        if scope.patient != "*":
            raise AccessError("not allowed")
        rows = self._connection.execute(
            "SELECT DISTINCT p.id FROM token_index t JOIN resource r ON r.rid = t.rid JOIN patient p ON p.pid = r.pid "
            "WHERE t.type = 'Patient' AND t.param = 'identifier' AND t.token = ?",
            (self._sealer.blind(f"{system}|{value}"),),
        )
        return [row[0] for row in rows]
