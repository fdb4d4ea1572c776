"""Quantities with UCUM units. A value without a unit is never used, and nothing is converted by guess."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from functools import cache
from typing import Any

from salus.errors import UnitError
from salus.fhir import ucum
from salus.fhir.ucum import Unit

UCUM = "http://unitsofmeasure.org"
LARGEST = 100
"""Powers of ten within which a value is computed with."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its UCUM unit. ``comparator`` is "<", "<=", ">" or ">=" where the source gave only a bound."""

    value: Decimal
    unit: str
    comparator: str | None = None

    def __str__(self) -> str:
        return f"{self.comparator or ''}{self.value} {self.unit}"


_WORDS = {"a": "years", "mm[Hg]": "mmHg", "mL/min/{1.73_m2}": "mL/min/1.73 m2"}


def unit_words(unit: str) -> str:
    """A UCUM unit as people write it."""
    return _WORDS.get(unit, unit)


def canonical_unit(unit: str) -> str:
    """The UCUM spelling of ``unit``. Raises :class:`UnitError` for a unit that salus does not know."""
    known = ucum.settings()["aliases"].get(unit, unit)
    return ucum.parse(known).code


@cache
def _per_litre(analyte: str) -> Fraction | None:
    """Moles in a gram of the analyte; None where its molar mass is not known."""
    row = ucum.settings()["per-mg-dl"].get(analyte)
    if row is None:
        return None
    unit = ucum.parse(row["unit"])
    return fraction(row["factor"]) * unit.factor / ucum.parse("mol/L").factor / (Fraction(1, 100))


def fraction(text: str) -> Fraction:
    """An exact number from a table: a decimal, or two with a stroke between them ("10/180.156")."""
    above, _, below = text.partition("/")
    return Fraction(above) / Fraction(below or 1)


def convert(quantity: Quantity, unit: str, analyte: str | None = None) -> Quantity:
    """``quantity`` in ``unit``; mass and substance concentration convert only with a named ``analyte``.

    ``analyte`` is one of the names under [per-mg-dl] in units.toml. Raises :class:`UnitError` otherwise.
    ``salus.terminology.units`` knows more spellings and all analytes.
    """
    source, target = canonical_unit(quantity.unit), canonical_unit(unit)
    if source == target:
        return Quantity(quantity.value, target, quantity.comparator)
    bridge = _bridge(ucum.parse(source).kind, ucum.parse(target).kind, analyte)
    if bridge is None:
        raise UnitError(f"{source} cannot be turned into {target}", remedy="give the value in a unit of the same kind")
    base = to_base(exact(quantity.value), ucum.parse(source)) * bridge
    return Quantity(decimal(from_base(base, ucum.parse(target))), target, quantity.comparator)


def _bridge(source: str, target: str, analyte: str | None) -> Fraction | None:
    """What a value in base units is multiplied by to become one of the target's kind; None where that cannot be."""
    if source == target:
        return Fraction(1)
    moles = _per_litre(analyte) if analyte else None
    if moles is None:
        return None
    mass, substance = ucum.parse("g/L").kind, ucum.parse("mol/L").kind
    if (source, target) == (mass, substance):
        return moles
    if (source, target) == (substance, mass):
        return 1 / moles
    if analyte == "creatinine":  # the ratio of anything to it, such as albumin
        by_mass, by_substance = ucum.parse("g/g").kind, ucum.parse("g/mol").kind
        if (source, target) == (by_mass, by_substance):
            return 1 / moles
        if (source, target) == (by_substance, by_mass):
            return moles
    return None


def exact(value: Decimal) -> Fraction:
    """``value`` as a fraction. Raises :class:`UnitError` for what is no number or beyond :data:`LARGEST` places."""
    if not value.is_finite() or abs(value.adjusted()) > LARGEST or len(value.as_tuple().digits) > LARGEST:
        raise UnitError("the value is no number that can be converted", remedy="look at the source")
    return Fraction(value)


def to_base(value: Fraction, unit: Unit) -> Fraction:
    """A value of ``unit`` in the base units of its kind."""
    return value * unit.factor + unit.offset


def from_base(value: Fraction, unit: Unit) -> Fraction:
    """A value in base units in ``unit``."""
    return (value - unit.offset) / unit.factor


def decimal(number: Fraction) -> Decimal:
    """A fraction as a decimal of at most 28 significant digits, without idle zeros."""
    with localcontext(Context(prec=28)):
        return Decimal(number.numerator) / Decimal(number.denominator)


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
