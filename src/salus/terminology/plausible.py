"""Values that no living adult has: a result beyond them has a wrong unit, a slipped decimal point or another name.

``data/plausible.tsv`` holds the limits and where each comes from. They are wide: what has ever been measured in a
living adult is possible, however rare. A concept without limits, and a unit that cannot be read, are never called
impossible.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files

from salus.errors import UnitError
from salus.fhir.quantity import Quantity
from salus.terminology import units

__all__ = ["Limits", "limits", "possible"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The lowest and the highest value of a concept in ``unit``; None where that side is open."""

    concept: str
    unit: str
    low: Decimal | None
    high: Decimal | None


@cache
def _table() -> dict[str, Limits]:
    text = files("salus.terminology").joinpath("data", "plausible.tsv").read_text("utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")][1:]
    return {
        concept: Limits(concept, unit, Decimal(low) if low else None, Decimal(high) if high else None)
        for concept, unit, low, high, _ in rows
    }


def limits(concept: str) -> Limits | None:
    """The limits of a concept; None where none are known."""
    return _table().get(concept)


def possible(concept: str, value: Quantity) -> bool:
    """Whether a living adult can have this value. True where no limits are known or the unit is not the concept's.

    Of a bound ("> 6.5") only the side counts that it asserts: "more than 44" is as impossible as 44.
    """
    known = _table().get(concept)
    if known is None:
        return True
    try:
        number = units.convert(value, known.unit, concept).value
    except UnitError:
        return True
    below = known.low is not None and number < known.low and not (value.comparator or "").startswith(">")
    above = known.high is not None and number > known.high and not (value.comparator or "").startswith("<")
    return not (below or above)
