"""Verification of one patient: the log's entries say what was written, and the rows must be that and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from salus.errors import IntegrityError, SalusError
from salus.fhir import json
from salus.fhir.views import Body
from salus.record import kinds
from salus.record.database import Database
from salus.record.forgetting import ERASED
from salus.record.sealing import context, unpack
from salus.record.store import Store
from salus.trust import journal_check
from salus.trust.grants import Grant
from salus.trust.journal import Count
from salus.trust.log import CONSENT, Log
from salus.trust.registry import TOPIC
from salus.trust.vault import Vault
from salus.trust.verify_log import Problem
from salus.trust.verify_rows import Part, Rows, Whose

UNLOGGED = "is not what the log says was written"
MISSING = "is missing from the store"


@dataclass(slots=True)
class Counts:
    """How much was looked at."""

    entries: int = 0
    versions: int = 0
    blobs: int = 0

    def add(self, other: Counts) -> None:
        """Count what another part of the store held, too."""
        self.entries += other.entries
        self.versions += other.versions
        self.blobs += other.blobs


@dataclass(slots=True)
class House:
    """What the house's own entries say about sources in quarantine, erased patients and the emergency journal."""

    quarantine: set[tuple[int, int]] = field(default_factory=set)
    merged: Count = field(default_factory=Count)
    """The last entry of the emergency journal that was merged."""
    numbered: bool = False
    """The emergency journal has a count."""

    def learn(self, topic: str, content: Mapping[str, Any]) -> None:
        """Take one entry into account."""
        if topic == journal_check.TOPIC:
            self.merged = Count(content["number"], content["digest"])
        elif topic == TOPIC and content["reason"] in ("init", "journal-numbered"):
            self.numbered |= content.get("numbered", content["reason"] != "init")
        elif topic == TOPIC and content["reason"] == "quarantined":
            self.quarantine |= {(content["n"], part) for part in range(content["parts"])}


class RecordCheck:
    """One patient's entries, resource versions, index rows and blobs, held against each other.

    ``rows`` notes what was read; ``house`` learns what entries say of the house. After :meth:`check` there are
    ``problems``, ``counts`` and the ``blobs`` that the entries list: their categories by address.
    """

    def __init__(self, store: Store, vault: Vault, log: Log, rows: Rows, house: House) -> None:
        self._store, self._vault, self._log = store, vault, log
        self._whose, self._rows, self._house = rows.whose, rows, house
        self.problems: list[Problem] = []
        self.counts = Counts()
        self.blobs: dict[str, str] = {}
        self._wanted: dict[tuple[str, int], tuple[str, bool]] = {}
        """Keyed hash of every version, by reference and version, and whether it was deleted."""
        self._newest: dict[str, int] = {}

    def check(self, progress: Callable[[int], None]) -> None:
        """Look at everything; ``progress`` is told after each part how many resource versions that were."""
        self._check_entries()
        for part in self._rows.parts():
            before = self.counts.versions
            self._check_part(part)
            progress(self.counts.versions - before)
        for ref, version in self._wanted:
            self._tell(f"{ref.partition('/')[0]} version {version}", MISSING)
        self._check_blobs()

    def _tell(self, where: str, what: str) -> None:
        self.problems.append(Problem(where, what))

    # ---- entries

    def _check_entries(self) -> None:
        last: int | None = None
        for n, topic, commitment, sealed, ends in self._rows.entries():
            self.counts.entries += 1
            if not self._whose.erased:
                self._check_entry((n, self._whose.name, topic, commitment, sealed), last, bool(ends))
            elif self._whose.name != f"{ERASED}{self._whose.pid}" or sealed:
                self._tell(f"log entry {n}", "something is left of an erased patient")
            last = n
        if last is None and self._whose.pid is not None:
            self._tell("patient", "a patient whom the log does not know")

    def _check_entry(self, row: tuple[int, str, str, bytes, bytes], last: int | None, ends: bool) -> None:
        n, where = row[0], f"log entry {row[0]}"
        try:
            entry = self._log.open(*row)
        except SalusError as error:
            self._tell(where, error.what)
            return
        if entry.content.get("previous") != last:
            self._tell(where, "the patient's chain of entries is broken")
        if n and entry.content.get("batch") == n and not ends:
            self._tell(f"checkpoint {n}", "is missing")
        if entry.topic in ("write", CONSENT):
            for ref, version, mac, gone in entry.content["items"]:
                self._wanted[ref, version] = (mac, gone)
                self._newest[ref] = max(version, self._newest.get(ref, 0))
            self.blobs.update(entry.content["blobs"])
        elif self._whose.pid is None:
            self._house.learn(entry.topic, entry.content)

    # ---- resources

    def _check_part(self, part: Part) -> None:
        for rid, kind, name, *version, own, reach in part.current:
            body = self._opened(rid, kind, name, version, is_current=True)
            if body is not None:
                self._check_following(rid, kind, body, (own, reach), part)
            for past in part.past.get(rid, ()):
                self._opened(rid, kind, name, past, is_current=False)

    def _opened(self, rid: int, kind: str, name: str, row: Sequence[Any], *, is_current: bool) -> Body | None:
        """The body of one version, {} for a deleted one; None where it is not what was written."""
        version, updated, deleted, mac, sealed = row
        self.counts.versions += 1
        ref, where = f"{kind}/{name}", f"{kind} version {version} (row {rid})"
        logged = self._wanted.pop((ref, version), None)
        if not isinstance(mac, bytes) or logged != (mac.hex(), bool(deleted)) or not isinstance(sealed, bytes):
            self._tell(where, UNLOGGED)
            return None
        if is_current != (self._newest[ref] == version):
            self._tell(where, "an older version stands as the current one")
        patient, place = self._whose.name, context(ref, version, updated, bool(deleted))
        try:
            data = unpack(self._vault.unseal(patient, sealed, place))
            if self._vault.mac(patient, hashlib.sha256(data).digest()) != mac:
                raise IntegrityError("a stored body is not the one that was logged")
            return json.reread(data) if data else {}
        except SalusError as error:
            self._tell(where, error.what)
            return None

    def _check_following(self, rid: int, kind: str, body: Body, noted: tuple[int, int], part: Part) -> None:
        """What follows from a body: the kinds of data noted beside it, what it leads to, and its index rows."""
        tokens: set[tuple[Any, ...]] = set()
        dates: set[tuple[Any, ...]] = set()
        if body:  # a deleted one keeps the kinds and targets that it had
            own, targets = kinds.own_of(body), kinds.targets_in(body)
            reach = kinds.reached(self._store.connection, self._whose.pid or 0, rid) if targets else own
            if noted != (own, reach) or part.targets.get(rid, set()) != targets:
                self._tell(f"{kind} (row {rid})", "the kinds of data noted for it do not follow from its body")
            found, spans = self._store.index_rows(body)
            tokens = {(kind, *row, self._whose.pid, reach) for row in found}
            dates = {(kind, *row) for row in spans}
        if part.tokens.get(rid, set()) != tokens or part.dates.get(rid, set()) != dates:
            self._tell(f"{kind} (row {rid})", "its index rows do not follow from its body")

    # ---- blobs

    def _check_blobs(self) -> None:
        for address, category in self.blobs.items():
            where, row = f"blob {address[:16]}", self._rows.blob(address)
            if row is None:
                self._tell(where, MISSING)
                continue
            self.counts.blobs += 1
            if row != (self._whose.pid, category):
                self._tell(where, UNLOGGED)
                continue
            released = frozenset({category})
            scope = Grant("verify", self._whose.name, "upkeep", released, may_write=False, purpose="upkeep")
            try:
                self._store.blob(scope, address)
            except SalusError as error:
                self._tell(where, error.what)


def people(connection: Database, erased: set[int]) -> Iterator[Whose]:
    """The house itself, then every patient."""
    yield Whose(None, "")
    for pid, name in connection.execute("SELECT pid, id FROM patient ORDER BY pid"):
        yield Whose(pid, name, pid in erased)
