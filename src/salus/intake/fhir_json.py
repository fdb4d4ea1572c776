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
from salus.formats.content import File
from salus.intake.batch import Batch, Clues

MAX_BYTES = 256 << 20
MAX_LINE = 64 << 20
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_TYPE = re.compile(r"[A-Z][A-Za-z]{2,40}\Z")
_NAMESPACE = uuid.UUID("2c8bd0a5-6e7e-5f0f-9b58-1d3f4f6d2a61")
_NOT_TAKEN = {
    "Consent": "consents are given with: salus consent give",
    "AuditEvent": "the record keeps its own log",
}
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
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = unpacker.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise InputError("damaged gzip data", remedy="compress it again") from error
    if not unpacker.eof:
        raise InputError("the gzip data are cut off or too large", remedy=f"at most {MAX_BYTES:,} bytes are read")
    return plain


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    compressed = path.open("rb").read(2) == b"\x1f\x8b"
    opener = gzip.open if compressed else open
    try:
        with opener(path, "rb") as stream:
            number = 0
            while line := stream.readline(MAX_LINE):
                number += 1
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


def subject_of(resource: dict[str, Any]) -> str:
    """The id of the Patient that a resource names as its subject, else ""."""
    for key in ("subject", "patient", "beneficiary", "individual", "for"):
        element = resource.get(key)
        if isinstance(element, dict) and isinstance(element.get("reference"), str):
            kind, _, name = element["reference"].rpartition("/")
            if kind.rpartition("/")[2] == "Patient":
                return str(name).partition("|")[0]
    return ""


def _by_subject(resources: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for resource in resources:
        own = str(resource["id"]) if resource["resourceType"] == "Patient" else subject_of(resource)
        groups.setdefault(own, []).append(resource)
    return list(groups.values())


def _batch(path: Path, resources: list[dict[str, Any]], digest: str) -> Batch:
    patients = [r for r in resources if r["resourceType"] == "Patient"]
    subjects = {s for r in resources if (s := subject_of(r))} | {str(p["id"]) for p in patients}
    if len(subjects) > 1:
        raise InputError(
            f"the file names {len(subjects)} patients", remedy="one Bundle holds one patient; split it or use ndjson"
        )
    patient = patients[-1] if patients else None
    kept = [r for r in resources if r["resourceType"] not in _NOT_TAKEN]
    refused = sorted({r["resourceType"] for r in resources} & set(_NOT_TAKEN))
    losses = [f"{kind} not taken: {_NOT_TAKEN[kind]}" for kind in refused] + _unreadable_dates(kept)
    return Batch(
        kind="fhir",
        sources=(path,),
        clues=Clues(
            reference=next(iter(subjects), ""),
            identifiers=_identifiers(patient),
            birth_date=str(patient.get("birthDate", "")) if patient else "",
            sex=str(patient.get("gender", "")) if patient else "",
        ),
        resources=tuple(_latest(kept)),
        losses=tuple(losses),
        patient=patient,
        sha256=digest,
    )


def _latest(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One resource a type and id: of several the last, as a transaction would leave it."""
    return list({(r["resourceType"], r["id"]): r for r in resources}.values())


def _identifiers(patient: dict[str, Any] | None) -> tuple[tuple[str, str], ...]:
    entries = patient.get("identifier", []) if patient else []
    return tuple((str(e.get("system", "")), str(e["value"])) for e in entries if isinstance(e, dict) and e.get("value"))


def _unreadable_dates(resources: Iterable[dict[str, Any]]) -> list[str]:
    losses = []
    for resource in resources:
        for key in _DATE_KEYS & resource.keys():
            try:
                dates.parse(resource[key])
            except InputError as error:
                losses.append(f"{resource['resourceType']}.{key}: {error.what}; the element is kept but not read")
    return losses
