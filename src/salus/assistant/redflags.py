"""Red flags: whether a message tells of an emergency that is happening now.

The rules of :mod:`salus.assistant.flags` are asked about the concepts that :mod:`salus.assistant.reading` found. A
concept counts unless its sentence denies it, puts it into the past, imagines it or asks about it in general
(:mod:`salus.assistant.context`). It does not matter whose sign it is: the writer's, a child's, a friend's. There is no
switch to turn this off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from salus.assistant import doubt, foreign, leaning
from salus.assistant.flags import Flag, Raised, table
from salus.assistant.reading import Reading, reading


def check(message: str) -> tuple[Raised, ...]:
    """The flags that a message raises, in the order of the table; none when it tells of no emergency.

    Raises InputError only for a message of more than :data:`salus.assistant.language.MAX_LENGTH` characters.
    """
    return look(message).raised


@dataclass(frozen=True, slots=True)
class Look:
    """What a message raised, and whether something was raised by a rule and held back for doubt."""

    raised: tuple[Raised, ...]
    held_back: bool = False


def look(message: str) -> Look:
    """What :func:`check` tells, and whether something was held back (:mod:`salus.assistant.doubt`)."""
    read_as = reading(message)
    by_rules = ruled(read_as)
    if not by_rules and (words := leaning.leans(read_as, lambda: doubt.score(message))):
        return Look((Raised(read_as.rules.flag(leaning.FLAG), words),))
    if doubt.holds_back(read_as, by_rules):
        return Look((), held_back=True)
    return Look(by_rules)


def ruled(read_as: Reading) -> tuple[Raised, ...]:
    """The flags that the rules raise, before any second look or doubt."""
    raised = [r for flag in read_as.rules.flags if (r := _raised(flag, read_as))]
    spoken = foreign.signs(read_as.text.original)
    raised += [
        Raised(read_as.rules.flag(name), words) for name, words in spoken if name not in {r.flag.id for r in raised}
    ]
    return tuple(raised)


def _raised(flag: Flag, message: Reading) -> Raised | None:
    for line in flag.when:
        if spans := message.line(line):
            words = dict.fromkeys(message.words(span) for span in sorted(set(spans[:6])))
            return Raised(flag, tuple(words))
    return None


def sources(raised: Raised) -> Iterator[tuple[str, str]]:
    """The sources of a flag: key and citation."""
    for name in raised.flag.sources:
        yield name, table().citations[name]
