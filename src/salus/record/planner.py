"""The search planner: turns the clauses of a search into SQL that starts at the patient and never at a common code.

SQLite alone would start from the index of a code that half the store carries; so each query of an index is for one
patient at a time. What the index does not hold exactly is decided on the body.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from salus.fhir import dates
from salus.record.database import one_of
from salus.record.search import Clause, Moment, Token

Value = str | bytes | int
Blind = Callable[[str], bytes]
Condition = tuple[str, list[Value]]
"""SQL, and the values for its placeholders in order."""
NUMBER = "(SELECT pid FROM patient WHERE id = ?)"
_CODES = frozenset({("code",), ("medicationCodeableConcept",), ("vaccineCode",), ("type",)})
"""The paths whose tokens stand in the index under "code" (see :mod:`salus.record.index`)."""
_IDENTIFIERS = frozenset({("identifier",)})
ONE_CODE = frozenset(
    {
        *("Observation", "Condition", "Procedure", "DiagnosticReport", "ServiceRequest", "Immunization"),
        *("MedicationRequest", "MedicationStatement", "MedicationAdministration"),
    }
)
"""Types with exactly one of the elements indexed under "code" (FHIR R4), so that the index holds that element exactly.
Each of their resources is about one patient and stands in that patient's record alone."""
_ONE_DATE = frozenset({"Observation", "DiagnosticReport", "Procedure"})
"""Types whose only indexed date is the one that ``date`` searches. A Period there has no row in the index."""
_SLACK = timedelta(seconds=1)
"""The index writes whole seconds and fractions in different forms, which within one second are not in order of time."""


def narrow(kind: str, clauses: Sequence[Clause], ids: Sequence[str], patient: str, blind: Blind) -> Condition:
    """SQL conditions on the rows ``r`` of one patient that every match fulfils, and perhaps other rows too.

    ``ids`` restricts the rows to these ids; ``blind`` makes the keyed hash of a token.
    """
    sql, values = "", list[Value]()
    if ids:
        marks, given = one_of(ids)
        sql += f" AND r.id IN ({marks})"
        values += given
    for clause in clauses:
        if (tokens := _rows(kind, clause, blind)) is not None:
            sql += f" AND r.rid IN (SELECT t.rid {tokens[0]} AND t.pid = {NUMBER})"
            values += [*tokens[1], patient]
        dated, instants = _date(kind, clause)
        sql += dated
        values += instants
    return sql, values


def exact(kind: str, clauses: Sequence[Clause]) -> bool:
    """True where only the matches fulfil :func:`narrow`, so that no body has to be read."""
    return all(
        _tokens(clause) is not None and (frozenset(clause.parameter.paths) <= _IDENTIFIERS or kind in ONE_CODE)
        for clause in clauses
    )


def held(kind: str, clauses: Sequence[Clause], blind: Blind) -> Condition:
    """SQL conditions on a patient ``x`` of a reach: it has a row in the index for each clause the index can answer."""
    sql, values = "", list[Value]()
    for clause in clauses:
        if (tokens := _rows(kind, clause, blind)) is not None:
            sql += f" AND EXISTS (SELECT 1 {tokens[0]} AND t.pid = x.pid AND t.kinds & x.withheld = 0)"
            values += tokens[1]
    return sql, values


def carried(kind: str, clause: Clause, blind: Blind) -> Condition:
    """The FROM and WHERE of the index rows ``t`` of an :func:`exact` clause."""
    found = _rows(kind, clause, blind)
    assert found is not None
    return found


def counted(kind: str, clauses: Sequence[Clause], blind: Blind) -> Condition:
    """SQL for the number of resources of a patient ``x`` of a reach that match one or more :func:`exact` clauses."""
    first, *others = (found for clause in clauses if (found := _rows(kind, clause, blind)) is not None)
    what = "*" if len(first[1]) == 3 else "DISTINCT t.rid"  # type, name and one token: a resource has one row of it
    sql, values = f"SELECT count({what}) {first[0]} AND t.pid = x.pid AND t.kinds & x.withheld = 0", [*first[1]]
    for other, given in others:
        sql += f" AND t.rid IN (SELECT t.rid {other} AND t.pid = x.pid)"
        values += given
    return sql, values


def _tokens(clause: Clause) -> tuple[str, list[Token]] | None:
    """The name under which a clause's tokens stand in the index, and the tokens; None where it does not hold all."""
    paths = frozenset(clause.parameter.paths)
    name = "code" if paths <= _CODES else "identifier" if paths <= _IDENTIFIERS else ""
    wanted = [v for v in clause.values if isinstance(v, Token) and v.system is not None and v.code]
    return (name, wanted) if paths and name and len(wanted) == len(clause.values) else None


def _rows(kind: str, clause: Clause, blind: Blind) -> Condition | None:
    """The FROM and WHERE of the index rows of a clause's tokens; None where the index does not hold them all."""
    found = _tokens(clause)
    if found is None:
        return None
    name, wanted = found
    marks = ", ".join("?" * len(wanted))
    values: list[Value] = [kind, name, *(blind(f"{v.system}|{v.code}") for v in wanted)]
    return f"FROM token_index t WHERE t.type = ? AND t.param = ? AND t.token IN ({marks})", values


def _date(kind: str, clause: Clause) -> Condition:
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
    values: list[Value] = []
    if wanted.prefix in ("eq", "gt", "ge", "sa"):
        tests, values = ["d.hi >= ?"], [earliest]
    if wanted.prefix in ("eq", "lt", "le", "eb"):
        tests, values = [*tests, "d.lo <= ?"], [*values, latest]
    row = "SELECT 1 FROM date_index d WHERE d.rid = r.rid"
    return f" AND (EXISTS ({row} AND {' AND '.join(tests)}) OR NOT EXISTS ({row}))", values
