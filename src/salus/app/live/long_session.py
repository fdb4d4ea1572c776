"""A session that lasts for hours: the house is opened anew before a piece of work if it was changed meanwhile."""

from __future__ import annotations

from salus.app.house import House
from salus.app.session import Session


class LongSession:
    """One actor at work for long, such as a listener.

    Whoever made the session that this is made from closes that session. Houses that are opened here are closed here.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._own: House | None = None

    def session(self) -> Session:
        """The session as it is now: its house knows every actor, policy and key.

        Raises AccessError where the actor was removed.
        """
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
