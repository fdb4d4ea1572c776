"""Who acts: named actors with an Ed25519 public key each; private keys stay with their owners."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from salus.errors import ConfigurationError, InputError
from salus.private_files import read_private
from salus.trust.vault import write_durably

Kind = Literal["patient", "proxy", "practitioner", "operator", "organisation"]
KINDS: tuple[Kind, ...] = ("patient", "proxy", "practitioner", "operator", "organisation")
DEMO_PREFIX = "demo-"
DEMO_NAMES = ("operator", "clinician", "maria", "noor", "thomas")

# Curve constants: RFC 8032 section 5.1.
_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody the store knows. ``patient`` is the patient for whom a patient or proxy speaks, "" for anybody else.

    ``confirmed``: two people enrolled this actor, who may therefore be one of the two people that an act takes.
    """

    id: str
    kind: Kind
    public_key: bytes
    patient: str = ""
    name: str = ""
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Identity:
    """An actor's own side: the name it goes by and its private key."""

    id: str
    key: Ed25519PrivateKey

    @property
    def public_key(self) -> bytes:
        """The 32 raw bytes of the public key."""
        return self.key.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """Ed25519 signature (64 bytes)."""
        return self.key.sign(data)

    @classmethod
    def generate(cls, name: str) -> Identity:
        """A new identity."""
        return cls(name, Ed25519PrivateKey.generate())

    def save(self, folder: Path) -> Path:
        """Keep the private key in ``folder`` (mode 0600). Raises ConfigurationError when one is there."""
        path = identity_path(folder, self.id)
        if path.exists():
            raise ConfigurationError("an identity of this name is there already", where=str(path))
        write_durably(path, self.key.private_bytes_raw())
        return path

    @classmethod
    def load(cls, folder: Path, name: str) -> Identity:
        """Read a private key from ``folder``; the names of demo actors need no file."""
        if name.startswith(DEMO_PREFIX):
            return demo_identity(name)
        path = identity_path(folder, name)
        try:
            return cls(name, Ed25519PrivateKey.from_private_bytes(read_private(path)))
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"no private key for {name!r}", where=str(folder), remedy=f"salus actor add {name}"
            ) from error
        except ValueError as error:
            raise ConfigurationError("a private key file is damaged", where=str(path)) from error


def identity_path(folder: Path, name: str) -> Path:
    """The file that holds ``name``'s private key. Raises InputError for a name that is no plain name."""
    if not valid_name(name):
        raise InputError("not an actor's name", remedy="letters, digits, '-', '.' and '_', at most 64")
    return folder / f"{name}.key"


def valid_name(name: str) -> bool:
    """True for 1 to 64 ASCII letters, digits, dashes, dots and underscores, not beginning with a dot."""
    plain = name.replace("-", "").replace(".", "").replace("_", "")
    return 0 < len(name) <= 64 and plain.isascii() and plain.isalnum() and not name.startswith(".")


def demo_identity(name: str) -> Identity:
    """The identity of a demo actor. Its key is public knowledge: only demo stores accept it."""
    seed = hashlib.sha256(b"salus demonstration key, not secret: " + name.encode()).digest()
    return Identity(name, Ed25519PrivateKey.from_private_bytes(seed))


def is_demo_key(name: str, public_key: bytes) -> bool:
    """True when the key is the one everybody can compute for ``name`` or its demo form."""
    names = {name, DEMO_PREFIX + name, *(DEMO_PREFIX + n for n in DEMO_NAMES)}
    return any(demo_identity(n).public_key == public_key for n in names)


def verify_signature(public_key: bytes, signature: bytes, data: bytes) -> bool:
    """True when ``signature`` over ``data`` was made with the private half of ``public_key``."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def check_enrolment(public_key: bytes) -> None:
    """Refuse a public key that is not a canonical point of prime order.

    The libraries accept low-order and mixed-order points, with which one signature may fit many messages.
    Raises :class:`InputError`.
    """
    refusal = InputError("not an Ed25519 public key that may be enrolled", remedy="make a fresh key pair")
    if len(public_key) != 32:
        raise refusal
    number = int.from_bytes(public_key, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    x = _recover_x(y, sign) if y < _P else None
    if x is None:
        raise refusal
    point = (x, y, 1, x * y % _P)
    if _is_identity(_multiply(8, point)) or not _is_identity(_multiply(_L, point)):
        raise refusal


Point = tuple[int, int, int, int]


def _recover_x(y: int, sign: int) -> int | None:
    """RFC 8032 section 5.1.3, steps 2 to 4."""
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    if square == 0:
        return None if sign else 0
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P:
        return None
    return _P - x if x & 1 != sign else x


def _add(p: Point, q: Point) -> Point:
    """RFC 8032 section 5.1.4, extended homogeneous coordinates."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _multiply(scalar: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point = _add(point, point)
        scalar >>= 1
    return total


def _is_identity(point: Point) -> bool:
    return point[0] % _P == 0 and (point[1] - point[2]) % _P == 0
