"""FHIR R4 JSON: a Bundle, a single resource, or one of either a line (ndjson). A Bundle holds one patient."""

from __future__ import annotations

import gzip
import hashlib
import re
import uuid
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from salus.errors import InputError
from salus.fhir import dates, json
from salus.fhir.views import OWN_ID, TAG_SETTING
from salus.formats.content import File
from salus.intake.attribute import identifiers
from salus.intake.batch import Batch, Clues

MAX_BYTES = 64 << 20
MAX_LINE = 64 << 20
MAX_LINES = 2_000_000
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_TYPE = re.compile(r"[A-Z][A-Za-z]{2,40}\Z")
_PATIENT = re.compile(r"(?:\A|/)Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64}|\|[^/]*)?\Z")
_NAMESPACE = uuid.UUID("2c8bd0a5-6e7e-5f0f-9b58-1d3f4f6d2a61")
_NOT_TAKEN = {
    "Consent": "consents are given with: salus consent give",
    "AuditEvent": "the record keeps its own log",
}
_SUBJECT_KEYS = ("subject", "patient", "beneficiary", "individual", "for")
_OWN = "urn:salus:"
_OWN_SUFFIXES = ("-signature", "-provenance")
_DATE_KEYS = frozenset(
    {
        "birthDate", "deceasedDateTime", "effectiveDateTime", "effectiveInstant", "issued", "onsetDateTime",
        "abatementDateTime", "recordedDate", "performedDateTime", "authoredOn", "dateAsserted", "occurrenceDateTime",
    }
)  # fmt: skip


def read(path: Path) -> Iterator[Batch]:
    """One JSON file. Raises InputError saying where when it is not FHIR R4 JSON or names several patients."""
    value = json.loads(_content(path))
    yield _batch(path, _resources(value), File(path).sha256.hex())


def of_value(value: Any, name: str) -> Batch:
    """A parsed resource or Bundle that came otherwise than as a file; ``name`` is what its Provenance calls it.

    Raises InputError like :func:`read`.
    """
    return _batch(Path(name), _resources(value), hashlib.sha256(json.dumps(value, canonical=True)).hexdigest())


def read_lines(path: Path) -> Iterator[Batch]:
    """One JSON value a line: each Bundle is a batch; lines of single resources together are one."""
    single: list[dict[str, Any]] = []
    for number, line in _lines(path):
        try:
            value = json.loads(line)
            if isinstance(value, dict) and value.get("resourceType") == "Bundle":
                yield _batch(path, _resources(value), hashlib.sha256(line).hexdigest())
            else:
                single.extend(_resources(value))
        except InputError as error:
            raise error.at(f"line {number}") from error
    if single:
        for group in _by_subject(single):
            digest = hashlib.sha256(b"".join(json.dumps(r, canonical=True) for r in group)).hexdigest()
            yield _batch(path, group, digest)


def _content(path: Path) -> bytes:
    data = File(path).read(MAX_BYTES)
    if data[:2] != b"\x1f\x8b":
        return data
    plain = bytearray()
    while data.strip(b"\0"):  # one member after the other, as bgzip writes them
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            plain += unpacker.decompress(data, MAX_BYTES - len(plain) + 1)
        except zlib.error as error:
            raise InputError("damaged gzip data", remedy="compress it again") from error
        if not unpacker.eof or len(plain) > MAX_BYTES:
            raise InputError("the gzip data are cut off or too large", remedy=f"at most {MAX_BYTES:,} bytes are read")
        data = unpacker.unused_data
    return bytes(plain)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as stream:
        opener = gzip.open if stream.read(2) == b"\x1f\x8b" else open
    try:
        with opener(path, "rb") as stream:
            number = total = 0
            while line := stream.readline(MAX_LINE):
                number += 1
                if number > MAX_LINES:
                    raise InputError(f"more than {MAX_LINES:,} lines", remedy="split the file by patient")
                total += len(line)
                if total > MAX_BYTES:
                    raise InputError(
                        f"more than {MAX_BYTES:,} bytes", where=f"line {number}", remedy="split the file by patient"
                    )
                if len(line) >= MAX_LINE:
                    raise InputError(f"a line of more than {MAX_LINE:,} bytes", where=f"line {number}")
                if line.strip():
                    yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError("the gzip data are cut off or damaged", remedy="compress it again") from error


def _resources(value: Any) -> list[dict[str, Any]]:
    """The resources in a parsed file, references by fullUrl turned into references by id."""
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        raise InputError("not a FHIR resource: no resourceType", remedy="a Bundle or a single resource is read")
    if value["resourceType"] != "Bundle":
        return [_checked(value, "resource")]
    if value.get("type") == "history":
        raise InputError("a history Bundle: which version is in force is not told", where="Bundle.type")
    entries = value.get("entry", [])
    if not isinstance(entries, list):
        raise InputError("entry is not a list", where="Bundle.entry")
    found: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for number, entry in enumerate(entries):
        where = f"Bundle.entry[{number}]"
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            raise InputError("an entry without a resource", where=where)
        resource = _checked(resource, f"{where}.resource")
        if resource["resourceType"] == "Bundle":
            raise InputError("a Bundle inside a Bundle", where=where, remedy="take each in by itself")
        if isinstance(entry.get("fullUrl"), str):
            names[entry["fullUrl"]] = f"{resource['resourceType']}/{resource['id']}"
        found.append(resource)
    return [_relink(resource, names) for resource in found]


def _checked(resource: dict[str, Any], where: str) -> dict[str, Any]:
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or not _TYPE.match(kind):
        raise InputError("not a FHIR resource: no resourceType", where=where)
    name = resource.get("id")
    if name is None:
        digest = hashlib.sha256(json.dumps(resource, canonical=True)).hexdigest()
        return {"resourceType": kind, "id": str(uuid.uuid5(_NAMESPACE, digest)), **resource}
    if not isinstance(name, str) or not _ID.match(name):
        raise InputError("an id that FHIR does not allow", where=f"{where}.id", remedy="letters, digits, '-' and '.'")
    return resource


def _relink(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            k: names.get(v, v) if k == "reference" and isinstance(v, str) else _relink(v, names)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_relink(item, names) for item in value]
    return value


def _subject_references(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key in _SUBJECT_KEYS:
        element = resource.get(key)
        for item in element if isinstance(element, list) else [element]:
            if isinstance(item, dict):
                yield item


def subjects_of(resource: dict[str, Any]) -> set[str]:
    """The ids of the Patients that a resource names as its subject; usually one, or none."""
    found = set()
    for element in _subject_references(resource):
        reference = element.get("reference")
        match = _PATIENT.search(reference) if isinstance(reference, str) else None
        if match:
            found.add(match[1])
    return found


def subject_of(resource: dict[str, Any]) -> str:
    """The id of the Patient that a resource names as its subject, else ""."""
    return min(subjects_of(resource), default="")


def _elsewhere(resource: dict[str, Any]) -> bool:
    """True for a resource about a group, a device, a place, or a subject that the file does not resolve."""
    references = [e["reference"] for e in _subject_references(resource) if isinstance(e.get("reference"), str)]
    return any(not _PATIENT.search(r) and not _contained_patient(resource, r) for r in references)


def _contained_patient(resource: dict[str, Any], reference: str) -> dict[str, Any]:
    """The Patient inside ``resource`` that "#id" refers to; {} where there is none."""
    inner = resource.get("contained")
    for item in inner if isinstance(inner, list) else ():
        named = isinstance(item, dict) and f"#{item.get('id')}" == reference
        if named and item.get("resourceType") == "Patient":
            return dict(item)
    return {}


def _subject_identifiers(resource: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Identifiers by which a resource names its subject besides, or instead of, a reference."""
    for element in _subject_references(resource):
        if element.get("type", "Patient") == "Patient":
            yield from identifiers({"identifier": [element.get("identifier")]})
        yield from identifiers(_contained_patient(resource, str(element.get("reference"))))


def _carries_own_marks(resource: dict[str, Any]) -> bool:
    """True for what only salus itself writes: findings, blob documents, proofs of signatures and origins.

    Were it taken from a file, anybody could forge a finding, or undo a consent by overwriting its signature.
    """
    if str(resource["id"]).startswith(OWN_ID):
        return True
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    extensions = resource.get("extension")
    marks = [t.get("system") for t in (tags if isinstance(tags, list) else ()) if isinstance(t, dict)]
    marks = [m for m in marks if m != TAG_SETTING]
    marks += [e.get("url") for e in (extensions if isinstance(extensions, list) else ()) if isinstance(e, dict)]
    if resource["resourceType"] == "Provenance":
        targets = resource.get("target")
        references = [t.get("reference") for t in (targets if isinstance(targets, list) else ()) if isinstance(t, dict)]
        if resource["id"].endswith(_OWN_SUFFIXES) or any(str(r).startswith("Consent/") for r in references):
            return True
    return any(str(mark).startswith(_OWN) for mark in marks)


def _by_subject(resources: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for resource in resources:
        own = str(resource["id"]) if resource["resourceType"] == "Patient" else subject_of(resource)
        groups.setdefault(own, []).append(resource)
    return list(groups.values())


def _batch(path: Path, resources: list[dict[str, Any]], digest: str) -> Batch:
    patients = [r for r in resources if r["resourceType"] == "Patient"]
    subjects = {s for r in resources for s in subjects_of(r)} | {str(p["id"]) for p in patients}
    if len(subjects) > 1:
        raise InputError(
            f"the file names {len(subjects)} patients", remedy="one Bundle holds one patient; split it or use ndjson"
        )
    patient = patients[-1] if patients else None
    kept, losses = _sifted(resources)
    named = {i for r in kept for i in _subject_identifiers(r)}
    return Batch(
        kind="fhir",
        sources=(path,),
        clues=Clues(
            reference=next(iter(subjects), ""),
            identifiers=(*identifiers(patient or {}), *sorted(named)),
            birth_date=str(patient.get("birthDate", "")) if patient else "",
            sex=str(patient.get("gender", "")) if patient else "",
        ),
        resources=tuple(_latest(kept)),
        losses=(*losses, *_unreadable_dates(kept), *_unknown_modifiers(kept)),
        patient=patient,
        sha256=digest,
    )


def _sifted(resources: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """The resources that are taken, and for every other kind why not."""
    kept: list[dict[str, Any]] = []
    left: dict[str, int] = {}
    for resource in resources:
        kind = resource["resourceType"]
        if kind in _NOT_TAKEN:
            why = f"{kind} not taken: {_NOT_TAKEN[kind]}"
        elif _carries_own_marks(resource):
            why = f"{kind} not taken: it carries marks that only salus itself gives"
        elif _elsewhere(resource):
            why = f"{kind} not taken: its subject is not a patient whom the file names"
        else:
            kept.append(resource)
            continue
        left[why] = left.get(why, 0) + 1
    return kept, [f"{count} {why}" for why, count in left.items()]


def _latest(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One resource a type and id: of several the last, as a transaction would leave it."""
    return list({(r["resourceType"], r["id"]): r for r in resources}.values())


def _unknown_modifiers(resources: Iterable[dict[str, Any]]) -> list[str]:
    """A modifier may turn the meaning of a resource round, and salus knows none."""
    return [
        f"{r['resourceType']}: carries a modifierExtension that is not known; kept, but not read"
        for r in resources
        if r.get("modifierExtension")
    ]


def _unreadable_dates(resources: Iterable[dict[str, Any]]) -> list[str]:
    losses = []
    for resource in resources:
        for key in _DATE_KEYS & resource.keys():
            try:
                dates.parse(resource[key])
            except InputError as error:
                losses.append(f"{resource['resourceType']}.{key}: {error.what}; the element is kept but not read")
    return losses
