"""The element table of the releases and the steps that lead to R4, read on first use."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_COMMON = frozenset(
    {"resourceType", "id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"}
)
"""Elements that every release has, or whose names inner elements have too: nothing is told by them."""
_ALIASES = {"MedicationUsage": "MedicationStatement"}
"""Names that drafts of R5 used."""


@dataclass(frozen=True, slots=True)
class Table:
    """What each release knows of one type: forms by path, and the codes of ``status``."""

    forms: Mapping[str, Mapping[str, str]]
    status: Mapping[str, frozenset[str]]
    fitting: Mapping[tuple[str, str], Sequence[str]]
    """The releases by path and form."""

    def releases(self, path: str, form: str, value: Any) -> Sequence[str]:
        """The releases in which an element of this form may stand there; of a status only those that know its code."""
        found = self.fitting.get((path, form), ())
        if path == "status" and isinstance(value, str):
            return [r for r in found if r not in self.status or value in self.status[r]]
        return found


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its verb, its arguments and the path of the elements it works on (none: the resource itself)."""

    verb: str
    arguments: tuple[str, ...]
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything the interpreter runs on. ``steps`` are by release ("common" for all) and type."""

    elements: Mapping[str, Table]
    steps: Mapping[tuple[str, str], tuple[Step, ...]]
    parts: Mapping[str, tuple[Step, ...]]
    codes: Mapping[str, Mapping[str, str]]
    systems: Mapping[str, str]
    renamed_systems: Mapping[str, str]

    def of(self, kind: str) -> Table | None:
        """The element table of a type; None where releases are not told apart by it."""
        return self.elements.get(_ALIASES.get(kind, kind))


def is_common(name: str) -> bool:
    """True for an element that tells no release, and for the extensions of primitive ones."""
    return name in _COMMON or name.startswith("_")


def named(kind: str) -> str:
    """The name under which a type stands in the tables."""
    return _ALIASES.get(kind, kind)


def _step(text: str) -> Step:
    words, _, path = text.partition(" at ")
    verb, *arguments = words.split()
    if verb in ("refuse", "single"):
        arguments = [arguments[0], " ".join(arguments[1:])]
    return Step(verb, tuple(arguments), tuple(path.split(".")) if path else ())


def _table(entry: Mapping[str, str], status: Mapping[str, list[str]], releases: list[str]) -> Table:
    forms = {
        path: {r: form for r, form in zip(releases, row, strict=True) if form != "-"} for path, row in entry.items()
    }
    fitting: dict[tuple[str, str], list[str]] = {}
    for path, known in forms.items():
        for release, form in known.items():
            fitting.setdefault((path, form), []).append(release)
    return Table(forms, {release: frozenset(codes) for release, codes in status.items()}, fitting)


@cache
def tables() -> Tables:
    """The tables, parsed once."""
    folder = files("salus.fhir.releases")
    written = tomllib.loads(folder.joinpath("releases.toml").read_text("utf-8"))
    known = json.loads(folder.joinpath("elements.json").read_text("utf-8"))
    steps = {
        (release, kind): tuple(_step(text) for text in entry["steps"])
        for release in ("common", "DSTU2", "STU3", "R5")
        for kind, entry in written[release].items()
    }
    return Tables(
        elements={k: _table(e, known["status"][k], known["releases"]) for k, e in known["elements"].items()},
        steps=steps,
        parts={name: tuple(_step(text) for text in entry["steps"]) for name, entry in written["part"].items()},
        codes=written["code"],
        systems=written["system"],
        renamed_systems=written["renamed_system"],
    )
