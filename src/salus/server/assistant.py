"""The assistant over HTTP: POST /assistant/ask (REST, Siri Shortcuts) and POST /assistant/alexa (a custom skill)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from salus.app import assistant_voice
from salus.app.house import House
from salus.app.refusals import NotSignedIn
from salus.app.session import Session
from salus.fhir import json
from salus.server.service import body, service


def routes() -> list[BaseRoute]:
    """The assistant's routes, to be handed to the application."""
    return [
        Route("/assistant/ask", ask, methods=["POST"]),
        Route("/assistant/alexa", alexa, methods=["POST"]),
    ]


async def ask(request: Request) -> Response:
    """POST {"question": ..., "patient": ...} with a bearer token. A red flag is answered with or without one."""
    asked, alarm = assistant_voice.ask_alarm(json.loads(await body(request, "application/json")))
    if alarm is not None:
        return JSONResponse(alarm)

    def answer(session: Session) -> dict[str, Any]:
        return assistant_voice.ask(session, asked, session.house.clock())

    return JSONResponse(await service(request).work(request, answer, writes=False))


async def alexa(request: Request) -> Response:
    """POST of an Alexa custom skill; the linked account's access token is a bearer token of this server."""
    here = service(request)
    value = json.loads(await body(request, "application/json"))

    def hear(house: House) -> assistant_voice.Spoken:
        return assistant_voice.hear(value, house.clock())

    spoken = await here.workers.run(hear)
    if spoken.response is not None:
        return JSONResponse(spoken.response)

    def speak(session: Session) -> dict[str, Any]:
        return assistant_voice.speak(session, spoken.heard, session.house.clock())

    try:
        return JSONResponse(await here.work_as(spoken.heard.token, speak))
    except NotSignedIn:
        return JSONResponse(assistant_voice.link())
