"""Failures as pages. Denied and absent get the same page; none holds patient data."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from salus.app.refusals import NotAllowed, NotSignedIn
from salus.app.web.sessions import Idle
from salus.errors import AccessError, InputError, SalusError, StoreError
from salus.server.errors import explain as explain_as_json
from salus.server.service import TooLarge, WrongMedia
from salus.web.browser import Browser
from salus.web.pages import go, page


def _not_here() -> AccessError:
    """The answer where there is no page."""
    return AccessError("no such page, or not released to you")


_TITLES: tuple[tuple[type[SalusError], int, str], ...] = (
    (NotAllowed, 403, "That was not done"),
    (AccessError, 404, "Nothing to see here"),
    (TooLarge, 413, "That is too long"),
    (WrongMedia, 415, "That cannot be read"),
    (InputError, 400, "That did not work"),
    (StoreError, 503, "One moment"),
)
_ABSENT = "There is no such page, or it is not released to you. Whose record it is can release it: under “Consents”."


def explain(error: Exception, who: Browser) -> Response:
    """The page for a request that failed."""
    if isinstance(error, NotSignedIn):
        return go("/sign-in?again" if isinstance(error, Idle) else "/sign-in")
    for kind, status, title in _TITLES:
        if isinstance(error, kind):
            said = _ABSENT if status == 404 else _sentence(error)
            return page("failure.html.j2", who, status, title=title, said=said)
    status = explain_as_json(error).status_code  # writes kind and place into the server's log
    said = "The server failed. What it was is in its own log. Nothing was changed by halves."
    return page("failure.html.j2", who, status, title="That did not work", said=said)


async def not_here(request: Request) -> Response:
    """Every address that is no page."""
    raise _not_here()


def _sentence(error: SalusError) -> str:
    what = error.what[:1].upper() + error.what[1:]
    return f"{what}: {error.remedy}." if error.remedy else f"{what}."
