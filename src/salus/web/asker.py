"""Who asks: the cookie of a browser, the visit it belongs to, and the word that its forms carry back."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from salus.app.refusals import NotAllowed, NotSignedIn
from salus.app.session import Session
from salus.app.web_visits import Visit, Visits
from salus.server.service import service

T = TypeVar("T")


def forged() -> NotAllowed:
    """The answer to a form without the CSRF token of its visit."""
    return NotAllowed("the form did not come from a page of this server", remedy="open the page again and repeat")


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages of one running server share."""

    visits: Visits = field(default_factory=Visits)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))


@dataclass(frozen=True, slots=True)
class Asker:
    """One request's side of it. ``cookie`` is "" in a browser without one yet; ``visit`` is None before signing in."""

    site: Site
    cookie: str
    visit: Visit | None
    path: str

    @property
    def word(self) -> str:
        """What every form of this browser carries: only a page of this server can know it."""
        return hmac.new(self.site.secret, self.cookie.encode(), hashlib.sha256).hexdigest()

    @property
    def own(self) -> bool:
        """Whether a patient, or who speaks for one, is signed in."""
        return self.visit is not None and self.visit.actor.kind in ("patient", "proxy")

    @property
    def home(self) -> str:
        """Where this person begins."""
        return "/sign-in" if self.visit is None else "/me" if self.own else "/patients"


def asker(request: Request) -> Asker:
    """Who sent a request."""
    site: Site = request.scope["salus.site"]
    cookie = request.cookies.get(cookie_name(request), "")
    found = site.visits.find(cookie) if cookie else None
    return Asker(site, cookie if len(cookie) <= 128 and cookie.isascii() else "", found, request.url.path)


async def inside(request: Request, function: Callable[[Session, Visit], T], *, writes: bool = False) -> T:
    """``function`` of the session of whoever is signed in. Raises NotSignedIn."""
    who = asker(request)
    visit = who.visit
    if visit is None:
        raise NotSignedIn("nobody is signed in")

    def at_work(session: Session) -> T:
        who.site.visits.go_on(visit, session.house.clock())
        return function(session, visit)

    return await service(request).work_as(visit.token, at_work, writes=writes)


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
