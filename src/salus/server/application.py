"""The application factory: routes, limits and lifetime put together. Pages (``salus.web``) are passed in as routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from salus.app.config import Configuration
from salus.app.opened import now
from salus.app.tokens import Tokens
from salus.errors import ConfigurationError
from salus.server import auth, capability_statement, cds_hooks, reading, writing
from salus.server.guard import Guard
from salus.server.refreshing import Refreshers
from salus.server.service import Limits, Service
from salus.server.workers import Workers


def create(
    configuration: Configuration,
    *,
    base: str,
    clock: Callable[[], datetime] = now,
    routes: Sequence[BaseRoute] = (),
    limits: Limits | None = None,
) -> Starlette:
    """The server over one store as an ASGI application.

    ``base`` is the outside address without a path ("https://salus.example"): tokens are made for it, links begin with
    it, and requests for another host are refused. ``routes`` come after FHIR, sign-in and CDS Hooks; an endpoint among
    them finds its :class:`~salus.server.service.Service` in ``request.app.state.salus``. Raises ConfigurationError.
    """
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ConfigurationError("not the address of a server", remedy="write it as https://HOST[:PORT]")
    bounds = limits or Limits()
    workers = Workers(configuration, clock, bounds.threads, bounds.waiting, bounds.seconds, bounds.each)
    refreshers = None
    if bounds.refreshers:
        if clock is not now:
            raise ConfigurationError("processes of their own know the real time only", remedy="Limits(refreshers=0)")
        refreshers = Refreshers(configuration, bounds.refreshers, bounds.threads, bounds.seconds)
    service = Service(base.rstrip("/"), bounds, workers, Tokens(clock()), clock, refreshers)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        workers.start()
        try:
            yield
        finally:
            if refreshers is not None:
                refreshers.stop()
            workers.stop()

    guard = Middleware(
        Guard,
        hosts={parts.hostname},
        query=bounds.query,
        encrypted=parts.scheme == "https",
        addresses=bounds.addresses,
    )
    application = Starlette(routes=[*_routes(), *routes], middleware=[guard], lifespan=lifespan)
    application.state.salus = service
    return application


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
