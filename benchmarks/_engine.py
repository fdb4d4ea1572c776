"""Where a benchmark's store lies, and what that costs: a file of this process, or a PostgreSQL server on this machine.

CPU time of a server is read from the system's own account of its processes: other users of the same server count too,
so a server that is measured should have no others.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from salus.app.config import Configuration, at_folder

TICK = os.sysconf("SC_CLK_TCK")


@contextmanager
def house_at(folder: Path, url: str = "", *, keep: bool = False) -> Iterator[Configuration]:
    """Settings for a store under ``folder``; with ``url`` its rows lie in a schema of that database.

    The schema is named after the folder, made where it is missing, and dropped at the end unless ``keep``.
    """
    configuration = at_folder(folder)
    if not url:
        yield configuration
        return
    import psycopg

    schema = "benchmark_" + "".join(c for c in str(folder.resolve()).lower() if c.isalnum())[-40:]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        try:
            yield replace(configuration, database=f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}")
        finally:
            if not keep:
                connection.execute(f"DROP SCHEMA {schema} CASCADE")


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds of this process, and of the database's processes (0 where the store is a file)."""

    process: float
    database: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.process + self.database

    def __sub__(self, before: Spent) -> Spent:
        return Spent(self.process - before.process, self.database - before.database)


class Clock:
    """Tells what was spent until now, by this process and for it by its database."""

    def __init__(self, connection: Any, *, whole: bool) -> None:
        """``whole``: all of the server's processes count (in steps of a tick); else the one that serves ``connection``,
        to the nanosecond."""
        self._pids: Sequence[int] = []
        self._whole = whole
        self._process = time.process_time
        if not hasattr(connection, "backend"):
            return
        self._pids = [parent(connection.backend)] if whole else [connection.backend]

    def now(self) -> Spent:
        """What was spent until now."""
        counted = cpu_seconds if self._whole else running_seconds
        return Spent(time.process_time(), sum(counted(pid) for pid in self._pids))


def running_seconds(pid: int) -> float:
    """CPU time of one running process, by its own clock (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def parent(pid: int) -> int:
    """The process that started ``pid``: of a backend, the server."""
    return int(_stat(pid)[1])


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of those that it started, with the ended ones that were waited for."""
    return sum(sum(map(int, _stat(each)[11:15])) for each in tree(pid)) / TICK


def tree(pid: int) -> Sequence[int]:
    """A process and all that descend from it and are running."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
