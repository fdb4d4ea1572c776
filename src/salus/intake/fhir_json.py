"""FHIR JSON of any release: a Bundle, a single resource, or one of either a line (ndjson). A Bundle holds one patient.

What is read is R4 when it leaves here (see :mod:`salus.fhir.releases`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from salus.errors import InputError
from salus.fhir import dates, json
from salus.formats.content import File
from salus.intake import fhir_file
from salus.intake.age import newest
from salus.intake.attribute import from_server, identifiers, without_addresses
from salus.intake.batch import Batch, Clues
from salus.intake.fhir_bundle import NOT_READ, Found, found_in
from salus.intake.fhir_links import Address, Linked, address, linked
from salus.intake.fhir_sift import sifted, subject_elements, subject_identifiers
from salus.intake.servers import with_origins

KIND = "fhir"
_DATE_KEYS = frozenset(
    {
        "birthDate", "deceasedDateTime", "effectiveDateTime", "effectiveInstant", "issued", "onsetDateTime",
        "abatementDateTime", "recordedDate", "performedDateTime", "authoredOn", "dateAsserted", "occurrenceDateTime",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a file from elsewhere: where its resource was fetched, the FHIR release it is in, and on whose
    device it lay."""

    url: str = ""
    release: str = ""
    owner: Clues | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One file, Bundle or request: its resources with references resolved, and what was lost on the way."""

    path: Path
    resources: tuple[Linked, ...]
    losses: tuple[str, ...]
    digest: str


def read(file: File, origin: Origin | None = None) -> Iterator[Batch]:
    """One JSON file. Raises InputError saying where when it is not FHIR JSON or names several patients."""
    yield batch_of(source_of(file, origin))


def source_of(file: File, origin: Origin | None = None) -> Source:
    """One JSON file with its references resolved. Raises InputError."""
    known = origin or Origin()
    found = found_in(json.loads(fhir_file.content(file)), url=known.url, release=known.release)
    return _source(file.path, found, file.sha256.hex())


def of_value(value: Any, name: str, own_base: str = "") -> Batch:
    """A parsed resource or Bundle that came over the network; ``name`` is what its Provenance calls it.

    ``own_base`` is this server's own address. Relative references are to this record. Raises InputError.
    """
    digest = hashlib.sha256(json.dumps(value, canonical=True)).hexdigest()
    found = found_in(value)
    resources, told = linked(found.entries, own_base)
    here = tuple(replace(each, base="", homes={}, address="") for each in resources)
    return batch_of(Source(Path(name), here, (*found.losses, *told), digest))


def read_lines(file: File) -> Iterator[Batch]:
    """One JSON value a line: each Bundle is a batch; lines of single resources are one for each patient."""
    bundles, single = sources_of_lines(file)
    yield from (batch_of(source) for source in bundles)
    yield from (batch_of(source) for source in by_subject(single))


def sources_of_lines(file: File) -> tuple[list[Source], Source]:
    """The Bundles of a file of lines, and its single resources together. Raises InputError naming the line."""
    bundles: list[Source] = []
    single = Found()
    for number, line in fhir_file.lines(file):
        try:
            value = json.loads(line)
            if isinstance(value, dict) and value.get("resourceType") == "Bundle":
                bundles.append(_source(file.path, found_in(value), hashlib.sha256(line).hexdigest()))
            else:
                found = found_in(value)
                single.entries += found.entries
                for what, count in found.lost.items():
                    single.lost[what] = single.lost.get(what, 0) + count
        except InputError as error:
            raise error.at(f"line {number}") from error
    return bundles, _source(file.path, single, "")


def _source(path: Path, found: Found, digest: str) -> Source:
    resources, told = linked(found.entries)
    return Source(path, tuple(_with_origin(each) for each in resources), (*found.losses, *told), digest)


def _with_origin(each: Linked) -> Linked:
    """Every resource remembers its address on its server; where it tells none, its subject's server is taken for it.

    A Patient remembers in an extension of its own under which address its server knows the person.
    """
    body = each.resource
    there = each.address or next((f"{s.base}/{body['resourceType']}/{body['id']}" for s in _told(body)), "")
    body = with_origins(body, [there]) if there else body
    if body["resourceType"] != "Patient" or not each.base:
        return each if body is each.resource else replace(each, resource=body)
    person = from_server(without_addresses(body), f"{each.base}/Patient/{body['id']}")
    return replace(each, resource=person)


# ---- whose


def subjects_of(resource: Mapping[str, Any]) -> set[str]:
    """The ids of the Patients of this record that a resource names as its subject; usually one, or none."""
    return {found.id for found in _subjects(resource) if not found.base}


def subject_of(resource: Mapping[str, Any]) -> str:
    """The id of the Patient of this record that a resource names as its subject, else ""."""
    return min(subjects_of(resource), default="")


def _told(resource: Mapping[str, Any]) -> list[Address]:
    """The subject of a resource where it is one of a server that is told."""
    found = [s for s in _subjects(resource) if s.base]
    return found if len(found) == 1 else []


def _subjects(resource: Mapping[str, Any]) -> set[Address]:
    """The Patients that a resource names as its subject, those of other servers with their base."""
    written = (e.get("reference") for e in subject_elements(resource))
    found = (address(r.partition("|")[0]) for r in written if isinstance(r, str))
    return {each for each in found if each is not None and each.kind == "Patient"}


def people_of(each: Linked) -> set[Address]:
    """Whom a resource is about: its subjects, or a Patient itself. A relative reference is to its own server."""
    if each.resource["resourceType"] == "Patient":
        return {Address(each.base, "Patient", str(each.resource["id"]))}
    subjects = _subjects(each.resource)
    return {Address(s.base or each.homes.get(f"Patient/{s.id}", each.base), s.kind, s.id) for s in subjects}


def by_subject(source: Source) -> list[Source]:
    """The resources of single lines by whom they are about; those about nobody together."""
    groups: dict[Address | None, list[Linked]] = {}
    for each in source.resources:
        groups.setdefault(min(people_of(each), key=repr, default=None), []).append(each)
    found: list[Source] = []
    for group in groups.values():
        digest = hashlib.sha256(b"".join(json.dumps(r.resource, canonical=True) for r in group)).hexdigest()
        found.append(Source(source.path, tuple(group), () if found else source.losses, digest))
    return found or ([source] if source.losses else [])


# ---- batches


def batch_of(source: Source) -> Batch:
    """One batch. Raises InputError where the source names several patients, or only what is not taken."""
    bodies = [each.resource for each in source.resources]
    patients = [r for r in bodies if r["resourceType"] == "Patient"]
    person = _one_person(source.resources)
    patient = newest(patients)[-1] if patients else None
    kept, left = sifted(bodies)
    named = {i for r in kept for i in subject_identifiers(r)}
    absolute = bool(person.base) and any(s.base for each in source.resources for s in _subjects(each.resource))
    return Batch(
        kind=KIND,
        sources=(source.path,),
        clues=Clues(
            reference=person.id,
            base=person.base,
            absolute=absolute and patient is None,
            identifiers=(*identifiers(patient or {}), *sorted(named)),
            birth_date=str(patient.get("birthDate", "")) if patient else "",
            sex=str(patient.get("gender", "")) if patient else "",
        ),
        resources=tuple(newest(kept)),
        losses=(*source.losses, *left, *_unreadable_dates(kept)),
        patient=patient,
        sha256=source.digest,
    )


_NOBODY = Address("", "Patient", "")


def _one_person(resources: Sequence[Linked]) -> Address:
    """The one patient whom the resources are about. Raises InputError where there are several."""
    people = {person for each in resources for person in people_of(each)}
    told = {(p.base, p.id) for p in people if p.base}
    people = {p for p in people if p.base or not any(name == p.id for _, name in told)}
    if len(people) > 1:
        raise InputError(
            f"the file names {len(people)} patients", remedy="one Bundle holds one patient; split it or use ndjson"
        )
    return next(iter(people), _NOBODY)


def _unreadable_dates(resources: Iterable[Mapping[str, Any]]) -> list[str]:
    losses = []
    for resource in resources:
        for key in _DATE_KEYS & resource.keys():
            try:
                dates.parse(resource[key])
            except InputError as error:
                losses.append(f"{resource['resourceType']}.{key}: {error.what}; the element is kept but not read")
    return losses


__all__ = ["NOT_READ", "Origin", "Source", "batch_of", "by_subject", "of_value", "read", "read_lines", "source_of"]
