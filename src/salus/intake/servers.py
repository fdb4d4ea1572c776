"""Which server a resource comes from, and so whether two of one type and id are one thing.

An id means something only together with its server (FHIR R4, References, "Literal references"). The address that a
resource has there is kept in its ``meta``; where a source tells none, ``meta.source`` says who gave it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from typing import Any, Literal

from salus.fhir import json
from salus.intake import attribute
from salus.intake.age import MESSAGES

Relation = Literal["same", "another", "unknown"]
_WHAT = ("code", "medicationCodeableConcept", "medicationReference", "vaccineCode", "name")
"""The elements that tell what a resource is of: the test, the medicine, the person."""


def with_origins(resource: dict[str, Any], addresses: Iterable[str]) -> dict[str, Any]:
    """The resource with the addresses that it has on its servers, besides those that it carries already."""
    meta = resource.get("meta", {})
    if not isinstance(meta, dict):
        return resource
    fresh = [address for address in addresses if address not in origins(resource)]
    return {**resource, "meta": reduce(attribute.from_server, fresh, meta)} if fresh else resource


def origins(resource: Mapping[str, Any]) -> list[str]:
    """The addresses that a resource is known to have on servers, the latest told last."""
    meta = resource.get("meta")
    return attribute.addresses(meta) if isinstance(meta, Mapping) else []


def source(resource: Mapping[str, Any]) -> str:
    """What ``meta.source`` says of the server, without the fragment of the request; "" for HL7 v2 messages, whose ids
    follow from numbers that several senders share."""
    meta = resource.get("meta")
    told = str(meta.get("source") or "").partition("#")[0] if isinstance(meta, Mapping) else ""
    return "" if told.startswith(MESSAGES) else told


def home(resource: Mapping[str, Any]) -> str:
    """The address of the resource on its own server; "" where it tells none."""
    told = origins(resource)
    if told:
        return told[-1]
    given = source(resource)
    return f"{given}/{resource['resourceType']}/{resource['id']}" if given else ""


def beside(resource: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    """What is known of the resource ``kind/name`` of the server that ``resource`` is from: no more than its marks."""
    told, given = origins(resource), source(resource)
    body: dict[str, Any] = {"resourceType": kind, "id": name, "meta": {"source": given} if given else {}}
    return with_origins(body, [f"{base_of(address)}/{kind}/{name}" for address in told])


def base_of(address: str) -> str:
    """The server of an address."""
    return address.rpartition("/")[0].rpartition("/")[0]


def relation(stored: Mapping[str, Any], incoming: Mapping[str, Any]) -> Relation:
    """Whether two resources of one type and id are one server's: addresses tell first, ``meta.source`` after them."""
    one, other = origins(stored), origins(incoming)
    if one and other:
        return "same" if set(one) & set(other) else "another"
    told, tells = source(stored), source(incoming)
    if told and tells:
        return "same" if told == tells else "another"
    return "unknown"


def is_of_another(stored: Mapping[str, Any], incoming: Mapping[str, Any]) -> bool:
    """True where both tell what they are of (a test, a medicine, a person) and nothing in it agrees."""
    one, other = set(_what(stored)), set(_what(incoming))
    return bool(one) and bool(other) and not one & other


def what_key(resource: Mapping[str, Any]) -> str:
    """What a resource is of, as a text that stays the same from version to version."""
    return json.dumps({name: resource[name] for name in _WHAT if name in resource}, canonical=True).decode()


def _what(resource: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for element in (resource.get(name) for name in _WHAT):
        for item in element if isinstance(element, list) else [element]:
            if isinstance(item, str):
                yield "", item.casefold()
            elif isinstance(item, Mapping):
                yield from _names(item)


def _names(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The names in a CodeableConcept, a Reference or a HumanName."""
    codings = item.get("coding")
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, Mapping) and isinstance(coding.get("code"), str):
            yield str(coding.get("system", "")), coding["code"]
    for key in ("text", "family", "reference"):
        if isinstance(item.get(key), str) and item[key]:
            yield "", item[key].casefold()
