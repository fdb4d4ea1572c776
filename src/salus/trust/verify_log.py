"""Verification of the log's own form: no entry is missing or moved, and tree, tiles, checkpoints and marks fit.

It reads commitments only: what an entry says is held against the record by :mod:`salus.trust.verify_record`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from salus.record.database import Database
from salus.trust import log_tiles
from salus.trust.checkpoint import Checkpoint
from salus.trust.log import ROLLED_BACK, UNMARKED, Log
from salus.trust.merkle import Frontier, Tree, leaf_hash

WAS_HELD = "somebody kept a checkpoint of"
WAS_REMEMBERED = "was remembered outside the store"
WAS_COSIGNED = "witnesses cosigned"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it was written."""

    where: str
    what: str


AT_ONCE = 5000
"""Entries that are in memory at once."""
Mark = tuple[str, Checkpoint]
"""A checkpoint that was kept elsewhere, and in words by whom."""


def marks(log: Log, held: Checkpoint | None) -> list[Mark]:
    """The checkpoints that the log has to extend; ``held`` is one that somebody else kept."""
    seen = ((WAS_HELD, held), (WAS_REMEMBERED, log.remembered()), (WAS_COSIGNED, log.cosigned()))
    return [(what, mark) for what, mark in seen if mark]


def check(connection: Database, log: Log, key: Ed25519PublicKey, known: Sequence[Mark]) -> Iterator[Problem]:
    """Every problem of the log's form; ``key`` is the house's."""
    leaves, frontier, signed = Tree(), Frontier(), 0
    checkpoints = _Checkpoints(connection, log.origin, key)
    rows = connection.scan(
        "SELECT l.n, l.pid, p.id IS NULL, l.commitment FROM log_leaf l "
        "LEFT JOIN patient p ON p.pid = l.pid ORDER BY l.n",
        AT_ONCE,
    )
    for place, (n, pid, nameless, commitment) in enumerate(rows):
        if n != place or (pid is not None and nameless):
            yield Problem(f"log entry {n}", "an entry is missing or moved")
            return
        leaf = leaf_hash(commitment)  # of the commitment: it holds also for what cannot be opened
        frontier = frontier.append(leaf)
        leaves.append(leaf)
        if row := checkpoints.at(frontier.size):
            yield from checkpoints.check(frontier, row)
            signed = frontier.size
        for what, mark in known:
            if mark.size == frontier.size and (mark.root != frontier.root() or not mark.verify(key)):
                yield Problem(f"log entry {n}", f"the log is not the one that {what}")
    if checkpoints.left():
        yield Problem("log", "checkpoints without entries")
    tiles = {(level, tile): hashes for level, tile, hashes in connection.execute("SELECT * FROM log_tile")}
    if tiles and tiles != log_tiles.expected(leaves):  # none yet in an older store: the next entry makes them
        yield Problem("log", "tiles that do not follow from the entries")
    if signed < frontier.size:
        yield Problem(f"checkpoint {frontier.size}", "is missing")
    for what, mark in known:
        if mark.size > frontier.size:
            rolled_back = what == WAS_REMEMBERED
            yield Problem("log", ROLLED_BACK if rolled_back else f"the log is shorter than the one that {what}")
    if frontier.size and log.remembered() is None:
        yield Problem("log", UNMARKED)


class _Checkpoints:
    """The store's checkpoints, read beside the entries."""

    def __init__(self, connection: Database, origin: str, key: Ed25519PublicKey) -> None:
        rows = "SELECT size, root, frontier, signature FROM log_checkpoint ORDER BY size"
        self._rows = connection.scan(rows, AT_ONCE)
        self._origin, self._key = origin, key
        self._next = next(self._rows, None)
        self._strays = False

    def at(self, size: int) -> tuple[bytes, bytes, bytes] | None:
        """Root, frontier and signature of the checkpoint of a size, if there is one. Sizes are asked for in order."""
        while self._next and self._next[0] < size:
            self._strays, self._next = True, next(self._rows, None)
        if not self._next or self._next[0] != size:
            return None
        _, *row = self._next
        self._next = next(self._rows, None)
        return row[0], row[1], row[2]

    def left(self) -> bool:
        """True where there are checkpoints of a size that the log did not have."""
        return self._strays or self._next is not None

    def check(self, frontier: Frontier, row: tuple[bytes, bytes, bytes]) -> Iterator[Problem]:
        where = f"checkpoint {frontier.size}"
        if row[0] != frontier.root() or row[1] != frontier.to_bytes():
            yield Problem(where, "does not fit the entries")
        elif not Checkpoint(frontier.size, row[0], row[2], self._origin).verify(self._key):
            yield Problem(where, "is not signed by this house")
