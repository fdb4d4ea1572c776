"""Moving a whole store from SQLite to PostgreSQL or back: every row of every table is copied and compared.

Nobody else can use the store while it is moved. The new store appears all at once, when all rows were read back and
found to be the same: in PostgreSQL by one transaction, as a file by being renamed. Until then there is no new store,
whatever happens. The old store is left with all its rows, under a name that salus does not open.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from salus.errors import IntegrityError, StoreError
from salus.record import schema
from salus.record.database import Database, File
from salus.record.postgres_schema import MOVED_AWAY, VERSIONS
from salus.record.turn import PATIENCE, Turn

if TYPE_CHECKING:
    from salus.record.postgres_wire import Connection

AT_ONCE, LARGE = 1000, 8
"""Rows that are held in memory at once: of most tables, and of tables with large rows."""
_LARGE = frozenset({"blob_chunk", "quarantine"})
_SET_ASIDE = f"ALTER TABLE {VERSIONS} RENAME TO {MOVED_AWAY}"
Progress = Callable[[int, int], None]
"""Called with the number of rows written and compared so far, and with their total (each row counts twice)."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the schema: its name, its columns, and the columns of its primary key."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def reading(self) -> str:
        """The statement that reads all rows in the order of the key. Both engines order them in the same way."""
        return f"SELECT {', '.join(self.columns)} FROM {self.name} ORDER BY {', '.join(self.key)}"

    @property
    def writing(self) -> str:
        """The statement that writes one row."""
        return f"INSERT INTO {self.name} ({', '.join(self.columns)}) VALUES ({', '.join('?' * len(self.columns))})"


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved: the number of rows by table, and the size and root hash of the log's newest checkpoint."""

    rows: Mapping[str, int]
    entries: int
    root: bytes


@cache
def tables() -> tuple[Table, ...]:
    """The tables of a store. Each comes after the tables that it refers to."""
    with closing(schema.pristine()) as fresh:
        names = [name for (name,) in fresh.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        needs = {name: {row[2] for row in fresh.execute(f"PRAGMA foreign_key_list({name})")} for name in names}
        found: dict[str, Table] = {}
        while len(found) < len(names):
            for name in names:
                if name not in found and needs[name] <= found.keys():
                    found[name] = _table(fresh, name)
    return tuple(found.values())


def _table(fresh: File, name: str) -> Table:
    columns = fresh.execute(f"PRAGMA table_info({name})").fetchall()
    key = sorted((row[5], row[1]) for row in columns if row[5])
    return Table(name, tuple(row[1] for row in columns), tuple(column for _, column in key))


def move(source: Path | str, target: Path | str, progress: Progress = lambda done, total: None) -> Moved:
    """Move a store between a file (a Path) and a PostgreSQL database (its address). The copy is verified on return.

    Raises StoreError where the source is in use or is no store, where the target holds a store already, or where either
    of them fails; IntegrityError where the rows written differ from those read. After an error both are as they were
    before. There is one exception: where a connection is lost while PostgreSQL commits, it may have committed or not.
    """
    try:
        with _source(source) as old, _target(target, old, _setting_aside(source, old)) as new:
            return _copied(old, new, progress)
    except sqlite3.DatabaseError as error:
        raise StoreError(f"the store cannot be moved: {error}", remedy="see docs/running.md") from error


def _copied(old: Database, new: Database, progress: Progress) -> Moved:
    count = {table: _one(old, f"SELECT count(*) FROM {table.name}") for table in tables()}
    total, done = 2 * sum(count.values()), 0
    for table in tables():
        digests = []
        for rows in (_written(old, new, table), _rows(new, table)):
            digest = hashlib.sha256()
            for part in rows:
                for row in part:
                    digest.update(repr(tuple(row)).encode())
                done += len(part)
                progress(done, total)
            digests.append(digest.digest())
        if digests[0] != digests[1] or _one(new, f"SELECT count(*) FROM {table.name}") != count[table]:
            raise IntegrityError("what was written is not what was read", where=table.name)
    row = new.execute("SELECT size, root FROM log_checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    return Moved({table.name: n for table, n in count.items()}, *(row or (0, b"")))


def _rows(connection: Database, table: Table) -> Iterator[list[tuple[object, ...]]]:
    """All rows of a table, part by part."""
    size = LARGE if table.name in _LARGE else AT_ONCE
    rows = connection.scan(table.reading, size)
    while part := [row for _, row in zip(range(size), rows, strict=False)]:
        yield part


def _written(old: Database, new: Database, table: Table) -> Iterator[list[tuple[object, ...]]]:
    for part in _rows(old, table):
        new.executemany(table.writing, part)
        yield part


def _one(connection: Database, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])


# ---- the old store, which nobody else can use meanwhile


@contextmanager
def _source(source: Path | str) -> Iterator[Database]:
    if isinstance(source, str):
        from salus.record import postgres

        with closing(postgres.connect(source, create=False, alone=True)) as connection:
            connection.begin(PATIENCE)
            connection.script(postgres.UNBOUNDED)
            # only the owner of the tables can rename one: try it now, not when everything was copied
            connection.script(f"SAVEPOINT tried; {_SET_ASIDE}; ROLLBACK TO tried")
            yield connection
        return
    schema.connect(source, create=False).close()  # brings the schema up to date, or raises
    if (earlier := schema.moved_away(source)).exists():
        remedy = "destroy it if nothing needs it any more, or put it into another folder, then try again"
        raise StoreError("a store that was moved earlier is still here", where=str(earlier), remedy=remedy)
    turn = Turn(source)
    try:
        with turn.taken(PATIENCE), closing(_alone(source)) as file:
            yield file
    finally:
        turn.close()


def _alone(path: Path) -> File:
    """The file, opened exclusively. Raises StoreError where somebody else has it open."""
    file = sqlite3.connect(path, timeout=1.0, isolation_level=None, factory=File)
    try:
        file.execute("PRAGMA locking_mode=EXCLUSIVE")
        file.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        file.close()
        raise StoreError("the store is in use", where=str(path), remedy="stop the server, then try again") from error
    return file


@contextmanager
def _setting_aside(source: Path | str, old: Database) -> Iterator[None]:
    """Rename the old store (or its table of versions), so that salus does not open it again.

    The body of the ``with`` block makes the new store appear. Steps that may well fail are done before it; only steps
    that hardly can fail come after it.
    """
    if isinstance(source, str):
        old.execute(_SET_ASIDE)
        yield
        old.execute("COMMIT")
        return
    old.execute("ROLLBACK")
    old.execute("PRAGMA journal_mode=DELETE")  # all of it in one file
    yield
    source.rename(schema.moved_away(source))
    _settle(source.parent)


# ---- the new store, which appears all at once or not at all


@contextmanager
def _target(target: Path | str, old: Database, setting_aside: AbstractContextManager[None]) -> Iterator[Database]:
    if isinstance(target, str):
        from salus.record import postgres

        with closing(postgres.made(target)) as connection:
            yield connection
            _count_on(connection)
            with setting_aside:
                connection.execute("COMMIT")
            with suppress(postgres.PostgresError):  # the server does this by itself some minutes later
                connection.execute("SET statement_timeout = 0")
                for table in tables():
                    connection.execute(f"VACUUM ANALYZE {table.name}")
        return
    for there in (target, target.with_name(f"{target.name}-wal")):
        if there.exists():
            raise StoreError("there is a store already", where=str(there), remedy="move it away first")
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        part.touch(mode=0o600)
        with closing(schema.connect(part, create=True)) as file:
            file.execute("PRAGMA journal_mode=DELETE")
            file.begin(PATIENCE)
            yield file
            file.execute("COMMIT")
        _put_in_place(part, target, old, setting_aside)
    finally:
        part.unlink(missing_ok=True)


def _put_in_place(part: Path, target: Path, old: Database, setting_aside: AbstractContextManager[None]) -> None:
    try:
        with setting_aside:
            part.rename(target)
            _settle(target.parent)
    except BaseException as error:
        if old.in_transaction or isinstance(error, sqlite3.Error | OSError):
            target.unlink(missing_ok=True)  # the old store was not renamed, and there must not be two
        raise


def _count_on(connection: Connection) -> None:
    """Set PostgreSQL's sequences so that new row numbers continue after the moved ones."""
    rows = connection.execute(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "WHERE a.attidentity <> '' AND c.relnamespace = to_regnamespace(current_schema()) AND c.relkind = 'r'"
    ).fetchall()
    for table, column in rows:
        connection.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table} "
            f"HAVING max({column}) > 0"
        )


def _settle(folder: Path) -> None:
    """Make the names of the files in a folder durable (fsync)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
