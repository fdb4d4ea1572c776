"""Consents before they are signed: FHIR R4 Consents that salus writes, and what binds each to one store, key and
moment.

The signed bytes name the service, the signer's key and the consent that was the patient's newest at that time. So a
consent that was drafted before another decision was filed is refused, and so is one that was made for another service.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from salus.errors import InputError
from salus.fhir import dates, json
from salus.fhir.views import Body, dicts
from salus.trust.consent_forms import (
    ACTION_SYSTEM,
    ACTOR_SYSTEM,
    CATEGORY_SYSTEM,
    PURPOSE_SYSTEM,
    ROLE_SYSTEM,
    WITHHELD_AS,
)
from salus.trust.provisions import WithheldAs

RECIPIENT = "IRCP"
"""The role in which an actor is let in: information recipient (HL7 ParticipationType)."""
BINDING = "urn:salus:consent-binding"


@dataclass(frozen=True, slots=True)
class Binding:
    """What a consent was drafted for: the store, the fingerprint of a signer's key, and the digest of the consent
    before it."""

    service: str
    key: str
    previous: str


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
        "actor": [_actor(actor) for actor in sorted(actors)],
        "action": [concept(ACTION_SYSTEM, "read")],
        "purpose": [{"system": PURPOSE_SYSTEM, "code": p} for p in sorted(purposes)],
        "class": _classes(sorted(permit)),
    }
    return _resource(id, patient, dated, root)


def closure_resource(*, id: str, patient: str, dated: datetime, categories: Iterable[str]) -> dict[str, Any]:
    """A FHIR Consent that closes ``categories`` to processing: nothing is computed from them."""
    root = {
        "type": "deny",
        "period": {"start": dates.write(dated)},
        "action": [concept(ACTION_SYSTEM, "process")],
        "class": _classes(sorted(categories)),
    }
    return _resource(id, patient, dated, root)


def denial_resource(
    *,
    id: str,
    patient: str,
    dated: datetime,
    categories: Iterable[str],
    actors: Iterable[str] = (),
    shown: WithheldAs = "hidden",
) -> dict[str, Any]:
    """A FHIR Consent that keeps ``actors``, or everybody where none is named, from reading ``categories``.

    ``shown`` says what those whom it keeps out learn of that.
    """
    named = [_actor(actor) for actor in sorted(actors)]
    root: dict[str, Any] = {
        **({} if shown == "hidden" else {"extension": [{"url": WITHHELD_AS, "valueCode": shown}]}),
        "type": "deny",
        "period": {"start": dates.write(dated)},
        **({"actor": named} if named else {}),
        "action": [concept(ACTION_SYSTEM, "read")],
        "class": _classes(sorted(categories)),
    }
    return _resource(id, patient, dated, root)


def _actor(name: str) -> dict[str, Any]:
    return {
        "role": concept(ROLE_SYSTEM, RECIPIENT),
        "reference": {"identifier": {"system": ACTOR_SYSTEM, "value": name}},
    }


def _resource(id: str, patient: str, dated: datetime, root: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "id": id,
        "status": "active",
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [concept("http://loinc.org", "59284-0")],
        "patient": {"reference": f"Patient/{patient}"},
        "dateTime": dates.write(dated),
        "policyRule": concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN"),
        "provision": root,
    }


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _classes(categories: Iterable[str]) -> list[dict[str, str]]:
    return [{"system": CATEGORY_SYSTEM, "code": c} for c in categories]


def signed_bytes(consent: Body) -> bytes:
    """What is signed: the Consent without ``meta``, as canonical JSON."""
    return json.dumps({k: v for k, v in consent.items() if k != "meta"}, canonical=True)


def digest(consent: Body) -> str:
    """SHA-256 of what is signed, in hex. The next consent names this one by it."""
    return hashlib.sha256(signed_bytes(consent)).hexdigest()


def bind(consent: Body, binding: Binding) -> dict[str, Any]:
    """The consent with its binding (any earlier one replaced), ready to be signed."""
    parts = [{"url": name, "valueString": getattr(binding, name)} for name in Binding.__slots__]
    others = [e for e in dicts(consent.get("extension")) if e.get("url") != BINDING]
    return {**consent, "extension": [*others, {"url": BINDING, "extension": parts}]}


def binding_of(consent: Body) -> Binding | None:
    """The binding of a consent; None where it has none. Raises InputError for a binding that cannot be read."""
    found = [e for e in dicts(consent.get("extension")) if e.get("url") == BINDING]
    if not found:
        return None
    parts = {str(p.get("url")): p.get("valueString") for p in dicts(found[0].get("extension"))}
    if len(found) > 1 or set(parts) != set(Binding.__slots__) or not all(isinstance(v, str) for v in parts.values()):
        raise InputError("a binding that cannot be read", where="Consent.extension", remedy="draft the consent anew")
    return Binding(**{name: str(value) for name, value in parts.items()})
