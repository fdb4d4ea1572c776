"""Views as tables in DuckDB, and SQL over them. A query can read these tables only, no other file and no network."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb

from salus.errors import InputError
from salus.fhir import json
from salus.fhir.views import Body
from salus.population.views import View

SQL_TYPES = {
    "boolean": "BOOLEAN",
    "integer": "INTEGER",
    "positiveInt": "INTEGER",
    "unsignedInt": "INTEGER",
    "integer64": "BIGINT",
    "decimal": "DOUBLE",
}
"""DuckDB's type for each FHIR type. All others are text; dates stay as FHIR writes them (they may be partial)."""
MEMORY = "1GB"
SECONDS = 60.0
MAX_ROWS = 1_000_000
AT_ONCE = 2_000
"""The most rows of one INSERT."""
PATIENT, ORDER = "_patient", "_row"
"""Extra columns of a mirrored view: the patient of a row, and the number of the row among the patient's rows. The names
of a view's own columns begin with a letter."""
_ABOUT_THE_QUERY = (duckdb.ParserException, duckdb.SyntaxException, duckdb.BinderException, duckdb.CatalogException)


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a query."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class Database:
    """An in-memory database of view tables. Close it, or use it as a context manager.

    ``files`` are the only files it can read: the Parquet files for :meth:`attach`.
    """

    def __init__(self, files: Sequence[str] = ()) -> None:
        self._connection = duckdb.connect(":memory:")
        for setting in (
            f"allowed_paths = {_texts(files)}",
            "temp_directory = ''",  # what does not fit into memory is refused, never spilled to a disk in the clear
            "enable_external_access = false",
            f"memory_limit = '{MEMORY}'",
            "lock_configuration = true",
        ):
            self._connection.execute(f"SET {setting}")

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def load(self, name: str, view: View, resources: Iterable[Body]) -> int:
        """Add the rows of ``view`` over ``resources`` to the table ``name``, made where it is missing.

        Returns the number of rows added.

        Raises InputError for a name that is no identifier, for columns that SQL cannot tell apart, and for values that
        do not fit their column's type: then no row is added.
        """
        if not name.isidentifier() or not name.isascii():
            raise InputError("a table's name is letters, digits and _")
        columns = columns_of(view)
        create(self._connection, name, columns)
        rows = list(cells(view, resources))
        insert(self._connection, name, columns, rows)
        return len(rows)

    def attach(self, name: str, view: View, files: Sequence[str]) -> None:
        """Make the table ``name`` of the rows of ``view`` in these Parquet files of a mirror."""
        columns = ", ".join(f'"{c}"' for c in view.columns)
        self._connection.execute(f'CREATE VIEW "{name}" AS SELECT {columns} FROM read_parquet({_texts(files)})')

    def in_order(self, view: View, files: Sequence[str]) -> Answer:
        """All rows of ``view`` in these files, in the order of patients. Raises InputError as :meth:`query` does."""
        columns = ", ".join(f'"{c}"' for c in view.columns)
        return self.query(f"SELECT {columns} FROM read_parquet({_texts(files)}) ORDER BY {PATIENT}, {ORDER}")

    def query(self, sql: str) -> Answer:
        """The answer to one SQL query.

        Raises InputError for a query that cannot be answered, that takes longer than SECONDS, or that gives more than
        MAX_ROWS rows. The error has DuckDB's message only where that is about the query alone: others may quote data.
        """
        timer = threading.Timer(SECONDS, self._connection.interrupt)
        timer.start()
        try:
            statements = self._connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise InputError("one query, beginning with SELECT or WITH")
            done = self._connection.execute(statements[0])
            columns = tuple(d[0] for d in done.description or ())
            rows = done.fetchmany(MAX_ROWS + 1)
            if len(rows) > MAX_ROWS:
                raise InputError(f"an answer of more than {MAX_ROWS:,} rows", remedy="count, or add a LIMIT")
            return Answer(columns, tuple(tuple(row) for row in rows))
        except duckdb.InterruptException as error:
            raise InputError(f"the query took more than {SECONDS:g} s") from error
        except _ABOUT_THE_QUERY as error:
            raise InputError(f"the query cannot be answered: {str(error).splitlines()[0]}") from error
        except duckdb.Error as error:
            raise InputError(f"the query cannot be answered: {type(error).__name__}") from None
        finally:
            timer.cancel()


def columns_of(view: View) -> dict[str, str]:
    """The columns of a view in order, with DuckDB's type of each."""
    return {name: _sql_type(*view.types[name]) for name in view.columns}


def cells(view: View, resources: Iterable[Body]) -> Iterator[list[Any]]:
    """The rows of a view over ``resources``, as lists of values for DuckDB."""
    return ([_plain(row[c]) for c in view.columns] for row in view.rows(resources))


def create(connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, str]) -> None:
    """Make a table, unless it exists. Raises InputError for columns that SQL cannot tell apart."""
    told = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
    try:
        connection.execute(f'CREATE TABLE IF NOT EXISTS "{name}" ({told})')
    except duckdb.Error as error:
        raise InputError("no table has these columns", where=name, remedy="SQL takes A and a for one") from error


def insert(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]
) -> None:
    """Add all the rows, or none. Raises InputError for a value that does not fit its column's type."""
    connection.begin()
    try:
        for start in range(0, len(rows), AT_ONCE):
            _insert(connection, name, tuple(columns.values()), rows[start : start + AT_ONCE])
        connection.commit()
    except duckdb.Error as error:
        connection.rollback()
        raise InputError("a value does not fit the type of its column", where=name) from error


def _insert(
    connection: duckdb.DuckDBPyConnection, name: str, types: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Add rows column by column where the values of each column are of one kind, else row by row.

    DuckDB would convert a list of values of several kinds to one kind: true among numbers would become 1.
    """
    columns = [list(column) for column in zip(*rows, strict=True)]
    if all(_of_one_kind(column, kind) for column, kind in zip(columns, types, strict=True)):
        told = ", ".join(f"unnest(CAST(? AS {kind}[]))" for kind in types)
        connection.execute(f'INSERT INTO "{name}" SELECT {told}', columns)
    else:
        connection.executemany(f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(types))})', rows)


def _of_one_kind(values: Iterable[Any], type: str) -> bool:
    found = _kinds(values)
    return len(found) < 2 or (type == "DOUBLE" and found == {"int", "float"})


def _kinds(values: Iterable[Any]) -> set[str]:
    """The kinds of the values in a list and in the lists inside it, all of which DuckDB would convert to one kind."""
    found: set[str] = set()
    for value in values:
        if isinstance(value, list):
            found |= {f"list of {kind}" for kind in _kinds(value)}
        elif value is not None:
            found.add(type(value).__name__)
    return found


def _texts(values: Iterable[str]) -> str:
    """A list of texts as an SQL literal."""
    quoted = (value.replace("'", "''") for value in values)
    return "[" + ", ".join(f"'{value}'" for value in quoted) + "]"


def _sql_type(kind: str, collection: bool) -> str:
    return SQL_TYPES.get(kind, "VARCHAR") + ("[]" if collection else "")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    return json.dumps(value).decode() if isinstance(value, dict) else value
