"""A session: what one authenticated actor may do with patients' records. Every read goes through the gate."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any

from salus.app.house import House
from salus.careplan.compose import compose
from salus.careplan.model import Plan
from salus.errors import AccessError, InputError
from salus.fhir import dates
from salus.fhir.views import CATEGORIES, Body
from salus.findings import fhir as findings_fhir
from salus.findings import registry as methods
from salus.findings.method import Context, Method
from salus.findings.model import Finding
from salus.findings.runner import Failure, Outcome, run
from salus.record.chart import Chart
from salus.record.store import Change, Stored
from salus.trust import consent, proof
from salus.trust.consent_drafts import Binding, bind, binding_of, closure_resource, consent_resource
from salus.trust.consent_signatures import OWN, countersign, is_witnessed, sign, signature_id, signers_of
from salus.trust.gate import NOT_RELEASED, Grant
from salus.trust.identity import Actor, Identity
from salus.trust.log import CONSENT
from salus.trust.vault import fingerprint

PRESENT = timedelta(minutes=10)
"""How far from the clock a moment still counts as now."""
NOT_SIGNED = InputError("the consent is not signed by the patient, a proxy or witnessing staff")


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


class Session:
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

    def _begin(self, house: House, actor: Actor, identity: Identity | None) -> None:
        self.house = house
        self.actor = actor
        self._identity = identity
        self._methods: tuple[list[Method], list[tuple[str, str]]] | None = None

    @property
    def identity(self) -> Identity:
        """The actor's identity, which signs. Raises AccessError in a session that was opened without the key."""
        if self._identity is None:
            raise AccessError("this needs the actor's private key", remedy="sign where the key is, and file the result")
        return self._identity

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
        found, refresh, processed = self._current(patient, at, progress)
        scope = _narrow(grant, grant.categories - frozenset(without))
        chart = self.house.gate.chart(scope, at)
        open_to_methods = scope.categories & processed
        if open_to_methods != processed:
            # As if the rest did not exist: a finding that other data only refined is drawn from what is released.
            view = self.house.gate.chart(_narrow(scope, open_to_methods), at)
            found = (
                run(self.methods()[0], view, contexts=self.contexts(), previous=found).findings if view.known else ()
            )
        inputs = {m.id: frozenset(m.inputs) for m in self.methods()[0]}
        told = tuple(f for f in refresh.failures if inputs.get(f.method, frozenset(CATEGORIES)) <= scope.categories)
        return Opened(chart.fresh(found), scope, found, replace(refresh, failures=told))

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

    # ---- consent

    def file_consent(self, patient: str, body: Body, provenance: Body) -> None:
        """Keep a signed consent, or a newer version of one.

        Raises InputError unless its signature is valid and it was drafted on the patient's newest decision: what was
        signed once must not come back after another decision was filed.
        """
        scope = self.house.gate.own_consent(self.actor, patient)
        # The signature first: who may not sign must not learn whether there is such a patient.
        signers = signers_of(body, provenance, self.house.registry.actors.values(), patient)
        if not signers:
            raise NOT_SIGNED
        if not self.house.store.exists(scope):
            raise NOT_RELEASED
        self._check_filed(patient, body, provenance, signers)

        def check() -> None:
            self._check_chain(patient, body, signers)

        changes = [Change("Consent", str(body["id"]), body), Change("Provenance", str(provenance["id"]), provenance)]
        notice = {"notice": "consent"} if signers[0].kind not in OWN else {}
        at = self.house.time()
        self.house.store.commit(scope, changes, at=at, reason="consent", topic=CONSENT, details=notice, check=check)

    def _check_filed(self, patient: str, body: Body, provenance: Body, signers: Sequence[Actor]) -> None:
        """Hold a consent to the form in which it is kept, and a paper to what a witness may vouch for."""
        directive = _check_form(body, provenance, patient)
        witness = signers[0].kind not in OWN
        if witness and directive.dated > self.house.clock() + PRESENT:
            raise InputError("a paper is dated when it was signed, not ahead", where="Consent.dateTime")
        if body["status"] == "active" and (fault := consent.witness_fault(directive.root, directive.dated, signers)):
            raise InputError(fault, remedy="let the patient sign, or a second witness: salus consent countersign")
        for earlier in self.house.store.versions(
            _narrow(self.house.gate.own_consent(self.actor, patient), frozenset({"record"})), f"Consent/{body['id']}"
        ):
            if earlier.body["status"] != "active":
                raise InputError("the consent was revoked before", remedy="give a new one")
            if not witness or not consent.denies(earlier.body):
                continue
            if not self._was_witnessed(patient, earlier.body):
                raise InputError("a denial that the patient signed is ended only by the patient or a proxy")
            if len({a.id for a in signers if a.confirmed}) < 2:
                raise InputError("a denial on paper is ended by two witnesses", remedy="salus consent countersign")

    def _check_chain(self, patient: str, body: Body, signers: Sequence[Actor]) -> None:
        """That a consent was made for this store, this signer, and on the decision that is the newest."""
        binding = binding_of(body)
        house = self.house
        keys = {fingerprint(a.public_key) for a in signers}
        if binding is None or binding.service != house.registry.store_id or binding.key not in keys:
            raise InputError("the consent was not drafted for this store and this key", remedy="draft it anew")
        if binding.previous != house.gate.consent_head(patient):
            raise InputError("another decision was filed since this was drafted", remedy="look at it, and draft anew")

    def _was_witnessed(self, patient: str, body: Body) -> bool:
        reading = _narrow(self.house.gate.own_consent(self.actor, patient), frozenset({"record"}))
        names = [signature_id(body["id"])]
        return any(is_witnessed(s.body) for s in self.house.store.read(reading, ("Provenance",), ids=names))

    def bound(self, patient: str, body: Body) -> dict[str, Any]:
        """A consent bound to this store, the actor's key and the patient's newest decision: ready to be signed."""
        key = fingerprint(self.actor.public_key)
        return bind(body, Binding(self.house.registry.store_id, key, self.house.gate.consent_head(patient)))

    def give_consent(
        self,
        patient: str,
        at: datetime,
        *,
        actors: Sequence[str],
        categories: Sequence[str],
        purposes: Sequence[str] = ("TREAT",),
        until: str | None = None,
    ) -> str:
        """Sign and file a consent that lets ``actors`` read ``categories``. Returns its id."""
        body = self.drafted(patient, at, actors=actors, categories=categories, purposes=purposes, until=until)
        self._sign_and_file(patient, body)
        return str(body["id"])

    def witness(self, body: Body) -> tuple[Body, Body]:
        """A drafted consent with the actor's word that the patient signed it on paper, for a second witness."""
        return body, sign(body, self.identity, self.house.clock(), witnessed=True)

    def countersign(self, patient: str, body: Body, provenance: Body) -> None:
        """File a consent that another witnessed, with the actor's own word added."""
        self.file_consent(patient, body, countersign(body, provenance, self.identity, self.house.clock()))

    def drafted(
        self,
        patient: str,
        at: datetime,
        *,
        actors: Sequence[str],
        categories: Sequence[str],
        purposes: Sequence[str] = ("TREAT",),
        until: str | None = None,
    ) -> dict[str, Any]:
        """A consent that lets ``actors`` read ``categories``, to be signed. Raises InputError."""
        if unknown := [a for a in actors if a not in self.house.registry.actors]:
            raise InputError(f"{unknown[0]!r} is not an actor of this store", remedy="salus actor add")
        body = consent_resource(
            id=str(uuid.uuid4()),
            patient=patient,
            dated=at,
            permit=categories,
            actors=actors,
            purposes=purposes,
            until=_end_of_day(until) if until else None,
        )
        return self.bound(patient, body)

    def _sign_and_file(self, patient: str, body: Body, witnessed: bool = False) -> None:
        self.file_consent(patient, body, sign(body, self.identity, self.house.clock(), witnessed=witnessed))

    def close_to_processing(
        self, patient: str, at: datetime, *, categories: Sequence[str], witnessed: bool = False
    ) -> str:
        """Sign and file a consent that closes ``categories`` to processing. Returns its id."""
        body = self.drafted_closure(patient, at, categories)
        self._sign_and_file(patient, body, witnessed)
        return str(body["id"])

    def drafted_closure(self, patient: str, at: datetime, categories: Sequence[str]) -> dict[str, Any]:
        """A consent that closes ``categories`` to processing, to be signed."""
        body = closure_resource(id=str(uuid.uuid4()), patient=patient, dated=at, categories=categories)
        return self.bound(patient, body)

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
        self._sign_and_file(patient, self.ended(patient, consent_id, witnessed=witnessed), witnessed)

    def ended(self, patient: str, consent_id: str, *, witnessed: bool = False) -> dict[str, Any]:
        """A consent's version that ends it, to be signed. Raises InputError."""
        scope = self.house.gate.own_consent(self.actor, patient)
        if self.actor.kind not in ("patient", "proxy") and not witnessed:
            raise NOT_SIGNED
        reading = _narrow(scope, frozenset({"record"}))
        found = [s.body for s in self.house.store.read(reading, ("Consent",)) if s.body["id"] == consent_id]
        if not found:
            raise InputError("no such consent", remedy="salus consent list")
        return self.bound(patient, {**found[0], "status": "inactive", "dateTime": self.house.time()})

    def accesses(self, patient: str) -> list[Mapping[str, Any]]:
        """Every log entry about the patient, for the patient or a proxy: who looked, who wrote, who was refused.

        Asking is itself an access, decided and logged by the gate. Raises AccessError for everybody else.
        """
        grant = self.house.gate.grant(self.actor, patient, self._purpose(patient))
        if grant.basis != "self":
            raise AccessError("the log of a record is shown to its patient", remedy="--as the patient or a proxy")
        entries = self.house.log.entries(self.house.store.connection, patient=patient)
        return [{"n": e.n, "topic": e.topic, **e.content} for e in entries]

    def proof(self, patient: str, n: int) -> bytes:
        """A proof, to be kept and checked anywhere, that entry ``n`` of the patient's log stands in the house's log."""
        if self.house.gate.grant(self.actor, patient, self._purpose(patient)).basis != "self":
            raise AccessError("proofs of a record are given to its patient", remedy="--as the patient or a proxy")
        house = self.house
        return proof.of_entry(house.store.connection, house.vault, house.log, n, patient)


def _check_form(body: Body, provenance: Body, patient: str) -> consent.Directive:
    """What a consent says, held with its Provenance to the form in which they are kept. Raises InputError."""
    if body.get("resourceType") != "Consent" or not isinstance(body.get("id"), str):
        raise InputError("not a Consent with an id")
    if body.get("status") not in ("active", "inactive"):
        raise InputError("a consent is active or inactive", where="Consent.status")
    directive = consent.parse(f"Consent/{body['id']}", 1, {**body, "status": "active"}, patient)
    if directive is None or (
        provenance.get("resourceType") != "Provenance"
        or provenance.get("id") != signature_id(body["id"])
        or provenance.get("target") != [{"reference": f"Consent/{body['id']}"}]
    ):
        raise InputError("the signature must be a Provenance of this consent, with its id and -signature")
    return directive


def _end_of_day(text: str) -> str:
    """A last day as the last moment of it where this house stands: a date alone would end by UTC."""
    if len(dates.parse(text).text) != len("2026-06-30"):
        return text
    return datetime.combine(datetime.fromisoformat(text), time(23, 59, 59)).astimezone().isoformat()


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
