"""The sandbox: a method that is not ours runs in a process of its own, with nothing but what it was handed.

No key, store, network, environment or file of salus is in reach there (see :mod:`salus.app.sandbox.walls`);
memory, time and answers are bounded. The chart crosses as JSON, limited to the kinds of data that the method declares;
findings come back as JSON and are checked like anything from outside. Where the system cannot isolate, the method is
refused.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import salus
from salus.app.sandbox import answers as sandbox_answers
from salus.app.sandbox.handed import Handed
from salus.app.sandbox.inside import LISTS, TEXTS
from salus.app.sandbox.line import Line
from salus.errors import MethodError
from salus.fhir import json
from salus.findings import pinned
from salus.findings.method import Context, Method
from salus.findings.model import Finding
from salus.findings.pinned import Pin
from salus.findings.registry import Listed
from salus.findings.runner import MAX_BYTES, MAX_FINDINGS
from salus.record.chart import Chart

MAX_TEXT = 10_000
"""Characters of one thing that a method says of itself."""
MAX_ENTRIES = 1_000
"""Things of one kind that it says."""
MAX_CHART = 256 << 20
"""Bytes of a chart that is handed over at once."""
GRACE = 1.0
"""Seconds that a process is given to end before it is killed."""
AT_ONCE = threading.BoundedSemaphore(4)
"""Sandboxes that may be open at the same time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a sandbox may use: bytes of memory, seconds of processor and of the clock, bytes handed over on request."""

    memory: int = 2 << 30
    processor: int = 30
    seconds: float = 60.0
    blobs: int = 512 << 20


LIMITS = Limits()


@dataclass(slots=True)
class Confined:
    """A stranger's method as salus sees it: what it says of itself, and ``run``, which opens a sandbox."""

    id: str
    version: str
    title: str
    intended_use: str
    inputs: tuple[str, ...]
    produces: tuple[str, ...]
    consumes: tuple[str, ...]
    population: str
    references: tuple[str, ...]
    licence: str
    limits: tuple[str, ...]
    listed: Listed = field(repr=False)
    pin: Pin = field(repr=False)
    packs: tuple[Path, ...] = field(repr=False)
    bounds: Limits = field(repr=False)

    @property
    def handed(self) -> frozenset[str]:
        """The kinds of data that it gets: it may have read all of them, whatever it says."""
        return frozenset(self.inputs)

    def run(self, chart: Chart, context: Context) -> list[Finding]:
        """The findings that the method draws, each held to what it was handed. Raises MethodError."""
        handed = Handed.of(chart, self.inputs, self.consumes)
        content = json.dumps({**handed.content, **_context(context)})
        if len(content) > MAX_CHART:
            raise MethodError("the record is too large to be handed over")
        with _open(self.listed, self.pin, self.packs, self.bounds) as line:
            _method_of(line)
            line.send({"findings": MAX_FINDINGS}, content)
            answer = _served(line, handed, context, self.bounds.blobs)
        return sandbox_answers.findings(answer, handed, self.consumes)


def confined(listed: Listed, pin: Pin, packs: Sequence[Path] = (), bounds: Limits = LIMITS) -> Method:
    """A method that runs in a sandbox, as it describes itself from inside one. Raises MethodError.

    ``packs`` are the terminology files that the house lays over the shipped one.
    """
    key = (listed.name, listed.distribution, pin.digest)
    told = _told.get(key)
    if told is None:
        with _open(listed, pin, (), bounds) as line:
            told = _told[key] = _checked(_method_of(line), listed)
    texts = {name: told[name] for name in TEXTS}
    lists: dict[str, Any] = {name: tuple(told[name]) for name in LISTS}
    return Confined(**texts, **lists, listed=listed, pin=pin, packs=tuple(packs), bounds=bounds)


_told: dict[tuple[str, str, str], Mapping[str, Any]] = {}
"""What methods said of themselves, for as long as their files are the same."""


def _method_of(line: Line) -> dict[str, Any]:
    """What the sandbox says first: that its walls stand, and what the method is. Raises MethodError."""
    answer = line.receive()
    if "refused" in answer:
        # said by our own code, before any of the stranger's was imported
        raise MethodError(f"cannot be isolated on this system: {answer['refused']}")
    if "failed" in answer:
        raise MethodError(f"cannot be loaded: {sandbox_answers.error_name(answer['failed'])}")
    method = answer.get("method")
    if not isinstance(method, dict):
        raise MethodError("sent what is not a message")
    return method


def _checked(told: Mapping[str, Any], listed: Listed) -> Mapping[str, Any]:
    """What a method says of itself, all of it there and of its type. Raises MethodError."""
    missing = [name for name in (*TEXTS, *LISTS, "run") if name not in told]
    if missing:
        raise MethodError("a method without " + ", ".join(missing), where=listed.name)
    for name in TEXTS:
        if not isinstance(told[name], str) or len(told[name]) > MAX_TEXT:
            raise MethodError(f"{name} must be a string", where=listed.name)
    for name in LISTS:
        value = told[name]
        if not isinstance(value, list) or len(value) > MAX_ENTRIES or not all(isinstance(v, str) for v in value):
            raise MethodError(f"{name} must be a tuple of strings", where=listed.name)
        if any(len(v) > MAX_TEXT for v in value):
            raise MethodError(f"{name} is too long", where=listed.name)
    return told


def _context(context: Context) -> dict[str, Any]:
    return {
        "parameters": dict(context.parameters),
        "knowledge": sorted(context.knowledge),
        "digests": dict(context.digests),
    }


def _served(line: Line, handed: Handed, context: Context, budget: int) -> dict[str, Any]:
    """The method's answer; until it comes, what it asks for is handed over, up to ``budget`` bytes."""
    while True:
        message = line.receive()
        if message.get("done") is True:
            return line.content(message, MAX_BYTES + (1 << 20))
        if "failed" in message:
            raise MethodError(f"failed: {sandbox_answers.error_name(message['failed'])}")
        asked = _asked(message, handed, context)
        if asked is None or len(asked) > budget:
            line.send({"refused": "not given" if asked is None else "more than one run is given"})
            continue
        budget -= len(asked)
        line.send({}, asked)


def _asked(message: Mapping[str, Any], handed: Handed, context: Context) -> bytes | None:
    """The bytes that a message asks for; None where it may not have them."""
    if isinstance(address := message.get("blob"), str):
        return handed.blob(address)
    if isinstance(name := message.get("knowledge"), str):
        return context.knowledge.get(name)
    raise MethodError("sent what is not a message")


# ---- the process

_BOOT = "import sys; sys.path.append(sys.argv[1]); from salus.app.sandbox.inside import main; main()"
_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo")
"""Shared libraries and time zones of the system."""
_NOT_PYTHON = frozenset({"site-packages", "dist-packages"})


@contextmanager
def _open(listed: Listed, pin: Pin, packs: Sequence[Path], bounds: Limits) -> Iterator[Line]:
    """A line to a fresh sandbox; on leaving, whatever is left of the sandbox is killed."""
    if not sys.platform.startswith("linux"):
        raise MethodError("cannot be isolated on this system: sandboxes are built on Linux alone")
    if not AT_ONCE.acquire(timeout=bounds.seconds):
        raise MethodError("too many methods run at once")
    try:
        with tempfile.TemporaryDirectory(prefix="salus-sandbox-") as folder:
            canary, empty = Path(folder, "canary"), Path(folder, "empty")
            canary.write_bytes(b"to be read by nobody in the sandbox")
            empty.mkdir(mode=0o500)
            process = _started(empty)
            try:
                line = Line(
                    cast("IO[bytes]", process.stdout),
                    cast("IO[bytes]", process.stdin),
                    time.monotonic() + bounds.seconds,
                )
                line.send(_order(listed, pin, packs, bounds, canary))
                yield line
            finally:
                _end(process)
    finally:
        AT_ONCE.release()


def _started(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", "-B", "-c", _BOOT, str(_root())]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a stranger's words about a patient belong into no log
        cwd=folder,
        env=_ENVIRONMENT,
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left: the outer process ends the inner one and waits for it, or both are killed together."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):  # what it did not take before it ended
                stream.close()
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _order(listed: Listed, pin: Pin, packs: Sequence[Path], bounds: Limits, canary: Path) -> dict[str, Any]:
    """What the sandbox is told about its walls and the method."""
    places = [*pinned.own_places(), *pin.places]
    folders = list(dict.fromkeys(str(place.parent) for place in (Path(salus.__file__).parent, *places)))
    module, _, attribute = listed.entry.value.partition(":")
    return {
        "module": module.strip(),
        "attribute": attribute.partition("[")[0].strip(),
        "path": folders,
        "pinned": sorted(pin.names),
        "own": sorted(pinned.own_names()),
        "readable": [*_python(), *_SYSTEM, *map(str, places), *(str(pack.resolve()) for pack in packs)],
        "listable": [*folders, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")],
        "packs": [str(pack) for pack in packs],
        "memory": bounds.memory,
        "seconds": bounds.processor,
        "canary": str(canary),
    }


def _root() -> Path:
    """The folder in which the package salus lies."""
    return Path(salus.__file__).resolve().parents[1]


def _python() -> list[str]:
    """The files of Python itself: its library without the packages that are installed in it."""
    found = [str(path) for path in Path(sys.base_prefix, "lib").glob("libpython*")]
    for name in ("stdlib", "platstdlib"):
        folder = Path(sysconfig.get_path(name))
        found += [str(path) for path in folder.iterdir() if path.name not in _NOT_PYTHON]
    return list(dict.fromkeys(found))
