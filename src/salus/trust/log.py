"""The tamper-evident log: one leaf for each decision of the gate and each write, hashed as RFC 6962 says.

A leaf is a 32-byte commitment SHA-256(salt || entry). Salt and entry lie sealed under the patient's key: shredding the
key leaves every proof valid, and nothing from which the entry could be guessed. Each transaction ends with one
checkpoint (size and root, signed by the house), kept in the store and, as the *mark*, outside it. How entries are read:
:mod:`salus.trust.log_reading`.

The next mark is written durably before the commit (it is *announced*) and takes its place after it
(:mod:`salus.trust.mark`). So what was answered is what is stored, even where the folder of the keys cannot be written.
A mark that is missing, or ahead of the store, stops every write until a person settles it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from salus.errors import IntegrityError, StoreError
from salus.fhir import json
from salus.record.database import Database, one_of
from salus.trust import auditor, log_tiles
from salus.trust.checkpoint import LEGACY_ORIGIN, Checkpoint, checkpoint_text, verifier
from salus.trust.log_reading import SALT, LogReading, leaf_context
from salus.trust.mark import Mark
from salus.trust.merkle import Frontier, View, leaf_hash
from salus.trust.tiles import WIDTH
from salus.trust.vault import SYSTEM, Vault, fingerprint, write_durably

CONSENT = "consent"
"""Topic of the entries that file a consent; each names the one before, so that none can be left out."""
COUNTED = "counted"
"""Topic of the house's entries that name many patients whose resources were counted together."""
ROLLED_BACK = "entries at the end are missing: the store was rolled back"
UNMARKED = "the checkpoint kept outside the store is missing"
_END = (
    "SELECT (SELECT root FROM log_checkpoint WHERE size = ?), (SELECT coalesce(max(n) + 1, 0) FROM log_leaf), "
    "c.size, c.frontier, p.id, p.pid, (SELECT max(l.n) FROM log_leaf l WHERE l.pid = p.pid) "
    "FROM (SELECT max(size) AS newest FROM log_checkpoint) m "
    "LEFT JOIN log_checkpoint c ON c.size = m.newest LEFT JOIN patient p ON p.id IN "
)
"""Selects the root of the checkpoint of a given size, the number of entries and the newest checkpoint; and, of the
patients with given names, their numbers and newest entries. It gives one row for each such patient, or one if there is
none."""
_Link = tuple[int | None, int | None]
"""What a patient's next entry follows: the patient's number (None for the house's own entries), and the newest entry so
far."""


@dataclass(slots=True)
class _Batch:
    """The leaves of one transaction: the tree after them, its size before them, the log's name, and where consents were
    filed."""

    frontier: Frontier
    begun: int
    origin: str
    consents: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    """Where the log ends: its tree by the newest checkpoint, how many entries there are, the mark, and what the next
    entries of some patients follow."""

    frontier: Frontier
    leaves: int
    mark: Checkpoint | None
    links: dict[str, _Link]


class Log(LogReading):
    """Writes and reads the log tables. Implements :class:`salus.record.protocols.Journal`."""

    def __init__(self, vault: Vault) -> None:
        super().__init__(vault)
        self._batch: _Batch | None = None
        self._auditor = auditor.Auditor(vault.folder)
        self._key = vault.house.public_key()
        self._key_ids: dict[str, bytes] = {}
        self._mark = Mark(vault.checkpoint_path)
        self._view: tuple[Database, View] | None = None
        self._tiled = False
        """Whether the tiles were completed since the log was opened: a store of an earlier release may lack some."""

    @property
    def origin(self) -> str:
        """The name of this log. Each house has its own; logs that were begun by an earlier release of salus all had the
        same."""
        mark = self.remembered()
        return mark.origin if mark else self._own_origin

    def _key_id(self, origin: str) -> bytes:
        """The id of the house's key under a name of its log. It is worked out once, as a key is examined whenever it is
        read."""
        if origin not in self._key_ids:
            self._key_ids[origin] = verifier(origin, self._key).key_id
        return self._key_ids[origin]

    @property
    def _own_origin(self) -> str:
        return f"salus.log/{fingerprint(self._key.public_bytes_raw())}"

    # ---- writing, inside the store's transaction

    def append(self, connection: Database, patient: str, topic: str, entry: Mapping[str, Any]) -> int:
        """Add one leaf inside the caller's transaction; returns the leaf's index."""
        return self.append_all(connection, [(patient, topic, entry)])[0]

    def append_all(self, connection: Database, entries: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[int]:
        """As :meth:`append`, for several entries: patient, topic and content of each. Raises IntegrityError for a
        patient who is not in the store, and as :meth:`check_mark`."""
        patients, links = {patient for patient, _, _ in entries}, dict[str, _Link]()
        if self._batch is None:
            self._batch, links = self._begin(connection, patients - {SYSTEM})
        links |= _links(connection, patients - links.keys())
        batch, numbers = self._batch, list[int]()
        for patient, topic, entry in entries:
            if patient not in links:
                raise IntegrityError("a log entry for a patient who is not in the store")
            pid, previous = links[patient]
            numbers.append(self._append(connection, batch, patient, pid, topic, {**entry, "previous": previous}))
            links[patient] = pid, numbers[-1]
        return numbers

    def _append(
        self,
        connection: Database,
        batch: _Batch,
        patient: str,
        pid: int | None,
        topic: str,
        entry: Mapping[str, Any],
    ) -> int:
        n = batch.frontier.size
        chained = {**entry, "batch": batch.begun}
        if topic == CONSENT:
            self.newest_consent(connection, patient)  # confirms a consent whose writer died after the commit
            chained["previous_consent"] = _last_consent(connection, pid)
            batch.consents[patient] = n
        payload = os.urandom(SALT) + json.dumps(chained, canonical=True)
        commitment = hashlib.sha256(payload).digest()
        sealed = self._vault.seal(patient, payload, leaf_context(n, patient, topic))
        connection.execute("INSERT INTO log_leaf VALUES (?, ?, ?, ?, ?)", (n, pid, topic, commitment, sealed))
        if pid is not None and topic in auditor.TOPICS:
            self._auditor.tell(connection, n, pid, commitment, entry)
        batch.frontier = batch.frontier.append(leaf_hash(commitment))
        return n

    def _begin(self, connection: Database, patients: Collection[str]) -> tuple[_Batch, dict[str, _Link]]:
        """A batch that begins where the store's log ends, and what the next entries of these patients follow. Raises
        IntegrityError where the log and its checkpoint disagree, and as :meth:`check_mark`."""
        end = self._look(connection, patients)
        if end.frontier.size != end.leaves:
            raise IntegrityError("the log and its checkpoint disagree", remedy="run: salus verify")
        origin = end.mark.origin if end.mark else self._own_origin
        return _Batch(end.frontier, end.frontier.size, origin), end.links

    def seal(self, connection: Database) -> None:
        """Sign what was appended and make the mark of it durable. Called once, right before the commit.

        Raises StoreError where the folder of the keys cannot be written: then nothing of the transaction is kept.
        """
        batch = self._batch
        if batch is None:
            return
        size, root, origin = batch.frontier.size, batch.frontier.root(), batch.origin
        if not self._tiled or size // WIDTH != batch.begun // WIDTH:
            log_tiles.complete(connection, size)
            self._tiled = True
        signature = self._vault.house.sign(checkpoint_text(size, root, origin))
        row = (size, root, batch.frontier.to_bytes(), signature)
        connection.execute("INSERT INTO log_checkpoint VALUES (?, ?, ?, ?)", row)
        announced = Checkpoint(size, root, signature, origin, self._key_id(origin))
        try:
            for patient, leaf in batch.consents.items():
                self._vault.announce_consent(patient, leaf)
            self._mark.announce(announced)
        except OSError as error:
            raise StoreError(
                "the folder of the keys cannot be written", remedy="make room, or restore access"
            ) from error

    def abandon(self) -> None:
        """The transaction was rolled back: withdraw what was announced for it."""
        batch, self._batch = self._batch, None
        self._tiled = False
        self._auditor.rolled_back()
        if batch is None:
            return
        with suppress(OSError, IntegrityError):  # what was announced and is not in the store counts for nothing
            self._mark.withdraw()
        for patient in batch.consents:
            self._vault.withdraw_consent(patient)

    def acknowledge(self) -> None:
        """The transaction was committed: what was announced becomes the mark."""
        batch, self._batch = self._batch, None
        if batch is None:
            return
        with suppress(OSError, IntegrityError):  # what was announced is durable: the next writer moves the mark there
            self._promote(batch.frontier.size)
        with suppress(OSError):  # as above
            for patient, leaf in batch.consents.items():
                self._vault.confirm_consent(patient, leaf)

    def blank(self, connection: Database, pid: int) -> int:
        """Drop the sealed entries of an erased patient; their commitments stay, and with them every proof."""
        return connection.execute("UPDATE log_leaf SET entry = ? WHERE pid = ?", (b"", pid)).rowcount

    # ---- the mark

    def _promote(self, size: int) -> None:
        with self._vault.locked():
            self._mark.move(size)

    def remembered(self) -> Checkpoint | None:
        """The checkpoint that was kept outside the store, if any. Raises IntegrityError where it cannot be read."""
        return self._mark.look().mark

    def check_mark(self, connection: Database) -> None:
        """Raise IntegrityError when the mark is missing, or when the store is older than the mark or is another store.

        A writer may have died after the commit and before the mark took its place. What was announced is then the mark.
        """
        self._look(connection)

    def _look(self, connection: Database, patients: Collection[str] = ()) -> _Found:
        """Where the log ends, and what the next entries of some patients follow. Raises as :meth:`check_mark`."""
        mark = self.finish(connection)
        marks, names = one_of(list(patients) or [SYSTEM])  # SYSTEM is no patient's name
        rows = connection.execute(f"{_END} ({marks})", (mark.size if mark else -1, *names)).fetchall()
        root, leaves, size, frontier, *_ = rows[0]
        if mark is None and size is not None:
            raise IntegrityError(UNMARKED, remedy="restore the folder of the keys, or: salus log settle")
        if mark is not None and root != mark.root:
            raise IntegrityError(ROLLED_BACK, remedy="salus verify tells more; salus restore puts a backup in place")
        links = {row[4]: (row[5], row[6]) for row in rows if row[4] is not None}
        return _Found(Frontier() if size is None else Frontier.from_bytes(size, frontier), leaves, mark, links)

    def finish(self, connection: Database) -> Checkpoint | None:
        """If a writer died after the commit, move the mark to what it announced. Returns the mark."""
        held = self._mark.look()
        if held.announced is None:
            return held.mark
        row = connection.execute("SELECT root FROM log_checkpoint WHERE size = ?", (held.announced.size,)).fetchone()
        if row is not None and row[0] == held.announced.root:
            self._promote(held.announced.size)
        return self.remembered()

    def accept(self, connection: Database) -> Checkpoint | None:
        """Take the store as it is: its newest checkpoint becomes the mark. Only for a person who decided so; the caller
        logs who.

        Returns the former mark; None where there was none, or none that could be read.
        """
        place = self._vault.checkpoint_path
        try:
            before = self.remembered()
        except IntegrityError:
            before = None
            place.unlink()
        newest = self.newest(connection)
        with self._vault.locked():
            cosigned = place.with_name("log.cosigned")
            if cosigned.exists():  # kept as evidence: its witnesses go on to refuse this log
                cosigned.replace(cosigned.with_name("log.cosigned.before"))
            if newest is None:
                place.unlink(missing_ok=True)
            else:
                self._mark.write(newest)
        return before

    def set_mark(self, mark: Checkpoint) -> None:
        """Put back a mark that was replaced for a restore which then failed."""
        self._mark.write(mark)

    # ---- consents

    def newest_consent(self, connection: Database, patient: str) -> int | None:
        """The entry that filed the patient's newest consent, as remembered outside the store."""
        announced = self._vault.announced_consent(patient)
        if announced is not None:
            row = connection.execute(
                "SELECT 1 FROM log_leaf WHERE n = ? AND topic = ?", (announced, CONSENT)
            ).fetchone()
            if row is not None:
                self._vault.confirm_consent(patient, announced)
        return self._vault.newest_consent(patient)

    def newest_filed(self, connection: Database, patients: Sequence[str]) -> dict[str, int]:
        """For each of the patients who is in the store, the entry that filed the newest consent there; -1 for none."""
        marks, names = one_of(patients)
        rows = connection.execute(
            "SELECT p.id, (SELECT max(l.n) FROM log_leaf l WHERE l.pid = p.pid AND l.topic = ?) FROM patient p "
            f"WHERE p.id IN ({marks})",
            (CONSENT, *names),
        )
        return {patient: -1 if n is None else int(n) for patient, n in rows}

    def nothing_filed(self, connection: Database, patient: str) -> str:
        """What a patient's first consent names in place of an earlier one's digest. To others it looks random, and it
        is another after an erasure."""
        row = connection.execute("SELECT pid FROM patient WHERE id = ?", (patient,)).fetchone()
        return hashlib.sha256(self._vault.blind(f"no consent\0{patient}\0{row[0] if row else 0}")).hexdigest()

    def sealed_head(self, patient: str, head: str) -> str:
        """A digest in the form that staff get to see: sealed, and another text each time."""
        return self._vault.seal(SYSTEM, head.encode(), f"head\0{patient}".encode()).hex()

    def opened_head(self, patient: str, sealed: str) -> str | None:
        """Inverse of :meth:`sealed_head`; None for anything else."""
        try:
            return self._vault.unseal(SYSTEM, bytes.fromhex(sealed), f"head\0{patient}".encode()).decode()
        except (ValueError, IntegrityError):  # not a sealed digest: then it is no head either
            return None

    # ---- checkpoints

    def newest(self, connection: Database) -> Checkpoint | None:
        """The newest checkpoint in the store."""
        row = connection.execute(
            "SELECT size, root, signature FROM log_checkpoint ORDER BY size DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        size, root, signature = row
        newest = Checkpoint(size, root, signature, self.origin)
        if self.remembered() is None and not newest.verify(self._key):  # the signature tells which name it is
            newest = Checkpoint(size, root, signature, LEGACY_ORIGIN)
        return replace(newest, key_id=self._key_id(newest.origin))

    def vouched(self, connection: Database, above: int = -1) -> Checkpoint:
        """The newest checkpoint that witnesses cosigned, where it covers entry ``above``; else the newest checkpoint.

        Raises IntegrityError for an empty log, and for a log that is not the one that witnesses cosigned.
        """
        newest, cosigned = self.newest(connection), self.cosigned()
        if newest is None:
            raise IntegrityError("the log is empty")
        if cosigned is None or above >= cosigned.size:
            return newest
        if newest.size < cosigned.size or self.view(connection, cosigned.size).root() != cosigned.root:
            raise IntegrityError("the log is not the one that witnesses cosigned", remedy="run: salus verify")
        return cosigned

    def view(self, connection: Database, size: int) -> View:
        """The log as it was at ``size`` entries, for its root and proofs.

        The last view is kept, for many proofs to one checkpoint. It reads through ``connection``.
        """
        if self._view is None or self._view[0] is not connection or self._view[1].size != size:
            self._view = connection, log_tiles.view(connection, size)
        return self._view[1]

    def cosigned(self) -> Checkpoint | None:
        """The newest checkpoint that witnesses cosigned, with their lines, as it is kept outside the store."""
        path = self._vault.checkpoint_path.with_name("log.cosigned")
        return Checkpoint.from_bytes(path.read_bytes()) if path.exists() else None

    def keep_cosigned(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint with the cosignatures of witnesses."""
        write_durably(self._vault.checkpoint_path.with_name("log.cosigned"), checkpoint.to_bytes())


def _links(connection: Database, patients: Collection[str]) -> Iterator[tuple[str, _Link]]:
    """Number and newest leaf of each patient. Entries are chained by these, so that one patient's list can be shown to
    be complete."""
    named = [patient for patient in patients if patient != SYSTEM]
    if SYSTEM in patients:
        (n,) = connection.execute("SELECT max(n) FROM log_leaf WHERE pid IS NULL").fetchone()
        yield SYSTEM, (None, n)
    if named:
        marks, values = one_of(named)
        rows = connection.execute(
            "SELECT p.id, p.pid, (SELECT max(l.n) FROM log_leaf l WHERE l.pid = p.pid) FROM patient p "
            f"WHERE p.id IN ({marks})",
            values,
        )
        yield from ((patient, (pid, n)) for patient, pid, n in rows)


def _last_consent(connection: Database, pid: int | None) -> int | None:
    """The patient's last leaf that filed a consent."""
    row = connection.execute("SELECT max(n) FROM log_leaf WHERE pid = ? AND topic = ?", (pid, CONSENT)).fetchone()
    return None if row[0] is None else int(row[0])
