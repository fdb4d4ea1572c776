"""A mirror for analytics: a folder with the data released to one reader for one purpose, in shards of patients.

The key lies in the manifest, sealed by the house: without the house nothing of a mirror can be read. A process that has
a mirror open holds its lock, so that no two processes write into it.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from salus import __version__
from salus.errors import InputError, IntegrityError, StoreError
from salus.fhir import json
from salus.population import sealed, views
from salus.population.database import Answer, Database
from salus.population.shards import FORM, INDEX, RECORDS, Index, Shard, Wanted, made_by, shard_of

MANIFEST, LOCK, RESULTS = "manifest.json", "lock", "results"
MAX_SHARDS, MAX_FILES = 256, 512
"""The most shards of a mirror, and the most files of rows that a query opens at once."""
_NUMBER = "[0-9]" * 5
ONE = "view"
"""A second name for the table of a mirror with only one view."""


class House(Protocol):
    """Seals the key of a mirror."""

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """``plain`` sealed so that only the house can open it, with ``context`` authenticated."""
        ...

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Inverse of :meth:`seal`. Raises IntegrityError."""
        ...


@dataclass(frozen=True, slots=True)
class Layout:
    """The settings of a mirror: its id, the id of the store, reader, purpose, number of shards, and ViewDefinitions.

    ``files_up_to`` is the size in bytes up to which files are held with records; None where no records are held.
    """

    id: str
    store: str
    actor: str
    purpose: str
    shards: int
    files_up_to: int | None
    views: Mapping[str, Mapping[str, Any]]

    def check(self) -> None:
        """Raise InputError for settings that no mirror can have."""
        if not 1 <= self.shards <= MAX_SHARDS:
            raise InputError(f"1 to {MAX_SHARDS} shards", where="--shards")
        if not self.views and self.files_up_to is None:
            raise InputError("a mirror holds rows or records", remedy="--view FILE, or --records")
        if self.shards * len(self.views) > MAX_FILES:
            raise InputError(f"shards times views are at most {MAX_FILES}", where="--view")
        if len({name.lower() for name in self.views}) != len(self.views):
            raise InputError("two views of one name", where="--view", remedy='give each a "name" of its own')
        for name in self.views:
            if not name.isidentifier() or not name.isascii() or name in (RECORDS, INDEX):
                raise InputError(f"{name[:80]!r} cannot be the name of a table", where="--view", remedy='"name"')


class Mirror:
    """An open mirror; made by :func:`make` or :func:`opened`."""

    def __init__(self, folder: Path, layout: Layout, key: bytes) -> None:
        self.folder, self.layout, self._key = folder, layout, key

    @cached_property
    def wanted(self) -> Wanted:
        """The views and parts that each shard must hold."""
        parts = {name: made_by(definition) for name, definition in self.layout.views.items()}
        if self.layout.files_up_to is not None:
            parts[RECORDS] = f"files up to {self.layout.files_up_to}"
        return Wanted({name: views.read(definition) for name, definition in self.layout.views.items()}, parts)

    @property
    def shards(self) -> list[Shard]:
        """Every shard, in order."""
        return [self.shard(n) for n in range(self.layout.shards)]

    def shard(self, number: int) -> Shard:
        """The shard of this number."""
        return Shard(self.folder, self.layout.id, number, sealed.shard_key(self._key, number))

    def key_of(self, number: int) -> bytes:
        """The key of one shard, to be given to the worker of that shard."""
        return sealed.shard_key(self._key, number)

    def by_shard(self, patients: Sequence[str]) -> list[list[str]]:
        """These patients by shard: a list for each shard, in the given order."""
        found: list[list[str]] = [[] for _ in range(self.layout.shards)]
        for patient in patients:
            found[shard_of(patient, self.layout.shards)].append(patient)
        return found

    def query(self, sql: str = "") -> Answer:
        """The answer to one SQL query over the tables of the views.

        Without ``sql``, all rows of the only view, by patient.

        Raises InputError for a query that cannot be answered, StoreError for a mirror that is not complete, and
        IntegrityError for a damaged shard.
        """
        with ExitStack() as open_files:
            files = {
                name: [open_files.enter_context(sealed.in_memory(data))[1] for data in self._parts(name)]
                for name in self.layout.views
            }
            database = open_files.enter_context(Database([path for paths in files.values() for path in paths]))
            alone = ONE if len(files) == 1 else ""
            for name, paths in files.items():
                for table in {name, alone or name}:
                    database.attach(table, self.wanted.views[name], paths)
            if sql:
                return database.query(sql)
            if not alone:
                raise InputError("which of the views?", where="sql", remedy=", ".join(files) or "--view FILE")
            ((name, paths),) = files.items()
            return database.in_order(self.wanted.views[name], paths)

    def _parts(self, name: str) -> Iterator[bytes]:
        for shard in self.shards:
            index = shard.index()
            if name not in index.parts:
                raise StoreError("the mirror is not complete", where=str(self.folder), remedy="salus population mirror")
            yield shard.part(index, name)

    def tidy(self, number: int, index: Index) -> None:
        """Remove the files of a shard that its index does not name: of an earlier state or an interrupted process."""
        named = {file for file, _, _ in index.parts.values()} | {self.shard(number).path.name}
        for path in self.folder.glob(f"{number:05d}.*"):
            if path.name not in named:
                path.unlink()
        for path in (self.folder / RESULTS).glob(f"{number:05d}.*"):
            if not path.name.endswith(index.digest[:16]) or not index.digest:
                path.unlink()


def make(folder: Path, layout: Layout, house: House) -> None:
    """Make an empty mirror in ``folder``. Raises InputError where something else is there already."""
    layout.check()
    begun = {MANIFEST + sealed.PART, LOCK}  # left by a process that was killed while making it
    if folder.exists() and {path.name for path in folder.iterdir()} - begun:
        raise InputError("there is something already, and it is no mirror", where=str(folder), remedy="name another")
    if not folder.parent.is_dir():
        raise InputError("there is no such folder", where=str(folder.parent), remedy="make it first")
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    _write(folder, layout, os.urandom(sealed.KEY), house)


def new_id() -> str:
    """An id for a new mirror."""
    return str(uuid.uuid4())


@contextmanager
def opened(folder: Path, house: House, change: Callable[[Layout], Layout] = lambda same: same) -> Iterator[Mirror]:
    """The mirror in ``folder``, with its lock held; ``change`` returns the layout that it has from now on.

    Raises InputError where there is none, StoreError where somebody else works on it, IntegrityError for a manifest
    that this house did not write.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError("there is no mirror", where=str(folder), remedy="salus population mirror")
    with _locked(folder):
        layout, key = _read(folder, house)
        changed = change(layout)
        if changed != layout:
            changed.check()
            _write(folder, changed, key, house)
        yield Mirror(folder, changed, key)


def drop(folder: Path) -> None:
    """Delete a mirror, its key first, and no other files. Raises InputError where there is none.

    A mirror with a damaged manifest, or one whose deletion was interrupted, can be deleted too.
    """
    if not (_form(folder / MANIFEST) == FORM or any(folder.glob(f"{_NUMBER}.{INDEX}"))):
        raise InputError("there is no mirror", where=str(folder))
    with _locked(folder):
        (folder / MANIFEST).unlink(missing_ok=True)
        sealed.sync_folder(folder)
        for path in (*folder.glob(f"{_NUMBER}.*"), *folder.glob(f"{RESULTS}/{_NUMBER}.*"), folder / LOCK):
            path.unlink()
    for place in (folder / RESULTS, folder):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()


def _form(manifest: Path) -> object:
    """The form that the manifest names; None where it cannot be read."""
    try:
        told = json.loads(manifest.read_bytes())
    except (OSError, InputError):
        return None
    return told.get("form") if isinstance(told, dict) else None


def _write(folder: Path, layout: Layout, key: bytes, house: House) -> None:
    told = asdict(layout)
    sealed_key = house.seal(key, _context(told)).hex()
    sealed.write(folder / MANIFEST, json.dumps({"form": FORM, "salus": __version__, **told, "key": sealed_key}))


def _read(folder: Path, house: House) -> tuple[Layout, bytes]:
    path = folder / MANIFEST
    try:
        told = json.loads(path.read_bytes())
        known = {name: told[name] for name in Layout.__slots__}
        key = house.unseal(bytes.fromhex(told["key"]), _context(known))
    except (IntegrityError, InputError, KeyError, TypeError, ValueError):
        raise IntegrityError(
            "the manifest was changed, or is another house's",
            where=str(path),
            remedy="as an operator: salus population drop",
        ) from None
    return Layout(**known), key


def _context(told: Mapping[str, Any]) -> bytes:
    return FORM.encode() + b"\0" + json.dumps(told, canonical=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError("somebody else works on the mirror", where=str(folder), remedy="try again") from None
        yield
