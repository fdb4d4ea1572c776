"""CDS Hooks 2.0: one service, which answers patient-view with the first items of the care plan.

The caller proves itself with a bearer token of this server, or, as CDS Hooks says, with a JWT signed for the service's
own address; the gate decides for that actor. What the request says of its user is not a proof and opens nothing.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.app.session import Session
from salus.careplan.model import NOT_A_DEVICE, Plan
from salus.errors import InputError
from salus.server import cds_cards, parsing
from salus.server.cds_messages import HookRequest, read_request
from salus.server.errors import respond
from salus.server.service import bearer, body, origin, service, trust

SERVICE = "salus-plan"
VALUES = 100_000
"""JSON values in a call, most of them in resources that the caller prefetched."""
SERVICES: dict[str, Any] = {
    "services": [
        {
            "hook": "patient-view",
            "title": "salus care plan",
            "description": f"The first items of the patient's care plan, with reasons and sources. {NOT_A_DEVICE}",
            "id": SERVICE,
            "usageRequirements": "The patient's record is in this store and released to the calling actor.",
        }
    ]
}


async def discovery(_: Request) -> Response:
    """GET /cds-services. No token is needed."""
    return JSONResponse(SERVICES)


async def call(request: Request) -> Response:
    """POST /cds-services/salus-plan."""
    name = request.path_params["service"]
    if name != SERVICE:
        return respond(404, "not-found", "no such service: see /cds-services")
    here, token = service(request), bearer(request)
    if token.count(".") == 2:  # a JWT; the tokens of this server hold no dot
        audience, by = f"{here.base}/cds-services/{SERVICE}", origin(request)
        actor = await here.workers.run(lambda house: here.tokens.authenticate(house, token, audience, by), by)
        trust(request)
        data = await _body(request, actor.id)
        asked, plan = await here.workers.run(lambda house: _advise(here.session(house, actor), data), actor.id)
    else:
        data = await _body(request, (await here.signed_in(request)).actor)
        asked, plan = await here.work(request, lambda session: _advise(session, data))
    return JSONResponse({"cards": cds_cards.cards(plan, asked.instance)})


async def _body(request: Request, actor: str) -> bytes:
    return await body(request, "application/json", limit=service(request).limits.hook, by=actor)


def _advise(session: Session, data: bytes) -> tuple[HookRequest, Plan]:
    asked = read_request(parsing.loads(data, VALUES))
    if asked.hook != "patient-view":
        raise InputError("this service is for patient-view", where="hook")
    return asked, session.plan(asked.patient, session.house.clock())[0]
