"""Consents as the pages handle them: drafted here, signed where the patient's key is, filed through the session."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from salus.app.fhir import write as fhir_write
from salus.app.session import Session
from salus.app.web.sessions import demo_actors
from salus.errors import AccessError, InputError
from salus.fhir import json
from salus.fhir.views import CATEGORIES, Body, dicts
from salus.trust import consent
from salus.trust.consent_drafts import signed_bytes
from salus.trust.consent_forms import WITHHELD_AS
from salus.trust.consent_signatures import sign, signed_by
from salus.trust.grants import not_released
from salus.trust.identity import Actor, Identity, demo_identity
from salus.trust.provisions import WithheldAs

READERS = ("practitioner", "organisation", "operator")
"""The kinds of actor whom the page offers to let in."""
IN_FORCE = "in force"
WAYS: tuple[WithheldAs, ...] = get_args(WithheldAs)
"""How what is withheld may show."""
_PLAIN = frozenset({"type", "period", "actor", "action", "purpose", "class", "extension"})
"""Elements of a provision that the page can put into words."""


@dataclass(frozen=True, slots=True)
class Told:
    """A consent in the terms of the page.

    ``closes`` is true for one that closes kinds of data to processing; ``shown`` says of one that keeps somebody from
    reading how that shows, and is "" for any other.
    """

    id: str
    closes: bool
    shown: str
    plain: bool
    actors: tuple[str, ...]
    categories: tuple[str, ...]
    purposes: tuple[str, ...]
    since: str
    until: str
    standing: str
    ends: bool

    @property
    def in_force(self) -> bool:
        """Whether it decides anything now."""
        return self.standing == IN_FORCE


def own_patient(session: Session) -> str:
    """Whose record the actor speaks for. Raises AccessError for everybody but patients and proxies."""
    if session.actor.kind not in ("patient", "proxy"):
        raise not_released()
    return session.actor.patient


def readers(session: Session) -> tuple[Actor, ...]:
    """Whom a patient can let in."""
    found = (a for a in session.house.registry.actors.values() if a.kind in READERS)
    return tuple(sorted(found, key=lambda a: (READERS.index(a.kind), a.id)))


def give(
    session: Session, actor: str, categories: Sequence[str], purposes: Sequence[str], until: str
) -> dict[str, Any]:
    """A draft that lets ``actor`` read ``categories``. Raises InputError."""
    if not categories or not purposes or not set(categories) <= set(CATEGORIES):
        raise InputError("choose at least one kind of data and one purpose")
    if actor not in {a.id for a in readers(session)}:
        raise InputError("choose who may read")
    return session.drafted(
        own_patient(session),
        session.house.clock(),
        actors=[actor],
        categories=list(categories),
        purposes=purposes,
        until=until or None,
    )


def close(session: Session, category: str) -> dict[str, Any]:
    """A draft that closes a category to processing. Raises InputError."""
    if category not in CATEGORIES:
        raise InputError("not a kind of data")
    return session.drafted_closure(own_patient(session), session.house.clock(), [category])


def withhold(session: Session, categories: Sequence[str], actor: str, shown: str) -> dict[str, Any]:
    """A draft that keeps ``actor``, or everybody where "" is named, from reading ``categories``. Raises InputError."""
    how = next((way for way in WAYS if way == shown), None)
    if not categories or not set(categories) <= set(CATEGORIES) or how is None:
        raise InputError("choose at least one kind of data, and what those who may not see it learn")
    if actor and actor not in {a.id for a in readers(session)}:
        raise InputError("choose from whom")
    return session.drafted_denial(
        own_patient(session),
        session.house.clock(),
        categories=list(categories),
        actors=[actor] if actor else [],
        shown=how,
    )


def end(session: Session, name: str) -> dict[str, Any]:
    """A draft that ends a consent. Raises InputError."""
    return session.ended(own_patient(session), name)


def told(session: Session) -> tuple[Told, ...]:
    """Every consent of the actor's own patient, newest first."""
    found = session.consents(own_patient(session))
    return tuple(sorted((tell(body, standing) for body, standing in found), key=lambda t: t.since, reverse=True))


def tell(body: Body, standing: str = "") -> Told:
    """One consent. ``plain`` is false where it says more than these terms can: then its text must be read."""
    root = body.get("provision")
    root = root if isinstance(root, dict) else {}
    period = root.get("period")
    period = period if isinstance(period, dict) else {}
    actions = [c.get("code") for a in dicts(root.get("action")) for c in dicts(a.get("coding"))]
    withholds = root.get("type") == "deny" and actions != ["process"]
    kinds = ("permit", ("read",)), ("deny", ("process",)), ("deny", ("read",))
    return Told(
        id=str(body["id"]),
        closes=root.get("type") == "deny" and actions == ["process"] and not root.get("actor"),
        shown=_shown(root) if withholds else "",
        plain=(root.get("type"), tuple(actions)) in kinds and set(root) <= _PLAIN,
        actors=tuple(sorted(consent.permitted_actors(body))),
        categories=tuple(str(c.get("code")) for c in dicts(root.get("class"))),
        purposes=tuple(str(p.get("code")) for p in dicts(root.get("purpose"))),
        since=str(period.get("start", body.get("dateTime", ""))),
        until=str(period.get("end", "")),
        standing=standing,
        ends=body.get("status") == "inactive",
    )


def _shown(root: Mapping[str, Any]) -> str:
    """How a denial says that it shows; it was read in full when it was filed."""
    told = [e.get("valueCode") for e in dicts(root.get("extension")) if e.get("url") == WITHHELD_AS]
    return str(told[0]) if told else WAYS[0]


def to_sign(draft: Body) -> str:
    """The exact text whose UTF-8 bytes are signed."""
    return signed_bytes(draft).decode("utf-8")


def file(session: Session, draft: Body, signature: str) -> None:
    """File a draft with the base64 of a signature made elsewhere. Raises InputError unless it is the actor's own."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raise InputError("the signature is not base64") from None
    house = session.house
    session.file_consent(own_patient(session), draft, signed_by(draft, session.actor.id, raw, house.clock()))


def file_signed(session: Session, data: bytes) -> None:
    """File what ``salus consent sign`` wrote. Raises InputError."""
    fhir_write.transaction(session, json.loads(data))


def file_with_demo_key(session: Session, draft: Body) -> None:
    """Sign with the actor's own demonstration key, which everybody has. Raises AccessError outside a demo house."""
    if session.actor not in demo_actors(session.house):
        raise AccessError("not a demonstration actor of this store")
    signature = sign(draft, demo_identity(session.actor.id), session.house.clock())
    session.file_consent(own_patient(session), draft, signature)


def sign_here(draft: Any, signer: Identity, at: datetime) -> dict[str, Any]:
    """A draft signed with a key that is here, as the FHIR transaction that a server and its pages take.

    Raises InputError for anything but a consent that can be understood in full.
    """
    if not isinstance(draft, dict) or draft.get("resourceType") != "Consent" or not isinstance(draft.get("id"), str):
        raise InputError("not a consent to sign", remedy="save it from the page that asks for a signature")
    patient = draft.get("patient")
    named = patient.get("reference") if isinstance(patient, dict) else None
    owner = str(named).removeprefix("Patient/")
    consent.parse(f"Consent/{draft['id']}", 1, {**draft, "status": "active"}, owner)
    both = (draft, sign(draft, signer, at))
    entries = [{"resource": body, "request": {"method": "POST", "url": body["resourceType"]}} for body in both]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def in_one_line(draft: Body) -> str:
    """What a consent says, for who is about to hand it over signed."""
    said = tell(draft)
    who = ", ".join(said.actors) or "everybody"
    what = ", ".join(said.categories) or "every kind of data"
    does = f"closes {what} to processing" if said.closes else f"lets {who} read {what}"
    if said.shown:
        does = f"withholds {what} from {who} ({said.shown})"
    more = "" if said.plain else "; it says more than that: read it whole"
    until = f" until {said.until}" if said.until else ""
    return f"{'ends the consent that ' if said.ends else ''}{does}{until}{more}"
