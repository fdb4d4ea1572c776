"""FHIR writes: create and transaction. Updates and deletes are refused: a record is changed by what is taken in."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from salus.app.fhir import write as fhir_write
from salus.app.fhir.query import TYPE
from salus.app.fhir.write import Accepted, Created
from salus.app.refusals import NotAllowed, Unsupported
from salus.app.serving.tokens import WRITE
from salus.app.session import Session
from salus.server import bundles, parsing
from salus.server.service import body, service

MEDIA = ("application/fhir+json", "application/json")


async def create(request: Request) -> Response:
    """POST /fhir/TYPE."""
    kind, own_base = request.path_params["kind"], f"{service(request).base}/fhir"
    data, values = await _body(request), service(request).limits.values

    def take(session: Session) -> Created | Accepted:
        if not TYPE.match(kind):
            raise Unsupported("no such type")
        return fhir_write.create(session, kind, parsing.loads(data, values), own_base)

    made = await service(request).work(request, take, writes=True)
    return bundles.accepted() if isinstance(made, Accepted) else bundles.created(service(request).base, made)


async def transaction(request: Request) -> Response:
    """POST /fhir with a transaction Bundle."""
    own_base = f"{service(request).base}/fhir"
    data, values = await _body(request), service(request).limits.values

    def take(session: Session) -> list[Created] | Accepted:
        return fhir_write.transaction(session, parsing.loads(data, values), own_base)

    made = await service(request).work(request, take, writes=True)
    return bundles.accepted() if isinstance(made, Accepted) else bundles.answer(bundles.transaction_response(made))


async def _body(request: Request) -> bytes:
    here = service(request)
    signed = await here.signed_in(request)
    if signed.scope != WRITE:
        raise NotAllowed("the token is for reading only")
    if "if-none-exist" in request.headers:
        raise Unsupported("conditional creates are not supported", where="If-None-Exist")
    return await body(request, *MEDIA, limit=here.limits.body, by=signed.actor)
