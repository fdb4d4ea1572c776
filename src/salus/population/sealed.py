"""Files that hold patients' data outside the store: sealed, written whole or not at all, opened in memory alone.

AES-256-GCM under a key of the shard, which is derived from the mirror's own (HMAC-SHA256); what a file is for is
authenticated with it, so that none can stand in the place of another.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from salus.errors import ConfigurationError, IntegrityError, StoreError

NONCE, KEY = 12, 32
LARGEST = (1 << 31) - 1
"""Bytes that AES-GCM seals in one piece here."""
PART = ".part"
"""The end of the name of a file that is not whole yet."""


def shard_key(key: bytes, shard: int) -> bytes:
    """The key of one shard: whoever has it opens that shard and no other."""
    return hmac.digest(key, f"salus.mirror shard {shard}".encode(), "sha256")


def seal(key: bytes, plain: bytes, context: str) -> bytes:
    """``plain`` sealed. Raises StoreError for more than 2 GiB."""
    if len(plain) > LARGEST:
        raise StoreError("a shard of more than 2 GiB", remedy="drop the mirror and make it with more shards")
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, context.encode())


def unseal(key: bytes, sealed: bytes, context: str) -> bytes:
    """Inverse of :func:`seal`. Raises IntegrityError for anything else, without a place: the caller knows it."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], context.encode())
    except (InvalidTag, ValueError):
        raise IntegrityError("a file of the mirror is damaged") from None


def write(path: Path, data: bytes) -> None:
    """Write a file (mode 0600) so that after a crash it is there whole, or what was there before is."""
    part = path.with_name(path.name + PART)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def in_memory(data: bytes = b"") -> Iterator[tuple[int, str]]:
    """A file that lies in memory alone: its descriptor, and a path by which this process opens it.

    Raises ConfigurationError where the system has none: what is sealed is not written to a disk in clear.
    """
    if not hasattr(os, "memfd_create"):
        raise ConfigurationError("a mirror needs Linux", remedy="ask the store itself: salus population view")
    descriptor = os.memfd_create("salus", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        yield descriptor, f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
