"""What the store asks of whoever guards it. ``trust`` implements all three; nothing here knows how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from salus.record.database import Database


class Content(Protocol):
    """Bytes to be stored that need not be in memory; see :mod:`salus.formats.content`."""

    @property
    def size(self) -> int: ...
    def chunks(self, size: int) -> Iterator[bytes]:
        """The bytes in pieces of ``size``, the last one shorter; one empty piece where there are none."""
        ...


class Scope(Protocol):
    """What one decision of the gate allows. No public call of the store works without one."""

    @property
    def actor(self) -> str: ...
    @property
    def patient(self) -> str:
        """The patient's id, or "*" for work over the whole store (verify, backup)."""
        ...

    @property
    def basis(self) -> str: ...
    @property
    def categories(self) -> frozenset[str]:
        """The kinds of data that may be read."""
        ...

    def shows(self, ref: str, version: int) -> bool:
        """Whether a version of a resource ("Type/id") may be read, where its kinds may."""
        ...

    @property
    def partial(self) -> bool:
        """True where single resources were decided on: then the past of none is shown, which nobody decided on."""
        ...

    @property
    def may_write(self) -> bool: ...


class Sealer(Protocol):
    """Encrypts bodies and blobs under one key a patient, and blinds what must stand outside the ciphertext."""

    def create(self, patient: str) -> None:
        """Make (durably) the keys of a new patient; does nothing where they exist."""
        ...

    def seal(self, patient: str, plain: bytes, context: bytes) -> bytes:
        """Encrypt; ``context`` is authenticated with it."""
        ...

    def unseal(self, patient: str, sealed: bytes, context: bytes) -> bytes:
        """Decrypt. Raises IntegrityError when bytes or context are not what was sealed."""
        ...

    def mac(self, patient: str, data: bytes) -> bytes:
        """HMAC-SHA256 under the patient's key."""
        ...

    def blind(self, token: str) -> bytes:
        """A 16-byte keyed hash of an index token, equal for equal tokens of this store."""
        ...


class Journal(Protocol):
    """The tamper-evident log. Entries are written in the caller's transaction: both are kept or neither."""

    def append(self, connection: Database, patient: str, topic: str, entry: Mapping[str, Any]) -> int:
        """Add one leaf; returns its index."""
        ...

    def seal(self, connection: Database) -> None:
        """Finish what was added, durably, right before the commit. What it raises rolls the transaction back."""
        ...

    def abandon(self) -> None:
        """The transaction is about to be rolled back."""
        ...

    def acknowledge(self) -> None:
        """The transaction was committed. Raises nothing: what was committed is answered as done."""
        ...
