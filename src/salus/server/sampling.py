"""Once a second: what is told of a moment, and what connections were refused since the last time."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette

from salus.server.connections import Door
from salus.server.events import Seldom
from salus.server.metrics import CONNECTIONS, GIVEN_UP, TURNED_AWAY, WAITING, Metrics
from salus.server.workers import Workers

PAUSE = 1.0
FEW = 100
"""Connections that are refused in ten seconds without an operator being told."""


async def keep_on(application: Starlette, workers: Workers, metrics: Metrics) -> None:
    """Sample until cancelled. Where salus runs the server itself, its door is in ``application.state.door``."""
    refused, seen = Seldom("refused-connections", few=FEW), [0, 0]
    while True:
        metrics.set(WAITING, workers.waiting)
        door: Door | None = getattr(application.state, "door", None)
        if door is not None:
            metrics.set(CONNECTIONS, len(door))
            now = [door.turned_away, door.given_up]
            for reason, new in zip(
                (TURNED_AWAY, GIVEN_UP), (n - s for n, s in zip(now, seen, strict=True)), strict=True
            ):
                metrics.refused(reason, new)
            refused.add(sum(now) - sum(seen))
            seen = now
        await asyncio.sleep(PAUSE)
