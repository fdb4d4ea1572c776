"""The state that the processes of a server share and keep over a restart: rows of a few kinds, each kept for a time.

Names and owners stand in the table as keyed hashes. The body of a row is sealed, and the rest of the row is
authenticated with it: a row that was changed or moved by anybody but salus is treated as if it were not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from salus.errors import IntegrityError
from salus.record.database import Database
from salus.record.protocols import Sealer

STEP = 100
"""The most expired rows that are deleted at once, so that no writer waits long."""
SYSTEM = ""
"""Stands for the patient's name where a body concerns no single patient: it is sealed under the house's own key."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Row = tuple[bytes, int, int, bytes]
"""Keyed hash of the owner, last use and end (microseconds since 1970), sealed body."""


class Full(Exception):
    """The owner has as many rows of the kind as it may have."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of rows. One owner may have at most ``each`` of them at once."""

    name: str
    each: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A row as it was read: its opened body, its last use, and its end; ``row`` is the stored form."""

    body: bytes
    used: datetime
    expires: datetime
    row: _Row


class State:
    """The table of one open store. Methods that write must be called inside a transaction of that store."""

    def __init__(self, connection: Database, sealer: Sealer) -> None:
        self._connection = connection
        self._sealer = sealer

    def find(
        self, kind: Kind, name: str, now: datetime, *, under: str = SYSTEM, known: Kept | None = None
    ) -> Kept | None:
        """The row of this name that has not ended at ``now``; None where there is none, or where it does not open.

        ``under`` names the patient under whose key it was sealed. ``known`` is the row as it was read before; where the
        stored row is still the same, it is returned and nothing is opened.
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
        """Keep a row until ``expires``. Where the owner has no room, the owner's longest unused rows are deleted."""
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
        """Keep a row until ``expires``, deleting only rows that have ended. Raises Full where the owner has no room."""
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
        """Note that a row was used at ``now``. Does nothing for a row that is not there or does not open."""
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
        """Delete at most :data:`STEP` rows that have ended. Returns how many were deleted."""
        done = self._connection.execute(
            "DELETE FROM server_state WHERE (kind, name) IN "
            "(SELECT kind, name FROM server_state WHERE expires <= ? ORDER BY expires LIMIT ?)",
            (_micros(now), STEP),
        )
        return done.rowcount

    def stale(self, now: datetime) -> bool:
        """Whether a row that has ended is still there."""
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
        """The number of rows of an owner, and the time to note for a use now (microseconds since 1970).

        That is ``now``, or one microsecond after the owner's last use where the clock has not moved on.
        """
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
