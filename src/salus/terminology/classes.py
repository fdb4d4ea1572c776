"""Classes of medicines that rules speak of, and the intensity of statins: ``classes.toml`` and ``data/classes.tsv``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from salus.terminology.words import fold

__all__ = [
    "Intensity",
    "class_of",
    "classes_by_code",
    "classes_of",
    "high_doses",
    "is_class",
    "members",
    "statin_intensity",
]

Intensity = Literal["high", "moderate", "low"]


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(files("salus.terminology").joinpath("classes.toml").read_text("utf-8"))


@cache
def _members() -> Mapping[str, tuple[str, ...]]:
    """The ingredients of every class: those of the rules, and those of the same class in the generated table."""
    found: dict[str, set[str]] = {name: set(names) for name, names in _table()["class"].items()}
    exact = set(_table()["exact"]["classes"])
    for line in files("salus.terminology").joinpath("data", "classes.tsv").read_text("utf-8").splitlines()[1:]:
        name, ingredients = line.split("\t")
        if name not in exact:
            found.setdefault(name, set()).update(ingredients.split("|"))
    return {name: tuple(sorted(names)) for name, names in sorted(found.items())}


@cache
def _by_ingredient() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for name, ingredients in _members().items():
        for ingredient in ingredients:
            found.setdefault(ingredient, set()).add(name)
    return {ingredient: frozenset(names) for ingredient, names in found.items()}


@cache
def _aliases() -> Mapping[str, str]:
    return {fold(name): cls for cls, names in _table()["alias"].items() for name in names}


def classes_of(ingredients: Iterable[str]) -> frozenset[str]:
    """Every class that any of ``ingredients`` belongs to. The name of a class stands for itself."""
    found: set[str] = set()
    for name in ingredients:
        found |= _by_ingredient().get(name, frozenset())
        if is_class(name):
            found |= with_broader(_aliases()[fold(name)])
    return frozenset(found)


@cache
def with_broader(cls: str) -> frozenset[str]:
    """A class and every class that holds all of its members: a DOAC is an anticoagulant."""
    own = set(members(cls))
    return frozenset({cls, *(other for other, names in _members().items() if own <= set(names))})


def is_class(name: str) -> bool:
    """True for the name of a class as notes and allergy lists write it ("proton pump inhibitor", "Statins")."""
    return fold(name) in _aliases()


def class_of(name: str) -> str | None:
    """The class that a name of a class means ("statins" -> "statin"); None where it is no such name."""
    return _aliases().get(fold(name))


@cache
def _by_code() -> Mapping[tuple[str, str], frozenset[str]]:
    lines = files("salus.terminology").joinpath("data", "class_codes.tsv").read_text("utf-8").splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    return {(system, prefix): frozenset(names.split("|")) for system, prefix, names in rows}


def classes_by_code(system: str, code: str) -> frozenset[str]:
    """The classes that a code of a whole class means: an ATC group (the narrowest that holds the code), a SNOMED CT
    substance, or an adverse effect in ICD-10-CM (T36-T50). Empty where the tables know none."""
    bare = code.strip().upper().replace(".", "")
    if system == "snomed":
        return _by_code().get((system, bare), frozenset())
    for length in range(len(bare), 2, -1):
        found = _by_code().get((system, bare[:length]))
        if found:
            return found
    return frozenset()


def members(name: str) -> tuple[str, ...]:
    """The ingredients of a class; a name that is no class stands for itself."""
    return _members().get(name, (name,))


def statin_intensity(ingredient: str, mg: Decimal | None) -> Intensity | None:
    """Intensity of a statin's daily dose (2018 AHA/ACC cholesterol guideline, table 3); None where it has none."""
    if mg is None:
        return None
    levels: tuple[Intensity, ...] = ("high", "moderate", "low")
    for level in levels:
        bounds = _table()["intensity"][level].get(ingredient)
        if bounds and bounds[0] <= mg <= bounds[1]:
            return level
    return None


def high_doses() -> Mapping[str, tuple[int, int]]:
    """Statins with their lowest and highest dose of high intensity in mg a day."""
    return {name: (low, high) for name, (low, high) in _table()["intensity"]["high"].items()}
