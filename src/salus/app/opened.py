"""An open store with its vault, log, registry and gate: what a house is built upon."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self

from salus.app.config import Configuration
from salus.app.terminology import terminology_of
from salus.errors import StoreError
from salus.fhir import dates
from salus.fhir.views import Body
from salus.record.chart import Chart
from salus.record.protocols import Content
from salus.record.store import Change, Store, Written
from salus.terminology.naming import names_by
from salus.trust import registry as state
from salus.trust.gate import Gate
from salus.trust.grants import Grant
from salus.trust.journal import Journal
from salus.trust.log import Log
from salus.trust.standings import Standings
from salus.trust.vault import SYSTEM, Vault


def now() -> datetime:
    """The time. The one place where salus reads the clock."""
    return datetime.now(UTC)


class Opened:
    """An open store and everything around it. Close it, or use it as a context manager."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        create: bool = False,
        checked: bool = True,
        clock: Callable[[], datetime] = now,
        standings: Standings | None = None,
    ) -> None:
        """Open the store. Raises IntegrityError when it is older than what was remembered outside it, and StoreError
        where it cannot be read.

        ``checked`` is false only where that is looked into: for verification and restore. ``standings``: what other
        threads of this process worked out of the store's consents, which it shares.
        """
        self.configuration = configuration
        self.clock = clock
        self.produced: frozenset[str] | None = None
        """Codes of the findings that the methods may give, once they were looked up (which methods may run is among
        what a house is opened with)."""
        if not create:
            configuration.check_made()
        self.vault = Vault(configuration.keys)
        self.log = Log(self.vault)
        place = configuration.store_file
        self.store = Store(place, self.vault, self.log, create=create, url=configuration.database)
        with ExitStack() as undo:
            undo.callback(self.store.close)
            try:
                self._open(checked, standings)
            except sqlite3.DatabaseError as error:  # its file is damaged, or the connection to a database is lost
                remedy = "try again; where it stays so: salus verify"
                raise StoreError(f"the store cannot be read: {error}", where=str(place), remedy=remedy) from error
            undo.pop_all()

    def _open(self, checked: bool, standings: Standings | None) -> None:
        if checked:
            self.log.check_mark(self.store.connection)
        with self.store.snapshot():
            self._heard = self.log.newest_of(self.store.connection, state.TOPIC)
            self.registry = state.load(self.log, self.store.connection, self.vault)
        self.terminology = terminology_of(self.configuration)
        charts = partial(Chart, terminology=self.terminology)
        self._journal = Journal(self.vault)
        names = names_by(self.terminology)
        self.gate = Gate(self.store, self.log, self._journal, self.registry, self.clock, charts, names, standings)
        if checked:
            with suppress(StoreError, OSError):  # what cannot be written now waits: the journal is there for that
                self._catch_up()

    def _catch_up(self) -> None:
        """Do what waited until the store was opened."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def time(self) -> str:
        """The clock's time, as it is written into the record and the log."""
        return dates.write(self.clock())

    def outdated(self) -> bool:
        """True when something was written about the house since it was opened: actors, policies, keys may be others.

        Who keeps a house open for long asks this before each piece of work, and opens it anew.
        """
        try:
            return self.log.newest_of(self.store.connection, state.TOPIC) != self._heard or self._acts_are_due()
        except sqlite3.DatabaseError:  # a database that was restarted: the connection is over
            return True

    def _acts_are_due(self) -> bool:
        """True when something that two people agreed on waits to be carried out now."""
        return any(p.due is not None and p.due <= self.clock() for p in self.registry.proposals.values())

    @property
    def heard(self) -> int:
        """The newest entry about the house that it took into account."""
        return self._heard

    def note(self, actor: str, content: Mapping[str, Any]) -> int:
        """Write one house entry into the log and take it into account. Returns its number.

        Raises StoreError where somebody else decided something about the house since it was opened: what was checked
        before may not hold any more.
        """
        written = {"at": self.time(), "by": actor, **content}
        kept = state.veiled(self.vault, self.registry, written)
        with self.store.transaction(self.gate.house(actor, may_write=True)) as connection:
            if state.decided_since(self.log, connection, self._heard):
                raise StoreError("something was decided about the house meanwhile", remedy="look at it, then try again")
            n = self.log.append(connection, SYSTEM, state.TOPIC, kept)
        self.registry.apply(n, written)
        self._heard = n
        return n

    def commit(
        self,
        scope: Grant,
        changes: Iterable[Change],
        *,
        reason: str,
        at: str = "",
        blobs: Iterable[tuple[str, str, Content]] = (),
        topic: str = "write",
        details: Body | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> Written:
        """Write into the record of the scope's patient, with one entry in his log: both are kept, or neither is.

        ``reason`` is what the entry says it was done for, ``at`` when ("": now). For the rest see
        :meth:`salus.record.store.Store.commit`. No other call in ``app`` writes resources.
        """
        return self.store.commit(
            scope,
            changes,
            at=at or self.time(),
            blobs=blobs,
            reason=reason,
            topic=topic,
            details=details,
            check=check,
        )

    def tell(self, patient: str, by: str, content: Mapping[str, Any]) -> None:
        """Write into a patient's own chain what concerns who may speak for him, where there is such a patient."""
        scope = self.gate.custody(by, patient)
        if not self.store.exists(scope):
            return
        with self.store.transaction(scope) as connection:
            self.log.append(connection, patient, "access", {"at": self.time(), "actor": by, **content})
