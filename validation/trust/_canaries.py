"""Random words that stand for a person, how they may be spelt in a file, and a search for all of them at once."""

from __future__ import annotations

import base64
import secrets
import string
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

WINDOW = 8
"""Bytes: every spelling is at least as long."""
BLOCK = 4 << 20
UNPACKED = 64 << 20


def _zlib_head(window: int, level: int) -> bytes:
    """The two bytes with which a zlib stream of this window (8 to 15) and level (0 to 3) begins (RFC 1950, 2.2)."""
    head = (window - 8) << 12 | 8 << 8 | level << 6
    return (head + (31 - head % 31) % 31).to_bytes(2, "big")


_STREAMS = (b"\x1f\x8b\x08", *(_zlib_head(window, level) for window in range(8, 16) for level in range(4)))
_DAYS = [date(1905, 1, 1) + timedelta(days=n) for n in range(0, 40_000, 3)]
"""Not one after another: the day after somebody's day is where the index says that it ends."""


@dataclass(frozen=True)
class Canary:
    """One word: whose, of which kind (name, date, number, variant, id), and the text."""

    patient: str
    kind: str
    text: str


def word(letters: int) -> str:
    """Letters that stand in no dictionary."""
    return secrets.choice(string.ascii_uppercase) + "".join(
        secrets.choice("bcdfghjklmnpqrstvwxz") for _ in range(letters)
    )


def digits(count: int) -> str:
    """Digits, of which the first is not 0."""
    return secrets.choice("123456789") + "".join(secrets.choice(string.digits) for _ in range(count - 1))


def bases(count: int) -> str:
    """A sequence of DNA."""
    return "".join(secrets.choice("ACGT") for _ in range(count))


def days(count: int) -> list[str]:
    """Different days of before 2015."""
    return [day.isoformat() for day in secrets.SystemRandom().sample(_DAYS, count)]


def spellings(text: str) -> Iterator[bytes]:
    """UTF-8, UTF-16, hex and base64 (wherever it may begin in it)."""
    plain = text.encode()
    yield plain
    yield plain.lower()
    yield from (text.encode("utf-16-le"), text.encode("utf-16-be"))
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    for before in range(3):
        coded = base64.b64encode(bytes(before) + plain)
        start = (before * 8 + 5) // 6
        end = (before + len(plain)) * 8 // 6
        yield coded[start:end]


class Search:
    """Looks for every spelling of many canaries in whatever it is given, packed streams in it included."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self._spelt: dict[bytes, list[tuple[bytes, Canary]]] = {}
        for canary in canaries:
            for spelling in set(spellings(canary.text)):
                if len(spelling) < WINDOW:
                    raise ValueError(f"a spelling that is too short to be looked for: {canary.kind}")
                self._spelt.setdefault(spelling[:WINDOW], []).append((spelling, canary))
        self._heads = np.sort(np.frombuffer(b"".join(self._spelt), dtype="<u8"))
        self.searched = 0

    def look(self, data: bytes, *, depth: int = 2) -> set[Canary]:
        """The canaries in ``data``, and in what unpacks from it."""
        found: set[Canary] = set()
        for start in range(0, len(data), BLOCK):
            found |= self._block(data, start)
        self.searched += len(data)
        if depth:
            for unpacked in _unpacked(data):
                found |= self.look(unpacked, depth=depth - 1)
        return found

    def _block(self, data: bytes, start: int) -> set[Canary]:
        found: set[Canary] = set()
        piece = data[start : start + BLOCK + WINDOW]
        for shift in range(WINDOW):
            count = (len(piece) - shift) // WINDOW
            if count <= 0:
                continue
            values = np.frombuffer(piece, dtype="<u8", count=count, offset=shift)
            places = np.searchsorted(self._heads, values)
            hits = np.flatnonzero(self._heads[np.minimum(places, len(self._heads) - 1)] == values)
            for hit in hits:
                at = start + shift + int(hit) * WINDOW
                for spelling, canary in self._spelt[data[at : at + WINDOW]]:
                    if data.startswith(spelling, at):
                        found.add(canary)
        return found


def _unpacked(data: bytes) -> Iterator[bytes]:
    """What the gzip and zlib streams in ``data`` hold, as far as they can be read."""
    for magic in _STREAMS:
        at = data.find(magic)
        while at >= 0:
            try:
                text = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(data[at:], UNPACKED)
                if len(text) >= WINDOW:
                    yield text
            except zlib.error:
                pass  # bytes that only look like one
            at = data.find(magic, at + 1)
