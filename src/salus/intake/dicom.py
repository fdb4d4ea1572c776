"""DICOM files of a folder, grouped into series; each series is kept as one document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from salus.errors import InputError, SalusError
from salus.formats.content import File
from salus.formats.dicom import DicomHeader, read_header
from salus.intake.batch import Attachment, Batch, Clues, Document, Read, Unreadable, combined_digest
from salus.intake.clues import SEXES

MAX_INSTANCE = 1 << 30


def read(files: Sequence[File]) -> Iterator[Read]:
    """A batch a series; a series that names several patients is unreadable by itself.

    Raises InputError naming the file that cannot be read: which series would lack it is not known.
    """
    series: dict[tuple[str, str], list[tuple[File, DicomHeader]]] = {}
    for file in files:
        try:
            header = read_header(file.read(MAX_INSTANCE))
        except SalusError as error:
            raise error.at(file.name) from error
        if not header.series_instance_uid:
            raise InputError("the file names no series (0020,000E)", file.name, "export the whole series")
        series.setdefault((header.series_instance_uid, header.sop_class_uid), []).append((file, header))
    for members in series.values():
        try:
            yield _batch(members)
        except InputError as error:
            contents = tuple(file for file, _ in members)
            yield Unreadable(tuple(file.path for file in contents), error, contents)


def _batch(members: list[tuple[File, DicomHeader]]) -> Batch:
    headers = [header for _, header in members]
    first = headers[0]
    people = {(h.patient_id, h.birth_date, h.sex) for h in headers}
    if len(people) > 1:
        raise InputError("one series names different patients", where=members[0][0].name, remedy="export it again")
    contents = tuple(file for file, _ in members)
    losses = [f"{first.kept_as}: kept, not read yet"] if first.kept_as else []
    if not first.has_pixel_data and not first.kept_as:
        losses.append("no pixel data: kept, nothing can be seen in it")
    document = Document(
        kind="image",
        format="dicom",
        title=first.series_description or first.study_description or f"{first.modality} series",
        when=first.acquired or first.study_date,
        parts=tuple(Attachment(c.name, "application/dicom", c) for c in contents),
        meta={
            "modality": first.modality,
            "series": first.series_instance_uid,
            "study": first.study_instance_uid,
            "kept-as": first.kept_as,
        },
    )
    return Batch(
        kind="dicom",
        sources=tuple(c.path for c in contents),
        files=contents,
        clues=Clues(
            identifiers=((first.issuer_of_patient_id, first.patient_id),) if first.patient_id else (),
            birth_date=first.birth_date,
            sex=SEXES.get(first.sex.lower(), ""),
        ),
        documents=(document,),
        losses=tuple(losses),
        sha256=combined_digest(contents),
    )
