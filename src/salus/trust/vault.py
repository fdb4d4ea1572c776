"""The vault: one data key a patient, wrapped by a master key, all in a folder outside the store.

Losing the folder is losing the record; whoever has the store but not the folder has nothing. Shredding a patient's key
erases that patient: what was sealed under it can be opened by nobody, wherever copies of it lie.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from salus.errors import ConfigurationError, IntegrityError

NONCE = 12
SYSTEM = ""
"""The "patient" whose key seals what belongs to no patient: log entries of the house, quarantine."""


def write_durably(path: Path, data: bytes) -> None:
    """Write a small secret file so that after a crash it is there whole or not at all (mode 0600)."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)  # mode 0600, a name of its own for each thread
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"salus " + purpose.encode()).derive(secret)


class Vault:
    """The keys of one store. Implements :class:`salus.record.protocols.Sealer`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        master = _read_key(folder / "master.key")
        self._wrap = _derive(master, "wrap")
        self._names = _derive(master, "names")
        self._index = _derive(master, "index")
        self._ciphers: dict[str, tuple[AESGCM, bytes]] = {SYSTEM: _cipher(_derive(master, "system"))}
        self._files: dict[str, tuple[Path, tuple[int, int] | None]] = {}
        self.house = Ed25519PrivateKey.from_private_bytes(_read_key(folder / "house.key"))

    @classmethod
    def make(cls, folder: Path) -> Vault:
        """New keys in ``folder``. Raises ConfigurationError when it holds keys already."""
        if (folder / "master.key").exists():
            raise ConfigurationError("the folder holds keys already", where=str(folder), remedy="name another folder")
        write_durably(folder / "house.key", Ed25519PrivateKey.generate().private_bytes_raw())
        write_durably(folder / "master.key", os.urandom(32))
        return cls(folder)

    @staticmethod
    def unused(folder: Path) -> bool:
        """True for keys that were made but never used: no log was kept with them."""
        return (folder / "master.key").exists() and not (folder / "log.checkpoint").exists()

    # ---- Sealer

    def create(self, patient: str) -> None:
        """Make the patient's key durably; does nothing where it exists."""
        path = self._path(patient)
        if not path.exists():
            write_durably(path, aes_key_wrap(self._wrap, os.urandom(32)))
        self._key(patient)

    def seal(self, patient: str, plain: bytes, context: bytes) -> bytes:
        """AES-256-GCM under the patient's key with a random nonce: nonce || ciphertext || tag."""
        nonce = os.urandom(NONCE)
        return nonce + self._key(patient)[0].encrypt(nonce, plain, context)

    def unseal(self, patient: str, sealed: bytes, context: bytes) -> bytes:
        """Inverse of :meth:`seal`. Raises IntegrityError."""
        try:
            return self._key(patient)[0].decrypt(sealed[:NONCE], sealed[NONCE:], context)
        except (InvalidTag, ValueError) as error:
            raise IntegrityError("sealed bytes were changed, or belong elsewhere") from error

    def mac(self, patient: str, data: bytes) -> bytes:
        """HMAC-SHA256 under the patient's key."""
        return hmac.digest(self._key(patient)[1], data, "sha256")

    def blind(self, token: str) -> bytes:
        """HMAC-SHA256 under the store's index key, cut to 16 bytes."""
        return hmac.digest(self._index, token.encode(), "sha256")[:16]

    def shred(self, patient: str) -> None:
        """Destroy the patient's key for good, and keep a mark that this was meant. Repeating it changes nothing.

        The mark is made first: a key that is missing without it is a loss, not an erasure.
        """
        path = self._path(patient)
        write_durably(path.with_suffix(".shredded"), b"")
        self._ciphers.pop(patient, None)
        for leftover in (path, path.with_suffix(".consent"), path.with_suffix(".consent-next")):
            leftover.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def shredded(self, patient: str) -> bool:
        """True when the patient's key was destroyed, and no new one was made since."""
        path = self._path(patient)
        return path.with_suffix(".shredded").exists() and not path.exists()

    def marked(self, patient: str) -> bool:
        """True when a key of the patient was destroyed, whether or not a new one was made since."""
        return self._path(patient).with_suffix(".shredded").exists()

    # ---- the mark of how far the log had come, kept outside the store

    @property
    def checkpoint_path(self) -> Path:
        """Where the newest checkpoint is remembered, so that a store rolled back as a whole is noticed."""
        return self.folder / "log.checkpoint"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock: one process at a time updates what is remembered here."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def announce_consent(self, patient: str, leaf: int) -> None:
        """Write down which log entry is about to file the patient's newest consent; it counts once it is confirmed."""
        write_durably(self._path(patient).with_suffix(".consent-next"), str(leaf).encode())

    def confirm_consent(self, patient: str) -> None:
        """What was announced is in the store: remember it."""
        path = self._path(patient).with_suffix(".consent-next")
        with suppress(FileNotFoundError):  # another process confirmed it
            path.replace(path.with_suffix(".consent"))

    def withdraw_consent(self, patient: str) -> None:
        """What was announced was not stored."""
        self._path(patient).with_suffix(".consent-next").unlink(missing_ok=True)

    def announced_consent(self, patient: str) -> int | None:
        """The log entry that was announced and neither confirmed nor withdrawn, if any."""
        return _number(self._path(patient).with_suffix(".consent-next"))

    def newest_consent(self, patient: str) -> int | None:
        """The log entry that filed the patient's newest consent, as far as it was remembered."""
        return _number(self._path(patient).with_suffix(".consent"))

    def _path(self, patient: str) -> Path:
        name = hmac.digest(self._names, patient.encode(), "sha256").hex()
        return self.folder / "patients" / name[:2] / f"{name[2:]}.key"

    def _key(self, patient: str) -> tuple[AESGCM, bytes]:
        found = self._ciphers.get(patient)
        if found is not None and patient != SYSTEM:
            place, identity = self._files[patient]
            if _identity(place) != identity:  # another process destroyed the key, or made a new one since
                found = None
        if found is None:
            path = self._path(patient)
            try:
                identity = _identity(path)
                key = aes_key_unwrap(self._wrap, path.read_bytes())
            except FileNotFoundError as error:
                raise IntegrityError("a patient's key is missing", remedy="restore the key folder") from error
            except (InvalidUnwrap, ValueError) as error:
                raise IntegrityError("a patient's key was changed", remedy="restore the key folder") from error
            found = self._ciphers[patient] = _cipher(key)
            self._files[patient] = (path, identity)
        return found


def _cipher(key: bytes) -> tuple[AESGCM, bytes]:
    return AESGCM(_derive(key, "seal")), _derive(key, "mac")


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a key file from one that took its place; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _number(path: Path) -> int | None:
    try:
        return int(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise IntegrityError("a file of the key folder is damaged", remedy="restore the key folder") from error


def _read_key(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigurationError("a key file is missing", where=str(path), remedy="restore the key folder") from error
    if len(key) != 32:
        raise ConfigurationError("a key file is damaged", where=str(path), remedy="restore the key folder")
    return key


def fingerprint(data: bytes) -> str:
    """The first 16 hex digits of SHA-256, to name a public key in few characters."""
    return hashlib.sha256(data).hexdigest()[:16]
