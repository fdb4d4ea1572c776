"""NIfTI volumes: checked, then kept whole. They name nobody."""

from __future__ import annotations

from collections.abc import Iterator

from salus.formats.content import File
from salus.formats.nifti import read_volume
from salus.intake.batch import Attachment, Batch, Clues, Document

MAX_BYTES = 1 << 30


def read(content: File) -> Iterator[Batch]:
    """One NIfTI file. Raises InputError for one whose geometry or data cannot be read."""
    volume = read_volume(content.read(MAX_BYTES))
    document = Document(
        kind="image",
        format="nifti",
        title=volume.description or "NIfTI volume",
        when="",
        parts=(Attachment(content.name, "application/x-nifti", content),),
        meta={"modality": volume.modality},
    )
    yield Batch(
        kind="nifti",
        sources=(content.path,),
        files=(content,),
        clues=Clues(),
        documents=(document,),
        losses=volume.losses,
        sha256=content.sha256.hex(),
    )
