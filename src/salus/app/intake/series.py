"""Joining blocks of readings with those of the record, so that each reading is in it once.

Whoever files needs no right to read: the house reads the block of the same series and day, joins the two and writes the
result. What it found is told to nobody. Where somebody else writes such a block in between, the join is done again. A
block that says more than its readings (one with a note) is not changed: further readings of its stretch of time go into
a block beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from salus.errors import InputError, StoreError
from salus.fhir import series
from salus.fhir.views import PERSON
from salus.intake.batch import Batch
from salus.record.facts import USABLE_STATUS
from salus.record.reading import Stored
from salus.record.store import Store, Written
from salus.trust.grants import Grant

AT_ONCE = 500
"""How many blocks one look into the record asks for."""
TRIES = 5
_OTHER = "readings not taken: the record holds something else in the place of their block"
Write = Callable[[Batch, Callable[[], None]], Written]
"""Writes a batch. Its second argument is to be called in the transaction, and raises where the batch is outdated."""


@dataclass(slots=True)
class Joined:
    """Blocks to be written, how many the record holds already, and how many readings cannot be kept."""

    made: list[dict[str, Any]] = field(default_factory=list)
    unchanged: int = 0
    lost: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)
    """Blocks for which the record has no place, also where whoever files may not know why."""


class _Meanwhile(Exception):
    """Somebody else wrote one of the blocks."""


def split(batch: Batch) -> tuple[Batch, list[dict[str, Any]]]:
    """The batch without its blocks of readings, and the blocks."""
    blocks = [body for body in batch.resources if series.is_block(body)]
    rest = tuple(body for body in batch.resources if not series.is_block(body)) if blocks else batch.resources
    return replace(batch, resources=rest), blocks


def filed(
    store: Store, scope: Grant, batch: Batch, blocks: Iterable[dict[str, Any]], view: Grant | None, write: Write
) -> Written:
    """Write ``batch`` with ``blocks`` joined to those that the patient's record holds, as ``scope`` shows it.

    ``view`` is what whoever files may know of the record (None: all). Raises StoreError where others keep writing.
    """
    brought = list(blocks)
    if not brought:
        return write(batch, lambda: None)

    def write_with(joined: Joined, check: Callable[[], None]) -> Written:
        losses = [f"{joined.lost} {_OTHER}"] if joined.lost else []
        met = replace(batch, resources=(*batch.resources, *joined.made), losses=(*batch.losses, *losses))
        return write(met, check)

    written, joined = joining(store, scope, brought, view, write_with)
    return replace(written, unchanged=written.unchanged + joined.unchanged)


def joining(
    store: Store,
    scope: Grant,
    brought: Sequence[dict[str, Any]],
    view: Grant | None,
    write: Callable[[Joined, Callable[[], None]], Written],
) -> tuple[Written, Joined]:
    """Join blocks to those of the record, as ``scope`` shows it, and write them.

    Where somebody else writes one of the blocks in between, it is done again, a few times. ``write`` gets the joined
    blocks and a check, which it has to call inside its transaction. Raises StoreError where others keep writing.
    """
    places = [series.ids_for(block, f"Patient/{scope.patient}") for block in brought]
    names = [name for ids in places for name in ids]
    for _ in range(TRIES):
        held = {str(stored.body["id"]): stored for stored in held_of(store, scope, names)}
        joined, versions = Joined(), {name: stored.source.version for name, stored in held.items()}
        for block, ids in zip(brought, places, strict=True):
            _join(block, ids, held, view, joined)

        def check(expected: Mapping[str, int] = versions) -> None:
            if _versions(store, scope, names) != expected:
                raise _Meanwhile

        try:
            return write(joined, check), joined
        except _Meanwhile:
            continue
    raise StoreError("others keep writing these readings", remedy="take the source in again")


def _join(
    block: dict[str, Any], ids: Sequence[str], held: Mapping[str, Stored], view: Grant | None, joined: Joined
) -> None:
    """Find the place of one block: joined to a block of the record, beside one that says more, or in a free place."""
    former, *own = ids
    for name in ids if former in held else own:
        if name not in held:
            joined.made.append(series.renamed(block, name))
            return
        found = held[name]
        try:
            if found.body.get("status") not in USABLE_STATUS or "modifierExtension" in found.body:
                raise InputError("withdrawn")
            if series.is_block(found.body) and (series.says_more(found.body) or series.says_more(block)):
                remaining = series.rest(block, found.body)
                if remaining is None:
                    _stands(found, view, joined)
                    return
                block = block if series.says_more(block) else remaining
                continue
            both = series.merged(found.body, block)
        except InputError:
            break
        if both == found.body:
            _stands(found, view, joined)
        else:
            joined.made.append(both)
        return
    joined.refused.append(block)
    joined.lost += len(series.Block(block)) if all(_known(held[n], view) for n in ids if n in held) else 0


def _stands(found: Stored, view: Grant | None, joined: Joined) -> None:
    """Note a block of the record that holds all of the new readings already."""
    if _known(found, view):
        joined.unchanged += 1
    else:
        joined.made.append(dict(found.body))


def _known(held: Stored, view: Grant | None) -> bool:
    """Whether whoever files may know that a block is there: one that is hidden is written as if it were new."""
    if view is None:
        return True
    return held.categories - {PERSON} <= view.categories and view.shows(held.source.ref, held.source.version)


def held_of(store: Store, scope: Grant, names: Sequence[str]) -> Iterator[Stored]:
    """The Observations that the patient's record holds under these ids, as ``scope`` shows them."""
    if not store.exists(scope):
        return
    for start in range(0, len(names), AT_ONCE):
        yield from store.read(scope, ("Observation",), names[start : start + AT_ONCE])


def _versions(store: Store, scope: Grant, names: Sequence[str]) -> dict[str, int]:
    """The versions of the blocks that stand in the record, by id. Nothing is opened that was not opened before."""
    if not store.exists(scope):
        return {}
    found = dict[str, int]()
    for start in range(0, len(names), AT_ONCE):
        listed = store.listed(scope, "Observation", (), names[start : start + AT_ONCE])
        found.update((each.ref.partition("/")[2], each.version) for each in listed)
    return found
