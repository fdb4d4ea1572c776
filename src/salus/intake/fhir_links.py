"""Which resource a reference leads to. An id means something only together with its server (FHIR R4, Bundle, "Resolving
references in Bundles"; References, "Literal references").

A relative reference belongs to the server of the resource that it stands in; an absolute one to another server is never
ours, unless the file itself carries that resource under that address.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from salus.errors import InputError
from salus.fhir import json
from salus.intake.fhir_bundle import Entry

_NAMESPACE = uuid.UUID("5d9d8a56-0e1d-5b0b-8f6a-8d1d0c0b7f51")
_LEGAL = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_LITERAL = re.compile(
    r"(?:(?P<base>[A-Za-z][\w+.-]*:[^?#|\s]+)/)?(?P<kind>[A-Z][A-Za-z]{2,40})/(?P<id>[^/?#|\s]{1,1024})\Z"
)
_VERSION = re.compile(r"/_history/[^/]+\Z")
_LINKS = frozenset({"reference", "url"})
_CONTAINERS = frozenset({dict, list})
_UNIDENTIFIED = frozenset({"Binary", "Provenance"})
"""Types without the element ``identifier``."""
_ANOTHER = "lies on another server too: the one that came second has an id of its own here"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a resource lies: the server's base ("" where none is told), its type and id."""

    base: str
    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Linked:
    """A resource whose references are resolved, and the base of the server that it came from.

    ``homes`` are the servers of the file's own Patients, by reference: one of these is meant where it is named.
    """

    resource: dict[str, Any]
    base: str = ""
    homes: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    address: str = ""
    """Where the resource lies on that server."""
    refers: frozenset[str] = frozenset()
    """Every reference in the resource, as it stands there."""


@lru_cache(maxsize=4096)  # all that is of one person refers to that person
def address(reference: str) -> Address | None:
    """The parts of a literal reference or RESTful address; None for any other (urn:, #inner, a search)."""
    match = _LITERAL.match(unversioned(reference))
    return Address(match["base"] or "", match["kind"], match["id"]) if match else None


def legal_id(name: str) -> str:
    """``name`` where FHIR allows it as an id, else one that follows from it."""
    return name if _LEGAL.match(name) else str(uuid.uuid5(_NAMESPACE, name))


def id_for(url: str) -> str:
    """The id that a resource of another server has here where its own id is taken."""
    return str(uuid.uuid5(_NAMESPACE, url))


def unversioned(reference: str) -> str:
    """A reference or address without the version that it may name."""
    return _VERSION.sub("", reference) if "/_history/" in reference else reference


def base_of(entry: Entry) -> str:
    """The base of the server that an entry's address names; "" where it is no address of a resource of that type."""
    found = address(entry.url)
    return found.base if found and found.kind == entry.resource["resourceType"] else ""


@dataclass(slots=True)
class Names:
    """Every name under which the entries of one file can be referred to, and what was remarked on the way."""

    urls: dict[str, str] = field(default_factory=dict)
    local: dict[str, dict[str, str]] = field(default_factory=dict)
    addresses: dict[int, str] = field(default_factory=dict)
    """Where each resource lies on its own server."""
    remarks: dict[str, int] = field(default_factory=dict)

    def remark(self, what: str) -> None:
        """Count something worth telling."""
        self.remarks[what] = self.remarks.get(what, 0) + 1

    def resolve(self, reference: str, base: str) -> str:
        """The reference as it stands in the record; an absolute one to another server stays absolute."""
        plain = unversioned(reference)
        if plain in self.urls:
            return self.urls[plain]
        found = address(reference)
        if found is None:
            return reference
        here = found.base or base
        if here and f"{here}/{found.kind}/{found.id}" in self.urls:
            return self.urls[f"{here}/{found.kind}/{found.id}"]
        known = self.local.get(f"{found.kind}/{found.id}", {})
        if not found.base and (here in known or "" in known or (not here and len(known) == 1)):
            return known.get(here) or known.get("") or next(iter(known.values()))
        if not found.base and any(known) and here:
            return f"{here}/{reference}"  # the file holds one of that id, but it is another server's
        if found.base and (found.base != base or found.kind == "Patient"):
            return reference  # whether that server's patient is known here, the record has to tell
        legal = f"{found.kind}/{legal_id(found.id)}"
        return legal if legal != f"{found.kind}/{found.id}" or found.base else reference


def linked(entries: Sequence[Entry], own_base: str = "") -> tuple[list[Linked], tuple[str, ...]]:
    """The entries' resources with legal ids and resolved references, and what is to be told of them.

    ``own_base`` is the address of this record's own server: references to it are ours.
    """
    names = Names()
    named = _named(entries, names)
    retired = _retired(named, names)
    kept = [(r, base) for r, base in named if id(r) not in retired]
    homes = {f"Patient/{r['id']}": base for r, base in kept if r["resourceType"] == "Patient"}
    found = [_linked(r, base, names, own_base, homes) for r, base in kept]
    told = tuple(what if count == 1 else f"{what} ({count} times)" for what, count in names.remarks.items())
    return found, told


def _linked(resource: dict[str, Any], base: str, names: Names, own_base: str, homes: Mapping[str, str]) -> Linked:
    refers: set[str] = set()

    def resolve(reference: str) -> str:
        here = names.resolve(reference.removeprefix(f"{own_base}/") if own_base else reference, base)
        refers.add(here)
        return here

    body = relinked(resource, resolve)
    return Linked(body, base, homes, names.addresses.get(id(resource), ""), frozenset(refers))


def _named(entries: Iterable[Entry], names: Names) -> list[tuple[dict[str, Any], str]]:
    """Every resource under the id that it has here, with its server; ``names`` learns how to refer to it."""
    taken: dict[tuple[str, str], str] = {}
    found = []
    for entry in entries:
        kind, old, base = entry.resource["resourceType"], entry.resource["id"], base_of(entry)
        new = legal_id(old)
        there = f"{base}/{kind}/{new}" if base else ""
        if new != old:
            names.remark(f"{kind}: the id is not one that FHIR allows; another follows from it, the old one is kept")
        holder = taken.setdefault((kind, new), base)
        if base and holder and base != holder:
            names.remark(f"{kind}: a resource of the same id {_ANOTHER}")
            new = id_for(there)
        if entry.url:
            names.urls[unversioned(entry.url)] = f"{kind}/{new}"
        names.local.setdefault(f"{kind}/{old}", {}).setdefault(base, f"{kind}/{new}")
        body = under(entry.resource, old, new)
        names.addresses[id(body)] = there
        found.append((body, base))
    return found


def under(resource: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """The resource under its new id; the old one is kept among its identifiers, where its type has any."""
    if old == new:
        return resource
    if resource["resourceType"] in _UNIDENTIFIED:
        return {**resource, "id": new}
    held = resource.get("identifier")
    kept = held if isinstance(held, list) else [held] if isinstance(held, dict) else []
    return {**resource, "id": new, "identifier": [*kept, {"use": "old", "value": old}]}


def _retired(named: Sequence[tuple[dict[str, Any], str]], names: Names) -> set[int]:
    """Patients that the same file says are replaced by another of its patients: what names them belongs to that one.

    Raises InputError where the two are not one person by birth date or sex.
    """
    people = {f"Patient/{r['id']}": r for r, _ in named if r["resourceType"] == "Patient"}
    gone: set[int] = set()
    for resource, base in named:
        for other in _replaced_by(resource) if resource["resourceType"] == "Patient" else ():
            target = names.resolve(other, base)
            if target not in people or people[target] is resource:
                continue
            _agree(resource, people[target])
            _take_over(resource, people[target])
            here = f"Patient/{resource['id']}"
            names.urls.update({url: target for url, held in names.urls.items() if held == here})
            for by_base in names.local.values():
                by_base.update({b: target for b, held in by_base.items() if held == here})
            names.remark("Patient: an id is replaced by another of the file; what names it belongs to that one")
            gone.add(id(resource))
    return gone


def _take_over(old: Mapping[str, Any], new: dict[str, Any]) -> None:
    """The identifiers of the retired patient are the other's too, as old ones."""
    held, added = (x.get("identifier") for x in (new, old))
    fresh = [{**i, "use": "old"} for i in (added if isinstance(added, list) else ()) if isinstance(i, dict)]
    if fresh:
        new["identifier"] = [*(held if isinstance(held, list) else []), *fresh]


def _replaced_by(patient: Mapping[str, Any]) -> Iterator[str]:
    links = patient.get("link")
    for link in links if isinstance(links, list) else ():
        other = link.get("other") if isinstance(link, dict) and link.get("type") == "replaced-by" else None
        if isinstance(other, dict) and isinstance(other.get("reference"), str):
            yield other["reference"]


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    for name in ("birthDate", "gender"):
        if one.get(name) and other.get(name) and one[name] != other[name]:
            raise InputError(
                "a patient is said to be replaced by one who is somebody else",
                f"Patient.{name}",
                "a person has to decide",
            )


def relinked(value: Any, resolve: Callable[[str], str]) -> Any:
    """``value`` with every Reference, and every attachment that is a Binary, resolved.

    ``value`` stays as it is, and is returned itself where nothing in it is another; what is the same is shared.
    """
    if value.__class__ is list:
        items = [relinked(item, resolve) if item.__class__ in _CONTAINERS else item for item in value]
        return value if items == value else items
    if value.__class__ is not dict:
        return value
    changed = {}
    for name, held in value.items():
        if held.__class__ is str:
            new = resolve(held) if name in _LINKS and _is_link(name, held) else held
        elif held.__class__ in _CONTAINERS:
            new = relinked(held, resolve)
        else:
            continue
        if new is not held:
            changed[name] = new
    return {**value, **changed} if changed else value


def _is_link(name: str, text: str) -> bool:
    """True for the reference of a Reference, and for the address of an attachment that is a Binary."""
    if name != "url":
        return name == "reference"
    found = address(text)
    return found is not None and found.kind == "Binary"


def references(value: Any) -> Iterator[str]:
    """Every literal reference in a resource, those of attachments too."""
    for item in json.objects(value):
        for name in _LINKS:
            written = item.get(name)
            if isinstance(written, str) and _is_link(name, written):
                yield written
