"""Everything of one record in one archive, for its patient: to read, to take elsewhere, to check without the house.

The archive is a ZIP, written member by member: at most one chunk of a blob or a few hundred resources are in memory
at a time. It is not encrypted: only its owner may read the file, and what becomes of it is the owner's matter. How it
is checked: :mod:`salus.app.fhir.export_check`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from salus import __version__
from salus.app.house import House
from salus.app.session import Session
from salus.errors import AccessError, InputError, IntegrityError
from salus.fhir import json
from salus.fhir.blobs import BLOB_SCHEME
from salus.fhir.views import dicts
from salus.record.reading import Stored
from salus.record.sealing import Chunk, open_chunk
from salus.trust import proof, quarantine
from salus.trust.consent_signatures import signature_id
from salus.trust.grants import Grant
from salus.trust.log_reading import Entry

FORM = "salus.export/v1"
PURPOSE = "PATRQT"
EXPORTED = "exported"
"""The reason of the log entry that tells of an export: the last one in the archive."""
BATCH = 200
"""Resources in memory at a time."""
CHANGED = "(version > 1 OR deleted)"
MANIFEST, README, KEY = "manifest.json", "README.txt", "house-key.txt"
BUNDLE, CONSENTS, BLOBS = "bundle.json", "consents.ndjson", "blobs.ndjson"
ACCESSES, TABLE, PROOFS = "accesses.ndjson", "accesses.csv", "proofs.ndjson"
_COLUMNS = ("at", "actor", "reason", "decision", "purpose", "bases", "categories")
_TEXT = f"""This archive holds everything that was kept about the person whose record it is.

{MANIFEST:<17} what is in here: the size and SHA-256 of every file
fhir/             the record as it stands: a file for each type of entry, one entry a line (HL7 FHIR R4, NDJSON)
history/          earlier versions of entries, and entries that were deleted
{BUNDLE:<17} the same record as one FHIR Bundle, for programs that want one file
blobs/            files that belong to the record (documents, images, signals, genomes), as they came in
{BLOBS:<17} their names, their media types, and which entries cite them
unfiled/          what was sent about you, could not be taken into the record, and is kept for a short time
{CONSENTS:<17} your consents: each with its signature, the signers' public keys, and whether it is in force
{ACCESSES:<17} who looked at the record, who wrote, who was refused, and when; the last line is this export
{TABLE:<17} the same as a table
{PROOFS:<17} for each of these lines a proof that it stands in the house's log
{KEY:<17} the key with which the house signs its log; compare it with the one that you were given

To check the archive, also without the house that made it:

    salus privacy check-export FILE

Who takes a line out of {ACCESSES}, or changes one, is found out: each line names the one before it.
The archive is not encrypted. Whoever gets it can read it.
"""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an archive holds: resources, earlier versions, files, log entries."""

    resources: int
    versions: int
    blobs: int
    accesses: int


class _Archive:
    """A ZIP that is being written, and the digest of each member."""

    def __init__(self, file: IO[bytes], moment: tuple[int, int, int, int, int, int]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True)
        self._moment = moment
        self.members: list[dict[str, Any]] = []

    def add(self, name: str, pieces: Iterable[bytes]) -> int:
        """Write one member; returns in how many pieces."""
        info = zipfile.ZipInfo(name, self._moment)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        total, size, count = hashlib.sha256(), 0, 0
        with self._zip.open(info, "w", force_zip64=True) as member:
            for piece in pieces:
                member.write(piece)
                total.update(piece)
                size, count = size + len(piece), count + 1
        self.members.append({"name": name, "size": size, "sha256": total.hexdigest()})
        return count

    def close(self) -> None:
        """Write the directory of the ZIP."""
        self._zip.close()


def export(session: Session, patient: str, target: Path) -> Exported:
    """Write the patient's archive to ``target`` (mode 0600). That it was handed out stands in the patient's log.

    Raises AccessError for everybody but the patient and proxies, InputError where ``target`` cannot be made.
    """
    house = session.house
    grant = house.gate.grant(session.actor, patient, PURPOSE)
    if grant.basis != "self":
        raise AccessError("a record is exported to its patient", remedy="--as the patient or a proxy")
    with _private(target) as file:
        house.tell(patient, session.actor.id, {"reason": EXPORTED})
        writing = _Writing(house, grant, file)
        try:
            return writing.run()
        finally:
            writing.close()


@contextmanager
def _private(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name when it is whole."""
    if target.exists():
        raise InputError("there is a file already", where=str(target), remedy="name another")
    if not target.parent.is_dir():
        raise InputError("there is no such folder", where=str(target.parent), remedy="make it first")
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)


class _Writing:
    """One export at work: the record as of one moment, then the log up to the entry that tells of this export."""

    def __init__(self, house: House, grant: Grant, file: IO[bytes]) -> None:
        self._house = house
        self._grant = grant
        self._connection = house.store.connection
        now = house.clock()
        self._archive = _Archive(file, (now.year, now.month, now.day, now.hour, now.minute, now.second))
        self._pid = house.store.number_of(grant)
        self._cited: dict[str, dict[str, Any]] = {}

    def run(self) -> Exported:
        """Write everything."""
        add = self._archive.add
        key = self._house.vault.house.public_key().public_bytes_raw()
        add(README, [_TEXT.encode()])
        add(KEY, [key.hex().encode() + b"\n"])
        self._connection.begin_reading()  # what others write meanwhile is not in it
        try:
            (last,) = self._connection.execute("SELECT max(n) FROM log_leaf WHERE pid = ?", (self._pid,)).fetchone()
            kinds = [k for (k,) in self._rows("SELECT DISTINCT type FROM resource WHERE pid = ? ORDER BY type")]
            resources = sum(add(f"fhir/{kind}.ndjson", self._lines(kind)) for kind in kinds)
            add(BUNDLE, self._bundle(kinds))
            changed = [k for k in kinds if next(self._names(k, CHANGED), None)]
            versions = sum(add(f"history/{kind}.ndjson", self._history(kind)) for kind in changed)
            blobs = self._blobs()
            self._unfiled()
            add(CONSENTS, self._consents())
        finally:
            self._connection.execute("ROLLBACK")
        accesses = add(ACCESSES, (_line(_access(e)) for e in self._entries(last)))
        add(TABLE, self._table(last))
        add(PROOFS, self._proofs(last))
        told = Exported(resources, versions, blobs, accesses)
        self._manifest(told)
        return told

    def close(self) -> None:
        """End the archive, whole or not."""
        self._archive.close()

    def _manifest(self, told: Exported) -> None:
        manifest = {
            "form": FORM,
            "salus": __version__,
            "store": self._house.registry.store_id,
            "patient": self._grant.patient,
            "to": self._grant.actor,
            "made": self._house.time(),
            "counts": {name: getattr(told, name) for name in Exported.__slots__},
            "members": self._archive.members,
        }
        self._archive.add(MANIFEST, [json.dumps(manifest)])

    def _rows(self, query: str, *values: Any) -> list[Any]:
        """The rows of a query whose first value is the patient's number."""
        return self._connection.execute(query, (self._pid, *values)).fetchall()

    # ---- the record

    def _current(self, kind: str) -> Iterator[Stored]:
        for names in self._names(kind, "deleted = 0"):
            yield from self._house.store.read(self._grant, (kind,), ids=names)

    def _names(self, kind: str, condition: str) -> Iterator[list[str]]:
        """The ids of the patient's resources of a type, some at a time."""
        last = -1
        query = (
            f"SELECT rid, id FROM resource WHERE pid = ? AND type = ? AND {condition} AND rid > ? ORDER BY rid LIMIT ?"
        )
        while rows := self._rows(query, kind, last, BATCH):
            yield [name for _, name in rows]
            last = rows[-1][0]

    def _lines(self, kind: str) -> Iterator[bytes]:
        for stored in self._current(kind):
            if BLOB_SCHEME.encode() in stored.data:
                self._note_cited(stored)
            yield stored.data + b"\n"

    def _note_cited(self, stored: Stored) -> None:
        for element in json.objects(stored.body):
            url = element.get("url")
            if isinstance(url, str) and url.startswith(BLOB_SCHEME):
                found = self._cited.setdefault(url.removeprefix(BLOB_SCHEME), {"cited": []})
                found["cited"].append(stored.source.ref)
                found |= {k: v for k in ("title", "contentType") if isinstance(v := element.get(k), str)}

    def _bundle(self, kinds: Iterable[str]) -> Iterator[bytes]:
        before = b'{"resourceType":"Bundle","type":"collection","entry":['
        for kind in kinds:
            for stored in self._current(kind):
                yield before + b'{"resource":' + stored.data + b"}"
                before = b",\n"
        yield b"]}" if before == b",\n" else b'{"resourceType":"Bundle","type":"collection"}'

    def _history(self, kind: str) -> Iterator[bytes]:
        for names in self._names(kind, CHANGED):
            for name in names:
                versions = self._house.store.versions(self._grant, f"{kind}/{name}")
                for stored in versions if versions[-1].deleted else versions[:-1]:
                    yield _line(_version(stored))

    # ---- blobs

    def _blobs(self) -> int:
        rows = self._rows("SELECT address, category, size, chunks FROM blob WHERE pid = ? ORDER BY address")
        told = []
        for number, (address, category, size, chunks) in enumerate(rows, 1):
            known = self._cited.get(address, {})
            member = f"blobs/{number:05d}-{_plain_name(known.get('title', ''))}"
            self._archive.add(member, self._pieces(address, category, size, chunks))
            kind = known.get("contentType", "application/octet-stream")
            entry = {"file": member, "size": size, "name": known.get("title"), "mediaType": kind, "kind": category}
            told.append({**entry, "url": BLOB_SCHEME + address, "cited": known.get("cited", [])})
        self._archive.add(BLOBS, map(_line, told))
        return len(rows)

    def _pieces(self, address: str, category: str, size: int, chunks: int) -> Iterator[bytes]:
        """A blob in chunks. Raises IntegrityError where it is not what was stored."""
        vault, patient = self._house.vault, self._grant.patient
        total, seen = hashlib.sha256(), 0
        for n in range(chunks):
            row = self._connection.execute(
                "SELECT body FROM blob_chunk WHERE address = ? AND n = ?", (address, n)
            ).fetchone()
            if row is None:
                raise IntegrityError("a blob of the record is missing", where=address[:16])
            piece = open_chunk(vault, patient, row[0], Chunk(address, category, n, chunks, size))
            total.update(piece)
            seen += len(piece)
            yield piece
        if seen != size or vault.mac(patient, b"blob" + total.digest()).hex() != address:
            raise IntegrityError("a blob of the record is not what was stored", where=address[:16])

    def _unfiled(self) -> None:
        """Sources in quarantine that an operator called the patient's."""
        house = self._house
        for n in quarantine.assigned(house.store, house.log, self._pid):
            rows = self._connection.execute("SELECT part, body FROM quarantine WHERE n = ? ORDER BY part", (n,))
            pieces = (quarantine.open_part(house.vault, n, part, body) for part, body in rows)
            self._archive.add(f"unfiled/{n:05d}", pieces)

    # ---- consents and the log

    def _consents(self) -> Iterator[bytes]:
        known = self._house.registry.ever
        for body, standing in self._house.gate.standing(self._grant):
            found = self._house.store.read(self._grant, ("Provenance",), ids=[signature_id(str(body["id"]))])
            signature = found[0].body if found else None
            names = {_signer(s) for s in dicts(signature.get("signature"))} if signature else set()
            signers = [
                {"id": a.id, "kind": a.kind, "patient": a.patient, "key": a.public_key.hex()}
                for name, a in sorted(known.items())
                if name in names
            ]
            yield _line({"consent": body, "signature": signature, "standing": standing, "signers": signers})

    def _entries(self, last: int) -> Iterator[Entry]:
        entries = self._house.log.entries(self._connection, patient=self._grant.patient)
        return (entry for entry in entries if entry.n <= last)

    def _table(self, last: int) -> Iterator[bytes]:
        yield _row(("n", "topic", *_COLUMNS))
        for entry in self._entries(last):
            yield _row((entry.n, entry.topic, *(_cell(entry.content.get(name)) for name in _COLUMNS)))

    def _proofs(self, last: int) -> Iterator[bytes]:
        house, patient = self._house, self._grant.patient
        for entry in self._entries(last):
            told = proof.of_entry(self._connection, house.vault, house.log, entry.n, patient)
            yield _line({"n": entry.n, "proof": told.decode()})


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value) + b"\n"


def _access(entry: Entry) -> Mapping[str, Any]:
    return {"n": entry.n, "topic": entry.topic, "entry": entry.content}


def _version(stored: Stored) -> Mapping[str, Any]:
    told = {"ref": stored.source.ref, "version": stored.source.version, "updated": stored.updated}
    return {**told, "deleted": stored.deleted, "resource": stored.body or None}


def _signer(signature: Mapping[str, Any]) -> str:
    who = signature.get("who")
    identifier = who.get("identifier") if isinstance(who, Mapping) else None
    return str(identifier.get("value")) if isinstance(identifier, Mapping) else ""


def _plain_name(title: str) -> str:
    """A title as the end of a file's name: what other systems take for something else is left out."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", title.rpartition("/")[2])[-80:]
    return plain.strip("._") or "file"


def _cell(value: Any) -> str:
    """A value for a table. What a spreadsheet would take for a formula is put behind a quote."""
    text = " ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _row(values: Iterable[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()
