"""The gate: the one way to a patient's data. It decides on a basis, writes the decision into the log, then opens.

If the log cannot be written nothing is opened. What is denied and what does not exist get the same answer. Decisions
are taken at the clock's time, whatever moment the chart is asked to speak of: no date revives a revoked consent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from salus.errors import AccessError
from salus.fhir import dates
from salus.fhir.views import CATEGORIES, Body
from salus.record.chart import Chart, FindingView
from salus.record.store import Store, Stored
from salus.trust import consent
from salus.trust.consent import Directive, Request
from salus.trust.identity import Actor
from salus.trust.log import Log
from salus.trust.registry import Registry
from salus.trust.vault import SYSTEM

NOT_RELEASED = AccessError(
    "no such patient, or not released to you",
    remedy="the patient can release data to you: salus consent give",
)


@dataclass(frozen=True, slots=True)
class Grant:
    """One decision's outcome. Implements :class:`salus.record.protocols.Scope`; only the gate makes it."""

    actor: str
    patient: str
    basis: str
    categories: frozenset[str]
    may_write: bool
    purpose: str
    withheld: frozenset[str] = frozenset()
    leaf: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Which categories are allowed, on which bases, by which consents."""

    categories: frozenset[str]
    bases: tuple[str, ...]
    consents: tuple[str, ...]


class Gate:
    """Decides over one store."""

    def __init__(self, store: Store, log: Log, registry: Registry, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._log = log
        self._registry = registry
        self._clock = clock

    def open_chart(
        self, actor: Actor, patient: str, purpose: str, at: datetime, findings: Sequence[FindingView] = ()
    ) -> tuple[Chart, Grant]:
        """The chart as of ``at`` that ``actor`` may see, and the grant it was opened under. Raises AccessError."""
        grant = self.grant(actor, patient, purpose)
        return self._chart(grant, at, findings), grant

    def service_chart(self, patient: str, at: datetime) -> tuple[Chart, Grant]:
        """The chart for the house's own runner: all that the patient has not closed to processing."""
        known = self._store.exists(patient)
        found = self._directives(patient) if known else []
        request = Request("service", "", "", "process", self._clock())
        closed = {c for c in CATEGORIES if consent.decide(found, replace(request, category=c))[0] == "deny"}
        decision = Decision(frozenset(CATEGORIES) - closed, ("service",), ())
        grant = self._record("service", patient, "processing", decision, may_write=True, known=known)
        return self._chart(grant, at, ()), grant

    def grant(self, actor: Actor, patient: str, purpose: str) -> Grant:
        """Decide whether ``actor`` may read, log it, and raise AccessError or return the grant."""
        known = self._store.exists(patient)
        decision = self._decide(actor, patient, purpose) if known else Decision(frozenset(), (), ())
        return self._record(actor.id, patient, purpose, decision, may_write=False, known=known)

    def custodian(self, actor: Actor, patient: str) -> Grant:
        """The right of an operator or practitioner to write into a record without reading it. Raises AccessError."""
        if actor.kind not in ("operator", "practitioner"):
            raise AccessError("only operators and practitioners may file data", remedy="use another --as")
        return Grant(actor.id, patient, "custodian", frozenset(), may_write=True, purpose="filing")

    def own_consent(self, actor: Actor, patient: str) -> Grant:
        """The right to file a consent: the patient, a proxy, or witnessing staff; the signature is checked besides."""
        if actor.kind == "organisation" or (actor.kind in ("patient", "proxy") and actor.patient != patient):
            raise NOT_RELEASED
        return Grant(actor.id, patient, "self", frozenset(), may_write=True, purpose="consent")

    def house(self, actor: str, *, may_write: bool = False) -> Grant:
        """A scope over the whole store for upkeep (verify, backup, listing); it reads no bodies by itself."""
        return Grant(actor, "*", "upkeep", frozenset(), may_write, purpose="upkeep")

    # ----

    def _chart(self, grant: Grant, at: datetime, findings: Sequence[FindingView]) -> Chart:
        entries = [(s.source, s.body) for s in self._store.read(grant)]
        return Chart(entries, now=at, loader=self._store.loader(grant), findings=findings)

    def _record(
        self, actor: str, patient: str, purpose: str, decision: Decision, *, may_write: bool, known: bool
    ) -> Grant:
        """One leaf for one decision, before any data leave."""
        entry = {
            "reason": "access",
            "decision": "permit" if decision.categories else "deny",
            "actor": actor,
            "patient": patient,
            "purpose": purpose,
            "bases": list(decision.bases),
            "consents": list(decision.consents),
            "categories": sorted(decision.categories),
            "at": dates.write(self._clock()),
        }
        with self._store.transaction(self.house(actor, may_write=True)) as connection:
            leaf = self._log.append(connection, patient if known else SYSTEM, "access", entry)
        self._log.remember(self._store.connection)
        if not decision.categories:
            raise NOT_RELEASED
        return Grant(
            actor,
            patient,
            "+".join(decision.bases),
            decision.categories,
            may_write,
            purpose,
            frozenset(CATEGORIES) - decision.categories,
            leaf,
        )

    def _decide(self, actor: Actor, patient: str, purpose: str) -> Decision:
        if actor.kind in ("patient", "proxy") and actor.patient == patient:
            return Decision(frozenset(CATEGORIES), ("self",), ())
        found = self._directives(patient)
        request = Request(actor.id, purpose, "", "read", self._clock())
        allowed: set[str] = set()
        bases: dict[str, None] = {}
        refs: dict[str, None] = {}
        for category in CATEGORIES:
            answer, directive = consent.decide(found, replace(request, category=category))
            if answer == "permit" and directive:
                allowed.add(category)
                bases["consent"] = refs[f"{directive.ref}/{directive.version}"] = None
                continue
            for policy in self._registry.policies.values():
                for rule in policy.match(actor.id, patient, purpose, category, request.at):
                    if answer != "deny" or rule.overrides_denial:
                        allowed.add(category)
                        bases[rule.basis] = None
        return Decision(frozenset(allowed), tuple(bases), tuple(refs))

    def standing(self, grant: Grant) -> list[tuple[Body, str]]:
        """The patient's consents that ``grant`` covers, each with "in force" or why it decides nothing."""
        if "record" not in grant.categories:
            return []
        stored = self._consent_records(grant.patient)
        ignored = dict(self._evaluate(grant.patient, stored)[1])
        return [(s.body, ignored.get(s.source.ref, "in force")) for s in stored if s.source.ref.startswith("Consent/")]

    def _directives(self, patient: str) -> list[Directive]:
        return self._evaluate(patient, self._consent_records(patient))[0]

    def _consent_records(self, patient: str) -> list[Stored]:
        scope = Grant("gate", patient, "service", frozenset({"record"}), may_write=False, purpose="deciding")
        if not self._store.read(scope, ("Consent",)):
            return []
        return self._store.read(scope, ("Consent", "Provenance"))

    def _evaluate(self, patient: str, stored: Sequence[Stored]) -> tuple[list[Directive], list[tuple[str, str]]]:
        consents = [(s.source.ref, s.source.version, s.body) for s in stored if s.source.ref.startswith("Consent/")]
        proofs = [s.body for s in stored if s.source.ref.startswith("Provenance/") and b'"signature"' in s.data]
        return consent.directives(consents, proofs, self._registry.actors, patient)
