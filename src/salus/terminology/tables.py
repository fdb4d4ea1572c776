"""Look-up in terminology files: the one that salus ships, packs, and the user's own releases, all of one form.

A file is opened when it is first asked, read-only; every thread has its own connection.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus.errors import InputError
from salus.terminology.meaning import Origin
from salus.terminology.words import key

if TYPE_CHECKING:
    import sqlite3

__all__ = ["File", "Tables", "shipped_file"]

Row = tuple[Any, ...]
MOST_ASKED = 500
"""Names asked for in one question: SQLite sets a limit to the values of one."""


def shipped_file() -> Path:
    """The path of the terminology file in the package."""
    with as_file(files("salus.terminology").joinpath("data", "terminology.sqlite")) as path:
        return path


class File:
    """One terminology file. Nothing is opened before the first question."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    def query(self, sql: str, *values: object) -> list[Row]:
        """The rows of one question. Raises InputError where the file is no terminology file."""
        import sqlite3  # imported when asked: the room costs nothing until then

        try:
            return self._connection().execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            remedy = "make it again with `salus terminology load`"
            raise InputError(f"not a terminology file: {self.path.name}", remedy=remedy) from error

    def _connection(self) -> sqlite3.Connection:
        import sqlite3

        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            uri = f"{self.path.resolve().as_uri()}?mode=ro&immutable=1"
            connection = self._local.connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        return connection

    def origins(self) -> tuple[Origin, ...]:
        """Where the rows of this file come from."""
        rows = self.query("SELECT name, version, licence, digest, notice FROM origin ORDER BY name")
        return tuple(Origin(*row) for row in rows)


class Tables:
    """All files as one: what a later file says of a code or name replaces what an earlier one says."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.files = tuple(File(path) for path in paths)
        self._codes = lru_cache(maxsize=4096)(self._code)  # a record says the same in few codes, many times

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The sources of every file."""
        return tuple(origin for file in self.files for origin in file.origins())

    @property
    def digest(self) -> str:
        """SHA-256 over the contents of every file, in their order."""
        import hashlib

        total = hashlib.sha256()
        for file in self.files:
            total.update(hashlib.sha256(file.path.read_bytes()).digest())
        return total.hexdigest()

    def _last(self, sql: str, *values: object) -> Row | None:
        for file in reversed(self.files):
            rows = file.query(sql, *values)
            if rows:
                return rows[0]
        return None

    def _union(self, sql: str, *values: object) -> Iterator[Row]:
        for file in self.files:
            yield from file.query(sql, *values)

    def code(self, kind: str, system: str, code: str) -> tuple[tuple[str, ...], str] | None:
        """The concepts of an exact code and its aspect. ``kind``: "d" diagnosis or procedure, "m" measurement."""
        return self._codes(kind, system, code)

    def _code(self, kind: str, system: str, code: str) -> tuple[tuple[str, ...], str] | None:
        row = self._last(
            "SELECT names, aspect FROM code JOIN meaning ON meaning.id = code.meaning "
            "WHERE kind = ? AND system = ? AND code = ?", kind, system, key(code),
        )  # fmt: skip
        return (tuple(row[0].split("+")) if row[0] else (), row[1]) if row else None

    def prefixes(self, system: str, code: str) -> list[Row]:
        """(prefix, concept, mode, aspect, note) of every rule whose prefix ``code``, without dots, begins with."""
        starts = [code[:length] for length in range(1, len(code) + 1)]
        marks = ",".join("?" * len(starts))
        return list(
            self._union(
                f"SELECT prefix, concept, mode, aspect, note FROM prefix WHERE system = ? AND prefix IN ({marks})",
                system, *starts,
            )
        )  # fmt: skip

    def patterns(self, system: str) -> list[Row]:
        """(concept, regular expression) for the procedure codes of a system."""
        return list(self._union("SELECT concept, match FROM pattern WHERE system = ? ORDER BY concept", system))

    def listed(self, system: str, category: str) -> frozenset[str] | None:
        """What follows ``category`` in each of its codes, in a classification that is held whole; None: no such one."""
        row = self._last("SELECT rest FROM listed WHERE system = ? AND category = ?", system, category)
        return frozenset(row[0].split(" ")) if row else None

    def product(self, system: str, code: str) -> tuple[str, str, bool] | None:
        """(ingredients joined by "+", strength in mg or "", whether it is a mere substance) of a product's code."""
        row = self._last(
            "SELECT names, strength, substance FROM product JOIN meaning ON meaning.id = product.meaning "
            "WHERE system = ? AND code = ?", system, key(code),
        )  # fmt: skip
        return (row[0], row[1], bool(row[2])) if row else None

    def name(self, kind: str, name: str) -> str | None:
        """What a name, folded, stands for. ``kind``: "i" ingredient, "b" brand, "m" measurement."""
        row = self._last(
            "SELECT names FROM name JOIN meaning ON meaning.id = name.meaning WHERE kind = ? AND name = ?", kind, name
        )
        return row[0] if row else None

    def title(self, digest: bytes) -> tuple[str, ...] | None:
        """The concepts of a diagnosis's exact name, by its digest; () for a name of none; None where it is not held."""
        row = self._last("SELECT names FROM title JOIN meaning ON meaning.id = title.meaning WHERE digest = ?", digest)
        return (tuple(row[0].split("+")) if row[0] else ()) if row else None

    def names(self, kinds: Sequence[str], names: Iterable[str]) -> dict[str, tuple[str, str]]:
        """(kind, meaning) of each of ``names`` that is known; an earlier kind decides before a later one."""
        wanted = sorted(set(names))
        found: dict[str, tuple[str, str]] = {}
        for start in range(0, len(wanted), MOST_ASKED):
            part = wanted[start : start + MOST_ASKED]
            marks = ",".join("?" * len(part))
            for kind in reversed(kinds):
                for name, meaning in self._union(
                    f"SELECT name, names FROM name JOIN meaning ON meaning.id = name.meaning "
                    f"WHERE kind = ? AND name IN ({marks})", kind, *part,
                ):  # fmt: skip
                    found[name] = (kind, meaning)
        return found

    def combinations(self) -> list[str]:
        """Every set of two or more names in the tables, joined by "+"."""
        return [row[0] for row in self._union("SELECT names FROM meaning WHERE names LIKE '%+%'")]

    def words(self, words: Iterable[str]) -> dict[str, int]:
        """Those of ``words`` that are known clinical English: 1 where names of diseases hold them, 2 measurements."""
        wanted = sorted(set(words))[:MOST_ASKED]
        marks = ",".join("?" * len(wanted))
        rows = self._union(f"SELECT word, telling FROM word WHERE word IN ({marks})", *wanted)
        return dict(rows)

    def rules(self) -> list[Row]:
        """(concept, match, unless, letters) of every rule over words."""
        return list(self._union("SELECT concept, match, unless, letters FROM rule ORDER BY concept"))
