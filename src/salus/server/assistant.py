"""The assistant over HTTP: POST /assistant/ask (REST, Siri Shortcuts) and POST /assistant/alexa (a custom skill)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from salus.app.assistant import voice as assistant_voice
from salus.app.house import House
from salus.app.refusals import NotSignedIn
from salus.app.session import Session
from salus.server import parsing
from salus.server.service import TooLarge, body, origin, service

JSON = "application/json"


def routes() -> list[BaseRoute]:
    """The assistant's routes, to be handed to the application."""
    return [
        Route("/assistant/ask", ask, methods=["POST"]),
        Route("/assistant/alexa", alexa, methods=["POST"]),
    ]


async def ask(request: Request) -> Response:
    """POST {"question": ..., "patient": ...} with a bearer token. A red flag is answered with or without one.

    Without one only a short body is read: it is looked through for red flags, and for nothing else.
    """
    here = service(request)
    try:
        asker = (await here.signed_in(request)).actor
    except NotSignedIn as error:
        return await _alarm(request, error)
    here.check_questions(asker)
    data = await body(request, JSON, limit=here.limits.form, by=asker)

    def answer(session: Session) -> dict[str, Any]:
        return assistant_voice.ask(session, parsing.loads(data, parsing.FEW), session.house.clock())

    try:
        return JSONResponse(await here.work(request, answer))
    except NotSignedIn as error:  # removed a moment ago
        return await _looked_through(request, data, error)


async def _alarm(request: Request, refusal: NotSignedIn) -> Response:
    """The answer to a red flag for who is not signed in; ``refusal`` is raised where the question raises none."""
    here = service(request)
    here.check_questions(origin(request))
    try:
        data = await body(request, JSON, limit=here.limits.alarm)
    except TooLarge:
        raise refusal from None
    return await _looked_through(request, data, refusal)


async def _looked_through(request: Request, data: bytes, refusal: NotSignedIn) -> Response:
    def look(_: House) -> dict[str, Any] | None:
        return assistant_voice.ask_alarm(parsing.loads(data, parsing.FEW))

    alarm = await service(request).workers.run(look, origin(request))
    if alarm is None:
        raise refusal
    return JSONResponse(alarm)


async def alexa(request: Request) -> Response:
    """POST of an Alexa custom skill; the linked account's access token is a bearer token of this server."""
    here = service(request)
    data = await body(request, JSON, limit=here.limits.form)

    def hear(house: House) -> assistant_voice.Spoken:
        return assistant_voice.hear(parsing.loads(data, parsing.FEW), house.clock())

    spoken = await here.workers.run(hear, origin(request))
    if spoken.response is not None:
        return JSONResponse(spoken.response)

    def speak(session: Session) -> dict[str, Any]:
        return assistant_voice.speak(session, spoken.heard, session.house.clock())

    try:
        return JSONResponse(await here.work_as(request, spoken.heard.token, speak))
    except NotSignedIn:
        return JSONResponse(assistant_voice.link())
