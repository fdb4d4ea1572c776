"""The tamper-evident log: one leaf a gate decision or write, hashed as RFC 6962 says.

A leaf is a 32-byte commitment SHA-256(salt || entry); salt and entry lie sealed under the patient's key, so that
shredding the key leaves every proof valid and nothing to guess from. Each transaction ends with one checkpoint (size
and root, signed by the house), kept in the store and, as the *mark*, outside it.

The mark is announced, durably, before the commit and takes its place after it (:mod:`salus.trust.mark`): what was
answered is what is stored, also when the folder of the keys cannot be written. A mark that is missing, or ahead of the
store, stops every write until a person settles it.
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
from salus.record.forgetting import ERASED
from salus.trust import auditor, log_tiles
from salus.trust.checkpoint import LEGACY_ORIGIN, Checkpoint, checkpoint_text, verifier
from salus.trust.mark import Mark
from salus.trust.merkle import Frontier, View, leaf_hash
from salus.trust.tiles import WIDTH
from salus.trust.vault import SYSTEM, Vault, fingerprint, write_durably

SALT = 32
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
"""The root of the checkpoint of a size, how many entries there are, and the newest checkpoint; besides the patients of
some names, with their numbers and newest entries. A row for each of these, and one if there is none."""
_NEWEST = (
    "SELECT n FROM log_leaf WHERE (topic, n) > (?, ?) AND (topic, n) <= (?, ?) ORDER BY topic DESC, n DESC LIMIT 1"
)
"""The newest entry of a topic, from the index of topics alone: asked for the greatest number of a topic, PostgreSQL
goes back through all entries since, of which nearly all are of looks."""
_LAST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One opened log entry. ``patient`` is "" for entries that concern no patient."""

    n: int
    patient: str
    topic: str
    content: Mapping[str, Any]
    commitment: bytes = b""


_Link = tuple[int | None, int | None]
"""A patient's number, None for the house's own entries, and the entry before the next one."""


@dataclass(slots=True)
class _Batch:
    """The leaves of one transaction: the tree after them, the log's name, and where they filed consents."""

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


class Log:
    """Writes and reads the log tables. Implements :class:`salus.record.protocols.Journal`."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._batch: _Batch | None = None
        self._auditor = auditor.Auditor(vault.folder)
        self._key = vault.house.public_key()
        self._key_ids: dict[str, bytes] = {}
        self._mark = Mark(vault.checkpoint_path)
        self._view: tuple[Database, View] | None = None
        self._tiled = False
        """Whether the tiles were looked at since the log was opened: a store of before may lack some."""

    @property
    def origin(self) -> str:
        """The name of this log, a house's own; logs begun by an earlier release of salus all had one."""
        mark = self.remembered()
        return mark.origin if mark else self._own_origin

    def _key_id(self, origin: str) -> bytes:
        """The id of the house's key under a name of its log, worked out once: a key is examined whenever it is read."""
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
        """As :meth:`append`, of several: patient, topic and content of each."""
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
            self.newest_consent(connection, patient)  # a writer who died after the commit is not forgotten
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
        """Go on from where the store's log ends, and from these patients' newest entries. Raises IntegrityError when
        the mark outside it says otherwise."""
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
        """The transaction is rolled back: nothing of it was announced."""
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
        """The transaction was committed: its announced mark takes its place."""
        batch, self._batch = self._batch, None
        if batch is None:
            return
        with suppress(OSError, IntegrityError):  # what was announced is durable: the next writer moves the mark there
            self._promote(batch.frontier.size)
        with suppress(OSError):  # as above
            for patient, leaf in batch.consents.items():
                self._vault.confirm_consent(patient, leaf)

    # ---- the mark

    def _promote(self, size: int) -> None:
        with self._vault.locked():
            self._mark.move(size)

    def remembered(self) -> Checkpoint | None:
        """The checkpoint that was kept outside the store, if any. Raises IntegrityError where it cannot be read."""
        return self._mark.look().mark

    def check_mark(self, connection: Database) -> None:
        """Raise IntegrityError when the mark is missing, or the store is older than it or another one.

        What was announced for what the store holds, by a writer who died before the mark took its place, is the mark.
        """
        self._look(connection)

    def _look(self, connection: Database, patients: Collection[str] = ()) -> _Found:
        """Where the log ends, for itself and for some patients; as :meth:`check_mark`."""
        mark = self.finish(connection)
        marks, names = one_of(list(patients) or [SYSTEM])  # which is no patient's name
        rows = connection.execute(f"{_END} ({marks})", (mark.size if mark else -1, *names)).fetchall()
        root, leaves, size, frontier, *_ = rows[0]
        if mark is None and size is not None:
            raise IntegrityError(UNMARKED, remedy="restore the folder of the keys, or: salus log settle")
        if mark is not None and root != mark.root:
            raise IntegrityError(ROLLED_BACK, remedy="salus verify tells more; salus restore puts a backup in place")
        links = {row[4]: (row[5], row[6]) for row in rows if row[4] is not None}
        return _Found(Frontier() if size is None else Frontier.from_bytes(size, frontier), leaves, mark, links)

    def finish(self, connection: Database) -> Checkpoint | None:
        """Move the mark to what was announced by a writer who died after the commit. Returns the mark."""
        held = self._mark.look()
        if held.announced is None:
            return held.mark
        row = connection.execute("SELECT root FROM log_checkpoint WHERE size = ?", (held.announced.size,)).fetchone()
        if row is not None and row[0] == held.announced.root:
            self._promote(held.announced.size)
        return self.remembered()

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
        """Of those of the patients who are in the store, the entry that filed the newest consent, -1 for none: as it
        stands in the store."""
        marks, names = one_of(patients)
        rows = connection.execute(
            "SELECT p.id, (SELECT max(l.n) FROM log_leaf l WHERE l.pid = p.pid AND l.topic = ?) FROM patient p "
            f"WHERE p.id IN ({marks})",
            (CONSENT, *names),
        )
        return {patient: -1 if n is None else int(n) for patient, n in rows}

    def nothing_filed(self, connection: Database, patient: str) -> str:
        """What stands for the digest of a consent before the first: random to others, another after an erasure."""
        row = connection.execute("SELECT pid FROM patient WHERE id = ?", (patient,)).fetchone()
        return hashlib.sha256(self._vault.blind(f"no consent\0{patient}\0{row[0] if row else 0}")).hexdigest()

    def sealed_head(self, patient: str, head: str) -> str:
        """A digest as staff get to see it."""
        return self._vault.seal(SYSTEM, head.encode(), f"head\0{patient}".encode()).hex()

    def opened_head(self, patient: str, sealed: str) -> str | None:
        """Inverse of :meth:`sealed_head`; None for anything else."""
        try:
            return self._vault.unseal(SYSTEM, bytes.fromhex(sealed), f"head\0{patient}".encode()).decode()
        except (ValueError, IntegrityError):  # not a sealed digest: then it is no head either
            return None

    def accept(self, connection: Database) -> Checkpoint | None:
        """Take the store as it is: its newest checkpoint becomes the mark. Only on a person's word, who is logged.

        Returns the mark of before; None where there was none, or none that can be read.
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

    # ---- reading

    def newest(self, connection: Database) -> Checkpoint | None:
        """The newest checkpoint in the store."""
        row = connection.execute(
            "SELECT size, root, signature FROM log_checkpoint ORDER BY size DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        size, root, signature = row
        newest = Checkpoint(size, root, signature, self.origin)
        if self.remembered() is None and not newest.verify(self._key):  # which of the two it is, the signature tells
            newest = Checkpoint(size, root, signature, LEGACY_ORIGIN)
        return replace(newest, key_id=self._key_id(newest.origin))

    def vouched(self, connection: Database, above: int = -1) -> Checkpoint:
        """The newest checkpoint, or the newest that witnesses cosigned where that covers entry ``above``.

        Raises IntegrityError for an empty log.
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

        The newest one asked for is kept, for many proofs to one checkpoint: it reads through ``connection``.
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

    def entries(self, connection: Database, *, topic: str = "", patient: str | None = None) -> Iterator[Entry]:
        """Opened entries in order, of one topic or one patient where named. Raises IntegrityError on a changed one."""
        clauses, values = ["1 = 1"], []
        if topic:
            clauses.append("l.topic = ?")
            values.append(topic)
        if patient is not None:
            clauses.append("p.id = ?" if patient else "l.pid IS NULL")
            values.extend([patient] if patient else [])
        else:
            clauses.append("(p.id IS NULL OR p.id NOT LIKE ?)")
            values.append(f"{ERASED}%")
        rows = connection.execute(
            "SELECT l.n, coalesce(p.id, ''), l.topic, l.commitment, l.entry FROM log_leaf l "
            f"LEFT JOIN patient p ON p.pid = l.pid WHERE {' AND '.join(clauses)} ORDER BY l.n",
            values,
        )
        for row in rows.fetchall():
            yield self.open(*row)

    def newest_first(self, connection: Database, patient: str, before: int | None) -> Iterator[Entry]:
        """Opened entries of one patient, the newest first, read as they are asked for; ``before`` an entry, or all.

        Raises IntegrityError on a changed one.
        """
        below = (1 << 63) - 1 if before is None else before
        while rows := connection.execute(
            "SELECT l.n, p.id, l.topic, l.commitment, l.entry FROM log_leaf l JOIN patient p ON p.pid = l.pid "
            "WHERE p.id = ? AND l.n < ? ORDER BY l.n DESC LIMIT 100",
            (patient, below),
        ).fetchall():
            for row in rows:
                yield self.open(*row)
            below = rows[-1][0]

    def opens(self, connection: Database, patient: str) -> bool:
        """True when the patient's first entry opens under the present key."""
        row = connection.execute(
            "SELECT l.n, p.id, l.topic, l.commitment, l.entry FROM log_leaf l JOIN patient p ON p.pid = l.pid "
            "WHERE p.id = ? ORDER BY l.n LIMIT 1",
            (patient,),
        ).fetchone()
        try:
            return row is None or bool(self.open(*row))
        except IntegrityError:
            return False

    def written_since(self, connection: Database, patient: str, n: int) -> int | None:
        """The patient's newest entry after ``n`` that wrote something (a look writes nothing), if any."""
        row = connection.execute(
            "SELECT max(n) FROM log_leaf WHERE pid = (SELECT pid FROM patient WHERE id = ?) AND n > ? "
            "AND topic <> 'access'",
            (patient, n),
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def wrote_between(self, connection: Database, patient: str, n: int, m: int) -> bool:
        """Whether any of the patient's entries after ``n`` and before ``m`` wrote something."""
        row = connection.execute(
            "SELECT 1 FROM log_leaf WHERE pid = (SELECT pid FROM patient WHERE id = ?) AND n > ? AND n < ? "
            "AND topic <> 'access' LIMIT 1",
            (patient, n, m),
        ).fetchone()
        return row is not None

    def written_after(self, connection: Database, n: int, span: int, most: int) -> tuple[list[tuple[int, str]], int]:
        """Who was written to by the ``span`` entries after ``n``, at most ``most`` of them that wrote something.

        Returns pairs of entry and patient, and how far this went: from there it goes on.
        """
        rows = connection.execute(
            "SELECT l.n, p.id FROM log_leaf l JOIN patient p ON p.pid = l.pid "
            "WHERE l.n > ? AND l.n <= ? AND l.topic <> 'access' AND p.id NOT LIKE ? ORDER BY l.n LIMIT ?",
            (n, n + span, f"{ERASED}%", most),
        ).fetchall()
        if len(rows) == most:
            return rows, int(rows[-1][0])
        (last,) = connection.execute("SELECT coalesce(max(n), -1) FROM log_leaf").fetchone()
        return rows, max(n, min(n + span, int(last)))

    def newest_of(self, connection: Database, topic: str) -> int:
        """The newest entry of a topic; -1 where there is none."""
        row = connection.execute(_NEWEST, (topic, -1, topic, _LAST)).fetchone()
        return int(row[0]) if row else -1

    def last(self, connection: Database, topic: str) -> Entry | None:
        """The newest of the house's own entries of a topic, opened. Raises IntegrityError for a changed one."""
        row = connection.execute(
            "SELECT n, '', topic, commitment, entry FROM log_leaf WHERE pid IS NULL AND topic = ? "
            "ORDER BY n DESC LIMIT 1",
            (topic,),
        ).fetchone()
        return self.open(*row) if row else None

    def blank(self, connection: Database, pid: int) -> int:
        """Drop the sealed entries of an erased patient; their commitments stay, and with them every proof."""
        return connection.execute("UPDATE log_leaf SET entry = ? WHERE pid = ?", (b"", pid)).rowcount

    def open(self, n: int, patient: str, topic: str, commitment: bytes, sealed: bytes) -> Entry:
        """Unseal one leaf and hold it against its commitment."""
        payload = self._vault.unseal(patient, sealed, leaf_context(n, patient, topic))
        if hashlib.sha256(payload).digest() != commitment:
            raise IntegrityError("a log entry is not the one that was committed to", where=f"entry {n}")
        return Entry(n, patient, topic, json.loads(payload[SALT:]), commitment)


def leaf_context(n: int, patient: str, topic: str) -> bytes:
    """What is authenticated with a sealed entry: its place, whose it is, and its topic."""
    return f"leaf\0{n}\0{patient}\0{topic}".encode()


def _links(connection: Database, patients: Collection[str]) -> Iterator[tuple[str, _Link]]:
    """Numbers and newest leaves: so chained, one patient's list of entries can be shown to be complete."""
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
