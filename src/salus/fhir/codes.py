"""Concept names and their codes: ``codes/*.toml`` is the only place where LOINC, SNOMED CT or RxNorm codes are named.

A file is a set of tables ``[concept-name]`` with ``display``, ``codes`` ("system|code", the preferred one first;
systems may be abbreviated as in :data:`SYSTEMS`), ``source`` and, where it helps, ``analyte`` (for unit conversion)
and ``is-a`` (broader concepts).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SYSTEMS: Mapping[str, str] = {
    "loinc": "http://loinc.org",
    "snomed": "http://snomed.info/sct",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "salus": "urn:salus:code",
}


@dataclass(frozen=True, slots=True)
class Code:
    """One code of one code system."""

    system: str
    code: str
    display: str = ""


@dataclass(frozen=True, slots=True)
class Concept:
    """A named clinical concept and every code that stands for it. ``codes[0]`` is the one we write."""

    name: str
    display: str
    codes: tuple[Code, ...]
    analyte: str | None = None
    broader: tuple[str, ...] = ()


def _code(text: str, display: str) -> Code:
    system, _, code = text.partition("|")
    return Code(SYSTEMS.get(system, system), code, display)


@cache
def concepts() -> Mapping[str, Concept]:
    """Every concept by name. A concept may stand in several files: their codes are joined."""
    table: dict[str, Concept] = {}
    for path in sorted(files("salus.fhir").joinpath("codes").iterdir(), key=lambda p: p.name):
        if not path.name.endswith(".toml"):
            continue
        for name, entry in tomllib.loads(path.read_text("utf-8")).items():
            display = entry["display"]
            codes = tuple(_code(text, display) for text in entry.get("codes", ()))
            earlier = table.get(name)
            if earlier:
                codes = earlier.codes + tuple(code for code in codes if code not in earlier.codes)
                display = earlier.display
            table[name] = Concept(
                name,
                display,
                codes or (Code(SYSTEMS["salus"], name, display),),
                entry.get("analyte") or (earlier.analyte if earlier else None),
                tuple(dict.fromkeys((*(earlier.broader if earlier else ()), *entry.get("is-a", ())))),
            )
    return table


def get(name: str) -> Concept:
    """The concept called ``name``. Raises KeyError: a name that is not in the tables is a programming error."""
    return concepts()[name]


@cache
def _names_by_code() -> Mapping[tuple[str, str], frozenset[str]]:
    table: dict[tuple[str, str], set[str]] = {}
    for concept in concepts().values():
        for code in concept.codes:
            table.setdefault((code.system, code.code), set()).update(_with_broader(concept.name))
    return {key: frozenset(names) for key, names in table.items()}


def _with_broader(name: str) -> set[str]:
    found, waiting = set(), [name]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            entry = concepts().get(current)
            waiting.extend(entry.broader if entry else ())
    return found


def names(codings: Iterable[Code]) -> frozenset[str]:
    """The names of all concepts, broader ones included, that any of ``codings`` stands for."""
    table = _names_by_code()
    found: frozenset[str] = frozenset()
    for code in codings:
        found |= table.get((code.system, code.code), frozenset())
    return found
