"""WFDB records: header with its signal files, checked, then kept whole; annotation files are kept with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from salus.fhir import dates
from salus.formats.content import File
from salus.formats.wfdb import MAX_FILE, MAX_HEADER, decode_header, read_header, read_record, signal_files
from salus.intake.batch import Attachment, Batch, Document, combined_digest
from salus.intake.clues import clues_in


def read(files: Sequence[File]) -> Iterator[Batch]:
    """One record: ``files[0]`` is the header. Raises InputError for a missing, truncated or altered signal file."""
    head = files[0]
    data = head.read(MAX_HEADER)
    text = decode_header(data)
    header = read_header(text)
    signals = signal_files(data, head)
    blocks = read_record(data, {name: file.read(MAX_FILE) for name, file in signals.items()})
    extra = [file for file in files[1:] if file.name not in signals]
    contents = [head, *signals.values(), *extra]
    document = Document(
        kind="ecg",
        format="wfdb",
        title=f"ECG {header.name}: {', '.join(b.channel for b in blocks)}",
        when=dates.write(header.start) if header.start else "",
        parts=tuple(
            Attachment(c.name, "text/x-wfdb-header" if c is head else "application/x-wfdb", c) for c in contents
        ),
        meta={"record": header.name},
    )
    comments = "\n".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    yield Batch(
        kind="wfdb",
        sources=tuple(c.path for c in contents),
        files=tuple(contents),
        clues=clues_in(comments),
        documents=(document,),
        losses=tuple(f"{file.name}: kept, not read" for file in extra),
        sha256=combined_digest(contents),
    )
