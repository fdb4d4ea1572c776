"""FHIR writes: create and transaction. Updates and deletes are refused: a record is changed by what is taken in."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from salus.app import fhir_write
from salus.app.fhir_query import TYPE
from salus.app.fhir_write import Created
from salus.app.refusals import Unsupported
from salus.app.session import Session
from salus.fhir import json
from salus.server import bundles
from salus.server.service import body, service

MEDIA = ("application/fhir+json", "application/json")


async def create(request: Request) -> Response:
    """POST /fhir/TYPE."""
    kind, own_base = request.path_params["kind"], f"{service(request).base}/fhir"
    data = await _body(request)

    def take(session: Session) -> Created:
        if not TYPE.match(kind):
            raise Unsupported("no such type")
        return fhir_write.create(session, kind, json.loads(data), own_base)

    return bundles.created(service(request).base, await service(request).work(request, take, writes=True))


async def transaction(request: Request) -> Response:
    """POST /fhir with a transaction Bundle."""
    own_base = f"{service(request).base}/fhir"
    data = await _body(request)

    def take(session: Session) -> list[Created]:
        return fhir_write.transaction(session, json.loads(data), own_base)

    made = await service(request).work(request, take, writes=True)
    return bundles.answer(bundles.transaction_response(made))


async def _body(request: Request) -> bytes:
    if "if-none-exist" in request.headers:
        raise Unsupported("conditional creates are not supported", where="If-None-Exist")
    return await body(request, *MEDIA)
