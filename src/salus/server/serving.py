"""How a server is to run, as one process tells another, and the application that follows from it."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from salus.app.config import Configuration
from salus.fhir import json
from salus.server.application import create
from salus.server.connections import Bounds
from salus.server.events import Form
from salus.server.running import run
from salus.server.service import Limits


@dataclass(frozen=True, slots=True)
class Serving:
    """What ``salus serve`` was told.

    ``places`` says where things are, ``base`` is the outside address; ``certificate`` and ``key`` name files.
    """

    places: Mapping[str, str]
    base: str
    host: str
    port: int
    threads: int
    refreshers: int
    addresses: bool
    each: int
    certificate: str | None = None
    key: str | None = None
    form: Form = "text"

    @property
    def configuration(self) -> Configuration:
        """Where things are."""
        return Configuration.of(self.places)

    def dump(self) -> bytes:
        """As one line."""
        return json.dumps(asdict(self)) + b"\n"

    @classmethod
    def load(cls, line: bytes) -> Serving:
        """Inverse of :meth:`dump`."""
        told: dict[str, Any] = json.loads(line)
        return cls(**told)

    def application(
        self, routes: Sequence[BaseRoute], *, counted: Path | None = None, upkeep: bool = True, alone: bool = True
    ) -> Starlette:
        """The application; see :func:`salus.server.application.create`."""
        limits = Limits(threads=self.threads, refreshers=self.refreshers, addresses=self.addresses)
        told: dict[str, Any] = {"counted": counted, "upkeep": upkeep, "alone": alone}
        return create(self.configuration, base=self.base, routes=routes, limits=limits, **told)

    def run(self, application: Starlette, listener: socket.socket | None = None) -> None:
        """Serve until the process is told to stop, on its own address or on a socket that listens already."""
        tls: dict[str, Any] = {"ssl_certfile": self.certificate, "ssl_keyfile": self.key}
        bounds = Bounds(each=self.each)
        if listener is None:
            run(application, bounds, host=self.host, port=self.port, **tls)
        else:
            run(application, bounds, listener, **tls)
