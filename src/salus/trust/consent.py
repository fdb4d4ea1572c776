"""Consent: what a patient allows whom, and the decision that follows from all the signed consents of one patient.

Within one consent a nested provision is an exception to the one around it and deny overrides permit. Between consents
the log's order decides: of each signer the newest that speaks of the request. A denial of the patient stays until the
patient ends or replaces it, and no paper that staff witnessed overrides a denial of the patient or a proxy. Whatever
cannot be understood or whose signature fails decides nothing: the answer is then no.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from salus.errors import InputError
from salus.fhir import dates
from salus.fhir.dates import Span
from salus.fhir.views import CATEGORIES, Body, codings, dicts
from salus.trust.consent_drafts import (
    ACTION_SYSTEM,
    ACTOR_SYSTEM,
    CATEGORY_SYSTEM,
    PURPOSE_SYSTEM,
    RECIPIENT,
    ROLE_SYSTEM,
)
from salus.trust.consent_signatures import OWN, signers_of
from salus.trust.identity import Actor

WITNESSED_DAYS = 366
"""How long a consent on paper may hold at most."""

PATIENT, STAFF = "patient", "staff"
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
    """A consent in force: signed, understood, active.

    ``order`` is the log entry that filed it. ``signer`` is "patient", "staff" (who witnessed a paper), or the name of
    the proxy who signed: the patient stays the patient when the key is another.
    """

    ref: str
    version: int
    dated: datetime
    root: Provision
    order: int = 0
    signer: str = "patient"

    @property
    def witnessed(self) -> bool:
        """True for a paper that staff vouched for."""
        return self.signer == STAFF


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


def standing(
    consents: Iterable[tuple[str, int, int, Body]],
    provenances: Mapping[str, Body],
    actors: Sequence[Actor],
    patient: str,
) -> Standing:
    """What the patient's consents amount to.

    ``consents`` are (reference, version, number of the log entry that filed it, body), ``provenances`` the Provenance
    with the signatures, by reference.
    """
    good: list[Directive] = []
    ignored: list[tuple[str, str]] = []
    opaque = False
    for ref, version, order, body in consents:
        signers = signers_of(body, provenances.get(ref, {}), actors, patient)
        if not signers:
            ignored.append((ref, "not signed by the patient, a proxy or witnessing staff"))
            continue
        try:
            directive = parse(ref, version, body, patient)
        except InputError as error:
            opaque = True
            ignored.append((ref, str(error)))
            continue
        fault = directive and witness_fault(directive.root, directive.dated, signers)
        if fault:
            ignored.append((ref, fault))
        elif directive:
            good.append(replace(directive, order=order, signer=signer_name(signers)))
        else:
            ignored.append((ref, "revoked"))
    return Standing(tuple(good), tuple(ignored), opaque)


def signer_name(signers: Sequence[Actor]) -> str:
    """As whose word a consent counts: "patient", a proxy's name, or "staff"."""
    first = signers[0]
    return PATIENT if first.kind == "patient" else first.id if first.kind in OWN else STAFF


def witness_fault(root: Provision, dated: datetime, signers: Sequence[Actor]) -> str:
    """Why a paper that staff vouched for lets nobody in; "" where it does, and for what the patient or a proxy signed.

    It needs two confirmed members of staff, names whom it lets in (neither of them), and ends within a year. What only
    denies takes one.
    """
    if signers[0].kind in OWN or not _permits(root):
        return ""
    witnesses = {actor.id for actor in signers if actor.confirmed}
    if len(witnesses) < 2:
        return "a paper that lets somebody in takes two witnesses who were enrolled by two people"
    named = _recipients(root)
    if named is None:
        return "a witnessed paper names everybody whom it lets in"
    if named & {actor.id for actor in signers}:
        return "who witnesses a consent may not be the one whom it lets in"
    end = root.period[1]
    if end is None or end.end - dated > timedelta(days=WITNESSED_DAYS):
        return f"a witnessed paper ends within {WITNESSED_DAYS} days"
    return ""


def _permits(provision: Provision) -> bool:
    return provision.type == "permit" or any(_permits(p) for p in provision.nested)


def _recipients(provision: Provision, around: frozenset[str] = frozenset()) -> frozenset[str] | None:
    """Whom the permits name, themselves or by what is around them; None where one names nobody: that is anybody."""
    named = provision.actors or around
    if provision.type == "permit" and not named:
        return None
    found = named if provision.type == "permit" else frozenset()
    for exception in provision.nested:
        inner = _recipients(exception, named)
        if inner is None:
            return None
        found |= inner
    return found


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


def _is_recipient(actor: Mapping[str, Any]) -> bool:
    """True for an actor who is to receive data: the one role in which somebody is let in, or kept out."""
    roles = codings(actor.get("role"))
    return (
        bool(roles) and all((r.system, r.code) == (ROLE_SYSTEM, RECIPIENT) for r in roles) and "extension" not in actor
    )


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
    if any(not _is_recipient(actor) for actor in _list(element, "actor", where)):
        raise InputError("an actor in a role that salus does not know", where=f"{where}.actor.role")
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
    """What the directives that speak of ``request`` amount to, with the one that decides; (None, None) if none does."""
    newest: dict[str, tuple[Directive, Answer]] = {}
    for directive in found:
        answer = _answer(directive.root, request) if directive.dated <= request.at else None
        held = newest.get(directive.signer)
        if answer and (held is None or _rank(directive, answer) > _rank(*held)):
            newest[directive.signer] = (directive, answer)
    if not newest:
        return None, None
    own = newest.get(PATIENT)
    if own and own[1] == "deny":
        return "deny", own[0]
    if any(answer == "deny" for signer, (_, answer) in newest.items() if signer != STAFF):
        newest.pop(STAFF, None)  # a paper that staff vouched for neither overrides this denial nor is needed for it
    directive, answer = max(newest.values(), key=lambda pair: _rank(*pair))
    return answer, directive


def _rank(directive: Directive, answer: Answer) -> tuple[int, datetime, bool]:
    """Later in the log, then later by date, then a denial."""
    return directive.order, directive.dated, answer == "deny"


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
