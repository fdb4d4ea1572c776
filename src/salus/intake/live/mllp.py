"""MLLP, the transport of HL7 v2 over TCP: one message between 0x0B and 0x1C 0x0D, one acknowledgement back.

Nothing here knows what a message is: a handler turns a frame into the answer. Frames are handled one after the other,
in the thread of the event loop, so that the store has one writer and the order of each connection is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from salus.errors import ConfigurationError

START, END = b"\x0b", b"\x1c\r"
CHUNK = 1 << 16
NOISE = 4096
"""Bytes that may stand before a frame: more is no line of messages."""
Handler = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection, and all of them together, may cost."""

    frame_bytes: int = 4 << 20
    idle_seconds: float = 300.0
    connections: int = 64


def framed(message: bytes) -> bytes:
    """The message as it goes over the line."""
    return START + message + END


class Frames:
    """Cuts a stream of bytes into frames, never holding more than one frame and one chunk."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._noise = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that ``data`` completes. Bytes before a frame are skipped (MLLP Release 1: what stands between
        blocks is ignored). Raises OverflowError for a frame beyond the limit and ValueError where too many bytes come
        without a frame."""
        self._buffer += data
        found = []
        while self._buffer:
            noise = self._buffer.find(START)
            if noise:
                self._skip(noise if noise > 0 else len(self._buffer))
                continue
            end = self._buffer.find(END)
            if max(end, len(self._buffer) if end < 0 else 0) > self._limit:
                raise OverflowError("a frame beyond the limit")
            if end < 0:
                break
            found.append(bytes(self._buffer[1:end]))
            del self._buffer[: end + len(END)]
            self._noise = 0
        return found

    def _skip(self, count: int) -> None:
        self._noise += count
        if self._noise > min(NOISE, self._limit):
            raise ValueError("bytes outside a frame")
        del self._buffer[:count]


async def connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a listener, for whoever sends. Raises ConfigurationError."""
    try:
        return await asyncio.open_connection(host, port)
    except OSError as error:
        raise ConfigurationError(f"cannot connect: {error.strerror}", where=f"{host}:{port}") from error


class Server:
    """Listens and answers. ``refusal`` makes the answer to a frame that is too large to be read."""

    def __init__(self, handler: Handler, refusal: Callable[[str], bytes], limits: Limits | None = None) -> None:
        self._handler = handler
        self._refusal = refusal
        self._limits = limits or Limits()
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Begin to listen; returns the port (another one than ``port`` where that is 0). Raises ConfigurationError."""
        try:
            self._server = await asyncio.start_server(self._connected, host, port)
        except OSError as error:
            raise ConfigurationError(f"cannot listen: {error.strerror}", where=f"{host}:{port}") from error
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Stop listening and close what is open; a frame that is being handled is answered first."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            if len(self._open) <= self._limits.connections:
                await self._serve(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            pass  # the sender is gone or silent, or we stop: what was not acknowledged will be sent again
        finally:
            self._open.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames(self._limits.frame_bytes)
        while True:
            data = await asyncio.wait_for(reader.read(CHUNK), self._limits.idle_seconds)
            if not data:
                return
            try:
                complete = frames.feed(data)
            except OverflowError:
                await self._say(writer, self._refusal(f"a message of more than {self._limits.frame_bytes:,} bytes"))
                return
            except ValueError:
                return
            for frame in complete:
                await self._say(writer, self._handler(frame))

    async def _say(self, writer: asyncio.StreamWriter, answer: bytes) -> None:
        writer.write(framed(answer))
        await asyncio.wait_for(writer.drain(), self._limits.idle_seconds)
