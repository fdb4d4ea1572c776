"""The gate: the one way to a patient's data. It decides on a basis, writes the decision into the log, then opens.

If the log cannot be written nothing is opened. What is denied and what does not exist get the same answer. Decisions
are taken at the clock's time, whatever moment the chart is asked to speak of: no date revives a revoked consent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from salus.errors import AccessError, IntegrityError
from salus.fhir import dates
from salus.fhir.categories import targets_of
from salus.fhir.views import CATEGORIES, PERSON, Body, Names, no_names
from salus.record.chart import Chart, FindingView
from salus.record.store import Store, Stored
from salus.trust import batching, consent, glass
from salus.trust.consent import Request, Standing
from salus.trust.consent_drafts import digest
from salus.trust.consent_signatures import signature_ref
from salus.trust.emergencies import Emergencies, about, holding
from salus.trust.grants import Decision, Grant, not_released
from salus.trust.identity import Actor
from salus.trust.journal import Journal
from salus.trust.log import CONSENT, Log
from salus.trust.policy import Rule
from salus.trust.registry import Registry
from salus.trust.vault import SYSTEM

MAX_KEPT = 100_000
"""Patients whose consents an open gate keeps in the form in which they are decided by."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a patient's consents amount to, as of the log entry that filed the newest of them."""

    entry: int
    standing: Standing


class Gate(Emergencies):
    """Decides over one store.

    ``charts`` makes the charts that it opens and ``names`` tells what codes stand for (the house says by which
    terminology).
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
    ) -> None:
        self._store = store
        self._log = log
        self._registry = registry
        self._clock = clock
        self._charts = charts
        self._names = names
        self._kept: dict[str, _Kept] = {}
        self._journal = journal
        self._batches = batching.of(store.path)

    def open_chart(
        self, actor: Actor, patient: str, purpose: str, at: datetime, findings: Sequence[FindingView] = ()
    ) -> tuple[Chart, Grant]:
        """The chart as of ``at`` that ``actor`` may see, and the grant it was opened under. Raises AccessError."""
        grant = self.grant(actor, patient, purpose)
        return self.chart(grant, at, findings), grant

    def service_chart(self, patient: str, at: datetime) -> tuple[Chart, Grant]:
        """The chart for the house's own runner: all that the patient has not closed to processing."""
        closed = self._closed(patient)
        decision = Decision(self.processed(patient), ("service",), (), closed or frozenset(), closed is not None)
        grant = self._record("service", patient, "processing", decision, may_write=True)
        return self.chart(grant, at), grant

    def processed(self, patient: str) -> frozenset[str]:
        """The kinds of data that the patient has not closed to processing."""
        standing = self._standing(patient)
        if standing.opaque:
            return frozenset()
        request = Request("service", "", "", "process", self._clock())
        return frozenset(
            c for c in CATEGORIES if consent.decide(standing.directives, replace(request, category=c))[0] != "deny"
        )

    def processing(self, patient: str) -> Grant:
        """The scope of the house's own runner where what it reads goes to nobody who has not his own grant."""
        return Grant(
            "service",
            patient,
            "service",
            self.processed(patient),
            may_write=False,
            purpose="processing",
            hidden=self._closed(patient) or frozenset(),
        )

    def _closed(self, patient: str) -> frozenset[str] | None:
        """Single resources that the patient has closed to processing, within kinds that are not closed.

        None where none was decided on by itself.
        """
        standing = self._standing(patient)
        request = Request("service", "", "", "process", self._clock())
        return self._withheld(patient, standing, request, lambda category, answer: answer != "deny")

    def _withheld(
        self, patient: str, standing: Standing, request: Request, allowed: Callable[[str, str | None], bool]
    ) -> frozenset[str] | None:
        """The resources of which a part of some consent speaks and that are not allowed, with those that lead to them.

        ``allowed`` says by kind of data and answer. Most consents speak of whole kinds: then nothing is opened, and the
        answer is None.
        """
        directives = standing.directives
        if not any(consent.is_partial(directives, replace(request, category=c)) for c in CATEGORIES):
            return None
        found = self._store.read(replace(about(patient), categories=frozenset(CATEGORIES)))
        hidden: set[str] = set()
        for stored in found:
            for category in stored.categories - {PERSON}:
                asked = replace(request, category=category)
                answer = consent.decide_on(directives, asked, stored.body, self._names)
                if not allowed(category, answer):
                    hidden.add(stored.source.ref)
        leading = {s.source.ref: set(targets_of(s.body)) for s in found}
        while more := {ref for ref, targets in leading.items() if ref not in hidden and targets & hidden}:
            hidden |= more
        return frozenset(hidden)

    def grant(self, actor: Actor, patient: str, purpose: str) -> Grant:
        """Decide whether ``actor`` may read, log it, and raise AccessError or return the grant."""
        decision = self._decide(actor, patient, purpose)
        grant = self._record(actor.id, patient, purpose, decision, may_write=False)
        if not grant.categories:
            raise not_released()
        return grant

    def refuse(self, actor: Actor, patient: str, what: str) -> AccessError:
        """Log that ``actor`` was refused ``what`` with a record, and return the error, which tells nothing of it."""
        self._record(actor.id, patient, what, Decision(frozenset(), (), ()), may_write=False)
        return not_released()

    def custodian(self, actor: Actor, patient: str) -> Grant:
        """The right of an operator or practitioner to write into a record without reading it. Raises AccessError."""
        if actor.kind not in ("operator", "practitioner"):
            self.refuse(actor, patient, "filing")
            raise AccessError("only operators and practitioners may file data", remedy="use another --as")
        return self.custody(actor.id, patient)

    def custody(self, actor: str, patient: str) -> Grant:
        """A scope to write into one record without reading it."""
        return Grant(actor, patient, "custodian", frozenset(), may_write=True, purpose="filing")

    def own_consent(self, actor: Actor, patient: str) -> Grant:
        """The right to file a consent: the patient, a proxy, or witnessing staff; the signature is checked besides."""
        if actor.kind == "organisation" or (actor.kind in ("patient", "proxy") and actor.patient != patient):
            raise self.refuse(actor, patient, "consent")
        return Grant(actor.id, patient, "self", frozenset(), may_write=True, purpose="consent")

    def own_data(self, actor: Actor, patient: str) -> Grant:
        """The right of a patient or proxy to add answers and notes to the own record. Raises AccessError."""
        if actor.kind not in ("patient", "proxy") or actor.patient != patient or not self._known(patient):
            raise self.refuse(actor, patient, "own data")
        return Grant(actor.id, patient, "self", frozenset(), may_write=True, purpose="own data")

    def note_comparison(self, actor: Actor, patient: str) -> None:
        """Log that an operator had a source compared with a record without filing it: the answer tells something."""
        entry = {"reason": "compared", "actor": actor.id, "patient": patient, "at": dates.write(self._clock())}
        with self._store.transaction(self.house(actor.id, may_write=True)) as connection:
            self._log.append(connection, patient, "access", entry)

    def house(self, actor: str, *, may_write: bool = False) -> Grant:
        """A scope over the whole store for upkeep (verify, backup, listing); it reads no bodies by itself."""
        return Grant(actor, "*", "upkeep", frozenset(), may_write, purpose="upkeep")

    def chart(self, grant: Grant, at: datetime, findings: Sequence[FindingView] = ()) -> Chart:
        """The chart as of ``at`` that a grant covers."""
        entries = [(s.source, s.body) for s in self._store.read(grant)]
        return self._charts(entries, now=at, loader=self._store.loader(grant), findings=findings)

    # ----

    def _record(self, actor: str, patient: str, purpose: str, decision: Decision, *, may_write: bool) -> Grant:
        """One leaf for one decision, before any data leave."""
        known = self._known(patient)
        entry = {
            "reason": "access",
            "decision": "permit" if decision.categories else "deny",
            "actor": actor,
            # a name that nobody has here is not kept: it may be somebody's one day, and stays when he is erased
            "patient": patient if known else "",
            "purpose": purpose,
            "bases": list(decision.bases),
            "consents": list(decision.consents),
            "categories": sorted(decision.categories),
            "at": dates.write(self._clock()),
        }
        owner = patient if known else SYSTEM
        leaf: int | None = None
        if purpose == glass.PURPOSE and decision.categories:
            leaf = self._emergency_entry(owner, "access", entry)
        else:
            leaf = self._append(owner, "access", entry)
        return Grant(
            actor,
            patient,
            "+".join(decision.bases),
            decision.categories,
            may_write,
            purpose,
            leaf,
            decision.hidden,
            decision.partial,
        )

    def _known(self, patient: str) -> bool:
        """True for a patient who is here; nobody is everybody, and nobody has no name."""
        return patient not in ("", "*") and self._store.exists(about(patient))

    def _append(self, patient: str, topic: str, entry: Mapping[str, Any]) -> int:
        """Write one entry, together with those that other threads write at this moment."""
        scope = self.house("gate", may_write=True)
        return self._batches.append(self._store, self._log, scope, patient, topic, entry)

    def _decide(self, actor: Actor, patient: str, purpose: str) -> Decision:
        if actor.kind in ("patient", "proxy") and actor.patient == patient:
            return Decision(frozenset(CATEGORIES), ("self",), ())
        if purpose == glass.PURPOSE:
            return self._in_emergency(actor, patient)
        standing = self._standing(patient)
        request = Request(actor.id, purpose, "", "read", self._clock())
        allowed: set[str] = set()
        bases: dict[str, None] = {}
        refs: dict[str, None] = {}
        by_policy = {c: self._rules(actor, patient, replace(request, category=c)) for c in CATEGORIES}
        for category in CATEGORIES:
            answer, directive = consent.decide(standing.directives, replace(request, category=category))
            if answer == "permit" and directive:
                allowed.add(category)
                bases["consent"] = refs[f"{directive.ref}/{directive.version}"] = None
            elif rules := holding(by_policy[category], answer, standing.opaque):
                allowed.add(category)
                bases.update(dict.fromkeys(rule.basis for rule in rules))

        def allows(category: str, answer: str | None) -> bool:
            return answer == "permit" or bool(holding(by_policy[category], answer, standing.opaque))

        hidden = self._withheld(patient, standing, request, allows) if allowed else None
        return Decision(frozenset(allowed), tuple(bases), tuple(refs), hidden or frozenset(), hidden is not None)

    def _rules(self, actor: Actor, patient: str, request: Request) -> list[Rule]:
        """The rules of policies that speak of a request."""
        return [
            rule
            for policy in self._registry.policies.values()
            for rule in policy.match(actor, patient, request.purpose, request.category, request.at)
        ]

    def standing(self, grant: Grant) -> list[tuple[Body, str]]:
        """The patient's consents that ``grant`` covers, each with "in force" or why it decides nothing."""
        if "record" not in grant.categories:
            return []
        stored = self._consents(grant.patient, lost=True)
        ignored = dict(self._evaluate(grant.patient, stored, lost=True).ignored)
        return [(s.body, ignored.get(s.source.ref, "in force")) for s in stored if s.source.ref.startswith("Consent/")]

    def _standing(self, patient: str) -> Standing:
        """What the patient's consents amount to, worked out once for each decision that is filed."""
        newest = self._log.newest_filed(self._store.connection, patient)
        kept = self._kept.get(patient)
        if kept is not None and kept.entry == newest:
            return kept.standing
        known = self._known(patient)
        standing = self._evaluate(patient, self._consents(patient)) if known else Standing()
        if known:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[patient] = _Kept(newest, standing)
        return standing

    def consent_head(self, patient: str, *, sealed: bool = False) -> str:
        """The digest of the patient's newest consent, which the next one names; of none, one that tells nothing.

        ``sealed``, for staff, it is another text each time, by which nobody sees whether somebody decided anew.
        """
        head = self._head(patient)
        return self._log.sealed_head(patient, head) if sealed else head

    def is_head(self, patient: str, named: str) -> bool:
        """True when ``named`` is the digest of the patient's newest consent, plain or sealed."""
        return named == self._head(patient) or self._log.opened_head(patient, named) == self._head(patient)

    def _head(self, patient: str) -> str:
        filed = self._filed(patient, lost=True)
        consents = [(order, ref) for ref, (order, _, _) in filed.items() if ref.startswith("Consent/")]
        if not consents:
            return self._log.nothing_filed(self._store.connection, patient)
        _, ref = max(consents)
        (newest,) = self._store.read(about(patient), ("Consent",), ids=[ref.partition("/")[2]])
        return digest(newest.body)

    def _evaluate(self, patient: str, found: Sequence[Stored], *, lost: bool = False) -> Standing:
        stored = {s.source.ref: s for s in found}
        orders = {ref: order for ref, (order, _, _) in self._filed(patient, lost=lost).items()}
        consents = [
            (ref, s.source.version, orders[ref], s.body) for ref, s in stored.items() if ref.startswith("Consent/")
        ]
        proofs = {ref: stored[signature_ref(ref)].body for ref, *_ in consents if signature_ref(ref) in stored}
        return consent.standing(consents, proofs, self._registry.ever, patient)

    def _consents(self, patient: str, *, lost: bool = False) -> list[Stored]:
        """The patient's consents with their signatures, held to the log: exactly what was filed last, all of it.

        ``lost`` shows them also where a later decision is known to be lost: to look at, never to decide by. Raises
        IntegrityError when one was changed, removed, added or put back behind salus's back.
        """
        filed = self._filed(patient, lost=lost)
        stored = self._store.read(about(patient), ("Consent",)) if filed else []
        if filed:
            signatures = {ref.partition("/")[2] for ref in filed if ref.startswith("Provenance/")}
            stored += self._store.read(about(patient), ("Provenance",), ids=sorted(signatures))
        expected = {ref: (version, mac) for ref, (_, version, mac) in filed.items()}
        if {s.source.ref: (s.source.version, s.mac.hex()) for s in stored} != expected:
            raise IntegrityError("the consents of a record are not those that were filed", remedy="run: salus verify")
        if not filed and self._store.read(about(patient), ("Consent",)):
            raise IntegrityError("a consent that nobody filed stands in a record", remedy="run: salus verify")
        return stored

    def _filed(self, patient: str, *, lost: bool) -> dict[str, tuple[int, int, str]]:
        """Log entry, version and keyed hash of every consent and signature, from the unbroken chain that filed them."""
        filed: dict[str, tuple[int, int, str]] = {}
        last: int | None = None
        marked = self._log.newest_consent(self._store.connection, patient)
        for entry in self._log.entries(self._store.connection, topic=CONSENT, patient=patient):
            if entry.content["previous_consent"] != last:
                raise IntegrityError("an entry that filed a consent is missing", remedy="run: salus verify")
            last = entry.n
            filed |= {ref: (entry.n, version, mac) for ref, version, mac, _ in entry.content["items"]}
        if not lost and marked is not None and (last is None or last < marked):
            raise IntegrityError(
                "a newer decision on consent was lost (a restored backup?)",
                remedy="the patient must look at the consents and decide anew: salus consent list, revoke, give",
            )
        return filed
