"""The rules of one consent in one form, whatever release of FHIR it was written in, and what follows from them.

A provision applies to a request when its actors, purposes, actions and period match, and to data when its categories,
labels, classes, codes, references and data period match. The provisions inside it are its exceptions. They apply only
where its actors, purposes, actions and period match. What an exception states about data replaces what the provision
around it states; what it leaves out it inherits (IHE PCF: normal data only, and restricted data to this practitioner
alone). Among rules that apply to the same data, deny overrides permit. An unknown fact never makes a permit apply, and
never keeps a denial from applying.

The answer to a request for data in general comes with obligations: what must be left out. Their result is that of
deciding on each resource. Nothing here looks at a clock: a consent is in force or not at ``request.at``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from salus.errors import InputError
from salus.fhir.dates import Span
from salus.trust.labels import PURPOSES
from salus.trust.resource_facts import Condition, Data, DataReference, Period, ResourceFacts, fulfils

Answer = Literal["permit", "deny"]
WithheldAs = Literal["hidden", "flagged", "interlock"]
"""What a reader learns of data that a denial withholds. Hidden: nothing. Flagged: that this kind of data is withheld.
Interlock: only that there is a severe conflict with it, for which the house checks."""
ALWAYS: Period = (None, None)
MAX_DEPTH = 6
MAX_PROVISIONS = 256

ACTIONS: Mapping[str, frozenset[str]] = {
    code: frozenset({code, *kind_of})
    for code, kind_of in {
        "collect": (), "access": (), "use": (), "disclose": (), "correct": (), "read": ("access",), "process": ("use",),
    }.items()
}  # fmt: skip
"""Every action with what it is a kind of: the codes of consentaction (HL7/UTG, 1.0.1) and salus's own two: to ``read``
is to access, to ``process`` is to use."""

_DENIED_WITH: Mapping[str, frozenset[str]] = {
    **ACTIONS,
    "access": frozenset(ACTIONS),
    "use": frozenset({"use", "process"}),
}
"""What a denial of an action denies: a kind denies what it is a kind of, and without access ("retrieval") there is
nothing to collect, use, disclose or correct, each of which consentaction defines on retrieved information."""


@dataclass(frozen=True, slots=True)
class Provision:
    """One rule as it was written. An empty set means "any"; :func:`names_nobody` says whether a rule names somebody.

    ``actors`` are references and identifiers (:func:`salus.trust.datatypes.identifier`) of people, organisations and
    groups, ``roles`` the roles of actors of whom only the role is given. ``purposes`` are codes of ActReason, or
    ``system|code``. ``categories`` are salus's kinds of data, ``labels`` bare codes of confidentiality and sensitivity,
    ``classes`` resource types or ``system|code`` of documents and profiles, ``documents`` the same where FHIR R5 asks
    for both, ``codes`` ``system|code``.
    """

    type: Answer
    actors: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    period: Period = ALWAYS
    nested: tuple[Provision, ...] = ()
    roles: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    documents: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    data: frozenset[DataReference] = frozenset()
    data_period: Period = ALWAYS


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Who wants to do what, why, when, with which resource; without ``resource``, with data at large.

    Data at large may be limited to those of a ``category`` and of a resource ``type``.

    ``actors`` are all references and identifiers of the one who asks, ``organisations`` those of what he acts for and
    of the groups he is in. ``purpose`` and ``action`` may be "" (not told): then only denials that name one hold.
    """

    actors: frozenset[str]
    purpose: str
    action: str
    at: datetime
    roles: frozenset[str] = frozenset()
    organisations: frozenset[str] = frozenset()
    category: str = ""
    type: str = ""
    resource: ResourceFacts | None = None

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise InputError("a time without a time zone", where="AccessRequest.at")


@dataclass(frozen=True, slots=True)
class Obligation:
    """Leave out what fulfils ``where``, except what fulfils one of ``unless`` (the code REDACT of v3-ActCode)."""

    where: Data
    unless: tuple[Data, ...] = ()
    code: str = "REDACT"

    def covers(self, facts: ResourceFacts) -> bool:
        """True when the resource must be left out."""
        return fulfils(self.where, facts, unknown=True) and not any(
            fulfils(data, facts, unknown=False) for data in self.unless
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What one consent says to a request.

    ``path`` names the provisions from the root to the one that decided. ``obligations`` hold whoever permits: with
    ``no-consent`` they are denials of a part of the data.
    """

    answer: Answer | Literal["no-consent"]
    obligations: tuple[Obligation, ...] = ()
    path: tuple[str, ...] = ()


NO_CONSENT = Decision("no-consent")


@dataclass(frozen=True, slots=True)
class _Rule:
    """A provision with what it inherits, ready to be evaluated."""

    type: Answer
    path: tuple[str, ...]
    actors: frozenset[str]
    roles: frozenset[str]
    purposes: frozenset[str]
    actions: frozenset[str]
    start: datetime | None
    end: datetime | None
    data: Data
    nested: tuple[_Rule, ...]


@dataclass(frozen=True, slots=True)
class ConsentForm:
    """One consent in force, understood in full. Raises InputError when its provisions are too deep or too many.

    ``verified`` is False when the consent says that the patient did not confirm it: then its permits do not hold.
    ``withheld_as`` speaks of the kinds of data that the root denies as a whole.
    """

    root: Provision
    release: Literal["R4", "R5"] = "R4"
    patient: str = ""
    dated: Span | None = None
    verified: bool | None = None
    withheld_as: WithheldAs = "hidden"
    _rule: _Rule = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_size(self.root)
        object.__setattr__(self, "_rule", _rule_of(self.root, (), (), "provision"))


def check_size(root: Provision) -> None:
    """Raise InputError for provisions nested more than ``MAX_DEPTH`` deep or more than ``MAX_PROVISIONS`` of them."""
    waiting, count = [(root, 1)], 0
    while waiting:
        provision, depth = waiting.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_PROVISIONS:
            raise InputError("provisions nested too deeply, or too many of them", where="Consent.provision")
        waiting.extend((nested, depth + 1) for nested in provision.nested)


def recipients(provision: Provision, *, around: frozenset[str] = frozenset()) -> frozenset[str]:
    """The actors whom the permits name, in the permit itself or in a provision around it."""
    named = provision.actors or around
    inner = frozenset(actor for nested in provision.nested for actor in recipients(nested, around=named))
    return inner | named if provision.type == "permit" else inner


def names_nobody(provision: Provision, *, named: bool = False) -> bool:
    """True when a permit holds for anybody: neither it nor a provision around it names an actor. A role is no name:
    anybody may claim it.

    A role is no name: whoever asks may claim it.
    """
    named = named or bool(provision.actors)
    return (provision.type == "permit" and not named) or any(names_nobody(n, named=named) for n in provision.nested)


def decide(form: ConsentForm, request: AccessRequest) -> Decision:
    """What one consent says to ``request``."""
    if request.resource is None:
        return _general(form, request)
    decisive = _decisive(form._rule, request, request.resource)
    if decisive is None or (decisive.type == "permit" and form.verified is False):
        return NO_CONSENT
    return Decision(decisive.type, (), decisive.path)


def _decisive(rule: _Rule, request: AccessRequest, facts: ResourceFacts) -> _Rule | None:
    """The rule that decides: an exception that denies, else one that permits, else the rule itself."""
    speaks = _speaks(rule, request)
    if speaks is False:
        return None
    permit = None
    for nested in rule.nested:
        found = _decisive(nested, request, facts)
        if found and found.type == "deny":
            return found
        permit = permit or found
    if permit and speaks:
        return permit
    denies = rule.type == "deny"
    return rule if (denies or speaks) and fulfils(rule.data, facts, unknown=denies) else None


def speaks(form: ConsentForm, request: AccessRequest) -> bool:
    """False where a consent does not apply to the actors, purpose, action and time of a request, whatever the data."""
    return _speaks(form._rule, request) is not False


def _general(form: ConsentForm, request: AccessRequest) -> Decision:
    """A decision on data at large: what may be seen at all, and what of it must be left out."""
    if not form._rule.nested:
        return _plain(form, request)
    denials: list[tuple[Data, tuple[Data, ...], _Rule]] = []
    permits = _survey(form._rule, request, denials)
    barred = next((rule for where, unless, rule in denials if not where and not unless), None)
    if barred:
        return Decision("deny", (), barred.path)
    shown = dict(permits)
    wanted = {Obligation(where, unless): None for where, unless, _ in denials if () not in unless}
    if not shown or form.verified is False:
        return Decision("no-consent", tuple(wanted), denials[0][2].path if denials else ())
    if () not in shown and not any(not o.where and set(o.unless) <= shown.keys() for o in wanted):
        wanted = {Obligation((), tuple(shown)): None, **wanted}
    return Decision("permit", tuple(wanted), permits[-1][1].path)


def _plain(form: ConsentForm, request: AccessRequest) -> Decision:
    """The same for a consent without exceptions, as most are: one rule, of all the data or of a part of them."""
    rule = form._rule
    speaks = _speaks(rule, request)
    own = None if speaks is False else _open(rule.data, request)
    if own is None:
        return NO_CONSENT
    if rule.type == "deny":
        return Decision("no-consent", (Obligation(own),), rule.path) if own else Decision("deny", (), rule.path)
    if not speaks or form.verified is False:
        return NO_CONSENT
    return Decision("permit", (Obligation((), (own,)),) if own else (), rule.path)


def _survey(
    rule: _Rule, request: AccessRequest, denials: list[tuple[Data, tuple[Data, ...], _Rule]]
) -> list[tuple[Data, _Rule]]:
    """The data that a rule and its exceptions permit; what they deny is added to ``denials``.

    A denial holds unless an exception inside it permits. Whatever else permits, a denial that holds overrides it.
    """
    speaks = _speaks(rule, request)
    if speaks is False:
        return []
    permits = [p for nested in rule.nested for p in _survey(nested, request, denials)]
    own = _open(rule.data, request)
    if own is not None and rule.type == "deny":
        denials.append((own, tuple(dict(permits)) if speaks else (), rule))
    elif own is not None:
        permits.append((own, rule))
    return permits if speaks else []


def _open(data: Data, request: AccessRequest) -> Data | None:
    """The conditions that category and type of a request leave open; None when they contradict one."""
    if not request.category and not request.type:
        return data
    asked = _asked(request.category, request.type)
    left = []
    for condition in data:
        held = condition.holds(asked) if condition.element in ("categories", "classes") else None
        if held is False:
            return None
        if held is None:
            left.append(condition)
    return tuple(left)


@lru_cache(maxsize=256)
def _asked(category: str, kind: str) -> ResourceFacts:
    return ResourceFacts(category=category, type=kind)


def _speaks(rule: _Rule, request: AccessRequest) -> bool | None:
    """Whether a rule applies to the actors, purpose, action and time of a request; None when it names a purpose or
    action, and the request states none."""
    at = request.at
    if (rule.start and at < rule.start) or (rule.end and at >= rule.end):
        return False
    if (rule.actors or rule.roles) and not (
        not rule.actors.isdisjoint(request.actors)
        or not rule.actors.isdisjoint(request.organisations)
        or not rule.roles.isdisjoint(request.roles)
    ):
        return False
    told = True
    if rule.purposes:
        told = bool(request.purpose)
        if told and rule.purposes.isdisjoint(PURPOSES.get(request.purpose, {request.purpose})):
            return False
    if rule.actions:
        told = told and bool(request.action)
        if request.action and rule.actions.isdisjoint(ACTIONS.get(request.action, {request.action})):
            return False
    return told or None


def _rule_of(provision: Provision, around: Data, path: tuple[str, ...], name: str) -> _Rule:
    """The provision with what it inherits of the data around it."""
    own = _stated(provision)
    elements = {c.element for c in own}
    data = tuple(c for c in around if c.element not in elements) + own
    path = (*path, name)
    actions = provision.actions
    if provision.type == "deny":
        actions = frozenset(denied for action in actions for denied in _DENIED_WITH.get(action, {action}))
    start, end = provision.period
    return _Rule(
        type=provision.type,
        path=path,
        actors=provision.actors,
        roles=provision.roles,
        purposes=provision.purposes,
        actions=actions,
        start=start.start if start else None,
        end=end.end if end else None,
        data=data,
        nested=tuple(_rule_of(n, data, path, f"{name}.provision[{i}]") for i, n in enumerate(provision.nested)),
    )


def _stated(provision: Provision) -> Data:
    told: dict[str, Any] = {
        element: values
        for element in ("categories", "labels", "classes", "documents", "codes", "data")
        if (values := getattr(provision, element))
    }
    if provision.data_period != ALWAYS:
        told["data_period"] = provision.data_period
    return tuple(Condition(element, values, provision.type == "deny") for element, values in told.items())
