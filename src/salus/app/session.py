"""A session: what one authenticated actor may do with patients' records. Every read goes through the gate."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from salus.app.house import House
from salus.careplan.compose import compose
from salus.careplan.model import Plan
from salus.errors import AccessError, InputError, IntegrityError
from salus.fhir import dates
from salus.fhir.views import CATEGORIES, Body
from salus.findings import fhir as findings_fhir
from salus.findings import registry as methods
from salus.findings.method import Context, Method
from salus.findings.model import Finding
from salus.findings.runner import Failure, run
from salus.record.chart import Chart
from salus.record.store import Change, Stored
from salus.trust import consent
from salus.trust.gate import NOT_RELEASED, Grant
from salus.trust.identity import Identity


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a run of the methods over a record changed."""

    findings: tuple[Finding, ...]
    failures: tuple[Failure, ...]
    refused: tuple[tuple[str, str], ...]
    computed: tuple[str, ...]
    new: int
    amended: int
    superseded: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A chart that was released, with the findings its reader may see and what was withheld from him."""

    chart: Chart
    grant: Grant
    findings: tuple[Finding, ...]
    refresh: Refresh


class Session:
    """One actor at work in one house."""

    def __init__(self, house: House, identity: Identity) -> None:
        self.house = house
        self.identity = identity
        self.actor = house.authenticate(identity)
        self._methods: tuple[list[Method], list[tuple[str, str]]] | None = None

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
        refresh = self.refresh(patient, at, progress=progress)
        scope = frozenset(grant.categories) - frozenset(without)
        narrowed = _narrow(grant, scope)
        chart = Chart(
            [(s.source, s.body) for s in self.house.store.read(narrowed)],
            now=at,
            loader=self.house.store.loader(narrowed),
        )
        if without:
            found = run(self.methods()[0], chart, contexts=self.contexts(), previous=refresh.findings).findings
        else:
            found = tuple(f for f in refresh.findings if f.categories <= scope)
        return Opened(chart.fresh(found), narrowed, found, refresh)

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
        return compose(opened.chart, opened.findings, looked_at=opened.grant.categories), opened

    def resolve(self, name: str) -> str:
        """The patient meant by ``name``: an id, or the value of an identifier as "system|value"."""
        if self.house.store.exists(name) or "|" not in name:
            return name
        system, _, value = name.rpartition("|")
        found = self.house.store.find_identifier(self.house.gate.house(self.actor.id), system, value)
        return found[0] if len(found) == 1 else name

    def _purpose(self, patient: str) -> str:
        return "PATRQT" if self.actor.patient == patient else "TREAT"

    # ---- findings

    def methods(self) -> tuple[list[Method], list[tuple[str, str]]]:
        """The methods that may run, and why the others may not."""
        if self._methods is None:
            self._methods = methods.runnable(self.house.registry.methods)
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

    def refresh(self, patient: str, at: datetime, *, progress: Callable[[str], None] = lambda _: None) -> Refresh:
        """Run the methods over all that the patient has not closed to processing, and store what is new.

        This is the house's own service: it releases nothing to anybody.
        """
        chart, grant = self.house.gate.service_chart(patient, at)
        stored = {f.id: (s, f) for s, f in self._stored_findings(grant)}
        runnable, refused = self.methods()
        outcome = run(
            runnable, chart, contexts=self.contexts(), previous=[f for _, f in stored.values()], progress=progress
        )
        current = {f.id: f for f in outcome.findings}
        changes, counts = _difference(stored, current, self.house.time())
        if changes:
            self.house.store.commit(grant, changes, at=self.house.time(), reason="findings")
            self.house.log.remember(self.house.store.connection)
        return Refresh(outcome.findings, outcome.failures, tuple(refused), outcome.computed, **counts)

    def _stored_findings(self, grant: Grant) -> list[tuple[Stored, Finding]]:
        scope = _narrow(grant, frozenset(CATEGORIES))
        stored = self.house.store.read(scope, ("Observation", "RiskAssessment"))
        return [
            (s, findings_fhir.from_fhir(s.body))
            for s in stored
            if findings_fhir.EXTENSION.encode() in s.data and findings_fhir.is_finding(s.body)
        ]

    # ---- consent

    def file_consent(self, patient: str, body: Body, provenance: Body) -> None:
        """Keep a signed consent, or a newer version of one.

        Raises InputError unless its signature is valid, and for a version that is not newer than the one in force: what
        was signed once must not come back after it was revoked.
        """
        scope = self.house.gate.own_consent(self.actor, patient)
        if not self.house.store.exists(patient):
            raise NOT_RELEASED
        if consent.signer_of(body, provenance, self.house.registry.actors, patient) is None:
            raise InputError("the consent is not signed by the patient, a proxy or witnessing staff")
        if body.get("status") == "active":
            consent.parse(f"Consent/{body['id']}", 1, body, patient)
        for earlier in self.house.store.versions(_narrow(scope, frozenset({"record"})), f"Consent/{body['id']}"):
            if earlier.body["status"] != "active" or dates.instant(earlier.body["dateTime"]) >= dates.instant(
                str(body["dateTime"])
            ):
                raise InputError("the consent was revoked or replaced before", remedy="give a new one")
        changes = [Change("Consent", str(body["id"]), body), Change("Provenance", str(provenance["id"]), provenance)]
        self.house.store.commit(scope, changes, at=self.house.time(), reason="consent")
        self.house.log.remember(self.house.store.connection)

    def give_consent(
        self,
        patient: str,
        at: datetime,
        *,
        actors: Sequence[str],
        categories: Sequence[str],
        purposes: Sequence[str] = ("TREAT",),
        until: str | None = None,
        witnessed: bool = False,
    ) -> str:
        """Sign and file a consent that lets ``actors`` read ``categories``. Returns its id."""
        if unknown := [a for a in actors if a not in self.house.registry.actors]:
            raise InputError(f"{unknown[0]!r} is not an actor of this store", remedy="salus actor add")
        name = str(uuid.uuid4())
        body = consent.consent_resource(
            id=name, patient=patient, dated=at, permit=categories, actors=actors, purposes=purposes, until=until
        )
        self.file_consent(patient, body, consent.sign(body, self.identity, self.house.clock(), witnessed=witnessed))
        return name

    def close_to_processing(
        self, patient: str, at: datetime, *, categories: Sequence[str], witnessed: bool = False
    ) -> str:
        """Sign and file a consent that closes ``categories`` to processing. Returns its id."""
        name = str(uuid.uuid4())
        body = consent.closure_resource(id=name, patient=patient, dated=at, categories=categories)
        self.file_consent(patient, body, consent.sign(body, self.identity, self.house.clock(), witnessed=witnessed))
        return name

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

    def revoke(self, patient: str, consent_id: str, *, witnessed: bool = False) -> None:
        """End a consent: a new version of it with status inactive, signed like the first."""
        scope = self.house.gate.own_consent(self.actor, patient)
        reading = _narrow(scope, frozenset({"record"}))
        found = [s.body for s in self.house.store.read(reading, ("Consent",)) if s.body["id"] == consent_id]
        if not found:
            raise InputError("no such consent", remedy="salus consent list")
        body = {**found[0], "status": "inactive", "dateTime": self.house.time()}
        self.file_consent(patient, body, consent.sign(body, self.identity, self.house.clock(), witnessed=witnessed))

    def accesses(self, patient: str) -> list[Mapping[str, Any]]:
        """Every log entry about the patient, for the patient or a proxy: who looked, who wrote, who was refused."""
        if self.actor.patient != patient:
            raise AccessError("the log of a record is shown to its patient", remedy="--as the patient or a proxy")
        entries = self.house.log.entries(self.house.store.connection, patient=patient)
        return [{"n": e.n, "topic": e.topic, **e.content} for e in entries]

    def evidence_bytes(self, opened: Opened, ref: str, digest: str) -> bytes:
        """The stored bytes of the version of ``ref`` that has ``digest``. Raises IntegrityError when it is gone."""
        for stored in self.house.store.versions(opened.grant, ref):
            if stored.source.digest == digest:
                return stored.data
        raise IntegrityError("the version that the finding cites is not in the store", where=ref.partition("/")[0])


def _narrow(grant: Grant, categories: frozenset[str]) -> Grant:
    return replace(grant, categories=categories, withheld=frozenset(CATEGORIES) - categories)


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
        changes.extend(
            Change(str(body["resourceType"]), str(body["id"]), body)
            for body in findings_fhir.to_fhir(finding, at, amended=earlier is not None)
        )
    for id, (source, _) in stored.items():
        if id not in current:
            counts["superseded"] += 1
            kind = source.source.ref.partition("/")[0]
            changes.append(Change(kind, id, None))
            changes.append(Change("Provenance", id + findings_fhir.PROVENANCE_SUFFIX, None))
    return changes, counts
