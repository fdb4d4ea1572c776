"""The interfaces that the store needs from ``trust``: scopes, sealing and the log. Nothing here knows how they work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from salus.record.database import Database


class Content(Protocol):
    """Bytes to be stored, which need not be in memory; see :mod:`salus.formats.content`."""

    @property
    def size(self) -> int: ...
    def chunks(self, size: int) -> Iterator[bytes]:
        """The bytes in pieces of ``size``, the last of which may be shorter; one empty piece for no bytes."""
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
        """Whether this version of a resource ("Type/id") may be read, given that its kinds of data may."""
        ...

    @property
    def partial(self) -> bool:
        """True where single resources were decided on. Then no earlier versions are shown: nobody decided on them."""
        ...

    @property
    def may_write(self) -> bool: ...


class Sealer(Protocol):
    """Encrypts bodies and blobs under one key per patient, and makes keyed hashes of what is stored unencrypted."""

    def create(self, patient: str) -> None:
        """Make the keys of a new patient durably; does nothing where they exist."""
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
        """Finish the added entries durably, right before the commit. An error rolls the transaction back."""
        ...

    def abandon(self) -> None:
        """Called when the transaction is about to be rolled back."""
        ...

    def acknowledge(self) -> None:
        """Called when the transaction was committed. Raises nothing: a committed step is reported as done."""
        ...
