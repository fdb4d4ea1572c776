"""Lines of genome files as evidence: each file is read once, in bounded memory, for all positions that are cited."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator

from salus.errors import IntegrityError, SalusError
from salus.fhir.blobs import Blob
from salus.findings.model import Evidence

MAX_LINE = 1 << 20
"""Bytes of a line that are kept; the rest of a longer one is passed over."""
FIXED = 9
NO_LINE = "no line of its own: the position lies in a reference block or is absent"

Position = tuple[str, int]


class VcfLines:
    """The cited lines of every genome file, read when first asked for."""

    def __init__(self, cited: Iterable[Evidence]) -> None:
        self._wanted: dict[str, set[Position]] = {}
        for evidence in cited:
            position = _position(evidence.locator["contig"], evidence.locator["pos"])
            self._wanted.setdefault(evidence.source.ref, set()).add(position)
        self._found: dict[tuple[str, int], dict[Position, str]] = {}

    def line(self, blob: Blob, index: int, contig: str, pos: int) -> str:
        """The line at ``contig``:``pos`` with the patient's own column only. Raises SalusError for a damaged file."""
        key = (blob.source.ref, index)
        position = _position(contig, pos)
        if key not in self._found:
            wanted = self._wanted.get(blob.source.ref, set()) | {position}
            self._found[key] = _lines(blob, index, wanted)
        return self._found[key].get(position, NO_LINE)


def _position(contig: object, pos: object) -> Position:
    return str(contig).removeprefix("chr"), int(str(pos))


def _lines(blob: Blob, index: int, wanted: set[Position]) -> dict[Position, str]:
    found: dict[Position, str] = {}
    column = FIXED
    for line in _read(blob.read(index)):
        if line.startswith("#"):
            column = _column(line, blob.meta.get("sample", "")) if line.startswith("#CHROM") else column
            continue
        contig, _, rest = line.partition("\t")
        pos = rest.partition("\t")[0]
        position = (contig.removeprefix("chr"), int(pos) if pos.isdecimal() and len(pos) < 12 else -1)
        if position in wanted:
            found[position] = "\n".join(filter(None, (found.get(position), _shown(line, column))))
        elif len(found) == len(wanted):
            break
    return found


def _read(data: bytes) -> Iterator[str]:
    stream = io.BytesIO(data)
    source = io.BufferedReader(gzip.GzipFile(fileobj=stream)) if data[:2] == b"\x1f\x8b" else stream
    try:
        while line := source.readline(MAX_LINE):
            yield line.rstrip(b"\r\n").decode("utf-8", "replace")
            while len(line) == MAX_LINE and not line.endswith(b"\n"):
                line = source.readline(MAX_LINE)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise IntegrityError("the genome file is truncated or damaged") from error


def _column(header: str, sample: str) -> int:
    names = header.split("\t")
    if sample in names[FIXED:]:
        return names.index(sample, FIXED)
    if len(names) > FIXED + 1:
        raise SalusError("the genome file holds several people, and which is the patient is not recorded")
    return FIXED


def _shown(line: str, column: int) -> str:
    """Chromosome to FILTER, INFO cut short, FORMAT and the patient's own values."""
    fields = line.split("\t")
    fixed, info, rest = fields[:7], fields[7:8], fields[8:9]
    own = fields[column : column + 1]
    cut = [i if len(i) <= 60 else i[:60] + "…" for i in (*fixed, *info)]
    return "  ".join((*cut, *rest, *own))
