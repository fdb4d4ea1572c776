"""Houses that threads of a server keep open for long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from salus.app.config import Configuration
from salus.app.house import House
from salus.app.opened import now
from salus.trust.standings import Standings


class Houses:
    """One store, opened for each thread of this process. Its houses share what was worked out of consents."""

    def __init__(self, configuration: Configuration, clock: Callable[[], datetime] = now) -> None:
        self._configuration = configuration
        self._clock = clock
        self._standings = Standings()

    def open(self) -> House:
        """A house for the thread that calls. Raises what House raises."""
        house = House(self._configuration, clock=self._clock, standings=self._standings)
        self._standings.forget_before(house.registry.last)
        return house


class OpenHouse:
    """One thread's house. It is opened with the first piece of work, and anew before one where it is outdated."""

    def __init__(self, houses: Houses) -> None:
        self._houses = houses
        self._house: House | None = None

    def current(self) -> House:
        """The house as it is now: who was removed is out, an erased key forgotten. Raises what House raises."""
        if self._house is not None and self._house.outdated():
            self.close()
        if self._house is None:
            self._house = self._houses.open()
        return self._house

    def close(self) -> None:
        """Close it where it is open."""
        house, self._house = self._house, None
        if house is not None:
            house.close()
