"""The gate in an emergency: glasses that are broken, what they open, and the journal beside the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from salus.errors import IntegrityError, StoreError
from salus.fhir import dates
from salus.fhir.views import CATEGORIES
from salus.trust import consent, glass, journal_check
from salus.trust.consent import Request
from salus.trust.deciding import Deciding, holding, shown_as
from salus.trust.grants import Decision
from salus.trust.identity import Actor
from salus.trust.journal import Count, Noted
from salus.trust.log_reading import Entry
from salus.trust.policy import Rule
from salus.trust.vault import SYSTEM

_REVIEWERS = ("operator", "organisation")


class Emergencies(Deciding):
    """The part of the gate that has to do with broken glasses (:mod:`salus.trust.glass`)."""

    def break_glass(self, actor: Actor, patient: str, why: str, lasts: timedelta) -> int | None:
        """Open one record in an emergency: :mod:`salus.trust.glass`. Returns the number of the log entry, None where it
        waits in the emergency journal.

        Raises AccessError where no policy lets ``actor`` do so, InputError for a reason that says nothing.
        """
        said, at = glass.check(why, lasts), self._clock()
        allowed = sorted(c for c, rules in self._emergency(actor, patient, at).items() if rules)
        if not allowed or not self._known(patient):
            raise self.refuse(actor, patient, glass.PURPOSE)
        entry = {
            "reason": "glass-broken",
            "actor": actor.id,
            "why": said,
            "at": dates.write(at),
            "until": dates.write(at + lasts),
            "categories": allowed,
            "notice": "break-glass",
        }
        return self._emergency_entry(patient, glass.TOPIC, entry)

    def glasses(self, actor: Actor) -> list[glass.Broken]:
        """Every glass that was broken, for those who review them. The log of each of these records says that the
        reasons were read.

        Raises AccessError for everybody but operators and organisations.
        """
        if actor.kind not in _REVIEWERS:
            raise self.refuse(actor, "-", "review")
        found = self.broken()
        entry = {"reason": "glass-listed", "actor": actor.id, "at": dates.write(self._clock())}
        with self._store.transaction(self.house(actor.id, may_write=True)) as connection:
            for patient in sorted({b.patient for b in found}):
                self._log.append(connection, patient, glass.TOPIC, entry)
        return found

    def review_glass(self, actor: Actor, patient: str, n: int, verdict: str) -> None:
        """File a reviewer's verdict on a broken glass. Raises AccessError for the actor who broke it, for others than
        operators and organisations, and where there is no such glass; InputError for a verdict that says nothing."""
        found = next((b for b in self.broken(patient) if b.n == n), None)
        if found is None or actor.kind not in _REVIEWERS or found.actor == actor.id:
            raise self.refuse(actor, patient, "review")
        said = glass.check(verdict, timedelta(hours=1))
        entry = {"reason": "glass-reviewed", "of": n, "actor": actor.id, "verdict": said, "notice": "break-glass"}
        with self._store.transaction(self.custody(actor.id, patient)) as connection:
            self._log.append(connection, patient, glass.TOPIC, {**entry, "at": dates.write(self._clock())})

    def broken(self, patient: str | None = None) -> list[glass.Broken]:
        """Every glass that was broken; only those of ``patient`` where one is named."""
        return glass.broken(self._log.entries(self._store.connection, topic=glass.TOPIC, patient=patient))

    def _emergency(self, actor: Actor, patient: str, at: datetime) -> Mapping[str, list[Rule]]:
        found = self._rules(actor, patient, glass.PURPOSE, at)
        return {c: [rule for rule in rules if rule.basis == glass.BASIS] for c, rules in found.items()}

    def _is_broken(self, actor: Actor, patient: str, at: datetime) -> bool:
        """True while a glass that ``actor`` broke stands open."""
        noted = [Entry(-1, w.patient, w.topic, w.entry) for w in self._waiting() if w.patient == patient]
        found = [*self.broken(patient), *glass.broken(e for e in noted if e.topic == glass.TOPIC)]
        return any(b.actor == actor.id and b.at <= at < b.until for b in found)

    def _keep(self, owner: str, entry: Mapping[str, Any]) -> int | None:
        """Write the entry of a decision. That of a look on a broken glass may go into the journal; every other one goes
        into the log only."""
        if entry["purpose"] == glass.PURPOSE and entry["decision"] == "permit":
            return self._emergency_entry(owner, "access", entry)
        return super()._keep(owner, entry)

    def _keep_all(self, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> list[int | None]:
        """Write the entries of several decisions in one transaction. If looks on broken glasses are among them, each
        entry is written by itself."""
        if any(entry["purpose"] == glass.PURPOSE for _, entry in entries):
            return [self._keep(owner, entry) for owner, entry in entries]
        return [*self._append_all([(owner, "access", entry) for owner, entry in entries])]

    def _emergency_entry(self, patient: str, topic: str, entry: Mapping[str, Any]) -> int | None:
        """Write an entry into the log, or, where the log cannot be written, into the emergency journal. Returns its
        number in the log, None for the journal."""
        scope = self.house("gate", may_write=True)
        try:
            with self._store.transaction(scope, glass.PATIENCE) as connection:
                return self._log.append(connection, patient, topic, entry)
        except IntegrityError:
            raise
        except StoreError:
            noted = sum(waiting.entry.get("actor") == entry["actor"] for waiting in self._waiting())
            if noted >= glass.EACH:
                raise StoreError(
                    f"the emergency journal holds {noted} entries of yours", remedy="make the log writable again"
                ) from None
            self._journal.write(patient, topic, entry, self._merged().number)
            return None

    def merge_journal(self) -> int:
        """Copy what waits in the emergency journal into the log, each entry once. Returns how many entries.

        Raises IntegrityError, and merges nothing, where a slot was changed or an entry is missing.
        """
        if not self._waiting():
            return 0
        counted = self._journal.catch_up() if self._journal.counted() else Count()
        waiting = [noted for noted in self._waiting() if noted.number <= counted.number]
        for noted in waiting:
            self._merge(noted)
            self._journal.clear(noted)
        return len(waiting)

    def settle_journal(self, by: str) -> None:
        """Go on although entries of the emergency journal are missing: those that are left are merged, and the log says
        what is missing.

        Where nothing is missing, it only merges what waits. It is for a person who decided so: ``by``, whom the entry
        names.
        """
        try:
            self.merge_journal()
        except IntegrityError as error:
            left, changed = self._journal.readable()
            for noted in left:
                self._merge(noted)
            last = Count(max([self._merged().number, self._last_counted(), *(n.number for n in left)]))
            entry = {"reason": "journal-settled", "by": by, "at": dates.write(self._clock()), "number": last.number}
            said = {"what": error.what, "where": error.where, "changed": len(changed), "digest": ""}
            with self._store.transaction(self.house(by, may_write=True)) as connection:
                self._log.append(connection, SYSTEM, journal_check.TOPIC, {**entry, **said})
            self._journal.restart(last, changed)
            self.merge_journal()

    def _waiting(self) -> list[Noted]:
        """The entries that wait in the emergency journal. Raises IntegrityError where one was changed or is missing."""
        seen = journal_check.look(self._journal, self._merged)
        journal_check.check(seen, self._merged(), numbered=self._registry.numbered)
        return list(seen.found)

    def _merged(self) -> Count:
        """The last entry of the emergency journal that the log has."""
        return journal_check.merged(self._log, self._store.connection)

    def _last_counted(self) -> int:
        try:
            counted = self._journal.counted()
        except IntegrityError:  # the changed count is what is being settled
            counted = None
        return counted.number if counted else 0

    def _is_merged(self, noted: Noted) -> bool:
        connection = self._store.connection
        if noted.number:
            told = self._log.entries(connection, topic=journal_check.TOPIC, patient=SYSTEM)
            return any(entry.content.get("id") == noted.id for entry in told)
        entries = self._log.entries(connection, topic=noted.topic, patient=noted.patient)
        return any(entry.content.get("journal") == noted.id for entry in entries)

    def _merge(self, noted: Noted) -> None:
        """Copy an entry into the log, unless another process has. An entry of the house, which outlives the patient,
        says so."""
        patient, entry = noted.patient, {**noted.entry, "journal": noted.id}
        with self._store.transaction(self.house("gate", may_write=True)) as connection:
            if self._is_merged(noted):
                return
            if not self._known(patient):  # erased meanwhile: it is kept that there was an access, not to whom
                patient, entry = SYSTEM, {k: v for k, v in entry.items() if k not in ("patient", "why")}
            self._log.append(connection, patient, noted.topic, entry)
            if noted.number:
                last = max(self._merged(), noted.count, key=lambda count: count.number)
                told = {"id": noted.id, "of": noted.number, "number": last.number, "digest": last.digest}
                self._log.append(connection, SYSTEM, journal_check.TOPIC, {"reason": "journal-merged", **told})

    def _in_emergency(self, actor: Actor, patient: str) -> Decision:
        """What a broken glass opens: the kinds of data that the policy names; those that the patient denies only where
        the policy overrides denials."""
        at = self._clock()
        if not self._known(patient) or not self._is_broken(actor, patient, at):
            return Decision(frozenset(), (), ())
        standing = self._standing(patient)
        request = Request(actor.id, glass.PURPOSE, "", "read", at)
        rules = self._emergency(actor, patient, at)

        def allows(category: str, answer: str | None) -> bool:
            return bool(holding(rules[category], answer, standing.opaque))

        said = consent.decide_each(standing.directives, request, CATEGORIES)
        allowed = frozenset(c for c, (answer, _) in said.by_category.items() if allows(c, answer))
        decided = self._released(patient, standing, request, allows) if said.partial and allowed else None
        flagged, interlocked = (shown_as(how, said, allowed, standing.opaque) for how in ("flagged", "interlock"))
        bases = (glass.BASIS,) if allowed else ()
        return Decision(allowed, bases, (), decided, frozenset(), flagged, interlocked)
