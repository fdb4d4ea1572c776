"""The bytes of FHIR files, plain or gzip, whole or by line, in bounded memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from salus.errors import InputError
from salus.formats.content import File

MAX_BYTES = 64 << 20
MAX_LINE = 64 << 20
MAX_LINES = 2_000_000


def content(file: File) -> bytes:
    """A file's bytes, unpacked where they are gzip. Raises InputError for damaged, cut off or too large ones."""
    data = file.read(MAX_BYTES)
    if data[:2] != b"\x1f\x8b":
        return data
    plain = bytearray()
    while data.strip(b"\0"):  # one member after the other, as bgzip writes them
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            plain += unpacker.decompress(data, MAX_BYTES - len(plain) + 1)
        except zlib.error as error:
            raise InputError("damaged gzip data", remedy="compress it again") from error
        if not unpacker.eof or len(plain) > MAX_BYTES:
            raise InputError("the gzip data are cut off or too large", remedy=f"at most {MAX_BYTES:,} bytes are read")
        data = unpacker.unused_data
    return bytes(plain)


def lines(file: File) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that hold anything, with their numbers. Raises InputError beyond the limits."""
    try:
        with file.open() as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw
            number = total = 0
            while line := stream.readline(MAX_LINE):
                number += 1
                total += len(line)
                _check(number, total, len(line))
                if line.strip():
                    yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError("the gzip data are cut off or damaged", remedy="compress it again") from error


def _check(number: int, total: int, length: int) -> None:
    if number > MAX_LINES:
        raise InputError(f"more than {MAX_LINES:,} lines", remedy="split the file by patient")
    if total > MAX_BYTES:
        raise InputError(f"more than {MAX_BYTES:,} bytes", where=f"line {number}", remedy="split the file by patient")
    if length >= MAX_LINE:
        raise InputError(f"a line of more than {MAX_LINE:,} bytes", where=f"line {number}")
