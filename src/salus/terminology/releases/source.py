"""The files of a release: a folder, a zip archive or a single file, read as streams that trust nothing in them."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from salus.errors import InputError

__all__ = ["Member", "Source"]

MOST_FILES = 50_000
MOST_BYTES = 1 << 34
"""Bytes that one file of a release may have, unpacked: the largest of the full editions have a tenth of it."""
MOST_RATIO = 250
"""How many times larger a file in an archive may be than its packed form; the tables of releases reach about 30."""
SMALL = 1 << 20
"""Files up to this size may have any ratio."""
LONGEST_LINE = 1 << 20
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a release. ``name`` is its path inside the release, with "/"."""

    name: str
    opened: Callable[[], BinaryIO]

    @property
    def base(self) -> str:
        """The name without folders."""
        return PurePosixPath(self.name).name

    def chunks(self) -> Iterator[bytes]:
        """The content, piece by piece. Raises InputError where it cannot be read."""
        with _explained(self.name), self.opened() as stream:
            while chunk := stream.read(CHUNK):
                yield chunk

    def lines(self) -> Iterator[tuple[int, str]]:
        """(number, line without its end) of a UTF-8 text. Raises InputError for a huge line or another encoding."""
        with _explained(self.name), self.opened() as stream:
            number, base = 0, self.base
            while raw := stream.readline(LONGEST_LINE + 1):
                number += 1
                if len(raw) > LONGEST_LINE:
                    what = f"a line of more than {LONGEST_LINE} bytes"
                    raise InputError(what, f"{base}: line {number}", "this is no such table")
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as error:
                    what = f"not UTF-8 at byte {error.start}"
                    raise InputError(what, f"{base}: line {number}", "convert the file to UTF-8") from error
                yield number, line.rstrip("\r\n")


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Failures of reading as InputError that names the file."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError("a damaged archive", name, "download the release again") from error
    except (RuntimeError, NotImplementedError) as error:
        raise InputError("a file that is encrypted or packed in an unknown way", name, "unpack it first") from error
    except OSError as error:
        raise InputError("a file that cannot be read", name, "check its permissions") from error


class Source:
    """The files of a release at ``path``. Raises InputError for what is no release or looks like an attack."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            self.members = tuple(_in_folder(path))
        elif path.is_file():
            self.members = tuple(_in_archive(path)) if zipfile.is_zipfile(path) else (_of(path, path.name),)
        else:
            raise InputError("no such file or folder", str(path))

    def matching(self, pattern: str) -> list[Member]:
        """The files whose name without folders matches ``pattern`` as a whole, case ignored."""
        expression = re.compile(pattern, re.IGNORECASE)
        return [member for member in self.members if expression.fullmatch(member.base)]

    def one(self, pattern: str) -> Member | None:
        """The one file that matches; of several the one that lies least deep."""
        found = sorted(self.matching(pattern), key=lambda member: (member.name.count("/"), member.name))
        return found[0] if found else None


def digest(members: Iterable[Member]) -> str:
    """SHA-256 over names and contents of files, whatever their order."""
    total = hashlib.sha256()
    for member in sorted(members, key=lambda m: m.name):
        own = hashlib.sha256()
        for chunk in member.chunks():
            own.update(chunk)
        total.update(f"{own.hexdigest()}  {member.base}\n".encode())
    return total.hexdigest()


def _of(path: Path, name: str) -> Member:
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"a file of more than {MOST_BYTES} bytes", name)
    return Member(name, lambda: path.open("rb"))


def _in_folder(folder: Path) -> Iterator[Member]:
    """The regular files of a folder; a link is refused, since it may lead anywhere."""
    count = 0
    for root, _, names in os.walk(folder, followlinks=False):
        for name in sorted(names):
            path = Path(root, name)
            relative = path.relative_to(folder).as_posix()
            count += 1
            if count > MOST_FILES:
                raise InputError(f"more than {MOST_FILES} files", str(folder), "name the folder of the release")
            if path.is_symlink():
                raise InputError("a link in the folder of the release", relative, "copy the file instead")
            if path.is_file():
                yield _of(path, relative)


def _in_archive(path: Path) -> Iterator[Member]:
    """The files of a zip archive. Nothing is written to disk from it; names that leave it are refused all the same."""
    with _explained(path.name):
        archive = zipfile.ZipFile(path)
        entries = archive.infolist()
        if len(entries) > MOST_FILES:
            raise InputError(f"more than {MOST_FILES} files in the archive", path.name)
        for entry in entries:
            parts = PurePosixPath(entry.filename.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or re.match(r"[A-Za-z]:", entry.filename):
                raise InputError("a file name that leads out of the archive", path.name, "do not use this archive")
            if entry.is_dir():
                continue
            packed = max(entry.compress_size, 1)
            if entry.file_size > MOST_BYTES or (entry.file_size > SMALL and entry.file_size / packed > MOST_RATIO):
                raise InputError("a file that unpacks to far more than a table would", path.name, "do not use it")
            yield Member(parts.as_posix(), _opener(archive, entry))


def _opener(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    def opened() -> BinaryIO:
        return archive.open(entry)  # type: ignore[return-value]

    return opened
