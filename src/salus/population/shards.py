"""The shards of a mirror: sealed Parquet files and records of the patients whose ids hash to the same number.

The *index* of a shard names the files with its rows and records, with their digests, and for each patient the log entry
and the release that the data are from. New files are written first and the index last, and each gets its name only when
it is complete: an interruption in between leaves the shard as it was.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salus.errors import IntegrityError
from salus.fhir import json
from salus.findings import measured_code
from salus.population import parquet, records, sealed
from salus.population.records import Record
from salus.population.views import View

FORM = "salus.mirror/v1"
INDEX = "index"
RECORDS = "records"
"""The part of a shard that holds packed records; the others are named by their view."""
_CODE = ("salus.population.database", "salus.population.views")


@dataclass(frozen=True, slots=True)
class Held:
    """The state of a patient's data in a shard.

    ``written`` is the number of the newest log entry that wrote to the record (-1: none), ``release`` the digest of the
    release.
    """

    written: int
    release: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A patient's data to be written into a mirror: rows by view, and the record where records are held."""

    held: Held
    rows: Mapping[str, Sequence[Sequence[Any]]]
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What each shard must hold: views by name, and for every part a mark that changes when its making changes."""

    views: Mapping[str, View]
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Index:
    """A shard's table of contents. ``parts``: file, digest and mark by name; ``spans``: start and end of records."""

    patients: Mapping[str, Held] = field(default_factory=dict)
    parts: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    digest: str = ""
    """SHA-256 (hex) of the sealed index. It changes whenever anything in the shard changes."""

    @property
    def marks(self) -> dict[str, str]:
        """The mark of every part."""
        return {name: mark for name, (_, _, mark) in self.parts.items()}


def shard_of(patient: str, shards: int) -> int:
    """The number of a patient's shard: the first 8 bytes of the SHA-256 of the id, modulo ``shards``.

    It is the same on every machine and in every release.
    """
    return int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big") % shards


def made_by(definition: Mapping[str, Any]) -> str:
    """The digest of what the rows of a view follow from: its definition, and the code that runs it."""
    told = [measured_code.digest(_CODE), definition]
    return hashlib.sha256(json.dumps(told, canonical=True)).hexdigest()


class Shard:
    """One shard, read and written with its key alone: without house or store, and without access to other shards."""

    def __init__(self, folder: Path, mirror: str, number: int, key: bytes) -> None:
        self.folder, self.mirror, self.number, self._key = folder, mirror, number, key

    @property
    def path(self) -> Path:
        """The path of the shard's index."""
        return self.folder / f"{self.number:05d}.{INDEX}"

    def index(self) -> Index:
        """The table of contents; an empty one where the shard was never written. Raises IntegrityError."""
        if not self.path.exists():
            return Index()
        data = self.path.read_bytes()
        told = json.loads(self.unseal(self.path, data, INDEX))
        return Index(
            {patient: Held(*held) for patient, held in told["patients"].items()},
            {name: tuple(part) for name, part in told["parts"].items()},
            {patient: tuple(span) for patient, span in told["spans"].items()},
            hashlib.sha256(data).hexdigest(),
        )

    def part(self, index: Index, name: str) -> bytes:
        """The content of one part. Raises IntegrityError where its file is not the one that the index names."""
        file, digest, _ = index.parts[name]
        path = self.folder / file
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != digest:
            raise _damaged(path)
        return self.unseal(path, data, name)

    def check(self, index: Index) -> None:
        """Compare every file with the index. Raises IntegrityError for one that is missing or differs."""
        for file, digest, _ in index.parts.values():
            path = self.folder / file
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                raise _damaged(path)

    def records(self, index: Index) -> Iterator[Record]:
        """The records in the order of patients. Raises IntegrityError where they are damaged."""
        data = memoryview(self.part(index, RECORDS))
        for start, end in (index.spans[patient] for patient in sorted(index.spans)):
            yield records.unpack(bytes(data[start:end]))

    def seal(self, data: bytes, purpose: str) -> bytes:
        """Seal data for a file in the folder; ``purpose`` says what the file is for."""
        return sealed.seal(self._key, data, self._context(purpose))

    def unseal(self, path: Path, data: bytes, purpose: str) -> bytes:
        """Inverse of :meth:`seal`. Raises IntegrityError naming the file."""
        try:
            return sealed.unseal(self._key, data, self._context(purpose))
        except IntegrityError:
            raise _damaged(path) from None

    def write(self, before: Index, gone: Collection[str], copies: Mapping[str, Copy], wanted: Wanted) -> None:
        """Replace the data of the patients in ``copies``, and remove the patients in ``gone``.

        ``before`` is the index so far. Where its marks differ from those ``wanted``, ``copies`` must hold every patient
        who stays, since all parts are then made anew.
        """
        out = frozenset(gone) | frozenset(copies)
        patients = {p: held for p, held in before.patients.items() if p not in out}
        patients |= {p: copy.held for p, copy in copies.items()}
        made: dict[str, bytes] = {}
        spans: dict[str, tuple[int, int]] = {}
        stays = bool(patients.keys() - copies.keys())
        for name, view in wanted.views.items():
            rows = ((p, n, *row) for p, copy in copies.items() for n, row in enumerate(copy.rows[name]))
            made[name] = parquet.write(view, rows, self.part(before, name) if stays else b"", out)
        if RECORDS in wanted.parts:
            made[RECORDS], spans = self._packed(before, sorted(patients), copies)
        parts = {name: self._put(name, data, wanted.parts[name]) for name, data in made.items()}
        told = {"patients": {p: [h.written, h.release] for p, h in sorted(patients.items())}}
        sealed.write(self.path, self.seal(json.dumps({**told, "parts": parts, "spans": spans}), INDEX))

    def _packed(
        self, before: Index, patients: Sequence[str], copies: Mapping[str, Copy]
    ) -> tuple[bytes, dict[str, tuple[int, int]]]:
        """The records of the shard in one sequence of bytes, and the start and end of each."""
        kept = self.part(before, RECORDS) if set(patients) - copies.keys() else b""
        pieces, spans, end = [], {}, 0
        for patient in patients:
            copy = copies.get(patient)
            if copy is None:
                start, stop = before.spans[patient]
                piece = kept[start:stop]
            else:
                assert copy.record is not None
                piece = records.pack(copy.record)
            pieces.append(piece)
            spans[patient] = (end, end := end + len(piece))
        return b"".join(pieces), spans

    def _put(self, name: str, data: bytes, made: str) -> tuple[str, str, str]:
        file = f"{self.number:05d}.{name}.{uuid.uuid4().hex[:16]}"
        held = self.seal(data, name)
        sealed.write(self.folder / file, held)
        return file, hashlib.sha256(held).hexdigest(), made

    def _context(self, purpose: str) -> str:
        return f"{FORM}\0{self.mirror}\0{self.number}\0{purpose}"


def _damaged(path: Path) -> IntegrityError:
    remedy = "salus population mirror writes the shard anew"
    return IntegrityError("a shard of the mirror is damaged", where=str(path), remedy=remedy)
