"""Bytes of a source, in memory or still in a file, with size and SHA-256."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from salus.errors import InputError
from salus.formats.opening import NOTHING_CLOSED, Closed, Identity, open_below


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
    """Content that stays in its file and is read in pieces, each time from the same file.

    ``root`` is the folder that was given, at or above the file (default: the file's own folder). Below it no link is
    followed, and nothing ``closed`` is opened (see :mod:`salus.formats.opening`). Opening raises InputError for what is
    no regular file, and where the file is not any more the one that was opened first.
    """

    def __init__(self, path: Path, root: Path | None = None, closed: Closed = NOTHING_CLOSED) -> None:
        self.path = path
        self.root = path.parent if root is None else root
        self._closed = closed
        self._seen: Identity | None = None

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.name

    @property
    def size(self) -> int:
        """Length in bytes."""
        if self._seen is None:
            self.open().close()
        assert self._seen is not None
        return self._seen.size

    @cached_property
    def sha256(self) -> bytes:
        """SHA-256 of the content."""
        with self.open() as stream:
            return hashlib.file_digest(stream, "sha256").digest()

    def open(self) -> io.BufferedReader:
        """The file, at its beginning, for reading. Raises InputError and OSError."""
        try:
            parts = self.path.relative_to(self.root).parts
        except ValueError as error:
            raise InputError("a file outside the folder that was given", where=self.name) from error
        descriptor, identity = open_below(self.root, parts, self._closed)
        if self._seen not in (None, identity):
            os.close(descriptor)
            raise InputError("the file was changed while it was read", where=self.name, remedy="take it in again")
        self._seen = identity
        return os.fdopen(descriptor, "rb")

    def beside(self, name: str) -> File | None:
        """The file called ``name`` in the same folder; None where there is none. Raises InputError for a path."""
        if Path(name).name != name:
            raise InputError("a file outside the folder", where=self.name, remedy="put the files into one folder")
        path = self.path.with_name(name)
        return File(path, self.root, self._closed) if os.path.lexists(path) else None

    def chunks(self, size: int) -> Iterator[bytes]:
        """The content in pieces of ``size``; one empty piece where it is empty."""
        with self.open() as stream:
            piece = stream.read(size)
            yield piece
            while len(piece) == size and (piece := stream.read(size)):
                yield piece

    def read(self, limit: int) -> bytes:
        """All of it. Raises InputError when it is longer than ``limit``."""
        with self.open() as stream:
            data = stream.read(limit + 1) if self.size <= limit else b""
        size = max(self.size, len(data))
        if size > limit:
            raise InputError(f"{size:,} bytes are more than the {limit:,} read at once", remedy="split the file")
        return data


Content = Bytes | File
