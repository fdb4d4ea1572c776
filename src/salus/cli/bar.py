"""A progress bar on the terminal's standard error, for what takes longer than a second."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SECONDS = 1.0


class Bar:
    """How many of how many are done; shown once a second has passed, and nowhere but on a terminal."""

    def __init__(self, title: str) -> None:
        self._title, self._begun = title, time.monotonic()
        self._shown: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._shown[0].stop()

    def __call__(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` are done."""
        if self._shown is None and time.monotonic() - self._begun > SECONDS and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            bar = Progress(console=Console(stderr=True), transient=True)
            self._shown = bar, bar.add_task(self._title, total=total)
            bar.start()
        if self._shown:
            bar, task = self._shown
            bar.update(task, completed=done, total=total)
