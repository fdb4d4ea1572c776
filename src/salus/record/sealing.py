"""What is authenticated with sealed rows, and how their bodies are packed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from salus.errors import IntegrityError
from salus.record.protocols import Sealer

HOUSE = ""
"""In the place of a patient's name: the house's own key."""
CHUNK = 1 << 20
"""Bytes of a blob that are sealed at once."""
_SAMPLE = 1 << 14
_SMALL, _LARGE = (13, 6), (15, 8)
"""Window (log2 of bytes) and memory level of zlib; a reader finds the window in the stream."""


def context(ref: str, version: int, updated: str, deleted: bool) -> bytes:
    """The place of one version of a resource."""
    return f"{ref}\0{version}\0{updated}\0{int(deleted)}".encode()


@dataclass(frozen=True, slots=True)
class Chunk:
    """The place of one chunk of a blob: number ``n`` of ``chunks``, of a blob of ``size`` bytes."""

    address: str
    category: str
    n: int
    chunks: int
    size: int

    @property
    def length(self) -> int:
        """How many bytes of the blob it holds."""
        return min(CHUNK, self.size - self.n * CHUNK)

    def context(self, *, packed: bool) -> bytes:
        """What is authenticated with it; that it is compressed is part of that."""
        kind = "packed-blob" if packed else "blob"
        return f"{kind}\0{self.address}\0{self.category}\0{self.n}\0{self.chunks}".encode()


def seal_chunk(sealer: Sealer, patient: str, piece: bytes, place: Chunk) -> bytes:
    """Seal a chunk, compressed where its beginning says that this halves it. Sealed and compressed it is shorter than
    the chunk itself; that is how a reader tells, and how chunks of earlier releases are told."""
    if len(_packed(piece[:_SAMPLE])) * 2 <= len(piece[:_SAMPLE]):
        sealed = sealer.seal(patient, _packed(piece), place.context(packed=True))
        if len(sealed) < len(piece):
            return sealed
    return sealer.seal(patient, piece, place.context(packed=False))


def open_chunk(sealer: Sealer, patient: str, sealed: bytes, place: Chunk) -> bytes:
    """Inverse of :func:`seal_chunk`. Raises IntegrityError."""
    packed = len(sealed) < place.length
    data = sealer.unseal(patient, sealed, place.context(packed=packed))
    if not packed:
        return data
    try:
        return zlib.decompressobj().decompress(data, place.length + 1)
    except zlib.error as error:
        raise IntegrityError("a blob of the record is not what was stored", where=place.address[:16]) from error


def _packed(piece: bytes) -> bytes:
    return zlib.compress(piece, 1)


def memo_context(patient: str, kind: str, name: str) -> bytes:
    """The place of something worked out of a patient's record."""
    return f"memo\0{patient}\0{kind}\0{name}".encode()


def reach_context(name: str) -> bytes:
    """The place of a compiled reach."""
    return f"reach\0{name}".encode()


def pack(data: bytes) -> bytes:
    """Compress a body before it is sealed. To clear a window of 32 KiB takes longer than to compress a small body."""
    bits, memory = _SMALL if len(data) <= 1 << _SMALL[0] else _LARGE
    packer = zlib.compressobj(1, zlib.DEFLATED, bits, memory)
    return packer.compress(data) + packer.flush()


def unpack(packed: bytes) -> bytes:
    """Inverse of :func:`pack`."""
    return zlib.decompress(packed)
