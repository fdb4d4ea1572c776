"""Bytes of a source, in memory or still in a file, with size and SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from salus.errors import InputError


class Bytes:
    """Content that is in memory."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    @cached_property
    def sha256(self) -> bytes:
        """SHA-256 of the content."""
        return hashlib.sha256(self.data).digest()

    def chunks(self, size: int) -> Iterator[bytes]:
        """The content in pieces of ``size``; one empty piece where it is empty."""
        for start in range(0, len(self.data), size) or (0,):
            yield self.data[start : start + size]

    def read(self, limit: int) -> bytes:
        """All of it. Raises InputError when it is longer than ``limit``."""
        if self.size > limit:
            raise InputError(f"{self.size:,} bytes are more than the {limit:,} read at once", remedy="split the file")
        return self.data


class File:
    """Content that stays in its file and is read in pieces."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def size(self) -> int:
        """Length in bytes."""
        return self.path.stat().st_size

    @cached_property
    def sha256(self) -> bytes:
        """SHA-256 of the content."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()

    def chunks(self, size: int) -> Iterator[bytes]:
        """The content in pieces of ``size``; one empty piece where it is empty."""
        with self.path.open("rb") as stream:
            piece = stream.read(size)
            yield piece
            while len(piece) == size and (piece := stream.read(size)):
                yield piece

    def read(self, limit: int) -> bytes:
        """All of it. Raises InputError when it is longer than ``limit``."""
        if self.size > limit:
            raise InputError(f"{self.size:,} bytes are more than the {limit:,} read at once", remedy="split the file")
        return self.path.read_bytes()


Content = Bytes | File
