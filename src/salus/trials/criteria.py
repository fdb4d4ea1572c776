"""Eligibility criteria as data: a small language of rules, read from TOML and checked before any chart is seen.

A protocol is ``id``, ``version``, ``title`` and a list of ``[[criteria]]``, each with ``id``, ``kind`` ("inclusion" or
"exclusion"), ``text`` as the protocol words it, and a ``rule``. A rule is one of::

    all = [rules]   any = [rules]   not = rule
    age = {min, max}                                   completed years
    sex = ["female", ...]                              administrative gender
    condition = concept, ever = true                   without ``ever``: active
    medicine = concept or ingredient                   being taken
    measurement = concept, min, max, unit, within_days latest value; bounds inclusive
    finding = code, min, max                           of any method; the value, in its own unit
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from salus.errors import InputError
from salus.fhir import codes
from salus.fhir.quantity import canonical_unit

Kind = Literal["inclusion", "exclusion"]
MAX_DEPTH = 8
MAX_CRITERIA = 200
MAX_NUMBER = 10**12
MAX_DAYS = 36_525


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the rules."""

    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Any_:
    """At least one of the rules."""

    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary of a rule."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class Age:
    """Completed years from ``low`` to ``high``."""

    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Sex:
    """Administrative gender, one of these."""

    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HasCondition:
    """A problem of this concept, active, or (``ever``) at any time."""

    concept: str
    ever: bool


@dataclass(frozen=True, slots=True)
class Takes:
    """A medicine that is being taken: a concept of the code tables, or an ingredient."""

    medicine: str


@dataclass(frozen=True, slots=True)
class Measured:
    """The latest measurement, in ``unit``, from ``low`` to ``high``, not older than ``within_days``."""

    concept: str
    unit: str
    low: Decimal | None
    high: Decimal | None
    within_days: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """The value of a finding, from ``low`` to ``high``."""

    code: str
    low: Decimal | None
    high: Decimal | None


Rule = All | Any_ | Not | Age | Sex | HasCondition | Takes | Measured | Found


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion of a protocol."""

    id: str
    kind: Kind
    text: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Protocol:
    """A trial's eligibility."""

    id: str
    version: str
    title: str
    criteria: tuple[Criterion, ...]


def read(data: bytes, name: str = "protocol") -> Protocol:
    """A protocol from TOML. Raises InputError naming the place for anything that is not one."""
    try:
        table = tomllib.loads(data.decode("utf-8"), parse_float=Decimal)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError("not a protocol in TOML", where=name) from error
    _only(table, {"id", "version", "title", "criteria"}, name)
    rows = table.get("criteria")
    if not isinstance(rows, list) or not 0 < len(rows) <= MAX_CRITERIA:
        raise InputError(f"a protocol has 1 to {MAX_CRITERIA} criteria", where=name)
    criteria = tuple(_criterion(row, f"{name} criterion {n}") for n, row in enumerate(rows, 1))
    if len({c.id for c in criteria}) != len(criteria):
        raise InputError("two criteria of one id", where=name)
    return Protocol(_text(table, "id", name), _text(table, "version", name), _text(table, "title", name), criteria)


def _criterion(row: Any, place: str) -> Criterion:
    if not isinstance(row, Mapping):
        raise InputError("a criterion is a table", where=place)
    _only(row, {"id", "kind", "text", "rule"}, place)
    kind = row.get("kind")
    if kind not in ("inclusion", "exclusion"):
        raise InputError("kind is inclusion or exclusion", where=place)
    return Criterion(_text(row, "id", place), kind, _text(row, "text", place), _rule(row.get("rule"), place, MAX_DEPTH))


def _rule(row: Any, place: str, depth: int) -> Rule:
    if not isinstance(row, Mapping) or not row:
        raise InputError("a rule is a table", where=place)
    if depth == 0:
        raise InputError(f"rules nested more than {MAX_DEPTH} deep", where=place)
    kinds = [name for name in _READERS if name in row]
    if len(kinds) != 1:
        raise InputError(f"a rule is exactly one of {', '.join(_READERS)}", where=place)
    return _READERS[kinds[0]](row, f"{place}, {kinds[0]}", depth)


def _many(row: Mapping[str, Any], name: str, place: str, depth: int) -> tuple[Rule, ...]:
    _only(row, {name}, place)
    if not isinstance(row[name], list) or not row[name]:
        raise InputError("a list of rules", where=place)
    return tuple(_rule(part, place, depth - 1) for part in row[name])


def _age(row: Mapping[str, Any], place: str, _: int) -> Rule:
    _only(row, {"age"}, place)
    if not isinstance(row["age"], Mapping):
        raise InputError("age is {min, max}", where=place)
    _only(row["age"], {"min", "max"}, place)
    low, high = _bounds(row["age"], place)
    if any(b is not None and b != int(b) for b in (low, high)):
        raise InputError("age is in completed years", where=place)
    return Age(None if low is None else int(low), None if high is None else int(high))


def _sex(row: Mapping[str, Any], place: str, _: int) -> Rule:
    _only(row, {"sex"}, place)
    allowed = row["sex"] if isinstance(row["sex"], list) else [row["sex"]]
    if not allowed or any(word not in ("female", "male", "other") for word in allowed):
        raise InputError("sex is some of female, male, other", where=place)
    return Sex(tuple(allowed))


def _condition(row: Mapping[str, Any], place: str, _: int) -> Rule:
    _only(row, {"condition", "ever"}, place)
    if not isinstance(row.get("ever", False), bool):
        raise InputError("ever is true or false", where=place)
    return HasCondition(_concept(row["condition"], place), row.get("ever", False))


def _medicine(row: Mapping[str, Any], place: str, _: int) -> Rule:
    _only(row, {"medicine"}, place)
    return Takes(_text(row, "medicine", place))


def _measurement(row: Mapping[str, Any], place: str, _: int) -> Rule:
    _only(row, {"measurement", "min", "max", "unit", "within_days"}, place)
    low, high = _bounds(row, place)
    days = row.get("within_days")
    if days is not None and (not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= MAX_DAYS):
        raise InputError(f"within_days is a number of days from 1 to {MAX_DAYS:,}", where=place)
    unit = _text(row, "unit", place)
    canonical_unit(unit)
    return Measured(_concept(row["measurement"], place), unit, low, high, days)


def _finding(row: Mapping[str, Any], place: str, _: int) -> Rule:
    _only(row, {"finding", "min", "max"}, place)
    return Found(_text(row, "finding", place), *_bounds(row, place))


_READERS: Mapping[str, Callable[[Mapping[str, Any], str, int], Rule]] = {
    "all": lambda row, place, depth: All(_many(row, "all", place, depth)),
    "any": lambda row, place, depth: Any_(_many(row, "any", place, depth)),
    "not": lambda row, place, depth: _negated(row, place, depth),
    "age": _age,
    "sex": _sex,
    "condition": _condition,
    "medicine": _medicine,
    "measurement": _measurement,
    "finding": _finding,
}


def _negated(row: Mapping[str, Any], place: str, depth: int) -> Rule:
    _only(row, {"not"}, place)
    return Not(_rule(row["not"], place, depth - 1))


def _bounds(row: Mapping[str, Any], place: str) -> tuple[Decimal | None, Decimal | None]:
    found = []
    for name in ("min", "max"):
        value = row.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | Decimal)):
            raise InputError(f"{name} is a number", where=place)
        if value is not None and (not Decimal(value).is_finite() or abs(Decimal(value)) > MAX_NUMBER):
            raise InputError(f"{name} is a number up to {MAX_NUMBER:,}", where=place)
        found.append(None if value is None else Decimal(value))
    low, high = found
    if (low is None and high is None) or (low is not None and high is not None and low > high):
        raise InputError("min, max or both, min not above max", where=place)
    return low, high


def _concept(name: Any, place: str) -> str:
    if not isinstance(name, str) or name not in codes.concepts():
        raise InputError("not a concept of salus's code tables", where=place)
    return name


def _text(row: Mapping[str, Any], name: str, place: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > 2000:
        raise InputError(f"{name} is a text", where=place)
    return value


def _only(row: Mapping[str, Any], allowed: set[str], place: str) -> None:
    unknown = sorted(set(row) - allowed)
    if unknown:
        raise InputError(f"unknown: {unknown[0][:40]}", where=place)
