"""A small journal beside the log, for emergencies in which the log cannot be written.

Its files are made in advance, so that a full disk does not matter. It has a fixed number of slots, each sealed and
signed by the house; a second file counts what was written. As soon as the log can be written again every slot is merged
into it, exactly once.

Every entry has a number and names the digest of the entry before. The count says which entry was the last, and the log
says up to which one they were merged. So a slot that was blanked leaves a gap: :mod:`salus.trust.journal_check`. A slot
is written before it is counted, and counted before it is merged. A process that dies in between leaves a slot that is
ahead of the count, and never a count of an entry that is not there.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature

from salus.errors import IntegrityError, SalusError, StoreError
from salus.fhir import json
from salus.trust.vault import SYSTEM, Vault

SLOTS = 64
SLOT = 4096
COUNT = 512
"""Bytes of the count: one sector, which a disk writes whole or not at all."""
_SIGNATURE = 64
_FREE = bytes(4)
_COUNTING = b"journal count\0"


@dataclass(frozen=True, slots=True)
class Count:
    """How far the journal had come: the number of its last entry, and that entry's digest ("" before the first)."""

    number: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    """One entry that waits to be merged. ``id`` tells it from every other, ``topic`` is the log's.

    ``number`` is 0 for entries of an earlier release, which had no numbers. ``previous`` is the digest of the entry
    before, ``digest`` its own.
    """

    slot: int
    id: str
    patient: str
    topic: str
    entry: Mapping[str, Any]
    number: int = 0
    previous: str = ""
    digest: str = ""

    @property
    def count(self) -> Count:
        """The count once this entry is the last one."""
        return Count(self.number, self.digest)


class Journal:
    """The journal of one house, in its folder of keys."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._path = vault.folder / "glass.journal"
        self._count = vault.folder / "glass.count"

    def prepare(self, *, numbered: bool = False) -> None:
        """Make the files where they are missing, with all their room on the disk taken.

        ``numbered``: the log says that there is a count. If it is missing, somebody took it away, and it is not made
        anew.
        """
        if self._path.exists() and (numbered or self._count.exists()):
            return
        with self._vault.locked():  # nobody's entry is overwritten by a new file
            if not self._path.exists():
                _allocate(self._path, bytes(SLOTS * SLOT))
            if not numbered and not self._count.exists():
                _allocate(self._count, self._counting(Count()))

    def write(self, patient: str, topic: str, entry: Mapping[str, Any], merged: int = 0) -> None:
        """Write an entry durably. ``merged`` is the number of the last entry that the log has.

        Raises StoreError where the journal is full or cannot be written either, IntegrityError where the count was
        changed or an older one was put back.
        """
        noted = {"id": secrets.token_hex(16), "patient": patient, "topic": topic, "entry": dict(entry)}
        try:
            with self._vault.locked(), self._opened_file() as descriptor:
                last = self._caught_up()
                if last.number < merged:
                    raise IntegrityError("the emergency journal is older than the log", remedy="run: salus verify")
                slot = next((n for n in range(SLOTS) if os.pread(descriptor, 4, n * SLOT) == _FREE), None)
                if slot is None:
                    raise StoreError("the emergency journal is full", remedy="make the log writable again")
                signed = self._sealed(slot, {**noted, "number": last.number + 1, "previous": last.digest})
                _put(descriptor, slot, signed)
                self._write_count(Count(last.number + 1, _digest(signed)))
        except OSError as error:
            raise StoreError("neither the log nor the emergency journal can be written") from error

    def waiting(self) -> list[Noted]:
        """The entries that wait to be merged, in the order in which they were written. Raises IntegrityError for a slot
        that was changed."""
        found = [self._open(n, data) for n, data in self._taken()]
        return sorted(found, key=lambda noted: noted.number)

    def readable(self) -> tuple[list[Noted], list[int]]:
        """The entries that wait to be merged and can be read, and the slots that cannot be read."""
        found: list[Noted] = []
        changed: list[int] = []
        for n, data in self._taken():
            try:
                found.append(self._open(n, data))
            except IntegrityError:
                changed.append(n)
        return sorted(found, key=lambda noted: noted.number), changed

    def counted(self) -> Count | None:
        """The count; None where there is none. Raises IntegrityError where it was changed."""
        try:
            data = self._count.read_bytes()
        except FileNotFoundError:
            return None
        try:
            told = json.loads(self._signed_by_us(_COUNTING, _framed(data)))
            return Count(told["number"], told["digest"])
        except (InvalidSignature, SalusError) as error:
            raise IntegrityError("the count of the emergency journal was changed", where=self._count.name) from error

    def catch_up(self) -> Count:
        """Count an entry whose writer died before counting it. Returns the count: only entries that are counted are
        merged."""
        with self._vault.locked():
            return self._caught_up()

    def clear(self, noted: Noted) -> None:
        """Free the slot of an entry that is in the log, unless another entry has taken it since."""
        with self._vault.locked(), self._opened_file() as descriptor:
            held = os.pread(descriptor, SLOT, noted.slot * SLOT)
            if held[:4] != _FREE and self._open(noted.slot, held).id == noted.id:
                _free(descriptor, noted.slot)

    def restart(self, count: Count, changed: list[int]) -> None:
        """Go on from ``count`` and free the slots in ``changed``. Only for a person who decided so; the caller logs
        who."""
        self.prepare()
        with self._vault.locked(), self._opened_file() as descriptor:
            for slot in changed:
                _free(descriptor, slot)
            self._write_count(count)

    # ----

    @contextmanager
    def _opened_file(self) -> Iterator[int]:
        descriptor = os.open(self._path, os.O_RDWR)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _taken(self) -> list[tuple[int, bytes]]:
        """Every slot that holds something, with its bytes."""
        data = self._path.read_bytes() if self._path.exists() else b""
        slots = ((n, data[n * SLOT : (n + 1) * SLOT]) for n in range(min(SLOTS, len(data) // SLOT)))
        return [(n, slot) for n, slot in slots if slot[:4] != _FREE]

    def _caught_up(self) -> Count:
        """The count, with the one entry that may be ahead of it counted durably. Under the folder's lock."""
        counted = self.counted()
        if counted is None:
            raise StoreError("the emergency journal has no count", remedy="open the store anew; else: salus verify")
        ahead = (n for n in self.readable()[0] if n.number == counted.number + 1 and n.previous == counted.digest)
        found = next(ahead, None)
        if found is None:
            return counted
        self._write_count(found.count)
        return found.count

    def _write_count(self, count: Count) -> None:
        descriptor = os.open(self._count, os.O_RDWR)
        try:
            os.pwrite(descriptor, self._counting(count), 0)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def _counting(self, count: Count) -> bytes:
        body = json.dumps({"number": count.number, "digest": count.digest}, canonical=True)
        signed = body + self._vault.house.sign(_COUNTING + body)
        return (len(signed).to_bytes(4, "big") + signed).ljust(COUNT, b"\0")

    def _sealed(self, slot: int, noted: Mapping[str, Any]) -> bytes:
        body = self._vault.seal(SYSTEM, json.dumps(noted, canonical=True), _context(slot))
        signed = body + self._vault.house.sign(_context(slot) + body)
        if len(signed) + 4 > SLOT:
            raise StoreError("an entry too large for the emergency journal")
        return signed

    def _open(self, slot: int, data: bytes) -> Noted:
        signed = _framed(data)
        try:
            body = self._signed_by_us(_context(slot), signed)
            told = json.loads(self._vault.unseal(SYSTEM, body, _context(slot)))
        except (InvalidSignature, SalusError) as error:
            raise IntegrityError("a slot of the emergency journal was changed", where=f"slot {slot}") from error
        place = told.get("number", 0), told.get("previous", ""), _digest(signed)
        return Noted(slot, told["id"], told["patient"], told["topic"], told["entry"], *place)

    def _signed_by_us(self, context: bytes, signed: bytes) -> bytes:
        """The bytes before the signature. Raises InvalidSignature."""
        body, signature = signed[:-_SIGNATURE], signed[-_SIGNATURE:]
        self._vault.house.public_key().verify(signature, context + body)
        return body


def _context(slot: int) -> bytes:
    return f"journal\0{slot}".encode()


def _framed(data: bytes) -> bytes:
    return data[4 : 4 + int.from_bytes(data[:4], "big")]


def _digest(signed: bytes) -> str:
    return hashlib.sha256(signed).hexdigest()


def _put(descriptor: int, slot: int, signed: bytes) -> None:
    """Fill a slot. It is taken only once its length stands there: a slot half written is a free one."""
    os.pwrite(descriptor, signed, slot * SLOT + 4)
    os.fdatasync(descriptor)
    os.pwrite(descriptor, len(signed).to_bytes(4, "big"), slot * SLOT)
    os.fdatasync(descriptor)


def _free(descriptor: int, slot: int) -> None:
    """Empty a slot, its length first: a slot half emptied is a free one."""
    for place, size in ((slot * SLOT, 4), (slot * SLOT + 4, SLOT - 4)):
        os.pwrite(descriptor, bytes(size), place)
        os.fdatasync(descriptor)


def _allocate(path: Path, data: bytes) -> None:
    """Make a file whole or not at all, with all its room taken."""
    temporary = Path(f"{path}.new")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, len(data))
        os.pwrite(descriptor, data, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
