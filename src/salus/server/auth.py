"""Signing in: the token endpoint of SMART Backend Services and the document that points to it."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.app.house import House
from salus.app.refusals import NotSignedIn
from salus.app.tokens import ALGORITHM, READ, WRITE, Granted
from salus.server.service import body, service

FORM = "application/x-www-form-urlencoded"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


async def token(request: Request) -> Response:
    """POST /auth/token: a bearer token for a signed assertion (RFC 6749 section 4.4, RFC 7523 section 2.2)."""
    here = service(request)
    try:
        pairs = parse_qsl((await body(request, FORM)).decode("ascii"), max_num_fields=20, strict_parsing=True)
    except ValueError:  # not ASCII, not a form, or too many fields
        return _refused("invalid_request", "not a form")
    form = dict(pairs)
    if len(form) != len(pairs) or "client_assertion" not in form:
        return _refused("invalid_request", "one client_assertion is needed, and every field at most once")
    if form.get("grant_type") != "client_credentials":
        return _refused("unsupported_grant_type", "grant_type is client_credentials")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        return _refused("invalid_request", f"client_assertion_type is {ASSERTION_TYPE}")
    scope = form.get("scope", WRITE)
    if scope not in (READ, WRITE):
        return _refused("invalid_scope", f"the scopes are {READ} and {WRITE}")

    def exchange(house: House) -> Granted:
        return here.tokens.exchange(house, form["client_assertion"], here.token_address, scope)

    try:
        granted = await here.workers.run(exchange)
    except NotSignedIn as error:
        return _refused("invalid_client", error.what, 401)
    answer = {
        "access_token": granted.value,
        "token_type": "bearer",
        "expires_in": int(granted.lasts.total_seconds()),
        "scope": granted.scope,
    }
    return JSONResponse(answer, headers={"Pragma": "no-cache"})


def _refused(code: str, text: str, status: int = 400) -> Response:
    return JSONResponse({"error": code, "error_description": text}, status)


async def smart_configuration(request: Request) -> Response:
    """GET /fhir/.well-known/smart-configuration: how to sign in."""
    return JSONResponse(
        {
            "token_endpoint": service(request).token_address,
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": [ALGORITHM],
            "scopes_supported": [READ, WRITE],
            "capabilities": ["client-confidential-asymmetric", "permission-v2"],
        }
    )
