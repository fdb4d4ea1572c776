"""Writing the rows of a view as a Parquet file in memory, with a column for the patient of each row."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import duckdb

from salus.population.database import ORDER, PATIENT, columns_of, create, insert
from salus.population.sealed import in_memory
from salus.population.views import View


def write(view: View, rows: Iterable[Sequence[Any]], kept: bytes = b"", out: Collection[str] = ()) -> bytes:
    """The bytes of a Parquet file of ``rows`` and of the rows in the file ``kept``, ordered by patient and number.

    A row is the patient, its number, then the view's columns. Rows in ``kept`` of the patients in ``out`` are left out.

    Raises InputError for a value that does not fit its column, and for columns that SQL cannot tell apart.
    """
    columns = {PATIENT: "VARCHAR", ORDER: "BIGINT", **columns_of(view)}
    with duckdb.connect(":memory:") as connection, in_memory() as (descriptor, target):
        connection.execute("SET temp_directory = ''")
        create(connection, "held", columns)
        if kept:
            create(connection, "gone", {PATIENT: "VARCHAR"})
            insert(connection, "gone", {PATIENT: "VARCHAR"}, [[patient] for patient in sorted(out)])
            with in_memory(kept) as (_, before):
                connection.execute(
                    f"INSERT INTO held SELECT * FROM read_parquet(?) ANTI JOIN gone USING ({PATIENT})", [before]
                )
        insert(connection, "held", columns, list(rows))
        copy = f"COPY (SELECT * FROM held ORDER BY {PATIENT}, {ORDER}) TO '{target}'"
        connection.execute(f"{copy} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)")
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
