"""The data types of FHIR, read strictly: what is not understood in full is refused with its path.

Reference, Identifier, Coding, CodeableConcept and Period carry only the members named here. An extension inside one may
change what it means, and is refused like any other unknown member.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from salus.errors import InputError
from salus.fhir import dates
from salus.fhir.dates import Span

MAX_ITEMS = 256
_MAX_TEXT = 2_000
_TEXT = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?")
_REFERENCE = re.compile(
    r"(?:https?://[^\s|#]{1,1000}/)?[A-Z][A-Za-z]{1,63}/[A-Za-z0-9.\-]{1,64}|urn:(?:uuid|oid):[^\s|#]{1,200}"
)


def identifier(system: str, value: str) -> str:
    """The name "system|value" of an actor, group or thing that has a business identifier, or of a code in its
    system."""
    return f"{system}|{value}"


def members(element: Any, known: frozenset[str], where: str) -> None:
    """Raise InputError for what is no object, or has a member that is not ``known``."""
    if not isinstance(element, Mapping):
        raise InputError("not an object", where=where)
    unknown = [key for key in element if key not in known]
    if unknown:
        name = unknown[0] if isinstance(unknown[0], str) and unknown[0].isidentifier() else "element"
        raise InputError("an element that salus does not know", where=f"{where}.{name[:64]}")


def objects(element: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    """The list of objects under ``key``; empty where the key is absent. Raises InputError for anything else."""
    value = element.get(key, [])
    if not isinstance(value, list) or (key in element and not value) or len(value) > MAX_ITEMS:
        raise InputError("not a list of objects", where=f"{where}.{key}")
    for i, item in enumerate(value):
        if not isinstance(item, Mapping):
            raise InputError("not an object", where=f"{where}.{key}[{i}]")
    return value


def text(value: Any, where: str) -> str:
    """A code, an address or a name: printable, without blanks around it. Raises InputError."""
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not _TEXT.fullmatch(value):
        raise InputError("not a code or a text that can be read", where=where)
    return value


def coding(item: Any, where: str) -> tuple[str, str]:
    """System and code of a Coding. Raises InputError where either is missing: a code alone means nothing."""
    members(item, frozenset({"id", "system", "version", "code", "display", "userSelected"}), where)
    system = text(item.get("system"), f"{where}.system")
    if "|" in system:
        raise InputError("a system that is no address", where=f"{where}.system")
    return system, text(item.get("code"), f"{where}.code")


def concept(item: Any, where: str) -> list[tuple[str, str]]:
    """The codings of a CodeableConcept. Raises InputError where there is none."""
    members(item, frozenset({"id", "coding", "text"}), where)
    codings = objects(item, "coding", where)
    if not codings:
        raise InputError("words without a code", where=where)
    return [coding(told, f"{where}.coding[{i}]") for i, told in enumerate(codings)]


def names_of(item: Any, where: str) -> frozenset[str]:
    """The reference and the identifier of a Reference. Raises InputError where it has neither."""
    members(item, frozenset({"id", "reference", "type", "identifier", "display"}), where)
    found = set()
    if "reference" in item:
        reference = text(item["reference"], f"{where}.reference")
        if not _REFERENCE.fullmatch(reference):
            raise InputError("a reference that names nothing outside the consent", where=f"{where}.reference")
        found.add(reference)
    if "identifier" in item:
        at = f"{where}.identifier"
        members(item["identifier"], frozenset({"id", "use", "type", "system", "value"}), at)
        system = text(item["identifier"].get("system"), f"{at}.system")
        if "|" in system:
            raise InputError("a system that is no address", where=f"{at}.system")
        found.add(identifier(system, text(item["identifier"].get("value"), f"{at}.value")))
    if not found:
        raise InputError("nobody and nothing is named", where=where)
    return frozenset(found)


def period(element: Mapping[str, Any], key: str, where: str) -> tuple[Span | None, Span | None]:
    """Start and end as the spans they stand for: "2022-12-31" ends with that day. Days are read as days of UTC."""
    if key not in element:
        return None, None
    where = f"{where}.{key}"
    period = element[key]
    members(period, frozenset({"id", "start", "end"}), where)
    start, end = (moment(period[k], f"{where}.{k}") if k in period else None for k in ("start", "end"))
    if start is None and end is None:
        raise InputError("a period without a bound", where=where)
    if start and end and end.end <= start.start:
        raise InputError("a period that ends before it begins", where=where)
    return start, end


def moment(value: Any, where: str) -> Span:
    """A date or time as the span it stands for. Raises InputError."""
    try:
        return dates.parse(text(value, where))
    except InputError as error:
        raise InputError(error.what, where=where, remedy=error.remedy) from error
