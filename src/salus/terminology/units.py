"""Units as people write them, and conversion by what was measured.

``salus.fhir.quantity`` knows UCUM and what physics allows. Here are the spellings of laboratories and devices ("MG/DL",
"mEq/L", "x10E9/L", "ml/min/1,73 m²"), and what only the analyte decides: its molar mass, an ion's charge, HbA1c by the
IFCC/NGSP master equation, which of two readings of a spelling is meant ("G/L" is 10*9/L of platelets and g/L of
protein), and which units cannot be this analyte's at all.
Tables: ``units_spellings.tsv`` and ``units_analytes.tsv``, made by tools/make_units.py.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files

from salus.errors import UnitError
from salus.fhir import ucum
from salus.fhir.quantity import Quantity, decimal, exact, fraction, from_base, to_base
from salus.fhir.quantity import convert as physical
from salus.fhir.ucum import Unit

SPELLINGS = 4096
"""Spellings of units that are kept as read: those of records come without end."""
SHOWN = 30
"""Characters of an unknown unit that an error repeats."""
FARTHEST = 6
"""Powers of ten by which a unit in use may differ from the analyte's own: no laboratory reports megamoles."""
_IN_USE = ("mg/dL", "mg/mL", "ug/mL", "pg/mL", "ng/L", "mmol/L", "nmol/L", "pmol/L", "mg", "ug", "g", "mL", "dL")
_GENERIC = {"cholesterol": "total-cholesterol"}
_SPACES = re.compile(r"\s+")
_INNER_SPACE = re.compile(r"(?<!\d) | (?!\d)")
_PER_CREATININE = re.compile(
    r"(/(?:mg|g|u?mol|mmol))\W{0,2}(?:of )?(?:urinary )?(?:cr|kre|[ck]rea(?:t(?:inine?)?)?)\W{0,2}$", re.IGNORECASE
)
_REWRITES = (
    (re.compile(r"[×*x]?\s*10\s*(?:\^|\*\*|\*|e|hoch)\s*(\d{1,2})\s*/", re.IGNORECASE), r"10*\1/"),
    (re.compile(r"\{?1[.,]73\s*(?:m\^?2|sq\.?\s*m|qm|_m2)?\}?$", re.IGNORECASE), "{1.73_m2}"),
    (re.compile(r"\s*/\s*"), "/"),
    (re.compile(r"(?<=[A-Za-z])\^(?=\d)"), ""),
    (re.compile(r"\bmc(?=(?:g|mol|l|kat)\b)", re.IGNORECASE), "u"),
    (re.compile(r"(?<![a-z])(?:lit(?:re|er)s?|ltrs?)(?![a-z])", re.IGNORECASE), "L"),
    (_PER_CREATININE, r"\1"),
)
_MEGA = re.compile(r"M(?=[a-z])")
_SIGNS = str.maketrans({"µ": "u", "μ": "u", "²": "2", "³": "3", "⁶": "^6", "⁹": "^9", "·": "."})


@dataclass(frozen=True, slots=True)
class _Link:
    """canonical = linked x ``factor`` + ``offset``."""

    linked: Unit
    factor: Fraction
    offset: Fraction


@dataclass(frozen=True, slots=True)
class _Analyte:
    """An analyte's own unit, and how units of each kind that it is given in lead to it."""

    canonical: Unit
    links: dict[str, _Link]


def _rows(name: str) -> list[list[str]]:
    lines = files("salus.terminology").joinpath(name).read_text("utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("# ")][1:]


@cache
def _spellings() -> dict[str, tuple[str, ...]]:
    return {spelling: tuple(unit.split("|")) for spelling, unit, _ in _rows("units_spellings.tsv")}


@cache
def _analytes() -> dict[str, _Analyte]:
    found: dict[str, _Analyte] = {}
    for name, canonical, linked, factor, offset, _ in _rows("units_analytes.tsv"):
        analyte = found.setdefault(name, _Analyte(ucum.parse(canonical), {}))
        unit = ucum.parse(linked)
        analyte.links[unit.kind] = _Link(unit, fraction(factor), fraction(offset))
    return found


@cache
def _folded() -> dict[str, frozenset[str]]:
    """Every unit in use by its spelling in small letters, for writers that know capitals only."""
    known: dict[str, set[str]] = {}
    for spelling, units in _spellings().items():
        known.setdefault(spelling.casefold(), set()).update(units)
    used = [analyte.canonical.code for analyte in _analytes().values()]
    used += [link.linked.code for analyte in _analytes().values() for link in analyte.links.values()]
    used += [unit for meant in _spellings().values() for unit in meant]
    for unit in (*used, *ucum.settings()["kind"].values(), *_IN_USE):
        known.setdefault(unit.casefold(), set()).add(ucum.parse(unit).code)
    return {spelling: frozenset(units) for spelling, units in known.items()}


def _parsed(code: str) -> str | None:
    try:
        return ucum.parse(code).code
    except UnitError:
        return None


@lru_cache(maxsize=4096)
def readings(unit: str) -> tuple[str, ...]:
    """Every UCUM unit that a spelling may stand for: mostly one, none where it is not known."""
    if len(unit) > ucum.LONGEST:
        return ()
    text = _SPACES.sub(" ", unicodedata.normalize("NFC", unit)).strip()
    plain = text.translate(_SIGNS)
    rewritten = plain
    for pattern, replacement in _REWRITES:
        rewritten = pattern.sub(replacement, rewritten)
    tries = list(dict.fromkeys((text, plain, rewritten, _INNER_SPACE.sub("", rewritten))))
    for spelled in tries:
        if spelled in _spellings():
            return _spellings()[spelled]
        found = _parsed(spelled)
        if found:
            return _with_other_case(found)
    if len(plain) < 2:
        return ()  # one letter of the wrong case says nothing: M is metre, minute or molar
    folded = [_folded().get(spelled.casefold(), frozenset()) for spelled in tries]
    return tuple(sorted(next((units for units in folded if units), frozenset())))


def _with_other_case(code: str) -> tuple[str, ...]:
    """A UCUM unit, and where nobody uses it the unit that differs in case only: "Mmol/L" may be meant for "mmol/L"."""
    other = _folded().get(code.casefold(), frozenset())
    if code in other or len(code) < 2:
        return (code,)
    milli = _parsed(_MEGA.sub("m", code))  # no laboratory reports megamoles, nor megagrams
    return tuple(sorted({code, *other, *([milli] if milli else [])}))


def canonical(unit: str, analyte: str | None = None) -> str:
    """The UCUM spelling of ``unit``, for ``analyte`` where the spelling alone has two readings.

    Raises :class:`UnitError` that names the unit and, where one is near, the unit suspected.
    """
    found = readings(unit)
    if len(found) > 1 and analyte is not None:
        found = tuple(u for u in found if _link(u, analyte))
    if len(found) == 1:
        return found[0]
    if found:
        raise UnitError(f"the unit {unit[:SHOWN]!r} has two meanings", remedy=f"write {' or '.join(found)}")
    near = difflib.get_close_matches(unit[:SHOWN].casefold(), _folded(), n=1, cutoff=0.75)
    suspected = sorted(_folded()[near[0]])[0] if near else ""
    raise UnitError(
        f"the unit {unit[:SHOWN]!r} is not known",
        remedy=f"was {suspected} meant? Write it in UCUM" if suspected else "write it in UCUM",
    )


def dimension(unit: str) -> str | None:
    """What ``unit`` measures ("mass-concentration", "rate"); None where it is not known or has two readings.

    A kind without a name of its own is given in UCUM's base units.
    """
    found = readings(unit)
    if len(found) != 1:
        return None
    kind = ucum.parse(found[0]).kind
    return _kinds().get(kind, kind.rstrip("!"))


@cache
def _kinds() -> dict[str, str]:
    return {ucum.parse(unit).kind: name for name, unit in ucum.settings()["kind"].items()}


def known(analyte: str) -> bool:
    """Whether the units of ``analyte`` are in the table."""
    return _GENERIC.get(analyte, analyte) in _analytes()


def _table(analyte: str) -> _Analyte:
    """The units of an analyte; raises :class:`UnitError` for one that is not known."""
    if not known(analyte):
        raise UnitError(f"the units of {analyte[:SHOWN]!r} are not known", remedy="name an analyte of the table")
    return _analytes()[_GENERIC.get(analyte, analyte)]


@lru_cache(SPELLINGS)
def _link(unit: str, analyte: str) -> _Link | None:
    found = _analytes().get(_GENERIC.get(analyte, analyte))
    parsed = ucum.parse(unit)
    link = found.links.get(parsed.kind) if found else None
    far = Fraction(10) ** FARTHEST
    return link if link and 1 / far <= parsed.factor / link.linked.factor <= far else None


def compatible(unit: str, analyte: str) -> bool:
    """Whether a value in ``unit`` could be ``analyte`` at all. False for a unit or an analyte that is not known."""
    return any(_link(reading, analyte) for reading in readings(unit))


def canonical_unit_of(analyte: str) -> str:
    """The unit that salus gives ``analyte`` in. Raises :class:`UnitError` for one that is not in the table."""
    return _table(analyte).canonical.code


def convert(quantity: Quantity, unit: str, analyte: str | None = None) -> Quantity:
    """``quantity`` in ``unit``, by what was measured where ``analyte`` names it.

    A unit that the analyte is never given in is refused, with the unit suspected. Without an analyte of the table only
    units of one kind convert. Raises :class:`UnitError`.
    """
    if analyte is None or not known(analyte):
        return physical(Quantity(quantity.value, canonical(quantity.unit), quantity.comparator), canonical(unit))
    name = _meant(analyte, unit)
    source, target = _fitting(quantity.unit, name), _fitting(unit, name)
    if source == target:
        return Quantity(quantity.value, target, quantity.comparator)
    own = _to_own(exact(quantity.value), ucum.parse(source), name)
    return Quantity(decimal(_from_own(own, ucum.parse(target), name)), target, quantity.comparator)


def _meant(analyte: str, unit: str) -> str:
    """The analyte of a conversion: "creatinine" into a ratio means the ratio of albumin to it."""
    ratio = "urine-albumin-creatinine-ratio"
    return ratio if analyte == "creatinine" and not compatible(unit, analyte) and compatible(unit, ratio) else analyte


@lru_cache(SPELLINGS)
def _fitting(unit: str, analyte: str) -> str:
    """The one reading of ``unit`` in which ``analyte`` is given."""
    found = [u for u in readings(unit) if _link(u, analyte)]
    if len(found) == 1:
        return found[0]
    if found or not readings(unit):
        return canonical(unit)  # raises, naming the readings or the unit suspected
    usual = " or ".join(dict.fromkeys(link.linked.code for link in _table(analyte).links.values()))
    raise UnitError(f"{analyte} is not given in {unit[:SHOWN]}", remedy=f"was {usual} meant? Ask the source")


def _to_own(value: Fraction, unit: Unit, analyte: str) -> Fraction:
    """A value in ``unit`` in the analyte's own unit."""
    link = _table(analyte).links[unit.kind]
    return from_base(to_base(value, unit), link.linked) * link.factor + link.offset


def _from_own(value: Fraction, unit: Unit, analyte: str) -> Fraction:
    """A value in the analyte's own unit in ``unit``."""
    link = _table(analyte).links[unit.kind]
    return from_base(to_base((value - link.offset) / link.factor, link.linked), unit)
