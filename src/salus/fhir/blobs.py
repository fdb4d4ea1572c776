"""Blobs: files in the record (VCF, DICOM series, WFDB records, notes), described by a DocumentReference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from salus.fhir.dates import Span
from salus.fhir.views import TAG_KIND, Body, Source, dicts, span_of, tags

BLOB_SCHEME = "urn:salus:blob:"
EXT_SHA256 = "urn:salus:sha256"
EXT_META = "urn:salus:blob-meta"


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a blob: its name, media type, size in bytes, SHA-256 (hex) and address in the store."""

    name: str
    media_type: str
    size: int
    sha256: str
    address: str


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes in the record (VCF, DICOM series, NIfTI, WFDB record, note) that methods decode with ``formats/``.

    ``kind`` is one of genome, image, ecg, note; ``format`` one of vcf, dicom, nifti, wfdb, text.
    ``meta`` holds what intake found out: sample, modality, encoding and the like.
    """

    source: Source
    kind: str
    format: str
    title: str
    effective: Span | None
    parts: tuple[Part, ...]
    meta: Mapping[str, str]
    loader: Callable[[str], bytes] = field(repr=False, compare=False)
    body: Body = field(repr=False, compare=False)

    def read(self, index: int = 0) -> bytes:
        """The bytes of part ``index``, checked against its hash. Raises IntegrityError when they differ."""
        return self.loader(self.parts[index].address)

    def read_all(self) -> dict[str, bytes]:
        """Every part by name."""
        return {part.name: self.loader(part.address) for part in self.parts}


def blob(source: Source, body: Body, loader: Callable[[str], bytes]) -> Blob | None:
    """View of a DocumentReference whose attachments lie in the blob store; None for any other."""
    parts = [part for content in dicts(body.get("content")) if (part := _part(content.get("attachment")))]
    kind = next(iter(tags(body, TAG_KIND)), None)
    if not parts or kind is None:
        return None
    name, _, form = kind.partition("/")
    context = body.get("context")
    return Blob(
        source=source,
        kind=name,
        format=form,
        title=str(body.get("description", "")),
        effective=(span_of(context, "period") if isinstance(context, dict) else None) or span_of(body, "date"),
        parts=tuple(parts),
        meta=_blob_meta(body),
        loader=loader,
        body=body,
    )


def _part(attachment: Any) -> Part | None:
    """The part of a blob that an attachment stands for; None for an attachment that lies elsewhere."""
    url = attachment.get("url") if isinstance(attachment, dict) else None
    if not isinstance(url, str) or not url.startswith(BLOB_SCHEME):
        return None
    digests = [e.get("valueString") for e in dicts(attachment.get("extension")) if e.get("url") == EXT_SHA256]
    size = attachment.get("size")
    return Part(
        name=str(attachment.get("title", "")),
        media_type=str(attachment.get("contentType", "")),
        size=size if isinstance(size, int) else 0,
        sha256=str(digests[0]) if digests else "",
        address=url.removeprefix(BLOB_SCHEME),
    )


def _blob_meta(body: Body) -> dict[str, str]:
    for extension in dicts(body.get("extension")):
        if extension.get("url") == EXT_META:
            entries = dicts(extension.get("extension"))
            return {str(e["url"]): str(e["valueString"]) for e in entries if "url" in e and "valueString" in e}
    return {}
