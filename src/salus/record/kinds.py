"""The kinds of data of each row of the record, kept beside it as bits so that no withheld resource is opened.

A resource has the kinds of its own body and, through all references, those of the resources that it refers to for its
content (a report refers to its results, a Provenance to its targets). The kinds are worked out when something is
written; when something is read, the bodies decide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from salus.fhir.categories import EVERY, categories_of, targets_of
from salus.fhir.views import CATEGORIES, PERSON, Body
from salus.record.database import Database

_TABLES = "kinds-tables"
_BITS = {name: 1 << place for place, name in enumerate(CATEGORIES)}
ALL = sum(_BITS.values())


def bits(kinds: Iterable[str]) -> int:
    """Kinds of data as bits. The kind "person" has no bit: it is never withheld."""
    return _bits(frozenset(kinds))


@cache  # there are few sets of kinds
def _bits(kinds: frozenset[str]) -> int:
    return sum(_BITS[kind] for kind in kinds - {PERSON})


@cache
def names(mask: int) -> frozenset[str]:
    """The kinds that bits stand for; all kinds for a negative number, which means "not worked out yet"."""
    return EVERY if mask < 0 else frozenset(name for name, bit in _BITS.items() if mask & bit)


def own_of(body: Body | None) -> int:
    """The kinds of a body by itself, as bits; -1 for a deleted resource, which has no body."""
    return -1 if body is None else bits(categories_of(body))


def targets_in(body: Body | None) -> set[tuple[str, str]]:
    """Type and id of the resources that a body refers to for its content."""
    found = () if body is None else targets_of(body)
    if not found:
        return set()
    return {(kind, name) for kind, _, name in (reference.partition("/") for reference in found)}


def by_type(refs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The ids of these resources by type."""
    found: dict[str, list[str]] = {}
    for kind, name in refs:
        found.setdefault(kind, []).append(name)
    return found


def named(connection: Database, refs: Iterable[tuple[str, str]], above: int) -> set[tuple[str, str]]:
    """Those of the resources that a row with a number above ``above`` refers to for its content.

    Their kinds need :func:`spread`.
    """
    found: set[tuple[str, str]] = set()
    for kind, names in by_type(refs).items():
        rows = connection.execute(
            f"WITH wanted (id) AS (VALUES {', '.join(['(?)'] * len(names))}) SELECT id FROM wanted "
            "WHERE EXISTS (SELECT 1 FROM target t WHERE t.type = ? AND t.id = wanted.id AND t.rid > ?)",
            (*names, kind, above),
        )
        found |= {(kind, name) for (name,) in rows}
    return found


def spread(connection: Database, pid: int, changed: Iterable[int], above: int) -> None:
    """Work out the kinds of the rows ``changed`` and of all the patient's rows that lead to them, each once.

    All rows of the patient have numbers greater than ``above``. Without this limit, a resource that all records name
    (an organization, say) would be looked for in all of them.
    """
    waiting, affected = list(changed), set(changed)
    while waiting:
        found = connection.execute(
            "SELECT t.rid FROM resource r JOIN target t ON t.type = r.type AND t.id = r.id AND t.rid > ? "
            "JOIN resource d ON d.rid = t.rid WHERE r.rid = ? AND d.pid = ?",
            (above, waiting.pop(), pid),
        ).fetchall()
        fresh = {rid for (rid,) in found} - affected
        affected |= fresh
        waiting += fresh
    _note(connection, _gathered(connection, pid, affected).items())


def _note(connection: Database, found: Iterable[tuple[int, int]]) -> None:
    """Write the kinds of rows (number and bits), in the rows themselves and in the index."""
    rows = [(value, rid) for rid, value in found]
    connection.executemany("UPDATE resource SET kinds = ?1 WHERE rid = ?2 AND kinds <> ?1", rows)
    connection.executemany("UPDATE token_index SET kinds = ?1 WHERE rid = ?2 AND kinds <> ?1", rows)


def _gathered(connection: Database, pid: int, affected: set[int]) -> dict[int, int]:
    """The kinds of each row with those of the rows it leads to. The kinds stored in rows outside ``affected`` hold."""
    value: dict[int, int] = {}
    leading: dict[int, list[int]] = {}
    for rid in affected:
        (own,) = connection.execute("SELECT own_kinds FROM resource WHERE rid = ?", (rid,)).fetchone()
        value[rid] = own if own >= 0 else ALL
        targets = connection.execute(
            "SELECT r.rid, r.kinds FROM target t JOIN resource r ON r.pid = ? AND r.type = t.type AND r.id = t.id "
            "WHERE t.rid = ?",
            (pid, rid),
        ).fetchall()
        for target, kinds in targets:
            if target in affected:
                leading.setdefault(target, []).append(rid)
            else:
                value[rid] |= kinds if kinds >= 0 else ALL
    waiting = list(affected)
    while waiting:  # a row changes at most once for each kind
        rid = waiting.pop()
        for above in leading.get(rid, ()):
            if value[above] | value[rid] != value[above]:
                value[above] |= value[rid]
                waiting.append(above)
    return value


def reached(connection: Database, pid: int, rid: int) -> int:
    """The kinds of a row with those of all rows of the patient that it leads to, as bits."""
    rows = connection.execute(
        "WITH RECURSIVE reached(rid) AS (VALUES (CAST(? AS BIGINT)) UNION "
        "SELECT r.rid FROM reached JOIN target t ON t.rid = reached.rid "
        "JOIN resource r ON r.pid = ? AND r.type = t.type AND r.id = t.id) "
        "SELECT own_kinds FROM resource WHERE rid IN (SELECT rid FROM reached)",
        (rid, pid),
    ).fetchall()
    found = 0
    for (own,) in rows:
        found |= own if own >= 0 else ALL
    return found


def led_to(connection: Database, pid: int, body: Body) -> frozenset[str]:
    """The kinds of the resources in the record that a body, current or earlier, refers to for its content."""
    found = 0
    for kind, name in targets_in(body):
        row = connection.execute(
            "SELECT kinds FROM resource WHERE pid = ? AND type = ? AND id = ?", (pid, kind, name)
        ).fetchone()
        found |= 0 if row is None else ALL if row[0] < 0 else row[0]
    return names(found)


def told(connection: Database) -> bool:
    """True when the kinds of all rows were worked out with the present tables."""
    row = connection.execute("SELECT value FROM setting WHERE name = ?", (_TABLES,)).fetchone()
    return bool(row) and row[0] == _digest()


def tell(connection: Database, open_body: Callable[[tuple[Any, ...]], Body | None]) -> None:
    """Work out the kinds of all rows: once, for a store of an earlier release or when the tables have changed.

    Must be called inside a transaction. ``open_body`` takes (patient, type, id, version, updated, deleted, mac, body)
    of a current row and returns its body, or None where it cannot be opened: then the row has every kind.
    """
    newest = 0
    while rows := connection.execute(
        "SELECT r.rid, p.id, r.type, r.id, r.version, r.updated, r.deleted, r.mac, r.body FROM resource r "
        "JOIN patient p ON p.pid = r.pid WHERE r.deleted = 0 AND r.rid > ? ORDER BY r.rid LIMIT 500",
        (newest,),
    ).fetchall():
        bodies = [(rid, open_body(tuple(row))) for rid, *row in rows]
        connection.executemany("DELETE FROM target WHERE rid = ?", ((rid,) for rid, _ in bodies))
        targets = ((rid, *target) for rid, body in bodies for target in targets_in(body))
        connection.executemany("INSERT INTO target VALUES (?, ?, ?)", targets)
        owns = ((own, own if own >= 0 else ALL, rid) for rid, body in bodies for own in (own_of(body),))
        connection.executemany("UPDATE resource SET own_kinds = ?, kinds = ? WHERE rid = ?", owns)
        newest = rows[-1][0]
    leading = connection.execute(
        "SELECT DISTINCT r.pid, r.rid FROM target t JOIN resource r ON r.rid = t.rid WHERE r.deleted = 0"
    ).fetchall()
    for pid, rid in leading:
        connection.execute("UPDATE resource SET kinds = ? WHERE rid = ?", (reached(connection, pid, rid), rid))
    connection.execute("UPDATE token_index SET kinds = (SELECT r.kinds FROM resource r WHERE r.rid = token_index.rid)")
    connection.execute(
        "INSERT INTO setting VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (_TABLES, _digest()),
    )


def _digest() -> str:
    folder = files("salus.fhir")
    return hashlib.sha256(
        folder.joinpath("categories.toml").read_bytes() + folder.joinpath("categories.py").read_bytes()
    ).hexdigest()
