"""Checking an archive that :mod:`salus.app.fhir.export` wrote: whole, unchanged, and proved by the house's log.

It needs neither the house nor its keys, and costs bounded memory whatever the archive claims to hold.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from salus.app.fhir.export import (
    ACCESSES,
    BUNDLE,
    CONSENTS,
    EXPORTED,
    FORM,
    KEY,
    MANIFEST,
    PROOFS,
    Exported,
)
from salus.errors import InputError, IntegrityError
from salus.fhir import json
from salus.trust import proof
from salus.trust.consent_signatures import signers_of
from salus.trust.identity import Actor
from salus.trust.log_reading import SALT

MANIFEST_BYTES = 64 << 20
LINE_BYTES = 64 << 20
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Checked:
    """What held: counts as in the archive, consents whose signatures were checked, the house's key, who vouches."""

    patient: str
    made: str
    counts: Exported
    consents: int
    key: bytes
    witnesses: tuple[str, ...]


def check(path: Path, key: bytes | None = None) -> Checked:
    """Check the archive at ``path`` against the house's public ``key`` (32 bytes), or the key that lies in it.

    Only a key that came another way shows which house it was. Raises InputError for what is no such archive,
    IntegrityError where something was changed, left out or added.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _checked(_Reading(archive), key)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise InputError("not an archive that can be read", where=path.name) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError("an archive of another form", where=path.name) from error


class _Reading:
    """An open archive with its manifest."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._zip = archive
        self.manifest = self._manifest()
        self.members: dict[str, Mapping[str, Any]] = {str(m["name"]): m for m in self.manifest["members"]}

    def _manifest(self) -> Mapping[str, Any]:
        try:
            with self._zip.open(MANIFEST) as member:
                data = member.read(MANIFEST_BYTES + 1)
        except KeyError as error:
            raise InputError("no manifest", where=MANIFEST) from error
        found = json.loads(data) if len(data) <= MANIFEST_BYTES else None
        if not isinstance(found, dict) or found.get("form") != FORM:
            raise InputError("not a manifest of this form", where=MANIFEST, remedy=f"this salus reads {FORM}")
        members = found.get("members")
        if not isinstance(members, list) or not all(isinstance(m, dict) and "name" in m for m in members):
            raise InputError("the manifest lists no members", where=MANIFEST)
        return found

    def check_members(self) -> None:
        """Raise IntegrityError unless the archive holds exactly what the manifest says."""
        names = [info.filename for info in self._zip.infolist()]
        if len(set(names)) != len(names) or set(names) != {*self.members, MANIFEST}:
            raise IntegrityError("the archive does not hold the files that its manifest lists", where=MANIFEST)
        for name, told in self.members.items():
            total, size = hashlib.sha256(), 0
            with self._zip.open(name) as member:
                while size <= told["size"] and (piece := member.read(_PIECE)):
                    total.update(piece)
                    size += len(piece)
            if size != told["size"] or total.hexdigest() != told["sha256"]:
                raise IntegrityError("a file is not the one that was exported", where=name)

    def lines(self, name: str) -> Iterator[Any]:
        """The JSON values of a member, a line each."""
        if name not in self.members:
            raise IntegrityError("a file is missing", where=name)
        with self._zip.open(name) as member:
            while line := member.readline(LINE_BYTES):
                if not line.endswith(b"\n"):
                    raise IntegrityError("a line without an end, or too long", where=name)
                yield json.loads(line)

    def count_lines(self, folder: str) -> int:
        """How many lines the files of a folder hold."""
        return sum(1 for name in self.members if name.startswith(folder) for _ in self.lines(name))

    def text(self, name: str) -> bytes:
        """A short member."""
        with self._zip.open(name) as member:
            return member.read(_PIECE)


def _checked(reading: _Reading, key: bytes | None) -> Checked:
    reading.check_members()
    manifest = reading.manifest
    patient, counts = str(manifest["patient"]), _counts(manifest)
    own = _own_key(reading)
    if key is not None and key != own:
        raise IntegrityError("the archive is of another house than that of the key", where=KEY)
    accesses, witnesses = _log(reading, Ed25519PublicKey.from_public_bytes(own), patient)
    if reading.count_lines("fhir/") != counts.resources or reading.count_lines("history/") != counts.versions:
        raise IntegrityError("the archive does not hold as many resources as its manifest says", where="fhir")
    if sum(name.startswith("blobs/") for name in reading.members) != counts.blobs or accesses != counts.accesses:
        raise IntegrityError("the archive does not hold as many files or log entries as its manifest says")
    if BUNDLE not in reading.members:
        raise IntegrityError("a file is missing", where=BUNDLE)
    return Checked(patient, str(manifest["made"]), counts, _consents(reading, patient), own, witnesses)


def _counts(manifest: Mapping[str, Any]) -> Exported:
    try:
        return Exported(**{name: int(manifest["counts"][name]) for name in Exported.__slots__})
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("the manifest tells no counts", where=MANIFEST) from error


def _own_key(reading: _Reading) -> bytes:
    try:
        own = bytes.fromhex(reading.text(KEY).decode("ascii").strip())
    except (KeyError, ValueError) as error:
        raise InputError("no key of the house", where=KEY) from error
    if len(own) != 32:
        raise InputError("no key of the house", where=KEY)
    return own


def _log(reading: _Reading, key: Ed25519PublicKey, patient: str) -> tuple[int, tuple[str, ...]]:
    """Hold every access to its proof, and the chain of them to its first and its last. Returns how many."""
    before: int | None = None
    last: Mapping[str, Any] = {}
    witnesses: set[str] = set()
    count = 0
    for count, (access, told) in enumerate(_pairs(reading), 1):
        where = f"{ACCESSES} line {count}"
        n, entry = access["n"], access["entry"]
        if told["n"] != n or _proved(told["proof"], key, witnesses) != (n, entry):
            raise IntegrityError("an entry is not the one that its proof proves", where=where)
        if entry.get("previous") != before:
            raise IntegrityError("an entry is missing before this one", where=where)
        before, last = n, entry
    if last.get("reason") != EXPORTED:
        raise IntegrityError("entries at the end are missing: the last one tells of the export", where=ACCESSES)
    return count, tuple(sorted(witnesses))


def _pairs(reading: _Reading) -> Iterator[tuple[Any, Any]]:
    accesses, proofs = reading.lines(ACCESSES), reading.lines(PROOFS)
    try:
        yield from zip(accesses, proofs, strict=True)
    except ValueError as error:
        raise IntegrityError("not as many proofs as entries", where=PROOFS) from error


def _proved(text: str, key: Ed25519PublicKey, witnesses: set[str]) -> tuple[int, Any]:
    """Number and content of the entry that a proof proves. Raises IntegrityError, InputError."""
    data = text.encode()
    witnesses.update(proof.check(data, key).witnesses)
    _, extra, index, *_ = data.split(b"\n")  # as proof.check has seen
    payload = base64.b64decode(extra.removeprefix(b"extra "))
    return int(index.removeprefix(b"index ")), json.loads(payload[SALT:])


def _consents(reading: _Reading, patient: str) -> int:
    """Check the signature of every consent that has one. Returns how many."""
    held = 0
    for number, told in enumerate(reading.lines(CONSENTS), 1):
        if told["signature"] is None:
            continue
        signers = (Actor(s["id"], s["kind"], bytes.fromhex(s["key"]), s["patient"]) for s in told["signers"])
        if not signers_of(told["consent"], told["signature"], {a.id: a for a in signers}, patient):
            raise IntegrityError("a consent's signature does not hold", where=f"{CONSENTS} line {number}")
        held += 1
    return held
