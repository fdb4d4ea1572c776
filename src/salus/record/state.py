"""What the processes of a server share and must remember over a restart: rows of a few kinds, each kept for a time.

Names and owners stand in the table as keyed hashes. A body is sealed, and all else that its row says is authenticated
with it: a row that was changed behind salus's back, or put in another's place, is as good as none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from salus.errors import IntegrityError
from salus.record.database import Database
from salus.record.protocols import Sealer

STEP = 100
"""Expired rows that are deleted in one go, so that no writer waits long for it."""
SYSTEM = ""
"""The "patient" under whose key a body is sealed that concerns no single patient."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Row = tuple[bytes, int, int, bytes]
"""Owner, last use, end, and sealed body."""


class Full(Exception):
    """The owner has as many rows of a kind as there may be."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of rows, of which one owner may have ``each`` at once."""

    name: str
    each: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A row as it was read: its opened body, when it was last used, and when it ends."""

    body: bytes
    used: datetime
    expires: datetime
    row: _Row


class State:
    """The table, as one open store sees it. What writes is to be called inside a transaction of that store."""

    def __init__(self, connection: Database, sealer: Sealer) -> None:
        self._connection = connection
        self._sealer = sealer

    def find(
        self, kind: Kind, name: str, now: datetime, *, under: str = SYSTEM, known: Kept | None = None
    ) -> Kept | None:
        """The row of this name that has not ended at ``now``; None where there is none, or none that opens.

        ``under`` names the patient under whose key it was sealed. ``known`` is the row as it was read before: the same
        row is not opened again.
        """
        place = self._place(kind, name)
        row: _Row | None = self._connection.execute(
            "SELECT owner, used, expires, body FROM server_state WHERE kind = ? AND name = ?", (kind.name, place)
        ).fetchone()
        if row is None or row[2] <= _micros(now):
            return None
        if known is not None and known.row == row:
            return known
        try:
            body = self._sealer.unseal(under, row[3], _context(kind, place, *row[:3]))
        except IntegrityError:
            return None
        return Kept(body, _moment(row[1]), _moment(row[2]), row)

    def put(
        self, kind: Kind, owner: str, name: str, body: bytes, expires: datetime, now: datetime, *, under: str = SYSTEM
    ) -> None:
        """Keep a row. Where its owner has no room, what was longest unused of the same owner goes for it."""
        self.sweep(now)
        place, whose = self._place(kind, name), self._owner(owner)
        number, used = self._of(kind, whose, now)
        over = number + 1 - kind.each
        if over > 0:
            self._connection.execute(
                "DELETE FROM server_state WHERE kind = ?1 AND name IN (SELECT name FROM server_state "
                "WHERE kind = ?1 AND owner = ?2 ORDER BY used, expires, name LIMIT ?3)",
                (kind.name, whose, over),
            )
        self._insert(kind, place, whose, used, _micros(expires), body, under)

    def add(self, kind: Kind, owner: str, name: str, body: bytes, expires: datetime, now: datetime) -> None:
        """Keep a row; nothing else makes room for it. Raises Full where its owner has none."""
        self.sweep(now)
        whose = self._owner(owner)
        number, used = self._of(kind, whose, now)
        if number >= kind.each:
            self._connection.execute(
                "DELETE FROM server_state WHERE kind = ? AND owner = ? AND expires <= ?",
                (kind.name, whose, _micros(now)),
            )
            number, used = self._of(kind, whose, now)
            if number >= kind.each:
                raise Full
        self._insert(kind, self._place(kind, name), whose, used, _micros(expires), body, SYSTEM)

    def touch(self, kind: Kind, name: str, now: datetime) -> None:
        """Note that a row was used. Of one that is not there, or does not open, this does nothing."""
        kept = self.find(kind, name, now)
        if kept is not None and kept.used < now:
            owner, _, expires, _ = kept.row
            _, used = self._of(kind, owner, now)
            self._insert(kind, self._place(kind, name), owner, used, expires, kept.body, SYSTEM)

    def drop(self, kind: Kind, name: str) -> None:
        """Delete a row, if it is there."""
        row = (kind.name, self._place(kind, name))
        self._connection.execute("DELETE FROM server_state WHERE kind = ? AND name = ?", row)

    def drop_owned(self, kind: Kind, owner: str) -> None:
        """Delete all rows of an owner."""
        row = (kind.name, self._owner(owner))
        self._connection.execute("DELETE FROM server_state WHERE kind = ? AND owner = ?", row)

    def sweep(self, now: datetime) -> int:
        """Delete what has ended, at most :data:`STEP` rows of it. Returns how many."""
        done = self._connection.execute(
            "DELETE FROM server_state WHERE (kind, name) IN "
            "(SELECT kind, name FROM server_state WHERE expires <= ? ORDER BY expires LIMIT ?)",
            (_micros(now), STEP),
        )
        return done.rowcount

    def stale(self, now: datetime) -> bool:
        """Whether anything has ended that is still there."""
        row = (_micros(now),)
        return bool(self._connection.execute("SELECT 1 FROM server_state WHERE expires <= ? LIMIT 1", row).fetchone())

    # ----

    def _insert(self, kind: Kind, place: bytes, owner: bytes, used: int, expires: int, body: bytes, under: str) -> None:
        sealed = self._sealer.seal(under, body, _context(kind, place, owner, used, expires))
        row = (kind.name, place, owner, used, expires, sealed)
        self._connection.execute(
            "INSERT INTO server_state VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET "
            "owner = excluded.owner, used = excluded.used, expires = excluded.expires, body = excluded.body",
            row,
        )

    def _of(self, kind: Kind, owner: bytes, now: datetime) -> tuple[int, int]:
        """How many rows an owner has, and now, or as little later as makes it his last use, where the clock stood
        still."""
        number, last = self._connection.execute(
            "SELECT count(*), max(used) FROM server_state WHERE kind = ? AND owner = ?", (kind.name, owner)
        ).fetchone()
        return int(number), _micros(now) if last is None else max(_micros(now), int(last) + 1)

    def _place(self, kind: Kind, name: str) -> bytes:
        return self._sealer.blind(f"state\0{kind.name}\0{name}")

    def _owner(self, owner: str) -> bytes:
        return self._sealer.blind(f"state owner\0{owner}")


def _context(kind: Kind, place: bytes, owner: bytes, used: int, expires: int) -> bytes:
    return b"state\0" + kind.name.encode() + b"\0" + place + owner + b"%d\0%d" % (used, expires)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
