"""Apple Health's export.xml: what the methods read becomes Observations; everything stays in the kept file."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.parsers import expat

from salus.errors import InputError
from salus.fhir import dates, quantity
from salus.fhir.quantity import Quantity
from salus.fhir.views import TAG_KIND, TAG_SETTING
from salus.formats.apple_health import CHARACTERISTIC, CHUNK, AppleHealthExport
from salus.formats.content import File
from salus.formats.types import Reading
from salus.intake.batch import Attachment, Batch, Clues, Document
from salus.intake.fhir_json import Origin
from salus.terminology import codes

_NAMESPACE = uuid.UUID("4e0c0f26-7f0e-5c55-8a41-3b0a1d7f5f0c")
TAKEN = frozenset({"blood-pressure", "body-weight", "body-height", "body-temperature", "oxygen-saturation"})
"""Concepts of which each reading becomes an Observation. Beat-by-beat rates and steps stay in the file."""
MAX_RECORDS = 1_000_000
"""Clinical records that one export may tell of."""


KEPT = "kept in the file, not read"
_LEFT = {"ClinicalRecord": "the files that they name are read where they lie beside the export"}


def read(content: File, accept_plain_dtd: bool) -> Iterator[Batch]:
    """One export. Raises InputError for a DTD, entities, or a truncated file (with line and byte)."""
    observations: list[dict[str, Any]] = []
    left: dict[str, int] = {}
    with content.open() as stream:
        export = AppleHealthExport(stream, allow_plain_dtd=accept_plain_dtd)
        for reading in export:
            if reading.code in TAKEN:
                observations.append(observation(reading))
            else:
                left[reading.code] = left.get(reading.code, 0) + 1
    losses = [f"{count} readings of {name}: kept in the file, not read one by one" for name, count in left.items()]
    losses += [f"{count} records of {kind}: {_LEFT.get(kind, KEPT)}" for kind, count in export.losses.items()]
    document = Document(
        kind="signal",
        format="apple-health",
        title="Apple Health export",
        when=(export.export_date or "")[:10],
        parts=(Attachment(content.name, "application/xml", content),),
    )
    unique = {o["id"]: o for o in observations}
    yield Batch(
        kind="apple-health",
        sources=(content.path,),
        files=(content,),
        clues=_owner(export.me),
        resources=tuple(unique.values()),
        documents=(document,),
        losses=tuple(losses),
        sha256=content.sha256.hex(),
    )


def clinical_records(file: File) -> dict[Path, Origin]:
    """What the export tells of the health records that lie beside it: where each was fetched, its FHIR release, and who
    owns the device.

    Only the attributes of ClinicalRecord elements are looked at, in bounded memory; an entity ends the look. A file
    that is damaged gives what came before the damage: reading the export itself says what is wrong with it.
    """
    found: dict[Path, Origin] = {}
    me: dict[str, str] = {}
    parser = expat.ParserCreate()
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.EntityDeclHandler = _no_entity
    parser.StartElementHandler = lambda name, attributes: _note_record(found, me, file.path.parent, name, attributes)
    try:
        with file.open() as stream:
            while chunk := stream.read(CHUNK):
                parser.Parse(chunk, False)
                if len(found) > MAX_RECORDS:
                    break
    except (expat.ExpatError, InputError, OSError):
        pass  # the reader of the export raises it, with its place
    return {place: replace(origin, owner=_owner(me)) for place, origin in found.items()}


def _owner(me: Mapping[str, str]) -> Clues:
    """Whose device it is, by the characteristics that the export tells."""
    return Clues(birth_date=_day(me.get("DateOfBirth", "")), sex=_SEX.get(me.get("BiologicalSex", ""), ""))


def _no_entity(*_: object) -> None:
    raise InputError("the file declares an entity", remedy="entities are never read")


def _note_record(
    found: dict[Path, Origin], me: dict[str, str], folder: Path, name: str, attributes: Mapping[str, str]
) -> None:
    if name == "Me":
        me.update((key.removeprefix(CHARACTERISTIC), value) for key, value in attributes.items())
    place = attributes.get("resourceFilePath", "").lstrip("/")
    if name == "ClinicalRecord" and place and ".." not in Path(place).parts:
        found[folder / place] = Origin(attributes.get("sourceURL", ""), attributes.get("fhirVersion", ""))


_SEX = {"HKBiologicalSexFemale": "female", "HKBiologicalSexMale": "male"}


def _day(text: str) -> str:
    """A characteristic date as Apple writes it, where it is one."""
    try:
        return dates.parse(text[:10]).text
    except InputError:
        return ""


def observation(reading: Reading) -> dict[str, Any]:
    """A reading taken at home as a FHIR Observation. Its id follows from what it is, so that no copy is added."""
    concept = codes.get(reading.code)
    when = reading.start.isoformat()
    body: dict[str, Any] = {
        "resourceType": "Observation",
        "id": str(uuid.uuid5(_NAMESPACE, f"{reading.code} {when} {reading.device} {_value_key(reading)}")),
        "meta": {"tag": [{"system": TAG_SETTING, "code": "home"}, {"system": TAG_KIND, "code": "signal/reading"}]},
        "status": "final",
        "category": [
            {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
                ]
            }
        ],
        "code": _coding(reading.code),
        "effectiveDateTime": when,
    }
    if reading.device:
        body["device"] = {"display": reading.device}
    if reading.components:
        body["component"] = [
            {"code": _coding(name), "valueQuantity": quantity.write(Quantity(value, unit))}
            for name, (value, unit) in reading.components.items()
        ]
    elif reading.value is not None:
        body["valueQuantity"] = quantity.write(Quantity(Decimal(reading.value), reading.unit))
    body["code"]["text"] = concept.display
    return body


def _coding(name: str) -> dict[str, Any]:
    code = codes.get(name).codes[0]
    return {"coding": [{"system": code.system, "code": code.code, "display": code.display}]}


def _value_key(reading: Reading) -> str:
    if reading.components:
        return " ".join(f"{n}={v}" for n, (v, _) in sorted(reading.components.items()))
    return str(reading.value)
