"""Rules over a person as data: one small language for trials and guidelines, checked before any record is seen.

A rule is a table with exactly one of these keys::

    all = [rules]   any = [rules]   not = rule
    at_least = n, of = [rules]                         a count of rules that hold
    age = {min, max}                                   completed years
    sex = ["female", ...]                              administrative gender
    condition = concept                                active; with ``ever = true`` at any time; ``within_days`` and
                                                       ``since_days``: begun within, or at least, so many days ago
    medicine = ingredient or class                     being taken
    allergy = ingredient                               allergy or intolerance to it or its class
    family = concept, premature = true                 in a relative by blood; ``premature`` as in the guidelines
    pregnant = true      smokes = true
    measurement = concept, min, max, unit, within_days latest value; bounds inclusive; with ``times = n`` at least n
                                                       values within the days lie inside
    finding = code, min, max                           of any method; the value, in its own unit

:mod:`salus.person.judge` answers a rule in three values (Kleene 1938).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from salus.errors import InputError
from salus.terminology import codes, units

MAX_DEPTH = 8
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
class AtLeast:
    """At least ``count`` of the rules."""

    count: int
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
    """A diagnosis or procedure of this concept: active, or (``ever``) at any time; begun within or since some days."""

    concept: str
    ever: bool = False
    within_days: int | None = None
    since_days: int | None = None


@dataclass(frozen=True, slots=True)
class Takes:
    """A medicine that is being taken: an ingredient or a class."""

    medicine: str


@dataclass(frozen=True, slots=True)
class Allergic:
    """An allergy or intolerance to an ingredient or its class."""

    ingredient: str


@dataclass(frozen=True, slots=True)
class InFamily:
    """A condition of a relative by blood; ``premature``: of the first degree, below the age of the guidelines."""

    concept: str
    premature: bool = False


@dataclass(frozen=True, slots=True)
class Holds:
    """A state that is decided in one place: "pregnant" or "smokes"."""

    state: str
    wanted: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """The latest measurement, in ``unit``, from ``low`` to ``high``, not older than ``within_days``; or ``times``
    many."""

    concept: str
    unit: str
    low: Decimal | None
    high: Decimal | None
    within_days: int | None
    times: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """The value of a finding, from ``low`` to ``high``."""

    code: str
    low: Decimal | None
    high: Decimal | None


Rule = All | Any_ | AtLeast | Not | Age | Sex | HasCondition | Takes | Allergic | InFamily | Holds | Measured | Found


def read(row: Any, place: str, depth: int = MAX_DEPTH) -> Rule:
    """A rule from a table. Raises InputError naming the place for anything that is none."""
    if not isinstance(row, Mapping) or not row:
        raise InputError("a rule is a table", where=place)
    if depth == 0:
        raise InputError(f"rules nested more than {MAX_DEPTH} deep", where=place)
    kinds = [name for name in _READERS if name in row]
    if len(kinds) != 1:
        raise InputError(f"a rule is exactly one of {', '.join(_READERS)}", where=place)
    return _READERS[kinds[0]](row, f"{place}, {kinds[0]}", depth)


def _many(row: Mapping[str, Any], name: str, place: str, depth: int) -> tuple[Rule, ...]:
    if not isinstance(row.get(name), list) or not row[name]:
        raise InputError("a list of rules", where=place)
    return tuple(read(part, place, depth - 1) for part in row[name])


def _all(row: Mapping[str, Any], place: str, depth: int) -> Rule:
    only(row, {"all"}, place)
    return All(_many(row, "all", place, depth))


def _any(row: Mapping[str, Any], place: str, depth: int) -> Rule:
    only(row, {"any"}, place)
    return Any_(_many(row, "any", place, depth))


def _at_least(row: Mapping[str, Any], place: str, depth: int) -> Rule:
    only(row, {"at_least", "of"}, place)
    rules = _many(row, "of", place, depth)
    count = _count(row["at_least"], "at_least", len(rules), place)
    return AtLeast(count, rules)


def _not(row: Mapping[str, Any], place: str, depth: int) -> Rule:
    only(row, {"not"}, place)
    return Not(read(row["not"], place, depth - 1))


def _age(row: Mapping[str, Any], place: str, _: int) -> Rule:
    only(row, {"age"}, place)
    if not isinstance(row["age"], Mapping):
        raise InputError("age is {min, max}", where=place)
    only(row["age"], {"min", "max"}, place)
    low, high = _bounds(row["age"], place)
    if any(b is not None and b != int(b) for b in (low, high)):
        raise InputError("age is in completed years", where=place)
    return Age(None if low is None else int(low), None if high is None else int(high))


def _sex(row: Mapping[str, Any], place: str, _: int) -> Rule:
    only(row, {"sex"}, place)
    allowed = row["sex"] if isinstance(row["sex"], list) else [row["sex"]]
    if not allowed or any(word not in ("female", "male", "other") for word in allowed):
        raise InputError("sex is some of female, male, other", where=place)
    return Sex(tuple(allowed))


def _condition(row: Mapping[str, Any], place: str, _: int) -> Rule:
    only(row, {"condition", "ever", "within_days", "since_days"}, place)
    concept, ever = _concept(row["condition"], place), _flag(row, "ever", place)
    return HasCondition(concept, ever, _days(row, "within_days", place), _days(row, "since_days", place))


def _medicine(row: Mapping[str, Any], place: str, _: int) -> Rule:
    only(row, {"medicine"}, place)
    return Takes(text(row, "medicine", place))


def _allergy(row: Mapping[str, Any], place: str, _: int) -> Rule:
    only(row, {"allergy"}, place)
    return Allergic(text(row, "allergy", place))


def _family(row: Mapping[str, Any], place: str, _: int) -> Rule:
    only(row, {"family", "premature"}, place)
    return InFamily(_concept(row["family"], place), _flag(row, "premature", place))


def _state(name: str) -> Callable[[Mapping[str, Any], str, int], Rule]:
    def reader(row: Mapping[str, Any], place: str, _: int) -> Rule:
        only(row, {name}, place)
        return Holds(name, _flag(row, name, place))

    return reader


def _measurement(row: Mapping[str, Any], place: str, _: int) -> Rule:
    only(row, {"measurement", "min", "max", "unit", "within_days", "times"}, place)
    low, high = _bounds(row, place)
    unit, days = text(row, "unit", place), _days(row, "within_days", place)
    units.canonical(unit)
    times = _count(row.get("times", 1), "times", 100, place)
    if times > 1 and days is None:
        raise InputError("times needs within_days", where=place)
    return Measured(_concept(row["measurement"], place), unit, low, high, days, times)


def _finding(row: Mapping[str, Any], place: str, _: int) -> Rule:
    only(row, {"finding", "min", "max"}, place)
    return Found(text(row, "finding", place), *_bounds(row, place))


_READERS: Mapping[str, Callable[[Mapping[str, Any], str, int], Rule]] = {
    "all": _all,
    "any": _any,
    "at_least": _at_least,
    "not": _not,
    "age": _age,
    "sex": _sex,
    "condition": _condition,
    "medicine": _medicine,
    "allergy": _allergy,
    "family": _family,
    "pregnant": _state("pregnant"),
    "smokes": _state("smokes"),
    "measurement": _measurement,
    "finding": _finding,
}


def _flag(row: Mapping[str, Any], name: str, place: str) -> bool:
    value = row.get(name, False)
    if not isinstance(value, bool):
        raise InputError(f"{name} is true or false", where=place)
    return value


def _count(value: Any, name: str, most: int, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InputError(f"{name} is a number from 1 to {most}", where=place)
    return value


def _days(row: Mapping[str, Any], name: str, place: str) -> int | None:
    days = row.get(name)
    if days is not None and (not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= MAX_DAYS):
        raise InputError(f"{name} is a number of days from 1 to {MAX_DAYS:,}", where=place)
    return days


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
        raise InputError("not a concept of salus's terminology", where=place)
    return name


def text(row: Mapping[str, Any], name: str, place: str) -> str:
    """The text under ``name``. Raises InputError where there is none."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > 2000:
        raise InputError(f"{name} is a text", where=place)
    return value


def only(row: Mapping[str, Any], allowed: set[str], place: str) -> None:
    """Raise InputError for a key that is not ``allowed``."""
    unknown = sorted(set(row) - allowed)
    if unknown:
        raise InputError(f"unknown: {unknown[0][:40]}", where=place)
