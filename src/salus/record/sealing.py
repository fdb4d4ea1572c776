"""The contexts that are authenticated with sealed rows, and how bodies are compressed before they are sealed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from salus.errors import IntegrityError
from salus.record.protocols import Sealer

HOUSE = ""
"""Stands for a patient's name where the house's own key is meant."""
CHUNK = 1 << 20
"""The bytes of a blob that are sealed at once (1 MiB)."""
_SAMPLE = 1 << 14
_SMALL, _LARGE = (13, 6), (15, 8)
"""Window (log2 of bytes) and memory level of zlib. A reader takes the window from the stream."""


def context(ref: str, version: int, updated: str, deleted: bool) -> bytes:
    """The context of one version of a resource."""
    return f"{ref}\0{version}\0{updated}\0{int(deleted)}".encode()


@dataclass(frozen=True, slots=True)
class Chunk:
    """The place of one chunk of a blob: number ``n`` (from 0) of ``chunks``, of a blob of ``size`` bytes."""

    address: str
    category: str
    n: int
    chunks: int
    size: int

    @property
    def length(self) -> int:
        """How many bytes of the blob the chunk holds."""
        return min(CHUNK, self.size - self.n * CHUNK)

    def context(self, *, packed: bool) -> bytes:
        """The context of the chunk, which also says whether it is compressed (``packed``)."""
        kind = "packed-blob" if packed else "blob"
        return f"{kind}\0{self.address}\0{self.category}\0{self.n}\0{self.chunks}".encode()


def seal_chunk(sealer: Sealer, patient: str, piece: bytes, place: Chunk) -> bytes:
    """Seal a chunk. It is compressed first where compression at least halves its first 16 KiB.

    It is stored compressed only where the sealed result is shorter than the chunk itself. A reader tells by this length
    whether a chunk is compressed; this holds for chunks of earlier releases too.
    """
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
    """The context of a memo: something worked out of a patient's record."""
    return f"memo\0{patient}\0{kind}\0{name}".encode()


def reach_context(name: str) -> bytes:
    """The context of a compiled reach."""
    return f"reach\0{name}".encode()


def pack(data: bytes) -> bytes:
    """Compress a body before it is sealed. A small body gets a small window, because clearing a window of 32 KiB takes
    longer than compressing it."""
    bits, memory = _SMALL if len(data) <= 1 << _SMALL[0] else _LARGE
    packer = zlib.compressobj(1, zlib.DEFLATED, bits, memory)
    return packer.compress(data) + packer.flush()


def unpack(packed: bytes) -> bytes:
    """Inverse of :func:`pack`."""
    return zlib.decompress(packed)
