"""The writer of a pack: one terminology file made from one release, put in place whole or not at all.

Everything is written into files beside the target; only a finished pack is renamed to its name. A load that is stopped
at any moment leaves the earlier pack as it was, and the next load removes what was left.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from salus.errors import InputError, StoreError
from salus.terminology.codes import with_broader
from salus.terminology.meaning import Origin
from salus.terminology.words import key

__all__ = ["SUFFIX", "Loss", "Losses", "Pack", "joined", "pack"]

SUFFIX = ".sqlite"
LICENCE = "as licensed to you"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_CACHE = "PRAGMA {}.cache_size = -65536"
"""64 MiB of pages for each of the two files: what a load may hold of them in memory."""
_WORK = "CREATE TABLE work.named (kind TEXT, name, meaning INTEGER);"
"""Names as they come; they are sorted once, at the end."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What was not carried over: why, how many rows, and where the first stands."""

    reason: str
    count: int
    first: str

    def __str__(self) -> str:
        return f"{self.count} {self.reason} (first: {self.first})" if self.first else f"{self.count} {self.reason}"


class Losses:
    """Counts what is not carried over, by reason."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def add(self, reason: str, place: str = "", count: int = 1) -> None:
        """Count ``count`` rows that were left out for ``reason``; the place of the first is kept."""
        if count:
            self._counts[reason] = self._counts.get(reason, 0) + count
            self._first.setdefault(reason, place)

    def __iter__(self) -> Iterator[Loss]:
        return (Loss(reason, count, self._first[reason]) for reason, count in sorted(self._counts.items()))


def joined(names: Iterable[str]) -> str:
    """A set of concepts as the tables keep it, without those that another of them already implies."""
    return _joined(frozenset(names))


@lru_cache(maxsize=10_000)
def _joined(kept: frozenset[str]) -> str:
    implied = {broad for name in kept for broad in with_broader((name,)) if broad != name}
    return "+".join(sorted(kept - implied))


class Pack:
    """The rows of one pack. ``sql`` reaches its tables and working tables, which are named ``work.…``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._meanings: dict[str, int] = {}
        self.losses = Losses()

    def sql(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Run one statement."""
        return self._connection.execute(statement, values)

    def many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows, as they come."""
        self._connection.executemany(statement, rows)

    def meaning(self, names: str) -> int:
        """The number under which a set of names stands."""
        found = self._meanings.get(names)
        if found is None:
            found = self._meanings[names] = len(self._meanings) + 1
            self.sql("INSERT INTO meaning VALUES (?, ?)", found, names)
        return found

    def code(self, kind: str, system: str, code: str | int, names: str, aspect: str = "") -> None:
        """Say what a code means; an empty ``names``: understood, and none of salus's concepts."""
        row = (kind, system, key(str(code)), self.meaning(names), aspect)
        self.sql("INSERT OR REPLACE INTO code VALUES (?, ?, ?, ?, ?)", *row)

    def product(self, system: str, code: str | int, names: str, strength: str = "", *, substance: bool = False) -> None:
        """Say which ingredients a medicine's code has. ``strength``: mg in one tablet or capsule, as decimal digits."""
        if not names:
            raise ValueError("a product has ingredients")
        row = (system, key(str(code)), self.meaning(names), strength, int(substance))
        self.sql("INSERT OR REPLACE INTO product VALUES (?, ?, ?, ?, ?)", *row)

    def name(self, kind: str, name: str, names: str) -> None:
        """Give a folded name a meaning. ``kind``: "i" ingredient, "b" brand, "m" measurement."""
        if name:
            self.sql("INSERT INTO work.named VALUES (?, ?, ?)", kind, name, self.meaning(names))

    def title(self, digest: bytes, names: str) -> None:
        """Give a diagnosis's exact name, by its digest, a meaning; "": none of salus's concepts."""
        self.sql("INSERT INTO work.named VALUES ('t', ?, ?)", digest, self.meaning(names))

    def listed(self, system: str, category: str, rest: Iterable[str]) -> None:
        """Say which codes a category of a classification has, by what follows the category."""
        self.sql("INSERT OR REPLACE INTO listed VALUES (?, ?, ?)", system, category, " ".join(sorted(set(rest))))

    def count(self) -> dict[str, int]:
        """Rows of each table that has any."""
        tables = ("code", "product", "listed", "name", "title")
        counts = {table: int(self.sql(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in tables}
        return {table: count for table, count in counts.items() if count}

    def settle_names(self) -> None:
        """Write the names. One of several meanings names none of them: of medicines "?", which bars the name."""
        one = (
            "SELECT name, min(meaning) FROM work.named WHERE kind = ? GROUP BY name HAVING min(meaning) = max(meaning)"
        )
        several = "SELECT name FROM work.named WHERE kind = ? GROUP BY name HAVING min(meaning) < max(meaning)"
        for kind in ("i", "b", "m"):
            self.sql(f"INSERT INTO name SELECT ?, * FROM ({one})", kind, kind)
            if kind != "m" and self.sql(several, kind).fetchone():
                self.sql(f"INSERT INTO name SELECT ?, name, ? FROM ({several})", kind, self.meaning("?"), kind)
        self.sql(f"INSERT INTO title {one}", "t")
        lost = self.sql(f"SELECT count(*) FROM ({several})", "t").fetchone()[0]
        self.losses.add("names of diagnoses that mean several things", count=lost)

    def finish(self, origin: Origin) -> None:
        """Write the names and where everything comes from."""
        self.settle_names()
        self.sql("INSERT INTO origin VALUES (?, ?, ?, ?, ?)",
                 origin.name, origin.version, origin.licence, origin.digest, origin.notice)  # fmt: skip


@contextmanager
def pack(folder: Path, name: str) -> Iterator[Pack]:
    """A pack that is written into ``folder`` under ``name``, and put in place when the block ends without an error."""
    if not _NAME.fullmatch(name):
        raise InputError(f"not a name for a pack: {name[:80]!r}", remedy="use small letters, digits, dots and hyphens")
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        part, work = folder / f".{name}.part", folder / f".{name}.work"
        _sweep(folder)
        try:
            connection = sqlite3.connect(part, isolation_level=None)
            try:
                _prepare(connection, work)
                writer = Pack(connection)
                yield writer
                if not writer.count():
                    raise InputError("nothing in it that salus can use", name, "check that it is the whole release")
                connection.execute("COMMIT")
            finally:
                connection.close()
            _sync(part)
            part.replace(folder / f"{name}{SUFFIX}")
            _sync(folder)
        except (sqlite3.OperationalError, OSError) as error:
            raise StoreError("the pack cannot be written", str(folder), "check the space and the rights") from error
        finally:
            _sweep(folder)


def _prepare(connection: sqlite3.Connection, work: Path) -> None:
    connection.execute("PRAGMA page_size = 4096")
    connection.execute("ATTACH ? AS work", (str(work),))
    for schema in ("main", "work"):
        connection.execute(f"PRAGMA {schema}.journal_mode = OFF")
        connection.execute(f"PRAGMA {schema}.synchronous = OFF")
        connection.execute(_CACHE.format(schema))
    connection.executescript(files("salus.terminology").joinpath("data", "schema.sql").read_text("utf-8") + _WORK)
    connection.execute("BEGIN")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: two loads at once would remove each other's files."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError("another load is running", str(folder), "wait until it is done") from error
        yield


def _sweep(folder: Path) -> None:
    """Remove what this load, or one that was killed, left behind."""
    for left in (*folder.glob(".*.part*"), *folder.glob(".*.work*")):
        left.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
