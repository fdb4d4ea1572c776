"""The index rows of a resource. A check computes them anew from the body and never trusts the stored ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from salus.errors import InputError
from salus.fhir import dates
from salus.fhir.views import Body, dicts

CODE = "code"
_CODED = ("code", "medicationCodeableConcept", "vaccineCode", "type")
_DATES = (
    "effectiveDateTime",
    "effectiveInstant",
    "onsetDateTime",
    "recordedDate",
    "performedDateTime",
    "authoredOn",
    "date",
    "dateTime",
)


class TokenRow(NamedTuple):
    """One token: the search parameter, and "system|code"."""

    param: str
    token: str


class DateRow(NamedTuple):
    """One date as the interval [lo, hi) it stands for, both UTC instants."""

    param: str
    lo: str
    hi: str


def tokens(body: Body) -> set[TokenRow]:
    """The tokens of a body for the parameters ``code`` and ``identifier``."""
    return {*_codes(body), *_identifiers(body)}


def _codes(body: Body) -> Iterator[TokenRow]:
    for name in _CODED:
        element = body.get(name)
        for item in element if isinstance(element, list) else [element] if element else ():
            for coding in dicts(item.get("coding")) if isinstance(item, dict) else ():
                if coding.get("code"):
                    yield TokenRow(CODE, f"{coding.get('system', '')}|{coding['code']}")


def _identifiers(body: Body) -> Iterator[TokenRow]:
    entries = body.get("identifier")
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, dict) and isinstance(entry.get("value"), str):
            yield TokenRow("identifier", f"{entry.get('system', '')}|{entry['value']}")


def date_rows(body: Body) -> set[DateRow]:
    """The rows of a resource's own dates. A birth date has none, because index rows are not encrypted."""
    written = (body[name] for name in _DATES if name in body)
    return {row for value in written if isinstance(value, str) and (row := _date_row(value)) is not None}


@lru_cache(maxsize=4096)  # resources of one visit have the same time
def _date_row(written: str) -> DateRow | None:
    try:
        span = dates.parse(written)
    except InputError:
        return None  # intake has reported it; a date that cannot be read cannot be searched
    return DateRow("date", dates.write(span.start), dates.write(span.end))
