"""What every decision of the gate rests on: the patient's consents, and the log entry that records the decision."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from salus.errors import AccessError, IntegrityError
from salus.fhir import dates
from salus.fhir.categories import targets_of
from salus.fhir.views import CATEGORIES, PERSON, Names, no_names
from salus.record.chart import Chart
from salus.record.reading import Stored
from salus.record.store import Store
from salus.trust import batching, consent
from salus.trust.consent import Answers, Directive, Request, Standing
from salus.trust.consent_signatures import signature_ref
from salus.trust.grants import Decision, Grant, Version, not_released
from salus.trust.identity import Actor
from salus.trust.journal import Journal
from salus.trust.log import CONSENT, Log
from salus.trust.policy import Rule
from salus.trust.provisions import WithheldAs
from salus.trust.registry import Registry
from salus.trust.standings import Ground, Standings
from salus.trust.vault import SYSTEM


@dataclass(frozen=True, slots=True)
class _Item:
    """The newest version of a consent, or of the Provenance with its signatures: the entry that filed it, its version
    and the keyed hash of its content."""

    entry: int
    version: int
    mac: str


@dataclass(frozen=True, slots=True)
class _Filed:
    """A patient's consents with their signatures at one moment. ``last`` is the newest entry that filed one, or -1."""

    last: int
    items: Mapping[str, _Item]
    stored: tuple[Stored, ...]


class Deciding:
    """One store's consents, policies and log, as far as decisions need them. Made as a :class:`salus.trust.gate.Gate`.

    ``charts`` makes the charts that are opened and ``names`` tells what codes stand for (the house says by which
    terminology). ``standings`` keeps what consents amount to; the gates of several threads may share one.
    """

    def __init__(
        self,
        store: Store,
        log: Log,
        journal: Journal,
        registry: Registry,
        clock: Callable[[], datetime],
        charts: Callable[..., Chart] = Chart,
        names: Names = no_names,
        standings: Standings | None = None,
    ) -> None:
        self._store = store
        self._log = log
        self._registry = registry
        self._clock = clock
        self._charts = charts
        self._names = names
        self._standings = Standings() if standings is None else standings
        self._journal = journal
        self._batches = batching.of(store.path)

    def refuse(self, actor: Actor, patient: str, what: str) -> AccessError:
        """Log that ``actor`` was refused to do ``what`` with a record.

        Returns the error to raise, which says nothing about the record.
        """
        self._record(actor.id, patient, what, Decision(frozenset(), (), ()), may_write=False)
        return not_released()

    def custody(self, actor: str, patient: str) -> Grant:
        """A scope to write into one record without reading it."""
        return Grant(actor, patient, "custodian", frozenset(), may_write=True, purpose="filing")

    def house(self, actor: str, *, may_write: bool = False) -> Grant:
        """A scope over the whole store for upkeep (verify, backup, listing); it reads no bodies by itself."""
        return Grant(actor, "*", "upkeep", frozenset(), may_write, purpose="upkeep")

    # ----

    def _record(self, actor: str, patient: str, purpose: str, decision: Decision, *, may_write: bool) -> Grant:
        """Write the log entry of one decision. It is durable before any data are read under the grant."""
        leaf = self._keep(*self._entry(actor, patient, purpose, decision, known=self._known(patient)))
        return granted(actor, patient, purpose, decision, leaf, may_write=may_write)

    def _entry(
        self, actor: str, patient: str, purpose: str, decision: Decision, *, known: bool
    ) -> tuple[str, dict[str, Any]]:
        """The patient in whose log the entry of a decision belongs, and its content. ``known``: the store holds the
        patient; otherwise the entry is the house's own."""
        entry: dict[str, Any] = {
            "reason": "access",
            "decision": "permit" if decision.categories else "deny",
            "actor": actor,
            # an unknown name is not kept: it may be given to somebody later, whose erasure would not reach this entry
            "patient": patient if known else "",
            "purpose": purpose,
            "bases": list(decision.bases),
            "consents": list(decision.consents),
            "categories": sorted(decision.categories),
            "at": dates.write(self._clock()),
        }
        # these two are written only where the reader is told that something is withheld
        told = {"flagged": decision.flagged, "interlocked": decision.interlocked}
        entry |= {name: sorted(kinds) for name, kinds in told.items() if kinds}
        return patient if known else SYSTEM, entry

    def _keep(self, owner: str, entry: Mapping[str, Any]) -> int | None:
        """Write the entry of a decision; returns its number."""
        return self._append(owner, "access", entry)

    def _known(self, patient: str) -> bool:
        """True for a patient who is in the store; "" and "*" are no patients."""
        return patient not in ("", "*") and self._store.exists(about(patient))

    def _append(self, patient: str, topic: str, entry: Mapping[str, Any]) -> int:
        """Write one entry, in one transaction with those that other threads write at this moment."""
        return self._append_all([(patient, topic, entry)])[0]

    def _append_all(self, entries: Sequence[batching.Entry]) -> list[int]:
        if not entries:
            return []
        return self._batches.append(self._store, self._log, self.house("gate", may_write=True), entries)

    def _rules(self, actor: Actor, patient: str, purpose: str, at: datetime) -> Mapping[str, list[Rule]]:
        """The rules of the policies that apply to a request, by kind of data."""
        policies = self._registry.policies.values()
        found = [rule for policy in policies for rule in policy.match(actor, patient, purpose, at)]
        return {c: [rule for rule in found if c in rule.categories] for c in CATEGORIES}

    def _released(
        self,
        patient: str,
        standing: Standing,
        request: Request,
        allowed: Callable[[str, str | None], bool],
        interlocked: Collection[str] = (),
    ) -> frozenset[Version]:
        """The resources that are allowed, where each has to be decided on by itself.

        A resource that refers to one that is not allowed is not allowed either. ``allowed`` decides by the kind of data
        and the consents' answer for it. Resources of the kinds ``interlocked`` that only an interlock withholds count
        as allowed. Every resource of the record is opened: this is for consents that speak of single resources.
        """
        directives = standing.directives
        found = self._store.read(replace(about(patient), categories=frozenset(CATEGORIES)))
        hidden: set[str] = set()
        for stored in found:
            for category in stored.categories - {PERSON}:
                asked = replace(request, category=category)
                answer, decisive = consent.decide_on(directives, asked, stored.body, self._names)
                checked = category in interlocked and _shown(category, answer, decisive) == "interlock"
                if not checked and not allowed(category, answer):
                    hidden.add(stored.source.ref)
        leading = {s.source.ref: set(targets_of(s.body)) for s in found}
        while more := {ref for ref, targets in leading.items() if ref not in hidden and targets & hidden}:
            hidden |= more
        return frozenset((s.source.ref, s.source.version) for s in found if s.source.ref not in hidden)

    def _newest(self, patients: Sequence[str]) -> dict[str, int]:
        """The entry that filed the newest consent of each patient, -1 where there is none. Patients who are not in the
        store are left out."""
        found = self._log.newest_filed(self._store.connection, patients)
        return {patient: entry for patient, entry in found.items() if patient not in ("", "*")}

    def _standing(self, patient: str, newest: Mapping[str, int] | None = None) -> Standing:
        """What the patient's consents say together. It is evaluated once for each consent that is filed, and kept.

        ``newest`` is what :meth:`_newest` returned for the patient just before; it is asked for where it is None.
        """
        entry = (self._newest([patient]) if newest is None else newest).get(patient)
        if entry is None:
            return Standing()
        kept = self._standings.find(patient, Ground(entry, self._registry.last))
        if kept is not None:
            return kept
        filed = self._filed(patient)
        found = self._evaluate(patient, filed)
        self._standings.keep(patient, Ground(filed.last, self._registry.last), found)
        return found

    def _evaluate(self, patient: str, filed: _Filed) -> Standing:
        stored = {s.source.ref: s for s in filed.stored}
        consents = [
            (ref, s.source.version, filed.items[ref].entry, s.body)
            for ref, s in stored.items()
            if ref.startswith("Consent/")
        ]
        proofs = {ref: stored[signature_ref(ref)].body for ref, *_ in consents if signature_ref(ref) in stored}
        found = consent.standing(consents, proofs, self._registry.ever, patient)
        return replace(found, refs=frozenset(stored))

    def _filed(self, patient: str, *, lost: bool = False) -> _Filed:
        """The patient's consents with their signatures, checked against the log: the newest of each, none missing.

        Raises IntegrityError where one was changed, removed, added or replaced by an older version outside salus. With
        ``lost`` they are returned although a newer decision is known to be lost: they may be shown then, and must not
        be decided by.
        """
        # the mark outside the store is read first, so that the store shows nothing older than it
        marked = self._log.newest_consent(self._store.connection, patient)
        with self._store.snapshot():
            items, last = self._items(patient)
            stored = self._store.read(about(patient), ("Consent",)) if self._known(patient) else []
            if signatures := [ref.partition("/")[2] for ref in items if ref.startswith("Provenance/")]:
                stored += self._store.read(about(patient), ("Provenance",), ids=sorted(signatures))
        if not lost and marked is not None and last < marked:
            raise IntegrityError(
                "a newer decision on consent was lost (a restored backup?)",
                remedy="the patient must look at the consents and decide anew: salus consent list, revoke, give",
            )
        if not items and stored:
            raise IntegrityError("a consent that nobody filed stands in a record", remedy="run: salus verify")
        expected = {ref: (item.version, item.mac) for ref, item in items.items()}
        if {s.source.ref: (s.source.version, s.mac.hex()) for s in stored} != expected:
            raise IntegrityError("the consents of a record are not those that were filed", remedy="run: salus verify")
        return _Filed(last, items, tuple(stored))

    def _items(self, patient: str) -> tuple[dict[str, _Item], int]:
        """Every consent and signature by the chain of entries that filed them, and the last of these entries, or -1.

        Raises IntegrityError where the chain has a gap.
        """
        items: dict[str, _Item] = {}
        last: int | None = None
        for entry in self._log.entries(self._store.connection, topic=CONSENT, patient=patient):
            if entry.content["previous_consent"] != last:
                raise IntegrityError("an entry that filed a consent is missing", remedy="run: salus verify")
            last = entry.n
            items |= {ref: _Item(entry.n, version, mac) for ref, version, mac, _ in entry.content["items"]}
        return items, -1 if last is None else last


def granted(
    actor: str, patient: str, purpose: str, decision: Decision, leaf: int | None, *, may_write: bool = False
) -> Grant:
    """The grant that follows from a decision. ``leaf`` is the number of its log entry."""
    return Grant(
        actor,
        patient,
        "+".join(decision.bases),
        decision.categories,
        may_write,
        purpose,
        leaf,
        decision.decided,
        decision.papers,
        decision.flagged,
        decision.interlocked,
    )


def holding(rules: Sequence[Rule], answer: str | None, opaque: bool) -> list[Rule]:
    """The rules that allow a kind of data, given the consents' ``answer`` for it.

    Where the answer is a denial, or a consent could not be understood (``opaque``), only those that override a denial.
    """
    return [rule for rule in rules if (answer != "deny" and not opaque) or rule.overrides_denial]


def shown_as(how: WithheldAs, said: Answers, allowed: Collection[str], opaque: bool) -> frozenset[str]:
    """The kinds of data that the patient denies in the way ``how`` and that no other basis allows.

    It is empty for a reader to whom nothing is released. It is also empty while a consent cannot be understood
    (``opaque``): that consent may demand that nothing shows.
    """
    if opaque or not allowed:
        return frozenset()
    return frozenset(c for c, pair in said.by_category.items() if c not in allowed and _shown(c, *pair) == how)


def _shown(category: str, answer: str | None, decisive: Directive | None) -> WithheldAs:
    """How a denial of a kind of data, or of a resource of it, shows. What is only not permitted stays hidden."""
    return decisive.withheld_as(category) if answer == "deny" and decisive else "hidden"


def about(patient: str) -> Grant:
    """The gate's own scope over one patient, for deciding."""
    return Grant("gate", patient, "service", frozenset({"record"}), may_write=False, purpose="deciding")
