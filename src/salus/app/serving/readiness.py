"""Whether a store can serve now, and how large it is, for who watches over a server. No record is opened."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from salus.app.config import Configuration
from salus.errors import StoreError
from salus.record import postgres, schema
from salus.record.database import Database, File
from salus.record.turn import Turn

PATIENCE = 2.0
"""Seconds to wait for others who write."""
FRESH = 30.0
"""A store that was written to in the last so many seconds can be written to, whoever is at it now."""
ROOM = 64 << 20
"""Bytes on a disk below which a store is said to be full, before it is."""


def problems(configuration: Configuration) -> list[str]:
    """Why the store cannot serve now, in plain words; nothing where it can."""
    if not configuration.made:
        return ["there is no store"]
    found = []
    try:
        with closing(_opened(configuration)) as connection:
            found += _of_schema(connection) or _of_reading(connection) or _of_writing(connection, configuration)
    except (sqlite3.Error, StoreError):
        found.append("the store cannot be opened")
    if not os.access(configuration.keys, os.R_OK | os.W_OK | os.X_OK):
        found.append("the folder of the keys cannot be read and written")
    for name, place in _places(configuration).items():
        if place.is_dir() and shutil.disk_usage(place).free < ROOM:
            found.append(f"the disk of the {name} is full")
    return found


def sizes(configuration: Configuration) -> dict[str, float]:
    """How large store and log are, and how much room is left, by name. What cannot be told is missing."""
    found: dict[str, float] = {}
    files = [configuration.store_file, Path(f"{configuration.store_file}-wal")]
    found["store_bytes"] = float(sum(file.stat().st_size for file in files if file.exists()))
    try:
        with closing(_opened(configuration)) as connection:
            (newest,) = connection.execute("SELECT coalesce(max(n), -1) FROM log_leaf").fetchone()
            found["log_entries"] = float(newest + 1)
    except (sqlite3.Error, StoreError):
        pass  # readiness tells why
    for name, place in _places(configuration).items():
        if place.is_dir():
            found[f"free_{name}"] = float(shutil.disk_usage(place).free)
    return found


def _places(configuration: Configuration) -> dict[str, Path]:
    return {"store": configuration.store, "keys": configuration.keys}


def _opened(configuration: Configuration) -> Database:
    """A connection that makes nothing: where there is no store it fails."""
    if configuration.database:
        return postgres.connect(configuration.database, create=False)
    return _connected(configuration.store_file)


def _connected(file: Path) -> File:
    return sqlite3.connect(
        f"{file.resolve().as_uri()}?mode=rw", uri=True, timeout=PATIENCE, isolation_level=None, factory=File
    )


def _of_schema(connection: Database) -> list[str]:
    if not isinstance(connection, File):
        return []  # opening it looked
    (current,) = connection.execute("PRAGMA user_version").fetchone()
    newest = schema.migrations()[-1][0]
    return [] if current == newest else [f"the store has schema {current}, this salus works with {newest}"]


def _of_reading(connection: Database) -> list[str]:
    try:
        connection.execute("SELECT n, commitment FROM log_leaf ORDER BY n DESC LIMIT 1").fetchone()
        connection.execute("SELECT size, root FROM log_checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    except sqlite3.Error:
        return ["the store cannot be read"]
    return []


def _of_writing(connection: Database, configuration: Configuration) -> list[str]:
    """Take the turn to write and give it back: nothing is written."""
    turn = Turn(configuration.store_file)
    try:
        with turn.taken(PATIENCE):
            connection.begin(PATIENCE)
            connection.execute("ROLLBACK")
    except StoreError:
        return [] if _written_lately(configuration) else ["another process keeps the store from being written"]
    except sqlite3.Error:
        return ["the store cannot be written"]
    finally:
        turn.close()
    return []


def _written_lately(configuration: Configuration) -> bool:
    journal = Path(f"{configuration.store_file}-wal")
    return journal.exists() and time.time() - journal.stat().st_mtime < FRESH
