"""A page from its template: the report's own templates and ours, with the security headers that every page carries."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader
from starlette.responses import HTMLResponse, RedirectResponse, Response

from salus import __version__
from salus.careplan.model import NOT_A_DEVICE
from salus.careplan.report import environment, plain
from salus.web import curves, files, words
from salus.web.browser import Browser

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""No script or style inside a page, nothing from elsewhere, no frame around it."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}


def text(template: str, who: Browser, **values: Any) -> str:
    """A page as text. Made in a worker's thread where it takes long."""
    return _environment().get_template(template).render(values, who=who)


def page(template: str, who: Browser, status: int = 200, **values: Any) -> Response:
    """A page as a response."""
    return respond(text(template, who, **values), status)


def respond(made: str, status: int = 200) -> Response:
    """A response for a page that was made before."""
    return HTMLResponse(made, status, headers=HEADERS)


def go(address: str) -> Response:
    """On to another page, by GET."""
    return RedirectResponse(address, 303, headers=HEADERS)


@cache
def _environment() -> Environment:
    made = environment(PackageLoader("salus.web"))
    made.filters |= {"kinds": words.categories, "purposes": words.purposes, "bases": words.bases}
    made.globals |= {
        "curve": curves.of,
        "file": files.address,
        "words": words,
        "plain": plain,
        "not_a_device": NOT_A_DEVICE,
        "version": __version__,
    }
    return made
