"""The amount of a FHIR Dosage: doseAndRate, and the forms of STU3 and DSTU2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from salus.errors import UnitError
from salus.fhir import ucum
from salus.fhir.quantity import exact
from salus.terminology.dose_lexer import Unreadable, fold
from salus.terminology.dose_model import Part, Span
from salus.terminology.dose_table import units

_FORMS = ("dose", "quantity")
_CODES = {"[IU]": "[iU]", "[iU]": "[iU]", "U": "[iU]", "unt": "[iU]", "[drp]": "{drop}", "{drp}": "{drop}"}
_LETTERS = re.compile(r"[^a-z]+")


def dose_amounts(element: Mapping[str, Any]) -> Part | None:
    """The amount of one administration; None where the structure gives none.

    Raises :class:`Unreadable` for a unit or number that is not known, and where two amounts compete.
    """
    entries = element.get("doseAndRate")
    if entries is not None and not isinstance(entries, list):
        raise Unreadable("its amount is malformed")
    found = [(_type(e), _given(e)) for e in entries or () if isinstance(e, Mapping)]
    found.append(("", _given(element)))
    amounts = [(kind, part) for kind, part in found if part is not None]
    ordered = [part for kind, part in amounts if kind == "ordered"] or [part for _, part in amounts]
    if not ordered:
        if any(_rated(e) for e in (*(entries or ()), element) if isinstance(e, Mapping)):
            raise Unreadable("its amount is a rate")
        return None
    if any(part != ordered[0] for part in ordered):
        raise Unreadable("it names two amounts")
    return ordered[0]


def _rated(element: Mapping[str, Any]) -> bool:
    return any(str(key).startswith("rate") for key in element)


def _type(entry: Mapping[str, Any]) -> str:
    coded = entry.get("type")
    codes = coded.get("coding") if isinstance(coded, Mapping) else None
    return next((str(c.get("code")) for c in codes or () if isinstance(c, Mapping)), "")


def _given(element: Mapping[str, Any]) -> Part | None:
    for name in _FORMS:
        if f"{name}Quantity" in element:
            value, unit = _quantity(element[f"{name}Quantity"])
            return Part(Span.of(value), unit, None)
        if f"{name}Range" in element:
            return _range(element[f"{name}Range"])
    return None


def _range(element: Any) -> Part:
    if not isinstance(element, Mapping) or not element.get("high"):
        raise Unreadable("its amount has no upper bound")
    high, unit = _quantity(element["high"])
    low, low_unit = _quantity(element["low"]) if element.get("low") else (Fraction(0), unit)
    if low_unit != unit or low > high:
        raise Unreadable("its bounds do not fit each other")
    return Part(Span(low, high), unit, None)


def _quantity(element: Any) -> tuple[Fraction, str]:
    """(value, unit) of a dose, a mass in mg."""
    value = element.get("value") if isinstance(element, Mapping) else None
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or element.get("comparator"):
        raise Unreadable("its amount is not a number")
    try:
        number = exact(Decimal(value))
    except UnitError:
        raise Unreadable("its amount is not a number") from None
    if number <= 0:
        raise Unreadable("its amount is nought")
    factor, unit = _unit(element)
    return number * factor, unit


def _unit(element: Mapping[str, Any]) -> tuple[Fraction, str]:
    """What the value is multiplied by, and the unit of the dose. Code and printed unit must not differ."""
    read = [_named(str(element[key])) for key in ("code", "unit") if isinstance(element.get(key), str) and element[key]]
    known = [unit for unit in read if unit is not None]
    if not known:
        raise Unreadable("its unit is not known")
    certain = [unit for unit in known if unit[1] != "{each}"] or known
    if any(unit != certain[0] for unit in certain):
        raise Unreadable("its unit has two meanings")
    return certain[0]


def _named(unit: str) -> tuple[Fraction, str] | None:
    """A unit by UCUM code, by a word of the table or by its form in braces; None where it is none of them."""
    if unit in _CODES:
        return Fraction(1), _CODES[unit]
    if unit == "1":
        return Fraction(1), "{each}"
    word = units().get(_LETTERS.sub("", fold(unit).lower().replace("(s)", "")))
    if word in ("mg", "ug", "g"):
        return ucum.parse(word).factor / ucum.parse("mg").factor, "mg"
    if word:
        return Fraction(1), word
    try:
        parsed = ucum.parse(unit)
    except UnitError:
        return None
    for target in ("mg", "mL"):
        if parsed.kind == ucum.parse(target).kind:
            return parsed.factor / ucum.parse(target).factor, target
    return None
