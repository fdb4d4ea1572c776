"""Lines of a text stream that may be gzip or BGZF, in bounded memory, with truncation found and placed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from salus.errors import InputError

MAX_LINE = 32 * 1024 * 1024
"""Bytes of the longest line accepted (a VCF cohort of some million samples)."""

REMEDY = "make it again from its source; the file is damaged or not a VCF"
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003" + "00" * 9)


class _Tail:
    """A binary stream that remembers its last bytes: a BGZF file ends with an empty block."""

    def __init__(self, stream: BinaryIO, first: bytes) -> None:
        self._stream, self._first, self.tail = stream, first, b""

    def read(self, size: int = -1) -> bytes:
        if self._first:
            cut = size if 0 <= size < len(self._first) else len(self._first)
            data, self._first = self._first[:cut], self._first[cut:]
        else:
            data = self._stream.read(size)
        self.tail = (self.tail + data)[-len(_BGZF_END) :] if data else self.tail
        return data


def numbered_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Numbered lines without their line ends. The last line may lack its newline."""
    first = stream.read(18)
    if not first:
        raise InputError("the file is empty", "byte 0", "choose the VCF file itself")
    raw = _Tail(stream, first)
    compressed = first[:2] == b"\x1f\x8b"
    blocked = compressed and len(first) >= 14 and bool(first[3] & 4) and first[12:14] == b"BC"
    source = gzip.GzipFile(fileobj=cast("BinaryIO", raw)) if compressed else _Buffered(raw)
    number = 0
    while True:
        try:
            line = source.readline(MAX_LINE)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError("the compressed file is truncated or damaged", f"line {number + 1}", REMEDY) from error
        if not line:
            break
        number += 1
        if len(line) >= MAX_LINE and not line.endswith(b"\n"):
            raise InputError(f"a line is longer than {MAX_LINE} bytes", f"line {number}", REMEDY)
        yield number, line.rstrip(b"\r\n")
    if blocked and raw.tail != _BGZF_END:
        raise InputError("the BGZF file lacks its end marker: it is truncated", f"line {number}", REMEDY)


class _Buffered:
    """``readline`` over an unbuffered stream in bounded memory."""

    def __init__(self, raw: _Tail) -> None:
        self._raw, self._buffer, self._at = raw, b"", 0

    def readline(self, limit: int) -> bytes:
        found = self._buffer.find(b"\n", self._at)
        while found < 0 and len(self._buffer) - self._at < limit:
            seen = len(self._buffer) - self._at
            data = self._raw.read(max(1 << 16, seen))  # doubling: one long line costs its length, not its square
            if not data:
                break
            self._buffer, self._at = self._buffer[self._at :] + data, 0
            found = self._buffer.find(b"\n", seen)
        end = min(found + 1 if found >= 0 else len(self._buffer), self._at + limit)
        line, self._at = self._buffer[self._at : end], end
        return line
