"""Coming in and going out. Private keys stay outside: what comes in is an assertion, signed where the key is."""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import Response

from salus.app.house import House
from salus.app.refusals import NotSignedIn
from salus.app.serving.tokens import TooManySignIns
from salus.app.web.sessions import WebSession, demo_actors, demo_assertion
from salus.server.service import origin, service
from salus.web import forms
from salus.web.browser import browser, of_cookie, set_cookie
from salus.web.pages import go, page


async def show(request: Request) -> Response:
    """GET /sign-in. Gives a browser its cookie, so that the form can be told from a forged one."""
    who = browser(request)
    if who.web_session is not None:
        return go(who.home)
    idle = request.url.query == "again"
    return await _show(request, "Nobody was here for a while, so the session was ended. Sign in again." if idle else "")


async def _show(request: Request, problem: str, status: int = 200) -> Response:
    before = browser(request).cookie
    fresh = not before
    who = of_cookie(request, before or secrets.token_urlsafe(32), None)
    actors = await service(request).workers.run(demo_actors, origin(request))
    audience = service(request).token_address
    shown = page("sign_in.html.j2", who, status, problem=problem, audience=audience, actors=actors)
    if fresh:
        set_cookie(request, shown, who.cookie)
    return shown


async def enter(request: Request) -> Response:
    """POST /sign-in with an assertion."""
    form = await forms.read(request)
    return await _enter(request, form.one("assertion").strip())


async def enter_demo(request: Request) -> Response:
    """POST /sign-in/demo: come in as somebody of a demo house, whose key everybody has."""
    form = await forms.read(request)
    audience = service(request).token_address

    def sign(house: House) -> str:
        return demo_assertion(house, form.one("actor"), audience)

    return await _enter(request, await service(request).workers.run(sign, origin(request)))


async def _enter(request: Request, text: str) -> Response:
    here, who = service(request), browser(request)

    def begin(house: House) -> WebSession:
        begun = here.web_sessions.begin(house, here.tokens, text, here.token_address, origin(request))
        here.web_sessions.end(house, who.cookie)  # who signs in anew leaves the web session before
        return begun

    try:
        web_session = await here.workers.run(begin, origin(request))
    except NotSignedIn as error:
        status = 429 if isinstance(error, TooManySignIns) else 401
        return await _show(request, f"{error.what[:1].upper()}{error.what[1:]}.", status)
    answer = go(of_cookie(request, web_session.cookie, web_session).home)
    set_cookie(request, answer, web_session.cookie)
    return answer


async def leave(request: Request) -> Response:
    """POST /sign-out."""
    await forms.read(request)
    here, cookie = service(request), browser(request).cookie
    await here.workers.run(lambda house: here.web_sessions.end(house, cookie), origin(request))
    answer = go("/sign-in")
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    set_cookie(request, answer, secrets.token_urlsafe(32))
    return answer
