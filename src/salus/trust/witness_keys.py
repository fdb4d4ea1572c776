"""The keys of a witness: made once, kept in its folder, for one name."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from salus.errors import ConfigurationError
from salus.private_files import read_private
from salus.trust.note import Signer
from salus.trust.tiles import write_file

SECRET = 32
"""Bytes of a private key."""


def load_signers(folder: Path, name: str, *, post_quantum: bool) -> tuple[Signer, ...]:
    """The witness's keys in ``folder``, made at the first start (files of mode 0600).

    The folder stays with one name: an Ed25519 cosignature does not say whose it is, so that one key must not serve two
    witnesses. Raises ConfigurationError for another name, and for keys that others can read or that are damaged.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    signers = [Signer.cosigner(name, Ed25519PrivateKey.from_private_bytes(_secret(folder / "ed25519.key")))]
    if post_quantum:
        secret = _secret(folder / "ml-dsa-44.key")
        signers.append(Signer.post_quantum(name, MLDSA44PrivateKey.from_seed_bytes(secret)))
    written = folder / "name"
    if not written.exists():
        write_file(written, name.encode(), 0o600)
    if written.read_bytes() != name.encode():
        raise ConfigurationError("the witness in this folder has another name", where=str(written))
    return tuple(signers)


def _secret(path: Path) -> bytes:
    """The 32 bytes of a private key, made where there is none."""
    if not path.exists():
        write_file(path, os.urandom(SECRET), 0o600)
    secret = read_private(path)
    if len(secret) != SECRET:
        raise ConfigurationError("a private key is damaged", where=str(path))
    return secret
