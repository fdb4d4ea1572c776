"""The keys of one store on disk: a ring, a pack and loose keys; what is dropped is gone from every later copy.

``ring`` holds the *wrapping key* of the present generation, wrapped by the master key (:mod:`salus.trust.wrapping`),
and the store's own secrets, sealed under it. ``pack.N`` holds the keys of all patients at the time generation N began,
in one piece sealed under its wrapping key; a key that was made since lies loose in ``patients/``, wrapped (AES-KW, RFC
3394) with the generation's number before it.

To *rewrap* is to begin a generation: a fresh wrapping key, a pack of all keys but those to be dropped, a fresh master
key where its provider can make one. Then the old wrapping key and the old master key are destroyed: a copy of
``patients/``, a pack or a ring from before then opens nothing any more, unless the old master key was copied, too.

A rewrap may be killed between any two of its steps. What it is about to do is written down first (``rewrap``); one
rename, of the ring, is the moment from which the new generation holds; and the next process that opens the folder, or
makes a key, completes what was begun. Other processes see by one ``stat`` of the ring that there is a new generation.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from salus.errors import ConfigurationError, InputError, IntegrityError
from salus.fhir import json
from salus.private_files import sync_folder
from salus.trust.wrapping import (
    KEY,
    MASTER,
    FileProvider,
    KeyProvider,
    derive,
    destroy,
    destroy_remnants,
    lock,
    unlock,
    write_durably,
)

FORMAT = 2
NUMBER = 8
"""Bytes of a generation's number before a loose key."""
RECORD = 2 * KEY
"""Bytes of one patient in a pack: name and key."""
_DAMAGED = "the key folder is damaged"
_RESTORE = "restore the key folder"
Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Secrets:
    """The keys of a store besides those of the patients: one to name key files, one to blind index tokens, one to seal
    what is the house's own, and the house's signing key. They stay the same in every generation."""

    names: bytes
    index: bytes
    system: bytes
    house: bytes

    @classmethod
    def fresh(cls) -> Secrets:
        """New secrets."""
        return cls(os.urandom(KEY), os.urandom(KEY), os.urandom(KEY), Ed25519PrivateKey.generate().private_bytes_raw())

    def to_bytes(self) -> bytes:
        return self.names + self.index + self.system + self.house

    @classmethod
    def from_bytes(cls, data: bytes) -> Secrets:
        return cls(*(data[start : start + KEY] for start in range(0, 4 * KEY, KEY)))


@dataclass(frozen=True, slots=True)
class _Generation:
    """An opened ring and its pack: records in the order of their names."""

    number: int
    wrapping: bytes
    secrets: Secrets
    pack: bytes

    def packed(self, name: bytes) -> bytes | None:
        """The key of ``name`` in the pack."""
        low, high = 0, len(self.pack) // RECORD
        while low < high:
            middle = (low + high) // 2
            found = self.pack[middle * RECORD : middle * RECORD + KEY]
            if found == name:
                return self.pack[middle * RECORD + KEY : (middle + 1) * RECORD]
            low, high = (middle + 1, high) if found < name else (low, middle)
        return None


class Keyring:
    """The open keys of one folder. Names are the 32 bytes that stand for a patient outside the vault."""

    def __init__(self, folder: Path, provider: KeyProvider) -> None:
        """Open the folder, completing what was interrupted; one of an earlier release is brought to this form.

        Raises ConfigurationError where a key file is missing, IntegrityError where one is damaged or not wrapped by
        ``provider``.
        """
        self.folder = folder
        self._ring = folder / "ring"
        self._ring_name = str(self._ring)  # it is looked at often: a Path takes longer than the look
        self.provider = provider
        self._identity: Identity | None = None
        if not self._ring.exists() or self._intent.exists():
            if not (self._ring.exists() or is_earlier(folder)):
                raise ConfigurationError("a key file is missing", where=str(self._ring), remedy=_RESTORE)
            with self.locked():
                self._complete()
        self._load()

    @classmethod
    def make(cls, folder: Path, provider: KeyProvider) -> Keyring:
        """New keys. Raises ConfigurationError when the folder holds keys already."""
        used = any((folder / name).exists() for name in ("ring", "house.key", "log.checkpoint", "patients"))
        if used:
            raise ConfigurationError("the folder holds keys already", where=str(folder), remedy="name another folder")
        if isinstance(provider, FileProvider):
            provider.create()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_generation(folder, provider, _Generation(1, os.urandom(KEY), Secrets.fresh(), b""))
        return cls(folder, provider)

    # ---- reading

    @property
    def generation(self) -> int:
        """The number of the present generation, from 1."""
        return self._now.number

    @property
    def secrets(self) -> Secrets:
        """The store's own secrets."""
        return self._now.secrets

    def changed(self) -> bool:
        """True when another generation began since the last call. That generation is then in use."""
        if identity_of(self._ring_name) == self._identity:
            return False
        self._load()
        return True

    def key(self, name: bytes) -> bytes | None:
        """The key of ``name``; None where there is none. Raises IntegrityError where it is damaged."""
        while True:
            now = self._now
            found = now.packed(name) or self._loose(name, now)
            if found is not None:
                return found
            if not self.changed() and not self._strayed(name):  # else it went into a new pack while we looked
                return None

    def path(self, name: bytes) -> Path:
        """Where the loose key of ``name`` lies. Files beside it, with other endings, hold what else is remembered of
        the patient."""
        text = name.hex()
        return self.folder / "patients" / text[:2] / f"{text[2:]}.key"

    def _loose(self, name: bytes, now: _Generation) -> bytes | None:
        """The loose key of ``name``, if it is of this generation."""
        path = self.path(name)
        data = _content(path)
        if data is None or data[:NUMBER] != _number(now.number):
            return None
        try:
            return aes_key_unwrap(derive(now.wrapping, "wrap"), data[NUMBER:])
        except (InvalidUnwrap, ValueError) as error:
            raise IntegrityError("a patient's key was changed", where=path.name, remedy=_RESTORE) from error

    def _strayed(self, name: bytes) -> bool:
        """True when a key of the present generation may have come while we looked, so that one looks again. Raises
        IntegrityError for a key of another generation that nobody is about to remove: the folder was put together from
        several copies."""
        data = _content(self.path(name))
        if data is None or self._intent.exists():
            return False
        if data[:NUMBER] != _number(self._now.number) and not self.changed() and _content(self.path(name)) == data:
            raise IntegrityError("a patient's key is of another copy of the key folder", remedy=_RESTORE)
        return True

    def _load(self) -> None:
        """Open the present generation. While we read, others may put the next one in its place: then that is read."""
        while True:
            identity = identity_of(self._ring)
            try:
                now = _read_generation(self.folder, self.provider)
            except (ConfigurationError, IntegrityError):
                if identity == identity_of(self._ring):
                    raise
                continue
            if identity == identity_of(self._ring):
                self._now, self._identity = now, identity
                return

    # ---- writing

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock: one process at a time changes what lies here. Not to be taken twice."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def add(self, name: bytes) -> None:
        """Make a key for ``name`` durably, where there is none."""
        self.changed()
        if not self._intent.exists() and self.key(name) is not None:  # else it may be dropped by a rewrap
            return
        with self.locked():
            self._settled()
            if self.key(name) is None:
                wrapped = aes_key_wrap(derive(self._now.wrapping, "wrap"), os.urandom(KEY))
                write_durably(self.path(name), _number(self._now.number) + wrapped)

    def rewrap(self, drop: Iterable[bytes] = (), provider: KeyProvider | None = None) -> None:
        """Begin a generation without the keys in ``drop``; with another ``provider``, its master key wraps it.

        A mark stays in the place of each dropped key. Where the folder cannot be written (OSError), or after a crash,
        the old generation may hold until the folder is opened again: that completes it.
        """
        with self.locked():
            self._settled()
            former, self.provider = self.provider, provider or self.provider
            try:
                self._begin(self._now, sorted(set(drop)))
            except BaseException:
                self.provider = former
                raise
            if provider and isinstance(former, FileProvider):
                former.leave(provider)
            self._load()

    def _settled(self) -> None:
        """Under the lock: complete what another process began, and load the present generation."""
        if self._intent.exists():
            self._complete()
        self.changed()

    def _begin(self, now: _Generation, drop: list[bytes]) -> None:
        """Write down what is to be done, and do it."""
        intent = {"generation": now.number + 1, "drop": [name.hex() for name in drop]}
        write_durably(self._intent, json.dumps(intent))
        self._switch(now, now.number + 1, drop)
        self._clean(drop)

    def _switch(self, now: _Generation, number: int, drop: list[bytes]) -> None:
        """From generation ``now`` to the next: afterwards the new ring is in place, old keys still lie about."""
        for name in drop:
            write_durably(self.path(name).with_suffix(".shredded"), b"")
        keys = {now.pack[at : at + KEY]: now.pack[at + KEY : at + RECORD] for at in range(0, len(now.pack), RECORD)}
        for name in self._loose_names():
            key = self._loose(name, now)
            if key is not None and name not in keys:
                keys[name] = key
        for name in drop:
            keys.pop(name, None)
        pack = b"".join(name + keys[name] for name in sorted(keys))
        if self.provider.renewable:
            self.provider.renew()
        _write_generation(self.folder, self.provider, _Generation(number, os.urandom(KEY), now.secrets, pack))

    def _complete(self) -> None:
        """Under the lock: finish a rewrap that was interrupted, or bring the form of an earlier release to this one."""
        if not self._ring.exists():
            write_durably(self._intent, json.dumps({"generation": 1, "drop": []}))
            self._switch_earlier()
            self._clean([])
            return
        if not self._intent.exists():  # another process has completed it
            return
        number, drop = self._intended()
        now = _read_generation(self.folder, self.provider)
        if now.number < number:
            self._switch(now, number, drop)
        self._clean(drop)

    def _clean(self, drop: list[bytes]) -> None:
        """Remove what the new generation has taken over, or dropped, and the master key of the old one."""
        current = _read_generation(self.folder, self.provider).number
        for name in drop:
            for ending in (".consent", ".consent-next"):
                self.path(name).with_suffix(ending).unlink(missing_ok=True)
        folders = set()
        for name in self._loose_names():
            path = self.path(name)
            if path.read_bytes()[:NUMBER] != _number(current):
                path.unlink()
                folders.add(path.parent)
        for folder in folders:
            sync_folder(folder)
        for path in self.folder.glob("pack.*"):
            if path.name != f"pack.{current}":
                path.unlink()
        for written in ("ring", "pack.*", "rewrap"):
            destroy_remnants(self.folder, written)
        for place in (self.folder / "patients").glob("??"):
            for written in ("*.key", "*.shredded"):
                destroy_remnants(place, written)
        destroy(self.folder / "house.key")
        FileProvider(self.folder / MASTER).leave(self.provider)
        self.provider.retire()
        self._intent.unlink()
        sync_folder(self.folder)

    def _switch_earlier(self) -> None:
        """From the form of release 0.1: secrets derived from the master key itself, every key loose, without number."""
        (*_, master) = FileProvider(self.folder / MASTER).keys()  # the oldest, where this was interrupted
        wrap, keys = derive(master, "wrap"), {}
        house = (self.folder / "house.key").read_bytes()
        for name in self._loose_names():
            path = self.path(name)
            try:
                keys[name] = aes_key_unwrap(wrap, path.read_bytes())
            except (InvalidUnwrap, ValueError) as error:
                raise IntegrityError("a patient's key was changed", where=path.name, remedy=_RESTORE) from error
        if len(house) != KEY:
            raise ConfigurationError("a key file is damaged", where=str(self.folder / "house.key"), remedy=_RESTORE)
        secrets = Secrets(derive(master, "names"), derive(master, "index"), derive(master, "system"), house)
        pack = b"".join(name + keys[name] for name in sorted(keys))
        if isinstance(self.provider, FileProvider):
            self.provider.create()
        if self.provider.renewable:
            self.provider.renew()
        _write_generation(self.folder, self.provider, _Generation(1, os.urandom(KEY), secrets, pack))

    def _loose_names(self) -> list[bytes]:
        return [bytes.fromhex(p.parent.name + p.stem) for p in (self.folder / "patients").glob("??/*.key")]

    def _intended(self) -> tuple[int, list[bytes]]:
        try:
            told: Any = json.loads(self._intent.read_bytes())
            return int(told["generation"]), [bytes.fromhex(name) for name in told["drop"]]
        except (InputError, KeyError, TypeError, ValueError) as error:
            raise IntegrityError(_DAMAGED, where=str(self._intent), remedy=_RESTORE) from error

    @property
    def _intent(self) -> Path:
        return self.folder / "rewrap"


def is_earlier(folder: Path) -> bool:
    """True for a folder of keys in the form of release 0.1."""
    return (folder / MASTER).exists() and (folder / "house.key").exists()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def identity_of(path: Path | str) -> Identity | None:
    """What distinguishes a file from another that took its place; None where there is no file."""
    try:
        found = os.stat(path)  # noqa: PTH116  on a text, four times as fast as Path.stat
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _write_generation(folder: Path, provider: KeyProvider, made: _Generation) -> None:
    """Write a generation durably: the pack first; it holds from the moment the ring is renamed."""
    number = made.number
    write_durably(folder / f"pack.{number}", lock(derive(made.wrapping, "pack"), made.pack, _context("pack", number)))
    secrets = lock(derive(made.wrapping, "secrets"), made.secrets.to_bytes(), _context("secrets", number))
    ring = {
        "format": FORMAT,
        "generation": number,
        "provider": provider.name,
        "wrapping": provider.wrap(made.wrapping, _context("wrapping key", number)).hex(),
        "secrets": secrets.hex(),
    }
    write_durably(folder / "ring", json.dumps(ring), wipe=True)


def _read_generation(folder: Path, provider: KeyProvider) -> _Generation:
    path = folder / "ring"
    try:
        ring: Any = json.loads(path.read_bytes())
        form, number = ring["format"], int(ring["generation"])
        wrapped, sealed = bytes.fromhex(ring["wrapping"]), bytes.fromhex(ring["secrets"])
        made_by = str(ring["provider"])
    except FileNotFoundError as error:
        raise ConfigurationError("a key file is missing", where=str(path), remedy=_RESTORE) from error
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(_DAMAGED, where=str(path), remedy=_RESTORE) from error
    if form != FORMAT:
        raise ConfigurationError("keys of another release", where=str(path), remedy="use a newer salus")
    if made_by != provider.name:
        what = f"these keys were wrapped by {made_by}, not by {provider.name}"
        raise ConfigurationError(what, where=str(path), remedy="name the master key: docs/reference.md, Settings")
    wrapping = provider.unwrap(wrapped, _context("wrapping key", number))
    secrets = unlock(derive(wrapping, "secrets"), sealed, _context("secrets", number))
    pack = folder / f"pack.{number}"
    try:
        records = unlock(derive(wrapping, "pack"), pack.read_bytes(), _context("pack", number))
    except FileNotFoundError as error:
        raise ConfigurationError("a key file is missing", where=str(pack), remedy=_RESTORE) from error
    if secrets is None or len(secrets) != 4 * KEY or records is None or len(records) % RECORD:
        raise IntegrityError(_DAMAGED, where=str(path), remedy=_RESTORE)
    return _Generation(number, wrapping, Secrets.from_bytes(secrets), records)


def _context(purpose: str, number: int) -> bytes:
    return f"salus {purpose}\0{number}".encode()


def _number(generation: int) -> bytes:
    return generation.to_bytes(NUMBER, "big")
