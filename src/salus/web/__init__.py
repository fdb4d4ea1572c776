"""The pages: HTML made on the server, working without script. They call ``app`` and decide nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.routing import BaseRoute


def routes() -> list[BaseRoute]:
    """The routes of all pages, for :func:`salus.server.application.create`. Each call makes new ones."""
    from salus.web.mount import mount

    return [mount()]
