"""Free-text notes: kept to the byte; their date is taken from a labelled line at the top or from the file's name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from salus.errors import InputError
from salus.fhir import dates
from salus.formats.content import Bytes, File
from salus.formats.note import read_note
from salus.intake.batch import Attachment, Batch, Document
from salus.intake.clues import clues_in

MAX_BYTES = 8 << 20
TOP = 20
"""How many lines of a note are its head, where its date, birth date and sex are looked for."""

_LABELLED = re.compile(
    r"^\s*(?:date|date of (?:visit|service|note)|visit date|dated)\s*[:=]\s*(\d{4}-\d{2}-\d{2})", re.I | re.M
)
_IN_NAME = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)")


def read(file: File, encoding: str | None) -> Iterator[Batch]:
    """One note. Raises InputError for what is empty or cannot be decoded (naming the byte)."""
    content = Bytes(file.read(MAX_BYTES))
    note = read_note(content.data, encoding, name=file.name)
    if not note.text.strip():
        raise InputError("the note is empty")
    top = "\n".join(note.text.splitlines()[:TOP])
    when = _date(top, file.name)
    title = next(line.strip() for line in note.text.splitlines() if line.strip())
    document = Document(
        kind="note",
        format="text",
        title=title[:80],
        when=when,
        parts=(Attachment(file.name, "text/plain", content),),
        meta={"encoding": note.encoding},
    )
    yield Batch(
        kind="note",
        sources=(file.path,),
        files=(file,),
        clues=replace(clues_in(top), identifiers=clues_in(note.text).identifiers),
        documents=(document,),
        losses=() if when else ("no date found: the note counts as undated",),
        sha256=content.sha256.hex(),
    )


def _date(top: str, name: str) -> str:
    for match in (_LABELLED.search(top), _IN_NAME.search(name)):
        if match:
            try:
                dates.parse(match[1])
            except InputError:
                continue
            return match[1]
    return ""
