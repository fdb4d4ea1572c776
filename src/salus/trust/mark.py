"""The mark: the newest checkpoint of a log, remembered outside its store, so that a store rolled back is noticed.

It is one small file, overwritten in place: making, renaming and making durable a new file for every answer takes many
times as long. It has two slots and, after them, the size of the checkpoint that is the mark. Before the store's
transaction is committed, the next checkpoint is written into the slot that does not hold the mark (it is *announced*).
After the commit, the size is changed (the mark is *moved*). The mark itself stands, wherever a crash cuts this off.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from salus.errors import IntegrityError
from salus.trust.checkpoint import Checkpoint
from salus.trust.wrapping import write_durably

SLOT = 1024
"""Bytes of a slot: the SHA-256 of a checkpoint in hexadecimal, a line feed, the checkpoint, and zeros."""
DIGITS = 19
SIZE = 2 * SLOT + DIGITS
_KNOWN = 4


@dataclass(frozen=True, slots=True)
class Held:
    """What the file says: the mark, the checkpoint that is announced, and the slot (0 or 1) that is free for one."""

    mark: Checkpoint | None = None
    announced: Checkpoint | None = None
    free: int = 0


class Mark:
    """The mark at ``path``. Only a process that writes into the store announces; moving the mark takes the key folder's
    lock."""

    def __init__(self, path: Path) -> None:
        self.path, self._place = path, str(path)
        self._seen: tuple[bytes, Held] | None = None  # the file as it was read last, and what it says
        self._known: dict[bytes, Checkpoint | None] = {}  # what slots say: the same ones are read again and again

    def look(self) -> Held:
        """What the file says; nothing where there is no file. Raises IntegrityError where the mark cannot be read."""
        try:
            return self._look()
        except IntegrityError:
            time.sleep(0.001)  # somebody may be writing at this moment
            return self._look()

    def _look(self) -> Held:
        data = self._read()
        if data is None:
            return Held()
        if self._seen is None or self._seen[0] != data:
            self._seen = data, self._parsed(data)
        return self._seen[1]

    def _read(self) -> bytes | None:
        """The file; None where there is none. It is read at every turn of a writer, several times."""
        try:
            with FileIO(self._place) as file:
                return file.readall()
        except FileNotFoundError:
            return None

    def announce(self, checkpoint: Checkpoint) -> None:
        """Make a checkpoint durable in the free slot. Raises OSError where it cannot be written; the mark then stays as
        it was."""
        held = self.look()
        if not self._has_slots():
            self.write(held.mark)
            held = self.look()
        slot = _slot(checkpoint)
        overwrite(self.path, held.free * SLOT, slot)
        self._remember(slot, checkpoint)

    def withdraw(self) -> None:
        """Empty the free slot: what was announced was not committed."""
        if self._has_slots():
            overwrite(self.path, self.look().free * SLOT, bytes(SLOT), durable=False)

    def move(self, size: int) -> None:
        """Make the announced checkpoint of this size the mark. Do nothing where none of this size is announced (any
        more)."""
        announced = self.look().announced
        if announced is not None and announced.size == size:
            overwrite(self.path, 2 * SLOT, b"%0*d" % (DIGITS, size), durable=False)

    def write(self, mark: Checkpoint | None) -> None:
        """Write the file anew, with this mark and nothing announced. Raises OSError."""
        slot, size = (_slot(mark), mark.size) if mark else (bytes(SLOT), 0)
        write_durably(self.path, bytes(SLOT) + slot + b"%0*d" % (DIGITS, size))

    def _has_slots(self) -> bool:
        try:
            return self.path.stat().st_size == SIZE
        except FileNotFoundError:
            return False

    def _parsed(self, data: bytes) -> Held:
        """What a file says. Raises IntegrityError where its mark cannot be read."""
        if len(data) != SIZE:
            return Held(Checkpoint.from_bytes(data))
        slots, number = [self._checkpoint(data[at : at + SLOT]) for at in (0, SLOT)], data[2 * SLOT :]
        if number == b"0" * DIGITS:
            return Held(None, slots[0])
        sizes = [found.size if found else 0 for found in slots]
        if number.isdigit() and int(number) < min((size for size in sizes if size), default=0):
            return _earlier(slots)
        if not number.isdigit() or int(number) not in sizes:
            raise IntegrityError("the checkpoint kept outside the store is damaged", remedy="salus log settle")
        at = sizes.index(int(number))
        ahead = sizes[1 - at] > sizes[at]
        return Held(slots[at], slots[1 - at] if ahead else None, 1 - at)

    def _checkpoint(self, slot: bytes) -> Checkpoint | None:
        """The checkpoint in a slot; None for an empty slot, and for one whose writing was cut off."""
        if slot not in self._known:
            digest, _, data = slot.rstrip(b"\0").partition(b"\n")
            whole = hashlib.sha256(data).hexdigest().encode() == digest
            self._remember(slot, Checkpoint.from_bytes(data) if whole else None)
        return self._known[slot]

    def _remember(self, slot: bytes, found: Checkpoint | None) -> None:
        if len(self._known) >= _KNOWN:
            del self._known[next(iter(self._known))]
        self._known[slot] = found


def _earlier(slots: Sequence[Checkpoint | None]) -> Held:
    """What the file says where its slots are newer than the size beside them: power failed before the new size reached
    the disk.

    The writer that announced the later of two checkpoints had moved the mark to the earlier one, which is the mark. If
    there is only one, it counts as announced, and the store tells whether it was committed.
    """
    first, *second = sorted((slot for slot in slots if slot), key=lambda slot: slot.size)
    at = slots.index(first)
    return Held(first, second[0], 1 - at) if second else Held(None, first, at)


def overwrite(path: Path, at: int, data: bytes, *, durable: bool = True) -> None:
    """Write ``data`` over what stands ``at`` a byte of a file. What is not durable may be lost when the power fails."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, data, at)
        if durable:
            getattr(os, "fdatasync", os.fsync)(descriptor)
    finally:
        os.close(descriptor)


def _slot(checkpoint: Checkpoint) -> bytes:
    data = checkpoint.to_bytes()
    found = hashlib.sha256(data).hexdigest().encode() + b"\n" + data
    if len(found) > SLOT:
        raise ValueError("a checkpoint too long for its slot")
    return found.ljust(SLOT, b"\0")
