"""Policies: the bases of access other than consent and self, signed by an organisation and written into the log."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from salus.errors import InputError
from salus.fhir import dates, json
from salus.fhir.dates import Span
from salus.fhir.views import CATEGORIES, Body
from salus.trust.identity import Actor, Identity, verify_signature

BASES = ("treatment", "vital-interest", "public-health", "legal-duty")


@dataclass(frozen=True, slots=True)
class Rule:
    """One grant of a policy. Actors and patients are names or patterns with ``*``."""

    basis: str
    actors: tuple[str, ...]
    patients: tuple[str, ...]
    purposes: frozenset[str]
    categories: frozenset[str]
    overrides_denial: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """An organisation's signed rules, with the time in which they hold."""

    id: str
    organisation: str
    start: Span
    end: Span | None
    rules: tuple[Rule, ...]

    def instants(self) -> tuple[datetime, ...]:
        """The instants at which the policy begins and ends to be in force."""
        return (self.start.start, self.end.end) if self.end else (self.start.start,)

    def match(self, actor: Actor, patient: str, purpose: str, at: datetime) -> list[Rule]:
        """The rules that apply to a request. A pattern matches practitioners only; anybody else has to be named."""
        if at < self.start.start or (self.end and at >= self.end.end):
            return []
        return [
            r
            for r in self.rules
            if purpose in r.purposes
            and any(_means(pattern, actor) for pattern in r.actors)
            and any(fnmatchcase(patient, pattern) for pattern in r.patients)
        ]


def _means(pattern: str, actor: Actor) -> bool:
    """True where ``pattern`` is the actor's name, or matches it. A pattern matches neither the operator who filed the
    policy, nor a patient, nor a practitioner whom one person alone enrolled."""
    return pattern == actor.id or (actor.kind == "practitioner" and actor.confirmed and fnmatchcase(actor.id, pattern))


def signed_bytes(document: Body) -> bytes:
    """What is signed: the policy without its signature, as canonical JSON."""
    return json.dumps({k: v for k, v in document.items() if k != "signature"}, canonical=True)


def sign(document: Body, organisation: Identity) -> dict[str, Any]:
    """The policy document with the organisation's signature."""
    return {**document, "signature": base64.b64encode(organisation.sign(signed_bytes(document))).decode("ascii")}


def parse(document: Body, actors: Mapping[str, Actor]) -> Policy:
    """Read a policy and check its signature. Raises InputError naming what is wrong."""
    organisation = actors.get(str(document.get("organisation")))
    try:
        signature = base64.b64decode(str(document.get("signature", "")), validate=True)
    except ValueError as error:
        raise InputError("a signature that cannot be read", where="signature") from error
    if organisation is None or organisation.kind != "organisation":
        raise InputError("an organisation that the store does not know", where="organisation", remedy="salus actor add")
    if not verify_signature(organisation.public_key, signature, signed_bytes(document)):
        raise InputError("the signature is not the organisation's", where="signature")
    rules = document.get("rules")
    if not isinstance(document.get("id"), str) or not isinstance(rules, list) or not rules:
        raise InputError("a policy needs an id and rules")
    return Policy(
        id=document["id"],
        organisation=organisation.id,
        start=dates.parse(str(document.get("from", ""))),
        end=dates.parse(str(document["to"])) if "to" in document else None,
        rules=tuple(_rule(r, f"rules[{n}]") for n, r in enumerate(rules)),
    )


def _rule(element: Any, where: str) -> Rule:
    if not isinstance(element, dict) or element.get("basis") not in BASES:
        raise InputError(f"a basis other than {', '.join(BASES)}", where=f"{where}.basis")
    lists = {k: element.get(k) for k in ("actors", "patients", "purposes", "categories")}
    for key, value in lists.items():
        if not isinstance(value, list) or not value or not all(isinstance(v, str) and v for v in value):
            raise InputError("must be a list of names", where=f"{where}.{key}")
    if not set(element["categories"]) <= set(CATEGORIES):
        raise InputError(f"categories are {', '.join(CATEGORIES)}", where=f"{where}.categories")
    if not isinstance(element.get("overrides-denial"), bool):
        raise InputError("must say true or false", where=f"{where}.overrides-denial")
    return Rule(
        basis=element["basis"],
        actors=tuple(element["actors"]),
        patients=tuple(element["patients"]),
        purposes=frozenset(element["purposes"]),
        categories=frozenset(element["categories"]),
        overrides_denial=element["overrides-denial"],
    )
