"""What is asked by who watches over a server: /metrics and /readyz, on an address of their own. The public one tells
nothing.

It is answered by a thread of the process that holds the server: the only one, or the one that keeps the workers.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from salus import __version__
from salus.app.config import Configuration
from salus.app.serving import readiness
from salus.server.connections import Bounds
from salus.server.metrics import exposition, labelled
from salus.server.running import server

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = Bounds(total=32, each=0)
REMEMBERED = 1.0
"""Seconds for which an answer about the store stands: it is asked no more often."""
GRACE = 5.0


class Monitor:
    """Answers for one store and the processes that serve it."""

    def __init__(
        self,
        configuration: Configuration,
        samples: Callable[[], Mapping[str, float]],
        problems: Callable[[], list[str]] = list,
    ) -> None:
        """``samples`` are what all processes count; ``problems`` are those of the processes, beside the store's."""
        self._configuration = configuration
        self._samples = samples
        self._problems = problems
        self._lock = threading.Lock()
        self._told: tuple[float, list[str]] | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def application(self) -> Starlette:
        """Its two addresses."""
        routes = [Route("/metrics", self._metrics), Route("/readyz", self._ready), Route("/healthz", _alive)]
        return Starlette(routes=routes)

    def start(self, listener: socket.socket) -> None:
        """Answer, in a thread of its own, whoever comes to a listening socket."""
        made = self._server = server(self.application(), BOUNDS)
        self._thread = threading.Thread(target=made.run, args=([listener],), name="salus-monitor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(GRACE)

    def problems(self) -> list[str]:
        """Why requests cannot be served now; nothing where they can."""
        with self._lock:
            now = time.monotonic()
            if self._told is None or now - self._told[0] > REMEMBERED:
                self._told = now, readiness.problems(self._configuration)
            return [*self._problems(), *self._told[1]]

    def _metrics(self, _: Request) -> Response:
        found = readiness.sizes(self._configuration)
        more = {labelled("salus_build_info", version=__version__): 1.0}
        more |= {f"salus_{name}": found[name] for name in ("store_bytes", "log_entries") if name in found}
        for disk in ("store", "keys"):
            if f"free_{disk}" in found:
                more[labelled("salus_disk_free_bytes", disk=disk)] = found[f"free_{disk}"]
        return Response(exposition({**more, **self._samples()}), media_type=MEDIA)

    def _ready(self, _: Request) -> Response:
        found = self.problems()
        return PlainTextResponse("\n".join([*found, ""]) if found else "ready\n", 503 if found else 200)


async def _alive(_: Request) -> Response:
    return PlainTextResponse("alive\n")


def listening(address: str) -> socket.socket:
    """A socket that listens at HOST:PORT. Raises OSError, or ValueError for what is no such address."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    return bound(host, int(port))


def bound(host: str, port: int, backlog: int = 2048) -> socket.socket:
    """A listening TCP socket. Raises OSError."""
    family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        made.listen(backlog)
    except OSError:
        made.close()
        raise
    made.set_inheritable(False)
    return made
