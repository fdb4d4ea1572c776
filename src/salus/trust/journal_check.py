"""Checks that the emergency journal holds every entry that was written into it: an entry whose number is neither in the
log nor in a slot was taken away.

The journal is read while others write and merge, so the order of reading matters: the log, the count, the slots, the
count again, and last the log again. Nothing that happens in between then looks like a loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from salus.errors import IntegrityError
from salus.record.database import Database
from salus.trust.journal import Count, Journal, Noted
from salus.trust.log import Log

TOPIC = "journal"
"""Topic of the log's entries that say up to which number the journal was merged."""
MISSING = "entries of the emergency journal are missing"
BEHIND = "the emergency journal is older than the log, or than its own entries"
UNCOUNTED = "the count of the emergency journal is missing"
CHANGED = "an entry of the emergency journal does not follow the one before"
LOST = (MISSING, BEHIND, UNCOUNTED)
"""Problems that an older copy of the keys or of the store has, and that a person may accept."""
_REMEDY = "find out who can write to the folder of the keys; then: salus log settle"


@dataclass(frozen=True, slots=True)
class Look:
    """The journal as it was read: what waits (``found``), the counts before (``counted``) and after (``later``) that
    was read, and what the log had before (``merged``)."""

    merged: Count
    counted: Count | None
    found: Sequence[Noted]
    later: Count | None


def merged(log: Log, connection: Database) -> Count:
    """The last entry of the journal that the log has."""
    entry = log.last(connection, TOPIC)
    return Count(entry.content["number"], entry.content["digest"]) if entry else Count()


def look(journal: Journal, merged: Callable[[], Count]) -> Look:
    """Read the journal. ``merged`` returns the last entry that the log has. Raises IntegrityError for a changed
    slot."""
    before, counted, found = merged(), journal.counted(), journal.waiting()
    return Look(before, counted, found, journal.counted())


def check(seen: Look, merged: Count, *, numbered: bool) -> None:
    """Raise IntegrityError that names what is missing.

    ``merged`` is what the log has now, after ``seen``; ``numbered``: the log says that the journal has a count.
    """
    if seen.counted is None and (numbered or merged.number):
        raise IntegrityError(UNCOUNTED, "emergency journal", _REMEDY)
    counted, later = seen.counted or Count(), seen.later or Count()
    held = {noted.number: noted for noted in seen.found if noted.number}
    if counted.number < seen.merged.number or max(held, default=0) > later.number + 1:
        raise IntegrityError(BEHIND, "emergency journal", _REMEDY)
    if gone := [n for n in range(merged.number + 1, counted.number + 1) if n not in held]:
        raise IntegrityError(MISSING, f"emergency journal, {worded(gone)}", _REMEDY)
    known = {n: noted.digest for n, noted in held.items()} | {c.number: c.digest for c in (merged, counted) if c.digest}
    for n, noted in held.items():
        if noted.previous != known.get(n - 1, noted.previous) or noted.digest != known[n]:
            raise IntegrityError(CHANGED, f"emergency journal, entry {n}", _REMEDY)


def worded(numbers: Iterable[int]) -> str:
    """Numbers in order as words: "entries 2, 5-7"."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    parts = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    return f"{'entry' if len(parts) == 1 and '-' not in parts[0] else 'entries'} {', '.join(parts)}"
