"""The connections of one running server: how many there may be, in all and from one address, and which one goes first.

A newcomer is let in before one that has done nothing yet or does nothing any more: whoever opens connections without
end closes only those of that address. Those that somebody signed in uses go last, and none that is being answered.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class Phase(IntEnum):
    """What a connection is doing. The smaller the number, the sooner it is given up."""

    DISCARD = 0
    """The answer went out; what is left of the request's body is read and thrown away."""
    HEADERS = 1
    """The start of a request is awaited, or came in part."""
    IDLE = 2
    """An answer went out, and another request may come."""
    BODY = 3
    """A request's body is coming."""
    ANSWER = 4
    """A whole request is being answered, or the answer is going out."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What connections may cost. Times are in seconds."""

    total: int = 4000
    """Connections in all. One that waits takes some 30 KB; what it may make the server do is bounded elsewhere."""
    each: int = 1500
    """Connections of one address; 0 for no bound (behind a proxy every address is the proxy's)."""
    headers: float = 10.0
    """From connecting, or from a request's first byte, until its headers are there."""
    idle: float = 10.0
    """Between an answer and the next request."""
    discard: float = 2.0
    """How long a connection stays open after its request was answered before its body was read,"""
    discarded: int = 128 << 10
    """and how many bytes of that body are read: a client that looks for an answer only then still gets it."""
    grace: float = 5.0
    """How long a body, or the client's reading of an answer, may stand still."""
    rate: int = 16 << 10
    """Bytes a second at which a body comes on the average, and an answer is read, once the grace is over."""
    start: int = 16 << 10
    """Bytes of a request's first line and headers."""


@dataclass(slots=True)
class Mark:
    """What a request leaves on its connection. ``trusted``: somebody who is signed in used it."""

    trusted: bool = False


class Connection(Protocol):
    """One connection, as far as the door needs it."""

    mark: Mark
    phase: Phase

    def give_up(self) -> None:
        """Close it at once."""


class Door:
    """Counts connections and gives some up for others. To be used in one event loop."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.turned_away = 0
        """Connections that were not let in."""
        self.given_up = 0
        """Connections that were closed to let others in."""
        self._count = 0
        self._of: dict[str, OrderedDict[Connection, None]] = {}

    def __len__(self) -> int:
        return self._count

    def enter(self, connection: Connection, address: str) -> bool:
        """Whether a new connection may stay; others are given up for it where there are too many."""
        own = self._of.get(address, OrderedDict())
        if (self.bounds.each and len(own) >= self.bounds.each and not self._give_up_one(address)) or (
            self._count >= self.bounds.total and not self._give_up_one(self._most())
        ):
            self.turned_away += 1
            return False
        self._of.setdefault(address, OrderedDict())[connection] = None
        self._count += 1
        return True

    def leave(self, connection: Connection, address: str) -> None:
        """A connection is closed, or was given up. Of one that is not here this does nothing."""
        own = self._of.get(address)
        if own is None or connection not in own:
            return
        del own[connection]
        self._count -= 1
        if not own:
            del self._of[address]

    def _most(self) -> str:
        return max(self._of, key=lambda address: len(self._of[address]))

    def _give_up_one(self, address: str) -> bool:
        """Give up the address's connection that is worth least, the oldest of equals; False where all are at work."""
        own = self._of[address]
        least = min(own, key=lambda c: (c.phase == Phase.ANSWER, c.mark.trusted, c.phase))
        if least.phase == Phase.ANSWER or (least.phase == Phase.BODY and least.mark.trusted):
            return False
        del own[least]
        self._count -= 1
        if not own:
            del self._of[address]
        self.given_up += 1
        least.give_up()
        return True
