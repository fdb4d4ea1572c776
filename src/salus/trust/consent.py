"""Consent: what a patient allows whom, as a signed FHIR R4 Consent, and the decision that follows from it.

Within one consent a nested provision is an exception to the one around it and deny overrides permit. Between
consents that speak of the same request the newest wins, and on a tie deny. Whatever cannot be understood or whose
signature fails decides nothing: the answer is then no.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from salus.errors import InputError
from salus.fhir import dates, json
from salus.fhir.dates import Span
from salus.fhir.views import CATEGORIES, Body
from salus.trust.identity import Actor, Identity, verify_signature

ACTOR_SYSTEM = "urn:salus:actor"
CATEGORY_SYSTEM = "urn:salus:category"
ACTION_SYSTEM = "urn:salus:action"
PURPOSE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
SIGNATURE_FORMAT = "application/x-ed25519"
WITNESSED = "urn:salus:witnessed-paper"

Answer = Literal["permit", "deny"]
Action = Literal["read", "process"]
"""``read``: somebody sees the data. ``process``: the house computes findings from them."""


@dataclass(frozen=True, slots=True)
class Provision:
    """One rule. An empty set means "any"."""

    type: Answer
    actors: frozenset[str]
    purposes: frozenset[str]
    categories: frozenset[str]
    actions: frozenset[str]
    period: tuple[Span | None, Span | None]
    nested: tuple[Provision, ...] = ()


@dataclass(frozen=True, slots=True)
class Directive:
    """A consent in force: signed, understood, active."""

    ref: str
    version: int
    dated: datetime
    root: Provision


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants to do what, why, with which kind of data, when."""

    actor: str
    purpose: str
    category: str
    action: Action
    at: datetime


def consent_resource(
    *,
    id: str,
    patient: str,
    dated: datetime,
    permit: Iterable[str],
    actors: Iterable[str],
    purposes: Iterable[str] = ("TREAT",),
    until: str | None = None,
) -> dict[str, Any]:
    """A FHIR Consent that permits ``actors`` to read data of the categories ``permit`` for ``purposes``."""
    period = {"start": dates.write(dated), **({"end": until} if until else {})}
    root: dict[str, Any] = {
        "type": "permit",
        "period": period,
        "actor": [
            {
                "role": _concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP"),
                "reference": {"identifier": {"system": ACTOR_SYSTEM, "value": actor}},
            }
            for actor in sorted(actors)
        ],
        "action": [_concept(ACTION_SYSTEM, "read")],
        "purpose": [{"system": PURPOSE_SYSTEM, "code": p} for p in sorted(purposes)],
        "class": _classes(sorted(permit)),
    }
    return _resource(id, patient, dated, root)


def closure_resource(*, id: str, patient: str, dated: datetime, categories: Iterable[str]) -> dict[str, Any]:
    """A FHIR Consent that closes ``categories`` to processing: nothing is computed from them."""
    root = {
        "type": "deny",
        "period": {"start": dates.write(dated)},
        "action": [_concept(ACTION_SYSTEM, "process")],
        "class": _classes(sorted(categories)),
    }
    return _resource(id, patient, dated, root)


def _resource(id: str, patient: str, dated: datetime, root: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "id": id,
        "status": "active",
        "scope": _concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [_concept("http://loinc.org", "59284-0")],
        "patient": {"reference": f"Patient/{patient}"},
        "dateTime": dates.write(dated),
        "policyRule": _concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN"),
        "provision": root,
    }


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _classes(categories: Iterable[str]) -> list[dict[str, str]]:
    return [{"system": CATEGORY_SYSTEM, "code": c} for c in categories]


def signed_bytes(consent: Body) -> bytes:
    """What is signed: the Consent without ``meta``, as canonical JSON."""
    return json.dumps({k: v for k, v in consent.items() if k != "meta"}, canonical=True)


def sign(consent: Body, signer: Identity, at: datetime, *, witnessed: bool = False) -> dict[str, Any]:
    """A Provenance with ``signer``'s signature over ``consent``.

    ``witnessed``: the signer is staff and vouches for a signature on paper.
    """
    who = {"identifier": {"system": ACTOR_SYSTEM, "value": signer.id}}
    proof = {
        "type": [{"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1"}],
        "when": dates.write(at),
        "who": who,
        "sigFormat": SIGNATURE_FORMAT,
        "data": base64.b64encode(signer.sign(signed_bytes(consent))).decode("ascii"),
    }
    agent: dict[str, Any] = {"who": who}
    if witnessed:
        agent["type"] = _concept(WITNESSED, "witness")
    return {
        "resourceType": "Provenance",
        "id": f"{consent['id']}-signature",
        "target": [{"reference": f"Consent/{consent['id']}"}],
        "recorded": dates.write(at),
        "agent": [agent],
        "signature": [proof],
    }


def signer_of(consent: Body, provenance: Body, actors: Mapping[str, Actor], patient: str) -> Actor | None:
    """Who validly signed ``consent`` for ``patient``: the patient, a proxy, or witnessing staff; else None."""
    witnessed = any(
        c.get("system") == WITNESSED for a in provenance.get("agent", ()) for c in a.get("type", {}).get("coding", ())
    )
    for signature in provenance.get("signature", ()):
        actor = actors.get(signature.get("who", {}).get("identifier", {}).get("value", ""))
        if actor is None or signature.get("sigFormat") != SIGNATURE_FORMAT:
            continue
        own = actor.kind in ("patient", "proxy") and actor.patient == patient
        staff = witnessed and actor.kind in ("practitioner", "operator")
        try:
            data = base64.b64decode(signature.get("data", ""), validate=True)
        except ValueError:
            continue
        if (own or staff) and verify_signature(actor.public_key, data, signed_bytes(consent)):
            return actor
    return None


def directives(
    consents: Iterable[tuple[str, int, Body]], provenances: Sequence[Body], actors: Mapping[str, Actor], patient: str
) -> tuple[list[Directive], list[tuple[str, str]]]:
    """The consents in force, and for every other one its reference and why it decides nothing.

    ``consents`` are (reference, version, body).
    """
    good, ignored = [], []
    for ref, version, body in consents:
        proofs = [p for p in provenances if any(t.get("reference") == ref for t in p.get("target", ()))]
        if not any(signer_of(body, proof, actors, patient) for proof in proofs):
            ignored.append((ref, "not signed by the patient, a proxy or witnessing staff"))
            continue
        try:
            directive = parse(ref, version, body, patient)
        except InputError as error:
            ignored.append((ref, str(error)))
            continue
        if directive:
            good.append(directive)
        else:
            ignored.append((ref, "not active"))
    return good, ignored


def parse(ref: str, version: int, body: Body, patient: str) -> Directive | None:
    """Read a Consent. None when it is not active; InputError when it cannot be understood in full."""
    if body.get("status") != "active":
        return None
    if body.get("patient", {}).get("reference") != f"Patient/{patient}":
        raise InputError("the consent names another patient", where="Consent.patient")
    if body.get("modifierExtension"):
        raise InputError("an extension that changes its meaning is not known", where="Consent.modifierExtension")
    dated = body.get("dateTime")
    if not isinstance(dated, str):
        raise InputError("the consent has no date", where="Consent.dateTime")
    return Directive(ref, version, dates.instant(dated), _provision(body.get("provision"), "Consent.provision"))


_PROVISION_MEMBERS = frozenset(
    {"type", "period", "actor", "action", "purpose", "class", "provision", "id", "extension"}
)


def _provision(element: Any, where: str, depth: int = 0) -> Provision:
    if not isinstance(element, dict) or depth > 4:
        raise InputError("no rule that can be read", where=where)
    unknown = set(element) - _PROVISION_MEMBERS
    if unknown or element.get("extension"):
        raise InputError(f"a condition that salus does not know: {sorted(unknown or {'extension'})[0]}", where=where)
    if element.get("type") not in ("permit", "deny"):
        raise InputError("neither permit nor deny", where=f"{where}.type")
    categories = {c.get("code") for c in element.get("class", ()) if c.get("system") == CATEGORY_SYSTEM}
    if len(categories) != len(element.get("class", ())) or not categories <= set(CATEGORIES):
        raise InputError("a class of data that salus does not know", where=f"{where}.class")
    actors = {a.get("reference", {}).get("identifier", {}).get("value") for a in element.get("actor", ())}
    if None in actors:
        raise InputError("an actor without identifier", where=f"{where}.actor")
    actions = {c.get("code") for a in element.get("action", ()) for c in a.get("coding", ())}
    if not actions <= {"read", "process"}:
        raise InputError("an action that salus does not know", where=f"{where}.action")
    period = element.get("period", {})
    return Provision(
        type=element["type"],
        actors=frozenset(actors),
        purposes=frozenset(p.get("code", "") for p in element.get("purpose", ())),
        categories=frozenset(categories),
        actions=frozenset(actions),
        period=tuple(dates.parse(period[k]) if k in period else None for k in ("start", "end")),  # type: ignore[arg-type]
        nested=tuple(_provision(p, f"{where}.provision", depth + 1) for p in element.get("provision", ())),
    )


def decide(found: Sequence[Directive], request: Request) -> tuple[Answer | None, Directive | None]:
    """The answer of the newest directive that speaks of ``request``, with that directive; (None, None) if none does."""
    answers = [(d, answer) for d in found if (answer := _answer(d.root, request)) and d.dated <= request.at]
    if not answers:
        return None, None
    newest = max(d.dated for d, _ in answers)
    latest = [(d, a) for d, a in answers if d.dated == newest]
    directive, answer = next(((d, a) for d, a in latest if a == "deny"), latest[0])
    return answer, directive


def _answer(provision: Provision, request: Request) -> Answer | None:
    """None where the provision does not speak of the request; else its exceptions (deny first), else itself."""
    if not _applies(provision, request):
        return None
    answers = {a for p in provision.nested if (a := _answer(p, request))}
    if "deny" in answers:
        return "deny"
    return "permit" if "permit" in answers else provision.type


def _applies(provision: Provision, request: Request) -> bool:
    start, end = provision.period
    return (
        (not provision.actors or request.actor in provision.actors)
        and (not provision.purposes or request.purpose in provision.purposes)
        and (not provision.categories or request.category in provision.categories)
        and (not provision.actions or request.action in provision.actions)
        and (start is None or start.start <= request.at)
        and (end is None or request.at < end.end)
    )
