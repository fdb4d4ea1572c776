"""A table of one's own: a header that names ``system``, ``code``, ``concept`` or ``ingredients``, and perhaps
``display``, ``aspect`` and ``strength``; separated by tabs, commas or semicolons.

It is for what no release tells: the codes of a laboratory, of a pharmacy, of a practice system.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from salus.errors import InputError
from salus.terminology.codes import SYSTEMS, concepts
from salus.terminology.diagnosis_words import plain_words, title_digest
from salus.terminology.releases.delimited import table
from salus.terminology.releases.known import Known
from salus.terminology.releases.pack import Losses, Pack, joined
from salus.terminology.releases.source import Member, Source
from salus.terminology.systems import system_of
from salus.terminology.words import fold

__all__ = ["member", "read", "recognised"]

_NEEDED = frozenset({"system", "code"})
_TOLD = frozenset({"concept", "ingredients"})
_ASPECTS = ("", "active", "history", "resolved", "possible", "family", "denied")
_OUTSIDE = "-"
"""Written for a concept: understood, and none of salus's."""
_MARKS = ("\t", ";", ",")
Row = Mapping[str, str]


def recognised(source: Source) -> bool:
    """Whether the only file is such a table, by its first line."""
    if len(source.members) != 1 or not re.search(r"\.(?:csv|tsv|txt)$", source.members[0].base, re.IGNORECASE):
        return False
    header, _ = _header(source.members[0])
    return header >= _NEEDED and bool(header & _TOLD)


def member(source: Source) -> Member:
    """The table."""
    if len(source.members) == 1:
        return source.members[0]
    raise InputError("not one file", str(source.path), "name the table itself")


def _header(one: Member) -> tuple[frozenset[str], str]:
    first = next(one.lines(), (0, ""))[1]
    mark = next((mark for mark in _MARKS if mark in first), ",")
    return frozenset(name.strip().strip('"').lower() for name in first.split(mark)), mark


def read(source: Source, pack: Pack, known: Known) -> None:
    """Read the table into a pack."""
    one = member(source)
    header, _ = _header(one)
    if not (header >= _NEEDED and header & _TOLD):
        missing = sorted(_NEEDED - header) or ["concept"]
        raise InputError(f"no column {missing[0]!r}", f"{one.base}: line 1", "name system, code, concept, display")
    for number, row in _rows(one, pack.losses):
        why = _take(row, pack, known)
        if why:
            pack.losses.add(f"rows of {one.base} with {why}", f"line {number}")


def _rows(one: Member, losses: Losses) -> Iterator[tuple[int, Row]]:
    names: list[str] = []
    for number, fields in table(one, losses, _header(one)[1]):
        if names:
            yield number, dict(zip(names, fields, strict=True))
        else:
            names = [name.lower() for name in fields]


def _take(row: Row, pack: Pack, known: Known) -> str:
    """Take one row; what is wrong with it, or ""."""
    system = row["system"].lower() if row["system"].lower() in _short_names() else system_of(row["system"])
    if not system:
        return "a system that salus does not know"
    if not row["code"] or len(row["code"]) > 64:
        return "no code"
    if row.get("ingredients"):
        return _medicine(system, row, pack, known)
    return _concept(system, row, pack)


def _medicine(system: str, row: Row, pack: Pack, known: Known) -> str:
    strength = row.get("strength", "")
    if strength and not re.fullmatch(r"\d{1,6}(?:\.\d{1,6})?", strength):
        return "a strength that is not mg as a decimal number"
    parts = [known.tables.name("i", fold(name)) for name in row["ingredients"].split("+")]
    if not all(part and part != "?" for part in parts):
        return "an ingredient that salus does not know"
    names = "+".join(sorted({name for part in parts if part for name in part.split("+")}))
    if strength and "+" in names:
        return "one strength for several ingredients"
    ndc = system == "ndc"
    if ndc and not re.fullmatch(r"[0-9]{11}", row["code"]):
        return "an NDC that is not eleven digits"
    pack.product("ndc9" if ndc else system, row["code"][:9] if ndc else row["code"], names, strength)
    if row.get("display"):
        pack.name("b", fold(row["display"]), names)
    return ""


def _concept(system: str, row: Row, pack: Pack) -> str:
    named = row.get("concept", "")
    wanted = set() if named == _OUTSIDE else {name.strip() for name in named.split("+")}
    aspect = row.get("aspect", "").lower()
    if named != _OUTSIDE and not all(name in concepts() for name in wanted):
        return "a concept that salus does not have"
    if aspect not in _ASPECTS:
        return "an aspect that salus does not have"
    measures = _measures()
    if wanted and wanted & measures and not wanted <= measures:
        return "a diagnosis and a measurement in one"
    kind = "m" if (wanted and wanted <= measures) or (not wanted and system == "loinc") else "d"
    names = joined(wanted)
    pack.code(kind, system, row["code"], names, "" if aspect == "active" else aspect)
    display = row.get("display", "")
    if display and kind == "m" and names:
        pack.name("m", fold(display), names)
    elif display and kind == "d" and aspect in ("", "active"):
        pack.title(title_digest(plain_words(display)), names)
    return ""


@cache
def _measures() -> frozenset[str]:
    """The concepts that an observation measures."""
    return frozenset(
        name
        for name, entry in concepts().items()
        if entry.nature == "measure" or entry.analyte is not None or entry.codes[0].system == SYSTEMS["loinc"]
    )


@cache
def _short_names() -> frozenset[str]:
    """The short names of code systems."""
    text = files("salus.terminology").joinpath("data", "systems.toml").read_text("utf-8")
    return frozenset(tomllib.loads(text)["system"])
