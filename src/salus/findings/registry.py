"""Which methods there are: entry points of the group ``salus.methods``, ours and strangers'.

Listing them imports no stranger's code. A stranger's package runs only after it was allowed, only while its files are
the ones that were allowed, and never inside salus's own process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, entry_points

from salus.errors import MethodError
from salus.fhir.views import CATEGORIES
from salus.findings import pinned
from salus.findings.capability import Capability
from salus.findings.method import Method
from salus.findings.pinned import Pin

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
    told: dict[Distribution, tuple[str, str]] = {}  # each name and version is parsed from a file whenever it is asked
    found: list[Listed] = []
    for entry in entry_points(group=GROUP):
        if entry.dist is not None and entry.dist not in told:
            told[entry.dist] = (entry.dist.name, entry.dist.version)
        found.append(Listed(entry.name, *(told[entry.dist] if entry.dist else ("", "")), entry))
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
    """SHA-256 over everything that Python could load for the method (see :mod:`salus.findings.pinned`)."""
    return pin(method).digest


def pin(method: Listed) -> Pin:
    """What the method's package is made of. Imports nothing. Raises MethodError for what must not be allowed."""
    return pinned.pin(method.distribution, method.version, method.entry)


Confine = Callable[[Listed, Pin], Method]
"""What makes of a stranger's method one that runs apart from salus: see :mod:`salus.app.sandbox.process`."""


def _no_sandbox(method: Listed, found: Pin) -> Method:
    raise MethodError("a method that is not salus's own runs only in a sandbox, and none is offered here")


def runnable(allowed: Mapping[str, str], confine: Confine = _no_sandbox) -> tuple[list[Method], list[tuple[str, str]]]:
    """The methods that may run, in an order that has each after those it consumes; and for every other one why not.

    ``allowed`` maps distribution names to the package hash that was pinned. Ours are imported; a stranger's is what
    ``confine`` makes of it, and never imported here.
    """
    good: list[Method] = []
    refused: list[tuple[str, str]] = []
    found = listed()
    claimed = doubled(found)
    ours: frozenset[str] = frozenset()
    for method in sorted(found, key=lambda m: (not m.ours, m.name)):
        if method.ours:
            good = ordered([*good, _named(load(method), method)])
            ours = frozenset(code for each in good for code in each.produces)
            continue
        try:
            stranger = _confined(method, allowed, claimed, confine)
            if taken := sorted(ours & frozenset(stranger.produces)):
                raise MethodError(f"it gives {taken[0]!r}, which is a finding of salus's own")
            good = ordered([*good, stranger])
        except MethodError as error:
            refused.append((method.name, str(error)))
    return good, refused


def _confined(method: Listed, allowed: Mapping[str, str], claimed: frozenset[str], confine: Confine) -> Method:
    """A stranger's method, where it is allowed and its files are those that were. Raises MethodError."""
    if method.name in claimed:
        raise MethodError(f"several packages bring a method of this name: uninstall {method.distribution} or the other")
    pinned_hash = allowed.get(method.distribution)
    if pinned_hash is None:
        raise MethodError(f"not allowed yet: salus methods allow {method.name}")
    found = pin(method)
    if pinned_hash != found.digest:
        raise MethodError(f"its files changed since it was allowed: salus methods allow {method.name}")
    return _named(confine(method, found), method)


def _named(method: object, listed: Listed) -> Method:
    loaded = check(method)
    if loaded.id != listed.name:
        raise MethodError(f"its id is not the name under which it is installed, {listed.name!r}")
    return loaded


def load(method: Listed) -> Method:
    """Import a method of salus's own. An instance or a class without arguments may stand behind the entry point."""
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
