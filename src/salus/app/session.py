"""A session: what one authenticated actor may do with patients' records. Every read goes through the gate."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from salus.app import cell
from salus.app.house import House
from salus.app.session_consents import PRESENT, Consents
from salus.app.terminology import packs
from salus.careplan.compose import compose
from salus.careplan.model import Plan
from salus.careplan.severe import severe
from salus.errors import AccessError
from salus.fhir.views import CATEGORIES, Body
from salus.findings import fhir as findings_fhir
from salus.findings import registry as methods
from salus.findings.method import Context, Method
from salus.findings.model import Finding
from salus.findings.runner import Failure, Outcome, run
from salus.record.chart import Chart
from salus.record.reading import Stored
from salus.record.store import Change
from salus.trust import audit, proof
from salus.trust.grants import Grant
from salus.trust.identity import Actor, Identity


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a run of the methods over a record did. It says nothing of what they found."""

    failures: tuple[Failure, ...]
    refused: tuple[tuple[str, str], ...]
    computed: tuple[str, ...]
    new: int = 0
    amended: int = 0
    superseded: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """A chart that was released, with the findings its reader may see.

    ``refresh`` tells only of methods that read nothing but what was released.
    """

    chart: Chart
    grant: Grant
    findings: tuple[Finding, ...]
    refresh: Refresh
    released: frozenset[str] = frozenset()
    """The kinds of data that were released, also those which were left out as the reader asked."""


class Session(Consents):
    """One actor at work in one house."""

    def __init__(self, house: House, identity: Identity) -> None:
        self._begin(house, house.authenticate(identity), identity)

    @classmethod
    def for_actor(cls, house: House, actor: Actor) -> Session:
        """A session of somebody who has proved otherwise who he is, without his private key: it can sign nothing.

        Only :mod:`salus.app.tokens` and what it lets in may call this.
        """
        session = cls.__new__(cls)
        session._begin(house, actor, None)
        return session

    @classmethod
    def for_upkeep(cls, house: House) -> Session:
        """A session of nobody, to whom the gate gives nothing: for :meth:`refresh`, which releases nothing."""
        return cls.for_actor(house, Actor("", "organisation", b""))

    def _begin(self, house: House, actor: Actor, identity: Identity | None) -> None:
        self.house = house
        self.actor = actor
        self._identity = identity
        self._methods: tuple[list[Method], list[tuple[str, str]]] | None = None
        self.beforehand: Callable[[Session, str], None] | None = None
        """Brings a patient's findings up to date before a chart is opened, where that is another's work."""

    # ---- reading

    def open(
        self,
        patient: str,
        at: datetime,
        *,
        purpose: str | None = None,
        without: Sequence[str] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> Opened:
        """Open the patient's chart, with findings brought up to date first.

        ``without`` names categories to leave out, as if they had not been released (to see what they change).
        Raises AccessError, in the same words for a patient who does not exist.
        """
        grant = self.house.gate.grant(self.actor, patient, purpose or self._purpose(patient))
        if self.beforehand is not None and abs(at - self.house.clock()) <= PRESENT:
            self.beforehand(self, patient)  # so that what takes long stands already
        found, refresh, processed = self._current(patient, at, progress)
        scope = _narrow(grant, grant.categories - frozenset(without))
        chart = self.house.gate.chart(scope, at)
        if not processed <= scope.categories or scope.partial:
            drawn = self._drawn_from(scope, at, found)
            # what failed or changed in the rest is not told
            found, refresh = drawn.findings, Refresh(drawn.failures, refresh.refused, ())
        inputs = {m.id: frozenset(m.inputs) for m in self.methods()[0]}
        told = tuple(f for f in refresh.failures if inputs.get(f.method, frozenset(CATEGORIES)) <= scope.categories)
        return Opened(chart.fresh(found), scope, found, replace(refresh, failures=told), grant.categories)

    def narrower(self, grant: Grant) -> tuple[Finding, ...] | None:
        """The findings for a reader to whom not all is released that they were drawn from; None where all is.

        They are worked out anew from what is released, as if the rest did not exist, and are not kept.
        """
        scope = self.house.gate.processing(grant.patient)
        if scope.categories <= grant.categories and not grant.partial:
            return None
        stored = [f for _, f in self._stored_findings(scope)]
        return self._drawn_from(grant, self.house.clock(), stored).findings

    def _drawn_from(self, scope: Grant, at: datetime, previous: Sequence[Finding]) -> Outcome:
        """What the methods draw from what is released and not closed to them, as if the rest did not exist."""
        open_to = self.house.gate.processing(scope.patient)
        view = self.house.gate.chart(scope.within(open_to), at)
        if not view.known:
            return Outcome((), (), ())
        return run(self.methods()[0], view, contexts=self.contexts(), previous=previous)

    def plan(
        self,
        patient: str,
        at: datetime,
        *,
        purpose: str | None = None,
        without: Sequence[str] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> tuple[Plan, Opened]:
        """The care plan for this reader and purpose, and the chart it was composed from."""
        opened = self.open(patient, at, purpose=purpose, without=without, progress=progress)
        grant = opened.grant
        made = compose(opened.chart, opened.findings, looked_at=grant.categories)
        conflict = bool(grant.interlocked) and self._conflicts(opened, made, at)
        withheld = tuple(c for c in CATEGORIES if c in grant.flagged)
        return replace(made, withheld=withheld, conflict_withheld=conflict), opened

    def _conflicts(self, opened: Opened, made: Plan, at: datetime) -> bool:
        """Whether what an interlock withholds makes a severe conflict that the reader's own plan does not hold.

        It is answered of all that is released to the reader as it is now, whatever moment he speaks of and whatever he
        leaves out: no way of asking tells him more than this one answer.
        """
        grant = replace(opened.grant, categories=opened.released)
        whole = self.house.gate.interlock(self.actor, grant)
        now = self.house.clock()
        if abs(at - now) > PRESENT or opened.released != opened.grant.categories:
            at, made = now, self._composed(grant, now)
        return not severe(self._composed(whole, at)) <= {item.key for item in made.items}

    def _composed(self, scope: Grant, at: datetime) -> Plan:
        """The plan that follows from what a scope covers, with findings that are worked out anew and are not kept."""
        stored = [f for _, f in self._stored_findings(self.house.gate.processing(scope.patient))]
        found = self._drawn_from(scope, at, stored).findings
        return compose(self.house.gate.chart(scope, at).fresh(found), found, looked_at=scope.categories)

    def resolve(self, name: str) -> str:
        """The patient meant by ``name``: an id, or the value of an identifier as "system|value"."""
        if "|" not in name:
            return name
        system, _, value = name.rpartition("|")
        found = self.house.store.find_identifier(self.house.gate.house(self.actor.id), system, value)
        return found[0] if len(found) == 1 else name

    def administer(self) -> House:
        """The house, for upkeep that only an operator may do. Raises AccessError."""
        if self.actor.kind != "operator":
            raise AccessError("only an operator may do this", remedy="--as an operator")
        return self.house

    def _purpose(self, patient: str) -> str:
        return "PATRQT" if self.actor.patient == patient else "TREAT"

    # ---- findings

    def methods(self) -> tuple[list[Method], list[tuple[str, str]]]:
        """The methods that may run, and why the others may not."""
        if self._methods is None:
            laid_over = packs(self.house.configuration)
            self._methods = methods.runnable(self.house.registry.methods, partial(cell.confined, packs=laid_over))
        return self._methods

    def contexts(self) -> Mapping[str, Context]:
        """Each method's context: the knowledge files in the folder of its name."""
        found = {}
        for method in self.methods()[0]:
            folder = self.house.configuration.knowledge / method.id
            files = {p.name: p.read_bytes() for p in sorted(folder.iterdir())} if folder.is_dir() else {}
            if files:
                found[method.id] = Context({}, files, {n: hashlib.sha256(b).hexdigest() for n, b in files.items()})
        return found

    def refresh(self, patient: str, at: datetime | None = None) -> Refresh:
        """Bring the stored findings up to date. This is the house's own service: it releases nothing to anybody."""
        return self._current(patient, at or self.house.clock(), lambda _: None)[1]

    def _current(
        self, patient: str, at: datetime, progress: Callable[[str], None]
    ) -> tuple[tuple[Finding, ...], Refresh, frozenset[str]]:
        """All findings that hold at ``at``, what the run did, and the categories open to processing.

        What holds now is stored. What held at another moment is computed and not kept.
        """
        chart, grant = self.house.gate.service_chart(patient, at)
        stored = {f.id: (s, f) for s, f in self._stored_findings(grant)}
        runnable, refused = self.methods()
        previous = [f for _, f in stored.values()]
        outcome = Outcome((), (), ())
        if chart.known:
            outcome = run(runnable, chart, contexts=self.contexts(), previous=previous, progress=progress)
        refresh = Refresh(outcome.failures, tuple(refused), outcome.computed)
        if abs(at - self.house.clock()) > PRESENT:
            return outcome.findings, refresh, grant.categories
        changes, counts = _difference(stored, {f.id: f for f in outcome.findings}, self.house.time())
        if changes:
            self.house.store.commit(grant, changes, at=self.house.time(), reason="findings")
        new, amended, superseded = (counts[k] for k in ("new", "amended", "superseded"))
        done = replace(refresh, new=new, amended=amended, superseded=superseded)
        return outcome.findings, done, grant.categories

    def _stored_findings(self, grant: Grant) -> list[tuple[Stored, Finding]]:
        scope = _narrow(grant, frozenset(CATEGORIES))
        stored = self.house.store.read(scope, ("Observation", "RiskAssessment"))
        return [
            (s, findings_fhir.from_fhir(s.body))
            for s in stored
            if findings_fhir.EXTENSION.encode() in s.data and findings_fhir.is_finding(s.body)
        ]

    # ---- consent and the log

    def consents(self, patient: str) -> list[tuple[Body, str]]:
        """The patient's consents, each with "in force" or why it decides nothing, for who may see the record."""
        grant = self.house.gate.grant(self.actor, patient, self._purpose(patient))
        return self.house.gate.standing(grant)

    def patients(self) -> Iterator[tuple[str, frozenset[str]]]:
        """The patients of whom anything is released to this actor, with the categories. Each look is logged."""
        for patient in self.house.store.patients(self.house.gate.house(self.actor.id)):
            try:
                yield patient, self.house.gate.grant(self.actor, patient, self._purpose(patient)).categories
            except AccessError:
                continue

    def break_glass(self, patient: str, why: str, hours: int) -> int | None:
        """Open a record in an emergency, for some hours, on a policy that lets the actor; the patient is told.

        Then :meth:`open` and :meth:`plan` with purpose BTG work. Returns the log entry, None where the log could not be
        written and the emergency journal was. Raises AccessError or InputError.
        """
        return self.house.gate.break_glass(self.actor, patient, why, timedelta(hours=hours))

    def notices(self, patient: str) -> list[Mapping[str, Any]]:
        """The entries of the own log that the patient is told of: papers, who may speak, broken glasses, holds."""
        return [entry for entry in self.accesses(patient) if "notice" in entry]

    def audit_events(self, patient: str, address: str = "") -> list[dict[str, Any]]:
        """Every log entry about the patient as an IHE BALP AuditEvent; for whom, see :meth:`accesses`."""
        return [event for _, event in self.audit_trail(patient, address)][::-1]

    def audit_trail(
        self, patient: str, address: str = "", *, before: int | None = None
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """The same, the newest first, each with its number in the log; only those ``before`` an entry where named."""
        self._check_own(patient)
        house = self.house
        place = audit.Place(house.registry.store_id, house.log.origin, address)
        return (
            (e.n, audit.of_entry(e.content, e.n, place, patient=patient, commitment=e.commitment))
            for e in house.log.newest_first(house.store.connection, patient, before)
        )

    def _check_own(self, patient: str) -> None:
        """Let the patient of a record, or a proxy, see its log; asking is itself an access. Raises AccessError."""
        if self.house.gate.grant(self.actor, patient, self._purpose(patient)).basis != "self":
            raise AccessError("the log of a record is shown to its patient", remedy="--as the patient or a proxy")

    def accesses(self, patient: str) -> list[Mapping[str, Any]]:
        """Every log entry about the patient, for the patient or a proxy: who looked, who wrote, who was refused.

        Asking is itself an access, decided and logged by the gate. Raises AccessError for everybody else.
        """
        self._check_own(patient)
        entries = self.house.log.entries(self.house.store.connection, patient=patient)
        return [{"n": e.n, "topic": e.topic, **e.content} for e in entries]

    def proof(self, patient: str, n: int) -> bytes:
        """A proof, to be kept and checked anywhere, that entry ``n`` of the patient's log stands in the house's log."""
        self._check_own(patient)
        house = self.house
        return proof.of_entry(house.store.connection, house.vault, house.log, n, patient)


def _narrow(grant: Grant, categories: frozenset[str]) -> Grant:
    return replace(grant, categories=categories)


def _difference(
    stored: Mapping[str, tuple[Stored, Finding]], current: Mapping[str, Finding], at: str
) -> tuple[list[Change], dict[str, int]]:
    """The changes that bring the stored findings to ``current``: what is the same is not written again."""
    changes: list[Change] = []
    counts = {"new": 0, "amended": 0, "superseded": 0}
    for id, finding in current.items():
        earlier = stored.get(id)
        if earlier and earlier[1].version_hash == finding.version_hash:
            continue
        counts["amended" if earlier else "new"] += 1
        written = [
            Change(str(body["resourceType"]), str(body["id"]), body)
            for body in findings_fhir.to_fhir(finding, at, amended=earlier is not None)
        ]
        if earlier and earlier[0].body["resourceType"] != written[0].type:  # an Observation became a RiskAssessment
            changes.append(_deletion(earlier[0].source.ref))
        changes.extend(written)
    for id, (source, _) in stored.items():
        if id not in current:
            counts["superseded"] += 1
            changes.append(_deletion(source.source.ref))
            changes.append(_deletion(f"Provenance/{findings_fhir.resource_id(id)}{findings_fhir.PROVENANCE_SUFFIX}"))
    return changes, counts


def _deletion(ref: str) -> Change:
    kind, _, name = ref.partition("/")
    return Change(kind, name, None)
