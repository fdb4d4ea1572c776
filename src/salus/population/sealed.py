"""Files with patients' data outside the store: sealed, written as a whole or not at all, and opened in memory only.

They are sealed with AES-256-GCM under the key of their shard, which is derived from the mirror's key (HMAC-SHA256). The
purpose of a file is authenticated with it, so that no file can replace another.
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
"""The most bytes that AES-GCM seals in one piece here."""
PART = ".part"
"""The ending of the name of a file that is not complete yet."""


def shard_key(key: bytes, shard: int) -> bytes:
    """The key of one shard, which opens that shard and no other."""
    return hmac.digest(key, f"salus.mirror shard {shard}".encode(), "sha256")


def seal(key: bytes, plain: bytes, context: str) -> bytes:
    """``plain`` sealed, with ``context`` authenticated. Raises StoreError for more than 2 GiB."""
    if len(plain) > LARGEST:
        raise StoreError("a shard of more than 2 GiB", remedy="drop the mirror and make it with more shards")
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, context.encode())


def unseal(key: bytes, sealed: bytes, context: str) -> bytes:
    """Inverse of :func:`seal`. Raises IntegrityError for anything else; the caller adds the name of the file."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], context.encode())
    except (InvalidTag, ValueError):
        raise IntegrityError("a file of the mirror is damaged") from None


def write(path: Path, data: bytes) -> None:
    """Write a file (mode 0600). After a crash there is either the whole new file or the earlier one."""
    part = path.with_name(path.name + PART)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names of the files in a folder durable (fsync)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def in_memory(data: bytes = b"") -> Iterator[tuple[int, str]]:
    """A file in memory only, with the content ``data``: its descriptor, and a path by which this process can open it.

    Raises ConfigurationError where the system has no such files: sealed data are never written to a disk unsealed.
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
