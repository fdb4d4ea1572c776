"""Consent: what a patient allows whom, as a signed FHIR R4 Consent, and the decision that follows from it.

Within one consent a nested provision is an exception to the one around it and deny overrides permit. Between
consents that speak of the same request the newest wins, and on a tie deny. Whatever cannot be understood or whose
signature fails decides nothing: the answer is then no.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from salus.errors import InputError
from salus.fhir import dates, json
from salus.fhir.dates import Span
from salus.fhir.views import CATEGORIES, Body, codings, dicts
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
    witnessed: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What a patient's consents amount to.

    ``ignored`` are (reference, why) of those that decide nothing. ``opaque`` is true when one of them is signed and
    active but cannot be understood: it may be a denial, so nothing but consent opens anything then.
    """

    directives: tuple[Directive, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    opaque: bool = False


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
    if until and dates.parse(until).end <= dated:
        raise InputError("the consent would end before it begins", where="until")
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


def signature_id(consent_id: str) -> str:
    """The id of the Provenance that holds the signature of a Consent."""
    return f"{consent_id}-signature"


def sign(consent: Body, signer: Identity, at: datetime, *, witnessed: bool = False) -> dict[str, Any]:
    """A Provenance with ``signer``'s signature over ``consent``.

    ``witnessed``: the signer is staff and vouches for a signature on paper.
    """
    return signed_by(consent, signer.id, signer.sign(signed_bytes(consent)), at, witnessed=witnessed)


def signed_by(consent: Body, signer: str, signature: bytes, at: datetime, *, witnessed: bool = False) -> dict[str, Any]:
    """A Provenance with a signature that was made elsewhere; whether it is good, :func:`signer_of` tells."""
    who = {"identifier": {"system": ACTOR_SYSTEM, "value": signer}}
    proof = {
        "type": [{"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1"}],
        "when": dates.write(at),
        "who": who,
        "sigFormat": SIGNATURE_FORMAT,
        "data": base64.b64encode(signature).decode("ascii"),
    }
    agent: dict[str, Any] = {"who": who}
    if witnessed:
        agent["type"] = _concept(WITNESSED, "witness")
    return {
        "resourceType": "Provenance",
        "id": signature_id(str(consent["id"])),
        "target": [{"reference": f"Consent/{consent['id']}"}],
        "recorded": dates.write(at),
        "agent": [agent],
        "signature": [proof],
    }


def is_witnessed(provenance: Body) -> bool:
    """True when the signer says that he vouches for a signature on paper."""
    agents = dicts(provenance.get("agent"))
    return any(code.system == WITNESSED for agent in agents for code in codings(agent.get("type")))


def signer_of(consent: Body, provenance: Body, actors: Iterable[Actor], patient: str) -> Actor | None:
    """Who validly signed ``consent`` for ``patient``: the patient, a proxy, or witnessing staff; else None.

    ``actors`` are all who were ever enrolled: what was signed stays signed when its signer leaves.
    """
    witnessed = is_witnessed(provenance)
    for signature in dicts(provenance.get("signature")):
        data = signature.get("data")
        identifiers = [i for who in dicts([signature.get("who")]) for i in dicts([who.get("identifier")])]
        name = identifiers[0].get("value") if identifiers else None
        if signature.get("sigFormat") != SIGNATURE_FORMAT or not isinstance(data, str):
            continue
        try:
            raw = base64.b64decode(data, validate=True)
        except ValueError:
            continue
        for actor in actors:
            own = actor.kind in ("patient", "proxy") and actor.patient == patient
            staff = witnessed and actor.kind in ("practitioner", "operator")
            if actor.id == name and (own or staff) and verify_signature(actor.public_key, raw, signed_bytes(consent)):
                return actor
    return None


def standing(
    consents: Iterable[tuple[str, int, Body]], provenances: Mapping[str, Body], actors: Sequence[Actor], patient: str
) -> Standing:
    """What the patient's consents amount to.

    ``consents`` are (reference, version, body), ``provenances`` the Provenance with the signature, by reference.
    """
    good: list[Directive] = []
    ignored: list[tuple[str, str]] = []
    opaque = False
    for ref, version, body in consents:
        proof = provenances.get(ref, {})
        signer = signer_of(body, proof, actors, patient)
        if signer is None:
            ignored.append((ref, "not signed by the patient, a proxy or witnessing staff"))
            continue
        try:
            directive = parse(ref, version, body, patient)
        except InputError as error:
            opaque = True
            ignored.append((ref, str(error)))
            continue
        if directive:
            good.append(replace(directive, witnessed=signer.kind not in ("patient", "proxy")))
        else:
            ignored.append((ref, "revoked"))
    return Standing(tuple(good), tuple(ignored), opaque)


def parse(ref: str, version: int, body: Body, patient: str) -> Directive | None:
    """Read a Consent. None when it is not active; InputError when it cannot be understood in full."""
    if body.get("resourceType") != "Consent":
        raise InputError("not a Consent", where="resourceType")
    if body.get("status") != "active":
        return None
    if body.get("patient") != {"reference": f"Patient/{patient}"}:
        raise InputError("the consent names another patient", where="Consent.patient")
    if body.get("modifierExtension"):
        raise InputError("an extension that changes its meaning is not known", where="Consent.modifierExtension")
    dated = body.get("dateTime")
    if not isinstance(dated, str):
        raise InputError("the consent has no date", where="Consent.dateTime")
    return Directive(ref, version, dates.instant(dated), _provision(body.get("provision"), "Consent.provision"))


def permitted_actors(body: Body) -> frozenset[str]:
    """Every actor named anywhere in the provisions of a Consent."""
    found: set[str] = set()
    waiting = [body.get("provision")]
    while waiting:
        element = waiting.pop()
        if isinstance(element, dict):
            found |= {str(_value_of(a)) for a in dicts(element.get("actor"))}
            waiting.extend(dicts(element.get("provision")))
    return frozenset(found)


def denies(body: Body) -> bool:
    """True when any provision of a Consent is a denial."""
    waiting = [body.get("provision")]
    while waiting:
        element = waiting.pop()
        if isinstance(element, dict):
            if element.get("type") == "deny":
                return True
            waiting.extend(dicts(element.get("provision")))
    return False


def _value_of(actor: Mapping[str, Any]) -> Any:
    reference = actor.get("reference")
    identifier = reference.get("identifier") if isinstance(reference, dict) else None
    known = isinstance(identifier, dict) and identifier.get("system") == ACTOR_SYSTEM
    return identifier.get("value") if known and isinstance(identifier, dict) else None


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
    actors = {_value_of(a) for a in _list(element, "actor", where)}
    if not all(isinstance(a, str) and a for a in actors):
        raise InputError("an actor without an identifier of this house", where=f"{where}.actor")
    concepts = [code for action in _list(element, "action", where) for code in codings(action)]
    return Provision(
        type=element["type"],
        actors=frozenset(str(a) for a in actors),
        purposes=_coded(_list(element, "purpose", where), PURPOSE_SYSTEM, None, f"{where}.purpose"),
        categories=_coded(_list(element, "class", where), CATEGORY_SYSTEM, CATEGORIES, f"{where}.class"),
        actions=_coded(
            [{"system": c.system, "code": c.code} for c in concepts] or _list(element, "action", where),
            ACTION_SYSTEM,
            ("read", "process"),
            f"{where}.action",
        ),
        period=_period(element.get("period", {}), f"{where}.period"),
        nested=tuple(_provision(p, f"{where}.provision", depth + 1) for p in _list(element, "provision", where)),
    )


def _list(element: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    """A list of objects; absent is empty. Anything else is not understood."""
    value = element.get(key, [])
    if (
        not isinstance(value, list)
        or not all(isinstance(item, dict) for item in value)
        or (key in element and not value)
    ):
        raise InputError("not a list of objects", where=f"{where}.{key}")
    return value


def _coded(items: Sequence[Mapping[str, Any]], system: str, known: Sequence[str] | None, where: str) -> frozenset[str]:
    codes = [item.get("code") if item.get("system") == system else None for item in items]
    if not all(isinstance(code, str) and code and (known is None or code in known) for code in codes):
        raise InputError("a code that salus does not know", where=where)
    return frozenset(str(code) for code in codes)


def _period(element: Any, where: str) -> tuple[Span | None, Span | None]:
    if not isinstance(element, dict) or set(element) - {"start", "end"}:
        raise InputError("not a period", where=where)
    start, end = (dates.parse(element[k]) if k in element else None for k in ("start", "end"))
    return start, end


def decide(found: Sequence[Directive], request: Request) -> tuple[Answer | None, Directive | None]:
    """The answer of the newest directive that speaks of ``request``, with that directive; (None, None) if none does.

    What staff witnessed never overrides a denial that the patient or a proxy signed.
    """
    answers = [(d, answer) for d in found if (answer := _answer(d.root, request)) and d.dated <= request.at]
    own_denial = next((d for d, a in answers if a == "deny" and not d.witnessed), None)
    own_newest = max((d.dated for d, _ in answers if not d.witnessed), default=None)
    if not answers:
        return None, None
    newest = max(d.dated for d, _ in answers)
    latest = [(d, a) for d, a in answers if d.dated == newest]
    directive, answer = next(((d, a) for d, a in latest if a == "deny"), latest[0])
    if answer == "permit" and directive.witnessed and own_denial is not None and own_denial.dated == own_newest:
        return "deny", own_denial
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
