"""The line between salus and a sandbox: lines of JSON and counted bytes over two pipes, bounded in size and time.

Whoever speaks at the other end may be hostile: nothing is believed, nothing waits for ever, nothing grows.
"""

from __future__ import annotations

import os
import select
import time
from typing import IO, Any

from salus.errors import InputError, MethodError
from salus.fhir import json

PIECE = 1 << 16
MAX_LINE = 1 << 20
"""Bytes of one line; larger things are counted and follow it."""


class Line:
    """One end of the line. ``deadline`` is a moment of the monotonic clock.

    Every call raises MethodError where the time is over, the other end is closed, or what comes is not what was asked.
    """

    def __init__(self, reading: IO[bytes], writing: IO[bytes], deadline: float) -> None:
        self._in, self._out, self._deadline = reading.fileno(), writing.fileno(), deadline
        self._buffer = bytearray()
        for descriptor in (self._in, self._out):
            os.set_blocking(descriptor, False)

    def send(self, message: dict[str, Any], content: bytes | None = None) -> None:
        """Send a message, and ``content`` behind it with its size under "size"."""
        counted = message if content is None else {**message, "size": len(content)}
        self._write(json.dumps(counted) + b"\n")
        if content is not None:
            self._write(content)

    def receive(self) -> dict[str, Any]:
        """The next message."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MAX_LINE:
                raise MethodError("sent a line that is too long")
            self._fill()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if len(line) > MAX_LINE:
            raise MethodError("sent a line that is too long")
        return self._object(line)

    def content(self, message: dict[str, Any], limit: int) -> dict[str, Any]:
        """The JSON object whose size ``message`` tells, at most ``limit`` bytes."""
        size = message.get("size")
        if type(size) is not int or not 0 <= size <= limit:
            raise MethodError(f"returned more than {limit >> 20} MiB")
        while len(self._buffer) < size:
            self._fill()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return self._object(data)

    @staticmethod
    def _object(data: bytes) -> dict[str, Any]:
        try:
            value = json.loads(data)
        except InputError as error:
            raise MethodError("sent what is not JSON") from error
        if not isinstance(value, dict):
            raise MethodError("sent what is not a message")
        return value

    def _fill(self) -> None:
        self._wait(self._in, select.POLLIN)
        try:
            piece = os.read(self._in, PIECE)
        except BlockingIOError:
            return
        if not piece:
            raise MethodError("ended without an answer")
        self._buffer += piece

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._wait(self._out, select.POLLOUT)
            try:
                view = view[os.write(self._out, view[:PIECE]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise MethodError("ended without an answer") from error

    def _wait(self, descriptor: int, event: int) -> None:
        left = self._deadline - time.monotonic()
        poll = select.poll()
        poll.register(descriptor, event)
        if left <= 0 or not poll.poll(left * 1000):
            raise MethodError("took longer than it may")
