"""Around every request: host check, address length, security headers, and no failure without an explained answer."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from salus.server.errors import explain, respond

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Put on every answer that does not set its own."""


class Guard:
    """ASGI middleware. ``hosts`` are the names under which this server is asked for; any other is refused."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str], query: int, encrypted: bool) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._query = query
        self._more = {"Strict-Transport-Security": "max-age=31536000"} if encrypted else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in {**_HEADERS, **self._more}.items():
                    headers.setdefault(name, value)
            await send(message)

        named = Headers(scope=scope).get("host", "").rpartition("@")[2]
        host = named.partition("]")[0].lstrip("[") if named.startswith("[") else named.partition(":")[0]
        if host.lower() not in self._hosts:
            await respond(421, "invalid", "this server is not asked for by that name")(scope, receive, guarded)
            return
        if len(scope.get("query_string", b"")) > self._query or len(scope.get("raw_path", b"")) > self._query:
            await respond(414, "too-long", "an address longer than is read")(scope, receive, guarded)
            return
        try:
            await self._app(scope, receive, guarded)
        except Exception as error:  # every failure is answered, and logged without its words
            if begun:
                raise
            await explain(error)(scope, receive, guarded)
