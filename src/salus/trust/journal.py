"""A small journal beside the log, for emergencies in which the log cannot be written.

Its file is made in advance, so that a full disk does not matter; it has a fixed number of slots, each sealed and signed
by the house. As soon as the log can be written again every slot is merged into it, exactly once.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature

from salus.errors import IntegrityError, SalusError, StoreError
from salus.fhir import json
from salus.trust.vault import SYSTEM, Vault

SLOTS = 64
SLOT = 4096
_SIGNATURE = 64


@dataclass(frozen=True, slots=True)
class Noted:
    """One entry that waits to be merged. ``id`` tells it from every other, ``topic`` is the log's."""

    slot: int
    id: str
    patient: str
    topic: str
    entry: Mapping[str, Any]


class Journal:
    """The journal of one house, in its folder of keys."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._path = vault.folder / "glass.journal"

    def prepare(self) -> None:
        """Make the file, with all its room taken, where it is missing."""
        if self._path.exists():
            return
        temporary = Path(f"{self._path}.new")
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SLOTS * SLOT)
            os.pwrite(descriptor, bytes(SLOTS * SLOT), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(self._path)

    def write(self, patient: str, topic: str, entry: Mapping[str, Any]) -> None:
        """Note an entry durably. Raises StoreError where the journal is full or cannot be written either."""
        noted = {"id": secrets.token_hex(16), "patient": patient, "topic": topic, "entry": dict(entry)}
        try:
            with self._vault.locked():
                descriptor = os.open(self._path, os.O_RDWR)
                try:
                    slot = next((n for n in range(SLOTS) if os.pread(descriptor, 4, n * SLOT) == bytes(4)), None)
                    if slot is None:
                        raise StoreError("the emergency journal is full", remedy="make the log writable again")
                    os.pwrite(descriptor, self._sealed(slot, noted), slot * SLOT)
                    os.fdatasync(descriptor)
                finally:
                    os.close(descriptor)
        except OSError as error:
            raise StoreError("neither the log nor the emergency journal can be written") from error

    def waiting(self) -> list[Noted]:
        """What waits to be merged. Raises IntegrityError for a slot that was changed."""
        if not self._path.exists():
            return []
        data = self._path.read_bytes()
        slots = range(min(SLOTS, len(data) // SLOT))
        return [
            self._opened(n, data[n * SLOT : (n + 1) * SLOT]) for n in slots if data[n * SLOT : n * SLOT + 4] != bytes(4)
        ]

    def clear(self, noted: Noted) -> None:
        """Free the slot of an entry that is in the log, unless another entry has taken it since."""
        with self._vault.locked():
            descriptor = os.open(self._path, os.O_RDWR)
            try:
                held = os.pread(descriptor, SLOT, noted.slot * SLOT)
                if held[:4] != bytes(4) and self._opened(noted.slot, held).id == noted.id:
                    os.pwrite(descriptor, bytes(SLOT), noted.slot * SLOT)
                    os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def _sealed(self, slot: int, noted: Mapping[str, Any]) -> bytes:
        body = self._vault.seal(SYSTEM, json.dumps(noted, canonical=True), _context(slot))
        signed = body + self._vault.house.sign(_context(slot) + body)
        if len(signed) + 4 > SLOT:
            raise StoreError("an entry too large for the emergency journal")
        return len(signed).to_bytes(4, "big") + signed

    def _opened(self, slot: int, data: bytes) -> Noted:
        length = int.from_bytes(data[:4], "big")
        signed = data[4 : 4 + length]
        body, signature = signed[:-_SIGNATURE], signed[-_SIGNATURE:]
        try:
            self._vault.house.public_key().verify(signature, _context(slot) + body)
            told = json.loads(self._vault.unseal(SYSTEM, body, _context(slot)))
        except (InvalidSignature, SalusError) as error:
            raise IntegrityError("a slot of the emergency journal was changed", where=f"slot {slot}") from error
        return Noted(slot, told["id"], told["patient"], told["topic"], told["entry"])


def _context(slot: int) -> bytes:
    return f"journal\0{slot}".encode()
