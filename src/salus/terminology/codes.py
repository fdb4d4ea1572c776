"""Concept names and the codes that salus itself writes for them: ``concepts/*.toml`` and ``data/concepts.tsv``.

A file is a set of tables ``[concept-name]`` with ``display``, ``codes`` ("system|code", the preferred one first;
systems may be abbreviated as in :data:`SYSTEMS`), ``source`` and, where it helps, ``analyte`` (for unit conversion)
and ``is-a`` (broader concepts). ``data/concepts.tsv`` is made by tools/make_terminology.py and holds every concept that
the terminology tables know; a code that a TOML file prefers stays the preferred one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from salus.fhir.codes import SYSTEMS, Code

__all__ = ["SYSTEMS", "Code", "Concept", "concepts", "get", "names", "with_broader"]


@dataclass(frozen=True, slots=True)
class Concept:
    """A named clinical concept and every code that stands for it. ``codes[0]`` is the one we write."""

    name: str
    display: str
    codes: tuple[Code, ...]
    analyte: str | None = None
    broader: tuple[str, ...] = ()
    kind: str = ""
    """What a finding of this code is in FHIR, where it is no plain Observation: "risk"."""
    nature: str = ""
    """"disorder", "finding", "behaviour", "history", "measure" or "status" (what a procedure leaves); "" not said."""


def _code(text: str, display: str) -> Code:
    system, _, code = text.partition("|")
    return Code(SYSTEMS.get(system, system), code, display)


@cache
def concepts() -> Mapping[str, Concept]:
    """Every concept by name. A concept may stand in several files: their codes are joined."""
    table: dict[str, Concept] = {}
    for name, entry in _entries():
        display = entry["display"]
        codes = tuple(_code(text, display) for text in entry.get("codes", ()))
        earlier = table.get(name)
        if earlier:
            held = tuple(code for code in earlier.codes if code.system != SYSTEMS["salus"] or not codes)
            known = {(code.system, code.code) for code in held}
            codes = held + tuple(code for code in codes if (code.system, code.code) not in known)
            display = earlier.display
        table[name] = Concept(
            name,
            display,
            codes or (Code(SYSTEMS["salus"], name, display),),
            entry.get("analyte") or (earlier.analyte if earlier else None),
            tuple(dict.fromkeys((*(earlier.broader if earlier else ()), *entry.get("is-a", ())))),
            entry.get("kind") or (earlier.kind if earlier else ""),
            entry.get("nature") or (earlier.nature if earlier else ""),
        )
    return table


def _entries() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name and entry of every concept: first the TOML files, then the table."""
    import tomllib  # imported when asked: naming a code costs nothing until then

    room = files("salus.terminology")
    for path in sorted(room.joinpath("concepts").iterdir(), key=lambda p: p.name):
        if path.name.endswith(".toml"):
            yield from tomllib.loads(path.read_text("utf-8")).items()
    for line in room.joinpath("data", "concepts.tsv").read_text("utf-8").splitlines()[1:]:
        name, display, broader, code, nature = line.split("\t")
        parents, codes = broader.split(",") if broader else [], [code] if code else []
        yield name, {"display": display, "is-a": parents, "codes": codes, "nature": nature}


def get(name: str) -> Concept:
    """The concept called ``name``. Raises KeyError: a name that is not in the tables is a programming error."""
    return concepts()[name]


@cache
def _names_by_code() -> Mapping[tuple[str, str], frozenset[str]]:
    table: dict[tuple[str, str], set[str]] = {}
    for concept in concepts().values():
        for code in concept.codes:
            table.setdefault((code.system, code.code), set()).update(with_broader((concept.name,)))
    return {key: frozenset(names) for key, names in table.items()}


def with_broader(names: Iterable[str]) -> frozenset[str]:
    """These concepts and every concept that is broader than one of them."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            entry = concepts().get(current)
            waiting.extend(entry.broader if entry else ())
    return frozenset(found)


def names(codings: Iterable[Code]) -> frozenset[str]:
    """The names of all concepts, broader ones included, that any of ``codings`` stands for."""
    table = _names_by_code()
    found: frozenset[str] = frozenset()
    for code in codings:
        found |= table.get((code.system, code.code), frozenset())
    return found
