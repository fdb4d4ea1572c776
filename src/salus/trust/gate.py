"""The gate: the one way to a patient's data. It decides on a basis, writes the decision into the log, then opens.

If the log cannot be written nothing is opened. What is denied and what does not exist get the same answer. Decisions
use the clock's time, and not the moment for which a chart is asked: no date revives a revoked consent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from salus.errors import AccessError, IntegrityError
from salus.fhir import dates
from salus.fhir.views import CATEGORIES, PERSON, Body
from salus.record import kinds, outline
from salus.record.chart import Chart, FindingView
from salus.record.reach import Reach, Share
from salus.trust import consent, glass, reaching
from salus.trust.consent import Answers, Request, Standing
from salus.trust.consent_drafts import digest
from salus.trust.deciding import granted, holding, shown_as
from salus.trust.emergencies import Emergencies
from salus.trust.grants import Decision, Grant, Version, meet, not_released
from salus.trust.identity import Actor
from salus.trust.log import COUNTED
from salus.trust.policy import Rule
from salus.trust.reaching import Weighed
from salus.trust.vault import SYSTEM

AT_ONCE = 50
"""For how many patients at once the log is asked for their newest consents, just before they are decided on."""
EVERYTHING = frozenset({*CATEGORIES, PERSON})
"""All kinds of data, and what identifies the person."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What consents (``answers``) and policies (``rules``) say to a request, and the kinds of data that are allowed."""

    standing: Standing
    request: Request
    answers: Answers
    rules: Mapping[str, list[Rule]]
    allowed: frozenset[str]
    bases: Mapping[str, None]
    consents: Mapping[str, None]


class Gate(Emergencies):
    """Decides over one store."""

    def open_chart(
        self, actor: Actor, patient: str, purpose: str, at: datetime, findings: Sequence[FindingView] = ()
    ) -> tuple[Chart, Grant]:
        """The chart as of ``at`` that ``actor`` may see, and the grant it was opened under. Raises AccessError."""
        grant = self.grant(actor, patient, purpose)
        return self.chart(grant, at, findings), grant

    def service_chart(self, patient: str, at: datetime) -> tuple[Chart, Grant]:
        """The chart for the house's own runner: all that the patient has not closed to processing."""
        decision = Decision(self.processed(patient), ("service",), (), self._open_to_processing(patient))
        grant = self._record("service", patient, "processing", decision, may_write=True)
        return self.chart(grant, at), grant

    def processed(self, patient: str) -> frozenset[str]:
        """The kinds of data that the patient has not closed to processing."""
        standing = self._standing(patient)
        if standing.opaque:
            return frozenset()
        request = Request("service", "", "", "process", self._clock())
        said = consent.decide_each(standing.directives, request, CATEGORIES)
        return frozenset(c for c, (answer, _) in said.by_category.items() if answer != "deny")

    def processing(self, patient: str) -> Grant:
        """The scope of the house's own runner. What it reads goes only to people who have a grant of their own."""
        return Grant(
            "service",
            patient,
            "service",
            self.processed(patient),
            may_write=False,
            purpose="processing",
            decided=self._open_to_processing(patient),
        )

    def interlock(self, actor: Actor, grant: Grant) -> Grant:
        """The scope in which the house looks for conflicts with what an interlock withholds from ``actor``.

        It covers the kinds of data that ``grant`` releases to ``actor`` and the interlocked ones, as far as they are
        open to processing, and no resource that is withheld in another way. It is logged as processing: it releases
        nothing.
        """
        own = self.processing(grant.patient)
        kinds = (grant.categories | grant.interlocked) & own.categories
        decided = own.decided
        if grant.partial:
            standing, at = self._standing(grant.patient), self._clock()
            request = Request(actor.id, grant.purpose, "", "read", at)
            broken = grant.purpose == glass.PURPOSE
            rules = (
                self._emergency(actor, grant.patient, at)
                if broken
                else self._rules(actor, grant.patient, grant.purpose, at)
            )

            def allows(category: str, answer: str | None) -> bool:
                held = holding(rules[category], answer, standing.opaque)
                return bool(held) or (answer == "permit" and not broken)

            decided = meet(decided, self._released(grant.patient, standing, request, allows, grant.interlocked))
        decision = Decision(kinds, ("service",), (), decided)
        return self._record("service", grant.patient, "processing", decision, may_write=False)

    def _open_to_processing(self, patient: str) -> frozenset[Version] | None:
        """The resources that are open to processing; None where no consent speaks of single resources."""
        standing = self._standing(patient)
        request = Request("service", "", "", "process", self._clock())
        if not consent.decide_each(standing.directives, request, CATEGORIES).partial:
            return None
        return self._released(patient, standing, request, lambda category, answer: answer != "deny")

    def grant(self, actor: Actor, patient: str, purpose: str) -> Grant:
        """Decide whether ``actor`` may read, log it, and raise AccessError or return the grant."""
        grant = self.view(actor, patient, purpose)
        if not grant.categories:
            raise not_released()
        return grant

    def view(self, actor: Actor, patient: str, purpose: str) -> Grant:
        """Decide what ``actor`` may read, and log it. Where nothing is released, the grant covers nothing."""
        decision = self._decide(actor, patient, purpose)
        return self._record(actor.id, patient, purpose, decision, may_write=False)

    def grants(self, actor: Actor, asked: Mapping[str, str], *, named: bool = True) -> list[Grant]:
        """The grants over those of the ``asked`` patients who release anything, each for its purpose.

        Every decision leaves its entry before any data leave, all in one transaction; where that fails, its error is
        raised and nothing is granted. The answer does not depend on patients who release nothing. Where a patient's
        consents were tampered with, it raises IntegrityError if the patients were ``named``; else that patient releases
        nothing, and the others are still decided on.
        """
        decided: list[tuple[str, str, Decision]] = []
        known: set[str] = set()
        try:
            for start in range(0, len(patients := list(asked)), AT_ONCE):
                newest = self._newest(patients[start : start + AT_ONCE])
                known |= newest.keys()
                for patient in patients[start : start + AT_ONCE]:
                    decision = self._decided_on(actor, patient, asked[patient], newest, named=named)
                    decided.append((patient, asked[patient], decision))
        finally:  # decisions that were taken before an error are logged, too
            leaves = self._keep_all([self._entry(actor.id, *each, known=each[0] in known) for each in decided])
        found = [granted(actor.id, *each, leaf) for each, leaf in zip(decided, leaves, strict=True)]
        return [grant for grant in found if grant.categories]

    def custodian(self, actor: Actor, patient: str) -> Grant:
        """The right of an operator or practitioner to write into a record without reading it. Raises AccessError."""
        if actor.kind not in ("operator", "practitioner"):
            self.refuse(actor, patient, "filing")
            raise AccessError("only operators and practitioners may file data", remedy="use another --as")
        return self.custody(actor.id, patient)

    def own_consent(self, actor: Actor, patient: str) -> Grant:
        """The right of the patient, a proxy, or staff to file a consent, whose signature the caller has to check.
        Raises AccessError for anybody else, and logs that refusal."""
        if actor.kind == "organisation" or (actor.kind in ("patient", "proxy") and actor.patient != patient):
            raise self.refuse(actor, patient, "consent")
        return Grant(actor.id, patient, "self", frozenset(), may_write=True, purpose="consent")

    def earlier_consents(self, actor: Actor, patient: str) -> Grant:
        """A read-only scope over the kind "record", in which the patient's earlier consents are read.

        It is for those who may file another consent (:meth:`own_consent`). Raises AccessError for anybody else, and
        logs that refusal. The read leaves no entry of its own: the entry of the consent that is filed next says who
        filed it. A caller that files nothing, or hands out what it read, calls :meth:`note_consent_read` as well.
        """
        return replace(self.own_consent(actor, patient), categories=frozenset({"record"}), may_write=False)

    def own_record(self, actor: Actor, patient: str) -> Grant:
        """The right of a patient or proxy to read and write the own record, logged. Raises AccessError."""
        grant = self.grant(actor, patient, "PATRQT")
        if grant.basis != "self":
            raise not_released()
        return replace(grant, may_write=True)

    def own_data(self, actor: Actor, patient: str) -> Grant:
        """The right of a patient or proxy to add answers and notes to the own record. Raises AccessError."""
        if actor.kind not in ("patient", "proxy") or actor.patient != patient or not self._known(patient):
            raise self.refuse(actor, patient, "own data")
        return Grant(actor.id, patient, "self", frozenset(), may_write=True, purpose="own data")

    # ---- what the house reads for itself: nothing is released to anybody, so that these scopes write no entry. The
    # entry of the write that follows says who filed, and how it was attributed. Where nothing is written,
    # note_comparison or note_consent_read writes an entry.

    def attribution(self, patient: str, kinds: Collection[str] = EVERYTHING) -> Grant:
        """The scope in which the house reads a record to find out whose a source, a reading or a device is."""
        return Grant("intake", patient, "service", frozenset(kinds), may_write=False, purpose="attribution")

    def comparison(self, patient: str) -> Grant:
        """The scope in which the house holds what is about to be filed against what the record has already."""
        return Grant("intake", patient, "service", EVERYTHING, may_write=False, purpose="comparison")

    def stored_findings(self, own: Grant) -> Grant:
        """The scope of the house's own runner over the findings that it stored, whichever kinds of data they were drawn
        from."""
        return replace(own, categories=frozenset(CATEGORIES))

    def note_comparison(self, actor: Actor, *patients: str) -> None:
        """Log that an operator had a source compared with these records without filing it: the result says something
        about them.

        There is an entry in each patient's log; all are written in one transaction.
        """
        at = dates.write(self._clock())
        entries = [(p, "access", {"reason": "compared", "actor": actor.id, "patient": p, "at": at}) for p in patients]
        self._append_all(entries)

    def note_consent_read(self, actor: Actor, patient: str, name: str = "") -> None:
        """Record in the patient's log that ``actor`` looked at the consent with the id ``name`` without filing one.

        ``name`` is "" where there is no consent with the id that was asked for. Raises IntegrityError for a patient who
        is not in the store.
        """
        entry = {"reason": "consent-read", "actor": actor.id, "at": dates.write(self._clock())}
        self._append(patient, "access", {**entry, **({"id": name} if name else {})})

    def chart(
        self,
        grant: Grant,
        at: datetime,
        findings: Sequence[FindingView] = (),
        *,
        unless: Callable[[], None] = lambda: None,
    ) -> Chart:
        """The chart as of ``at`` that a grant covers. Its resources are listed when the chart is first asked. Each is
        opened when somebody looks at it, as it was when it was listed.

        ``unless`` is called after the listing; where it raises, the chart stays shut.
        """

        listed = outline.listing(self._store, grant, self.custody("service", grant.patient), unless)
        return self._charts(now=at, listed=listed, loader=self._store.loader(grant), findings=findings)

    # ----

    def _decided_on(
        self, actor: Actor, patient: str, purpose: str, newest: Mapping[str, int], *, named: bool
    ) -> Decision:
        """The decision on one of several patients. Where the consents were tampered with, it raises IntegrityError if
        the patient was ``named``, and else releases nothing."""
        try:
            return self._decide(actor, patient, purpose, newest)
        except IntegrityError:  # verification reports it, and so does each look at this patient
            if named:
                raise
            return Decision(frozenset(), (), ())

    def _decide(self, actor: Actor, patient: str, purpose: str, newest: Mapping[str, int] | None = None) -> Decision:
        if actor.kind in ("patient", "proxy") and actor.patient == patient:
            return Decision(frozenset(CATEGORIES), ("self",), ())
        if purpose == glass.PURPOSE:
            return self._in_emergency(actor, patient)
        said = self._said(actor, patient, purpose, self._clock(), newest)
        standing, allowed = said.standing, said.allowed

        def allows(category: str, answer: str | None) -> bool:
            return answer == "permit" or bool(holding(said.rules[category], answer, standing.opaque))

        partial = said.answers.partial and allowed
        decided = self._released(patient, standing, said.request, allows) if partial else None
        papers = standing.papers(said.consents)  # the reader is shown only the consents that let him in
        flagged, interlocked = (
            shown_as(how, said.answers, allowed, standing.opaque) for how in ("flagged", "interlock")
        )
        bases, consents = tuple(said.bases), tuple(said.consents)
        return Decision(allowed, bases, consents, decided, papers, flagged, interlocked)

    def _said(
        self, actor: Actor, patient: str, purpose: str, at: datetime, newest: Mapping[str, int] | None = None
    ) -> _Said:
        """What consents and policies say of each kind of data."""
        standing = self._standing(patient, newest)
        request = Request(actor.id, purpose, "", "read", at)
        allowed: set[str] = set()
        bases: dict[str, None] = {}
        consents: dict[str, None] = {}
        rules = self._rules(actor, patient, purpose, at)
        answers = consent.decide_each(standing.directives, request, CATEGORIES)
        for category, (answer, directive) in answers.by_category.items():
            if answer == "permit" and directive:
                allowed.add(category)
                bases["consent"] = consents[f"{directive.ref}/{directive.version}"] = None
            elif found := holding(rules[category], answer, standing.opaque):
                allowed.add(category)
                bases.update(dict.fromkeys(rule.basis for rule in found))
        return _Said(standing, request, answers, rules, frozenset(allowed), bases, consents)

    # ---- many records

    def reach(self, actor: Actor, purpose: str) -> Reach:
        """The patients of whom anything is released to ``actor``, and what they withhold. It opens no record."""
        scope = self.house("gate", may_write=True)
        ground = reaching.Ground(self._store, scope, self._log, self._registry, self._weigh, self._clock)
        return reaching.of(self._store.path).of(ground, actor, purpose)

    def _weigh(self, actor: Actor, patient: str, purpose: str, at: datetime) -> Weighed:
        """What a patient releases to ``actor``, by whole kinds of data, and the instant until which that holds."""
        if actor.kind in ("patient", "proxy") and actor.patient == patient:
            return Weighed(Share(0))
        said = self._said(actor, patient, purpose, at)
        instants = [instant for d in said.standing.directives for instant in d.instants()]
        instants += [instant for policy in self._registry.policies.values() for instant in policy.instants()]
        until = min((instant for instant in instants if instant > at), default=reaching.FAR)
        if not said.allowed:
            return Weighed(None, until)
        return Weighed(Share(kinds.ALL & ~kinds.bits(said.allowed), said.answers.partial), until)

    def note_counted(self, actor: Actor, purpose: str, patients: Collection[int]) -> int:
        """Log that resources of many records were counted together for ``actor``: one entry, which names them all."""
        entry = {
            "reason": "counted",
            "actor": actor.id,
            "purpose": purpose,
            "patients": sorted(patients),
            "at": dates.write(self._clock()),
        }
        return self._append(SYSTEM, COUNTED, entry)

    def standing(self, grant: Grant) -> list[tuple[Body, str]]:
        """The patient's consents that ``grant`` shows, each with "in force" or why it decides nothing."""
        if "record" not in grant.categories:
            return []
        filed = self._filed(grant.patient, lost=True)
        ignored = dict(self._evaluate(grant.patient, filed).ignored)
        shown = [s for s in filed.stored if grant.shows(s.source.ref, s.source.version)]
        return [(s.body, ignored.get(s.source.ref, "in force")) for s in shown if s.source.ref.startswith("Consent/")]

    def consent_head(self, patient: str, *, sealed: bool = False) -> str:
        """The digest of the patient's newest consent, which the next one has to name.

        Without a consent it is a text that says nothing. With ``sealed``, for staff, the text is another each time, so
        that nobody sees whether the patient decided anew.
        """
        head = self._head(patient)
        return self._log.sealed_head(patient, head) if sealed else head

    def is_head(self, patient: str, named: str) -> bool:
        """True when ``named`` is the digest of the patient's newest consent, plain or sealed."""
        return named == self._head(patient) or self._log.opened_head(patient, named) == self._head(patient)

    def _head(self, patient: str) -> str:
        filed = self._filed(patient, lost=True)
        consents = [s for s in filed.stored if s.source.ref.startswith("Consent/")]
        if not consents:
            return self._log.nothing_filed(self._store.connection, patient)
        return digest(max(consents, key=lambda s: (filed.items[s.source.ref].entry, s.source.ref)).body)
