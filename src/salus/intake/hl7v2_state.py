"""The state of one run of the interpreter: where values stand in the message, what was carried over, what is made."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from salus.errors import InputError
from salus.formats.hl7v2 import Message, Repetition
from salus.intake.hl7v2_tables import Position, Step

NAMESPACE = uuid.UUID("0f2c5d0e-6a57-5d5c-9a2b-7c1d6a9b3e40")
MAX_RESOURCES = 20_000
SHARED = frozenset({"MessageHeader", "Organization", "Practitioner", "PractitionerRole", "Location", "Device"})
"""Resources whose identity does not depend on the patient."""
_GROUPED = {"ORC": "OBR", "OBR": ""}
"""Looking back for the segment that goes with one: not past a segment of the other name."""


def check_count(found: int, most: int) -> None:
    """Raise InputError when a message would give too many resources."""
    if found >= most:
        raise InputError(f"a message that gives more than {most:,} resources", remedy="split it")


@dataclass(frozen=True, slots=True)
class Cell:
    """One repetition of one field, or a component of it, at its place in the message."""

    segment: int
    field: int
    repetition: int
    value: Repetition
    offset: int = 0
    """Number of the component that ``value`` was cut out of; 0 where it is the whole repetition."""


class Items(list[Any]):
    """A list of an element under construction, which knows what each item was made from."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[tuple[str, str], int] = {}


def plain(value: Any) -> Any:
    """``value`` with plain lists."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


@dataclass(slots=True)
class Mapping:
    """The state of one run. ``used`` are (segment, field, repetition, component), component 0 for all of them."""

    message: Message
    zone: tzinfo | None
    build: Callable[[Mapping, str, Cell, int], dict[str, Any]]
    """Makes the FHIR element of a value of a data type with parts (the interpreter's own)."""
    resources: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    newest: dict[str, tuple[str, str]] = field(default_factory=dict)
    used: set[tuple[int, int, int, int]] = field(default_factory=set)
    patient: str = ""
    remarks: dict[str, int] = field(default_factory=dict)

    # ---- where values stand

    def nearest(self, name: str, at: int) -> int | None:
        """Index of the segment ``name`` that goes with the one at ``at``."""
        for n in range(at, -1, -1):
            found = self.message.segments[n].name
            if found == name:
                return n
            if n < at and name in _GROUPED and found == _GROUPED[name]:
                return None
        return None

    def cells(self, place: Position, at: int) -> list[Cell]:
        """The values that a position of the segment at ``at`` names; empty ones are left out."""
        index = self.nearest(place.segment, at) if place.segment else at
        if index is None:
            return []
        repetitions = self.message.segments[index][place.field]
        found = [Cell(index, place.field, n, r) for n, r in enumerate(repetitions) if filled(r)]
        if place.first:
            found = found[:1]
        return [c for cell in found if (c := cut(cell, place.component, place.subcomponent)) is not None]

    def has(self, place: Position, at: int) -> bool:
        """True where the position holds anything but the explicit null."""
        return bool(self.cells(place, at))

    # ---- marks

    def use(self, cell: Cell, component: int = 0) -> None:
        """Remember that a value was carried over."""
        self.used.add((cell.segment, cell.field, cell.repetition, cell.offset or component))

    def remark(self, what: str) -> None:
        """Count something worth telling."""
        self.remarks[what] = self.remarks.get(what, 0) + 1

    # ---- resources

    def make(self, kind: str, identity: str) -> dict[str, Any]:
        """The resource of this type and identity, new or as far as it is made."""
        name = str(uuid.uuid5(NAMESPACE, f"{kind} {self._base(kind)} {identity}"))
        key = (kind, name)
        if key not in self.resources:
            check_count(len(self.resources), MAX_RESOURCES)
            self.resources[key] = {"resourceType": kind, "id": name}
        self.newest[kind] = key
        return self.resources[key]

    def _base(self, kind: str) -> str:
        return "" if kind in SHARED else self.patient

    def latest(self, kind: str) -> dict[str, Any] | None:
        """The newest resource of a type."""
        key = self.newest.get(kind)
        return self.resources[key] if key else None

    def put(self, target: dict[str, Any], path: Sequence[Step], value: Any, item: str) -> None:
        """Set the element at ``path``; ``item`` tells the repetitions of a list apart."""
        node: Any = target
        for n, step in enumerate(path):
            last = n == len(path) - 1
            if step.key is None:
                node = self._into(node, step.name, value, last)
            else:
                node = self._item(node, step, item, value, last)
            if node is None:
                return

    def _into(self, node: dict[str, Any], name: str, value: Any, last: bool) -> Any:
        if not last:
            return node.setdefault(name, {})
        if isinstance(value, dict) and isinstance(node.get(name), dict):
            node[name].update(value)
        else:
            node.setdefault(name, value)
        return None

    def _item(self, node: dict[str, Any], step: Step, item: str, value: Any, last: bool) -> Any:
        found = node.setdefault(step.name, Items())
        places = found.places
        key = (step.key or str(len(found)), item)
        if key not in places:
            if last and value in found:
                return None
            places[key] = len(found)
            found.append(value if last else {})
        elif last and isinstance(found[places[key]], dict) and isinstance(value, dict):
            found[places[key]].update(value)
        return None if last else found[places[key]]


def filled(repetition: Repetition) -> bool:
    """True for a repetition that says anything; the explicit null says that there is nothing."""
    return any(part and part != '""' for component in repetition for part in component)


def cut(cell: Cell, component: int, subcomponent: int = 0) -> Cell | None:
    """A component as a value of its own, its subcomponents as components; None where it is empty."""
    if not component:
        return cell
    if component > len(cell.value):
        return None
    parts = cell.value[component - 1]
    if subcomponent:
        parts = parts[subcomponent - 1 : subcomponent]
    inner: Repetition = tuple((part,) for part in parts)
    offset = cell.offset or component
    return Cell(cell.segment, cell.field, cell.repetition, inner, offset) if filled(inner) else None
