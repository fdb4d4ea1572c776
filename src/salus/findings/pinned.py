"""What a stranger's method is made of: every file that Python could load for it, hashed. Nothing of it is imported.

A pin covers the method's distribution (every package and module in it) and the distributions that it declares to need,
as far as they are not salus's own. Compiled files (``__pycache__``) are left out: where such a method runs, nothing is
loaded from them (see :mod:`salus.app.sandbox.process`), nor from any package that is not pinned.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution
from pathlib import Path

from salus.errors import MethodError

OURS = "salus"
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"\bextra\s*==\s*[\"']([^\"']*)[\"']")
_STARTED_BY_PYTHON = frozenset({"sitecustomize", "usercustomize"})
"""Modules that every Python process imports when it starts."""
_COMPILED = "__pycache__"
_TAGS = re.compile(r"(\.(cpython|abi3|pypy)[^.]*)?\.(py|pyc|so|pyd)\Z")


@dataclass(frozen=True, slots=True)
class Pin:
    """A package as it lies there: its hash, the files and folders it is, and the names by which it is imported."""

    digest: str
    places: tuple[Path, ...]
    names: frozenset[str]


def pin(package: str, version: str, entry: EntryPoint) -> Pin:
    """The pin of the distribution ``package`` with the entry point ``entry``.

    Raises MethodError where its files cannot be found, where it holds a link, and where it would change what other
    Python processes load: a ``.pth`` file with code, a module of salus, of what salus needs or of the standard library.
    """
    total = hashlib.sha256(f"{package} {version}\n{entry.name} = {entry.value}\n".encode())
    places: dict[str, Path] = {}
    for found in _needed(package):
        places.update(_places(found))
        total.update(f"{_name(found)} {found.version}\n".encode())
    top = entry.module.partition(".")[0]
    places.update(_located(top))
    if not any(_module(path.name) == top for path in places.values()):
        raise MethodError(f"the files of method {entry.name!r} cannot be found", where=package)
    names = frozenset(_module(path.name) for path in places.values())
    _check_names(package, names)
    ordered = sorted(places.items())
    for key, path in ordered:
        for name, digest in sorted(_hashed(package, path)):
            total.update(f"{key} {name} {digest}\n".encode())
    return Pin(total.hexdigest(), tuple(path for _, path in ordered), names)


def _check_names(package: str, names: frozenset[str]) -> None:
    for taken, whose in ((_STARTED_BY_PYTHON, "the start of Python"), (own_names(), "salus")):
        if clash := sorted(names & taken):
            raise MethodError(f"it brings {clash[0]!r}, which belongs to {whose}", where=package)
    if clash := sorted(names & sys.stdlib_module_names):
        raise MethodError(f"it brings {clash[0]!r}, which belongs to Python itself", where=package)


# ---- which distributions


def normal(name: str) -> str:
    """A distribution's name as names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _name(found: Distribution) -> str:
    return normal(str(found.metadata["Name"]))


def _needed(package: str) -> list[Distribution]:
    """The distribution and what it declares to need, step by step, without what is salus's own; by name."""
    if normal(package) in own_distributions():
        raise MethodError("it calls itself by the name of a package of salus", where=package)
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(normal(package), frozenset[str]())]
    while waiting:
        name, extras = waiting.pop()
        if name in own_distributions() or (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # it is not there, so it cannot be loaded either
        waiting += [(normal(need), more) for need, more in _requirements(found[name], extras)]
    return [found[name] for name in sorted(found)]


def _requirements(found: Distribution, extras: Iterable[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """(name, its extras) of what a distribution needs. Conditions other than extras are taken as met."""
    wanted = frozenset(extras)
    for line in found.requires or ():
        matched, extra = _REQUIREMENT.match(line), _EXTRA.search(line)
        if matched is not None and (extra is None or extra[1] in wanted):
            named = frozenset(part.strip() for part in (matched[2] or "").split(",") if part.strip())
            yield matched[1], named


@cache
def own_distributions() -> frozenset[str]:
    """salus, and what it needs to run; by normal name."""
    found: set[str] = set()
    waiting = [OURS]
    while waiting:
        name = normal(waiting.pop())
        if name in found:
            continue
        try:
            each = distribution(name)
        except PackageNotFoundError:
            continue
        found.add(name)
        waiting += [need for need, _ in _requirements(each, ())]
    return frozenset(found)


@cache
def own_names() -> frozenset[str]:
    """The names by which salus and what it needs are imported."""
    return frozenset({OURS} | {_module(path.name) for path in own_places()})


@cache
def own_places() -> tuple[Path, ...]:
    """The files and folders of salus and of what it needs."""
    places = dict(_located(OURS))
    for name in own_distributions():
        places.update(_places(distribution(name), checked=False))
        places.update(_about(distribution(name)))
    return tuple(sorted(set(places.values())))


# ---- which files


def _places(found: Distribution, *, checked: bool = True) -> Iterator[tuple[str, Path]]:
    """(key, path) of the top-level files and folders of a distribution that can be imported."""
    for top in sorted({file.parts[0] for file in found.files or () if file.parts}):
        path = Path(str(found.locate_file(top)))
        if top in ("..", _COMPILED) or top.endswith((".dist-info", ".egg-info", ".data")):
            continue
        if top.endswith(".pth"):
            if checked:
                _check_start(found, path)
        elif path.exists():
            yield f"{_name(found)}/{top}", path


def _about(found: Distribution) -> Iterator[tuple[str, Path]]:
    """The folder that describes a distribution, which some packages read when they are imported."""
    for top in {file.parts[0] for file in found.files or () if file.parts}:
        if top.endswith((".dist-info", ".egg-info")):
            yield top, Path(str(found.locate_file(top)))


def _check_start(found: Distribution, path: Path) -> None:
    """A .pth file may name folders (an editable install); a line of code would run in every Python process."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MethodError(f"{path.name} cannot be read", where=_name(found)) from error
    if any(line.startswith(("import ", "import\t")) for line in lines):
        what = f"{path.name} runs code in every Python process, allowed or not"
        raise MethodError(what, where=_name(found), remedy="uninstall it; install it anew, not editable")


def _located(top: str) -> Iterator[tuple[str, Path]]:
    """(key, path) of the module or package ``top`` as Python finds it, each folder of a namespace package by itself."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return
    if spec is None:
        return
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    for number, path in enumerate(folders or ([Path(spec.origin)] if spec.origin else [])):
        if path.exists():
            yield f"{number}/{path.name}", path


def _module(name: str) -> str:
    return _TAGS.sub("", name)


def _hashed(package: str, place: Path) -> Iterator[tuple[str, str]]:
    """(relative path, SHA-256) of every file of a module or package that can be loaded or read by it."""
    root = place.resolve()
    if root.is_file():
        yield root.name, _digest(root)
        return
    for top, folders, names in os.walk(root):
        for name in folders + names:
            path = Path(top, name)
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode) or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                what = "a link" if stat.S_ISLNK(mode) else "no regular file"
                raise MethodError(f"{path.relative_to(root)} is {what}", where=package, remedy="install it anew")
            if stat.S_ISREG(mode) and not (Path(top).name == _COMPILED and name.endswith(".pyc")):
                yield path.relative_to(root).as_posix(), _digest(path)


_known: dict[tuple[int, int, int, int, int], str] = {}


def _digest(path: Path) -> str:
    """SHA-256 of a file, remembered while the system says that nobody touched it."""
    with path.open("rb") as stream:
        found = os.fstat(stream.fileno())
        key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if key not in _known:
            _known[key] = hashlib.file_digest(stream, "sha256").hexdigest()
    return _known[key]
