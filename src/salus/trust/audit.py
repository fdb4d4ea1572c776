"""The house's own log as IHE BALP AuditEvents: who looked, who wrote, who was refused, on which consent and why.

An event says no more than its log entry: references and codes, nothing clinical. The entry's number and commitment
stand in it, so that a proof of the entry proves what the event was made from. What BALP asks for and the log does not
hold is marked as unknown.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from salus.errors import InputError
from salus.fhir import dates
from salus.fhir.views import Body
from salus.trust.balp import check, coding, profile_of, profiles
from salus.trust.consent_forms import ACTOR_SYSTEM, CATEGORY_SYSTEM, PURPOSE_SYSTEM

__all__ = ["Place", "check", "of_entry", "profiles"]

LOG_SYSTEM = "urn:salus:log-entry"
COMMITMENT = "urn:salus:log-commitment"
COMMITMENT_BYTES = 32
REASON_SYSTEM = "urn:salus:log-reason"
STORE_SYSTEM = "urn:salus:store"
REFUSED = "8"
"""The outcome that BALP's own example of a denied authorization has (AuthZ.fsh, ex-auditAuthZconsent-deny)."""
CARE = frozenset({"TREAT", "ETREAT", "PATRQT", "HPAYMT", "HOPERAT"})
"""Purposes of the patient's own care, payment and the house's operations; for any other a look is a disclosure
(45 CFR 164.528(a)(1): what an accounting of disclosures leaves out)."""
HOUSE = ("service", "house")
"""Actors that are not people."""
SEARCHES = ("search-type", "search-system")
"""Values that ``interaction`` may have in an access entry besides read and vread. Such an entry also holds the
``query`` as it was sent."""
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_SOURCE_TYPE = {"system": "http://terminology.hl7.org/CodeSystem/security-source-type", "code": "4"}
"""Application Server."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a log is kept: the id of its store, the name of its log, and the address of its server ("" for none)."""

    store: str
    origin: str
    address: str = ""


def of_entry(content: Mapping[str, Any], n: int, place: Place, *, patient: str, commitment: bytes) -> dict[str, Any]:
    """The AuditEvent of entry ``n`` of ``patient``'s log, whose opened ``content`` and 32-byte commitment are given.

    A look becomes a PatientRead, a PatientQuery where the entry names a search, or a PrivacyDisclosure.Source where the
    purpose is not the patient's care. A write becomes a PatientCreate, PatientUpdate or PatientDelete. The event claims
    that profile. A refused look has the form of its profile with outcome 8, and claims no profile. An entry that is
    neither a look nor a write becomes an Application Activity. Raises InputError for an entry without actor, time or
    patient, and for a commitment of another length.
    """
    actor, at = content.get("actor", content.get("by")), content.get("at")
    if not isinstance(actor, str) or not actor or not isinstance(at, str) or not patient:
        raise InputError("a log entry without an actor, a time or a patient", where=f"entry {n}")
    if len(commitment) != COMMITMENT_BYTES:
        raise InputError(f"a commitment has {COMMITMENT_BYTES} bytes", where=f"entry {n}")
    entry = _Entry(content, n, actor, patient, place)
    event: dict[str, Any] = {"resourceType": "AuditEvent", "id": f"log-{n}"}
    shown = _shown(entry)
    refused = content.get("decision") == "deny"
    if shown.profile and not refused:
        event["meta"] = {"profile": [profile_of(shown.profile).canonical]}
    event |= {
        "type": shown.type,
        "subtype": list(shown.subtypes),
        "action": shown.action,
        "recorded": dates.write(dates.instant(at)),
        "outcome": REFUSED if refused else "0",
        **({"outcomeDesc": "not released to this actor"} if refused else {}),
        **_purposes(content, "purposeOfEvent"),
        "agent": list(shown.agents),
        "source": {"observer": _store(place), "type": [_SOURCE_TYPE]},
        "entity": [_subject(patient), *shown.entities, *_consents(content), _log_entry(entry, commitment)],
    }
    return _with_outcome(event) if refused else event


@dataclass(frozen=True, slots=True)
class _Entry:
    content: Mapping[str, Any]
    n: int
    actor: str
    patient: str
    place: Place


@dataclass(frozen=True, slots=True)
class _Shown:
    """The parts of an event that depend on the kind of entry."""

    profile: str
    type: Body
    subtypes: Sequence[Body]
    action: str
    agents: Sequence[Body]
    entities: Sequence[Body]


def _shown(entry: _Entry) -> _Shown:
    content = entry.content
    if content.get("reason") == "access":
        return _look(entry)
    items = _items(content)
    if not items and not content.get("blobs"):
        return _activity(entry)
    name, code = _write(items)
    if len(items) == 1:
        return _rest(entry, name, code, [_data(_reference(items[0]))])
    return _rest(entry, name, code, [_record(entry), *map(_item, items)])


def _look(entry: _Entry) -> _Shown:
    content = entry.content
    purpose = _purpose(content)
    if content.get("decision") == "permit" and purpose and purpose not in CARE:
        return _disclosure(entry)
    interaction = content.get("interaction")
    if interaction in SEARCHES and "query" in content:
        return _rest(entry, "PatientQuery", interaction, [_query(content)])
    return _rest(entry, "PatientRead", "vread" if interaction == "vread" else "read", [_record(entry)])


def _write(items: Sequence[Sequence[Any]]) -> tuple[str, str]:
    """The profile and interaction of a write: all new, all gone, or else an update."""
    if items and all(gone for _, _, _, gone in items):
        return "PatientDelete", "delete"
    if items and all(version == 1 and not gone for _, version, _, gone in items):
        return "PatientCreate", "create"
    return "PatientUpdate", "update"


def _items(content: Mapping[str, Any]) -> list[Sequence[Any]]:
    items = content.get("items")
    return [i for i in items if len(i) == 4] if isinstance(items, list) else []


# ---- the kinds of events


def _rest(entry: _Entry, name: str, interaction: str, entities: Sequence[Body]) -> _Shown:
    profile = profile_of(name)
    client, server = ({"coding": [coding(profile.slices[f"agent:{k}"].codes[0])]} for k in ("client", "server"))
    house = entry.actor in HOUSE
    agents: list[Body] = [
        {
            "type": client,
            "who": _actor(entry.actor) if house else _unknown(),
            "requestor": house,
            "network": _client(entry),
        },
        {"type": server, "who": _store(entry.place), "requestor": False, "network": _network(entry.place.address)},
    ]
    if not house:
        codes = profile.slices["agent:user"].codes
        custody = "custodian" in str(entry.content.get("basis", ""))
        code = next((c for c in codes if custody and c.endswith("#CST")), codes[0])
        agents.append(_user(entry, code))
    subtypes = [coding(f"interaction#{interaction}")]
    return _Shown(name, coding("event#rest"), subtypes, profile.form.fixed["action"][0], agents, entities)


def _disclosure(entry: _Entry) -> _Shown:
    store, content = _store(entry.place), entry.content
    source = {"who": store, "requestor": False, "network": _network(entry.place.address)}
    recipient = {**_user(entry, "DCM#110152"), "network": _client(entry)}
    agents = [{"type": {"coding": [coding("DCM#110153")]}, **source}, recipient]
    if content.get("consents"):
        subject = {"reference": f"Patient/{entry.patient}"}
        agents.append({"type": {"coding": [coding("SCT#429577009")]}, "who": subject, "requestor": False})
    subtypes = [coding("lifecycle#disclose"), coding("interaction#read")]
    return _Shown("AuditPrivacyDisclosureSource", coding("DCM#110106"), subtypes, "R", agents, [_record(entry)])


def _activity(entry: _Entry) -> _Shown:
    """A notice, a request, a proposal: an act that is no interaction with the record."""
    content = entry.content
    acts = (str(content.get("reason", "")), str(content.get("act", "")))
    named = content.get("id") if any(act.startswith("actor-") for act in acts) else None
    entities = [{"type": coding("entity#1"), "what": _actor(named)}] if isinstance(named, str) and named else []
    reason = {"system": REASON_SYSTEM, "code": str(content.get("reason") or "unnamed")}
    return _Shown("", coding("DCM#110100"), [reason], "E", [_user(entry, "participation#AUT")], entities)


# ---- agents and entities


def _unknown() -> dict[str, Any]:
    return {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}


def _actor(name: str) -> dict[str, Any]:
    return {"identifier": {"system": ACTOR_SYSTEM, "value": name}}


def _store(place: Place) -> dict[str, Any]:
    return {"identifier": {"system": STORE_SYSTEM, "value": place.store}, "display": "salus"}


def _user(entry: _Entry, code: str) -> dict[str, Any]:
    who = {"type": {"coding": [coding(code)]}, "who": _actor(entry.actor), "requestor": True}
    return {**who, **_purposes(entry.content, "purposeOfUse")}


def _network(address: str) -> Body:
    return {"address": address, "type": "5"} if address else _unknown()


def _client(entry: _Entry) -> Body:
    """The network address of the client, where the entry states it; else marked as unknown."""
    address = entry.content.get("client")
    return {"address": address} if isinstance(address, str) and address else _unknown()


def _purpose(content: Mapping[str, Any]) -> str:
    """The purpose of use as a code of ActReason; "" where there is none, or where it is a word of salus's own."""
    purpose = content.get("purpose")
    return purpose if isinstance(purpose, str) and purpose.isascii() and purpose.isalpha() and purpose.isupper() else ""


def _purposes(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    code = _purpose(content)
    return {name: [{"coding": [{"system": PURPOSE_SYSTEM, "code": code}]}]} if code else {}


def _subject(patient: str) -> dict[str, Any]:
    what = {"reference": f"Patient/{patient}"}
    return {"type": coding("entity#1"), "role": coding("role#1"), "what": what}


def _data(reference: str) -> dict[str, Any]:
    return {"type": coding("entity#2"), "role": coding("role#4"), "what": {"reference": reference}}


def _record(entry: _Entry) -> dict[str, Any]:
    """The record as a whole, with the kinds of data that were released of it."""
    released = [c for c in entry.content.get("categories", ()) if isinstance(c, str)]
    details = [{"type": CATEGORY_SYSTEM, "valueString": category} for category in released]
    return {**_data(f"Patient/{entry.patient}"), **({"detail": details} if details else {})}


def _query(content: Mapping[str, Any]) -> dict[str, Any]:
    asked = base64.b64encode(str(content["query"]).encode()).decode()
    return {"type": coding("entity#2"), "role": coding("role#24"), "query": asked}


def _reference(item: Sequence[Any]) -> str:
    return f"{item[0]}/_history/{item[1]}"


def _item(item: Sequence[Any]) -> dict[str, Any]:
    kind = str(item[0]).partition("/")[0]
    return {"type": coding(f"resource#{kind}"), "what": {"reference": _reference(item)}}


def _consents(content: Mapping[str, Any]) -> list[Body]:
    """The consents that a look rests on, in the version that was in force."""
    found = [str(c).rpartition("/") for c in content.get("consents", ())]
    return [
        {"type": coding("resource#Consent"), "what": {"reference": f"{ref}/_history/{version}"}}
        for ref, _, version in found
    ]


def _log_entry(entry: _Entry, commitment: bytes) -> dict[str, Any]:
    identifier = {"system": f"{LOG_SYSTEM}:{entry.place.origin}", "value": str(entry.n)}
    details = [{"type": COMMITMENT, "valueBase64Binary": base64.b64encode(commitment).decode()}]
    return {
        "type": coding("entity#4"),
        "role": coding("role#13"),
        "what": {"identifier": identifier},
        "detail": details,
    }


def _with_outcome(event: dict[str, Any]) -> dict[str, Any]:
    """A refusal with its OperationOutcome, which BALP asks for where an interaction did not succeed."""
    issue = {"severity": "error", "code": "forbidden"}
    outcome = {"resourceType": "OperationOutcome", "id": "outcome", "issue": [issue]}
    entity = {"type": coding("resource#OperationOutcome"), "what": {"reference": "#outcome"}}
    return {**event, "contained": [outcome], "entity": [*event["entity"], entity]}
