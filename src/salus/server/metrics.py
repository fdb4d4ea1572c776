"""What a server counts, in the text exposition format of Prometheus (version 0.0.4).

Every sample is one cell of a block of memory. Where several processes serve, the block of each is a file that it maps
and whoever is asked reads: a process that hangs keeps nobody from being counted, and one that is started again in the
place of another counts on. No name, address or path of a request is among the labels: routes are told by templates.
"""

from __future__ import annotations

import math
import mmap
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from salus.errors import InputError
from salus.fhir import json

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of the histogram's buckets, in seconds."""
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
OTHER = "other"
"""The route of what no template fits."""
REASONS = {
    400: "invalid",
    401: "not-signed-in",
    403: "not-allowed",
    408: "too-slow",
    413: "too-long",
    414: "too-long",
    415: "wrong-media",
    421: "wrong-host",
    429: "too-many",
    503: "busy",
}
"""Why a request was refused, by the status of its answer."""
_CELL = 8


@dataclass(frozen=True, slots=True)
class Family:
    """One metric as it is told of."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str


FAMILIES = (
    Family("salus_build_info", "gauge", "The version that runs."),
    Family("salus_workers", "gauge", "Worker processes that are running."),
    Family("salus_worker_ends_total", "counter", "Worker processes that ended although nobody stopped the server."),
    Family("salus_requests_total", "counter", "Answers by route and class of status."),
    Family("salus_request_seconds", "histogram", "Time from a request's headers to the end of its answer, by route."),
    Family("salus_requests_in_flight", "gauge", "Requests that are being answered."),
    Family("salus_requests_waiting", "gauge", "Requests that wait for a thread."),
    Family("salus_connections", "gauge", "Open connections."),
    Family("salus_refused_total", "counter", "Refused requests by reason, and connections that were turned away."),
    Family("salus_refresh_waiting", "gauge", "Records whose findings wait to be brought up to date."),
    Family("salus_refresh_failing", "gauge", "Records whose findings could not be brought up to date the last time."),
    Family("salus_refreshes_total", "counter", "Records that were brought up to date in the background, by outcome."),
    Family("salus_store_bytes", "gauge", "Size of the store's file and its journal."),
    Family("salus_log_entries", "gauge", "Entries of the audit log."),
    Family("salus_disk_free_bytes", "gauge", "Room that is left, on the disk of the store and of the keys."),
)
IN_FLIGHT, WAITING, CONNECTIONS = "salus_requests_in_flight", "salus_requests_waiting", "salus_connections"
REFRESH_WAITING, REFRESH_FAILING = "salus_refresh_waiting", "salus_refresh_failing"
GAUGES = (IN_FLIGHT, WAITING, CONNECTIONS, REFRESH_WAITING, REFRESH_FAILING)
"""What is told of a moment: in a process that was just started it is nothing."""
TURNED_AWAY, GIVEN_UP = "connection", "connection-given-up"
_MORE = (TURNED_AWAY, GIVEN_UP)
OUTCOMES = ("done", "failed")


class Metrics:
    """What one process counts. Safe to use from several threads."""

    def __init__(self, routes: Iterable[str], place: Path | None = None) -> None:
        """``routes`` are the templates; ``place`` is the file through which others read, None where nobody does."""
        self._routes = {*routes, OTHER}
        keys = _keys(sorted(self._routes))
        self._places = {key: n for n, key in enumerate(keys)}
        self._cells = _cells(bytearray(_CELL * len(keys))) if place is None else _mapped(place, keys)
        self._lock = threading.Lock()
        for name in GAUGES:
            self._cells[self._places[name]] = 0

    def begun(self) -> None:
        """A request came."""
        self._add(IN_FLIGHT)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request was answered, or ended without an answer (status 0)."""
        route = route if route in self._routes else OTHER
        with self._lock:
            cells, places = self._cells, self._places
            cells[places[IN_FLIGHT]] -= 1
            if status:
                cells[places[_counted(route, f"{status // 100}xx")]] += 1
            if status in REASONS:
                cells[places[_refused(REASONS[status])]] += 1
            for end in BUCKETS:
                if seconds <= end:
                    cells[places[_bucket(route, end)]] += 1
            cells[places[_bucket(route, math.inf)]] += 1
            cells[places[_part(route, "sum")]] += seconds
            cells[places[_part(route, "count")]] += 1

    def refused(self, reason: str, number: int) -> None:
        """Connections were turned away, or given up."""
        self._add(_refused(reason), number)

    def refreshed(self, outcome: str) -> None:
        """A record was brought up to date in the background, or could not be."""
        self._add(_outcome(outcome))

    def set(self, name: str, value: float) -> None:
        """How much there is of something now."""
        with self._lock:
            self._cells[self._places[name]] = value

    def samples(self) -> dict[str, float]:
        """Every sample of this process."""
        with self._lock:
            return {key: self._cells[n] for key, n in self._places.items()}

    def _add(self, key: str, number: int = 1) -> None:
        with self._lock:
            self._cells[self._places[key]] += number


def read(place: Path) -> dict[str, float]:
    """The samples of a process by its file; of one that has not begun to count, none."""
    try:
        data = place.read_bytes()
    except FileNotFoundError:
        return {}
    keys, start = _header(data)
    if not keys:
        return {}
    return dict(zip(keys, memoryview(data[start : start + _CELL * len(keys)]).cast("d"), strict=True))


def summed(each: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The samples of several processes together."""
    total: dict[str, float] = {}
    for samples in each:
        for key, value in samples.items():
            total[key] = total.get(key, 0.0) + value
    return total


def exposition(samples: Mapping[str, float]) -> str:
    """Samples in the text format, by family."""
    lines: list[str] = []
    for family in FAMILIES:
        suffixes = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
        names = {f"{family.name}{suffix}" for suffix in suffixes}
        found = [f"{key} {_number(value)}" for key, value in samples.items() if key.partition("{")[0] in names]
        if found:
            lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}", *found]
    return "\n".join(lines) + "\n"


def labelled(name: str, **labels: str) -> str:
    """A sample's name with its labels."""
    told = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
    return f"{name}{{{told}}}" if told else name


def _keys(routes: Sequence[str]) -> list[str]:
    """The name of every sample, in the order of its cells."""
    found = [*GAUGES]
    found += [_refused(reason) for reason in dict.fromkeys((*REASONS.values(), *_MORE))]
    found += [_outcome(outcome) for outcome in OUTCOMES]
    for route in routes:
        found += [_counted(route, group) for group in CLASSES]
        found += [_bucket(route, end) for end in (*BUCKETS, math.inf)]
        found += [_part(route, "sum"), _part(route, "count")]
    return found


def _counted(route: str, group: str) -> str:
    return labelled("salus_requests_total", route=route, status=group)


def _bucket(route: str, end: float) -> str:
    return labelled("salus_request_seconds_bucket", route=route, le=_number(end))


def _part(route: str, part: str) -> str:
    return labelled(f"salus_request_seconds_{part}", route=route)


def _refused(reason: str) -> str:
    return labelled("salus_refused_total", reason=reason)


def _outcome(outcome: str) -> str:
    return labelled("salus_refreshes_total", outcome=outcome)


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


# ---- the file: the length of the names (8 bytes), the names as JSON, and a cell of 8 bytes for each


def _cells(data: bytearray | memoryview) -> memoryview[float]:
    return memoryview(data).cast("d")


def _mapped(place: Path, keys: Sequence[str]) -> memoryview[float]:
    """The cells in a file, with what they held where another process counted the same in it before."""
    names = json.dumps(list(keys))
    names += b" " * (-len(names) % _CELL)
    head = len(names).to_bytes(_CELL, "little") + names
    try:
        same = place.read_bytes()[: len(head)] == head
    except FileNotFoundError:
        same = False
    if not same:
        part = place.with_suffix(".part")
        part.write_bytes(head + bytes(_CELL * len(keys)))
        part.replace(place)
    descriptor = os.open(place, os.O_RDWR | os.O_CLOEXEC)
    try:
        mapped = mmap.mmap(descriptor, len(head) + _CELL * len(keys))
    finally:
        os.close(descriptor)
    return _cells(memoryview(mapped)[len(head) :])


def _header(data: bytes) -> tuple[list[str], int]:
    start = _CELL + int.from_bytes(data[:_CELL], "little")
    try:
        keys: list[str] = json.loads(data[_CELL:start])
    except InputError:
        return [], 0
    return (keys, start) if len(data) >= start + _CELL * len(keys) else ([], 0)
