"""The tables of red flags: concepts in lay words, and which of them together raise a flag.

``tables/redflags/words.toml`` names the concepts, ``flags.toml`` the combinations with the lists of warning signs that
they follow, ``figures.toml`` the figures of speech, ``spelling.toml`` what slips of the pen are put right to.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from salus.assistant import matching, measured
from salus.assistant.language import Spelling
from salus.assistant.matching import Index
from salus.errors import ConfigurationError

CLOSE, ADJACENT = 6, 2
"""Words that may lie between concepts joined by ~ and by +."""


@dataclass(frozen=True, slots=True)
class Term:
    """Concepts that must stand near each other; each place holds alternatives."""

    places: tuple[tuple[str, ...], ...]
    apart: int


Line = tuple[Term, ...]
"""Terms that must all be there."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One kind of emergency. ``when`` holds alternatives, each a row of terms that must all be there."""

    id: str
    title: str
    sources: tuple[str, ...]
    when: tuple[Line, ...]
    crisis: bool


@dataclass(frozen=True, slots=True)
class Raised:
    """A flag that a message raised, and the words of the message (made uniform) that did it."""

    flag: Flag
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The compiled tables."""

    version: str
    index: Index
    plain: frozenset[str]
    always: frozenset[str]
    soft: frozenset[str]
    risk: frozenset[str]
    joins: Mapping[str, tuple[Line, ...]]
    numbers: tuple[measured.Bound, ...]
    flags: tuple[Flag, ...]
    citations: Mapping[str, str]
    spelling: Spelling
    figures: Index
    """Ways of saying that mean something else than their words."""

    def flag(self, name: str) -> Flag:
        """The flag of that id."""
        return next(f for f in self.flags if f.id == name)


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads(files("salus.assistant").joinpath("tables", "redflags", name).read_text("utf-8"))


@cache
def table() -> Table:
    """The tables of red flags. Raises ConfigurationError when they are not consistent."""
    words, raw, spelling = _load("words.toml"), _load("flags.toml"), _load("spelling.toml")
    index = matching.index({**words["plain"], **words["sign"]})
    numbers = tuple(measured.Bound(name, n["what"], n.get("least"), n.get("most")) for name, n in raw["number"].items())
    joins = {name: tuple(_line(line) for line in lines) for name, lines in raw["join"].items()}
    flags = tuple(_flag(entry) for entry in raw["flag"])
    known = {*words["plain"], *words["sign"], *joins, *(n.sign for n in numbers)}
    for name, lines in [*joins.items(), *((f.id, f.when) for f in flags)]:
        if unknown := {n for line in lines for term in line for place in term.places for n in place} - known:
            raise ConfigurationError(f"unknown concepts {sorted(unknown)}", where=f"flags.toml: {name}")
    for name, lacking in ((f.id, set(f.sources) - set(raw["source"])) for f in flags):
        if lacking:
            raise ConfigurationError(f"unknown sources {sorted(lacking)}", where=f"flags.toml: {name}")
    return Table(
        version=str(raw["version"]),
        index=index,
        plain=frozenset(words["plain"]),
        always=frozenset(words["kind"]["always"]),
        soft=frozenset(words["kind"]["soft"]),
        risk=frozenset(words["kind"]["risk"]),
        joins=joins,
        numbers=numbers,
        flags=flags,
        citations=raw["source"],
        spelling=_spelling(spelling, index),
        figures=matching.index(_load("figures.toml")["figures"]),
    )


def _spelling(raw: Mapping[str, Any], index: Index) -> Spelling:
    words, beginnings = index.vocabulary()
    known = words | set(raw["forms"].split())
    return Spelling(known, frozenset(raw["ordinary"].split()), beginnings, frozenset(raw["forms"].split()))


def _flag(entry: Mapping[str, Any]) -> Flag:
    when = tuple(_line(line) for line in entry["when"])
    return Flag(entry["id"], entry["title"], tuple(entry["source"]), when, bool(entry.get("crisis", False)))


def _line(line: str) -> Line:
    return tuple(_term(part) for part in line.split("&"))


def _term(part: str) -> Term:
    apart = ADJACENT if "+" in part else CLOSE
    places = tuple(tuple(name.strip() for name in place.split("/")) for place in part.replace("+", "~").split("~"))
    return Term(places, apart)
