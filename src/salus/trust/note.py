"""Signed notes and checkpoints as C2SP signed-note, tlog-checkpoint and tlog-cosignature define them.

A note is a text that keys signed, a line a signature. A checkpoint is a note whose text states a log's origin, size and
root. Keys are of three kinds: Ed25519 over the text, and two that state when a witness saw the checkpoint.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from salus.errors import InputError, IntegrityError
from salus.trust.identity import check_enrolment
from salus.trust.merkle import SIZE_LIMIT, check_hash, check_size

ED25519 = 0x01
"""Ed25519 over the note's text (C2SP signed-note)."""
COSIGNATURE = 0x04
"""Ed25519 over time and checkpoint (C2SP tlog-cosignature, "cosignature/v1")."""
ML_DSA_44 = 0x06
"""ML-DSA-44 over cosigner, time, origin, size and root (C2SP tlog-cosignature, "subtree/v1"): post-quantum."""
KEY_BYTES = {ED25519: 32, COSIGNATURE: 32, ML_DSA_44: 1312}
SIGNATURE_BYTES = {ED25519: 64, COSIGNATURE: 64, ML_DSA_44: 2420}

SIGNATURES = 100
"""Signature lines that a note may hold."""
NOTE_BYTES = 512 * 1024
"""A note's greatest length: room for a hundred ML-DSA-44 signatures."""
NAME_BYTES = 255
"""Of a key's name or an origin in UTF-8: ML-DSA-44 cosignatures state their length in one byte."""
DASH = "\u2014 "
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
"""Control characters but the newline."""
_BLANK = re.compile(r"[\s\x00-\x1f]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who signed, the first four bytes of the key's hash, and what the key's kind puts there."""

    name: str
    key_id: bytes
    blob: bytes

    def line(self) -> str:
        """The line, with its newline."""
        return f"{DASH}{self.name} {base64.b64encode(self.key_id + self.blob).decode()}\n"


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that held, and the time it states (seconds since 1970; None for kinds that state none)."""

    signature: Signature
    verifier: Verifier
    time: int | None


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends in a newline, and its signatures. Nothing in it is to be believed before :meth:`verify`."""

    text: str
    signatures: tuple[Signature, ...]

    def to_bytes(self) -> bytes:
        """The note as it is published."""
        return (self.text + "\n" + "".join(s.line() for s in self.signatures)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Note:
        """Read a note. Raises InputError, naming the line, for whatever the format does not allow."""
        if len(data) > NOTE_BYTES:
            raise InputError(f"a note of more than {NOTE_BYTES} bytes")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError("a note that is not UTF-8", where=f"byte {error.start}") from error
        if _CONTROL.search(whole):
            raise InputError("a note with a control character")
        cut = whole.rfind("\n\n")
        if cut < 0 or not whole.endswith("\n"):
            raise InputError("not a note: text, an empty line, signature lines, each ended by a newline")
        text, lines = whole[: cut + 1], whole[cut + 2 : -1].split("\n")
        if len(lines) > SIGNATURES:
            raise InputError(f"a note with more than {SIGNATURES} signatures")
        before = text.count("\n") + 2
        return cls(text, tuple(_signature(line, f"line {before + n}") for n, line in enumerate(lines)))

    def verify(self, verifiers: Sequence[Verifier]) -> tuple[Verified, ...]:
        """The signatures of known keys, each key once. Those of unknown keys are passed over.

        Raises IntegrityError when one of a known key does not hold, and when no known key signed; InputError for a
        list of verifiers that :func:`distinct` refuses.
        """
        known = {(v.name, v.key_id): v for v in distinct(verifiers)}
        found: dict[tuple[str, bytes], Verified] = {}
        for signature in self.signatures:
            verifier = known.get((signature.name, signature.key_id))
            if verifier is None:
                continue
            time = verifier.check(self.text, signature.blob)
            found.setdefault((signature.name, signature.key_id), Verified(signature, verifier, time))
        if not found:
            raise IntegrityError("no known key signed this note")
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log states of itself: its origin, its size, its root, and lines that the standard gives no meaning."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_size(self.size, "size")
        check_hash(self.root, "root")
        for line, field in ((self.origin, "origin"), *((line, "extension") for line in self.extensions)):
            if not line or "\n" in line or _CONTROL.search(line) or not _encodes(line):
                raise InputError("not one line of text", where=field)

    def text(self) -> str:
        """The text of the note, a line each."""
        root = base64.b64encode(self.root).decode()
        return "\n".join((self.origin, str(self.size), root, *self.extensions)) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Checkpoint:
        """Inverse of :meth:`text`. Raises InputError, naming the field."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] != "":
            raise InputError("not a checkpoint: origin, size and root, a line each")
        root = decode_base64(lines[2], "root")
        return cls(lines[0], parse_size(lines[1], "size"), root, tuple(lines[3:-1]))


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under the name it signs with. Raises InputError for keys and names that must not be relied on."""

    name: str
    kind: int
    public_key: bytes

    def __post_init__(self) -> None:
        if not _is_name(self.name) or len(self.name.encode()) > NAME_BYTES:
            raise InputError("not a key's name", remedy=f"1 to {NAME_BYTES} bytes without spaces and '+'")
        if self.kind not in KEY_BYTES:
            raise InputError("not a kind of key that is known here", where="key")
        if len(self.public_key) != KEY_BYTES[self.kind]:
            raise InputError("a public key of the wrong length", where="key")
        if self.kind == ML_DSA_44:
            MLDSA44PublicKey.from_public_bytes(self.public_key)
        else:
            check_enrolment(self.public_key)

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256 over name, newline, kind and public key."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key).digest()[:4]

    @property
    def vkey(self) -> str:
        """The verifier key as text: name+id+key, to be handed to others."""
        key = base64.b64encode(bytes([self.kind]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"

    @classmethod
    def from_vkey(cls, text: str) -> Verifier:
        """Read a verifier key. Raises InputError for what is none, or what states another key's id."""
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise InputError("not a verifier key: name+id+key", where="verifier key")
        name, key_id, key = parts
        raw = decode_base64(key, "verifier key")
        if not raw:
            raise InputError("a verifier key without a key", where="verifier key")
        verifier = cls(name, raw[0], raw[1:])
        if key_id != verifier.key_id.hex():
            raise InputError("the id is not that of the key", where="verifier key")
        return verifier

    def check(self, text: str, blob: bytes) -> int | None:
        """The time that the signature ``blob`` over ``text`` states, None for a kind without time.

        Raises IntegrityError when the signature does not hold.
        """
        refusal = IntegrityError("a signature of a known key does not hold", where=self.name)
        stamped = self.kind != ED25519
        time = int.from_bytes(blob[:8], "big") if stamped else None
        signature = blob[8:] if stamped else blob
        if len(signature) != SIGNATURE_BYTES[self.kind] or (time is not None and time >= SIZE_LIMIT):
            raise refusal
        key = MLDSA44PublicKey if self.kind == ML_DSA_44 else Ed25519PublicKey
        try:
            key.from_public_bytes(self.public_key).verify(signature, _message(self.kind, self.name, text, time or 0))
        except (InvalidSignature, InputError) as error:  # InputError: a cosignature of what is no checkpoint
            raise refusal from error
        return time


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under the name it signs with. Made by :meth:`note`, :meth:`cosigner` or :meth:`post_quantum`."""

    verifier: Verifier
    key: Ed25519PrivateKey | MLDSA44PrivateKey

    @classmethod
    def note(cls, name: str, key: Ed25519PrivateKey) -> Signer:
        """Signs a note's text with Ed25519, as a log does."""
        return cls(Verifier(name, ED25519, key.public_key().public_bytes_raw()), key)

    @classmethod
    def cosigner(cls, name: str, key: Ed25519PrivateKey) -> Signer:
        """Cosigns a checkpoint with Ed25519, as a witness does."""
        return cls(Verifier(name, COSIGNATURE, key.public_key().public_bytes_raw()), key)

    @classmethod
    def post_quantum(cls, name: str, key: MLDSA44PrivateKey) -> Signer:
        """Cosigns a checkpoint with ML-DSA-44, as the standard advises for new witnesses (and logs)."""
        return cls(Verifier(name, ML_DSA_44, key.public_key().public_bytes_raw()), key)

    def sign(self, text: str, time: int = 0) -> Signature:
        """Sign a note's text; ``time`` in seconds since 1970 for the kinds that state one.

        Raises InputError where a cosigner is given what is no checkpoint.
        """
        check_size(time, "time")
        kind = self.verifier.kind
        if not text.endswith("\n"):
            raise InputError("a note's text ends in a newline", where="text")
        signature = self.key.sign(_message(kind, self.verifier.name, text, time))
        blob = signature if kind == ED25519 else time.to_bytes(8, "big") + signature
        return Signature(self.verifier.name, self.verifier.key_id, blob)


def signed(text: str, signers: Iterable[Signer], time: int = 0) -> Note:
    """A note of ``text`` with a signature of each. Raises InputError for a text that no note can hold."""
    made = Note(text, tuple(signer.sign(text, time) for signer in signers))
    if Note.from_bytes(made.to_bytes()) != made:
        raise InputError("not a text that a note can hold", where="text")
    return made


def distinct(verifiers: Iterable[Verifier]) -> tuple[Verifier, ...]:
    """The verifiers, once it is seen that no key stands twice and none under two names.

    Raises InputError otherwise: one key under two names would be one witness counted as two.
    """
    listed = tuple(verifiers)
    names: dict[bytes, str] = {}
    for verifier in listed:
        if names.setdefault(verifier.public_key, verifier.name) != verifier.name:
            raise InputError("one key under two names", where=verifier.name, remedy="a key for each witness")
    if len({(v.name, v.key_id) for v in listed}) < len(listed):
        raise InputError("one key twice, or two with one name and id", where="verifier keys")
    return listed


def parse_size(text: str, field: str) -> int:
    """A size in decimal digits without leading zeroes, below 2**63. Raises InputError naming ``field``."""
    if not _DECIMAL.fullmatch(text):
        raise InputError("not a decimal number without leading zeroes", where=field)
    size = int(text)
    check_size(size, field)
    return size


def decode_base64(text: str, field: str) -> bytes:
    """Standard base64, padded, in its one canonical form. Raises InputError naming ``field``."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("not base64", where=field) from error
    if base64.b64encode(data).decode() != text:
        raise InputError("not canonical base64", where=field)
    return data


def parse_signatures(data: bytes) -> tuple[Signature, ...]:
    """Signature lines alone, as a witness answers them. Raises InputError for anything else."""
    note = Note.from_bytes(b"-\n\n" + data)
    if note.text != "-\n":
        raise InputError("not signature lines")
    return note.signatures


def _signature(line: str, where: str) -> Signature:
    name, space, encoded = line.removeprefix(DASH).partition(" ")
    if not line.startswith(DASH) or not space or not _is_name(name):
        raise InputError("not a signature line", where=where)
    raw = decode_base64(encoded, where)
    if len(raw) < 5:
        raise InputError("a signature without a signature", where=where)
    return Signature(name, raw[:4], raw[4:])


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not _BLANK.search(name) and _encodes(name)


def _encodes(text: str) -> bool:
    """False for lone surrogates, which UTF-8 cannot hold."""
    return not _SURROGATE.search(text)


def _message(kind: int, name: str, text: str, time: int) -> bytes:
    """What a key of ``kind`` signs. Raises InputError where a cosignature is asked for what is no checkpoint."""
    if kind == ED25519:
        return text.encode()
    checkpoint = Checkpoint.from_text(text)
    if kind == COSIGNATURE:
        return f"cosignature/v1\ntime {time}\n{text}".encode()
    origin, cosigner = checkpoint.origin.encode(), name.encode()
    if len(origin) > NAME_BYTES:
        raise InputError(f"an origin of more than {NAME_BYTES} bytes", where="origin")
    return b"".join(
        (
            b"subtree/v1\n\0",
            bytes([len(cosigner)]) + cosigner,
            time.to_bytes(8, "big"),
            bytes([len(origin)]) + origin,
            bytes(8),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )
