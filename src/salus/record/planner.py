"""The search planner: from the clauses of a search to SQL that starts at the patient and never at a common code.

Left to itself SQLite starts from the index of a code that half the store carries; so every index is asked, with EXISTS,
about one resource of the patient at a time. What the index does not hold exactly is left to the body.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from salus.fhir import dates
from salus.record.search import Clause, Moment, Token

_CODES = frozenset({("code",), ("medicationCodeableConcept",), ("vaccineCode",), ("type",)})
"""What stands in the token index under "code" (see :mod:`salus.record.index`)."""
_IDENTIFIERS = frozenset({("identifier",)})
_ONE_DATE = frozenset({"Observation", "DiagnosticReport", "Procedure"})
"""Types whose only indexed date is the one that ``date`` searches; where it is a Period they have no row."""
_SLACK = timedelta(seconds=1)
"""The index writes whole seconds and fractions differently: within one second their order is not that of time."""


def narrow(
    kind: str, clauses: Sequence[Clause], ids: Sequence[str], blind: Callable[[str], bytes]
) -> tuple[str, list[str | bytes]]:
    """SQL conditions on ``resource r``, and their values, that hold for every match (and perhaps for others)."""
    sql, values = "", list[str | bytes]()
    if ids:
        sql += f" AND r.id IN ({', '.join('?' * len(ids))})"
        values += ids
    for clause in clauses:
        for more, given in (_tokens(kind, clause, blind), _date(kind, clause)):
            sql += more
            values += given
    return sql, values


def _tokens(kind: str, clause: Clause, blind: Callable[[str], bytes]) -> tuple[str, list[str | bytes]]:
    paths = frozenset(clause.parameter.paths)
    name = "code" if paths <= _CODES else "identifier" if paths <= _IDENTIFIERS else ""
    wanted = [v for v in clause.values if isinstance(v, Token) and v.system is not None and v.code]
    if not paths or not name or len(wanted) != len(clause.values):
        return "", []
    found = [blind(f"{v.system}|{v.code}") for v in wanted]
    marks = ", ".join("?" * len(found))
    return (
        " AND EXISTS (SELECT 1 FROM token_index t WHERE t.type = ? AND t.param = ? "
        f"AND t.token IN ({marks}) AND t.rid = r.rid)",
        [kind, name, *found],
    )


def _date(kind: str, clause: Clause) -> tuple[str, list[str | bytes]]:
    wanted = clause.values[0]
    if kind not in _ONE_DATE or clause.parameter.name != "date" or len(clause.values) != 1:
        return "", []
    if not isinstance(wanted, Moment) or wanted.prefix == "ne":
        return "", []
    try:
        earliest, latest = dates.write(wanted.span.start - _SLACK), dates.write(wanted.span.end + _SLACK)
    except OverflowError:
        return "", []
    tests: list[str] = []
    values: list[str | bytes] = []
    if wanted.prefix in ("eq", "gt", "ge", "sa"):
        tests, values = ["d.hi >= ?"], [earliest]
    if wanted.prefix in ("eq", "lt", "le", "eb"):
        tests, values = [*tests, "d.lo <= ?"], [*values, latest]
    row = "SELECT 1 FROM date_index d WHERE d.rid = r.rid"
    return f" AND (EXISTS ({row} AND {' AND '.join(tests)}) OR NOT EXISTS ({row}))", values
