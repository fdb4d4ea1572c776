"""The log shown to others: cosigned by witnesses, and published as files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from salus.app.house import House
from salus.errors import InputError
from salus.trust import log_tiles, witness
from salus.trust.checkpoint import Checkpoint
from salus.trust.note import Verifier
from salus.trust.tiles import Writer

MAX_SIZE = 1 << 63


def cosign(house: House, url: str, vkey: str) -> Checkpoint:
    """Have the witness at ``url`` cosign the newest checkpoint, and keep it with all cosignatures on it.

    Raises what :func:`salus.trust.witness.cosign` does: a witness that knows another history refuses.
    """
    connection = house.store.connection
    newest, held = _newest(house), house.log.cosigned()
    view = log_tiles.view(connection, newest.size)

    def prove(size: int) -> list[bytes]:
        return view.consistency(size) if 0 < size < newest.size else []

    found = witness.cosign(url, newest.to_note(), held.size if held else 0, prove, [Verifier.from_vkey(vkey)])
    added = tuple(v.signature for v in found)
    others = tuple(s for s in newest.cosignatures if (s.name, s.key_id) not in {(a.name, a.key_id) for a in added})
    kept = replace(newest, cosignatures=(*others, *added))
    house.log.keep_cosigned(kept)
    return kept


def publish(house: House, folder: Path) -> int:
    """Add what the log has grown by to the tiles in ``folder``. Returns the log's size.

    Raises IntegrityError where what is published there is of another log, or of another history.
    """
    connection = house.store.connection
    newest = _newest(house)
    writer = Writer(folder)
    before = writer.published()
    size = before.size if before else 0
    if size > newest.size:
        raise InputError("more is published than the log has", where=str(folder), remedy="salus verify")
    rows = connection.execute("SELECT commitment FROM log_leaf WHERE n >= ? AND n < ? ORDER BY n", (size, newest.size))
    writer.publish([commitment for (commitment,) in rows], newest.to_note())
    return newest.size


def _newest(house: House) -> Checkpoint:
    """The newest checkpoint, with the cosignatures that it has already. Raises IntegrityError for an empty log."""
    connection, held = house.store.connection, house.log.cosigned()
    newest = house.log.vouched(connection, above=MAX_SIZE)
    return held if held is not None and (held.size, held.root) == (newest.size, newest.root) else newest
