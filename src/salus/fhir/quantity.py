"""Quantities with UCUM units. A value without a unit is never used, and nothing is converted by guess."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from salus.errors import UnitError

UCUM = "http://unitsofmeasure.org"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its UCUM unit. ``comparator`` is "<", "<=", ">" or ">=" where the source gave only a bound."""

    value: Decimal
    unit: str
    comparator: str | None = None

    def __str__(self) -> str:
        return f"{self.comparator or ''}{self.value} {self.unit}"


@cache
def _tables() -> tuple[dict[str, tuple[str, Decimal, Decimal]], dict[str, str], dict[str, Decimal]]:
    table = tomllib.loads(files("salus.fhir").joinpath("units.toml").read_text("utf-8"))
    units = {
        unit: (dimension, Decimal(numbers[0]), Decimal(numbers[1]) if len(numbers) > 1 else Decimal(0))
        for dimension, members in table["dimension"].items()
        for unit, numbers in members.items()
    }
    return units, table["aliases"], {name: Decimal(mass) for name, mass in table["molar-mass"].items()}


def canonical_unit(unit: str) -> str:
    """The UCUM spelling of ``unit``. Raises :class:`UnitError` for a unit that salus does not know."""
    units, aliases, _ = _tables()
    known = aliases.get(unit, unit)
    if known not in units:
        raise UnitError(f"the unit {unit[:30]!r} is not known", remedy="write it in UCUM")
    return known


def convert(quantity: Quantity, unit: str, analyte: str | None = None) -> Quantity:
    """``quantity`` in ``unit``; mass and substance concentration convert only with a named ``analyte``.

    ``analyte`` is one of the names under [molar-mass] in units.toml. Raises :class:`UnitError` otherwise.
    """
    source, target = canonical_unit(quantity.unit), canonical_unit(unit)
    if source == target:
        return Quantity(quantity.value, target, quantity.comparator)
    units, _, masses = _tables()
    (from_kind, from_factor, from_offset), (to_kind, to_factor, to_offset) = units[source], units[target]
    base = quantity.value * from_factor + from_offset
    pair = (from_kind, to_kind)
    if pair == ("mass-concentration", "substance-concentration") and analyte in masses:
        base = base / masses[analyte]
    elif pair == ("substance-concentration", "mass-concentration") and analyte in masses:
        base = base * masses[analyte]
    elif pair == ("mass-per-substance", "mass-ratio") and analyte == "creatinine":
        base = base * 1000 / masses["creatinine"]  # mg albumin per mmol creatinine to mg per g
    elif pair == ("mass-ratio", "mass-per-substance") and analyte == "creatinine":
        base = base * masses["creatinine"] / 1000
    elif from_kind != to_kind:
        raise UnitError(f"{source} cannot be turned into {target}", remedy="give the value in a unit of the same kind")
    return Quantity((base - to_offset) / to_factor, target, quantity.comparator)


def read(element: Any) -> Quantity | None:
    """A FHIR Quantity element as a :class:`Quantity`; None where value or unit is missing or malformed.

    The UCUM code wins; without one, or with a code of another system, the printed unit is taken.
    """
    if not isinstance(element, dict):
        return None
    value = element.get("value")
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    unit = element.get("code") if element.get("system", UCUM) == UCUM else None
    unit = unit or element.get("unit")
    if not isinstance(unit, str) or not unit:
        return None
    comparator = element.get("comparator")
    if comparator is not None and not (isinstance(comparator, str) and comparator):
        return None  # a bound that cannot be read must not pass for an exact value
    return Quantity(Decimal(value), unit, comparator)


def write(quantity: Quantity) -> dict[str, Any]:
    """A :class:`Quantity` as a FHIR Quantity element."""
    element: dict[str, Any] = {"value": quantity.value, "unit": quantity.unit}
    if quantity.comparator:
        element["comparator"] = quantity.comparator
    return element | {"system": UCUM, "code": quantity.unit}
