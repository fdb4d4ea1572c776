"""What somebody who files may learn of a record: nothing about what is not released to them.

Operators are told everything, since they keep the record and its quarantine. Anybody else could choose the ids and
references of a source so that its outcome tells of something hidden. Two rules prevent it. A reference by which a
resource gets the kinds of another (:func:`targets_of`) may lead only to what is released to whoever files, came with
the source, or was filed by them earlier in the same run. And a resource under an id that is not released to them is
kept under a new id of their own, whether something hidden has that id or nothing has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from salus.errors import InputError
from salus.fhir.categories import targets_of
from salus.intake.batch import Batch
from salus.intake.fhir_links import address, id_for, references, relinked, under, unversioned
from salus.record.store import Store
from salus.trust.grants import Grant

AT_ONCE = 500
"""How many ids one look into the record asks for."""
_APART = "filed under an id of its own: what it came under is not released to you"


class NotReleased(InputError):
    """A source refers, for its content, to what is hidden or absent: one answer to both."""


def released(store: Store, view: Grant, refs: Collection[str]) -> set[str]:
    """Which of ``refs`` ("Type/id") stand in the record and are released. All are asked for at once."""
    names = sorted({ref.partition("/")[2] for ref in refs})
    kinds = sorted({ref.partition("/")[0] for ref in refs})
    if not view.categories or not names or not store.exists(view):
        return set()
    parts = (names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE))
    return {s.source.ref for part in parts for s in store.read(view, kinds, part)} & set(refs)


def check_targets(store: Store, view: Grant, batch: Batch, filed: Collection[str]) -> None:
    """Raise NotReleased where a resource refers for its content to what is neither released, brought nor ``filed``."""
    brought = _brought(batch)
    asked = {(t, body["resourceType"]) for body in batch.resources for t in targets_of(body)}
    asked = {(t, kind) for t, kind in asked if t not in brought and t not in filed}
    known = released(store, view, {target for target, _ in asked})
    for _, kind in sorted((t, kind) for t, kind in asked if t not in known):
        raise NotReleased(
            "a reference to nothing that is released to you", kind, "file it together with what it refers to"
        )


def set_apart(store: Store, view: Grant, batch: Batch, filed: Collection[str]) -> Batch:
    """``batch`` with new ids, the filer's own, for whatever came under an id that is not released to him.

    References are changed with them, also those to what he filed in this way before, in this run or where it is
    released to him.
    """
    brought = _brought(batch)
    leading = [set(_local(references(body))) for body in batch.resources]
    named = brought.union(*leading)
    own = {ref: f"{ref.partition('/')[0]}/{id_for(f'{view.actor} {ref}')}" for ref in named}
    known = released(store, view, {*named, *own.values()}) | set(filed)
    moved = {ref: own[ref] for ref in named - known if ref in brought or own[ref] in known}
    if not moved:
        return batch
    bodies = tuple(_moved(body, moved, refs) for body, refs in zip(batch.resources, leading, strict=True))
    told: dict[str, int] = {}
    for ref in brought & moved.keys():
        told[ref.partition("/")[0]] = told.get(ref.partition("/")[0], 0) + 1
    losses = (f"{count} {kind} {_APART}" for kind, count in sorted(told.items()))
    person = next((body for body in bodies if body["resourceType"] == "Patient"), None)
    return replace(batch, resources=bodies, patient=person, losses=(*batch.losses, *losses))


def _moved(body: dict[str, Any], moved: dict[str, str], refs: set[str]) -> dict[str, Any]:
    """A resource under its new id, with those of ``refs`` that lead to what has a new id."""
    old = body["id"]
    if refs & moved.keys():
        body = relinked(body, lambda ref: moved.get(unversioned(ref), ref))
    return under(body, old, moved.get(f"{body['resourceType']}/{old}", f"/{old}").partition("/")[2])


def _brought(batch: Batch) -> set[str]:
    """What the batch brings, other than the patient, whom attribution looks after."""
    return {f"{r['resourceType']}/{r['id']}" for r in batch.resources if r["resourceType"] != "Patient"}


def _local(refs: Iterable[str]) -> Iterator[str]:
    for ref in refs:
        found = address(ref)
        if found is not None and not found.base and found.kind != "Patient":
            yield f"{found.kind}/{found.id}"
