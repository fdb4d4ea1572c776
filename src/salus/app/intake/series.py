"""Blocks of readings that meet those in the record: both are kept as one, and nothing is in it twice.

Whoever files needs no right to read: the house reads the block of the same series and day, joins the two and writes the
result. What it found is told to nobody. Where somebody else writes such a block in between, it is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from salus.errors import InputError, StoreError
from salus.fhir import series
from salus.fhir.views import CATEGORIES, PERSON
from salus.intake.batch import Batch
from salus.record.reading import Stored
from salus.record.store import Store, Written
from salus.trust.grants import Grant

AT_ONCE = 500
"""How many blocks one look into the record asks for."""
TRIES = 5
_OTHER = "readings not taken: the record holds something else in the place of their block"
_Blocks = Mapping[str, dict[str, Any]]
Write = Callable[[Batch, Callable[[], None]], Written]
"""Writes a batch; what it is given besides is called in the transaction, and raises where the batch is outdated."""


class _Meanwhile(Exception):
    """Somebody else wrote one of the blocks."""


def split(batch: Batch) -> tuple[Batch, list[dict[str, Any]]]:
    """The batch without its blocks of readings, and the blocks."""
    blocks = [body for body in batch.resources if series.is_block(body)]
    rest = tuple(body for body in batch.resources if not series.is_block(body)) if blocks else batch.resources
    return replace(batch, resources=rest), blocks


def filed(
    store: Store, patient: str, batch: Batch, blocks: Iterable[dict[str, Any]], view: Grant | None, write: Write
) -> Written:
    """Write ``batch`` with ``blocks`` joined to those that the patient's record holds.

    ``view`` is what whoever files may know of the record (None: all). Raises StoreError where others keep writing.
    """
    brought = {str(block["id"]): block for block in blocks}
    if not brought:
        return write(batch, lambda: None)
    scope = Grant("intake", patient, "service", frozenset({*CATEGORIES, PERSON}), may_write=False, purpose="comparison")
    for _ in range(TRIES):
        joined, unchanged, losses, versions = _joined(store, scope, brought, view)
        met = replace(batch, resources=(*batch.resources, *joined), losses=(*batch.losses, *losses))

        def check(expected: Mapping[str, int] = versions) -> None:
            if _versions(store, scope, brought) != expected:
                raise _Meanwhile

        try:
            written = write(met, check)
        except _Meanwhile:
            continue
        return replace(written, unchanged=written.unchanged + unchanged)
    raise StoreError("others keep writing these readings", remedy="take the source in again")


def _joined(
    store: Store, scope: Grant, brought: _Blocks, view: Grant | None
) -> tuple[list[dict[str, Any]], int, list[str], dict[str, int]]:
    """The blocks to write, how many stand in the record as they are, what is lost, and the versions that were met."""
    held = {str(stored.body["id"]): stored for stored in _held(store, scope, brought)}
    made: list[dict[str, Any]] = []
    unchanged = lost = 0
    for name, block in brought.items():
        if name not in held:
            made.append(block)
            continue
        try:
            both = series.merged(held[name].body, block)
        except InputError:
            lost += len(series.Block(block)) if _known(held[name], view) else 0
            continue
        if both == held[name].body and _known(held[name], view):
            unchanged += 1
        else:
            made.append(both)
    return made, unchanged, [f"{lost} {_OTHER}"] if lost else [], {n: s.source.version for n, s in held.items()}


def _known(held: Stored, view: Grant | None) -> bool:
    """Whether whoever files may know that a block is there: one that is hidden is written as if it were new."""
    if view is None:
        return True
    return held.categories - {PERSON} <= view.categories and view.shows(held.source.ref, held.source.version)


def _held(store: Store, scope: Grant, brought: _Blocks) -> Iterator[Stored]:
    if not store.exists(scope):
        return
    names = list(brought)
    for start in range(0, len(names), AT_ONCE):
        yield from store.read(scope, ("Observation",), names[start : start + AT_ONCE])


def _versions(store: Store, scope: Grant, brought: _Blocks) -> dict[str, int]:
    """The versions of the blocks that stand in the record, by id. Nothing is opened that was not opened before."""
    if not store.exists(scope):
        return {}
    names, found = list(brought), dict[str, int]()
    for start in range(0, len(names), AT_ONCE):
        listed = store.listed(scope, "Observation", (), names[start : start + AT_ONCE])
        found.update((ref.partition("/")[2], version) for ref, version in listed)
    return found
