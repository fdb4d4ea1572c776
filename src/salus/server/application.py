"""The application factory: routes, limits and lifetime put together. Pages (``salus.web``) are passed in as routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from salus import __version__
from salus.app.config import Configuration
from salus.app.opened import now
from salus.app.serving import state as server_state
from salus.app.serving.open_house import Houses, OpenHouse
from salus.app.serving.tokens import Tokens
from salus.app.web.sessions import WebSessions
from salus.errors import ConfigurationError, SalusError
from salus.server import auth, capability_statement, cds_hooks, reading, sampling, writing
from salus.server.events import tell
from salus.server.guard import Guard
from salus.server.metrics import Metrics
from salus.server.refreshing import Refreshers
from salus.server.service import Limits, Service
from salus.server.upkeep import Upkeep
from salus.server.workers import GRACE, Workers


def create(
    configuration: Configuration,
    *,
    base: str,
    clock: Callable[[], datetime] = now,
    routes: Sequence[BaseRoute] = (),
    limits: Limits | None = None,
    counted: Path | None = None,
    upkeep: bool = False,
    alone: bool = True,
) -> Starlette:
    """The server over one store as an ASGI application.

    ``base`` is the outside address without a path ("https://salus.example"): tokens are made for it, links begin with
    it, and requests for another host are refused. ``routes`` come after FHIR, sign-in and CDS Hooks; an endpoint among
    them finds its :class:`~salus.server.service.Service` in ``request.app.state.salus``. ``counted`` is the file
    through which other processes read what this one counts. ``upkeep``: of the processes over the store this is the
    one that brings findings up to date before somebody asks, and tidies. ``alone``: it is the only one that answers.
    Raises ConfigurationError.
    """
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ConfigurationError("not the address of a server", remedy="write it as https://HOST[:PORT]")
    bounds = limits or Limits()
    houses = Houses(configuration, clock)
    workers = Workers(houses, bounds.threads, bounds.waiting, bounds.seconds, bounds.each)
    refreshers = _refreshers(configuration, bounds, clock)
    vault = server_state.vault_of(configuration)
    every = [*_routes(), *routes]
    metrics = Metrics(_templates(every), counted)
    tokens = Tokens(vault, alone=alone)
    service = Service(base.rstrip("/"), bounds, workers, tokens, WebSessions(vault), metrics, clock, refreshers)
    tidying = Upkeep(OpenHouse(houses), refreshers, metrics) if upkeep else None

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        workers.start()
        with suppress(SalusError):  # what cannot be opened now is told to whoever asks
            await workers.run(server_state.begun)
        if tidying is not None:
            tidying.start()
        tell("started", version=__version__)
        watching = asyncio.create_task(sampling.keep_on(application, workers, metrics))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.to_thread(_end, workers, refreshers, tidying)
            tell("stopped")

    guard = Middleware(
        Guard,
        hosts={parts.hostname},
        query=bounds.query,
        encrypted=parts.scheme == "https",
        metrics=metrics,
        addresses=bounds.addresses,
    )
    application = Starlette(routes=every, middleware=[Middleware(Alive), guard], lifespan=lifespan)
    application.state.salus = service
    return application


def _refreshers(configuration: Configuration, bounds: Limits, clock: Callable[[], datetime]) -> Refreshers | None:
    if not bounds.refreshers:
        return None
    if clock is not now:
        raise ConfigurationError("processes of their own know the real time only", remedy="Limits(refreshers=0)")
    return Refreshers(configuration, bounds.refreshers, bounds.threads, bounds.seconds)


def _end(workers: Workers, refreshers: Refreshers | None, tidying: Upkeep | None) -> None:
    """End what was begun, each in bounded time."""
    if refreshers is not None:
        refreshers.stop()
    if tidying is not None:
        tidying.stop(GRACE)
    workers.stop()


def _templates(routes: Sequence[BaseRoute]) -> Iterator[str]:
    """The templates of all routes, also of those under a mount."""
    for route in routes:
        if isinstance(route, Route):
            yield route.path
        elif isinstance(route, Mount):
            yield from (f"{route.path}{inner}" for inner in _templates(route.routes))


class Alive:
    """ASGI middleware that answers /healthz, under whatever name the server is asked: the process is alive. It looks at
    nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"] == "/healthz":
            await PlainTextResponse("alive\n", headers={"Cache-Control": "no-store"})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _routes() -> list[BaseRoute]:
    kind, one = "/fhir/{kind}", "/fhir/{kind}/{id}"
    return [
        Route("/auth/token", auth.token, methods=["POST"]),
        Route("/fhir/.well-known/smart-configuration", auth.smart_configuration),
        Route("/fhir/metadata", capability_statement.metadata),
        Route("/fhir", writing.transaction, methods=["POST"]),
        Route("/fhir/", writing.transaction, methods=["POST"]),
        Route("/fhir/_page/{name}", reading.further),
        Route("/fhir/Patient/{id}/$everything", reading.everything),
        Route("/fhir/Observation/$lastn", reading.last, methods=["GET"]),
        Route("/fhir/AuditEvent/_search", reading.audit_events, methods=["POST"]),
        Route("/fhir/AuditEvent", reading.audit_events, methods=["GET"]),
        Route("/fhir/AuditEvent/{id}", reading.audit_event, methods=["GET"]),
        Route(f"{kind}/_search", reading.search, methods=["POST"]),
        Route(kind, reading.search, methods=["GET"]),
        Route(kind, writing.create, methods=["POST"]),
        Route(one, reading.read, methods=["GET"]),
        Route(f"{one}/_history", reading.history, methods=["GET"]),
        Route(f"{one}/_history/{{version}}", reading.vread, methods=["GET"]),
        Route("/fhir/{rest:path}", reading.not_here, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        Route("/cds-services", cds_hooks.discovery),
        Route("/cds-services/{service}", cds_hooks.call, methods=["POST"]),
    ]
