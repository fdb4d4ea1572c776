"""SNOMED CT, Release Format 2: the Snapshot files of an international or national edition, extensions with it.

A concept that salus does not know means what the nearest concepts above it mean that salus knows. What lies beside all
of them is understood as none of salus's concepts; what lies above one of them could be it, and stays unread.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from salus.errors import InputError
from salus.terminology.releases.delimited import headed
from salus.terminology.releases.known import Known
from salus.terminology.releases.pack import Losses, Pack
from salus.terminology.releases.snomed_meaning import Meanings
from salus.terminology.releases.source import Member, Source

__all__ = ["edition", "members", "read", "recognised"]

_FILE = r"x?{}_\w*Snapshot(?:-[a-z-]+)?_([A-Za-z0-9]+)_(\d{{8}}(?:T\w+)?)\.txt"
CONCEPTS = _FILE.format("sct2_Concept")
DESCRIPTIONS = _FILE.format("sct2_Description")
RELATIONSHIPS = _FILE.format("sct2_Relationship")
ASSOCIATIONS = r"x?der2_cRefset_\w*Association\w*Snapshot_([A-Za-z0-9]+)_(\d{8}(?:T\w+)?)\.txt"
NOTICE = (
    "This material includes SNOMED Clinical Terms(R) (SNOMED CT(R)) which is used by permission of SNOMED "
    "International. The release was loaded by its licensee."
)
_ID = re.compile(r"[1-9][0-9]{5,17}")
_TABLES = """
CREATE TABLE work.concept (id INTEGER PRIMARY KEY, active INTEGER, time TEXT);
CREATE TABLE work.link (id INTEGER PRIMARY KEY, active INTEGER, time TEXT, child INTEGER, type INTEGER, parent INTEGER);
CREATE TABLE work.replaced (id TEXT PRIMARY KEY, active INTEGER, time TEXT, old INTEGER, new INTEGER) WITHOUT ROWID;
"""


@cache
def model() -> Mapping[str, Mapping[str, int]]:
    """Identifiers of SNOMED CT's own model."""
    text = files("salus.terminology.releases").joinpath("snomed.toml").read_text("utf-8")
    table: dict[str, Any] = tomllib.loads(text)
    return table


def recognised(source: Source) -> bool:
    """Whether the files are an edition of SNOMED CT."""
    return bool(source.matching(r"x?sct2_Concept_\w+\.txt"))


def members(source: Source) -> list[Member]:
    """The files that are read. Raises InputError where the edition is not whole."""
    found = []
    for pattern, what in ((CONCEPTS, "concepts"), (DESCRIPTIONS, "descriptions"), (RELATIONSHIPS, "relationships")):
        part = source.matching(pattern)
        if not part:
            raise InputError(f"no Snapshot file of {what}", str(source.path), "load the folder that holds Snapshot")
        found += part
    return found + source.matching(ASSOCIATIONS)


def edition(files_read: Iterable[Member]) -> tuple[str, str]:
    """(the edition's name, its date) from the names of the files; of several modules the newest date."""
    names: set[str] = set()
    dates: set[str] = set()
    for member in files_read:
        match = re.fullmatch(CONCEPTS, member.base, re.IGNORECASE)
        if match:
            names.add(match[1].upper())
            dates.add(match[2][:8])
    return "-".join(sorted(names)), max(dates, default="")


def read(source: Source, pack: Pack, known: Known) -> None:
    """Read an edition into a pack."""
    files_read = members(source)
    for statement in _TABLES.split(";"):
        pack.sql(statement)
    for member in files_read:
        if re.fullmatch(CONCEPTS, member.base, re.IGNORECASE):
            _concepts(member, pack)
        elif re.fullmatch(RELATIONSHIPS, member.base, re.IGNORECASE):
            _relationships(member, pack)
        elif re.fullmatch(ASSOCIATIONS, member.base, re.IGNORECASE):
            _associations(member, pack)
    meanings = Meanings(pack, known, model())
    described = source.matching(DESCRIPTIONS)
    meanings.settle(row for member in described for row in _descriptions(member, Losses()))
    for member in described:
        meanings.full_names(_descriptions(member, Losses()))
    meanings.outside()
    for member in described:
        meanings.names(_descriptions(member, pack.losses))
    meanings.write()


def _newest(table: str, columns: int) -> str:
    """Insert a row, or replace the one of the same id where that is older: modules may repeat a component."""
    marks = ", ".join("?" * columns)
    names = {"concept": "active", "link": "active, child, type, parent", "replaced": "active, old, new"}[table]
    update = ", ".join(f"{name} = excluded.{name}" for name in (*names.split(", "), "time"))
    return (
        f"INSERT INTO work.{table} VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {update} WHERE excluded.time > time"
    )


def _ids(fields: Iterable[str]) -> bool:
    return all(_ID.fullmatch(field) for field in fields)


def _concepts(member: Member, pack: Pack) -> None:
    def rows() -> Iterator[tuple[int, int, str]]:
        for number, time, active in headed(member, ("id", "effectiveTime", "active"), pack.losses):
            if _ids((number,)) and active in ("0", "1"):
                yield int(number), int(active), time
            else:
                pack.losses.add(f"rows of {member.base} that are no concepts")

    pack.many(_newest("concept", 3), rows())


def _relationships(member: Member, pack: Pack) -> None:
    columns = ("id", "effectiveTime", "active", "sourceId", "typeId", "destinationId", "characteristicTypeId")
    kinds = {str(value) for table in ("type", "situation") for value in model()[table].values()}
    stated = str(model()["type"]["stated"])

    def rows() -> Iterator[tuple[int | str, ...]]:
        for number, time, active, child, kind, parent, how in headed(member, columns, pack.losses):
            if not _ids((number, child, kind, parent)) or active not in ("0", "1"):
                pack.losses.add(f"rows of {member.base} that are no relationships")
            elif kind in kinds and how != stated:
                yield int(number), int(active), time, int(child), int(kind), int(parent)

    pack.many(_newest("link", 6), rows())


def _associations(member: Member, pack: Pack) -> None:
    columns = ("id", "effectiveTime", "active", "refsetId", "referencedComponentId", "targetComponentId")
    kinds = {str(value) for value in model()["history"].values()}

    def rows() -> Iterator[tuple[int | str, ...]]:
        for number, time, active, kind, old, new in headed(member, columns, pack.losses):
            if not _ids((kind, old, new)) or active not in ("0", "1"):
                pack.losses.add(f"rows of {member.base} that are no associations")
            elif kind in kinds:
                yield number, int(active), time, int(old), int(new)

    pack.many(_newest("replaced", 5), rows())


def _descriptions(member: Member, losses: Losses) -> Iterator[tuple[int, bool, str]]:
    """(concept, whether it is the fully specified name, term) of the active names."""
    kinds = {str(model()["type"]["fully-specified-name"]): True, str(model()["type"]["synonym"]): False}
    for active, concept, kind, term in headed(member, ("active", "conceptId", "typeId", "term"), losses):
        if not _ids((concept,)) or active not in ("0", "1"):
            losses.add(f"rows of {member.base} that are no descriptions")
        elif active == "1" and kind in kinds:
            yield int(concept), kinds[kind], term
