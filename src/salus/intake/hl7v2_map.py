"""The interpreter: an HL7 v2 message and the rules of ``hl7v2_map.toml`` give FHIR R4 resources and a loss list.

What each value became is remembered by its place; every place that held data and became nothing is a loss, named by
segment, field and component, never by its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from salus.formats.hl7v2 import Message, Segment, text
from salus.intake import hl7v2_types as types
from salus.intake import hl7v2_values  # noqa: F401 - adds its primitives to the table
from salus.intake.hl7v2_losses import losses
from salus.intake.hl7v2_state import Cell, Mapping, cut, plain
from salus.intake.hl7v2_tables import Maker, Position, Rule, Step, position, tables

_LEVELS = ((4, "si"), (7, "bu"), (8, "lvl"), (1, "wa"), (2, "ro"), (3, "bd"))
"""PL components from the widest place to the narrowest with FHIR's code of physical type."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a message gives. ``losses`` are positions such as "PID-10.2" with how often they were not carried over."""

    resources: tuple[dict[str, Any], ...]
    losses: tuple[str, ...]
    patient: str


def run(message: Message, zone: tzinfo | None = None) -> Mapped:
    """Map one message. ``zone`` is the sender's, for times without an offset where MSH-7 gives none either.

    Raises :class:`InputError` for a message without a person it could be about.
    """
    mapping = Mapping(message, zone or types.offset_of(message), build)
    mapping.patient = types.patient_id(message)
    for at, segment in enumerate(message.segments):
        for maker in tables().makers.get(segment.name, ()):
            if all(holds(mapping, c, at) for c in maker.when):
                _apply(mapping, maker, at, segment)
    resources = tuple(plain(r) for r in mapping.resources.values())
    return Mapped(resources, tuple(losses(mapping)), mapping.patient)


def _apply(mapping: Mapping, maker: Maker, at: int, segment: Segment) -> None:
    if maker.make:
        for cell in mapping.cells(Position("", maker.field, 0, 0, False), at):
            named(mapping, maker.make, cell, at)
        return
    if maker.into:
        target = mapping.latest(_noted(mapping, at) if maker.into == "note" else maker.into)
        if target is not None:
            _fill(mapping, target, maker.rules, at)
        return
    target = _new(mapping, maker, at, segment)
    _fill(mapping, target, maker.rules, at)
    if maker.back and (holder := mapping.latest(maker.back_type)) is not None:
        reference = {"reference": f"{target['resourceType']}/{target['id']}"}
        mapping.put(holder, maker.back, reference, str(at))


def _noted(mapping: Mapping, at: int) -> str:
    """The type of resource that the NTE at ``at`` is a note of; "" for none."""
    before = (s.name for s in reversed(mapping.message.segments[:at]) if s.name not in ("NTE", "IAR", "ROL", "PRT"))
    return tables().notes.get(next(before, ""), "")


def _new(mapping: Mapping, maker: Maker, at: int, segment: Segment) -> dict[str, Any]:
    if maker.type == "Patient":
        target = mapping.resources.setdefault(
            ("Patient", mapping.patient), {"resourceType": "Patient", "id": mapping.patient}
        )
        mapping.newest["Patient"] = ("Patient", mapping.patient)
        return target
    key = next((k for k in maker.keys if all(mapping.has(p, at) for p in k)), None)
    if key is None:
        identity = _unkeyed(mapping, segment)
    else:
        identity = "\0".join(repr([c.value for c in mapping.cells(p, at)]) for p in key)
    target = mapping.make(maker.type, f"{maker.salt}\0{identity}")
    if maker.patient:
        mapping.put(target, (Step(maker.patient, None),), {"reference": f"Patient/{mapping.patient}"}, "")
    return target


def _unkeyed(mapping: Mapping, segment: Segment) -> str:
    """Without an identifier of its own a segment's resource belongs to this message, so that nothing is overwritten."""
    return f"{mapping.message.sender} {mapping.message.control_id} {segment.fields!r}"


def named(mapping: Mapping, name: str, cell: Cell, at: int) -> dict[str, Any]:
    """The resource that one value of a data type stands for."""
    if name == "PL":
        return _places(mapping, cell)
    maker = tables().named[name]
    keys = ([cut(cell, p.field, p.component) for p in key] for key in maker.keys)
    found = next((k for k in keys if all(c is not None for c in k)), None)
    identity = repr([c.value for c in found if c]) if found else repr(cell.value)
    target = mapping.make(maker.type, identity)
    if maker.patient:
        mapping.put(target, (Step(maker.patient, None),), {"reference": f"Patient/{mapping.patient}"}, "")
    for rule in maker.rules:
        _fill_from(mapping, target, rule, cell, at, "")
    return target


def _places(mapping: Mapping, cell: Cell) -> dict[str, Any]:
    """PL: a Location for each level, each part of the next wider one. Returns the narrowest."""
    whole = [c for n, c in enumerate(cell.value, 1) if n not in (5, 9)]
    comprehensive = cut(cell, 10)
    wider: dict[str, Any] | None = None
    for number, code in _LEVELS:
        part = cut(cell, number)
        if part is None:
            continue
        rest = comprehensive.value if comprehensive else whole
        target = mapping.make("Location", repr((number, part.value, rest)))
        target.setdefault("name", text(part.value, 1) or text(part.value, 2))
        target.setdefault("mode", "instance")
        system = "http://terminology.hl7.org/CodeSystem/location-physical-type"
        target.setdefault("physicalType", {"coding": [{"system": system, "code": code}]})
        if text(part.value, 2):
            target.setdefault("identifier", [types.universal(part.value)])
        if wider is not None:
            target.setdefault("partOf", {"reference": f"Location/{wider['id']}"})
        mapping.use(cell, number)
        wider = target
    if wider is None:
        wider = mapping.make("Location", repr(cell.value))
    if text(cell.value, 9):
        wider.setdefault("description", text(cell.value, 9))
        mapping.use(cell, 9)
    return wider


def _fill(mapping: Mapping, target: dict[str, Any], rules: Sequence[Rule], at: int) -> None:
    for rule in rules:
        if not all(holds(mapping, c, at) for c in rule.conditions):
            continue
        if rule.position is None:
            _set(mapping, target, rule, None, at, "")
            continue
        for cell in mapping.cells(rule.position, at):
            _set(mapping, target, rule, cell, at, f"{at}.{cell.repetition}")


def _fill_from(mapping: Mapping, target: dict[str, Any], rule: Rule, cell: Cell, at: int, item: str) -> None:
    """One rule of a data type, whose positions are components of ``cell``."""
    place = rule.position
    if place is None or not all(_part_holds(cell, c) for c in rule.conditions):
        return
    part = cut(cell, place.field, place.component) if place.field else cell
    if part is not None:
        _set(mapping, target, rule, part, at, item)


def _part_holds(cell: Cell, condition: str) -> bool:
    wanted = condition.removeprefix("!")
    numbers = [int(n) for n in wanted.split(".")]
    return (cut(cell, numbers[0], numbers[1] if len(numbers) > 1 else 0) is None) == condition.startswith("!")


def _set(mapping: Mapping, target: dict[str, Any], rule: Rule, cell: Cell | None, at: int, item: str) -> None:
    kind = rule.kind
    value: Any
    if kind.startswith("="):
        value = kind[1:]
    elif kind.startswith("@"):
        found = mapping.latest(kind[1:])
        value = {"reference": f"{found['resourceType']}/{found['id']}"} if found else None
    elif kind.startswith("->"):
        assert cell is not None
        made = named(mapping, kind[2:], cell, at)
        value = {"reference": f"{made['resourceType']}/{made['id']}"}
    elif kind in tables().datatypes:
        assert cell is not None
        value = build(mapping, kind, cell, at)
    else:
        value = types.convert(kind, rule.table, mapping, target, cell, at)
    if value is not None and value != {} and rule.path:
        mapping.put(target, rule.path, value, item)


def build(mapping: Mapping, kind: str, cell: Cell, at: int) -> dict[str, Any]:
    """A value of a data type with parts, as the FHIR element that the rules make of it."""
    built: dict[str, Any] = {}
    for rule in tables().datatypes[kind]:
        _fill_from(mapping, built, rule, cell, at, "")
    types.finish(kind, built, mapping, cell)
    return built


def holds(mapping: Mapping, condition: str, at: int) -> bool:
    """A condition: POSITION, !POSITION, POSITION [not] in CODES, [not] message CODE, no SEGMENT|Type, either A | B."""
    words = condition.split()
    if condition.startswith("event!"):
        return mapping.message.kind[1] != condition.removeprefix("event!")
    if words[0] == "either":
        return any(holds(mapping, part.strip(), at) for part in condition.removeprefix("either ").split("|"))
    if words[0] == "no":
        present = mapping.newest.keys() | {s.name for s in mapping.message.segments}
        return words[1] not in present
    if words[0] == "message":
        return mapping.message.kind[0] == words[1]
    if words[:2] == ["not", "message"]:
        return mapping.message.kind[0] != words[2]
    if len(words) == 1:
        wanted = position(words[0].removeprefix("!"))
        return mapping.has(wanted, at) != words[0].startswith("!")
    place = position(words[0])
    found = {text(c.value, 1) for c in mapping.cells(place, at)[:1]}
    codes = set(words[words.index("in") + 1 :])
    return bool(found & codes) != (words[1] == "not")
