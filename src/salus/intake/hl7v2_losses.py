"""What of a message became nothing: named by segment, field and component, never by its value."""

from __future__ import annotations

from collections.abc import Iterator

from salus.formats.hl7v2 import Repetition
from salus.intake.hl7v2_state import Mapping
from salus.intake.hl7v2_tables import tables


def losses(mapping: Mapping) -> Iterator[str]:
    """The places that held data and became nothing, each once, with how often."""
    lost: dict[str, int] = {}
    transport = tables().transport
    for n, segment in enumerate(mapping.message.segments):
        for number, repetitions in enumerate(segment.fields, 1):
            name = f"{segment.name}-{number}"
            if name in transport:
                continue
            for r, repetition in enumerate(repetitions):
                for place in _unused(mapping, n, number, r, repetition, name):
                    lost[place] = lost.get(place, 0) + 1
    for place, count in {**lost, **mapping.remarks}.items():
        yield place if count == 1 else f"{place} ({count} times)"


def _unused(mapping: Mapping, n: int, number: int, r: int, repetition: Repetition, name: str) -> Iterator[str]:
    if (n, number, r, 0) in mapping.used:
        return
    open_parts = [
        c
        for c, parts in enumerate(repetition, 1)
        if any(p and p != '""' for p in parts) and (n, number, r, c) not in mapping.used
    ]
    whole = len(open_parts) == sum(any(p and p != '""' for p in parts) for parts in repetition)
    if open_parts and whole:
        yield name
    elif open_parts:
        yield from (f"{name}.{c}" for c in open_parts)
