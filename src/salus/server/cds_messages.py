"""CDS Hooks 2.0 messages, read strictly: requests, and responses and service lists of others (to check our own by).

Fields, types and hooks as in the CDS Hooks specification 2.0 and its pages patient-view, order-select and order-sign.
What clients are known to send against its letter, and HL7's own validator lets pass, is taken and noted: ids with their
type in front, Bundle entries around prefetched resources, responses without cards or with an unnamed source.
Nothing that a message points to is ever fetched.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from salus.errors import InputError

SUMMARY = 140
"""A card's summary is shorter than this many characters."""
INDICATORS = ("info", "warning", "critical")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_USERS = ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson")
_ACTIONS = ("create", "update", "delete")
_SELECTION = ("at-most-one", "any")


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A call of a CDS service. ``patient`` and ``encounter`` are bare ids; ``noted`` says what was let pass."""

    hook: str
    instance: uuid.UUID
    user: str
    patient: str
    encounter: str = ""
    noted: tuple[str, ...] = ()


def read_request(value: Any) -> HookRequest:
    """A request of one of the three hooks. Raises InputError, saying where; no value is repeated."""
    root = _object(value, "request")
    hook = _text(root, "hook", "request")
    if hook not in _HOOKS:
        raise InputError("not a hook that is known here", where="hook", remedy=f"one of {', '.join(_HOOKS)}")
    instance = _uuid(_text(root, "hookInstance", "request"))
    _server(root)
    noted: list[str] = []
    context = _object(root.get("context"), "context")
    user_type, _, user = _text(context, "userId", "context").partition("/")
    if user_type not in _USERS or not _ID.match(user):
        raise InputError("not a user", where="context.userId", remedy=f"TYPE/ID, TYPE one of {', '.join(_USERS)}")
    patient = _bare(context, "patientId", "Patient", noted)
    encounter = _bare(context, "encounterId", "Encounter", noted) if "encounterId" in context else ""
    _HOOKS[hook](context, patient, noted)
    _prefetch(root.get("prefetch"), noted)
    if "extension" in root:
        _object(root["extension"], "extension")
    return HookRequest(hook, instance, f"{user_type}/{user}", patient, encounter, tuple(noted))


def read_response(value: Any, *, strict: bool = False) -> tuple[str, ...]:
    """Check a response; returns what was let pass. ``strict`` lets nothing pass. Raises InputError."""
    root, noted = _object(value, "response"), list[str]()
    if "cards" not in root:
        noted.append("no cards")
    for number, card in enumerate(_list(root.get("cards", []), "cards")):
        _card(_object(card, f"cards[{number}]"), f"cards[{number}]", noted)
    for number, action in enumerate(_list(root.get("systemActions", []), "systemActions")):
        _action(action, f"systemActions[{number}]", described=False)
    if strict and noted:
        raise InputError(noted[0], where="response")
    return tuple(noted)


def read_services(value: Any) -> tuple[str, ...]:
    """Check a discovery response; returns the ids of its services. Raises InputError."""
    root = _object(value, "services")
    found: list[str] = []
    for number, entry in enumerate(_list(root.get("services"), "services")):
        where = f"services[{number}]"
        service = _object(entry, where)
        for name in ("hook", "description", "id"):
            _text(service, name, where)
        for name in ("title", "usageRequirements"):
            if name in service:
                _text(service, name, where)
        prefetch = _object(service.get("prefetch", {}), f"{where}.prefetch")
        for key in prefetch:
            _text(prefetch, key, f"{where}.prefetch")
        if "extension" in service:
            _object(service["extension"], f"{where}.extension")
        found.append(service["id"])
    if len(set(found)) != len(found):
        raise InputError("two services have one id", where="services")
    return tuple(found)


# ---- hooks


def _patient_view(context: Mapping[str, Any], patient: str, noted: list[str]) -> None:
    del context, patient, noted  # nothing but user, patient and encounter


def _order_sign(context: Mapping[str, Any], patient: str, noted: list[str]) -> None:
    bundle = _resource(context.get("draftOrders"), "context.draftOrders")
    if bundle["resourceType"] != "Bundle":
        raise InputError("not a Bundle", where="context.draftOrders")
    for number, entry in enumerate(_list(bundle.get("entry", []), "context.draftOrders.entry")):
        where = f"context.draftOrders.entry[{number}].resource"
        order = _resource(_object(entry, where).get("resource"), where)
        subject = order.get("subject", order.get("patient"))
        named = subject.get("reference") if isinstance(subject, Mapping) else None
        if isinstance(named, str) and named.rpartition("Patient/")[2] != patient:
            raise InputError("a draft order for another patient", where=f"{where}.subject")


def _order_select(context: Mapping[str, Any], patient: str, noted: list[str]) -> None:
    for number, selection in enumerate(_list(context.get("selections"), "context.selections")):
        where = f"context.selections[{number}]"
        if not isinstance(selection, str) or not selection:
            raise InputError("not a reference", where=where)
        if "/" not in selection:
            noted.append("a selection without its type")
    _order_sign(context, patient, noted)


_HOOKS: Mapping[str, Callable[[Mapping[str, Any], str, list[str]], None]] = {
    "patient-view": _patient_view,
    "order-select": _order_select,
    "order-sign": _order_sign,
}


def _server(root: Mapping[str, Any]) -> None:
    if "fhirServer" in root:
        _url(_text(root, "fhirServer", "request"), "fhirServer")
    if "fhirAuthorization" not in root:
        return
    if "fhirServer" not in root:
        raise InputError("fhirAuthorization without fhirServer", where="fhirServer")
    grant = _object(root["fhirAuthorization"], "fhirAuthorization")
    for name in ("access_token", "scope", "subject"):
        _text(grant, name, "fhirAuthorization")
    if grant.get("token_type") != "Bearer":
        raise InputError("not Bearer", where="fhirAuthorization.token_type")
    if not isinstance(grant.get("expires_in"), int) or isinstance(grant["expires_in"], bool):
        raise InputError("not a whole number", where="fhirAuthorization.expires_in")


def _prefetch(value: Any, noted: list[str]) -> None:
    if value is None:
        return
    for key, item in _object(value, "prefetch").items():
        if item is None:
            continue
        where = f"prefetch.{key}" if _ID.match(key) else "prefetch"
        found = _object(item, where)
        if "resourceType" not in found and isinstance(found.get("response"), Mapping):
            noted.append("a Bundle entry around a prefetched resource")
            if found.get("resource") is None:
                continue
            found = _object(found["resource"], where)
        _resource(found, where)


# ---- cards


def _card(card: Mapping[str, Any], where: str, noted: list[str]) -> None:
    if len(_text(card, "summary", where)) >= SUMMARY:
        noted.append("a summary of 140 characters or more")
    if card.get("indicator") not in INDICATORS:
        raise InputError("not info, warning or critical", where=f"{where}.indicator")
    for name in ("uuid", "detail"):
        if name in card:
            _text(card, name, where)
    source = _object(card.get("source"), f"{where}.source")
    if "label" in source:
        _text(source, "label", f"{where}.source")
    else:
        noted.append("a source without label")
    for name in ("url", "icon"):
        if name in source:
            _url(_text(source, name, f"{where}.source"), f"{where}.source.{name}")
    if "selectionBehavior" in card and card["selectionBehavior"] not in _SELECTION:
        raise InputError("not a selection behaviour", where=f"{where}.selectionBehavior")
    suggestions = _list(card.get("suggestions", []), f"{where}.suggestions")
    if suggestions and "selectionBehavior" not in card:
        noted.append("suggestions without selectionBehavior")
    for number, item in enumerate(suggestions):
        place = f"{where}.suggestions[{number}]"
        suggestion = _object(item, place)
        _text(suggestion, "label", place)
        for n, action in enumerate(_list(suggestion.get("actions", []), f"{place}.actions")):
            _action(action, f"{place}.actions[{n}]")
    for number, item in enumerate(_list(card.get("links", []), f"{where}.links")):
        _link(_object(item, f"{where}.links[{number}]"), f"{where}.links[{number}]", noted)


def _link(link: Mapping[str, Any], where: str, noted: list[str]) -> None:
    _text(link, "label", where)
    _url(_text(link, "url", where), f"{where}.url")
    if "type" not in link:
        noted.append("a link without type")
    elif link["type"] not in ("absolute", "smart"):
        raise InputError("not absolute or smart", where=f"{where}.type")


def _action(value: Any, where: str, *, described: bool = True) -> None:
    action = _object(value, where)
    if action.get("type") not in _ACTIONS:
        raise InputError("not create, update or delete", where=f"{where}.type")
    if described:
        _text(action, "description", where)
    if action["type"] != "delete":
        _resource(action.get("resource"), f"{where}.resource")


# ---- JSON


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError("missing, or not an object", where=where)
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise InputError("missing, or not a list", where=where)
    return value


def _text(value: Mapping[str, Any], name: str, where: str) -> str:
    found = value.get(name)
    if not isinstance(found, str) or not found.strip():
        raise InputError("missing, or not a text", where=f"{where}.{name}" if _ID.match(name) else where)
    return found


def _uuid(text: str) -> uuid.UUID:
    try:
        found = uuid.UUID(text)
    except ValueError:
        found = None
    if found is None or str(found) != text.lower():
        raise InputError("not a UUID", where="hookInstance")
    return found


def _url(text: str, where: str) -> None:
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InputError("not an absolute URL", where=where)


def _resource(value: Any, where: str) -> Mapping[str, Any]:
    found = _object(value, where)
    kind = found.get("resourceType")
    if not isinstance(kind, str) or not re.match(r"[A-Z][A-Za-z]{2,40}\Z", kind):
        raise InputError("not a resource", where=where)
    return found


def _bare(context: Mapping[str, Any], name: str, kind: str, noted: list[str]) -> str:
    text = _text(context, name, "context")
    if text.startswith(f"{kind}/"):
        noted.append(f"{name} with its type in front")
        text = text.removeprefix(f"{kind}/")
    if not _ID.match(text):
        raise InputError("not an id", where=f"context.{name}")
    return text
