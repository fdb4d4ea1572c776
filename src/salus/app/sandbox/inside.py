"""Inside the sandbox: the process in which a method runs that is not ours, started by
:mod:`salus.app.sandbox.process` alone.

First the walls (:mod:`salus.app.sandbox.walls`), with the standard library only; then salus's own pure rooms; then the
stranger's code, loaded from the source that was pinned and from nothing that was compiled before.
"""

from __future__ import annotations

import builtins
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from types import CodeType, ModuleType
from typing import Any, BinaryIO

from salus.app.sandbox import walls as sandbox_walls

TEXTS = ("id", "version", "title", "intended_use", "population", "licence")
LISTS = ("inputs", "produces", "consumes", "references", "limits")
"""What a method says of itself (see :class:`salus.findings.method.Method`)."""


class _SourceOnly(SourceFileLoader):
    """Loads a module from its source: a compiled file beside it, whatever it says of itself, is not looked at."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _PinnedFinder(MetaPathFinder):
    """Finds pinned packages, from source; leaves Python's and salus's own to others; every other is not there."""

    def __init__(self, pinned: Sequence[str], own: Sequence[str]) -> None:
        self._pinned = frozenset(pinned)
        self._known = frozenset(own) | sys.stdlib_module_names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As importlib asks."""
        top = fullname.partition(".")[0]
        if top in self._known or top.startswith("_sysconfigdata_"):
            return None
        if top not in self._pinned:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        details = ((ExtensionFileLoader, EXTENSION_SUFFIXES), (_SourceOnly, SOURCE_SUFFIXES))
        parts: list[str] = []
        for place in sys.path if path is None else path:
            spec = FileFinder(place, *details).find_spec(fullname)
            if spec is not None and spec.loader is not None:
                return spec
            if spec is not None:
                parts += spec.submodule_search_locations or []
        if not parts:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        namespace = ModuleSpec(fullname, None, is_package=True)
        namespace.submodule_search_locations = parts
        return namespace


class _Wire:
    """This end of the line (see :mod:`salus.app.sandbox.line`). It blocks: the other end keeps the time."""

    def __init__(self, reading: BinaryIO, writing: BinaryIO) -> None:
        self._in, self._out = reading, writing

    def send(self, message: Mapping[str, Any], content: bytes | None = None) -> None:
        """Send a message."""
        counted = dict(message) if content is None else {**message, "size": len(content)}
        self._out.write(json.dumps(counted).encode() + b"\n" + (content or b""))
        self._out.flush()

    def receive(self) -> dict[str, Any]:
        """The next message; the process ends where there is none."""
        line = self._in.readline()
        if not line:
            os._exit(0)
        message: dict[str, Any] = json.loads(line)
        return message

    def content(self, message: Mapping[str, Any]) -> bytes:
        """The bytes that follow ``message``."""
        return self._in.read(int(message["size"]))

    def ask(self, question: Mapping[str, str]) -> bytes:
        """The bytes that salus gives for a question. Raises LookupError where it gives none."""
        self.send(question)
        answer = self.receive()
        if "size" not in answer:
            raise LookupError(str(answer.get("refused", "not given")))
        return self.content(answer)


class _Knowledge(Mapping[str, bytes]):
    """The knowledge files of a context, each handed over when it is first asked for."""

    def __init__(self, names: Sequence[str], wire: _Wire) -> None:
        self._names, self._wire = list(names), wire
        self._kept: dict[str, bytes] = {}

    def __getitem__(self, name: str) -> bytes:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._kept:
            self._kept[name] = self._wire.ask({"knowledge": name})
        return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def main() -> None:
    """Put up the walls, load the method, say what it is, and run it where that is asked."""
    wire = _wire()
    order = wire.receive()
    try:
        _enclose(order)
    except (sandbox_walls.NotIsolatedError, OSError, ValueError) as error:
        wire.send({"refused": str(error)})
        os._exit(0)
    try:
        method = _loaded(order)
        wire.send({"method": _described(method)})
        message = wire.receive()
        findings = _run(method, message, wire.content(message), wire, order)
        wire.send({"done": True}, findings)
    except BaseException as error:  # noqa: BLE001 - a stranger's method may raise anything
        wire.send({"failed": _name_of(error)})
    os._exit(0)


def _wire() -> _Wire:
    """The line over the process's standard streams, which afterwards lead nowhere."""
    reading, writing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 0)  # the standard error was opened onto nothing
    os.dup2(2, 1)
    return _Wire(reading, writing)


def _enclose(order: Mapping[str, Any]) -> None:
    parent = os.getppid()
    sandbox_walls.limit(memory=order["memory"], seconds=order["seconds"])
    sandbox_walls.unshare()
    sandbox_walls.drop_privileges()
    sandbox_walls.close_files(order["readable"], order["listable"])
    sandbox_walls.close_kernel()
    sandbox_walls.check(order["canary"], parent)


def _loaded(order: Mapping[str, Any]) -> Any:
    import importlib

    sys.path.extend(place for place in order["path"] if place not in sys.path)
    import salus.findings.fhir  # ours first, as Python finds it
    import salus.findings.method
    import salus.record.chart  # noqa: F401

    sys.meta_path.insert(0, _PinnedFinder(order["pinned"], order["own"]))
    target: Any = importlib.import_module(order["module"])
    for name in order["attribute"].split("."):
        target = getattr(target, name)
    return target() if isinstance(target, type) else target


def _described(method: Any) -> dict[str, Any]:
    """The method's attributes as JSON; one that it lacks is left out, one of another type is named."""
    found: dict[str, Any] = {}
    for name in (*TEXTS, *LISTS):
        if hasattr(method, name):
            value = getattr(method, name)
            plain = isinstance(value, str) if name in TEXTS else isinstance(value, tuple)
            if plain and name in LISTS:
                plain = all(isinstance(each, str) for each in value)
            found[name] = value if plain else None
    if callable(getattr(method, "run", None)):
        found["run"] = True
    return found


def _run(method: Any, message: Mapping[str, Any], content: bytes, wire: _Wire, order: Mapping[str, Any]) -> bytes:
    """The findings and what was read for them, as JSON."""
    from itertools import islice

    from salus.fhir import json as exact
    from salus.findings.fhir import dump

    chart, context = _chart(exact.loads(content), wire, order)
    found = list(islice(method.run(chart, context), int(message["findings"]) + 1))
    reads = [[read.accessor, list(read.arguments)] for read in chart.reads]
    return exact.dumps({"findings": [dump(finding) for finding in found], "reads": reads})


def _chart(given: Mapping[str, Any], wire: _Wire, order: Mapping[str, Any]) -> tuple[Any, Any]:
    from datetime import datetime
    from pathlib import Path

    from salus.fhir.views import Source
    from salus.findings.fhir import load
    from salus.findings.method import Context
    from salus.record.chart import Chart
    from salus.terminology.reader import Terminology, shipped

    packs = [Path(path) for path in order["packs"]]
    chart = Chart(
        [(Source(*source), body) for source, body in given["entries"]],
        now=datetime.fromisoformat(given["now"]),
        loader=lambda address: wire.ask({"blob": address}),
        findings=[load(finding) for finding in given["findings"]],
        terminology=Terminology(packs) if packs else shipped(),
        moving=False,
    )
    knowledge = _Knowledge(given["knowledge"], wire)
    return chart, Context(given["parameters"], knowledge, given["digests"])


def _name_of(error: BaseException) -> str:
    """The class of an error where it is one of Python's. Its words, and names of its own, may tell of the patient."""
    name = type(error).__name__
    return name if getattr(builtins, name, None) is type(error) else "an error of its own"
