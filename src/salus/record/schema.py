"""Opening the file of a store: settings, numbered forward migrations, and one clear error for each problem."""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from pathlib import Path

from salus.errors import StoreError
from salus.record.database import File
from salus.record.turn import PATIENCE

MOVED = "moved"
"""The ending of the name of a store's file, and of its table of versions in a database, after the store was moved."""
APPLICATION_ID = 0x53414C55  # "SALU", so that no other SQLite file is taken for a store


def migrations() -> list[tuple[int, str]]:
    """The number and the SQL script of every migration, in order."""
    folder = files("salus.record").joinpath("migrations")
    found = [(int(p.name[:4]), p.read_text("utf-8")) for p in folder.iterdir() if p.name.endswith(".sql")]
    return sorted(found)


def pristine() -> File:
    """An empty store in memory with the schema that the migrations make."""
    fresh = sqlite3.connect(":memory:", isolation_level=None, factory=File)
    for _, script in migrations():
        fresh.executescript(script)
    return fresh


def connect(path: Path, *, create: bool) -> File:
    """Open the store at ``path``, bringing its schema up to date.

    Raises :class:`StoreError` when it is missing (and ``create`` is false), was moved away meanwhile, is no store of
    salus, is newer than this salus, or cannot be opened.
    """
    if not create and not path.is_file():
        raise missing(path)
    try:
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, factory=File)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")
        _migrate(connection, path)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter: a damaged schema, which SQLite quotes
        if moved_away(path).exists() and not path.exists():  # it was being moved when it was opened
            raise missing(path) from error
        raise StoreError(f"the store cannot be opened: {error}", where=str(path), remedy="salus restore") from error
    return connection


def moved_away(path: Path) -> Path:
    """The path that the file of a store at ``path`` gets when the store is moved away."""
    return path.with_name(f"{path.name}.{MOVED}")


def missing(path: Path) -> StoreError:
    """The error that there is no store at ``path``. It says what to do, also where the store was moved away."""
    if moved_away(path).exists():
        remedy = "set database in salus.toml, or SALUS_DATABASE, to the address it was moved to"
        return StoreError("there is no store any more: it was moved into a database", where=str(path), remedy=remedy)
    return StoreError("there is no store", where=str(path), remedy="make one with: salus init")


def _migrate(connection: File, path: Path) -> None:
    steps = migrations()
    newest = steps[-1][0]
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (current,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (owner, current) == (0, 0) and tables:
        raise StoreError("this SQLite file is not a store of salus", where=str(path))
    if (owner or current) and owner != APPLICATION_ID:
        raise StoreError("this SQLite file is not a store of salus", where=str(path))
    if current > newest:
        raise StoreError(
            f"the store has schema {current}, this salus knows {newest}", where=str(path), remedy="use a newer salus"
        )
    for number, script in steps:
        if number > current:
            connection.executescript(
                f"BEGIN IMMEDIATE; {script}; PRAGMA application_id={APPLICATION_ID}; "
                f"PRAGMA user_version={number}; COMMIT;"
            )
