"""Apple Health's export.xml: every reading goes into blocks of columns; everything else stays in the kept file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.parsers import expat

from salus.errors import InputError
from salus.fhir import dates, series
from salus.fhir.columns import in_columns
from salus.formats.apple_health import CHARACTERISTIC, CHUNK, AppleHealthExport, Track, monthly
from salus.formats.content import File
from salus.intake.batch import Attachment, Batch, Clues, Document
from salus.intake.fhir_json import Origin
from salus.terminology import codes

MAX_RECORDS = 1_000_000
"""Clinical records that one export may tell of."""
_LONGEST = series.LONGEST // timedelta(microseconds=1)
EDITION = "series"
"""The same export is taken in again where an earlier release of salus left most of its readings in the file."""
KEPT = "kept in the file, not read"
_LEFT = {"ClinicalRecord": "the files that they name are read where they lie beside the export"}


def read(content: File, accept_plain_dtd: bool) -> Iterator[Batch]:
    """One export. Raises InputError for a DTD, entities, or a truncated file (with line and byte)."""
    with content.open() as stream:
        export = AppleHealthExport(stream, allow_plain_dtd=accept_plain_dtd)
        export.read()
    losses = [f"{count} records of {kind}: {_LEFT.get(kind, KEPT)}" for kind, count in export.losses.items()]
    blocks = [block for track in export.tracks for block in _blocks(track, losses)]
    document = Document(
        kind="signal",
        format="apple-health",
        title="Apple Health export",
        when=(export.export_date or "")[:10],
        parts=(Attachment(content.name, "application/xml", content),),
    )
    yield Batch(
        kind="apple-health",
        sources=(content.path,),
        files=(content,),
        clues=_owner(export.me),
        resources=tuple(blocks),
        documents=(document,),
        losses=tuple(losses),
        sha256=content.sha256.hex(),
        edition=EDITION,
    )


def _blocks(track: Track, losses: list[str]) -> Iterator[dict[str, Any]]:
    """The readings of one device and app in blocks of a day or a month (UTC); ``losses`` are told what is left out."""
    parts = tuple(series.Part(_coding(name), unit) for name, unit in track.units.items())
    code = {**_coding(track.concept), "text": codes.get(track.concept).display}
    stretch = "month" if monthly(track.concept) else "day"
    source = track.source if track.source != track.device else ""
    head = series.Head(code, parts, track.device, source, "home", stretch)
    found = track.rows()
    if max(track.lengths, default=0) > _LONGEST:
        kept = [row for row in found if row[1] <= _LONGEST]
        losses.append(
            f"{len(found) - len(kept)} records of {track.concept} longer than {series.LONGEST.days} days: {KEPT}"
        )
        found = kept
    for _, rows in groupby(found, key=lambda row: head.stretch_of(row[0])):
        yield series.body(head, in_columns(list(rows), len(parts)))


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


def _coding(name: str) -> dict[str, Any]:
    code = codes.get(name).codes[0]
    return {"coding": [{"system": code.system, "code": code.code, "display": code.display}]}
