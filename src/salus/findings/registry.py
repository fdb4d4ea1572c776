"""Which methods there are: entry points of the group ``salus.methods``, ours and strangers'.

Listing them imports no stranger's code. A stranger's package runs only after it was allowed, and only while its
files are the ones that were allowed.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from salus.errors import MethodError
from salus.fhir.views import CATEGORIES
from salus.findings.capability import Capability
from salus.findings.method import Method

GROUP = "salus.methods"
CAPABILITIES = "salus.capabilities"
OURS = "salus"


@dataclass(frozen=True, slots=True)
class Listed:
    """A method that is installed. ``distribution`` is the package it came in."""

    name: str
    distribution: str
    version: str
    entry: EntryPoint

    @property
    def ours(self) -> bool:
        """True for the methods that come with salus."""
        return self.distribution == OURS and self.entry.module.partition(".")[0] == OURS


def listed() -> list[Listed]:
    """Every installed method, by name; of one name ours first."""
    found = [
        Listed(e.name, e.dist.name if e.dist else "", e.dist.version if e.dist else "", e)
        for e in entry_points(group=GROUP)
    ]
    unique = {(m.name, m.distribution): m for m in found}
    return sorted(unique.values(), key=lambda m: (m.name, not m.ours, m.distribution))


def capabilities(name: str = "") -> list[Capability]:
    """What salus itself can do beyond its methods, by id, or only what is called ``name``.

    Raises MethodError when one is not what its name says.
    """
    found: list[Capability] = []
    for entry in sorted(entry_points(group=CAPABILITIES), key=lambda e: e.name):
        if entry.dist is None or entry.dist.name != OURS or entry.module.partition(".")[0] != OURS:
            continue
        if name and entry.name != name:
            continue
        capability = entry.load()
        if not isinstance(capability, Capability) or capability.id != entry.name:
            raise MethodError("not a capability of that id", where=entry.name)
        if capability not in found:  # an editable install beside a built one lists each twice
            found.append(capability)
    return found


def doubled(methods: Sequence[Listed]) -> frozenset[str]:
    """Names that several packages claim: of these only a method of salus itself runs."""
    names = [m.name for m in methods]
    return frozenset(name for name in names if names.count(name) > 1)


def package_hash(method: Listed) -> str:
    """SHA-256 over every file of the top-level package that the method lives in. Imports nothing."""
    top = method.entry.module.partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None or not (spec.origin or spec.submodule_search_locations):
        raise MethodError(f"the files of method {method.name!r} cannot be found", where=method.distribution)
    roots = [Path(p) for p in spec.submodule_search_locations or ()] or [Path(str(spec.origin))]
    files = [
        (f"{number}/{path.relative_to(root) if path != root else path.name}", path)
        for number, root in enumerate(roots)
        for path in ([root] if root.is_file() else root.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    ]
    total = hashlib.sha256(f"{method.distribution} {method.version}\n".encode())
    for name, path in sorted(files):
        total.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def runnable(allowed: Mapping[str, str]) -> tuple[list[Method], list[tuple[str, str]]]:
    """The methods that may run, in an order that has each after those it consumes; and for every other one why not.

    ``allowed`` maps distribution names to the package hash that was pinned.
    """
    good: list[Method] = []
    refused: list[tuple[str, str]] = []
    found = listed()
    claimed = doubled(found)
    for method in sorted(found, key=lambda m: (not m.ours, m.name)):
        if not method.ours:
            if method.name in claimed:
                why = f"several packages bring a method of this name: uninstall {method.distribution} or the other"
                refused.append((method.name, why))
                continue
            pinned = allowed.get(method.distribution)
            if pinned is None:
                refused.append((method.name, f"not allowed yet: salus methods allow {method.name}"))
                continue
            if pinned != package_hash(method):
                refused.append(
                    (method.name, f"its files changed since it was allowed: salus methods allow {method.name}")
                )
                continue
        try:
            loaded = check(load(method))
            if loaded.id != method.name:
                raise MethodError(f"its id is not the name under which it is installed, {method.name!r}")
            ordered([*good, loaded])
            good.append(loaded)
        except MethodError as error:
            if method.ours:
                raise
            refused.append((method.name, str(error)))
    return ordered(good), refused


def load(method: Listed) -> Method:
    """Import a method. An instance or a class without arguments may stand behind the entry point."""
    try:
        target = method.entry.load()
        return target() if isinstance(target, type) else target  # type: ignore[no-any-return]
    except (Exception, SystemExit) as error:
        raise MethodError(f"method {method.name!r} cannot be loaded: {type(error).__name__}") from error


def check(method: object) -> Method:
    """Hold a method against the contract. Raises MethodError saying which attribute is wrong."""
    if not isinstance(method, Method):
        missing = [n for n in _ATTRIBUTES if not hasattr(method, n)]
        raise MethodError("a method without " + ", ".join(missing), where=str(getattr(method, "id", method)))
    for name in ("inputs", "produces", "consumes", "references", "limits"):
        if not isinstance(getattr(method, name), tuple):
            raise MethodError(f"{name} must be a tuple of strings", where=method.id)
    if not set(method.inputs) <= set(CATEGORIES):
        raise MethodError(f"inputs are some of {', '.join(CATEGORIES)}", where=method.id)
    return method


_ATTRIBUTES = (
    "id",
    "version",
    "title",
    "intended_use",
    "inputs",
    "produces",
    "consumes",
    "population",
    "references",
    "licence",
    "limits",
    "run",
)


def ordered(methods: Sequence[Method]) -> list[Method]:
    """Methods so that each comes after those whose findings it consumes. A cycle raises MethodError."""
    producers: dict[str, list[Method]] = {}
    for method in methods:
        for code in method.produces:
            producers.setdefault(code, []).append(method)
    done: dict[str, Method] = {}
    open_: list[str] = []

    def visit(method: Method) -> None:
        if method.id in done:
            return
        if method.id in open_:
            raise MethodError("methods that consume each other: " + " > ".join([*open_, method.id]))
        open_.append(method.id)
        for code in method.consumes:
            for producer in producers.get(code, ()):
                visit(producer)
        open_.pop()
        done[method.id] = method

    for method in _by_id(methods):
        visit(method)
    return list(done.values())


def _by_id(methods: Iterable[Method]) -> list[Method]:
    return sorted(methods, key=lambda m: m.id)
