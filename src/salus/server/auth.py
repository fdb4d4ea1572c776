"""Signing in: the token endpoint of SMART Backend Services and the document that points to it."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.app.house import House
from salus.app.refusals import NotSignedIn
from salus.app.serving.tokens import ALGORITHM, READ, WRITE, Granted, TooManySignIns
from salus.errors import InputError
from salus.server.errors import RETRY_AFTER
from salus.server.service import body, origin, service, trust

FORM = "application/x-www-form-urlencoded"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class FormError(InputError):
    """A request for a token that is refused. ``what`` explains it; ``code`` is the error code of RFC 6749."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code


async def token(request: Request) -> Response:
    """POST /auth/token: a bearer token for a signed assertion (RFC 6749 section 4.4, RFC 7523 section 2.2)."""
    here, by = service(request), origin(request)
    data = await body(request, FORM, limit=here.limits.unknown)

    def exchange(house: House) -> Granted:
        signed, scope = read_form(data)
        return here.tokens.exchange(house, signed, here.token_address, scope, origin=by)

    try:
        granted = await here.workers.run(exchange, by)
    except FormError as error:
        return _refused(error.code, error.what)
    except TooManySignIns as error:
        return _refused("temporarily_unavailable", error.what, 429)
    except NotSignedIn as error:
        return _refused("invalid_client", error.what, 401)
    answer = {
        "access_token": granted.value,
        "token_type": "bearer",
        "expires_in": int(granted.lasts.total_seconds()),
        "scope": granted.scope,
    }
    trust(request)
    return JSONResponse(answer, headers={"Pragma": "no-cache"})


def read_form(data: bytes) -> tuple[str, str]:
    """The assertion and the scope in a request for a token. Raises FormError."""
    try:
        pairs = parse_qsl(data.decode("ascii"), max_num_fields=20, strict_parsing=True)
    except ValueError:  # not ASCII, not a form, or too many fields
        raise FormError("invalid_request", "not a form") from None
    form = dict(pairs)
    if len(form) != len(pairs) or "client_assertion" not in form:
        raise FormError("invalid_request", "one client_assertion is needed, and every field at most once")
    if form.get("grant_type") != "client_credentials":
        raise FormError("unsupported_grant_type", "grant_type is client_credentials")
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise FormError("invalid_request", f"client_assertion_type is {ASSERTION_TYPE}")
    scope = form.get("scope", WRITE)
    if scope not in (READ, WRITE):
        raise FormError("invalid_scope", f"the scopes are {READ} and {WRITE}")
    return form["client_assertion"], scope


def _refused(code: str, text: str, status: int = 400) -> Response:
    headers = {"Retry-After": RETRY_AFTER} if status == 429 else {}
    return JSONResponse({"error": code, "error_description": text}, status, headers)


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
