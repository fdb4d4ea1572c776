"""The log's tree over the store's tables: level 0 from the leaves, the levels above from rows of full tiles."""

from __future__ import annotations

from salus.errors import IntegrityError
from salus.record.database import Database
from salus.trust.merkle import HASH, Tree, View, leaf_hash
from salus.trust.tiles import WIDTH, Tile, TileNodes


def view(connection: Database, size: int) -> View:
    """The log as it was at ``size`` entries, for its root and proofs: O(log size) nodes, a few tiles read."""
    return View(TileNodes(lambda tile: fetch(connection, tile), size), size)


def fetch(connection: Database, tile: Tile) -> bytes:
    """The hashes of one tile. Raises IntegrityError where one is missing."""
    if tile.level == 0:
        data = b"".join(_leaves(connection, tile.index)[: tile.width])
    else:
        row = connection.execute(
            "SELECT hashes FROM log_tile WHERE level = ? AND tile = ?", (tile.level, tile.index)
        ).fetchone()
        data = row[0][: tile.width * HASH] if row else b""
    if len(data) != tile.width * HASH:
        raise IntegrityError("a tile of the log is missing", where=tile.path, remedy="run: salus verify")
    return data


def complete(connection: Database, size: int) -> None:
    """Add the roots of all tiles that are full in a log of ``size`` entries, level by level, as far as they are not
    there yet."""
    level = 1
    while size := size // WIDTH:
        held = _held(connection, level)
        for index in range(held, size):
            _append(connection, level, index, Tree(_hashes(_full(connection, level - 1, index))).root())
        level += 1


def expected(leaves: Tree) -> dict[tuple[int, int], bytes]:
    """The rows that belong to a log of these leaves, by level and tile."""
    found: dict[tuple[int, int], bytes] = {}
    level = 1
    while count := leaves.size >> 8 * level:
        for tile in range(-(-count // WIDTH)):
            nodes = range(tile * WIDTH, min((tile + 1) * WIDTH, count))
            found[level, tile] = b"".join(leaves.node(8 * level, node) for node in nodes)
        level += 1
    return found


def _held(connection: Database, level: int) -> int:
    """How many roots the rows of a level hold."""
    row = connection.execute(
        "SELECT tile, length(hashes) FROM log_tile WHERE level = ? ORDER BY tile DESC LIMIT 1", (level,)
    ).fetchone()
    return int(row[0] * WIDTH + row[1] // HASH) if row else 0


def _append(connection: Database, level: int, index: int, root: bytes) -> None:
    place = level, index // WIDTH
    row = connection.execute("SELECT hashes FROM log_tile WHERE level = ? AND tile = ?", place).fetchone()
    connection.execute(
        "INSERT INTO log_tile VALUES (?, ?, ?) ON CONFLICT (level, tile) DO UPDATE SET hashes = excluded.hashes",
        (*place, (row[0] if row else b"") + root),
    )


def _full(connection: Database, level: int, index: int) -> bytes:
    return fetch(connection, Tile(level, index))


def _leaves(connection: Database, tile: int) -> list[bytes]:
    rows = connection.execute(
        "SELECT commitment FROM log_leaf WHERE n >= ? AND n < ? ORDER BY n", (tile * WIDTH, (tile + 1) * WIDTH)
    )
    return [leaf_hash(commitment) for (commitment,) in rows]


def _hashes(data: bytes) -> list[bytes]:
    return [data[at : at + HASH] for at in range(0, len(data), HASH)]
