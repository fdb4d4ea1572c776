"""What of a batch is newer than what the record holds: an older version never takes the place of a newer one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from salus.intake import age, attribute, servers
from salus.intake.batch import Batch
from salus.intake.fhir_json import KIND
from salus.intake.placing import Key, Placing, key_of, keys_needed, meant_by
from salus.record.store import Store
from salus.trust.grants import Grant

AT_ONCE = 500
"""How many ids one look into the record asks for."""
_OLDER = "not taken: the record holds a newer version"
_UNTOLD = "took the place of another version: neither tells which is the newer"


@dataclass(frozen=True, slots=True)
class Newer:
    """The part of a batch that is to be written. ``unchanged``: how many resources the record holds already."""

    batch: Batch
    unchanged: int = 0


def newer(store: Store, batch: Batch, scope: Grant) -> Newer:
    """``batch`` without what the record holds in the same or a newer version.

    Its losses say what was left out or replaced: that the record holds a newer version, never what it says. ``scope``
    is the house's own, or what whoever files may know; what it does not cover counts as absent.
    """
    if not store.exists(scope):
        return Newer(batch)
    batch, stored = _placed(store, scope, batch)
    kept, told, unchanged = [], dict[str, int](), 0
    for resource in batch.resources:
        held = stored.get(key_of(resource))
        answer = _order(held, resource) if held is not None else "newer"
        if answer == "same":
            unchanged += 1
        if answer in ("newer", "unknown"):
            kept.append(servers.with_origins(resource, servers.origins(held or {})))
        if answer in ("older", "unknown"):
            what = f"{resource['resourceType']} {_OLDER if answer == 'older' else _UNTOLD}"
            told[what] = told.get(what, 0) + 1
    losses = (*batch.losses, *(f"{count} {what}" for what, count in told.items()))
    return Newer(replace(batch, resources=tuple(kept), losses=losses), unchanged)


def _placed(store: Store, scope: Grant, batch: Batch) -> tuple[Batch, dict[Key, Mapping[str, Any]]]:
    """The batch under the ids that its resources have here, and what the record holds under these."""
    if batch.kind != KIND:  # the ids of other kinds are made here, from what they are of
        return batch, dict(_stored(store, scope, map(key_of, batch.resources)))
    needed = keys_needed(batch.resources)
    stored = dict(_stored(store, scope, needed | {("Patient", scope.patient)}))
    free = needed - stored.keys()
    several = len(_servers(stored.get(("Patient", scope.patient), {}), batch)) > 1
    placing = Placing(batch.resources, stored, meant_by((s.body for s in store.read(scope)), free) if several else {})
    resources = placing.placed()
    said = tuple(f"{count} {what}" for what, count in placing.remarks.items())
    return replace(batch, resources=resources, losses=(*batch.losses, *said)), stored


def _servers(patient: Mapping[str, Any], batch: Batch) -> set[str]:
    """The servers that know the person, and those that the batch is from. With one alone, no id can be mistaken."""
    homes = filter(None, map(servers.home, batch.resources))
    return {servers.base_of(address) for address in (*_addresses(patient), *homes)}


def _order(held: Mapping[str, Any], resource: dict[str, Any]) -> age.Order:
    """How a resource stands to the one that the record holds under its id. A new server's address makes it newer."""
    person = resource["resourceType"] == "Patient"
    if not person and servers.relation(held, resource) == "another":
        return "same"  # only what says the same is placed under another server's id
    answer = age.order(held, resource)
    if person and answer == "unknown" and _adds(held, resource):
        return "newer"
    return "newer" if answer == "same" and not _addresses(resource) <= _addresses(held) else answer


def _adds(held: Mapping[str, Any], resource: Mapping[str, Any]) -> bool:
    """True for a Patient who is the one held, with further identifiers."""
    rest = [{k: v for k, v in each.items() if k != "identifier"} for each in (held, resource)]
    return age.same_content(*rest) and all(i in resource["identifier"] for i in held.get("identifier", ()))


def _addresses(resource: Mapping[str, Any]) -> frozenset[str]:
    """The addresses under which servers know a resource, those of a person with them."""
    return frozenset(servers.origins(resource)) | attribute.origins(dict(resource))


def _stored(store: Store, scope: Grant, keys: Iterable[Key]) -> Iterable[tuple[Key, Mapping[str, Any]]]:
    """What the record holds under these types and ids."""
    by_type: dict[str, list[str]] = {}
    for kind, name in keys:
        by_type.setdefault(kind, []).append(name)
    for kind, names in by_type.items():
        for start in range(0, len(names), AT_ONCE):
            for found in store.read(scope, (kind,), names[start : start + AT_ONCE]):
                yield key_of(found.body), found.body
