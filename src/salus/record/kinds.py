"""Which kinds of data each row of the record tells of, kept beside it as bits so that nothing hidden is opened.

A resource has the kinds of its own body and those of what it refers to for its content (a report of its results, a
Provenance of its targets), gone through to the end. They are worked out when something is written; bodies decide when
something is read.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from typing import Any

from salus.fhir.categories import EVERY, categories_of, targets_of
from salus.fhir.views import CATEGORIES, PERSON, Body

MAX_RESOURCES = 10_000
"""How many resources that refer to one are worked out anew when it changes; of more, all are of every kind."""
_TABLES = "kinds-tables"
_BITS = {name: 1 << place for place, name in enumerate(CATEGORIES)}
ALL = sum(_BITS.values())


def bits(kinds: Iterable[str]) -> int:
    """Kinds as bits. Whose record it is, is no kind that could be withheld."""
    return sum(_BITS[kind] for kind in set(kinds) - {PERSON})


@cache
def names(mask: int) -> frozenset[str]:
    """The kinds that bits stand for; of what was not told yet, every one."""
    return EVERY if mask < 0 else frozenset(name for name, bit in _BITS.items() if mask & bit)


def own_of(body: Body | None) -> int:
    """The kinds that a body tells of by itself; -1 for a deleted one, which tells nothing of what it was."""
    return -1 if body is None else bits(categories_of(body))


def targets_in(body: Body | None) -> set[tuple[str, str]]:
    """Type and id of what a body refers to for its content."""
    found = () if body is None else targets_of(body)
    return {(kind, name) for kind, _, name in (reference.partition("/") for reference in found)}


def keep(connection: sqlite3.Connection, rid: int, ref: tuple[str, str], body: Body | None, *, fresh: bool) -> bool:
    """Note what a resource that was written refers to. True where :func:`spread` has to follow.

    Its own kinds stand in its row already. A deleted one (``body`` None) keeps the kinds and targets it had: its
    history is no less private. ``fresh``: it was not there before.
    """
    targets = targets_in(body)
    if body is not None and not fresh:
        connection.execute("DELETE FROM target WHERE rid = ?", (rid,))
    if targets:
        connection.executemany("INSERT INTO target VALUES (?, ?, ?)", ((rid, *target) for target in targets))
    named = connection.execute("SELECT 1 FROM target WHERE type = ? AND id = ? LIMIT 1", ref).fetchone()
    return bool(targets or named)


def spread(connection: sqlite3.Connection, pid: int, changed: Iterable[int]) -> None:
    """Work out the kinds of these rows and of all the patient's rows that lead to them, each once."""
    waiting, affected = list(changed), set(changed)
    while waiting:
        found = connection.execute(
            "SELECT t.rid FROM resource r JOIN target t ON t.type = r.type AND t.id = r.id "
            "JOIN resource d ON d.rid = t.rid WHERE r.rid = ? AND d.pid = ?",
            (waiting.pop(), pid),
        ).fetchall()
        fresh = {rid for (rid,) in found} - affected
        affected |= fresh
        waiting += fresh
        if len(affected) > MAX_RESOURCES:
            every = connection.execute("SELECT rid FROM resource WHERE pid = ?", (pid,)).fetchall()
            _note(connection, ((rid, ALL) for (rid,) in every))
            return
    _note(connection, _gathered(connection, pid, affected).items())


def _note(connection: sqlite3.Connection, found: Iterable[tuple[int, int]]) -> None:
    """Write down the kinds of rows, where they stand and in the index."""
    rows = [(value, rid) for rid, value in found]
    connection.executemany("UPDATE resource SET kinds = ?1 WHERE rid = ?2 AND kinds <> ?1", rows)
    connection.executemany("UPDATE token_index SET kinds = ?1 WHERE rid = ?2 AND kinds <> ?1", rows)


def _gathered(connection: sqlite3.Connection, pid: int, affected: set[int]) -> dict[int, int]:
    """The kinds of rows with those of what they lead to; of rows that are not among them, what stands there holds."""
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


def reached(connection: sqlite3.Connection, pid: int, rid: int) -> int:
    """The kinds of a row with those of everything it leads to."""
    rows = connection.execute(
        "WITH RECURSIVE reached(rid) AS (VALUES (?) UNION "
        "SELECT r.rid FROM reached JOIN target t ON t.rid = reached.rid "
        "JOIN resource r ON r.pid = ? AND r.type = t.type AND r.id = t.id LIMIT ?) "
        "SELECT own_kinds FROM resource WHERE rid IN (SELECT rid FROM reached)",
        (rid, pid, MAX_RESOURCES),
    ).fetchall()
    found = 0
    for (own,) in rows:
        found |= own if own >= 0 else ALL
    return ALL if len(rows) >= MAX_RESOURCES else found


def led_to(connection: sqlite3.Connection, pid: int, body: Body) -> frozenset[str]:
    """The kinds of what a body, of now or of before, refers to for its content, as far as that is in the record."""
    found = 0
    for kind, name in targets_in(body):
        row = connection.execute(
            "SELECT kinds FROM resource WHERE pid = ? AND type = ? AND id = ?", (pid, kind, name)
        ).fetchone()
        found |= 0 if row is None else ALL if row[0] < 0 else row[0]
    return names(found)


def told(connection: sqlite3.Connection) -> bool:
    """True when every row's kinds are those of the present tables."""
    row = connection.execute("SELECT value FROM setting WHERE name = ?", (_TABLES,)).fetchone()
    return bool(row) and row[0] == _digest()


def tell(connection: sqlite3.Connection, open_body: Callable[[tuple[Any, ...]], Body | None]) -> None:
    """Work out the kinds of all rows: once, when a store of before or other tables are met. Inside a transaction.

    ``open_body`` opens (patient, type, id, version, updated, deleted, mac, body) of a current row; None where it
    cannot be: then the row stays of every kind.
    """
    rows = connection.execute(
        "SELECT r.pid, r.rid, p.id, r.type, r.id, r.version, r.updated, r.deleted, r.mac, r.body FROM resource r "
        "JOIN patient p ON p.pid = r.pid WHERE r.deleted = 0"
    ).fetchall()
    for _, rid, *row in rows:
        body = open_body(tuple(row))
        connection.execute("UPDATE resource SET own_kinds = ? WHERE rid = ?", (own_of(body), rid))
        connection.execute("DELETE FROM target WHERE rid = ?", (rid,))
        targets = ((rid, *target) for target in targets_in(body))
        connection.executemany("INSERT INTO target VALUES (?, ?, ?)", targets)
    _note(connection, ((rid, reached(connection, pid, rid)) for pid, rid, *_ in rows))
    connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (_TABLES, _digest()))


def _digest() -> str:
    folder = files("salus.fhir")
    return hashlib.sha256(
        folder.joinpath("categories.toml").read_bytes() + folder.joinpath("categories.py").read_bytes()
    ).hexdigest()
