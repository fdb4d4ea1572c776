"""The pages of a patient, or of who speaks for one: the plan in plain words, and who looked at the record."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from salus.app.session import Session
from salus.app.web import accesses as web_accesses
from salus.app.web.consents import own_patient
from salus.app.web.sessions import WebSession
from salus.careplan.report.plain import patient_page
from salus.errors import InputError
from salus.web.browser import browser, inside
from salus.web.pages import HEADERS, respond, text


async def plan(request: Request) -> Response:
    """GET /me: my plan in plain words."""
    who = browser(request)

    def make(session: Session, _: WebSession) -> str:
        made, _opened = session.plan(own_patient(session), session.house.clock())
        page = {"plan": made, "patient": patient_page(made), "deceased": bool(made.summary.get("deceased"))}
        return text("own_plan.html.j2", who, page=page, key="")

    return respond(await inside(request, make))


async def accesses(request: Request) -> Response:
    """GET /me/accesses?whose=…&before=…: who looked at my record, newest first."""
    who = browser(request)
    whose = request.query_params.get("whose", "others")
    before = request.query_params.get("before", "")
    if whose not in web_accesses.WHOSE or (before and not (before.isascii() and before.isdigit() and len(before) < 16)):
        raise InputError("no such list")

    def make(session: Session, _: WebSession) -> str:
        found = web_accesses.page(session, whose, int(before) if before else None)
        return text("accesses.html.j2", who, accesses=found, whose=whose)

    return respond(await inside(request, make))


async def proof(request: Request) -> Response:
    """GET /me/accesses/N/proof: a file that proves, anywhere, that this entry stands in the house's log."""
    number = request.path_params["n"]

    def make(session: Session, _: WebSession) -> bytes:
        return session.proof(own_patient(session), number)

    found = await inside(request, make)
    named = {"Content-Disposition": f'attachment; filename="salus-proof-{number}.txt"'}
    return Response(found, media_type="text/plain; charset=utf-8", headers={**HEADERS, **named})
