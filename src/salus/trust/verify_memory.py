"""What an interrupted verification found in order, so that another can go on from there.

For each patient that was verified without a problem, the file holds the digest of all the patient's rows, sealed under
the house's own key. The file is no proof that a store is in order: a patient is passed over only where the rows in the
store now have that digest. So whatever was changed since is verified again, whoever changed it. Without the keys nobody
can write a line; an older line does not fit other rows; a line that was taken away costs time.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from salus.errors import InputError, IntegrityError
from salus.fhir import json
from salus.private_files import FILE
from salus.trust.vault import SYSTEM, Vault

EVERY = 2.0
"""Seconds after which results are written down. A shorter run leaves no file."""
_CODE = ("salus.fhir", "salus.record", "salus.trust")


@dataclass(frozen=True, slots=True)
class Verified:
    """One patient's rows: their digest, how many entries and versions, and the addresses of the blobs among them."""

    digest: bytes
    entries: int
    versions: int
    blobs: tuple[str, ...]


class Memory:
    """The file at ``path`` while verification runs; with ``resume`` what it holds is taken into account.

    ``log`` is the name of the log. The file is removed at the end of a run that was not interrupted. Where it cannot be
    written, nothing is remembered: the next run verifies all.
    """

    def __init__(self, path: Path, vault: Vault, log: str, *, resume: bool) -> None:
        self._path, self._vault = path, vault
        self._context = b"verified\0" + hashlib.sha256(f"{log}\0{_code()}".encode()).digest()
        self._found: dict[int, Verified] = {}
        self._waiting: list[str] = []
        self._written = time.monotonic()
        self._begun = resume
        """Whether the file holds lines that count: then lines are added to it."""
        if resume:
            self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self._path.unlink(missing_ok=True)
        else:
            self._write()

    def of(self, pid: int) -> Verified | None:
        """What is remembered of a patient."""
        return self._found.get(pid)

    def note(self, pid: int, verified: Verified) -> None:
        """Remember a patient who was verified without a problem."""
        content = {
            "pid": pid,
            "digest": verified.digest.hex(),
            "entries": verified.entries,
            "versions": verified.versions,
            "blobs": verified.blobs,
        }
        self._waiting.append(self._vault.seal(SYSTEM, json.dumps(content), self._context).hex())
        if time.monotonic() - self._written >= EVERY:
            self._write()

    def _write(self) -> None:
        if self._waiting:
            how = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if self._begun else os.O_TRUNC)
            with suppress(OSError), os.fdopen(os.open(self._path, how, FILE), "w", encoding="ascii") as file:
                file.writelines(f"{line}\n" for line in self._waiting)
        self._begun, self._waiting, self._written = True, [], time.monotonic()

    def _read(self) -> None:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                content = json.loads(self._vault.unseal(SYSTEM, bytes.fromhex(line.decode()), self._context))
            except (ValueError, IntegrityError, InputError):
                continue  # cut off, of another release, or not ours: that patient is verified
            self._found[content["pid"]] = _verified(content)


def _verified(content: Mapping[str, Any]) -> Verified:
    return Verified(bytes.fromhex(content["digest"]), content["entries"], content["versions"], tuple(content["blobs"]))


def _code() -> str:
    """A digest of the code that verifies: what another release found in order is verified again."""
    digest = hashlib.sha256()
    for package in _CODE:
        for file in sorted(files(package).iterdir(), key=lambda file: file.name):
            if file.name.endswith((".py", ".toml")):
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
