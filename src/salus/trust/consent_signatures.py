"""Signatures of consents: Provenances with Ed25519 signatures of the patient, a proxy, or staff who witness a paper."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from salus.fhir import dates
from salus.fhir.views import Body, codings, dicts
from salus.trust.consent_drafts import concept, signed_bytes
from salus.trust.consent_forms import ACTOR_SYSTEM
from salus.trust.identity import Actor, Identity, verify_signature

SIGNATURE_FORMAT = "application/x-ed25519"
WITNESSED = "urn:salus:witnessed-paper"
OWN = ("patient", "proxy")
"""Kinds of actor who decide for a patient."""
STAFF = ("practitioner", "operator")
"""Kinds of actor who may witness a paper."""
_LARGEST = 8
"""How many signatures of one consent are looked at."""


def signature_id(consent_id: str) -> str:
    """The id of the Provenance that holds the signatures of a Consent."""
    return f"{consent_id}-signature"


def signature_ref(consent_ref: str) -> str:
    """Reference of the Provenance that holds the signatures of a Consent."""
    return f"Provenance/{signature_id(consent_ref.partition('/')[2])}"


def is_paper(ref: str) -> bool:
    """True for references to consents, and to what holds their signatures."""
    kind, _, name = ref.partition("/")
    return kind == "Consent" or (kind == "Provenance" and name.endswith(signature_id("")))


def sign(consent: Body, signer: Identity, at: datetime, *, witnessed: bool = False) -> dict[str, Any]:
    """A Provenance with ``signer``'s signature over ``consent``.

    ``witnessed``: the signer is staff and vouches for a signature on paper.
    """
    return signed_by(consent, signer.id, signer.sign(signed_bytes(consent)), at, witnessed=witnessed)


def signed_by(consent: Body, signer: str, signature: bytes, at: datetime, *, witnessed: bool = False) -> dict[str, Any]:
    """A Provenance with a signature that was made elsewhere. It is not checked here; :func:`signers_of` checks it."""
    return {
        "resourceType": "Provenance",
        "id": signature_id(str(consent["id"])),
        "target": [{"reference": f"Consent/{consent['id']}"}],
        "recorded": dates.write(at),
        "agent": [_agent(signer, witnessed)],
        "signature": [_signature(signer, signature, at)],
    }


def countersign(consent: Body, provenance: Body, second: Identity, at: datetime) -> dict[str, Any]:
    """The Provenance with the signature of a second witness added."""
    signature = _signature(second.id, second.sign(signed_bytes(consent)), at)
    return {
        **provenance,
        "agent": [*dicts(provenance.get("agent")), _agent(second.id, witnessed=True)],
        "signature": [*dicts(provenance.get("signature")), signature],
    }


def _who(name: str) -> dict[str, Any]:
    return {"identifier": {"system": ACTOR_SYSTEM, "value": name}}


def _agent(name: str, witnessed: bool) -> dict[str, Any]:
    return {"who": _who(name), **({"type": concept(WITNESSED, "witness")} if witnessed else {})}


def _signature(name: str, raw: bytes, at: datetime) -> dict[str, Any]:
    return {
        "type": [{"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1"}],
        "when": dates.write(at),
        "who": _who(name),
        "sigFormat": SIGNATURE_FORMAT,
        "data": base64.b64encode(raw).decode("ascii"),
    }


def is_witnessed(provenance: Body) -> bool:
    """True when a signer says that he vouches for a signature on paper."""
    agents = dicts(provenance.get("agent"))
    return any(code.system == WITNESSED for agent in agents for code in codings(agent.get("type")))


def signers_of(consent: Body, provenance: Body, actors: Mapping[str, Actor], patient: str) -> tuple[Actor, ...]:
    """Who validly signed ``consent`` for ``patient``: the patient or a proxy alone, or the staff who witnessed it.

    ``actors`` are all who were ever enrolled, by name: what was signed stays signed when its signer leaves. Each
    actor and each key counts once.
    """
    witnessed = is_witnessed(provenance)
    data = signed_bytes(consent)
    found: dict[bytes, Actor] = {}
    for name, raw in _claims(provenance):
        actor = actors.get(name)
        if actor is None:
            continue
        own = actor.kind in OWN and actor.patient == patient
        staff = witnessed and actor.kind in STAFF
        if (own or staff) and verify_signature(actor.public_key, raw, data):
            found.setdefault(actor.public_key, actor)
    own_signers = tuple(a for a in found.values() if a.kind in OWN)
    return own_signers[:1] or tuple(found.values())


def _claims(provenance: Body) -> Iterable[tuple[str, bytes]]:
    """The name and the bytes of every signature that can be read."""
    for signature in dicts(provenance.get("signature"))[:_LARGEST]:
        data = signature.get("data")
        identifiers = [i for who in dicts([signature.get("who")]) for i in dicts([who.get("identifier")])]
        name = identifiers[0].get("value") if identifiers else None
        if signature.get("sigFormat") != SIGNATURE_FORMAT or not isinstance(data, str) or not isinstance(name, str):
            continue
        try:
            yield name, base64.b64decode(data, validate=True)
        except ValueError:  # not base64: no signature
            continue
