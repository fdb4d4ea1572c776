"""uvicorn's HTTP/1.1 with a time limit for every phase of a connection, and a bound on how many there are."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from salus.server.connections import Bounds, Door, Mark, Phase
from salus.server.service import CONNECTION, network

SLICE = 16 << 10
"""Bytes that are parsed in one go, so that a bound on headers is looked at before more of them are."""
BODY_SLICE = 64 << 10
FREE_PIECES = 64
"""Pieces of a chunked body whose size does not matter; :data:`PIECE` is what further ones have on the average."""
PIECE = 256


class _Parser(h11.Connection):
    """h11's parser, which costs time for every piece of a body: a body of very small pieces is refused."""

    pieces = 0
    size = 0

    def next_event(self) -> Any:
        """The next event, as h11 tells it. Raises RemoteProtocolError besides for a body in too small pieces."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self.pieces = self.size = 0
        elif isinstance(event, h11.Data):
            self.pieces += 1
            self.size += len(event.data)
            if self.pieces > FREE_PIECES + self.size // PIECE:
                raise h11.RemoteProtocolError("a body in too small pieces", error_status_hint=400)
        return event


def _spread(limit: float) -> float:
    """A time, shortened by up to a fifth: connections that came together are not all closed at one moment."""
    return limit * random.uniform(0.8, 1.0)  # noqa: S311  nothing is kept secret by it


async def _marked(app: Any, mark: Mark, scope: Any, receive: Any, send: Any) -> None:
    scope[CONNECTION] = mark
    await app(scope, receive, send)


class Protocol(H11Protocol):
    """One connection. It is closed when it takes too long over what it is at (:class:`Phase`, :class:`Bounds`)."""

    def __init__(self, *, door: Door, **more: Any) -> None:
        """``door`` is shared by all connections of a server; the rest is uvicorn's."""
        super().__init__(**more)
        bounds = door.bounds
        self.mark = Mark()
        self.phase = Phase.HEADERS
        self._door = door
        self._address = ""
        self.app = partial(_marked, self.app, self.mark)  # not a method: nothing that holds the connection itself
        self.conn = _Parser(h11.SERVER, bounds.start)
        self.timeout_keep_alive = bounds.idle  # type: ignore[assignment]
        self._limit: asyncio.TimerHandle | None = None
        self._write_limit: asyncio.TimerHandle | None = None
        self._unwritten = 0
        self._begun = 0.0
        self._came = 0

    # ---- what asyncio and uvicorn tell

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected."""
        super().connection_made(transport)
        self._address = network(self.client[0]) if self.client else ""
        if not self._door.enter(self, self._address):
            transport.abort()
            return
        self._limit = self.loop.call_later(_spread(self._bounds.headers), self.give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._door.leave(self, self._address)
        self._cancel()
        if self._write_limit is not None:
            self._write_limit.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        start = 0
        while start < len(data) and not self.transport.is_closing():
            if self.phase == Phase.DISCARD and self._came > self._bounds.discarded:
                self.transport.pause_reading()
                return
            piece = data[start : start + (BODY_SLICE if self.phase == Phase.BODY else SLICE)]
            start += len(piece)
            self._came += len(piece)
            super().data_received(piece)
            self._look()

    def on_response_complete(self) -> None:
        """An answer went out."""
        super().on_response_complete()
        self._look()
        self._watch_writing()

    def pause_writing(self) -> None:
        """The client reads more slowly than is written."""
        super().pause_writing()
        self._watch_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP; in the midst of an answer nothing can be said any more."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.give_up()
            return
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.give_up()
        self._watch_writing()

    def give_up(self) -> None:
        """Close the connection at once."""
        self._door.leave(self, self._address)
        self._cancel()
        self.transport.abort()

    # ----

    @property
    def _bounds(self) -> Bounds:
        return self._door.bounds

    def _look(self) -> None:
        """See what the connection is at now, and set its time limit where that is something else than before."""
        phase = self._at()
        if phase == self.phase:
            return
        self.phase = phase
        self._begun, self._came = self.loop.time(), 0
        self._cancel()
        if phase == Phase.HEADERS:
            self._limit = self.loop.call_later(_spread(self._bounds.headers), self.give_up)
        elif phase == Phase.IDLE:
            self._limit = self.loop.call_later(_spread(self._bounds.idle), self.give_up)
        elif phase == Phase.DISCARD:
            self._limit = self.loop.call_later(self._bounds.discard, self.give_up)
        elif phase == Phase.BODY:
            self._limit = self.loop.call_later(self._bounds.grace, self._check_body)

    def _at(self) -> Phase:
        if self.cycle is None:
            return Phase.HEADERS
        if not self.cycle.response_complete:
            return Phase.BODY if self.conn.their_state is h11.SEND_BODY else Phase.ANSWER
        if self.conn.their_state is h11.SEND_BODY:
            return Phase.DISCARD
        return Phase.HEADERS if self.conn.trailing_data[0] else Phase.IDLE

    def _check_body(self) -> None:
        """Close a connection whose body comes too slowly; where the server itself lets it wait, look again later."""
        if self.flow.read_paused:
            self._begun, self._came = self.loop.time(), 0
        due = self._begun + self._bounds.grace + self._came / self._bounds.rate
        if self.loop.time() >= due:
            self.give_up()
        else:
            self._limit = self.loop.call_at(due, self._check_body)

    def _watch_writing(self) -> None:
        if self._write_limit is None and self.transport.get_write_buffer_size():
            self._unwritten = self.transport.get_write_buffer_size()
            self._write_limit = self.loop.call_later(self._bounds.grace, self._check_writing)

    def _check_writing(self) -> None:
        """Close a connection whose client does not read what is written to it."""
        self._write_limit = None
        left = self.transport.get_write_buffer_size()
        if left and self._unwritten - left < min(self._unwritten, self._bounds.grace * self._bounds.rate):
            self.give_up()
        else:
            self._watch_writing()

    def _cancel(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
