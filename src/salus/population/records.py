"""The released data of one patient, packed for work elsewhere: resources with their sources, and small files."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from salus.errors import IntegrityError, MethodError
from salus.fhir import json
from salus.fhir.blobs import BLOB_SCHEME
from salus.fhir.views import Body, Source
from salus.record.chart import Chart, Entry
from salus.terminology.reader import Terminology


@dataclass(frozen=True, slots=True)
class Record:
    """A patient's record as far as it was released.

    ``entries`` are as :meth:`salus.record.chart.Chart.resources` returns them, without those contained in another.
    ``closed`` are the references of the resources that the patient closed to processing: no method reads them.
    ``files`` are blobs by address, without those that are too large. ``categories`` are the kinds of data released;
    ``withheld`` are kinds of data that are withheld and of which the reader may know this.
    """

    patient: str
    categories: frozenset[str]
    withheld: frozenset[str]
    entries: tuple[Entry, ...]
    closed: frozenset[str]
    files: Mapping[str, bytes]

    def chart(self, at: datetime, terminology: Terminology, *, processed: bool = False) -> Chart:
        """The chart as of ``at``; with ``processed``, only of the resources that are open to processing."""
        entries = [e for e in self.entries if not processed or e[0].ref not in self.closed]
        return Chart(entries, now=at, loader=self._load, terminology=terminology)

    def _load(self, address: str) -> bytes:
        if address not in self.files:
            raise MethodError("a file of the record is too large for the mirror", remedy="--files-up-to")
        return self.files[address]


def whole(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries without the results contained in reports, which a chart takes out of the reports again."""
    return tuple(e for e in entries if e[0].ref.partition("/")[0] == e[1].get("resourceType"))


def addresses(entries: Iterable[Entry], up_to: int) -> list[str]:
    """The addresses of the blobs that resources cite, each once, without those stated to be above ``up_to`` bytes."""
    found: set[str] = set()
    for element in (element for _, body in entries for element in json.objects(body)):
        url, size = element.get("url"), element.get("size")
        if isinstance(url, str) and url.startswith(BLOB_SCHEME) and (not isinstance(size, int) or size <= up_to):
            found.add(url.removeprefix(BLOB_SCHEME))
    return sorted(found)


def pack(record: Record) -> bytes:
    """The record as compressed bytes; decimals keep all their digits."""
    told = {
        "patient": record.patient,
        "categories": sorted(record.categories),
        "withheld": sorted(record.withheld),
        "entries": [_entry(source, body) for source, body in record.entries],
        "closed": sorted(record.closed),
        "files": {address: base64.b64encode(data).decode() for address, data in sorted(record.files.items())},
    }
    return zlib.compress(json.dumps(told), 1)


def unpack(data: bytes) -> Record:
    """Inverse of :func:`pack`. Raises IntegrityError for damaged bytes."""
    try:
        told = json.loads(zlib.decompress(data))
    except zlib.error:
        raise IntegrityError("a packed record is damaged") from None
    return Record(
        told["patient"],
        frozenset(told["categories"]),
        frozenset(told["withheld"]),
        tuple((Source(*source), body) for source, body in told["entries"]),
        frozenset(told["closed"]),
        {address: base64.b64decode(text) for address, text in told["files"].items()},
    )


def _entry(source: Source, body: Body) -> list[object]:
    return [[source.ref, source.version, source.digest, source.category], body]
