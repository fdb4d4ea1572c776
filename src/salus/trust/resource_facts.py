"""What is known of one resource, and what a consent's provision may ask of it.

A condition holds, does not hold, or is open because a fact is missing. The caller says what an open condition counts
as.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from salus.errors import InputError
from salus.fhir import dates
from salus.fhir.dates import Span
from salus.fhir.views import Body, Names, dicts, no_names
from salus.trust.labels import CONFIDENTIALITY, SENSITIVITY, confidentiality_of, labels_of, sensitivities_of

Meaning = Literal["instance", "related", "dependents", "authoredby"]
Period = tuple[Span | None, Span | None]
_CONTEXT = re.compile(r"(?:.*/)?(?:Encounter|EpisodeOfCare|CarePlan)/[^/]+")
_AUTHORS = ("author", "recorder", "asserter", "requester", "performer", "informationSource")
_TIMES = (
    "authoredOn", "recordedDate", "recorded", "issued", "date", "dateTime", "created", "effectiveDateTime",
    "effectiveInstant", "effectivePeriod", "performedDateTime", "performedPeriod", "occurrenceDateTime",
    "occurrencePeriod", "onsetDateTime", "onsetPeriod", "started", "period",
)  # fmt: skip
"""Elements of FHIR R4 that tell when something was written, and when it happened (fivews.recorded and fivews.done)."""
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DataReference:
    """Data named by a reference. ``ids`` are the reference and the identifier of one thing.

    Meanings (consent-data-meaning): "instance", the resource itself; "related", it and what it refers to (IHE PCF: and
    what happened in that encounter, episode or plan); "dependents", it and what refers to it; "authoredby", what the
    named one authored.
    """

    meaning: Meaning
    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    """What is known of one resource. None, and "" for ``ref``, ``type`` and ``category``, mean "not known".

    ``labels`` as :func:`salus.trust.labels.labels_of` gives them, ``contexts`` the encounters, episodes and plans that
    it belongs to, ``authored`` when it was written, or else happened.
    """

    ref: str = ""
    type: str = ""
    category: str = ""
    labels: frozenset[str] | None = None
    codes: frozenset[str] | None = None
    documents: frozenset[str] | None = None
    authors: frozenset[str] | None = None
    authored: Span | None = None
    contexts: frozenset[str] | None = None
    refers_to: frozenset[str] | None = None
    referred_by: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """What a provision states about one element of the data. ``denies``: the provision that states it is a denial."""

    element: str
    values: Any
    denies: bool

    def holds(self, facts: ResourceFacts) -> bool | None:
        """Whether a resource fulfils the condition; None when that is not known."""
        return _TESTS[self.element](self.values, self.denies, facts)


Data = tuple[Condition, ...]
"""Conditions that must all hold. Empty: any data."""


def fulfils(data: Data, facts: ResourceFacts, *, unknown: bool) -> bool:
    """Whether a resource fulfils all of ``data``; ``unknown`` is what an open condition counts as."""
    for condition in data:
        held = condition.holds(facts)
        if not (unknown if held is None else held):
            return False
    return True


def facts_of(
    body: Body, *, category: str = "", names: Names = no_names, referred_by: frozenset[str] | None = None
) -> ResourceFacts:
    """The facts of a resource of FHIR R4. ``referred_by`` is what refers to it, which its own body does not say.

    ``authored`` spans all times that the resource tells, from when it happened to when it was written.
    """
    kind, own = body.get("resourceType"), body.get("id")
    references = frozenset(_references(body))
    codes = frozenset(f"{n['system']}|{n['code']}" for n in _walk(body) if _is_coding(n))
    return ResourceFacts(
        ref=f"{kind}/{own}" if isinstance(kind, str) and isinstance(own, str) else "",
        type=kind if isinstance(kind, str) else "",
        category=category,
        labels=labels_of(body, names),
        codes=codes or None,
        documents=frozenset(_documents(body)),
        authors=frozenset(r for key in _AUTHORS for r in _references(body.get(key))) or None,
        authored=_times(body),
        contexts=frozenset(r for r in references if _CONTEXT.fullmatch(r)),
        refers_to=references,
        referred_by=referred_by,
    )


def _walk(node: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            yield node
            waiting.extend(v for k, v in node.items() if k != "meta")
        elif isinstance(node, list):
            waiting.extend(node)


def _is_coding(node: Mapping[str, Any]) -> bool:
    return isinstance(node.get("system"), str) and isinstance(node.get("code"), str)


def _references(node: Any) -> Iterator[str]:
    """What is referred to in ``node``: references and business identifiers of references."""
    for found in _walk(node):
        if isinstance(found.get("reference"), str):
            yield found["reference"]
        named = found.get("identifier")
        if isinstance(named, Mapping) and isinstance(named.get("system"), str) and isinstance(named.get("value"), str):
            yield f"{named['system']}|{named['value']}"


def _documents(body: Body) -> Iterator[str]:
    """Profiles, document types, formats and media types, as Consent.provision.class names them."""
    meta = body.get("meta")
    profiles = meta.get("profile") if isinstance(meta, Mapping) else None
    yield from (f"urn:ietf:rfc:3986|{p}" for p in (profiles if isinstance(profiles, list) else ()))
    contents = dicts(body.get("content"))
    for node in _walk([body.get("type"), [c.get("format") for c in contents]]):
        if _is_coding(node):
            yield f"{node['system']}|{node['code']}"
    for content in contents:
        attachment = content.get("attachment")
        if isinstance(attachment, Mapping) and isinstance(attachment.get("contentType"), str):
            yield f"urn:ietf:bcp:13|{attachment['contentType']}"


def _times(body: Body) -> Span | None:
    """From the first to the last moment that a resource tells; None where it tells none, or one cannot be read."""
    spans = []
    try:
        for told in (body[key] for key in _TIMES if key in body):
            if isinstance(told, Mapping):
                start = (
                    dates.parse(told["start"])
                    if "start" in told
                    else Span(datetime.min.replace(tzinfo=UTC), _END_OF_TIME)
                )
                end = dates.parse(told["end"]).end if "end" in told else _END_OF_TIME
                spans.append(Span(start.start, end))
            else:
                spans.append(dates.parse(told))
    except InputError:
        return None
    return Span(min(s.start for s in spans), max(s.end for s in spans)) if spans else None


def _has_category(values: frozenset[str], denies: bool, facts: ResourceFacts) -> bool | None:
    return facts.category in values if facts.category else None


def _has_label(values: frozenset[str], denies: bool, facts: ResourceFacts) -> bool | None:
    """FHIR R4, Consent.provision.securityLabel: "R" speaks of what is labelled R or lower; subsumption for the others.

    That is what a permit means. A denial of R means R and above (Google Cloud Healthcare API, "FHIR consent"). A permit
    of sensitive data must name all that makes them sensitive; for a denial one of it is enough.
    """
    if facts.labels is None or (told := confidentiality_of(facts.labels)) is None:
        return None
    ranks = [CONFIDENTIALITY[v] for v in values if v in CONFIDENTIALITY]
    kinds = [not values.isdisjoint(SENSITIVITY.get(s, {s})) for s in sensitivities_of(facts.labels)]
    if denies:
        return any(kinds) or (bool(ranks) and CONFIDENTIALITY[told] >= min(ranks))
    return (bool(kinds) and all(kinds)) or (bool(ranks) and CONFIDENTIALITY[told] <= max(ranks))


def _has_class(values: frozenset[str], denies: bool, facts: ResourceFacts) -> bool | None:
    if facts.type in values or (facts.documents and not values.isdisjoint(facts.documents)):
        return True
    asks_documents = any("|" in value for value in values)
    return None if not facts.type or (asks_documents and facts.documents is None) else False


def _has_code(values: frozenset[str], denies: bool, facts: ResourceFacts) -> bool | None:
    return None if facts.codes is None else not values.isdisjoint(facts.codes)


def _was_authored(values: Period, denies: bool, facts: ResourceFacts) -> bool | None:
    """A permit needs the whole time of the data to lie inside the period, a denial only a part of it."""
    if facts.authored is None:
        return None
    start, end = values
    first, last = facts.authored.start, facts.authored.end
    if denies:
        return (start is None or last > start.start) and (end is None or first < end.end)
    return (start is None or first >= start.start) and (end is None or last <= end.end)


def _is_referenced(values: frozenset[DataReference], denies: bool, facts: ResourceFacts) -> bool | None:
    found = [_meant(reference, facts) for reference in values]
    return True if True in found else None if None in found else False


def _meant(reference: DataReference, facts: ResourceFacts) -> bool | None:
    if reference.meaning == "authoredby":
        known: Iterable[frozenset[str] | None] = [facts.authors]
    else:
        known = [frozenset({facts.ref}) if facts.ref else None]
        known += {
            "instance": [],
            "related": [facts.contexts, facts.referred_by],
            "dependents": [facts.refers_to],
        }[reference.meaning]
    if any(ids and not reference.ids.isdisjoint(ids) for ids in known):
        return True
    return None if any(ids is None for ids in known) else False


_TESTS: Mapping[str, Callable[[Any, bool, ResourceFacts], bool | None]] = {
    "categories": _has_category,
    "labels": _has_label,
    "classes": _has_class,
    "documents": _has_class,
    "codes": _has_code,
    "data": _is_referenced,
    "data_period": _was_authored,
}
