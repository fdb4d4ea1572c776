"""A store in PostgreSQL (extra ``postgres``): opening it, and its schema.

Both engines share one logical schema and the text of each statement. Statements are standard SQL with SQLite's
placeholders, which :mod:`salus.record.postgres_wire` translates; this module translates the types in the migrations.
Errors are subclasses of those of :mod:`sqlite3`, so that code which catches them need not know the engine. A writer
holds one advisory lock from the beginning of a transaction to its end: the log has one writer at a time among all
servers.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from salus.errors import ConfigurationError, StoreError
from salus.record.postgres_schema import MOVED_AWAY, VERSIONS, translated
from salus.record.postgres_wire import Connection, PostgresError
from salus.record.schema import migrations
from salus.record.turn import PATIENCE

__all__ = ["Connection", "PostgresError", "connect", "made", "version"]

LONGEST = 60.0
"""The most seconds that a statement may take."""
SILENT = 600.0
"""Seconds after which an idle transaction is ended: its client may be gone and still hold the turn to write."""
ENDING, _AGAIN = 2.0, 0.05
"""Seconds to wait for a lock, since a closed session may hold its locks a little longer; seconds between two tries."""
IN_USE = 0x53414C56
"""The advisory lock of a schema: everybody who has its store open shares it."""
UNBOUNDED = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
"""Lifts both limits for the rest of a transaction, because a move copies a whole store in one."""
_PARAMETERS: dict[str, Any] = {"application_name": "salus", "keepalives_idle": 30, "tcp_user_timeout": 60_000}
_SESSION = f"""
SET statement_timeout = {round(1000 * LONGEST)};
SET idle_in_transaction_session_timeout = {round(1000 * SILENT)};
SET lock_timeout = {round(1000 * PATIENCE)};
SET tcp_keepalives_idle = 30;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3;
SET client_encoding = 'UTF8';
SET jit = off;
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET max_parallel_workers_per_gather = 0;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""
"""Statements are planned once and by the indexes, as in SQLite, not by the last statistics of a table. A commit is
durable when it is acknowledged, whatever the database's default. A client that vanished is noticed soon."""


def connect(url: str, *, create: bool, alone: bool = False) -> Connection:
    """Open the store at ``url``, bringing its schema up to date.

    ``create``: make the store where there is none. ``alone``: open it exclusively.

    Raises ConfigurationError without psycopg; StoreError where there is no store (and ``create`` is false), where it
    was moved away (whatever ``create`` says), it is newer than this salus, it is being moved or (``alone``) in use, or
    it cannot be reached.
    """
    connection = _connected(url)
    try:
        # before the store is looked for: once it was found, nobody moves it away
        _take_part(connection, alone=alone, create=create)
        _migrate(connection, create=create)
    except BaseException:
        connection.close()
        raise
    return connection


def made(url: str) -> Connection:
    """Make an empty store in a database without tables, opened exclusively, in a transaction that is left open.

    The store exists when the caller commits. Raises as :func:`connect`, and StoreError where there are tables already.
    """
    connection = _connected(url)
    try:
        _take_part(connection, alone=True)
        connection.begin(LONGEST)
        connection.script(UNBOUNDED)
        (held,) = connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r'"
        ).fetchone()
        if held:
            raise StoreError("there are tables in this database already", remedy="name an empty one: createdb")
        _run_migrations(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connected(url: str) -> Connection:
    try:
        import psycopg
    except ImportError as error:
        raise ConfigurationError(
            "a store in PostgreSQL needs psycopg", remedy='pip install "salus[postgres]"'
        ) from error
    logging.getLogger("psycopg").setLevel(logging.CRITICAL + 1)  # it warns in the server's words, which repeat values
    try:
        raw = psycopg.connect(url, autocommit=True, connect_timeout=10, **_PARAMETERS)
    except psycopg.Error as error:  # its words hold the address, which may hold a password
        remedy = "is it running, and may this user connect?"
        raise StoreError("the database cannot be reached", remedy=remedy) from error
    connection = Connection(raw)
    try:
        if (encoding := raw.info.parameter_status("server_encoding")) != "UTF8":
            told = f"the database holds text as {encoding}"
            raise StoreError(told, remedy="make one with: createdb --encoding=UTF8 --template=template0")
        connection.script(_SESSION)
    except BaseException:
        connection.close()
        raise
    return connection


def _take_part(connection: Connection, *, alone: bool, create: bool = True) -> None:
    """Take the lock that marks the store as in use, as long as the connection lasts; ``alone``: exclusively.

    Raises StoreError where others hold it against that for longer than :data:`ENDING`. Where there is no store and
    ``create`` is false, the error says that instead.
    """
    how = "pg_try_advisory_lock" if alone else "pg_try_advisory_lock_shared"
    asked = f"SELECT {how}({IN_USE}, to_regnamespace(current_schema())::oid::int)"
    until = time.monotonic() + ENDING
    while (held := connection.execute(asked).fetchone()[0]) is False and time.monotonic() < until:
        time.sleep(_AGAIN)
    if held is None:  # of no schema there is no number
        raise StoreError("the database has no schema of the name that is set", remedy="CREATE SCHEMA, or name another")
    if not held and alone:
        raise StoreError("the store is in use", remedy="stop the server, then try again")
    if not held and not create and not _is_table(connection, VERSIONS):
        raise _missing(connection)  # it is being moved here, or was moved away
    if not held:
        raise StoreError("the store is being moved", remedy="try again when that is done")


def version(connection: Connection) -> int:
    """The number of the last migration that was run; 0 where there is no store."""
    there = _is_table(connection, VERSIONS)
    row = connection.execute(f"SELECT max(version) FROM {VERSIONS}").fetchone() if there else (None,)
    return int(row[0] or 0)


def _migrate(connection: Connection, *, create: bool) -> None:
    newest = migrations()[-1][0]
    current = version(connection)
    if not current and (not create or _is_table(connection, MOVED_AWAY)):
        raise _missing(connection)
    if current > newest:
        raise StoreError(f"the store has schema {current}, this salus knows {newest}", remedy="use a newer salus")
    if current < newest:
        try:
            _bring_up_to_date(connection)
        except PostgresError as error:
            remedy = "open it once as the role that owns it: see docs/running.md"
            raise StoreError(f"the schema cannot be brought up to date: {error}", remedy=remedy) from error


def _is_table(connection: Connection, name: str) -> bool:
    """Whether the schema has a table of this name. Does not wait for locks on the table."""
    (found,) = connection.execute("SELECT to_regclass(?) IS NOT NULL", (name,)).fetchone()
    return bool(found)


def _missing(connection: Connection) -> StoreError:
    if _is_table(connection, MOVED_AWAY):
        remedy = (
            "set database in salus.toml, or SALUS_DATABASE, to the address it was moved to; for the file, set database "
            'to "" in salus.toml and unset SALUS_DATABASE'
        )
        return StoreError("there is no store in this database any more: it was moved away", remedy=remedy)
    return StoreError("there is no store in this database", remedy="make one with: salus init")


def _bring_up_to_date(connection: Connection) -> None:
    connection.begin(LONGEST)
    try:
        connection.execute("SET LOCAL statement_timeout = 0")  # an index of a large store takes its time
        _run_migrations(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _run_migrations(connection: Connection) -> None:
    connection.execute(f"CREATE TABLE IF NOT EXISTS {VERSIONS} (version BIGINT NOT NULL)")
    current = version(connection)  # others may have been here meanwhile
    for number, script in migrations():
        if number > current:
            connection.script(translated(script))
            connection.execute(f"INSERT INTO {VERSIONS} VALUES (?)", (number,))
