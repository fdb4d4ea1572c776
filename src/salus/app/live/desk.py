"""Whoever keeps a house open for long: before each piece of work it is opened anew if the house changed meanwhile."""

from __future__ import annotations

from salus.app.house import House
from salus.app.session import Session


class Desk:
    """One actor's long-standing place of work. The session given stays its owner's; what is opened here is closed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._own: House | None = None

    def session(self) -> Session:
        """The session, of a house that knows of every actor, policy and key. Raises AccessError for who was removed."""
        house = self._session.house
        if house.outdated():
            fresh = House(house.configuration, clock=house.clock)
            try:
                session = Session(fresh, self._session.identity)
            except BaseException:
                fresh.close()
                raise
            self.close()
            self._own, self._session = fresh, session
        return self._session

    def close(self) -> None:
        """Close what was opened here."""
        if self._own is not None:
            self._own.close()
            self._own = None
