"""Master keys. A master key wraps the one key that wraps all others, and need not be a file beside them.

A *provider* wraps and unwraps a key of 32 bytes together with a context that is authenticated. There are three:

- a file of the key folder (``master.key``), where nothing else is said;
- any other file, by ``SALUS_MASTER_KEY_FILE``: a credential of the service manager, a mounted secret, ``/dev/fd/3``;
- a program, by ``SALUS_KEY_PROGRAM``: what speaks to a PKCS#11 token, a cloud's key service or a card.

The program is called as ``PROGRAM OPERATION`` with one JSON object on its standard input, and answers with one on its
standard output; all bytes are in hex. An exit status other than 0 is a failure.

=============  ===========================  =====================================================
operation      in                           out
=============  ===========================  =====================================================
``describe``   {}                           {"name": text, "renewable": true or false}
``wrap``       {"key", "context"}           {"wrapped"}: under the newest master key
``unwrap``     {"wrapped", "context"}       {"key"}: under any master key that is not retired
``renew``      {}                           {}: there is a new master key, the others still unwrap
``retire``     {}                           {}: every master key but the newest is destroyed
=============  ===========================  =====================================================

A provider that cannot renew its key may be used, but then old copies of the key folder stay readable: see
:mod:`salus.trust.keyring`.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from salus.errors import ConfigurationError, InputError, IntegrityError
from salus.fhir import json
from salus.private_files import put, sync_folder

KEY = 32
NONCE = 12
MASTER = "master.key"
FILE_VARIABLE = "SALUS_MASTER_KEY_FILE"
PROGRAM_VARIABLE = "SALUS_KEY_PROGRAM"
SECONDS = 60
"""How long a program may take for one answer: a token may wait for somebody to touch it."""


class KeyProvider(Protocol):
    """Holds the master key, and wraps and unwraps with it."""

    @property
    def name(self) -> str:
        """What it is, in a word or two; it stands in the clear in the key folder."""
        ...

    @property
    def renewable(self) -> bool:
        """True when it can make a new master key and destroy the old one."""
        ...

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """``key`` (32 bytes) under the newest master key."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Inverse of :meth:`wrap`. Raises IntegrityError for bytes or a context that were not wrapped here."""
        ...

    def renew(self) -> None:
        """Make a new master key durably. What was wrapped before can still be unwrapped."""
        ...

    def retire(self) -> None:
        """Destroy every master key but the newest. Repeating it changes nothing."""
        ...


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose (HKDF-SHA256)."""
    return HKDF(SHA256(), KEY, salt=None, info=b"salus " + purpose.encode()).derive(secret)


def lock(key: bytes, plain: bytes, context: bytes) -> bytes:
    """AES-256-GCM with a random nonce: nonce || ciphertext || tag."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, context)


def unlock(key: bytes, sealed: bytes, context: bytes) -> bytes | None:
    """Inverse of :func:`lock`; None for what was not locked so."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], context)
    except (InvalidTag, ValueError):
        return None


class FileProvider:
    """Master keys in a file, 32 bytes each, the newest first. There is one, or more while one is being renewed."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: bytes | None = None

    @property
    def renewable(self) -> bool:
        """True for a plain file that can be replaced; a descriptor or a mounted secret is somebody else's to renew."""
        return _is_plain(self.path) and os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)

    def create(self) -> None:
        """Make the file with a fresh key where there is none."""
        if not self.path.exists():
            write_durably(self.path, os.urandom(KEY))

    def keys(self) -> list[bytes]:
        """The keys, newest first. Raises ConfigurationError where there is no such file, or it holds something else."""
        data = self._read
        if data is None:
            try:
                data = self.path.read_bytes()
            except OSError as error:
                where, remedy = str(self.path), f"restore the key folder, or name the file: {FILE_VARIABLE}"
                raise ConfigurationError("the master key file cannot be read", where=where, remedy=remedy) from error
            if not _is_plain(self.path):  # a pipe gives its content once
                self._read = data
        if not data or len(data) % KEY:
            raise ConfigurationError("the master key file is damaged", where=str(self.path), remedy="restore it")
        return [data[start : start + KEY] for start in range(0, len(data), KEY)]

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """AES-256-GCM under the newest key."""
        return lock(derive(self.keys()[0], "master"), key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Inverse of :meth:`wrap`, under whichever of the keys it was. Raises IntegrityError."""
        for master in self.keys():
            found = unlock(derive(master, "master"), wrapped, context)
            if found is not None and len(found) == KEY:
                return found
        raise IntegrityError("the master key is not the one of these keys", where=str(self.path))

    def renew(self) -> None:
        """Make a new key, and put it before the others."""
        write_durably(self.path, os.urandom(KEY) + b"".join(self.keys()), wipe=True)

    def retire(self) -> None:
        """Destroy all keys but the newest. Does nothing where the file is not :attr:`renewable`."""
        if not self.renewable:
            return
        destroy_remnants(self.path.parent, self.path.name)
        keys = self.keys()
        if len(keys) > 1:
            write_durably(self.path, keys[0], wipe=True)

    def leave(self, successor: KeyProvider) -> None:
        """Destroy the file, now that ``successor`` wraps what it wrapped; nothing happens where that is this file."""
        if not (isinstance(successor, FileProvider) and successor.path.resolve() == self.path.resolve()):
            destroy(self.path)


class ProgramProvider:
    """Master keys behind a program, which is called as the module's text says."""

    def __init__(self, program: Path) -> None:
        """Raises ConfigurationError where the program does not describe itself."""
        self._program = program
        told = self._ask("describe")
        self.name = f"program {self._text(told, 'name')}"
        self.renewable = told.get("renewable") is True

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """``key`` as the program wraps it."""
        return self._bytes(self._ask("wrap", key=key, context=context), "wrapped")

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key that the program unwraps. Raises IntegrityError where the program gives something else than a key."""
        key = self._bytes(self._ask("unwrap", wrapped=wrapped, context=context), "key")
        if len(key) != KEY:
            raise IntegrityError("the key program gave no key", where=str(self._program))
        return key

    def renew(self) -> None:
        """Have the program make a new master key."""
        self._ask("renew")

    def retire(self) -> None:
        """Have the program destroy every master key but the newest."""
        self._ask("retire")

    def _ask(self, operation: str, **values: bytes) -> Mapping[str, Any]:
        """The program's answer. No error holds what was sent to it or what came back."""
        sent = json.dumps({name: value.hex() for name, value in values.items()})
        try:
            done = subprocess.run(
                [str(self._program), operation], input=sent, capture_output=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._failed(operation, type(error).__name__) from None
        if done.returncode:
            raise self._failed(operation, f"exit status {done.returncode}")
        try:
            answer = json.loads(done.stdout)
        except InputError:
            raise self._failed(operation, "no JSON") from None
        if not isinstance(answer, Mapping):
            raise self._failed(operation, "no JSON object")
        return answer

    def _failed(self, operation: str, why: str) -> ConfigurationError:
        what = f"the key program failed at {operation!r}: {why}"
        return ConfigurationError(what, where=str(self._program), remedy="try it by hand: PROGRAM describe <<< '{}'")

    def _text(self, answer: Mapping[str, Any], name: str) -> str:
        found = answer.get(name)
        if not isinstance(found, str) or not 0 < len(found) <= 64 or not found.isprintable():
            raise self._failed("describe", f"no {name}")
        return found

    def _bytes(self, answer: Mapping[str, Any], name: str) -> bytes:
        try:
            return bytes.fromhex(answer[name])
        except (KeyError, TypeError, ValueError):
            raise self._failed(name, "not hex digits") from None


def chosen(folder: Path, environment: Mapping[str, str] = os.environ) -> KeyProvider:
    """The provider that the environment names, else the file in the key folder. Raises ConfigurationError."""
    file, program = environment.get(FILE_VARIABLE), environment.get(PROGRAM_VARIABLE)
    if file and program:
        raise ConfigurationError("two master keys are named", where=f"{FILE_VARIABLE}, {PROGRAM_VARIABLE}")
    if program:
        return ProgramProvider(Path(program).expanduser())
    return FileProvider(Path(file).expanduser() if file else folder / MASTER)


def _is_plain(path: Path) -> bool:
    """True for a regular file under a name of its own (``/dev/fd/3`` is a link to what somebody opened)."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


# ---- small secret files


def write_durably(path: Path, data: bytes, *, wipe: bool = False) -> None:
    """Write a small secret file so that after a crash it is there whole or not at all (mode 0600).

    ``wipe``: what stood there before is overwritten, as far as the file system writes in place. The file's time is
    always later than that of the file before, so that the two can be told apart.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    before = _opened(path) if wipe else None
    try:
        put(path, data, later_than=os.fstat(before).st_mtime_ns if before is not None else 0)
        if before is not None:
            _overwrite(before)
    finally:
        if before is not None:
            os.close(before)


def destroy(path: Path) -> None:
    """Overwrite a small secret file, as far as the file system writes in place, and remove it."""
    descriptor = _opened(path)
    if descriptor is None:
        return
    try:
        _overwrite(descriptor)
    finally:
        os.close(descriptor)
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def destroy_remnants(folder: Path, name: str) -> None:
    """Destroy what killed processes left of writing the file ``name`` (it may hold ``*``). Nobody may be writing it."""
    for path in folder.glob(f".{name}-*"):
        destroy(path)


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None


def _overwrite(descriptor: int) -> None:
    os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
    os.fsync(descriptor)
