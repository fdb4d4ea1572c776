"""Consents in a session: drafted, signed where the key is, filed, ended; by the patient, a proxy, or on paper."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

from salus.app.house import House
from salus.errors import AccessError, InputError
from salus.fhir import dates
from salus.fhir.views import Body
from salus.record.store import Change
from salus.trust import consent
from salus.trust.consent_drafts import (
    Binding,
    bind,
    binding_of,
    closure_resource,
    consent_resource,
    denial_resource,
)
from salus.trust.consent_forms import ACTOR_SYSTEM
from salus.trust.consent_signatures import OWN, countersign, is_witnessed, sign, signature_id, signers_of
from salus.trust.datatypes import identifier
from salus.trust.grants import Grant
from salus.trust.identity import Actor, Identity
from salus.trust.log import CONSENT
from salus.trust.provisions import WithheldAs
from salus.trust.vault import fingerprint

Shown = WithheldAs
"""What readers see of what is withheld from them: nothing ("hidden"), that something is, or a severe conflict only."""
PRESENT = timedelta(minutes=10)
"""How far from the clock a moment still counts as now."""


def _not_signed() -> InputError:
    """The answer to a consent without a valid signature."""
    return InputError("the consent is not signed by the patient, a proxy or witnessing staff")


class Consents:
    """What an actor may do about a patient's consents; the part of a session that has to do with them."""

    house: House
    actor: Actor
    _identity: Identity | None

    @property
    def identity(self) -> Identity:
        """The actor's identity, which signs. Raises AccessError in a session that was opened without the key."""
        if self._identity is None:
            raise AccessError("this needs the actor's private key", remedy="sign where the key is, and file the result")
        return self._identity

    def file_consent(self, patient: str, body: Body, provenance: Body) -> None:
        """Keep a signed consent, or a newer version of one.

        Raises InputError unless its signature is valid and it was drafted on the patient's newest decision: what was
        signed once must not come back after another decision was filed.
        """
        scope = self.house.gate.own_consent(self.actor, patient)
        # The signature first: who may not sign must not learn whether there is such a patient.
        signers = signers_of(body, provenance, self.house.registry.actors, patient)
        if not signers:
            raise _not_signed()
        self._check_form(patient, body, provenance, signers)
        if not self.house.store.exists(scope):
            raise self.house.gate.refuse(self.actor, patient, "consent")
        self._check_earlier(patient, body, signers)

        def check() -> None:
            self._check_chain(patient, body, signers)

        changes = [Change("Consent", str(body["id"]), body), Change("Provenance", str(provenance["id"]), provenance)]
        notice = {"notice": "consent"} if signers[0].kind not in OWN else {}
        self.house.commit(scope, changes, reason="consent", topic=CONSENT, details=notice, check=check)

    def _check_form(self, patient: str, body: Body, provenance: Body, signers: Sequence[Actor]) -> None:
        """Raise InputError unless a consent has the form that is kept.

        A paper must say only what a witness may vouch for. The record is not looked at for this: the answer tells
        nothing of it.
        """
        directive = _check_form(body, provenance, patient)
        known = {identifier(ACTOR_SYSTEM, name) for name in self.house.registry.ever}
        if consent.actors_in(directive) - known:
            raise InputError("it names somebody who is no actor of this store", where="Consent.provision.actor")
        witness = signers[0].kind not in OWN
        if witness and directive.dated > self.house.clock() + PRESENT:
            raise InputError("a paper is dated when it was signed, not ahead", where="Consent.dateTime")
        if body["status"] == "active" and (fault := consent.witness_fault(directive, signers)):
            raise InputError(fault, remedy="let the patient sign, or a second witness: salus consent countersign")

    def _check_earlier(self, patient: str, body: Body, signers: Sequence[Actor]) -> None:
        """Raise InputError unless these signers may replace the version before.

        The error says something about that version. So a refusal leaves an entry in the patient's log, as a look does.
        """
        for earlier in self.house.store.versions(self._reading(patient), f"Consent/{body['id']}"):
            if fault := self._replacing_fault(patient, earlier.body, signers):
                self.house.gate.note_consent_read(self.actor, patient, str(body["id"]))
                raise fault

    def _replacing_fault(self, patient: str, earlier: Body, signers: Sequence[Actor]) -> InputError | None:
        """Why these signers may not replace an earlier version of a consent; None where they may."""
        if earlier["status"] != "active":
            return InputError("the consent was revoked before", remedy="give a new one")
        if signers[0].kind in OWN or not consent.denies(earlier):
            return None
        if not self._was_witnessed(patient, earlier):
            return InputError("a denial that the patient signed is ended only by the patient or a proxy")
        if len({a.id for a in signers if a.confirmed}) < 2:
            return InputError("a denial on paper is ended by two witnesses", remedy="salus consent countersign")
        return None

    def _check_chain(self, patient: str, body: Body, signers: Sequence[Actor]) -> None:
        """Raise InputError unless a consent was made for this store, by this signer, and on the newest decision."""
        binding = binding_of(body)
        house = self.house
        keys = {fingerprint(a.public_key) for a in signers}
        if binding is None or binding.service != house.registry.store_id or binding.key not in keys:
            raise InputError("the consent was not drafted for this store and this key", remedy="draft it anew")
        if not house.gate.is_head(patient, binding.previous):
            raise InputError("another decision was filed since this was drafted", remedy="look at it, and draft anew")

    def _was_witnessed(self, patient: str, body: Body) -> bool:
        names = [signature_id(body["id"])]
        found = self.house.store.read(self._reading(patient), ("Provenance",), ids=names)
        return any(is_witnessed(s.body) for s in found)

    def _reading(self, patient: str) -> Grant:
        """The read-only scope in which the patient's earlier consents are read; it writes no log entry."""
        return self.house.gate.earlier_consents(self.actor, patient)

    def bound(self, patient: str, body: Body) -> dict[str, Any]:
        """A consent bound to this store, the actor's key and the patient's newest decision: ready to be signed."""
        key = fingerprint(self.actor.public_key)
        head = self.house.gate.consent_head(patient, sealed=self.actor.kind not in OWN)
        return bind(body, Binding(self.house.registry.store_id, key, head))

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
        return self._sign_and_file(patient, body)

    def witness(self, body: Body) -> tuple[Body, Body]:
        """A drafted consent that the actor witnessed on paper, signed by the actor. A second witness has to follow."""
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
        self._check_known(actors)
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

    def _sign_and_file(self, patient: str, body: Body, witnessed: bool = False) -> str:
        self.file_consent(patient, body, sign(body, self.identity, self.house.clock(), witnessed=witnessed))
        return str(body["id"])

    def close_to_processing(
        self, patient: str, at: datetime, *, categories: Sequence[str], witnessed: bool = False
    ) -> str:
        """Sign and file a consent that closes ``categories`` to processing. Returns its id."""
        body = self.drafted_closure(patient, at, categories)
        return self._sign_and_file(patient, body, witnessed)

    def drafted_closure(self, patient: str, at: datetime, categories: Sequence[str]) -> dict[str, Any]:
        """A consent that closes ``categories`` to processing, to be signed."""
        body = closure_resource(id=str(uuid.uuid4()), patient=patient, dated=at, categories=categories)
        return self.bound(patient, body)

    def withhold(
        self,
        patient: str,
        at: datetime,
        *,
        categories: Sequence[str],
        actors: Sequence[str] = (),
        shown: Shown = "hidden",
        witnessed: bool = False,
    ) -> str:
        """Sign and file a consent that keeps ``actors`` (everybody) from reading ``categories``. Returns its id."""
        body = self.drafted_denial(patient, at, categories=categories, actors=actors, shown=shown)
        return self._sign_and_file(patient, body, witnessed)

    def drafted_denial(
        self,
        patient: str,
        at: datetime,
        *,
        categories: Sequence[str],
        actors: Sequence[str] = (),
        shown: Shown = "hidden",
    ) -> dict[str, Any]:
        """A consent that keeps ``actors``, or everybody, from reading ``categories``, to be signed.

        Raises InputError.
        """
        self._check_known(actors)
        name = str(uuid.uuid4())
        body = denial_resource(id=name, patient=patient, dated=at, categories=categories, actors=actors, shown=shown)
        return self.bound(patient, body)

    def _check_known(self, actors: Sequence[str]) -> None:
        if unknown := [a for a in actors if a not in self.house.registry.actors]:
            raise InputError(f"{unknown[0]!r} is not an actor of this store", remedy="salus actor add")

    def revoke(self, patient: str, consent_id: str, *, witnessed: bool = False) -> None:
        """End a consent: a new version of it with status inactive, signed like the first."""
        self._sign_and_file(patient, self._ended(patient, consent_id, witnessed, filing=True), witnessed)

    def ended(self, patient: str, consent_id: str, *, witnessed: bool = False) -> dict[str, Any]:
        """A consent's version that ends it, to be signed. The patient's log says that the actor read the consent.

        For the patient, proxies, and operators who vouch for a paper (``witnessed``). Raises InputError, to other staff
        AccessError; staff get the same AccessError where there is no such consent.
        """
        return self._ended(patient, consent_id, witnessed, filing=False)

    def _ended(self, patient: str, consent_id: str, witnessed: bool, *, filing: bool) -> dict[str, Any]:
        """As :meth:`ended`. ``filing``: it is filed at once; the entry of that is enough for the patient's side."""
        gate, own = self.house.gate, self.actor.kind in OWN
        if not own and not witnessed:
            raise _not_signed()
        if not own and self.actor.kind != "operator":
            raise gate.refuse(self.actor, patient, "consent")  # for lost keys there are registrars
        reading = self._reading(patient)
        known = self.house.store.exists(reading)
        found = self.house.store.read(reading, ("Consent",), ids=[consent_id]) if known else []
        if not found:
            raise (
                InputError("no such consent", remedy="salus consent list")
                if own
                else gate.refuse(self.actor, patient, "consent")
            )
        if not own or not filing:
            gate.note_consent_read(self.actor, patient, consent_id)
        return self.bound(patient, {**found[0].body, "status": "inactive", "dateTime": self.house.time()})


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
    """A last day as its last moment by this machine's clock; a date alone would end by UTC."""
    if len(dates.parse(text).text) != len("2026-06-30"):
        return text
    return datetime.combine(datetime.fromisoformat(text), time(23, 59, 59)).astimezone().isoformat()
