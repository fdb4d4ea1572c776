"""The cards of methods and capabilities: what each is for, where it ends, what was measured. Open to everybody."""

from __future__ import annotations

from itertools import groupby

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from salus.careplan.report.words import department
from salus.errors import AccessError, InputError
from salus.findings import card_page
from salus.findings.cards import Card, card, described, find
from salus.web.browser import browser
from salus.web.pages import page


async def every(request: Request) -> Response:
    """GET /cards."""

    def load() -> list[tuple[str, list[Card]]]:
        found = sorted((card(entry) for entry in described()), key=lambda c: (department(c.id), c.title))
        return [(title, list(of)) for title, of in groupby(found, key=lambda c: department(c.id))]

    return page("cards.html.j2", browser(request), groups=await run_in_threadpool(load))


async def one(request: Request) -> Response:
    """GET /cards/ID."""
    try:
        found = await run_in_threadpool(find, request.path_params["name"])
    except InputError:
        raise AccessError("no such card") from None
    return page("card.html.j2", browser(request), card=found, content=card_page.body(found))
