"""Errors as OperationOutcome, each with its status. None holds patient data; what failed inside is not told outside."""

from __future__ import annotations

import logging
from typing import Any

from starlette.responses import Response

from salus.app.refusals import Ambiguous, Expired, NotAllowed, NotSignedIn, Unprocessable, Unsupported
from salus.app.serving.tokens import TooManySignIns
from salus.errors import AccessError, ConfigurationError, InputError, SalusError, StoreError
from salus.fhir import json
from salus.server.failures import described
from salus.server.lines import TooMany
from salus.server.service import TooLarge, TooSlow, WrongMedia

FHIR_JSON = "application/fhir+json"
RETRY_AFTER = "5"
"""Seconds after which whoever was refused for want of room may come again."""
LOG = logging.getLogger("salus.server")
NOT_FOUND = "no such resource, or not released to you; a common id is found by patient: TYPE?patient=ID&_id=ID"

_STATUS: tuple[tuple[type[SalusError], int, str], ...] = (
    (TooManySignIns, 429, "throttled"),
    (NotSignedIn, 401, "login"),
    (NotAllowed, 403, "forbidden"),
    (AccessError, 404, "not-found"),
    (TooLarge, 413, "too-long"),
    (WrongMedia, 415, "not-supported"),
    (TooSlow, 408, "timeout"),
    (Unsupported, 501, "not-supported"),
    (Unprocessable, 422, "processing"),
    (Ambiguous, 409, "multiple-matches"),
    (Expired, 410, "expired"),
    (InputError, 400, "invalid"),
    (ConfigurationError, 503, "transient"),
    (TooMany, 429, "throttled"),
    (StoreError, 503, "transient"),
)


def outcome(code: str, text: str, where: str | None = None) -> dict[str, Any]:
    """An OperationOutcome with one issue."""
    issue: dict[str, Any] = {"severity": "error", "code": code, "diagnostics": text}
    if where:
        issue["expression"] = [where]
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def respond(status: int, code: str, text: str, where: str | None = None, **headers: str) -> Response:
    """A response that is an OperationOutcome."""
    return Response(json.dumps(outcome(code, text, where)), status, media_type=FHIR_JSON, headers=headers)


def explain(error: Exception) -> Response:
    """The answer to a request that failed. Denied and absent get the same bytes."""
    for kind, status, code in _STATUS:
        if not isinstance(error, kind):
            continue
        if status == 404:
            return respond(404, code, NOT_FOUND)
        if status == 503:
            what = error.what if kind is StoreError and error.where is None else "the store does not answer now"
            return respond(503, code, what, **{"Retry-After": RETRY_AFTER})
        advice = f" ({error.remedy})" if error.remedy else ""
        headers = {401: {"WWW-Authenticate": 'Bearer realm="salus"'}, 429: {"Retry-After": RETRY_AFTER}}.get(status, {})
        return respond(status, code, error.what + advice, error.where, **headers)
    LOG.error("%s", described(error))
    return respond(500, "exception", "the server failed; what it was is in its own log")


__all__ = ["FHIR_JSON", "NOT_FOUND", "explain", "outcome", "respond"]
