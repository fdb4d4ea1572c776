"""Reading of the facts tables, and the rows of a terminology file. Used by make_terminology.py."""

from __future__ import annotations

import csv
import gzip
import hashlib
import sqlite3
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from salus.terminology.words import fold, key

__all__ = ["Origin", "Table", "digest", "find", "fold", "key", "origins", "read", "write"]

SCHEMA = Path(__file__).resolve().parent.parent / "src" / "salus" / "terminology" / "data" / "schema.sql"


@dataclass(frozen=True)
class Origin:
    """A source. ``pack``: its rows stay out of the shipped file."""

    name: str
    version: str
    licence: str
    digest: str
    notice: str = ""
    pack: bool = False


def origins(folder: Path) -> list[Origin]:
    """The sources of ``make_terminology_origins.toml`` with the digests of their tables in ``folder``."""
    table = tomllib.loads(Path(__file__).with_name("make_terminology_origins.toml").read_text("utf-8"))
    return [
        Origin(
            entry["name"],
            entry["version"],
            entry["licence"],
            digest(folder / entry["folder"], *entry["tables"]),
            entry.get("notice", ""),
            entry.get("pack", False),
        )
        for entry in table["origin"]
    ]


def find(folder: Path, name: str) -> Path:
    """The table called ``name``, packed or not."""
    path = folder / f"{name}.tsv.gz"
    return path if path.exists() else folder / f"{name}.tsv"


def read(folder: Path, name: str) -> Iterator[dict[str, str]]:
    """The rows of a table by column."""
    path = find(folder, name)
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    yield from csv.DictReader(raw.decode("utf-8").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)


def digest(folder: Path, *names: str) -> str:
    """SHA-256 over the contents of these tables."""
    total = hashlib.sha256()
    for name in names:
        path = find(folder, name)
        total.update(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    return total.hexdigest()


@dataclass
class Table:
    """The rows of one terminology file."""

    codes: dict[tuple[str, str, int | str], tuple[set[str], str]] = field(default_factory=dict)
    prefixes: set[tuple[str, str, str, str, str, str]] = field(default_factory=set)
    patterns: set[tuple[str, str, str]] = field(default_factory=set)
    listed: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    products: dict[tuple[str, int | str], tuple[str, str, int]] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    words: dict[str, int] = field(default_factory=dict)
    titles: dict[bytes, str] = field(default_factory=dict)
    rules: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    def code(self, kind: str, system: str, code: str, concepts: Iterable[str], aspect: str = "") -> None:
        """Add concepts to a code; of two aspects the more cautious stays."""
        place = (kind, system, key(code))
        held, before = self.codes.get(place, (set(), ""))
        self.codes[place] = (held | set(concepts), before or aspect)

    def hold(self, system: str, code: str) -> None:
        """Add a code to a classification that is held whole."""
        bare = code.upper().replace(".", "")
        self.listed.setdefault((system, bare[:3]), set()).add(bare[3:])

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Every table's rows, sorted by key."""
        sets = {"+".join(sorted(names)) for names, _ in self.codes.values()}
        sets |= {row[0] for row in self.products.values()} | set(self.names.values()) | set(self.titles.values())
        ids = {names: number for number, names in enumerate(sorted(sets), 1)}

        def order(item: tuple[object, ...]) -> tuple[tuple[bool, object], ...]:
            return tuple((isinstance(part, str), part) for part in item)

        codes = [(*k, ids["+".join(sorted(names))], aspect) for k, (names, aspect) in self.codes.items()]
        return {
            "meaning": [(number, names) for names, number in ids.items()],
            "code": sorted(codes, key=lambda row: order(row[:3])),
            "prefix": sorted(self.prefixes),
            "pattern": sorted(self.patterns),
            "listed": sorted((*k, " ".join(sorted(rest))) for k, rest in self.listed.items()),
            "product": sorted(
                ((*k, ids[names], strength, substance) for k, (names, strength, substance) in self.products.items()),
                key=lambda row: order(row[:2]),
            ),
            "name": sorted((*k, ids[names]) for k, names in self.names.items()),
            "title": sorted((name, ids[names]) for name, names in self.titles.items()),
            "word": sorted(self.words.items()),
            "rule": sorted((concept, *rest) for concept, rest in self.rules.items()),
        }


def write(path: Path, table: Table, origins: Iterable[Origin]) -> None:
    """Write ``table`` as one SQLite file. The same rows give the same bytes: sorted inserts, one page size, VACUUM."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA page_size = 4096")
    connection.execute("PRAGMA journal_mode = OFF")
    connection.executescript(SCHEMA.read_text("utf-8"))
    rows = table.rows()
    for name, values in rows.items():
        if not values:
            continue
        marks = ",".join("?" * len(values[0]))
        connection.executemany(f"INSERT INTO {name} VALUES ({marks})", values)
    for origin in sorted(origins, key=lambda o: o.name):
        fields = (origin.name, origin.version, origin.licence, origin.digest, origin.notice)
        connection.execute("INSERT INTO origin VALUES (?,?,?,?,?)", fields)
    connection.commit()
    connection.execute("VACUUM")
    connection.close()
