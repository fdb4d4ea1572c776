"""Running the application on a socket, with bounds on connections."""

from __future__ import annotations

import asyncio
import socket
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn

from salus.server.connections import Bounds, Door
from salus.server.protocol import Protocol

if TYPE_CHECKING:
    from starlette.applications import Starlette

SWITCH = 0.0001
"""Seconds that a busy thread keeps the interpreter while another waits for it (Python's default is fifty times that): a
thread that computes for long delays every short step of the others by so much, and a read has some fifty of them."""
FILES = 200
"""Open files that are asked of the system besides one for each connection."""


HANDSHAKE = 10.0
"""Seconds for the TLS handshake (asyncio's default is a minute)."""


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose servers wait no longer than :data:`HANDSHAKE` for encryption to begin."""

    async def create_server(self, *args: Any, **more: Any) -> asyncio.Server:
        """As asyncio's own."""
        if more.get("ssl") is not None:
            more.setdefault("ssl_handshake_timeout", HANDSHAKE)
        return await super().create_server(*args, **more)


def server(application: Starlette, bounds: Bounds | None = None, **more: Any) -> uvicorn.Server:
    """A server of ``application``, not started yet; ``more`` goes to :class:`uvicorn.Config`."""
    door = application.state.door = Door(bounds or Bounds())
    settings: dict[str, Any] = {
        "access_log": False,  # addresses hold identifiers
        "log_config": None,  # the process's own: salus.server.events
        "log_level": "error",  # a client's mistakes are not logged: they would be a way to fill the disk
        "server_header": False,
        "proxy_headers": False,
        "http": partial(Protocol, door=door),
        "ws": "none",
        "loop": f"{__name__}:{Loop.__name__}",
        "timeout_graceful_shutdown": 30,
        **more,
    }
    return uvicorn.Server(uvicorn.Config(application, **settings))


def run(
    application: Starlette, bounds: Bounds | None = None, listener: socket.socket | None = None, **more: Any
) -> None:
    """Serve until the process is told to stop, on a socket that listens already where one is given."""
    sys.setswitchinterval(SWITCH)
    given = bounds or Bounds()
    made = server(application, replace(given, total=min(given.total, _files(given.total + FILES) - FILES)), **more)
    made.run([listener] if listener is not None else None)


def _files(wanted: int) -> int:
    """How many files may be open at once, after ``wanted`` were asked for."""
    if sys.platform == "win32":
        return wanted
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(soft, 2 * FILES)
