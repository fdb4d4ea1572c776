"""The house that one thread keeps open for long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from salus.app.config import Configuration
from salus.app.house import House
from salus.app.opened import now


class OpenHouse:
    """One thread's house. It is opened with the first piece of work, and anew before one where it is outdated."""

    def __init__(self, configuration: Configuration, clock: Callable[[], datetime] = now) -> None:
        self._configuration = configuration
        self._clock = clock
        self._house: House | None = None

    def current(self) -> House:
        """The house as it is now: who was removed is out, an erased key forgotten. Raises what House raises."""
        if self._house is not None and self._house.outdated():
            self.close()
        if self._house is None:
            self._house = House(self._configuration, clock=self._clock)
        return self._house

    def close(self) -> None:
        """Close it where it is open."""
        house, self._house = self._house, None
        if house is not None:
            house.close()
