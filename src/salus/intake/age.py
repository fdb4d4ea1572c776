"""Which of two versions of one resource is the newer. The order of reading decides only where they tell nothing.

The rules, in this order: ``meta.lastUpdated``; ``meta.versionId`` where both are numbers and of one source; the date of
the statement itself. A result that was corrected or withdrawn is only ever replaced by one that is issued later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from salus.errors import InputError
from salus.fhir import dates, json
from salus.fhir.dates import Span
from salus.intake.attribute import without_addresses

Order = Literal["same", "newer", "older", "unknown"]
_STATED = ("issued", "dateAsserted", "recordedDate", "recorded", "authoredOn", "date")
_CORRECTED = frozenset({"corrected", "amended", "appended", "entered-in-error"})
_PLAIN = frozenset({"registered", "preliminary", "partial", "final", "unknown"})
_RESULTS = frozenset({"Observation", "DiagnosticReport"})
MESSAGES = "urn:hl7v2:"
"""Begins ``meta.source`` of what an HL7 v2 message brought: its times are those of sending, not of the statement."""


def order(stored: Mapping[str, Any], incoming: Mapping[str, Any]) -> Order:
    """How ``incoming`` stands to ``stored``, two versions of one resource.

    The same content is "newer" where its mark is, lest a version in between should take its place later.
    """
    if same_content(stored, incoming):
        return "newer" if by_mark(stored, incoming) == "newer" else "same"
    if _undoes(stored, incoming):
        by_issue = _by_span(stored, incoming, "issued")
        return "newer" if by_issue == "newer" else "older"
    answer = by_mark(stored, incoming)
    return answer if answer != "unknown" else _by_statement(stored, incoming)


def newest(resources: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One resource a type and id: of several the newest; of those that tell nothing the last, as a transaction does."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for resource in resources:
        key = (resource["resourceType"], resource["id"])
        if key not in found or order(found[key], resource) in ("newer", "unknown"):
            found[key] = resource
    return list(found.values())


def same_content(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """True for two versions that say the same."""
    return _content(one) == _content(other)


def _content(body: Mapping[str, Any]) -> bytes:
    """The resource without the marks of its version and of the servers that know it."""
    meta = body.get("meta")
    kept = {k: v for k, v in meta.items() if k not in ("lastUpdated", "versionId")} if isinstance(meta, dict) else meta
    kept = without_addresses(kept) if isinstance(kept, dict) else kept
    rest = without_addresses({k: v for k, v in body.items() if k != "meta"})
    return json.dumps({**rest, **({"meta": kept} if kept else {})}, canonical=True)


def _undoes(stored: Mapping[str, Any], incoming: Mapping[str, Any]) -> bool:
    """True where a plain result of a message would take the place of a corrected or withdrawn one.

    HL7 v2.5.1, table 0085: a final result "can only be changed with a corrected result".
    """
    return (
        stored.get("resourceType") in _RESULTS
        and stored.get("status") in _CORRECTED
        and incoming.get("status") in _PLAIN
        and str(_meta(incoming, "source")).startswith(MESSAGES)
    )


def _meta(body: Mapping[str, Any], name: str) -> Any:
    meta = body.get("meta")
    return meta.get(name) if isinstance(meta, Mapping) else None


def by_mark(stored: Mapping[str, Any], incoming: Mapping[str, Any]) -> Order:
    """What the marks of the server tell: ``meta.lastUpdated``, then ``meta.versionId``."""
    answer = _by_updated(stored, incoming)
    return answer if answer != "unknown" else _by_version(stored, incoming)


def _by_updated(stored: Mapping[str, Any], incoming: Mapping[str, Any]) -> Order:
    return _compared(_span(_meta(stored, "lastUpdated")), _span(_meta(incoming, "lastUpdated")))


def _by_version(stored: Mapping[str, Any], incoming: Mapping[str, Any]) -> Order:
    one, other = _meta(stored, "versionId"), _meta(incoming, "versionId")
    if _server(stored) != _server(incoming) or not (_is_number(one) and _is_number(other)):
        return "unknown"
    return "unknown" if int(one) == int(other) else "newer" if int(other) > int(one) else "older"


def _server(body: Mapping[str, Any]) -> str:
    """What ``meta.source`` says of the server, without the fragment that some write for each request."""
    return str(_meta(body, "source") or "").partition("#")[0]


def _is_number(version: Any) -> bool:
    return isinstance(version, str) and version.isascii() and version.isdigit() and len(version) < 20


def _by_statement(stored: Mapping[str, Any], incoming: Mapping[str, Any]) -> Order:
    for name in _STATED:
        answer = _by_span(stored, incoming, name)
        if answer != "unknown":
            return answer
    return "unknown"


def _by_span(stored: Mapping[str, Any], incoming: Mapping[str, Any], name: str) -> Order:
    return _compared(_span(stored.get(name)), _span(incoming.get(name)))


def _span(written: Any) -> Span | None:
    try:
        return dates.parse(written) if isinstance(written, str) else None
    except InputError:
        return None


def _compared(stored: Span | None, incoming: Span | None) -> Order:
    """Partial dates are told apart only where they do not overlap."""
    if stored is None or incoming is None:
        return "unknown"
    if incoming.start >= stored.end:
        return "newer"
    return "older" if stored.start >= incoming.end else "unknown"
