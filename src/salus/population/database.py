"""Views as tables in DuckDB, and SQL over them: nothing but these tables can be read, no file and no network."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
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
"""FHIR type to DuckDB's; everything else is text, dates as FHIR writes them (they may be partial)."""
MEMORY = "1GB"
SECONDS = 60.0
MAX_ROWS = 1_000_000
_ABOUT_THE_QUERY = (duckdb.ParserException, duckdb.SyntaxException, duckdb.BinderException, duckdb.CatalogException)


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a query."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class Database:
    """An in-memory database of view tables. Close it, or use it as a context manager."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:")
        for setting in (
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
        """Run ``view`` over ``resources`` into the table ``name``; a table that is there grows. Returns the rows added.

        Raises InputError for a name that is no identifier, for columns that SQL cannot tell apart, and for values that
        do not fit their column's type: then no row is added.
        """
        if not name.isidentifier() or not name.isascii():
            raise InputError("a table's name is letters, digits and _")
        types = view.types
        columns = ", ".join(f'"{c}" {_sql_type(*types[c])}' for c in view.columns)
        try:
            self._connection.execute(f'CREATE TABLE IF NOT EXISTS "{name}" ({columns})')
        except duckdb.Error as error:
            raise InputError("no table has these columns", where=name, remedy="SQL takes A and a for one") from error
        rows = [[_plain(row[c]) for c in view.columns] for row in view.rows(resources)]
        if not rows:
            return 0
        marks = ", ".join("?" * len(view.columns))
        self._connection.begin()
        try:
            self._connection.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)
            self._connection.commit()
        except duckdb.Error as error:
            self._connection.rollback()
            raise InputError("a value does not fit the type of its column", where=name) from error
        return len(rows)

    def query(self, sql: str) -> Answer:
        """The answer to one SQL query.

        Raises InputError: with DuckDB's words where they are about the query alone (others may quote the data), after
        SECONDS, and for more than MAX_ROWS rows.
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


def _sql_type(kind: str, collection: bool) -> str:
    return SQL_TYPES.get(kind, "VARCHAR") + ("[]" if collection else "")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    return json.dumps(value).decode() if isinstance(value, dict) else value
