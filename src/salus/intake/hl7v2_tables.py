"""The rules of ``hl7v2_map.toml`` and the concept maps of ``hl7v2_codes.json``, parsed once."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_POSITION = re.compile(
    r"(?:(?P<segment>[A-Z][A-Z0-9]{2})-)?(?P<field>\d+)(?:\.(?P<c>\d+))?(?:\.(?P<s>\d+))?(?P<one>:1)?\Z"
)
_STEP = re.compile(r"(?P<name>[A-Za-z]+)(?:\[(?P<key>\w*)\])?\Z")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a segment; inside a data type ``field`` is the component and ``component`` the subcomponent.

    ``segment`` is "" for the segment at hand; ``first`` takes only the first repetition.
    """

    segment: str
    field: int
    component: int
    subcomponent: int
    first: bool

    def __str__(self) -> str:
        return ".".join(str(n) for n in (self.field, self.component, self.subcomponent) if n)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an element path; ``key`` names an item of a list, None where the element is no list."""

    name: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One field rule: from where, to which element, as what."""

    position: Position | None
    path: tuple[Step, ...]
    kind: str
    table: str
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Maker:
    """How a resource is made from a segment, or from one value of a data type."""

    segment: str
    type: str
    into: str
    make: str
    field: int
    keys: tuple[tuple[Position, ...], ...]
    when: tuple[str, ...]
    patient: str
    back: tuple[Step, ...]
    back_type: str
    salt: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything the interpreter runs on."""

    makers: Mapping[str, tuple[Maker, ...]]
    named: Mapping[str, Maker]
    datatypes: Mapping[str, tuple[Rule, ...]]
    systems: Mapping[str, str]
    notes: Mapping[str, str]
    transport: frozenset[str]
    codes: Mapping[str, Mapping[str, tuple[str, str, str]]]


def position(text: str) -> Position:
    """Read "5", "5.2", "5:1" or "ORC-12.1"."""
    match = _POSITION.match(text)
    if match is None:
        raise ValueError(f"not a position: {text}")
    part = match.groupdict()
    return Position(
        part["segment"] or "", int(part["field"]), int(part["c"] or 0), int(part["s"] or 0), bool(part["one"])
    )


def path(text: str) -> tuple[Step, ...]:
    """Read "name[1].given[2]"; "-" is no path."""
    if text == "-":
        return ()
    found = []
    for part in text.split("."):
        match = _STEP.match(part)
        if match is None:
            raise ValueError(f"not an element: {text}")
        found.append(Step(match["name"], match["key"]))
    return tuple(found)


def _rule(text: str) -> Rule:
    place, element, rest = text.split(" ", 2)
    conditions: tuple[str, ...] = ()
    if " if=" in rest:
        rest, _, stated = rest.partition(" if=")
        conditions = tuple(stated.split(","))
    kind, _, table = rest.partition(" map=")
    return Rule(None if place == "-" else position(place), path(element), kind, table, conditions)


def _maker(entry: Mapping[str, Any]) -> Maker:
    back_type, _, back = entry.get("back", "").partition(".")
    return Maker(
        segment=entry.get("segment", ""),
        type=entry.get("type", ""),
        into=entry.get("into", ""),
        make=entry.get("make", ""),
        field=entry.get("field", 0),
        keys=tuple(tuple(position(p) for p in key.split()) for key in entry.get("keys", ())),
        when=tuple(entry.get("when", ())),
        patient=entry.get("patient", ""),
        back=path(back) if back else (),
        back_type=back_type,
        salt=entry.get("salt", ""),
        rules=tuple(_rule(text) for text in entry.get("fields", ())),
    )


@cache
def tables() -> Tables:
    """The tables, read on first use."""
    folder = files("salus.intake")
    written = tomllib.loads(folder.joinpath("hl7v2_map.toml").read_text("utf-8"))
    codes = json.loads(folder.joinpath("hl7v2_codes.json").read_text("utf-8"))["maps"]
    makers: dict[str, tuple[Maker, ...]] = {}
    for entry in written["rule"]:
        makers[entry["segment"]] = (*makers.get(entry["segment"], ()), _maker(entry))
    return Tables(
        makers=makers,
        named={name: _maker(entry) for name, entry in written["make"].items()},
        datatypes={name: tuple(_rule(t) for t in entry["fields"]) for name, entry in written["datatype"].items()},
        systems=written["systems"],
        notes=written["notes"],
        transport=frozenset(written["transport"]),
        codes={name: {code: tuple(entry) for code, entry in table.items()} for name, table in codes.items()},
    )
