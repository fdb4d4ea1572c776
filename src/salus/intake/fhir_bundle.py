"""The resources in a parsed FHIR file, each with the address that it has on its server, as R4."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from salus.errors import InputError
from salus.fhir import json
from salus.fhir.releases import to_r4

NOT_READ = "urn:salus:not-understood"
"""The modifierExtension of a resource whose meaning is not understood: it is kept, and nobody reads it as true."""
_TYPE = re.compile(r"[A-Z][A-Za-z]{2,40}\Z")
_NAMESPACE = uuid.UUID("2c8bd0a5-6e7e-5f0f-9b58-1d3f4f6d2a61")
_MAX_ID = 1024
_NESTED = ("batch-response",)
"""Bundles that hold answers, which may be Bundles themselves."""
_CAPABILITIES = ("CapabilityStatement", "Conformance")


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource and its address: the fullUrl of its Bundle entry, or where it was fetched; "" where none is told."""

    resource: dict[str, Any]
    url: str = ""


@dataclass(slots=True)
class Found:
    """What a file holds, and in words what of it was not taken."""

    entries: list[Entry] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)

    def lose(self, what: str) -> None:
        """Count something that is not taken."""
        self.lost[what] = self.lost.get(what, 0) + 1

    @property
    def losses(self) -> tuple[str, ...]:
        """The losses, each once, with how often."""
        return tuple(f"{count} {what}" for what, count in self.lost.items())


def found_in(value: Any, *, url: str = "", release: str = "") -> Found:
    """The resources of a Bundle or a single one, as R4. ``url`` and ``release`` are what is known of a single one.

    Raises InputError naming the place of what is not FHIR, and for a patient whose own resource is not understood.
    """
    found = Found()
    _read(found, value, url)
    stated = release or _stated_release(found.entries)
    found.entries = [_as_r4(found, entry, stated) for entry in found.entries]
    return found


def _read(found: Found, value: Any, url: str) -> None:
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        raise InputError("not a FHIR resource: no resourceType", remedy="a Bundle or a single resource is read")
    if value["resourceType"] != "Bundle":
        found.entries.append(Entry(checked(value, "resource"), url))
        return
    if value.get("type") == "history":
        raise InputError("a history Bundle: which version is in force is not told", where="Bundle.type")
    entries = value.get("entry", [])
    if not isinstance(entries, list):
        raise InputError("entry is not a list", where="Bundle.entry")
    for number, entry in enumerate(entries):
        _read_entry(found, entry, f"Bundle.entry[{number}]", value.get("type"))


def _read_entry(found: Found, entry: Any, where: str, kind: Any) -> None:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if isinstance(entry, dict) and resource is None and entry:
        found.lose(_empty(entry))
        return
    if not isinstance(resource, dict):
        raise InputError("an entry without a resource", where=where)
    if resource.get("resourceType") == "Bundle" and kind in _NESTED:
        _read(found, resource, "")
        return
    resource = checked(resource, f"{where}.resource")
    if resource["resourceType"] == "Bundle":
        raise InputError("a Bundle inside a Bundle", where=where, remedy="take each in by itself")
    if resource["resourceType"] == "OperationOutcome":
        found.lose("OperationOutcome not taken: it is what a server said, and about nobody")
        return
    url = entry.get("fullUrl")
    found.entries.append(Entry(resource, url if isinstance(url, str) else ""))


def _empty(entry: dict[str, Any]) -> str:
    """What an entry without a resource was: a request to delete, or a server's answer."""
    request = entry.get("request")
    method = request.get("method") if isinstance(request, dict) else None
    if method == "DELETE":
        kind = str(request.get("url", "")).partition("/")[0] if isinstance(request, dict) else ""
        what = kind if _TYPE.match(kind) else "a resource"
        return f"request to delete {what} not carried out: nothing is deleted by a file"
    return "entry without a resource not taken: it holds no data"


def checked(resource: dict[str, Any], where: str) -> dict[str, Any]:
    """The resource with an id: its own, or one that follows from its content. Raises InputError with the place."""
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or not _TYPE.match(kind):
        raise InputError("not a FHIR resource: no resourceType", where=where)
    name = resource.get("id")
    if name is None:
        digest = hashlib.sha256(json.dumps(resource, canonical=True)).hexdigest()
        return {"resourceType": kind, "id": str(uuid.uuid5(_NAMESPACE, digest)), **resource}
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_ID or set(name) & set("/#?|\\ \t\r\n"):
        raise InputError("an id that FHIR does not allow", where=f"{where}.id", remedy="letters, digits, '-' and '.'")
    return resource


def _stated_release(entries: Iterable[Entry]) -> str:
    """The FHIR version that a server's own statement in the file gives."""
    for entry in entries:
        version = entry.resource.get("fhirVersion")
        if entry.resource["resourceType"] in _CAPABILITIES and isinstance(version, str):
            return version
    return ""


def _as_r4(found: Found, entry: Entry, release: str) -> Entry:
    converted = to_r4(entry.resource, release)
    for loss in converted.losses:
        found.lose(loss)
    body = converted.resource
    if converted.refused:
        if body["resourceType"] == "Patient":
            raise InputError(
                converted.refused, where="Patient", remedy="whose data it is cannot be told: mend the source"
            )
        found.lose(f"{converted.refused}; kept, but not read")
        body = marked(body, converted.refused)
    return Entry(body, entry.url)


def marked(body: dict[str, Any], why: str) -> dict[str, Any]:
    """``body`` with the mark that nobody may read it."""
    if body.get("modifierExtension"):
        return body
    return {**body, "modifierExtension": [{"url": NOT_READ, "valueString": why}]}
