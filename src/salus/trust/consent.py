"""Consent: what a patient allows whom, and the decision that follows from all the signed consents of one patient.

Within one consent, a nested provision is an exception to the provision around it, and deny overrides permit. Between
consents, the order of the log decides: of each signer, the newest consent that speaks of the request counts. A denial
by the patient stays in force until the patient ends or replaces it, and no paper that staff witnessed overrides a
denial by the patient or a proxy. A consent that cannot be understood, or whose signature fails, decides nothing: the
answer is then no.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from salus.errors import InputError
from salus.fhir.categories import is_type
from salus.fhir.views import Body, Names, dicts, no_names
from salus.trust import provisions
from salus.trust.consent_forms import ACTOR_SYSTEM, read
from salus.trust.consent_signatures import OWN, signature_ref, signers_of
from salus.trust.datatypes import identifier
from salus.trust.identity import Actor
from salus.trust.provisions import AccessRequest, ConsentForm, Provision, WithheldAs
from salus.trust.resource_facts import ResourceFacts, facts_of

WITNESSED_DAYS = 366
"""How long a consent on paper may hold at most."""
PATIENT, STAFF = "patient", "staff"
Answer = Literal["permit", "deny"]
Action = Literal["read", "process"]
"""``read``: somebody sees the data. ``process``: the house computes findings from them."""


@dataclass(frozen=True, slots=True)
class Directive:
    """A consent in force: signed, understood, active.

    ``order`` is the log entry that filed it. ``signer`` is "patient" (whichever key the patient had then), "staff" (who
    witnessed a paper), or the name of the proxy who signed.
    """

    ref: str
    version: int
    dated: datetime
    form: ConsentForm
    order: int = 0
    signer: str = PATIENT

    def instants(self) -> Iterable[datetime]:
        """The instants at which the consent, or one of its provisions, begins or ends to be in force."""
        yield self.dated
        for provision in _each(self.form.root):
            start, end = provision.period
            yield from (*([start.start] if start else []), *([end.end] if end else []))

    def withheld_as(self, category: str) -> WithheldAs:
        """What a reader learns of a kind of data that this denies as a whole: for the kinds that the consent names,
        what it says; for any other, nothing ("hidden")."""
        return self.form.withheld_as if category in self.form.root.categories else "hidden"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a patient's consents amount to.

    ``ignored`` lists the consents that decide nothing, as (reference, why). ``opaque`` is true when one of them is
    signed and active but cannot be understood: it may be a denial, so policies count then as if the patient had denied.
    ``refs`` are all consents and the Provenances with their signatures.
    """

    directives: tuple[Directive, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    opaque: bool = False
    refs: frozenset[str] = frozenset()

    def papers(self, consents: Iterable[str]) -> frozenset[str]:
        """The references in ``refs`` to the named ``consents`` ("Consent/id/version") and to the Provenances with their
        signatures."""
        shown = {name.rpartition("/")[0] for name in consents}
        return self.refs & (shown | {signature_ref(ref) for ref in shown})


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants to do what, why, with which kind of data, and when; with one resource only where ``facts`` describes
    one."""

    actor: str
    purpose: str
    category: str
    action: Action
    at: datetime
    facts: ResourceFacts | None = None

    def access(self) -> AccessRequest:
        """The request in the terms of provisions."""
        return _access(self, frozenset({identifier(ACTOR_SYSTEM, self.actor)}), self.category)


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of directives to one request: for each kind of data, the answer and the directive that decides.

    ``partial`` is true when a directive speaks of only a part of a kind of data: each resource is then decided on by
    itself (:func:`decide_on`).
    """

    by_category: Mapping[str, tuple[Answer | None, Directive | None]]
    partial: bool


def standing(
    consents: Iterable[tuple[str, int, int, Body]],
    provenances: Mapping[str, Body],
    actors: Mapping[str, Actor],
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
        fault = directive and witness_fault(directive, signers)
        if fault:
            ignored.append((ref, fault))
        elif directive:
            good.append(replace(directive, order=order, signer=signer_name(signers)))
        else:
            ignored.append((ref, "revoked"))
    return Standing(tuple(good), tuple(ignored), opaque)


def signer_name(signers: Sequence[Actor]) -> str:
    """The name under which a consent counts: "patient", a proxy's name, or "staff"."""
    first = signers[0]
    return PATIENT if first.kind == "patient" else first.id if first.kind in OWN else STAFF


def witness_fault(directive: Directive, signers: Sequence[Actor]) -> str:
    """Why a paper that staff witnessed decides nothing; "" where it decides, and for what the patient or a proxy
    signed.

    A paper that lets somebody in needs two confirmed members of staff, names everybody whom it lets in (neither of the
    two), and ends within a year. A paper that only denies needs one member of staff. But no paper sets an interlock,
    which tells readers something about the data.
    """
    root = directive.form.root
    if signers[0].kind not in OWN and directive.form.withheld_as == "interlock":
        return "an interlock is set by the patient or a proxy"
    if signers[0].kind in OWN or not any(p.type == "permit" for p in _each(root)):
        return ""
    if len({actor.id for actor in signers if actor.confirmed}) < 2:
        return "a paper that lets somebody in takes two witnesses who were enrolled by two people"
    if provisions.names_nobody(root):
        return "a witnessed paper names everybody whom it lets in"
    if provisions.recipients(root) & {identifier(ACTOR_SYSTEM, actor.id) for actor in signers}:
        return "who witnesses a consent may not be the one whom it lets in"
    end = root.period[1]
    if end is None or end.end - directive.dated > timedelta(days=WITNESSED_DAYS):
        return f"a witnessed paper ends within {WITNESSED_DAYS} days"
    return ""


def parse(ref: str, version: int, body: Body, patient: str) -> Directive | None:
    """Read a Consent. None when it is not active; InputError when it cannot be understood in full.

    The actors and types that it names must be known here: a denial that never matches would deny nothing.
    """
    form = read(body, "R4")
    if form is None:
        return None
    if form.patient != f"Patient/{patient}" or form.dated is None:
        raise InputError("the consent names another patient, or no date", where="Consent.patient")
    for provision in _each(form.root):
        if provision.roles or not all(name.startswith(f"{ACTOR_SYSTEM}|") for name in provision.actors):
            raise InputError("an actor without an identifier of this house", where="Consent.provision.actor")
        if unknown := [c for c in provision.classes if "|" not in c and not is_type(c)]:
            raise InputError(f"not a type of resource: {unknown[0]}", where="Consent.provision.class")
    return Directive(ref, version, form.dated.start, form)


def actors_in(directive: Directive) -> frozenset[str]:
    """Everybody whom a consent names, to let in or to keep out."""
    return frozenset(name for provision in _each(directive.form.root) for name in provision.actors)


def _each(provision: Provision) -> Iterable[Provision]:
    yield provision
    for nested in provision.nested:
        yield from _each(nested)


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


def decide(found: Sequence[Directive], request: Request) -> tuple[Answer | None, Directive | None]:
    """The answer to ``request`` and the directive that decides it; (None, None) where no directive speaks of it."""
    access = request.access()
    return _decisive((d, provisions.decide(d.form, access)) for d in found if d.dated <= request.at)


def decide_each(found: Sequence[Directive], request: Request, categories: Sequence[str]) -> Answers:
    """:func:`decide` for each of ``categories``. Directives that speak of somebody else cost next to nothing."""
    access = request.access()
    speaking = [d for d in found if d.dated <= request.at and provisions.speaks(d.form, access)]
    if not speaking:
        return Answers(dict.fromkeys(categories, (None, None)), partial=False)
    answers, partial = {}, False
    for category in categories:
        asked = _access(request, access.actors, category)
        said = [(d, provisions.decide(d.form, asked)) for d in speaking]
        answers[category] = _decisive(said)
        partial = partial or any(decision.obligations for _, decision in said)
    return Answers(answers, partial)


def _access(request: Request, actors: frozenset[str], category: str) -> AccessRequest:
    return AccessRequest(actors, request.purpose, request.action, request.at, category=category, resource=request.facts)


def _decisive(
    said: Iterable[tuple[Directive, provisions.Decision]],
) -> tuple[Answer | None, Directive | None]:
    """The answer that prevails among those of several directives, and the directive that gave it."""
    newest: dict[str, tuple[Directive, Answer]] = {}
    for directive, decision in said:
        answer = decision.answer
        if answer == "no-consent":
            continue
        held = newest.get(directive.signer)
        if held is None or _rank(directive, answer) > _rank(*held):
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


def decide_on(
    found: Sequence[Directive], request: Request, body: Body, names: Names = no_names
) -> tuple[Answer | None, Directive | None]:
    """The answer for one resource of the request's kind, with the directive that decides."""
    facts = facts_of(body, category=request.category, names=names)
    return decide(found, replace(request, facts=facts))
