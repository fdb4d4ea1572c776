"""Which FHIR release a resource is written in: by what is stated, and by the shape of its elements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from salus.fhir import json
from salus.fhir.releases.tables import Table, tables

R4 = "R4"
_VERSIONS = (("1.0", "DSTU2"), ("3.0", "STU3"), ("4.0", R4), ("4.3", "R4B"), ("5.0", "R5"))
_NAMED = {"dstu2": "DSTU2", "stu3": "STU3", "r3": "STU3", "dstu3": "STU3", "r4": R4, "r4b": "R4B", "r5": "R5"}
_IN_PROFILE = re.compile(r"/(DSTU2|STU3|DSTU3|R4B|R4|R5|[1345]\.[03])/", re.I)
_PREFERRED = (R4, "STU3", "DSTU2", "R5")
"""Of releases that a shape fits equally well the first of these; what they share means the same in all of them."""
_PREFERRED_BEFORE = ("STU3", "DSTU2", R4, "R5")
"""The same for a resource with a code system that has another address since R4."""
_OLD_SYSTEMS = ("http://hl7.org/fhir/v2/", "http://hl7.org/fhir/v3/")
_OLD_HOME = b'"http://hl7.org/fhir/'
"""What the address of every code system begins with that has another one since R4."""
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


def release_of(resource: Mapping[str, Any], said: str = "", text: bytes | None = None) -> str:
    """The release of ``resource``. ``said`` (DSTU2 … R5) decides between those that the shape leaves open.

    A shape that fits another release better than the one that is said decides against it: an element's name and form
    are what the author wrote, a label is what somebody put on it. ``text`` is the resource as JSON, where
    whoever asks has it already.
    """
    said = said or of_profiles(resource)
    table = tables().of(str(resource.get("resourceType")))
    if table is None:
        return said or R4
    fits = _fits(resource, table)
    best = max(fits.values())
    like = R4 if said == "R4B" else said
    if fits.get(like) == best:
        return said
    if best == 0:
        return said or R4
    fitting = [release for release in _PREFERRED if fits[release] == best]
    if len(fitting) > 1 and _has_old_system(resource, json.dumps(dict(resource)) if text is None else text):
        return next(release for release in _PREFERRED_BEFORE if release in fitting)
    return fitting[0]


def _has_old_system(resource: Mapping[str, Any], text: bytes) -> bool:
    """True for a code system's address of before R4. Only where the text has what they begin with it is looked for."""
    if _OLD_HOME not in text:
        return False
    renamed = tables().renamed_systems
    systems = (item.get("system") for item in json.objects(resource))
    return any(isinstance(s, str) and (s.startswith(_OLD_SYSTEMS) or s in renamed) for s in systems)


def _fits(resource: Mapping[str, Any], table: Table) -> dict[str, int]:
    """How many of a resource's elements each release knows at their path in their JSON form."""
    counted: dict[tuple[str, ...], int] = {}
    waiting: list[tuple[Mapping[str, Any], str]] = [(resource, "")]
    while waiting:
        node, prefix = waiting.pop()
        for name, value in node.items():
            path = prefix + name
            if path in table.fitting:
                releases = table.fitting[path].get(form_of(value), ())
                if path == "status" and isinstance(value, str):
                    releases = table.knowing(value, releases)
                counted[releases] = counted.get(releases, 0) + 1
            if path in table.parents:
                inner = value if isinstance(value, list) else [value]
                waiting += [(item, f"{path}.") for item in inner if isinstance(item, dict)]
    fits = dict.fromkeys(_PREFERRED, 0)
    for releases, count in counted.items():
        for release in releases:
            fits[release] += count
    return fits


def form_of(value: Any) -> str:
    """The letter of a JSON value's form, as in the element table; "?" for null."""
    return _FORMS.get(type(value), "?")
