"""What of a batch is newer than what the record holds: an older version never takes the place of a newer one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from salus.fhir.views import CATEGORIES, PERSON
from salus.intake import age
from salus.intake.batch import Batch
from salus.record.store import Store
from salus.trust.gate import Grant

AT_ONCE = 500
"""How many ids one look into the record asks for."""
_OLDER = "not taken: the record holds a newer version"
_UNTOLD = "took the place of another version: neither tells which is the newer"


@dataclass(frozen=True, slots=True)
class Newer:
    """The part of a batch that is to be written; ``unchanged`` resources are in the record as they are."""

    batch: Batch
    unchanged: int = 0


def newer(store: Store, batch: Batch, owner: str) -> Newer:
    """``batch`` without what the record holds in the same or a newer version; what was left out or replaced is said.

    The record is looked into by the house, not by whoever files: he learns that there is a newer version, not which.
    """
    scope = Grant("intake", owner, "service", frozenset({*CATEGORIES, PERSON}), may_write=False, purpose="comparison")
    if not store.exists(scope):
        return Newer(batch)
    stored = dict(_stored(store, scope, batch.resources))
    kept, told, unchanged = [], dict[str, int](), 0
    for resource in batch.resources:
        held = stored.get(_key(resource))
        answer = age.order(held, resource) if held is not None else "newer"
        if answer == "same":
            unchanged += 1
        if answer in ("newer", "unknown"):
            kept.append(resource)
        if answer in ("older", "unknown"):
            what = f"{resource['resourceType']} {_OLDER if answer == 'older' else _UNTOLD}"
            told[what] = told.get(what, 0) + 1
    losses = (*batch.losses, *(f"{count} {what}" for what, count in told.items()))
    return Newer(replace(batch, resources=tuple(kept), losses=losses), unchanged)


def _key(resource: Mapping[str, Any]) -> tuple[str, str]:
    return str(resource["resourceType"]), str(resource["id"])


def _stored(
    store: Store, scope: Grant, resources: Iterable[Mapping[str, Any]]
) -> Iterable[tuple[tuple[str, str], Mapping[str, Any]]]:
    """What the record holds under the types and ids of ``resources``."""
    by_type: dict[str, list[str]] = {}
    for resource in resources:
        kind, name = _key(resource)
        by_type.setdefault(kind, []).append(name)
    for kind, names in by_type.items():
        for start in range(0, len(names), AT_ONCE):
            for found in store.read(scope, (kind,), names[start : start + AT_ONCE]):
                yield _key(found.body), found.body
