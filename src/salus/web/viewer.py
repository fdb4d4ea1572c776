"""The viewer: a scan or a model from the reader's own device, shown and turned in the browser; nothing is sent."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from salus.web.browser import browser
from salus.web.pages import POLICY, page

_POLICY = (
    POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
    .replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'")
    .replace("img-src 'self' data:", "img-src 'self' data: blob:")
    .replace("connect-src 'self'", "connect-src 'self' data: blob:")
)
"""Wider than elsewhere, for this page alone, which holds no patient's data: the viewers bring style and a WebAssembly
decoder of their own and read the chosen file by an address inside the browser. Scripts still come from here only, and
nothing goes out."""


async def show(request: Request) -> Response:
    """GET /viewer."""
    shown = page("viewer.html.j2", browser(request))
    shown.headers["Content-Security-Policy"] = _POLICY
    return shown
