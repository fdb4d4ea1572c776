"""The one way in which formats and intake open a source: a regular file at or below the folder that was given.

A folder of exported data may have been packed by anybody. A link in it, a name with "..", a device or a pipe, or a
folder that is changed for a link while it is read, would hand over what nobody meant to give.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from salus.errors import InputError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A pipe would wait for its writer without O_NONBLOCK."""
_LINK = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EMLINK})
"""What systems answer where O_NOFOLLOW meets a link."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a file's content from another's that took its place: device, inode, size in bytes, time of change."""

    device: int
    inode: int
    size: int
    modified: int

    @classmethod
    def of(cls, found: os.stat_result) -> Identity:
        """The identity in an answer of stat or fstat."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class Closed:
    """Folders of which nothing is opened, however it is spelled: they are known by device and inode.

    A file elsewhere that is a hard link to one of theirs counts as theirs.
    """

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._folders = {(found.st_dev, found.st_ino): folder for folder in folders if (found := _stat(folder))}

    def folder(self, found: os.stat_result) -> bool:
        """True for one of the folders themselves."""
        return (found.st_dev, found.st_ino) in self._folders

    def above(self, path: Path) -> bool:
        """True where ``path``, which exists, is one of the folders or lies in one, links followed."""
        if not self._folders:
            return False
        real = path.resolve()
        return any(self.folder(found) for place in (real, *real.parents) if (found := _stat(place)))

    def file(self, found: os.stat_result) -> bool:
        """True for a regular file that has another name inside one of the folders."""
        if found.st_nlink < 2:
            return False
        wanted = (found.st_dev, found.st_ino)
        inside = (Path(top, n) for f in self._folders.values() for top, _, names in os.walk(f) for n in names)
        return any((s.st_dev, s.st_ino) == wanted for path in inside if (s := _stat(path)))


NOTHING_CLOSED = Closed()


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def open_below(root: Path, parts: Sequence[str], closed: Closed = NOTHING_CLOSED) -> tuple[int, Identity]:
    """A descriptor, to be closed by the caller, of the regular file at ``parts`` below ``root``, and its identity.

    ``root`` is the word of whoever named it and may itself lead over links; below it none is followed. Raises
    InputError for a link, for what is no regular file, for parts that lead out of ``root`` and for what is ``closed``;
    OSError for what is not there or not readable.
    """
    if not parts or any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
        raise InputError("a name that leads out of its folder", remedy="name files inside the folder")
    if closed.above(root):
        raise refusal()
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = _opened(part, _FOLDER, folder)
            os.close(folder)
            folder = inner
            if closed.folder(os.fstat(folder)):
                raise refusal()
        return _regular(parts[-1], folder, closed)
    finally:
        os.close(folder)


def refusal() -> InputError:
    """Why nothing of the house's own folders is taken in."""
    return InputError("belongs to salus itself (store, keys, identities or knowledge): never taken in")


def _regular(name: str, folder: int, closed: Closed) -> tuple[int, Identity]:
    _check(os.stat(name, dir_fd=folder, follow_symlinks=False))  # before: opening a device may already do something
    descriptor = _opened(name, _FILE, folder)
    try:
        found = os.fstat(descriptor)
        _check(found)
        if closed.file(found):
            raise refusal()
        return descriptor, Identity.of(found)
    except BaseException:
        os.close(descriptor)
        raise


def _check(found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise _link()
    if not stat.S_ISREG(found.st_mode):
        raise InputError("not a regular file", remedy="copy its content into a file")


def _opened(name: str, flags: int, folder: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in _LINK:
            raise _link() from error
        raise


def _link() -> InputError:
    return InputError("a link: not followed", remedy="name what it leads to")
