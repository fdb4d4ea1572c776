"""Around every request: host check, address length, security headers, and no failure without an explained answer.

Who is refused again and again is refused slowly.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from contextlib import ExitStack

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from salus.server.errors import explain, respond
from salus.server.metrics import OTHER, Metrics
from salus.server.pace import Pace
from salus.server.service import CLEANUP, KNOWN, network

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Put on every answer that does not set its own."""


REFUSED = frozenset({400, 401, 408, 413, 414, 415, 421})
"""What a stranger is refused with. Who is signed in is slowed only for asking too often (429)."""
FREE_REFUSALS, REFUSALS = 40.0, 20.0
"""Refusals of one address, at once and in a second, that are not delayed."""
DELAY = 1.5
"""Seconds that any further one takes."""


class Guard:
    """ASGI middleware. ``hosts`` are the names under which this server is asked for; any other is refused.

    ``addresses`` is false behind a proxy, where all requests have the proxy's address. ``metrics`` counts the answers.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str],
        query: int,
        encrypted: bool,
        metrics: Metrics,
        addresses: bool = True,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._refusals = Pace(FREE_REFUSALS, REFUSALS) if addresses else None
        self._hosts = frozenset(hosts)
        self._query = query
        self._more = {"Strict-Transport-Security": "max-age=31536000"} if encrypted else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, statuses = time.monotonic(), [0]

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        self._metrics.begun()
        try:
            await self._guarded(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", OTHER)
            self._metrics.answered(route, statuses[-1], time.monotonic() - began)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False
        scope[CLEANUP] = held = ExitStack()

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                if self._too_often(scope, message["status"]):
                    held.close()
                    await asyncio.sleep(DELAY)
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
        with held:
            try:
                await self._app(scope, receive, guarded)
            except Exception as error:  # every failure is answered, and logged without its words
                if begun:
                    raise
                await explain(error)(scope, receive, guarded)

    def _too_often(self, scope: Scope, status: int) -> bool:
        """Count the refusal that ``status`` means, if it means one. True where the address had too many."""
        client = scope.get("client")
        refused = status == 429 or (status in REFUSED and not scope.get(KNOWN))
        if self._refusals is None or not client or not refused:
            return False
        return not self._refusals.keeps(network(client[0]), time.monotonic())
