"""The browser that sent a request: its cookie, its web session, and the CSRF token that its forms carry back."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from salus.app.house import House
from salus.app.refusals import NotAllowed, NotSignedIn
from salus.app.session import Session
from salus.app.web.sessions import WebSession
from salus.server.service import origin, service

T = TypeVar("T")
BROWSER = "salus.browser"
"""Under this name a request's scope holds its :class:`Browser`."""


def forged() -> NotAllowed:
    """The answer to a form without the CSRF token of its web session."""
    return NotAllowed("the form did not come from a page of this server", remedy="open the page again and repeat")


@dataclass(frozen=True, slots=True)
class Browser:
    """What is known of the browser that sent a request.

    ``cookie`` is "" in a browser that has none yet, ``web_session`` is None before signing in. Every form of this
    browser carries ``csrf_token``: only a page of this server can know it. ``path`` is the address that was asked for.
    """

    cookie: str
    web_session: WebSession | None
    path: str
    csrf_token: str

    @property
    def own(self) -> bool:
        """Whether a patient, or who speaks for one, is signed in."""
        return self.web_session is not None and self.web_session.actor.kind in ("patient", "proxy")

    @property
    def home(self) -> str:
        """Where this person begins."""
        return "/sign-in" if self.web_session is None else "/me" if self.own else "/patients"


async def told(request: Request) -> Browser:
    """Tell which browser sent a request. The store is asked for a web session that this process did not see before."""
    given = request.cookies.get(cookie_name(request), "")
    cookie = given if len(given) <= 128 and given.isascii() else ""
    here = service(request)
    known, web_session = here.web_sessions.known(cookie)
    if not known:
        web_session = await here.workers.run(lambda house: here.web_sessions.find(house, cookie), origin(request))
    return of_cookie(request, cookie, web_session)


def of_cookie(request: Request, cookie: str, web_session: WebSession | None) -> Browser:
    """The browser that has a cookie, and is signed in by a web session if it is."""
    return Browser(cookie, web_session, request.url.path, service(request).web_sessions.csrf_token(cookie))


def browser(request: Request) -> Browser:
    """The browser that sent a request, as it was told when the request came."""
    found: Browser = request.scope[BROWSER]
    return found


async def inside(request: Request, function: Callable[[Session, WebSession], T]) -> T:
    """``function`` of the session of whoever is signed in. Raises NotSignedIn."""
    here, web_session = service(request), browser(request).web_session
    if web_session is None:
        raise NotSignedIn("nobody is signed in")

    def at_work(house: House) -> T:
        return function(here.session(house, here.web_sessions.enter(house, web_session)), web_session)

    return await here.workers.run(at_work, web_session.actor.id)


def check_csrf(request: Request, token: str) -> None:
    """Raise NotAllowed unless a form came from a page that this browser got from here."""
    who = browser(request)
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise forged()
    if not who.cookie or not hmac.compare_digest(token.encode(), who.csrf_token.encode()):
        raise forged()


def cookie_name(request: Request) -> str:
    """With TLS the browser itself holds the cookie to this host and to encryption (RFC 6265bis, "__Host-")."""
    return "__Host-salus" if _encrypted(request) else "salus"


def set_cookie(request: Request, response: Response, value: str) -> None:
    """Give a browser its cookie, for as long as it is open."""
    response.set_cookie(
        cookie_name(request), value, path="/", httponly=True, samesite="strict", secure=_encrypted(request)
    )


def _encrypted(request: Request) -> bool:
    return service(request).base.startswith("https:")
