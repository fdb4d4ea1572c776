"""A FHIR R4 or R5 Consent read into the form of :mod:`salus.trust.provisions`, in full or not at all.

Anything that is not understood may change what a consent means. So the whole consent is refused for an unknown element,
code or extension inside a provision, and for a ``modifierExtension`` anywhere. The error names the path.

R4 (4.0.1): ``provision`` is the base rule with ``type``; where ``type`` is left out, ``policyRule`` gives it, by OPTIN
or OPTOUT of v3-ActCode. A base rule that denies reading whole categories may state in an extension what readers learn
of that. R5 (5.0.0): ``decision`` is the base rule, and "provisions [are] assumed to be a negation of the previous
level" (its binding consent-provision-type). ``policy`` and the like name texts that decide nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from salus.errors import InputError
from salus.fhir.dates import Span
from salus.fhir.views import CATEGORIES, Body
from salus.trust.datatypes import coding, concept, identifier, members, moment, names_of, objects, period, text
from salus.trust.labels import PURPOSES, SENSITIVITY_SYSTEM, label_of
from salus.trust.provisions import ACTIONS, MAX_DEPTH, MAX_PROVISIONS, Answer, ConsentForm, Provision, WithheldAs
from salus.trust.resource_facts import DataReference

Release = Literal["R4", "R5"]
ACTOR_SYSTEM = "urn:salus:actor"
CATEGORY_SYSTEM = "urn:salus:category"
ACTION_SYSTEM = "urn:salus:action"
PURPOSE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
SCOPE_SYSTEM = "http://terminology.hl7.org/CodeSystem/consentscope"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
WITHHELD_AS = "urn:salus:withheld-as"
"""The extension of a root provision that states what readers learn of the data that it denies."""

_ACTION_CODES = {
    ACTION_SYSTEM: frozenset({"read", "process"}),
    "http://terminology.hl7.org/CodeSystem/consentaction": frozenset(ACTIONS) - {"read", "process"},
}
_DOCUMENT_SYSTEMS = frozenset(
    {"urn:ietf:rfc:3986", "urn:ietf:bcp:13", "http://ihe.net/fhir/ValueSet/IHE.FormatCode.codesystem"}
)
"""Systems of the value set consent-content-class of FHIR R4, beside resource types, and of IHE's document formats."""
ROLE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_RECIPIENT_ROLES = frozenset({"IRCP", "PRCP", "TRC"})
"""Information recipient with its two kinds (v3-ParticipationType). An actor in another role receives nothing."""

_ACT_CODE = SENSITIVITY_SYSTEM
_PRIVACY = frozenset(
    {(SCOPE_SYSTEM, "patient-privacy"), ("http://loinc.org", "59284-0"), ("http://loinc.org", "64292-6")}
    | {(_ACT_CODE, c) for c in ("INFA", "INFAO", "INFASO", "IDSCL", "ICOL")}
)
_RESEARCH = frozenset(
    {(SCOPE_SYSTEM, "research"), (_ACT_CODE, "RESEARCH")}
    | {("http://terminology.hl7.org/CodeSystem/consentcategorycodes", "research")}
)
_NOT_OF_DATA = frozenset(
    {(SCOPE_SYSTEM, "treatment"), (SCOPE_SYSTEM, "adr")}
    | {("http://terminology.hl7.org/CodeSystem/consentcategorycodes", c) for c in ("acd", "dnr", "hcd", "polst")}
)
"""What a consent is about: consentscope 2.0.1, consentcategorycodes 1.0.1, _ActConsentType of v3-ActCode 11.0.0, LOINC
"Consent" (IHE PCF) and "Release of information consent" (SHIFT Task Force)."""

_COMMON = frozenset((
    "resourceType", "id", "meta", "language", "text", "contained", "extension", "identifier", "status", "category",
    "verification", "provision",
))  # fmt: skip
_ONLY_R4 = frozenset((
    "scope", "patient", "dateTime", "performer", "organization", "sourceAttachment", "sourceReference", "policy",
    "policyRule",
))  # fmt: skip
_ONLY_R5 = frozenset((
    "subject", "date", "period", "grantor", "grantee", "manager", "controller", "sourceAttachment",
    "sourceReference", "regulatoryBasis", "policyBasis", "policyText", "decision",
))  # fmt: skip
_MEMBERS: Mapping[Release, frozenset[str]] = {"R4": _COMMON | _ONLY_R4, "R5": _COMMON | _ONLY_R5}
"""Elements of Consent. ``implicitRules`` is left out: it changes what the others mean."""
_BOTH = _MEMBERS["R4"] & _MEMBERS["R5"]
_RULE = frozenset(
    ["id", "period", "actor", "action", "securityLabel", "purpose", "code", "dataPeriod", "data", "provision"]
)
_RULE_MEMBERS: Mapping[Release, frozenset[str]] = {
    "R4": _RULE | {"type", "class"},
    "R5": _RULE | {"documentType", "resourceType"},
}
_VERIFICATION = frozenset({"id", "verified", "verifiedWith", "verificationDate", "verificationType", "verifiedBy"})
_IN_FORCE = "active"
_NOT_IN_FORCE: Mapping[Release, frozenset[str]] = {
    "R4": frozenset({"draft", "proposed", "rejected", "inactive", "entered-in-error"}),
    "R5": frozenset({"draft", "inactive", "not-done", "entered-in-error"}),
}
_MAX_NODES = 20_000
_TYPE_NAME = re.compile(r"[A-Z][A-Za-z]{1,63}", re.ASCII)


def read(body: Body, release: Release | None = None) -> ConsentForm | None:
    """A Consent in the common form. None when it decides nothing on data: it is not in force, or not about data.

    ``release`` is the release of FHIR, when the caller knows it; else the elements of the Consent tell it. Raises
    InputError, with the path, for a Consent that is not understood in full.
    """
    if not isinstance(body, Mapping) or body.get("resourceType") != "Consent":
        raise InputError("not a Consent", where="resourceType")
    release = release or release_of(body)
    status = text(body.get("status"), "Consent.status")
    if status in _NOT_IN_FORCE[release]:
        return None
    if status != _IN_FORCE:
        raise InputError("a status that is not known", where="Consent.status")
    _refuse_modifiers(body)
    members(body, _MEMBERS[release], "Consent")
    scope = _scope(body, release)
    patient = _patient(body, release)
    dated = _time(body, "dateTime" if release == "R4" else "date")
    if scope == "other":
        return None
    root, withheld_as = _root_r4(body) if release == "R4" else (_root_r5(body), "hidden")
    if scope == "research" and not root.purposes:
        root = replace(root, purposes=frozenset({"HRESCH"}))
    return ConsentForm(root, release, patient, dated, _verified(body.get("verification")), withheld_as)


def release_of(body: Body) -> Release:
    """The release of FHIR that a Consent is written in, by its elements. Raises InputError when they do not tell."""
    told: dict[Release, set[str]] = {r: set(body) & (members - _BOTH) for r, members in _MEMBERS.items()}
    if told["R4"] and told["R5"]:
        raise InputError("elements of FHIR R4 and of R5 in one consent", where=f"Consent.{min(told['R5'])}")
    if told["R4"] or told["R5"]:
        return "R4" if told["R4"] else "R5"
    raise InputError("neither R4's patient nor R5's subject", where="Consent", remedy="name the release of FHIR")


def _refuse_modifiers(body: Body) -> None:
    """Raise InputError for an extension that changes the meaning of what it stands in, at any depth."""
    waiting: list[tuple[Any, str]] = [(body, "Consent")]
    seen = 0
    while waiting:
        node, where = waiting.pop()
        seen += 1
        if seen > _MAX_NODES:
            raise InputError("a consent of too many elements", where="Consent")
        if isinstance(node, Mapping):
            for key, value in node.items():
                if key == "modifierExtension":
                    raise InputError("an extension that changes its meaning is not known", where=f"{where}.{key}")
                waiting.append((value, f"{where}.{key}" if isinstance(key, str) and key.isidentifier() else where))
        elif isinstance(node, list):
            waiting.extend((item, f"{where}[{i}]") for i, item in enumerate(node))


def _root_r4(body: Body) -> tuple[Provision, WithheldAs]:
    element = body.get("provision")
    if not isinstance(element, Mapping):
        raise InputError("no rule that can be read", where="Consent.provision")
    codes = concept(body["policyRule"], "Consent.policyRule") if "policyRule" in body else []
    policy: set[Answer] = set()
    if (_ACT_CODE, "OPTIN") in codes:
        policy.add("permit")
    if (_ACT_CODE, "OPTOUT") in codes:
        policy.add("deny")
    if len(policy) > 1 or (element.get("type") == "permit" and policy == {"deny"}):
        raise InputError("it permits and opts out", where="Consent.policyRule")
    if "type" not in element:
        if not policy:
            raise InputError("neither permit nor deny", where="Consent.provision.type")
        element = {**element, "type": policy.pop()}
    plain = {key: value for key, value in element.items() if key != "extension"}
    root = _Reader("R4").provision(plain, None, "Consent.provision", 1)
    return root, _withheld_as(element, root) if "extension" in element else "hidden"


def _withheld_as(element: Mapping[str, Any], root: Provision) -> WithheldAs:
    """What readers learn, by a root provision, of the data that it denies. Only a denial of reading whole categories
    may state it."""
    where = "Consent.provision.extension"
    (extension, *more) = objects(element, "extension", "Consent.provision")
    members(extension, frozenset({"url", "valueCode"}), where)
    found: WithheldAs | None = next((w for w in get_args(WithheldAs) if w == extension.get("valueCode")), None)
    if more or extension.get("url") != WITHHELD_AS or found is None:
        raise InputError("an extension that salus does not know", where=where)
    if root.type != "deny" or not root.categories or (root.actions and not root.actions & {"read", "access"}):
        raise InputError("only a denial of reading whole categories tells how it shows", where=where)
    return found


def _root_r5(body: Body) -> Provision:
    decision = _answer(body.get("decision"), "Consent.decision")
    reader = _Reader("R5")
    opposite: Answer = "deny" if decision == "permit" else "permit"
    nested = [
        reader.provision(element, opposite, f"Consent.provision[{i}]", 2)
        for i, element in enumerate(objects(body, "provision", "Consent"))
    ]
    return Provision(decision, period=period(body, "period", "Consent"), nested=tuple(nested))


@dataclass(slots=True)
class _Reader:
    """Reads the provisions of one consent, and counts them."""

    release: Release
    count: int = field(default=0)

    def provision(self, element: Mapping[str, Any], type: Answer | None, where: str, depth: int) -> Provision:
        """One provision. ``type`` is the type that R5 gives to its level; None in R4, where the provision states it."""
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_PROVISIONS:
            raise InputError("provisions nested too deeply, or too many of them", where=where)
        members(element, _RULE_MEMBERS[self.release], where)
        answer: Answer = type or _answer(element.get("type"), f"{where}.type")
        below: Answer | None = None if type is None else "permit" if type == "deny" else "deny"
        actors, roles = _actors(objects(element, "actor", where), self.release, f"{where}.actor")
        kind = "class" if self.release == "R4" else "resourceType"
        classes = objects(element, kind, where)
        categories = _categories(classes, f"{where}.{kind}") if self.release == "R4" else frozenset()
        return Provision(
            type=answer,
            actors=actors,
            roles=roles,
            purposes=_purposes(objects(element, "purpose", where), f"{where}.purpose"),
            actions=_actions(objects(element, "action", where), f"{where}.action"),
            labels=_labels(objects(element, "securityLabel", where), f"{where}.securityLabel"),
            categories=categories,
            classes=frozenset() if categories else _content(classes, f"{where}.{kind}"),
            documents=_content(objects(element, "documentType", where), f"{where}.documentType"),
            codes=_codes(objects(element, "code", where), f"{where}.code"),
            data=_data(objects(element, "data", where), f"{where}.data"),
            data_period=period(element, "dataPeriod", where),
            period=period(element, "period", where),
            nested=tuple(
                self.provision(inner, below, f"{where}.provision[{i}]", depth + 1)
                for i, inner in enumerate(objects(element, "provision", where))
            ),
        )


def _answer(value: Any, where: str) -> Answer:
    if value == "permit":
        return "permit"
    if value == "deny":
        return "deny"
    raise InputError("neither permit nor deny", where=where)


def _actors(items: Sequence[Mapping[str, Any]], release: Release, where: str) -> tuple[frozenset[str], frozenset[str]]:
    """The actors that are named, and the roles of those that are given by their role only."""
    actors: set[str] = set()
    roles: set[str] = set()
    for i, item in enumerate(items):
        at = f"{where}[{i}]"
        members(item, frozenset({"id", "role", "reference"}), at)
        told = concept(item["role"], f"{at}.role") if "role" in item else []
        if "reference" in item:
            if "role" not in item and release == "R4":
                raise InputError("an actor without a role", where=at)
            if any(system != ROLE_SYSTEM or code not in _RECIPIENT_ROLES for system, code in told):
                raise InputError("an actor in a role other than recipient", where=f"{at}.role")
            actors |= names_of(item["reference"], f"{at}.reference")
        elif not told or any(system == ROLE_SYSTEM for system, _ in told):
            raise InputError("an actor without a name or a role of its own", where=at)
        else:
            roles |= {identifier(system, code) for system, code in told}
    return frozenset(actors), frozenset(roles)


def _purposes(items: Sequence[Mapping[str, Any]], where: str) -> frozenset[str]:
    found = set()
    for i, (system, code) in enumerate(coding(item, f"{where}[{i}]") for i, item in enumerate(items)):
        if system == PURPOSE_SYSTEM and code not in PURPOSES:
            raise InputError("a purpose of use that is not known", where=f"{where}[{i}]")
        found.add(code if system == PURPOSE_SYSTEM else identifier(system, code))
    return frozenset(found)


def _actions(items: Sequence[Mapping[str, Any]], where: str) -> frozenset[str]:
    """The codes of CodeableConcepts; salus's own consents may also write the codings themselves."""
    found: set[str] = set()
    for i, item in enumerate(items):
        bare = item.get("system") == ACTION_SYSTEM and "coding" not in item
        for system, code in [coding(item, f"{where}[{i}]")] if bare else concept(item, f"{where}[{i}]"):
            if code not in _ACTION_CODES.get(system, ()):
                raise InputError("an action that is not known", where=f"{where}[{i}]")
            found.add(code)
    return frozenset(found)


def _labels(items: Sequence[Mapping[str, Any]], where: str) -> frozenset[str]:
    found = set()
    for i, item in enumerate(items):
        label = label_of(*coding(item, f"{where}[{i}]"))
        if label is None:
            raise InputError("a security label that is not known", where=f"{where}[{i}]")
        found.add(label)
    return frozenset(found)


def _categories(items: Sequence[Mapping[str, Any]], where: str) -> frozenset[str]:
    """salus's own categories, where R4's class names them. They stand alone: repetitions mean "or"."""
    found = [coding(item, f"{where}[{i}]") for i, item in enumerate(items)]
    if not any(system == CATEGORY_SYSTEM for system, _ in found):
        return frozenset()
    if not all(system == CATEGORY_SYSTEM and code in CATEGORIES for system, code in found):
        raise InputError("a category that salus does not know", where=where)
    return frozenset(code for _, code in found)


def _content(items: Sequence[Mapping[str, Any]], where: str) -> frozenset[str]:
    """Resource types, document types, formats and profiles."""
    found = [coding(item, f"{where}[{i}]") for i, item in enumerate(items)]
    for i, (system, code) in enumerate(found):
        if not (_TYPE_NAME.fullmatch(code) if system == RESOURCE_TYPES else system in _DOCUMENT_SYSTEMS):
            raise InputError("a class of content that is not known", where=f"{where}[{i}]")
    return frozenset(c if s == RESOURCE_TYPES else identifier(s, c) for s, c in found)


def _codes(items: Sequence[Mapping[str, Any]], where: str) -> frozenset[str]:
    return frozenset(
        identifier(system, code) for i, item in enumerate(items) for system, code in concept(item, f"{where}[{i}]")
    )


def _data(items: Sequence[Mapping[str, Any]], where: str) -> frozenset[DataReference]:
    found = set()
    for i, item in enumerate(items):
        at = f"{where}[{i}]"
        members(item, frozenset({"id", "meaning", "reference"}), at)
        meaning = item.get("meaning")
        if meaning not in ("instance", "related", "dependents", "authoredby"):
            raise InputError("a meaning of data that is not known", where=f"{at}.meaning")
        found.add(DataReference(meaning, names_of(item.get("reference"), f"{at}.reference")))
    return frozenset(found)


def _scope(body: Body, release: Release) -> Literal["privacy", "research", "other"]:
    """What the consent is about: R4's scope tells it, or else the categories."""
    items = objects(body, "category", "Consent")
    codes = [c for i, item in enumerate(items) for c in concept(item, f"Consent.category[{i}]")]
    if release == "R4" and "scope" in body:
        codes = concept(body["scope"], "Consent.scope")
    if _PRIVACY.intersection(codes):
        return "privacy"
    if _RESEARCH.intersection(codes):
        return "research"
    if _NOT_OF_DATA.intersection(codes):
        return "other"
    raise InputError(
        "it does not tell that it is about privacy", where=f"Consent.{'scope' if release == 'R4' else 'category'}"
    )


def _patient(body: Body, release: Release) -> str:
    """The reference, or else the identifier, of the patient."""
    key = "patient" if release == "R4" else "subject"
    where = f"Consent.{key}"
    if key not in body:
        raise InputError("the consent names no patient", where=where)
    ids = names_of(body[key], where)
    reference = body[key].get("reference")
    if isinstance(reference, str) and not re.search(r"(?:^|/)Patient/[^/]+$", reference):
        raise InputError("the consent is about somebody else than a patient", where=where)
    return reference if isinstance(reference, str) else min(ids)


def _verified(value: Any) -> bool | None:
    """True when the patient or family confirmed the consent once, False when it only says that they did not."""
    if value is None:
        return None
    items = objects({"verification": value}, "verification", "Consent")
    for i, item in enumerate(items):
        members(item, _VERIFICATION, f"Consent.verification[{i}]")
    told = [item.get("verified") for item in items]
    if not all(isinstance(v, bool) for v in told):
        raise InputError("neither verified nor not", where="Consent.verification")
    return any(told)


def _time(body: Body, key: str) -> Span:
    if key not in body:
        raise InputError("the consent has no date", where=f"Consent.{key}")
    return moment(body[key], f"Consent.{key}")
