"""Which FHIR release a resource is written in: by what is stated, and by the shape of its elements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from salus.fhir import json
from salus.fhir.releases.tables import is_common, tables

R4 = "R4"
_VERSIONS = (("1.0", "DSTU2"), ("3.0", "STU3"), ("4.0", R4), ("4.3", "R4B"), ("5.0", "R5"))
_NAMED = {"dstu2": "DSTU2", "stu3": "STU3", "r3": "STU3", "dstu3": "STU3", "r4": R4, "r4b": "R4B", "r5": "R5"}
_IN_PROFILE = re.compile(r"/(DSTU2|STU3|DSTU3|R4B|R4|R5|[1345]\.[03])/", re.I)
_PREFERRED = (R4, "STU3", "DSTU2", "R5")
"""Of releases that a shape fits equally well the first of these; what they share means the same in all of them."""
_PREFERRED_BEFORE = ("STU3", "DSTU2", R4, "R5")
"""The same for a resource with a code system that has another address since R4."""
_OLD_SYSTEMS = ("http://hl7.org/fhir/v2/", "http://hl7.org/fhir/v3/")
_FORMS: dict[type, str] = {bool: "b", int: "n", float: "n", Decimal: "n", list: "l", dict: "o", str: "s"}
MAX_DEPTH = 8


def stated(text: str) -> str:
    """The release that a version ("1.0.2") or a name ("STU3") stands for; "" where it is none that is known."""
    named = _NAMED.get(text.strip().lower())
    return named or next((name for start, name in _VERSIONS if text.strip().startswith(start)), "")


def of_profiles(resource: Mapping[str, Any]) -> str:
    """The release that the addresses of ``meta.profile`` name; "" where they name none, or several."""
    meta = resource.get("meta")
    profiles = meta.get("profile") if isinstance(meta, Mapping) else None
    written = [p for p in (profiles if isinstance(profiles, list) else ()) if isinstance(p, str)]
    found = {stated(match[1]) for p in written for match in _IN_PROFILE.finditer(p)}
    return found.pop() if len(found) == 1 else ""


def release_of(resource: Mapping[str, Any], said: str = "") -> str:
    """The release of ``resource``. ``said`` (DSTU2 … R5) decides between those that the shape leaves open.

    A shape that fits another release better than the one that is said decides against it: an element's name and form
    are what the author wrote, a label is what somebody put on it.
    """
    said = said or of_profiles(resource)
    table = tables().of(str(resource.get("resourceType")))
    if table is None:
        return said or R4
    fits = dict.fromkeys(_PREFERRED, 0)
    for path, form, value in _walk(resource):
        for release in table.releases(path, form, value):
            fits[release] += 1
    best = max(fits.values())
    like = R4 if said == "R4B" else said
    if fits.get(like) == best:
        return said
    if best == 0:
        return said or R4
    order = _PREFERRED_BEFORE if _has_old_system(resource) else _PREFERRED
    return next(release for release in order if fits[release] == best)


def _has_old_system(value: Any) -> bool:
    systems = (item.get("system") for item in json.objects(value))
    return any(isinstance(s, str) and (s.startswith(_OLD_SYSTEMS) or s in tables().renamed_systems) for s in systems)


def _walk(resource: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Every element with its dotted path, its JSON form and its value."""
    found: list[tuple[str, str, Any]] = []
    waiting: list[tuple[Mapping[str, Any], str, int]] = [(resource, "", 0)]
    while waiting:
        node, prefix, depth = waiting.pop()
        for name, value in node.items():
            if is_common(name):
                continue
            path = prefix + name
            found.append((path, form_of(value), value))
            if depth >= MAX_DEPTH:
                continue
            if isinstance(value, dict):
                waiting.append((value, f"{path}.", depth + 1))
            elif isinstance(value, list):
                waiting += [(item, f"{path}.", depth + 1) for item in value if isinstance(item, dict)]
    return found


def form_of(value: Any) -> str:
    """The letter of a JSON value's form, as in the element table; "?" for null."""
    return _FORMS.get(type(value), "?")
