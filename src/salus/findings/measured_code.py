"""Which code a figure was measured on: a digest over the modules that do the work, what they import, and their tables.

A version that an author raises by hand can be forgotten; the digest cannot. It moves with every byte of a module that
the measured ones reach by imports inside salus, and of every data file that lies in the folder of one of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import salus

ROOT = Path(salus.__file__).parent
NOT_DATA = frozenset({"__pycache__", "assets"})
"""Folders without tables: what Python compiles, and the browser libraries that only some builds carry."""

_FROM = re.compile(r"^[ \t]*from[ \t]+(salus[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]+)", re.MULTILINE)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+(salus[\w.]*)", re.MULTILINE)
_NAME = re.compile(r"\w+")


def imports(text: str) -> set[str]:
    """The modules of salus that a module's text may import, and names in them that may be modules."""
    found = {match[1] for match in _IMPORT.finditer(text)}
    for module, names in _FROM.findall(text):
        found |= {module, *(f"{module}.{name}" for name in _NAME.findall(names))}
    return found


def closure(roots: Iterable[str]) -> frozenset[str]:
    """The modules that ``roots`` reach by imports, with the packages that they lie in."""
    reached: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in reached or (path := _path(name)) is None:
            continue
        reached.add(name)
        if package := name.rpartition(".")[0]:
            waiting.append(package)
        waiting.extend(_imports(path))
    return frozenset(reached)


@cache
def digest(roots: tuple[str, ...]) -> str:
    """SHA-256, in hex, over the files of everything that ``roots`` reach, and over the data files beside them."""
    modules = {path for name in closure(roots) if (path := _path(name))}
    folders = {path.parent for path in modules} - {ROOT}
    total = hashlib.sha256()
    for path in sorted(modules | {data for folder in folders for data in _data(folder)}):
        total.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + _file_digest(path))
    return total.hexdigest()


@cache
def _path(name: str) -> Path | None:
    """The file of a module; None where the name is none of salus."""
    first, *rest = name.split(".")
    if first != "salus":
        return None
    place = ROOT.joinpath(*rest)
    return next((p for p in (place.with_suffix(".py"), place / "__init__.py") if rest and p.is_file()), None) or (
        ROOT / "__init__.py" if not rest else None
    )


@cache
def _imports(path: Path) -> frozenset[str]:
    return frozenset(imports(path.read_text("utf-8")))


@cache
def _file_digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _data(folder: Path) -> Iterator[Path]:
    """The data files in a folder and in those below it that are no packages."""
    for path in folder.iterdir():
        if path.is_dir() and path.name not in NOT_DATA and not (path / "__init__.py").exists():
            yield from _data(path)
        elif path.is_file() and path.suffix not in (".py", ".pyc"):
            yield path
