"""WFDB records: header with its signal files, checked, then kept whole; annotation files are kept with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from salus.errors import InputError
from salus.fhir import dates
from salus.formats.content import File
from salus.formats.wfdb import decode_header, read_header, read_record
from salus.intake.batch import Attachment, Batch, Document, combined_digest
from salus.intake.clues import clues_in

MAX_BYTES = 1 << 30


def read(paths: Sequence[Path]) -> Iterator[Batch]:
    """One record: ``paths[0]`` is the header. Raises InputError for a missing, truncated or altered signal file."""
    header_path = paths[0]
    data = File(header_path).read(1 << 20)
    text = decode_header(data)
    header = read_header(text)
    wanted = {signal.file for signal in header.signals}
    if any("/" in name or "\\" in name for name in wanted):
        raise InputError("a signal file outside the record's folder", remedy="put header and signals into one folder")
    signals = {n: header_path.with_name(n) for n in sorted(wanted) if header_path.with_name(n).is_file()}
    blocks = read_record(data, {name: File(path).read(MAX_BYTES) for name, path in signals.items()})
    extra = [p for p in paths[1:] if p.name not in signals]
    files = [header_path, *signals.values(), *extra]
    contents = [File(path) for path in files]
    document = Document(
        kind="ecg",
        format="wfdb",
        title=f"ECG {header.name}: {', '.join(b.channel for b in blocks)}",
        when=dates.write(header.start) if header.start else "",
        parts=tuple(
            Attachment(p.name, "text/x-wfdb-header" if p is header_path else "application/x-wfdb", c)
            for p, c in zip(files, contents, strict=True)
        ),
        meta={"record": header.name},
    )
    comments = "\n".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
    yield Batch(
        kind="wfdb",
        sources=tuple(files),
        clues=clues_in(comments),
        documents=(document,),
        losses=tuple(f"{p.name}: kept, not read" for p in extra),
        sha256=combined_digest(contents),
    )
