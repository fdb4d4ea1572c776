"""What intake makes of a source: clues whose it is, resources, blobs, and what was not carried over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salus.errors import SalusError
from salus.fhir import series
from salus.formats.content import Content, File

NOT_TAKEN = "not taken: "
"""What a loss says that tells of resources or readings which go into no record. The other losses do not say it."""


@dataclass(frozen=True, slots=True)
class Clues:
    """What a source says of whose data it holds. Empty fields: it says nothing.

    ``identifiers`` are (system, value), the system "" where the source names none; ``reference`` a FHIR Patient id and
    ``base`` the server that knows the person under it ("" where none is told). ``absolute``: the source names that
    server in the reference itself, so that only a patient who is known to be that server's can be meant.
    """

    reference: str = ""
    base: str = ""
    absolute: bool = False
    identifiers: tuple[tuple[str, str], ...] = ()
    birth_date: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file of a blob document."""

    name: str
    media_type: str
    content: Content


@dataclass(frozen=True, slots=True)
class Document:
    """Bytes to be kept in the record and found by kind (see :class:`salus.fhir.views.Blob`).

    ``when`` is a FHIR date, dateTime or "".
    """

    kind: str
    format: str
    title: str
    when: str
    parts: tuple[Attachment, ...]
    meta: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """All that one source gives for one person. ``patient`` is the Patient resource, where it brings one.

    ``shared`` are resources that name nobody (practitioners, medicines, places) and that ``clues`` say who refers to;
    where they name nobody either, it is told of them that no record refers to them. ``listed``: what the
    export of a person's own device, which lists the file, says of that person.
    """

    kind: str
    sources: tuple[Path, ...]
    clues: Clues
    resources: tuple[dict[str, Any], ...] = ()
    documents: tuple[Document, ...] = ()
    losses: tuple[str, ...] = ()
    patient: dict[str, Any] | None = None
    sha256: str = ""
    shared: bool = False
    listed: Clues | None = None
    edition: str = ""
    """Other than "" where salus takes more from such a source than it once did: it is taken in again then."""
    files: tuple[File, ...] = field(default=(), compare=False, repr=False)
    """The source as it was read, for quarantine; empty for what came otherwise than as a file."""

    @property
    def counts(self) -> dict[str, int]:
        """How many of each: resources by type, readings in blocks one by one, documents by kind."""
        found: dict[str, int] = {}
        for resource in self.resources:
            block = series.is_block(resource)
            kind = "reading" if block else str(resource.get("resourceType"))
            found[kind] = found.get(kind, 0) + (len(series.Block(resource)) if block else 1)
        for document in self.documents:
            found[document.kind] = found.get(document.kind, 0) + 1
        return found


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A source that could not be read, and why. ``files`` is empty where its bytes must not be kept either."""

    sources: tuple[Path, ...]
    error: SalusError
    files: tuple[File, ...] = field(default=(), compare=False, repr=False)


Read = Batch | Unreadable


def combined_digest(contents: Sequence[Content]) -> str:
    """SHA-256 over the SHA-256 of each file, in order; of a single file its own."""
    import hashlib

    if len(contents) == 1:
        return contents[0].sha256.hex()
    return hashlib.sha256(b"".join(sorted(c.sha256 for c in contents))).hexdigest()
