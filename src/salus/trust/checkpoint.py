"""A house's statement of its log's size and root, signed with its key: in the store, outside it, and handed to others.

It is published as a signed note (C2SP tlog-checkpoint), to which witnesses add their cosignatures.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from salus.errors import InputError, IntegrityError
from salus.trust import note
from salus.trust.note import ED25519, Note, Signature, Verifier

LEGACY_ORIGIN = "salus.log/v1"
"""The origin of every log that was begun before each log had a name of its own."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement of the log's size and root. ``cosignatures`` are lines that others added."""

    size: int
    root: bytes
    signature: bytes
    origin: str = LEGACY_ORIGIN
    key_id: bytes = b""
    cosignatures: tuple[Signature, ...] = ()

    def text(self) -> bytes:
        """What is signed: origin, size and root, a line each."""
        return checkpoint_text(self.size, self.root, self.origin)

    def verify(self, key: Ed25519PublicKey) -> bool:
        """True when ``key`` signed this checkpoint."""
        try:
            key.verify(self.signature, self.text())
        except InvalidSignature:
            return False
        return True

    def to_note(self) -> Note:
        """The checkpoint as a signed note."""
        own = Signature(self.origin, self.key_id or bytes(4), self.signature)
        return Note(self.text().decode(), (own, *self.cosignatures))

    def to_bytes(self) -> bytes:
        """The note as bytes: the form in which it is handed to others."""
        return self.to_note().to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Checkpoint:
        """Read a note, or the form of earlier releases. Raises IntegrityError for anything else."""
        try:
            return _from_legacy(data) or _from_note(data)
        except (InputError, ValueError) as error:
            raise IntegrityError("a checkpoint that cannot be read") from error


def checkpoint_text(size: int, root: bytes, origin: str = LEGACY_ORIGIN) -> bytes:
    """Origin, size and root, a line each."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()


def verifier(origin: str, key: Ed25519PublicKey) -> Verifier:
    """The house's public key under the name of its log."""
    return Verifier(origin, ED25519, key.public_bytes_raw())


def _from_note(data: bytes) -> Checkpoint:
    read = Note.from_bytes(data)
    stated = note.Checkpoint.from_text(read.text)
    own = [s for s in read.signatures if s.name == stated.origin and len(s.blob) == note.SIGNATURE_BYTES[ED25519]]
    if len(own) != 1 or stated.extensions:
        raise InputError("a checkpoint that no log signed, or more than one")
    others = tuple(s for s in read.signatures if s is not own[0])
    return Checkpoint(stated.size, stated.root, own[0].blob, stated.origin, own[0].key_id, others)


def _from_legacy(data: bytes) -> Checkpoint | None:
    """Origin, size, root, an empty line, the bare signature; None for data of another form."""
    lines = data.decode("utf-8").rstrip("\n").split("\n")
    if len(lines) != 5 or lines[0] != LEGACY_ORIGIN or lines[3] or lines[4].startswith(note.DASH):
        return None
    size = note.parse_size(lines[1], "size")
    return Checkpoint(
        size, base64.b64decode(lines[2], validate=True), base64.b64decode(lines[4], validate=True), LEGACY_ORIGIN
    )
