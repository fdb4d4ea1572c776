"""What is authenticated with sealed rows, and how their bodies are packed."""

from __future__ import annotations

import zlib

HOUSE = ""
"""In the place of a patient's name: the house's own key."""
_SMALL, _LARGE = (13, 6), (15, 8)
"""Window (log2 of bytes) and memory level of zlib; a reader finds the window in the stream."""


def context(ref: str, version: int, updated: str, deleted: bool) -> bytes:
    """The place of one version of a resource."""
    return f"{ref}\0{version}\0{updated}\0{int(deleted)}".encode()


def chunk_context(address: str, category: str, n: int, chunks: int) -> bytes:
    """The place of one chunk of a blob."""
    return f"blob\0{address}\0{category}\0{n}\0{chunks}".encode()


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
