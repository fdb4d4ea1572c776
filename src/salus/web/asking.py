"""The assistant on a page: a question goes by form, never in an address; warning signs are answered before all else."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from salus.app.assistant import conversation as assistant
from salus.app.session import Session
from salus.app.web.consents import own_patient
from salus.app.web.sessions import WebSession
from salus.server.service import service
from salus.web import forms
from salus.web.browser import browser, inside
from salus.web.pages import respond, text

LONGEST = 2000


async def show(request: Request) -> Response:
    """GET /me/ask: the empty form."""
    who = browser(request)

    def make(session: Session, _: WebSession) -> str:
        own_patient(session)
        return text("ask.html.j2", who, question="", reply=None, longest=LONGEST)

    return respond(await inside(request, make))


async def answer(request: Request) -> Response:
    """POST /me/ask: the answer, each sentence with its sources. Nothing of it is kept."""
    who = browser(request)
    if who.web_session is not None:
        service(request).check_questions(who.web_session.actor.id)
    question = (await forms.read(request)).one("question").strip()[:LONGEST]

    def make(session: Session, _: WebSession) -> str:
        reply = assistant.ask(session, own_patient(session), question, session.house.clock()) if question else None
        return text("ask.html.j2", who, question=question, reply=reply, longest=LONGEST)

    return respond(await inside(request, make))
