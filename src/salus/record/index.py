"""Index rows of a resource: recomputed from its body whenever they are checked, never trusted by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from salus.errors import InputError
from salus.fhir import dates
from salus.fhir.views import Body, codings

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
    """One token: search parameter and "system|code"."""

    param: str
    token: str


class DateRow(NamedTuple):
    """One date as the interval [lo, hi) it stands for, both UTC instants."""

    param: str
    lo: str
    hi: str


def tokens(body: Body) -> set[TokenRow]:
    """Tokens of ``code`` and ``identifier``."""
    return set(_codes(body)) | set(_identifiers(body))


def _codes(body: Body) -> Iterator[TokenRow]:
    for name in ("code", "medicationCodeableConcept", "vaccineCode", "type"):
        element = body.get(name)
        for item in element if isinstance(element, list) else [element]:
            for code in codings(item):
                yield TokenRow("code", f"{code.system}|{code.code}")


def _identifiers(body: Body) -> Iterator[TokenRow]:
    entries = body.get("identifier")
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, dict) and isinstance(entry.get("value"), str):
            yield TokenRow("identifier", f"{entry.get('system', '')}|{entry['value']}")


def date_rows(body: Body) -> set[DateRow]:
    """The resource's own date. A Patient's birth date would stand here in clear, so it has no row."""
    found = set()
    for name in _DATES:
        value = body.get(name)
        if isinstance(value, str):
            try:
                span = dates.parse(value)
            except InputError:
                continue  # intake has reported it; a date that cannot be read cannot be searched
            found.add(DateRow("date", dates.write(span.start), dates.write(span.end)))
    return found
