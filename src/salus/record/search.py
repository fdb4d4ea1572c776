"""Search parameters of FHIR R4 as clauses that a resource's body fulfils or not.

``search_parameters.json`` (made by ``tools/make_search_parameters.py``) lists the parameters. The store uses its index
to narrow a search down; whether a resource matches is decided here, on the body alone. Values match as FHIR R4,
"Search", says in sections 3.1.1.4.5 to 3.1.1.4.12 (number's precision, date, string, token, quantity, reference).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from salus.errors import InputError
from salus.fhir import dates, json
from salus.fhir.dates import Span
from salus.fhir.views import Body

MAX_VALUES = 100
"""How many values one parameter may name, separated by commas."""
PREFIXES = ("eq", "ne", "lt", "le", "gt", "ge", "sa", "eb")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_REFERENCE = re.compile(r"([A-Z][A-Za-z]{1,40})/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?\Z")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_NUMBER = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_FAR_PAST = datetime.min.replace(tzinfo=UTC)
_FAR_FUTURE = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one resource type.

    ``paths`` are the JSON members to search, name by name; ``patient`` has none, since the record says whose it is.

    ``kind`` is token, code (a token without a system of its own), date, string, quantity, reference or patient.
    """

    name: str
    kind: str
    paths: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A token to find. ``system``: None for any, "" for no system. ``code``: "" for any code of the system."""

    system: str | None
    code: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A date to compare with: its prefix, and the interval that the written date stands for."""

    prefix: str
    span: Span


@dataclass(frozen=True, slots=True)
class Limit:
    """A quantity to compare with: its prefix and its number.

    ``half`` is half a unit of the last written digit: numbers within it count as equal. ``system`` is None for any.
    ``unit`` is "" for any unit, else its code or, where no system is given, its code or its name.
    """

    prefix: str
    number: Decimal
    half: Decimal
    system: str | None
    unit: str


Wanted = Token | Moment | Limit | str
_Time = TypeVar("_Time", datetime, int)
Amount = tuple[Decimal, str, str, str]
"""The number, system and code of a quantity, and its unit as people read it."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One parameter with its values. A resource matches when any of its elements matches any of the values."""

    parameter: Parameter
    values: tuple[Wanted, ...]
    modifier: str = ""

    def matches(self, body: Body) -> bool:
        """True when the resource fulfils the clause."""
        test = _TESTS[self.parameter.kind]
        return any(
            test(element, value, self.modifier)
            for path in self.parameter.paths
            for element in elements(body, path)
            for value in self.values
        )


@cache
def types() -> Mapping[str, Mapping[str, Parameter]]:
    """The searchable types, each with its parameters by name."""
    table: dict[str, Any] = json.loads(files("salus.record").joinpath("search_parameters.json").read_bytes())["types"]
    return {
        kind: {
            name: Parameter(name, entry[0], tuple(tuple(path.split(".")) for path in entry[1]))
            for name, entry in entries.items()
        }
        for kind, entries in table.items()
    }


def parse(parameter: Parameter, modifier: str, text: str) -> Clause:
    """The clause for a parameter and its written value. Raises InputError, which never repeats the value."""
    if modifier and (parameter.kind, modifier) != ("string", "exact"):
        raise InputError("a modifier that is not supported", where=parameter.name, remedy="only :exact, on strings")
    parts = _split(text, ",")
    if len(parts) > MAX_VALUES:
        raise InputError(f"more than {MAX_VALUES} values", where=parameter.name)
    if not all(parts):
        raise InputError("an empty value", where=parameter.name, remedy="leave the parameter out, or give it a value")
    return Clause(parameter, tuple(_value(parameter, part) for part in parts), modifier)


def absolute(text: str) -> bool:
    """Whether a reference names a server. An id is valid on its own server only, so it never names a resource here."""
    return bool(_ABSOLUTE.match(text))


def identity(text: str) -> tuple[str, str]:
    """The type ("" where it is not given) and the id of a written reference.

    For a reference to another server the id is "", which no resource has. Raises InputError for anything else.
    """
    if _ID.match(text):
        return "", text
    if absolute(text):
        return next((part for part in reversed(text.split("/")[:-1]) if part[:1].isupper()), ""), ""
    match = _REFERENCE.match(text)
    if match is None:
        raise InputError("not a reference", remedy="write TYPE/ID or an id")
    return match[1], match[2]


def elements(body: Body, path: tuple[str, ...]) -> Iterator[Any]:
    """The values at a path. The items of a list are given one by one."""
    level: list[Any] = [body]
    for name in path:
        found = [item[name] for item in level if isinstance(item, Mapping) and name in item]
        level = [v for value in found for v in (value if isinstance(value, list) else [value])]
    yield from level


def span(element: Any) -> Span | None:
    """The interval of a date, dateTime, instant or Period; None where it cannot be read.

    An open end of a Period reaches to the end of time, an open start from its beginning.
    """
    try:
        if isinstance(element, str):
            return dates.parse(element)
        if isinstance(element, Mapping) and ("start" in element or "end" in element):
            start = dates.parse(element["start"]).start if "start" in element else _FAR_PAST
            return Span(start, dates.parse(element["end"]).end if "end" in element else _FAR_FUTURE)
    except InputError:
        return None  # intake has reported it; a date that cannot be read is not found by date
    return None


# ---- reading values


def _split(text: str, mark: str) -> list[str]:
    r"""Split at ``mark``, except where a backslash comes before it ("\," is a comma in a value)."""
    parts, current, escaped = [], "", False
    for sign in text:
        if escaped:
            current += sign if sign == mark else "\\" + sign
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign == mark:
            parts.append(current)
            current = ""
        else:
            current += sign
    return [*parts, current + ("\\" if escaped else "")]


def _plain(text: str) -> str:
    return re.sub(r"\\([,|$\\])", r"\1", text)


def _value(parameter: Parameter, text: str) -> Wanted:
    if parameter.kind == "date":
        return _moment(text, parameter.name)
    if parameter.kind == "string":
        return _plain(text)
    if parameter.kind in ("reference", "patient"):
        try:
            plain = _plain(text)
            return plain if absolute(plain) else "/".join(filter(None, identity(plain)))
        except InputError as error:
            raise error.at(parameter.name) from error
    parts = _split(text, "|")
    if parameter.kind == "quantity":
        return _limit(parts, parameter.name)
    if len(parts) > 2 or not any(parts):
        raise InputError("not a token", where=parameter.name, remedy="write CODE or SYSTEM|CODE")
    if parameter.kind == "code" and len(parts) == 2:
        raise InputError("this element has no system", where=parameter.name, remedy="write the code alone")
    return Token(None if len(parts) == 1 else _plain(parts[0]), _plain(parts[-1]))


def _limit(parts: list[str], name: str) -> Limit:
    remedy = f"[{'|'.join(PREFIXES)}]NUMBER or NUMBER|SYSTEM|CODE, as 5.4|http://unitsofmeasure.org|mg"
    prefix = parts[0][:2] if parts[0][:2] in PREFIXES else "eq"
    written = parts[0][2:] if parts[0][:2] in PREFIXES else parts[0]
    match = _NUMBER.fullmatch(written)
    if len(parts) not in (1, 3) or match is None:
        raise InputError("not a quantity", where=name, remedy=remedy)
    number = Decimal(written)
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    half = Decimal((0, (5,), exponent - 1))
    if len(parts) == 1:
        return Limit(prefix, number, half, None, "")
    return Limit(prefix, number, half, _plain(parts[1]) or None, _plain(parts[2]))


def _moment(text: str, name: str) -> Moment:
    prefix = text[:2] if text[:2] in PREFIXES else "eq"
    written = text[2:] if text[:2] in PREFIXES else text
    try:
        return Moment(prefix, dates.parse(written))
    except InputError as error:
        remedy = f"[{'|'.join(PREFIXES)}]YYYY[-MM[-DD[Thh:mm:ss+hh:mm]]], with + written as %2B"
        raise InputError(error.what, where=name, remedy=remedy) from error


# ---- matching


def _token_matches(element: Any, wanted: Token, _: str) -> bool:
    if isinstance(element, bool):
        return wanted.code == ("true" if element else "false")
    if isinstance(element, str):
        return wanted.system in (None, "") and element == wanted.code
    if not isinstance(element, Mapping):
        return False
    codings = element.get("coding")
    if isinstance(codings, list):
        return any(_token_matches(coding, wanted, "") for coding in codings if isinstance(coding, Mapping))
    code = element.get("code", element.get("value"))
    system = element.get("system", "")
    return (wanted.code in ("", code)) and isinstance(code, str) and wanted.system in (None, system)


def _date_matches(element: Any, wanted: Moment, _: str) -> bool:
    found = span(element)
    return found is not None and in_time(wanted.prefix, found.start, found.end, wanted.span.start, wanted.span.end)


def in_time(prefix: str, start: _Time, end: _Time, since: _Time, until: _Time) -> bool:
    """Whether the time [start, end) relates to [since, until) as the prefix of a date says."""
    inside = since <= start and end <= until
    return {
        "eq": inside,
        "ne": not inside,
        "gt": end > until,
        "lt": start < since,
        "ge": end > until or inside,
        "le": start < since or inside,
        "sa": start >= until,
        "eb": end <= since,
    }[prefix]


def _quantity_matches(element: Any, wanted: Limit, _: str) -> bool:
    if not isinstance(element, Mapping) or element.get("comparator"):  # a bound ("<5") is no value to compare
        return False
    value = element.get("value")
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return False
    system, code, unit = (str(element.get(name) or "") for name in ("system", "code", "unit"))
    return is_amount(Decimal(value), system, code, unit, wanted)


def is_amount(number: Decimal, system: str, code: str, unit: str, wanted: Wanted) -> bool:
    """Whether a quantity matches the wanted :class:`Limit`. Units are compared, never converted."""
    assert isinstance(wanted, Limit)
    if wanted.system is not None and (wanted.system, wanted.unit) != (system, code):
        return False
    if wanted.system is None and wanted.unit and wanted.unit not in (code, unit):
        return False
    equal = wanted.number - wanted.half <= number < wanted.number + wanted.half
    return {
        "eq": equal,
        "ne": not equal,
        "gt": number > wanted.number,
        "lt": number < wanted.number,
        "ge": number >= wanted.number,
        "le": number <= wanted.number,
        "sa": number > wanted.number,
        "eb": number < wanted.number,
    }[wanted.prefix]


def _string_matches(element: Any, wanted: str, modifier: str) -> bool:
    if isinstance(element, Mapping):
        parts = (part for name, part in element.items() if name not in _NO_TEXT)
        return any(_string_matches(part, wanted, modifier) for part in parts)
    if isinstance(element, list):
        return any(_string_matches(part, wanted, modifier) for part in element)
    if not isinstance(element, str):
        return False
    return element == wanted if modifier == "exact" else _folded(element).startswith(_folded(wanted))


_NO_TEXT = frozenset({"use", "type", "period", "id", "extension"})
"""Members of a HumanName or Address that are no part of a name or an address ("official", "2019")."""


def _folded(text: str) -> str:
    """The text without case and accents, as FHIR's string search asks."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def _reference_matches(element: Any, wanted: str, _: str) -> bool:
    reference = element.get("reference") if isinstance(element, Mapping) else element
    if not isinstance(reference, str):
        return False
    match = _REFERENCE.match(reference)
    return reference == wanted or (match is not None and wanted in (match[2], f"{match[1]}/{match[2]}"))


_TESTS: Mapping[str, Any] = {
    "token": _token_matches,
    "code": _token_matches,
    "date": _date_matches,
    "quantity": _quantity_matches,
    "string": _string_matches,
    "reference": _reference_matches,
}
