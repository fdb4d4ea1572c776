"""The FHIR files of one run together: what names nobody goes with the patients whose resources refer to it.

Bulk exports write one file a type, and practitioners, places and medicines in files of their own (FHIR Bulk Data
Access, "Export": references are resolved within the file set). Nothing of a patient waits here: only what is about
nobody is held until the last file is read. Of what nothing in the run refers to, :mod:`salus.app.intake.shared` asks
the record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from salus.errors import InputError
from salus.fhir import json
from salus.formats.content import File
from salus.intake import fhir_json
from salus.intake.batch import Batch, Clues
from salus.intake.fhir_json import Origin, Source
from salus.intake.fhir_links import Linked, unversioned
from salus.intake.fhir_sift import SHARED, names_nobody

MAX_HELD = 200_000
"""Resources about nobody that one run may bring."""
Person = tuple[str, str]
"""The base of a patient's server and the id there."""


@dataclass(slots=True)
class _Owner:
    """What one patient's resources refer to among the types that are about nobody, and what they are called."""

    clues: Clues
    refers: set[str] = field(default_factory=set)
    holds: set[str] = field(default_factory=set)


class FileSet:
    """Reads the FHIR files of one run; ``origins`` tell of single files where they were fetched and their release."""

    def __init__(self, origins: Mapping[Path, Origin] | None = None) -> None:
        self._origins = origins or {}
        self._nobodys: dict[Path, list[Linked]] = {}
        self._held = 0
        self._owners: dict[Person, _Owner] = {}

    def read(self, file: File) -> Iterator[Batch]:
        """The batches of one JSON file. Raises InputError like :func:`salus.intake.fhir_json.read`."""
        origin = self._origins.get(file.path)
        for batch in self._batches([fhir_json.source_of(file, origin)]):
            yield replace(batch, listed=origin.owner) if origin else batch

    def read_lines(self, file: File) -> Iterator[Batch]:
        """The batches of one file of lines."""
        bundles, single = fhir_json.sources_of_lines(file)
        yield from self._batches([*bundles, *fhir_json.by_subject(single)])

    def rest(self) -> Iterator[Batch]:
        """What is about nobody: a batch for each file and patient that refers to it, and one for what is left.

        Whether records of earlier runs refer to what is left, the store has to tell.
        """
        pool = {_name(each): each for group in self._nobodys.values() for each in group}
        wanted = {person: _closure(owner, pool) for person, owner in self._owners.items()}
        for path, group in self._nobodys.items():
            left = {_name(each): each for each in group}
            for person, owner in self._owners.items():
                mine = [each for each in group if _name(each) in wanted[person]]
                if mine:
                    yield _shared(path, mine, owner.clues)
                for each in mine:
                    left.pop(_name(each), None)
            if left:
                yield _shared(path, list(left.values()), Clues())

    def _batches(self, sources: list[Source]) -> Iterator[Batch]:
        """The batches of what is about somebody; what is not is held. A file is held whole or not at all."""
        held: list[tuple[Path, Linked]] = []
        found: list[tuple[Source, Batch]] = []
        for source in sources:
            if any(fhir_json.people_of(each) for each in source.resources):
                found.append((source, fhir_json.batch_of(source)))
                continue
            nobodys = [each for each in source.resources if self._is_shared(each)]
            rest = tuple(each for each in source.resources if not self._is_shared(each))
            held += [(source.path, each) for each in nobodys]
            if rest or not nobodys or source.losses:
                left = replace(source, resources=rest)
                found.append((left, replace(fhir_json.batch_of(left), shared=not rest)))
        for path, each in held:
            self._hold(path, each)
        for source, batch in found:
            self._learn(source, batch)
            yield batch

    @staticmethod
    def _is_shared(each: Linked) -> bool:
        return each.resource["resourceType"] in SHARED and names_nobody(each.resource)

    def _hold(self, path: Path, each: Linked) -> None:
        self._held += 1
        if self._held > MAX_HELD:
            raise InputError(f"more than {MAX_HELD:,} resources that are about nobody", remedy="take in fewer at once")
        self._nobodys.setdefault(path, []).append(each)

    def _learn(self, source: Source, batch: Batch) -> None:
        """Remember what a patient's resources refer to, and what of them others may refer to."""
        if not batch.clues.reference:
            return
        person = (batch.clues.base, batch.clues.reference)
        owner = self._owners.setdefault(person, _Owner(Clues(batch.clues.reference, batch.clues.base)))
        for each in source.resources:
            owner.holds.add(_name(each))
            owner.refers.update(r for r in each.refers if r.partition("/")[0] in SHARED)


def _name(each: Linked) -> str:
    return f"{each.resource['resourceType']}/{each.resource['id']}"


def _closure(owner: _Owner, pool: Mapping[str, Linked]) -> set[str]:
    """What a patient's resources lead to among ``pool``, step by step, and what of it says something of them."""
    found = {unversioned(r) for r in owner.refers} & pool.keys()
    for name, each in pool.items():
        if each.resource["resourceType"] == "Provenance" and owner.holds & set(_targets(each.resource)):
            found.add(name)
    waiting = list(found)
    while waiting:
        for reference in pool[waiting.pop()].refers:
            if reference in pool and reference not in found:
                found.add(reference)
                waiting.append(reference)
    return found


def _targets(provenance: Mapping[str, Any]) -> Iterator[str]:
    targets = provenance.get("target")
    for target in targets if isinstance(targets, list) else ():
        if isinstance(target, dict) and isinstance(target.get("reference"), str):
            yield target["reference"]


def _shared(path: Path, group: list[Linked], clues: Clues) -> Batch:
    source = Source(path, tuple(group), (), digest_of(each.resource for each in group))
    return replace(fhir_json.batch_of(source), clues=clues, shared=True)


def digest_of(resources: Iterable[Mapping[str, Any]]) -> str:
    """The SHA-256 of resources that came in a file together with others, in hex."""
    return hashlib.sha256(b"".join(json.dumps(each, canonical=True) for each in resources)).hexdigest()
