"""Who asks: the cookie of a browser, the visit it belongs to, and the word that its forms carry back."""

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
from salus.app.web.sessions import Visit
from salus.server.service import origin, service

T = TypeVar("T")
ASKER = "salus.asker"
"""Under this name a request's scope holds its :class:`Asker`."""


def forged() -> NotAllowed:
    """The answer to a form without the CSRF token of its visit."""
    return NotAllowed("the form did not come from a page of this server", remedy="open the page again and repeat")


@dataclass(frozen=True, slots=True)
class Asker:
    """One request's side of it. ``cookie`` is "" in a browser without one yet; ``visit`` is None before signing in.

    ``word`` is what every form of this browser carries: only a page of this server can know it.
    """

    cookie: str
    visit: Visit | None
    path: str
    word: str

    @property
    def own(self) -> bool:
        """Whether a patient, or who speaks for one, is signed in."""
        return self.visit is not None and self.visit.actor.kind in ("patient", "proxy")

    @property
    def home(self) -> str:
        """Where this person begins."""
        return "/sign-in" if self.visit is None else "/me" if self.own else "/patients"


async def told(request: Request) -> Asker:
    """Who sent a request. The store is asked for a visit that this process did not see before."""
    given = request.cookies.get(cookie_name(request), "")
    cookie = given if len(given) <= 128 and given.isascii() else ""
    here = service(request)
    known, visit = here.visits.known(cookie)
    if not known:
        visit = await here.workers.run(lambda house: here.visits.find(house, cookie), origin(request))
    return of_cookie(request, cookie, visit)


def of_cookie(request: Request, cookie: str, visit: Visit | None) -> Asker:
    """The side of a request that belongs to a cookie."""
    return Asker(cookie, visit, request.url.path, service(request).visits.word(cookie))


def asker(request: Request) -> Asker:
    """Who sent a request, as it was told when it came."""
    found: Asker = request.scope[ASKER]
    return found


async def inside(request: Request, function: Callable[[Session, Visit], T]) -> T:
    """``function`` of the session of whoever is signed in. Raises NotSignedIn."""
    here, visit = service(request), asker(request).visit
    if visit is None:
        raise NotSignedIn("nobody is signed in")

    def at_work(house: House) -> T:
        return function(here.session(house, here.visits.enter(house, visit)), visit)

    return await here.workers.run(at_work, visit.actor.id)


def check_word(request: Request, word: str) -> None:
    """Raise NotAllowed unless a form came from a page that this browser got from here."""
    who = asker(request)
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise forged()
    if not who.cookie or not hmac.compare_digest(word.encode(), who.word.encode()):
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
