"""The pages of who cares for patients: who released something, and one person's plan with all that it rests on."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from salus.app.session import Session
from salus.app.web.people import released
from salus.app.web.sessions import WebSession
from salus.careplan.report.page import make_page
from salus.careplan.report.plain import patient_page
from salus.web.browser import browser, inside
from salus.web.pages import respond, text


async def people(request: Request) -> Response:
    """GET /patients: everybody of whom something is released to the reader."""
    who = browser(request)

    def make(session: Session, web_session: WebSession) -> str:
        found = [(web_session.key(session.house, person.patient), person) for person in released(session)]
        return text("people.html.j2", who, people=found)

    return respond(await inside(request, make))


async def plan(request: Request) -> Response:
    """GET /patients/KEY: the plan, the findings, and the cited places of the record."""
    return await _about(request, "person.html.j2")


async def trends(request: Request) -> Response:
    """GET /patients/KEY/trends: curves, ECG and pictures alone."""
    return await _about(request, "trends_page.html.j2")


async def _about(request: Request, template: str) -> Response:
    who, key = browser(request), request.path_params["key"]

    def make(session: Session, web_session: WebSession) -> str:
        made, opened = session.plan(web_session.patient(session.house, key), session.house.clock())
        return text(template, who, page=make_page(made, opened.chart), key=key)

    return respond(await inside(request, make))


async def in_plain_words(request: Request) -> Response:
    """GET /patients/KEY/in-plain-words: what the page for the patient says of this reader's plan."""
    who, key = browser(request), request.path_params["key"]

    def make(session: Session, web_session: WebSession) -> str:
        made, _ = session.plan(web_session.patient(session.house, key), session.house.clock())
        page = {"plan": made, "patient": patient_page(made), "deceased": bool(made.summary.get("deceased"))}
        return text("own_plan.html.j2", who, page=page, key=key)

    return respond(await inside(request, make))
