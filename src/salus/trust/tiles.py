"""A log as static files: tiles of hashes and bundles of entries, as C2SP tlog-tiles lays them out.

A tile holds up to 256 hashes of one level; each hash of level ``L + 1`` is the root of a full tile of level ``L``.
Whoever has the files and the log's key can check everything: no server, database or trust in the host is needed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from salus.errors import InputError, IntegrityError, StoreError
from salus.private_files import put, sync_folder
from salus.trust.merkle import HASH, Tree, View, check_size, leaf_hash
from salus.trust.note import Checkpoint, Note, Verifier

HEIGHT = 8
WIDTH = 1 << HEIGHT
ENTRY_BYTES = 0xFFFF
"""An entry's greatest length: a bundle states it in two bytes."""
TILES_KEPT = 4096
"""Tiles that a reader keeps in memory (16 KB each with the hashes between)."""
CHECKPOINT = "checkpoint"

Fetch = Callable[["Tile"], bytes]
"""Where the bytes of a tile come from: a folder, a table of a database."""


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """One tile of hashes, or with level None a bundle of entries: ``width`` of them, the first ``index * 256``."""

    level: int | None
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if self.level is not None:
            check_size(self.level, "level")
        check_size(self.index, "index")
        check_size(self.width, "width")
        if (self.level or 0) > 63 or not 0 < self.width <= WIDTH:
            raise InputError("not a tile", where="level, width")

    @property
    def full(self) -> bool:
        """True for a tile of 256, which never changes."""
        return self.width == WIDTH

    @property
    def path(self) -> str:
        """Where the tile stands below the log's prefix: groups of three digits, so that folders stay small."""
        digits = str(self.index)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        place = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        kind = "entries" if self.level is None else str(self.level)
        return f"tile/{kind}/{place}" + ("" if self.full else f".p/{self.width}")

    @classmethod
    def from_path(cls, path: str) -> Tile:
        """Inverse of :attr:`path`. Raises InputError for every other spelling."""
        root, _, rest = path.partition("/")
        kind, _, rest = rest.partition("/")
        place, partial, width = rest.partition(".p/")
        numbers = [*(["0"] if kind == "entries" else [kind]), *place.replace("/x", "/").removeprefix("x").split("/")]
        numbers += [width] if partial else []
        if root != "tile" or not all(n.isascii() and n.isdigit() and len(n) <= 3 for n in numbers):
            raise InputError("not the path of a tile")
        level = None if kind == "entries" else int(kind)
        index = int("".join(numbers[1:-1] if partial else numbers[1:]) or "0")
        tile = cls(level, index, int(width) if partial else WIDTH)
        if tile.path != path:
            raise InputError("not the path of a tile")
        return tile


def width_of(size: int, level: int, index: int) -> int:
    """How many hashes tile ``index`` of ``level`` holds in a log of ``size`` entries (0 to 256)."""
    return min(max((size >> HEIGHT * level) - index * WIDTH, 0), WIDTH)


def added_tiles(before: int, after: int) -> Iterator[Tile]:
    """The tiles of hashes that are new when a log grows from ``before`` to ``after`` entries."""
    for level, tile in _added(before, after):
        yield Tile(level, tile, width_of(after, level, tile))


def added_bundles(before: int, after: int) -> Iterator[Tile]:
    """The bundles of entries that are new when a log grows from ``before`` to ``after`` entries."""
    for level, tile in _added(before, after):
        if level == 0:
            yield Tile(None, tile, width_of(after, 0, tile))


def _added(before: int, after: int) -> Iterator[tuple[int, int]]:
    check_size(before, "before")
    check_size(after, "after")
    if before > after:
        raise InputError("a log only grows", where="before, after")
    level = 0
    while before < after:
        yield from ((level, tile) for tile in range(before // WIDTH, -(-after // WIDTH)))
        before, after, level = before // WIDTH, after // WIDTH, level + 1


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """A bundle: before each entry its length, two bytes, big-endian. Raises InputError for an entry over 65,535."""
    parts = []
    for entry in entries:
        if len(entry) > ENTRY_BYTES:
            raise InputError(f"an entry of more than {ENTRY_BYTES} bytes", remedy="log its hash instead")
        parts.append(len(entry).to_bytes(2, "big") + entry)
    return b"".join(parts)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """The ``width`` entries of a bundle. Raises InputError where it ends early, and where something follows."""
    entries, at = [], 0
    for number in range(width):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise InputError("a bundle that ends early", where=f"entry {number}")
        entries.append(data[at + 2 : end])
        at = end
    if at != len(data):
        raise InputError("a bundle with more than its entries", where=f"byte {at}")
    return entries


def grown(fetch: Fetch, size: int, leaves: Sequence[bytes]) -> Iterator[tuple[Tile, bytes]]:
    """The tiles of hashes, with their bytes, that are new when ``leaves`` (hashes) follow in a log of ``size`` entries.

    Of the tiles that are there, only the partial one at the right edge of each level is fetched.
    """
    level, hashes = 0, list(leaves)
    while hashes:
        first, kept = divmod(size, WIDTH)
        data = b"".join(([_fetched(fetch, Tile(level, first, kept))] if kept else []) + hashes)
        roots = []
        for index in range(first, first + -(-len(data) // (WIDTH * HASH))):
            part = data[(index - first) * WIDTH * HASH : (index - first + 1) * WIDTH * HASH]
            yield Tile(level, index, len(part) // HASH), part
            if len(part) == WIDTH * HASH:
                roots.append(Tree(_hashes(part)).root())
        size, hashes, level = first, roots, level + 1


class TileNodes:
    """The nodes of a log of ``size`` entries, read from its tiles. Implements :class:`salus.trust.merkle.Nodes`.

    Every full tile is held against its hash in the tile above. The partial tiles that are at the right edge are held
    against nothing here: the root of the whole follows from them, and has to be compared with a signed one.
    """

    def __init__(self, fetch: Fetch, size: int) -> None:
        check_size(size, "size")
        self.size = size
        self._fetch = fetch
        self._tile = lru_cache(TILES_KEPT)(self._read)

    def node(self, level: int, index: int) -> bytes:
        """The root of a perfect subtree. Raises IntegrityError where a tile is missing or is not what it was."""
        tile_level, height = divmod(level, HEIGHT)
        first = index << height
        return self._tile(tile_level, first // WIDTH).node(height, (first % WIDTH) >> height)

    def leaves(self, index: int) -> list[bytes]:
        """The leaf hashes in tile ``index`` of level 0."""
        tile = self._tile(0, index)
        return [tile.node(0, n) for n in range(tile.size)]

    def _read(self, level: int, index: int) -> Tree:
        width = width_of(self.size, level, index)
        if not width:
            raise InputError("the log has no such tile", where="size")
        wanted = Tile(level, index, width)
        tile = Tree(_hashes(_fetched(self._fetch, wanted)))
        if wanted.full and tile.root() != self.node(HEIGHT * (level + 1), index):
            raise IntegrityError("a tile is not the one that the log was made of", where=wanted.path)
        return tile


class Writer:
    """Publishes a log in a folder that any web server can serve as it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def published(self) -> Checkpoint | None:
        """The checkpoint that stands in the folder, as this writer left it; None before the first."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return None
        return Checkpoint.from_text(Note.from_bytes(path.read_bytes()).text)

    def publish(self, entries: Sequence[bytes], checkpoint: Note) -> None:
        """Add ``entries`` to those published before, then put ``checkpoint`` (which must state just them) in place.

        Writes the bundles and tiles at the right edge, each whole or not at all, and the checkpoint after all of them
        are on the disk: a reader never sees a checkpoint without its tiles. Partial tiles stay until they are full.
        With no entries it replaces the checkpoint by one with more cosignatures. Raises IntegrityError when the
        checkpoint is not that of the entries: nothing that is served has changed then.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder / ".lock"):
            before = self.published()
            size = before.size if before else 0
            head = Checkpoint.from_text(checkpoint.text)
            if head.size != size + len(entries) or (before and before.origin != head.origin):
                raise IntegrityError("the checkpoint is not of what is published", where=f"size {head.size}")
            hashes = list(grown(self._fetch, size, [leaf_hash(entry) for entry in entries]))
            fresh = {(t.level, t.index, t.width): data for t, data in hashes}

            def fetch(tile: Tile) -> bytes:
                return fresh.get((tile.level, tile.index, tile.width)) or self._fetch(tile)

            if View(TileNodes(fetch, head.size), head.size).root() != head.root:
                raise IntegrityError("the checkpoint's root is not that of the entries", where=f"size {head.size}")
            self._write([*self._bundles(size, entries), *hashes])
            write_file(self.folder / CHECKPOINT, checkpoint.to_bytes())
            self._tidy(tile for tile in (*added_bundles(size, head.size), *added_tiles(size, head.size)) if tile.full)

    def _bundles(self, size: int, entries: Sequence[bytes]) -> Iterator[tuple[Tile, bytes]]:
        first, kept = divmod(size, WIDTH)
        known = decode_bundle(_fetched(self._fetch, Tile(None, first, kept)), kept) if kept and entries else []
        waiting = [*known, *entries]
        for at in range(0, len(waiting), WIDTH):
            part = waiting[at : at + WIDTH]
            yield Tile(None, first + at // WIDTH, len(part)), encode_bundle(part)

    def _fetch(self, tile: Tile) -> bytes:
        return folder_fetch(self.folder)(tile)

    def _write(self, files: Iterable[tuple[Tile, bytes]]) -> None:
        for tile, data in files:
            write_file(self.folder / tile.path, data)

    def _tidy(self, full: Iterable[Tile]) -> None:
        """Remove the partial tiles whose full tile exists now, as the standard allows."""
        for tile in full:
            place = self.folder / (tile.path + ".p")
            for path in place.iterdir() if place.is_dir() else ():
                path.unlink()
            if place.is_dir():
                place.rmdir()


class Reader:
    """A log in a folder, held against its key: nothing is returned that does not follow from the signed root."""

    def __init__(self, folder: Path, origin: str, verifiers: Sequence[Verifier]) -> None:
        """Read the folder's checkpoint. Raises InputError, or IntegrityError where signature, origin or root fail."""
        self._fetch = folder_fetch(folder)
        try:
            self.note = Note.from_bytes((folder / CHECKPOINT).read_bytes())
        except FileNotFoundError as error:
            raise InputError("no log is published here", where=CHECKPOINT) from error
        self.signatures = self.note.verify(verifiers)
        self.checkpoint = Checkpoint.from_text(self.note.text)
        if self.checkpoint.origin != origin:
            raise IntegrityError("the checkpoint of another log", where=CHECKPOINT)
        self._nodes = TileNodes(self._fetch, self.checkpoint.size)
        self._view = View(self._nodes, self.checkpoint.size)
        if self._view.root() != self.checkpoint.root:
            raise IntegrityError("the tiles are not those of the checkpoint", where=CHECKPOINT)

    def view(self, size: int | None = None) -> View:
        """The log as it is, or as it was at ``size`` entries, for its root and proofs."""
        if size is None:
            return self._view
        check_size(size, "size")
        if size > self.checkpoint.size:
            raise InputError("the log has fewer entries", where="size")
        return View(self._nodes, size)

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The entries from ``start`` up to ``end`` (all), each held against its leaf. Raises IntegrityError."""
        stop = self.checkpoint.size if end is None else end
        check_size(start, "start")
        check_size(stop, "end")
        if not start <= stop <= self.checkpoint.size:
            raise InputError("the log has no such entries", where="start, end")
        for index in range(start // WIDTH, -(-stop // WIDTH)):
            bundle = Tile(None, index, width_of(self.checkpoint.size, 0, index))
            entries = decode_bundle(_fetched(self._fetch, bundle), bundle.width)
            if [leaf_hash(entry) for entry in entries] != self._nodes.leaves(index):
                raise IntegrityError("a bundle is not the one that the log was made of", where=bundle.path)
            yield from entries[max(start - index * WIDTH, 0) : stop - index * WIDTH]


def folder_fetch(folder: Path) -> Fetch:
    """Tiles from the files of a folder; a partial one that is gone is cut from the full one that took its place."""

    def fetch(tile: Tile) -> bytes:
        try:
            return (folder / tile.path).read_bytes()
        except FileNotFoundError as error:
            full = folder / Tile(tile.level, tile.index).path
            if tile.full or not full.exists():
                raise IntegrityError("a tile is missing", where=tile.path) from error
            data = full.read_bytes()
            if tile.level is None:
                return encode_bundle(decode_bundle(data, WIDTH)[: tile.width])
            return data[: tile.width * HASH]

    return fetch


def write_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file so that after a crash it is there whole or not at all. Raises StoreError when the disk refuses."""
    try:
        _make_folder(path.parent)
        put(path, data, mode)
    except OSError as error:
        raise StoreError(f"cannot be written: {error.strerror}", where=str(path)) from error


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, each entry durable."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer of a folder at a time."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _fetched(fetch: Fetch, tile: Tile) -> bytes:
    data = fetch(tile)
    if tile.level is not None and len(data) != tile.width * HASH:
        raise IntegrityError("a tile of the wrong length", where=tile.path)
    return data


def _hashes(data: bytes) -> list[bytes]:
    return [data[at : at + HASH] for at in range(0, len(data), HASH)]
