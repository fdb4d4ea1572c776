"""What an operator is told on stderr: one line an event, as text or JSON, without anybody's name, address or words."""

from __future__ import annotations

import logging
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any, Literal

from salus.fhir import json
from salus.server.failures import described

Form = Literal["text", "json"]
FORMS: tuple[Form, ...] = ("text", "json")
LOG = logging.getLogger("salus.server")
FIGURES = "figures"
"""Under this name a log record holds the figures of its event."""


def tell(event: str, *, level: int = logging.INFO, **figures: float | str) -> None:
    """Log one event. ``figures`` are numbers, and words of ours: never what came from outside."""
    LOG.log(level, event, extra={FIGURES: figures})


class Lines(logging.Formatter):
    """One line an event. Of an exception only kind and place are told: its words could hold somebody's data."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        figures: dict[str, Any] = {"process": record.process, **getattr(record, FIGURES, {})}
        if record.exc_info and record.exc_info[1] is not None:
            figures["what"] = described(record.exc_info[1])
        told = getattr(record, FIGURES, None) is not None
        event = record.getMessage() if told else "failure"
        if not told and "what" not in figures:
            figures["what"] = record.getMessage().splitlines()[0] if record.getMessage() else ""
        time_ = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        if self._form == "json":
            line = {"time": time_, "level": record.levelname.lower(), "event": event, **figures}
            return json.dumps(line).decode()
        return " ".join((time_, record.levelname.lower(), event, *(f"{k}={v}" for k, v in figures.items())))


class _Stderr(logging.Handler):
    """Writes each line whole: several processes write to the same place."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except (OSError, ValueError):  # nobody reads it, or it is closed: serving goes on
            self.handleError(record)


def to_stderr(form: Form) -> None:
    """Let the loggers of this process write their lines there."""
    handler = _Stderr()
    handler.setFormatter(Lines(form))
    for name, level in (("salus", logging.INFO), ("uvicorn", logging.ERROR), ("asyncio", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)


class Seldom:
    """Tells of what may happen often: at most one line in ``seconds``, with how often it happened, and only of more
    than ``few``. Safe to use from several threads."""

    def __init__(self, event: str, *, few: int = 0, seconds: float = 10.0) -> None:
        self._event = event
        self._few = few
        self._seconds = seconds
        self._count = 0
        self._since = time.monotonic()
        self._lock = threading.Lock()

    def add(self, number: int = 1) -> None:
        """Count, and tell where it is time to."""
        with self._lock:
            self._count += number
            now = time.monotonic()
            if now - self._since < self._seconds:
                return
            count, lasted = self._count, now - self._since
            self._count, self._since = 0, now
        if count > self._few:
            tell(self._event, level=logging.WARNING, count=count, seconds=round(lasted))
