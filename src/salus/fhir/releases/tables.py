"""The element table of the releases and the steps that lead to R4, read on first use."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

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
    fitting: Mapping[str, Mapping[str, tuple[str, ...]]]
    """The releases by path and form, of elements that tell any."""
    parents: frozenset[str]
    """The paths within which there are such elements."""

    def knowing(self, code: str, releases: Sequence[str]) -> tuple[str, ...]:
        """Those of ``releases`` that know ``code`` as a status."""
        return tuple(r for r in releases if r not in self.status or code in self.status[r])


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
    fitting: dict[str, dict[str, tuple[str, ...]]] = {}
    for path, known in forms.items():
        if not any(map(is_common, path.split("."))):
            fitting[path] = {f: tuple(r for r, form in known.items() if form == f) for f in set(known.values())}
    parents = {path[:at] for path in fitting for at, letter in enumerate(path) if letter == "."}
    codes = {release: frozenset(codes) for release, codes in status.items()}
    return Table(forms, codes, fitting, frozenset(parents))


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
