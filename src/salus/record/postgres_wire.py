"""One connection to PostgreSQL as salus uses it: statements with SQLite's marks, prepared, each in one round trip.

A look into a record takes a dozen statements of some microseconds each, so what a driver does around each one counts.
This uses psycopg for connecting, bulk loading and reading values, and its wrapper of libpq (``psycopg.pq``) to run
statements. The same over psycopg's cursors and its pipeline took 11 to 15 % more of the processor for a read by id and
a page of a search (psycopg 3.3). Values are sent in PostgreSQL's binary form: ``bigint``, ``double precision``,
``bytea`` and text.
"""

from __future__ import annotations

import re
import sqlite3
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from salus.record.turn import PATIENCE

if TYPE_CHECKING:
    import psycopg
    from psycopg.pq.abc import PGresult

LOCK = 0x53414C55
"""The advisory lock of whoever writes ("SALU")."""
KEPT = 512
"""Statements that a connection remembers. Of those that came twice, the server keeps the plan."""
COPIED = 8
"""From so many rows on they are loaded with COPY instead of INSERT."""
AT_ONCE = 256
"""Statements that are sent before their outcomes are read, which must fit into the network's buffers."""
HEAVY = 4 << 20
"""Bytes of rows that wait for the next statement."""
LOADED = 1000
"""Rows whose values are read at once."""
_MARK = re.compile(r"'(?:[^']|'')*'|\?(\d*)|(?<!:):([a-z]\w*)")
_INSERT = re.compile(r"INSERT INTO (\w+)(?: \(([\w, ]+)\))? VALUES \((\$\d+(?:, \$\d+)*)\)")
_PLANNED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
_INTEGER, _FLOAT, _BYTES, _PLACED = 20, 701, 17, 0
"""Types by the numbers of PostgreSQL's catalogue; a text, and nothing, have the type of their place."""
_UNFIT = (OverflowError, UnicodeEncodeError, TypeError, AttributeError, struct.error)
"""What is raised when a value is written in PostgreSQL's form and cannot be."""
Sent = list[Any]
"""Values as they are sent: bytes, or None."""
Encoded = tuple[Sent, tuple[int, ...]]
"""Values as they are sent, and their types."""


class PostgresError(sqlite3.OperationalError):
    """What PostgreSQL refused. It repeats no value."""


class Connection:
    """A connection with the part of sqlite3's interface that a store uses. One thread's."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        from psycopg import Error, pq
        from psycopg.adapt import Transformer

        self._raw, self._libpq, self._error = raw, raw.pgconn, Error
        self._loader = Transformer(raw)
        self._right = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK, pq.ExecStatus.EMPTY_QUERY)
        self._kept: OrderedDict[tuple[str, tuple[int, ...]], bytes] = OrderedDict()
        self._columns: dict[str, dict[str, str]] = {}
        self._prepared = self._scans = self._weight = 0
        self._waiting: list[tuple[bytes, Sent]] = []
        """Rows to insert that the next statement takes along."""

    @property
    def in_transaction(self) -> bool:
        """True between BEGIN and COMMIT or ROLLBACK; and where the connection is lost: how it ended is unknown."""
        return int(self._libpq.transaction_status) != 0

    @property
    def backend(self) -> int:
        """The process that serves this connection, on the server's machine."""
        return int(self._libpq.backend_pid)

    def execute(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = (), /) -> Rows:
        """Run one statement. Raises PostgresError.

        A row that is inserted in a transaction goes with the next statement, which then raises what is wrong with it.
        A ROLLBACK on a connection that is closed or lost does nothing: the server rolls back what was begun on it.
        """
        if sql == "ROLLBACK" and self._raw.closed:
            return Rows(self._raw, None)
        text, order = translated(sql)
        given, types = encoded([values[place] for place in order])  # type: ignore[index]
        try:
            name = self._name(text, types)
            if name and self.in_transaction and _INSERT.fullmatch(text):
                self._wait(name, given)
                return Rows(self._loader, None)
            result = self._run(text, name, given, types)
        except self._error as error:
            raise _told(error) from None
        if text == "COMMIT" and result.command_status != b"COMMIT":
            raise PostgresError("nothing was committed: a statement before had failed")
        return Rows(self._loader, result)

    def script(self, text: str) -> None:
        """Run several statements without values, in one round trip. Raises PostgresError."""
        try:
            self._send_waiting()
            self._checked(self._libpq.exec_(text.encode()))
        except self._error as error:
            raise _told(error) from None

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run one statement for each row of values, some hundreds in one round trip. Raises PostgresError."""
        text, order = translated(sql)
        given = [[row[place] for place in order] for row in rows]  # type: ignore[index]
        insert = _INSERT.fullmatch(text)
        try:
            self._send_waiting()
            if insert and len(given) >= COPIED:
                marks = [int(mark[1:]) - 1 for mark in insert[3].split(", ")]
                self._copy(insert[1], insert[2], ([_plain(row[mark]) for mark in marks] for row in given))
            elif given:
                self._run_each(text, [encoded(row) for row in given])
        except self._error as error:
            raise _told(error) from None

    def scan(self, sql: str, size: int, /) -> Iterator[Any]:
        """As :meth:`salus.record.database.Database.scan`. Raises PostgresError."""
        self._scans += 1
        name = f"scan_{self._scans}"
        self.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {sql}")
        while rows := self.execute(f"FETCH {size} FROM {name}").fetchall():
            yield from rows
        self.execute(f"CLOSE {name}")

    def begin(self, patience: float) -> None:
        """Begin to write, as the only one who does. Raises PostgresError after ``patience`` seconds of waiting."""
        try:
            asked = "" if patience == PATIENCE else f"SET LOCAL lock_timeout = {max(1, round(1000 * patience))}; "
            self.script(f"BEGIN ISOLATION LEVEL READ COMMITTED; {asked}SELECT pg_advisory_xact_lock({LOCK})")
        except PostgresError:
            if self.in_transaction:
                self.script("ROLLBACK")
            raise

    def begin_reading(self) -> None:
        """Begin to read what is there now, whatever others write meanwhile."""
        self.script("BEGIN ISOLATION LEVEL REPEATABLE READ")

    def close(self) -> None:
        """Close the connection; what was begun is rolled back."""
        self._raw.close()

    # ----

    def _name(self, text: str, types: tuple[int, ...]) -> bytes:
        """The name under which the server keeps the statement; nothing for one that comes for the first time."""
        if not text.startswith(_PLANNED):
            return b""
        key = text, types
        name = self._kept.get(key)
        if name is None:
            self._make_room()
            self._kept[key] = b""
            return b""
        if not name:
            name = self._prepare(key)
        self._kept.move_to_end(key)
        return name

    def _prepare(self, key: tuple[str, tuple[int, ...]]) -> bytes:
        self._prepared += 1
        name = b"salus_%d" % self._prepared
        self._checked(self._libpq.prepare(name, key[0].encode(), key[1]))
        self._kept[key] = name
        return name

    def _make_room(self) -> None:
        if len(self._kept) >= KEPT:
            _, name = self._kept.popitem(last=False)
            if name:
                self._checked(self._libpq.exec_(b"DEALLOCATE " + name))

    def _checked(self, result: PGresult | None) -> PGresult:
        if result is not None and result.status in self._right:
            return result
        raise _refused(result)

    def _run(self, text: str, name: bytes, given: Sent, types: tuple[int, ...]) -> PGresult:
        """Run one statement, with what waits before it."""
        if text == "ROLLBACK":
            self._taken()
        waiting = self._taken()
        if waiting:
            return self._run_together(waiting, lambda: self._send(text, name, given, types))
        forms = [1] * len(given)
        if name:
            return self._checked(self._libpq.exec_prepared(name, given, forms, 1))
        return self._checked(self._libpq.exec_params(text.encode(), given, types, forms, 1))

    def _send(self, text: str, name: bytes, given: Sent, types: tuple[int, ...]) -> None:
        forms = [1] * len(given)
        if name:
            self._libpq.send_query_prepared(name, given, forms, 1)
        else:
            self._libpq.send_query_params(text.encode(), given, types, forms, 1)

    def _wait(self, name: bytes, given: Sent) -> None:
        """Keep a row to insert until the next statement; many bytes of them are sent now."""
        self._waiting.append((name, given))
        self._weight += sum(len(value) for value in given if value is not None)
        if self._weight >= HEAVY:
            self._send_waiting()

    def _taken(self) -> list[tuple[bytes, Sent]]:
        """The rows that wait, which then wait no more."""
        waiting, self._waiting, self._weight = self._waiting, [], 0
        return waiting

    def _send_waiting(self) -> None:
        if waiting := self._taken():
            self._run_together(waiting)

    def _run_each(self, text: str, rows: Sequence[Encoded]) -> None:
        types = tuple(map(max, zip(*(types for _, types in rows), strict=True)))  # what is nothing has any type
        name = self._kept.get((text, types)) or self._prepare((text, types))
        for at in range(0, len(rows), AT_ONCE):
            self._run_together([(name, given) for given, _ in rows[at : at + AT_ONCE]])

    def _run_together(
        self, statements: Sequence[tuple[bytes, Sent]], last: Callable[[], None] | None = None
    ) -> PGresult:
        """Run prepared statements, and one more that ``last`` sends, in one round trip; the last one's result.

        Where one fails the ones after it are not run. Where this is interrupted the connection is closed.
        """
        libpq = self._libpq
        try:
            libpq.enter_pipeline_mode()
            for name, given in statements:
                libpq.send_query_prepared(name, given, [1] * len(given), 1)
            if last is not None:
                last()
            libpq.pipeline_sync()
            results = [self._answer() for _ in range(len(statements) + (last is not None))]
            libpq.get_result()  # the end of what was sent together
            if any(result is None for result in results):
                raise _refused(None)
            libpq.exit_pipeline_mode()
        except BaseException:
            self.close()  # answers that were not read would be taken for those of the next statements
            raise
        return [self._checked(result) for result in results][-1]

    def _answer(self) -> PGresult | None:
        """What the server says of one of the statements that were sent together."""
        found = self._libpq.get_result()
        while found is not None and self._libpq.get_result() is not None:
            pass
        return found

    def _copy(self, table: str, columns: str | None, rows: Iterable[Sequence[Any]]) -> None:
        known = self._columns_of(table)
        names = columns.split(", ") if columns else list(known)
        text = f"COPY {table} ({', '.join(names)}) FROM STDIN (FORMAT BINARY)"
        with self._raw.cursor() as cursor, cursor.copy(text) as copy:
            copy.set_types([known[name] for name in names])
            for row in rows:
                try:
                    copy.write_row(row)
                except _UNFIT as error:
                    raise _unfit(error) from None

    def _columns_of(self, table: str) -> dict[str, str]:
        """The columns of a table, in order, with their types."""
        if table not in self._columns:
            found = self.execute(
                "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = to_regclass(?) "
                "AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                (table,),
            )
            self._columns[table] = dict(found)
        return self._columns[table]


class Rows:
    """The rows that a statement gave."""

    def __init__(self, loader: Any, result: PGresult | None) -> None:
        """``loader`` is the connection's (a ``Transformer``), which reads the values of all its results. ``result`` is
        None of one row that is still to be inserted."""
        self._loader, self._result = loader, result
        self._read, self._count = 0, result.ntuples if result else 0
        self._ready: Iterator[tuple[Any, ...]] = iter(())

    @property
    def rowcount(self) -> int:
        """How many rows were changed or found."""
        return int(self._result.command_tuples or 0) if self._result else 1

    def fetchone(self) -> Any:
        """The next row, or None."""
        return next(iter(self), None)

    def fetchmany(self, size: int, /) -> list[Any]:
        """The next rows, at most ``size``."""
        return list(islice(self, size))

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        return list(self)

    def __iter__(self) -> Iterator[Any]:
        yield from self._ready
        while self._read < self._count:
            end = min(self._count, self._read + LOADED)
            self._loader.set_pgresult(self._result)
            self._ready = iter(self._loader.load_rows(self._read, end, tuple))
            self._read = end
            yield from self._ready


def encoded(values: Sequence[Any]) -> Encoded:
    """Values as they are sent, and their types. Raises PostgresError for what no column of a store can hold."""
    given: Sent = []
    types: list[int] = []
    try:
        for value in values:
            if value is None:
                sent, kind = None, _PLACED
            elif isinstance(value, str):
                sent, kind = value.encode(), _PLACED
            elif isinstance(value, int):
                sent, kind = value.to_bytes(8, "big", signed=True), _INTEGER
            elif isinstance(value, bytes | bytearray | memoryview):
                sent, kind = bytes(value), _BYTES
            elif isinstance(value, float):
                sent, kind = struct.pack(">d", value), _FLOAT
            else:
                raise TypeError
            given.append(sent)
            types.append(kind)
    except _UNFIT as error:
        raise _unfit(error) from None
    return given, tuple(types)


@lru_cache(maxsize=2048)
def translated(sql: str) -> tuple[str, tuple[int | str, ...]]:
    """A statement with PostgreSQL's marks, and for each of them the place or the name of its value."""
    order: list[int | str] = []

    def mark(found: re.Match[str]) -> str:
        text = found[0]
        if text.startswith("'"):
            return text
        if found[2]:
            if found[2] not in order:
                order.append(found[2])
            return f"${order.index(found[2]) + 1}"
        number = int(found[1]) if found[1] else len(order) + 1
        order.extend(range(len(order), number))
        return f"${number}"

    return _MARK.sub(mark, sql), tuple(order)


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def _unfit(error: Exception) -> PostgresError:
    """A value that could not be sent, without the words of the error, which may repeat it."""
    return PostgresError(f"a value that no column of its kind can hold ({type(error).__name__})")


def _told(error: Exception) -> PostgresError:
    """An error of psycopg's without its words, which repeat values."""
    return PostgresError(f"{type(error).__name__} ({getattr(error, 'sqlstate', None) or 'no connection'})")


def _refused(result: PGresult | None) -> PostgresError:
    """What the server answered in place of a result, without its words."""
    from psycopg import errors, pq

    found = result.error_field(pq.DiagnosticField.SQLSTATE) if result is not None else None
    if found is None:
        return PostgresError("OperationalError (no connection)")
    state = found.decode()
    try:
        name = errors.lookup(state).__name__
    except KeyError:
        name = "DatabaseError"
    return PostgresError(f"{name} ({state})")
