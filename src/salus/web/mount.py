"""All pages under one mount, and around them: sign-in where it is needed, and failures told as pages."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from salus.web import asking, cards, clinician, consents, failures, files, patient, signing_in, viewer
from salus.web.browser import BROWSER, browser, of_cookie, told
from salus.web.pages import go

GET, POST = ["GET"], ["POST"]


def mount() -> Mount:
    """The pages, for everything that no other route has taken."""
    return Mount("", routes=_routes(), middleware=[Middleware(Front)])


def _routes() -> list[BaseRoute]:
    return [
        Route("/", home, methods=GET),
        Route("/sign-in", signing_in.show, methods=GET),
        Route("/sign-in", signing_in.enter, methods=POST),
        Route("/sign-in/demo", signing_in.enter_demo, methods=POST),
        Route("/sign-out", signing_in.leave, methods=POST),
        Route("/patients", clinician.people, methods=GET),
        Route("/patients/{key}", clinician.plan, methods=GET),
        Route("/patients/{key}/trends", clinician.trends, methods=GET),
        Route("/patients/{key}/in-plain-words", clinician.in_plain_words, methods=GET),
        Route("/me", patient.plan, methods=GET),
        Route("/me/ask", asking.show, methods=GET),
        Route("/me/ask", asking.answer, methods=POST),
        Route("/me/accesses", patient.accesses, methods=GET),
        Route("/me/accesses/{n:int}/proof", patient.proof, methods=GET),
        Route("/me/consents", consents.show, methods=GET),
        Route("/me/consents/give", consents.give, methods=POST),
        Route("/me/consents/close", consents.close, methods=POST),
        Route("/me/consents/withhold", consents.withhold, methods=POST),
        Route("/me/consents/end", consents.end, methods=POST),
        Route("/me/consents/upload", consents.upload, methods=POST),
        Route("/me/consents/sign/{key}", consents.to_sign, methods=GET),
        Route("/me/consents/sign/{key}", consents.sign, methods=POST),
        Route("/me/consents/sign/{key}/file", consents.as_file, methods=GET),
        Route("/cards", cards.every, methods=GET),
        Route("/cards/{name}", cards.one, methods=GET),
        Route("/viewer", viewer.show, methods=GET),
        Route("/static/{name:path}", files.static, methods=GET),
        Route("/{rest:path}", failures.not_here, methods=["GET", "POST"]),
    ]


async def home(request: Request) -> Response:
    """GET /: on to where this person begins."""
    return go(browser(request).home)


class Front:
    """ASGI middleware: tells which browser sent a request, and answers a failure with a page that says what to do."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        begun, request = False, Request(scope)
        scope[BROWSER] = of_cookie(request, "", None)

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            scope[BROWSER] = await told(request)
            await self._app(scope, receive, noted)
        except Exception as error:  # every failure is answered, and logged without its words
            if begun:
                raise
            await failures.explain(error, browser(request))(scope, receive, send)
