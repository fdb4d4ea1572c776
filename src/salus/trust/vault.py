"""The vault: one data key a patient, all in a folder outside the store, and how bytes are sealed under them.

Losing the folder is losing the record: the store without the folder opens nothing. Shredding a patient's key erases
that patient: nobody can open what was sealed under it, wherever copies of it lie. :mod:`salus.trust.keyring` says how
the keys lie in the folder, and why a dropped key cannot be read from copies of the folder either.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from salus.errors import ConfigurationError, IntegrityError
from salus.fhir import json
from salus.trust.keyring import Keyring, is_earlier
from salus.trust.wrapping import NONCE, KeyProvider, chosen, derive, write_durably

__all__ = ["NONCE", "SYSTEM", "Vault", "fingerprint", "write_durably"]

_VEIL = b"veil"
LOOK = 0.001
"""Seconds for which an opened key is used before it is looked for again: a search opens hundreds of bodies, and to drop
a key takes longer than this."""
SYSTEM = ""
"""The "patient" whose key seals what belongs to no patient: log entries of the house."""


class Vault:
    """The keys of one store. Implements :class:`salus.record.protocols.Sealer`.

    A patient's id is a name for a key; other things with a key of their own (a source in quarantine) have names with a
    colon, which no id in FHIR can hold.
    """

    def __init__(self, folder: Path, provider: KeyProvider | None = None) -> None:
        """Open the keys; ``provider`` has the master key (default: the one that the environment names).

        Raises ConfigurationError or IntegrityError where they cannot be opened.
        """
        self.folder = folder
        self.checkpoint_path = folder / "log.checkpoint"
        """Where the newest checkpoint is remembered, so that a store rolled back as a whole is noticed."""
        self._ring = Keyring(folder, provider or chosen(folder))
        secrets = self._ring.secrets
        self._ciphers: dict[str, tuple[AESGCM, HMAC]] = {SYSTEM: _cipher(secrets.system)}
        self._looked = 0.0
        self._opened_in = self._ring.generation
        self.house = Ed25519PrivateKey.from_private_bytes(secrets.house)

    @classmethod
    def make(cls, folder: Path, provider: KeyProvider | None = None) -> Vault:
        """New keys in ``folder``. Raises ConfigurationError when it holds keys already."""
        known = provider or chosen(folder)
        Keyring.make(folder, known)
        return cls(folder, known)

    @staticmethod
    def unused(folder: Path) -> bool:
        """True for keys that were made but never used: no log was kept with them."""
        return ((folder / "ring").exists() or is_earlier(folder)) and not (folder / "log.checkpoint").exists()

    @property
    def generation(self) -> int:
        """How often the keys were wrapped anew, from 1."""
        return self._ring.generation

    @property
    def provider(self) -> KeyProvider:
        """The provider that holds the master key."""
        return self._ring.provider

    def rotate(self, provider: KeyProvider | None = None) -> None:
        """Wrap all keys anew, by another ``provider`` where one is named, and destroy what wrapped them before."""
        self._ring.rewrap((), provider)

    def copy(self, target: Path) -> None:
        """A consistent copy of the folder at ``target``. Raises ConfigurationError where there is something."""
        if target.exists():
            raise ConfigurationError("there is something already", where=str(target), remedy="name another folder")
        with self.locked():
            shutil.copytree(self.folder, target, ignore=shutil.ignore_patterns(".*", "lock"))

    # ---- Sealer

    def create(self, patient: str) -> None:
        """Make the patient's key durably; does nothing where it exists."""
        self._ring.add(self.name(patient))

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
        keyed = self._key(patient)[1].copy()
        keyed.update(data)
        return keyed.finalize()

    def blind(self, token: str) -> bytes:
        """HMAC-SHA256 under the store's index key, cut to 16 bytes."""
        return hmac.digest(self._ring.secrets.index, token.encode(), "sha256")[:16]

    def shred(self, *patients: str) -> None:
        """Destroy the patients' keys for good, and keep marks that this was meant. Repeating it changes nothing.

        All other keys are wrapped anew, and what wrapped them before is destroyed: a copy of the key folder from before
        is then worth nothing, unless the master key lay in it. Once this has begun it is completed; after a crash, by
        the next process that opens the folder.
        """
        self._ring.rewrap(self.name(patient) for patient in patients)

    def holds(self, patient: str) -> bool:
        """True when there is a key of this name."""
        self._renewed()
        return self._ring.key(self.name(patient)) is not None

    def shredded(self, patient: str) -> bool:
        """True when the patient's key was destroyed, and no new one was made since."""
        return self.marked(patient) and not self.holds(patient)

    def marked(self, patient: str) -> bool:
        """True when a key of the patient was destroyed, whether or not a new one was made since."""
        return self._path(patient).with_suffix(".shredded").exists()

    def name(self, patient: str) -> bytes:
        """The 32 bytes that stand for a patient in the key folder. Without the folder's secrets nobody can tell for
        whom."""
        return hmac.digest(self._ring.secrets.names, patient.encode(), "sha256")

    # ---- what the house's own entries say about a person

    def veil(self, content: Mapping[str, Any]) -> dict[str, str]:
        """Seal ``content`` under a new key of its own. The result names nobody; :meth:`unveil` opens it.

        The log is never rewritten. What it says about a person in this form is erased by shredding the key, whose name
        stands in the result under ``key``.
        """
        name = f"veil:{os.urandom(16).hex()}"
        self.create(name)
        return {"key": name, "sealed": self.seal(name, json.dumps(content, canonical=True), _VEIL).hex()}

    def unveil(self, veiled: Mapping[str, str]) -> dict[str, Any] | None:
        """The content of :meth:`veil`; None where its key was shredded. Raises IntegrityError."""
        name = veiled["key"]
        if self.shredded(name):
            return None
        found: dict[str, Any] = json.loads(self.unseal(name, bytes.fromhex(veiled["sealed"]), _VEIL))
        return found

    # ---- the mark of how far the log had come, kept outside the store

    def locked(self) -> AbstractContextManager[None]:
        """Hold the folder's lock: one process at a time updates what is remembered here."""
        return self._ring.locked()

    def announce_consent(self, patient: str, leaf: int) -> None:
        """Write down which log entry is about to file the patient's newest consent; it counts once it is confirmed."""
        write_durably(self._path(patient).with_suffix(".consent-next"), str(leaf).encode())

    def confirm_consent(self, patient: str, leaf: int) -> None:
        """Remember entry ``leaf``, which is in the store, as the newest consent, where it is the one that was
        announced."""
        path = self._path(patient).with_suffix(".consent-next")
        with self.locked():
            if _number(path) == leaf:
                path.replace(path.with_suffix(".consent"))

    def withdraw_consent(self, patient: str) -> None:
        """Forget what was announced: it was not stored."""
        self._path(patient).with_suffix(".consent-next").unlink(missing_ok=True)

    def announced_consent(self, patient: str) -> int | None:
        """The log entry that was announced and neither confirmed nor withdrawn, if any."""
        return _number(self._path(patient).with_suffix(".consent-next"))

    def newest_consent(self, patient: str) -> int | None:
        """The log entry that filed the patient's newest consent, as far as it was remembered."""
        return _number(self._path(patient).with_suffix(".consent"))

    def _path(self, patient: str) -> Path:
        return self._ring.path(self.name(patient))

    def _renewed(self) -> None:
        """Forget keys that were opened before another process began a new generation: they may have been dropped."""
        self._looked = time.monotonic()
        self._ring.changed()
        if self._ring.generation != self._opened_in:
            self._opened_in = self._ring.generation
            for patient in [p for p in self._ciphers if p != SYSTEM]:
                del self._ciphers[patient]

    def _key(self, patient: str) -> tuple[AESGCM, HMAC]:
        if patient != SYSTEM and time.monotonic() - self._looked >= LOOK:
            self._renewed()
        found = self._ciphers.get(patient)
        if found is None:
            key = self._ring.key(self.name(patient))
            if key is None:
                raise IntegrityError("a patient's key is missing", remedy="restore the key folder")
            found = self._ciphers[patient] = _cipher(key)
        return found


def _cipher(key: bytes) -> tuple[AESGCM, HMAC]:
    """The cipher, and the keyed hash of nothing yet: a copy of it takes a short text without giving up its turn."""
    return AESGCM(derive(key, "seal")), HMAC(derive(key, "mac"), SHA256())


def _number(path: Path) -> int | None:
    try:
        return int(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise IntegrityError("a file of the key folder is damaged", remedy="restore the key folder") from error


def fingerprint(data: bytes) -> str:
    """The first 16 hex digits of SHA-256, to name a public key in few characters."""
    return hashlib.sha256(data).hexdigest()[:16]
