"""Stored resources as FHIR answers: bodies with their version, Bundles of pages, history and created entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from email.utils import format_datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from salus.app.fhir.api import Page
from salus.app.fhir.audit import Events
from salus.app.fhir.write import Created
from salus.careplan.model import WITHHELD
from salus.fhir import dates, json
from salus.record.reading import Stored
from salus.server.errors import FHIR_JSON


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A FHIR JSON response; numbers keep their digits."""
    return Response(json.dumps(value), status, media_type=FHIR_JSON, headers=headers)


def shown(stored: Stored) -> dict[str, Any]:
    """A resource with its version and time in ``meta``."""
    body: dict[str, Any] = stored.body
    meta = body.get("meta")
    known = {"versionId": str(stored.source.version), "lastUpdated": stored.updated}
    return {**body, "meta": {**(meta if isinstance(meta, dict) else {}), **known}}


def etag(version: int) -> str:
    """A weak ETag, as FHIR writes versions."""
    return f'W/"{version}"'


def one(request: Request, stored: Stored) -> Response:
    """A single resource, or 304 where the asker has this version."""
    tag = etag(stored.source.version)
    headers = {"ETag": tag, "Last-Modified": format_datetime(dates.instant(stored.updated), usegmt=True)}
    known = {part.strip() for part in request.headers.get("if-none-match", "").split(",")}
    if known & {tag, tag.removeprefix("W/"), "*"}:
        return Response(status_code=304, headers=headers)
    return answer(shown(stored), headers=headers)


def searchset(base: str, link: str, page: Page) -> dict[str, Any]:
    """A page of results. ``link`` is the address that was asked for, without what was asked."""
    links = [{"relation": "self", "url": link}]
    if page.next:
        links.append({"relation": "next", "url": f"{base}/fhir/_page/{page.next}"})
    found: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": links}
    if page.total is not None:
        found["total"] = page.total
    entries: list[dict[str, Any]] = [
        {"fullUrl": f"{base}/fhir/{s.source.ref}", "resource": shown(s), "search": {"mode": "match"}}
        for s in page.entries
    ]
    if page.withheld:
        entries.append({"resource": _withheld(page.withheld), "search": {"mode": "outcome"}})
    return {**found, "entry": entries} if entries else found


def _withheld(kinds: Sequence[str]) -> dict[str, Any]:
    """What the patient withholds of a record, where the patient lets it be told."""
    text = WITHHELD.format(kinds=", ".join(kinds))
    issue = {"severity": "information", "code": "suppressed", "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def trail(base: str, events: Events, further: str) -> dict[str, Any]:
    """A page of AuditEvents; ``further`` is the query of the next one, "" after the last."""
    link = f"{base}/fhir/AuditEvent"
    links = [{"relation": "self", "url": link}]
    if further:
        links.append({"relation": "next", "url": f"{link}?{further}"})
    found: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": links}
    if events.found:
        found["entry"] = [
            {"fullUrl": f"{link}/{event['id']}", "resource": event, "search": {"mode": "match"}}
            for event in events.found
        ]
    return found


def history(base: str, versions: Sequence[Stored]) -> dict[str, Any]:
    """The versions of one resource, newest first."""
    entries = [_version(base, stored) for stored in versions]
    return {"resourceType": "Bundle", "type": "history", "total": len(entries), "entry": entries}


def _version(base: str, stored: Stored) -> dict[str, Any]:
    method = "DELETE" if stored.deleted else "POST" if stored.source.version == 1 else "PUT"
    ref = stored.source.ref
    entry: dict[str, Any] = {
        "fullUrl": f"{base}/fhir/{ref}",
        "request": {"method": method, "url": ref.partition("/")[0] if method == "POST" else ref},
        "response": {
            "status": {"DELETE": "204", "POST": "201", "PUT": "200"}[method],
            "etag": etag(stored.source.version),
            "lastModified": stored.updated,
        },
    }
    return entry if stored.deleted else {**entry, "resource": shown(stored)}


def created(base: str, made: Created) -> Response:
    """The answer to a create: the resource as it is kept, and where."""
    meta = made.body.get("meta")
    kept = {**(meta if isinstance(meta, dict) else {}), "versionId": str(made.version)}
    body = {**made.body, "meta": {k: v for k, v in kept.items() if k != "lastUpdated"}}
    location = f"{base}/fhir/{made.kind}/{made.id}/_history/{made.version}"
    return answer(body, 201, {"Location": location, "ETag": etag(made.version)})


def accepted() -> Response:
    """The one answer to a write of somebody to whom nothing of the record is released, filed or not."""
    text = "taken; what fits the record is filed, the rest lies in quarantine for an operator"
    issue = {"severity": "information", "code": "informational", "diagnostics": text}
    return answer({"resourceType": "OperationOutcome", "issue": [issue]}, 202)


def transaction_response(made: Iterable[Created]) -> dict[str, Any]:
    """What became of the entries of a transaction, in their order."""
    entries = []
    for entry in made:
        response = {"status": "201 Created", "location": f"{entry.kind}/{entry.id}"}
        if entry.version:
            response["location"] += f"/_history/{entry.version}"
            response["etag"] = etag(entry.version)
        entries.append({"response": response})
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
