"""Files that only their owner may read: keys, identities, backups, reports, exports.

A secret that others can read is refused, and what is written is never readable to others for a moment, whatever the
process's umask is and whatever stood there before.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from salus.errors import ConfigurationError, InputError

FILE = 0o600
FOLDER = 0o700
_OTHERS = 0o077


def check_private(path: Path) -> None:
    """Raise ConfigurationError where ``path`` can be read or written by its group or by others; OSError if absent."""
    _check(path.stat(), path)


def read_private(path: Path, limit: int = 1 << 16) -> bytes:
    """The bytes of a secret file, checked on what was opened.

    Raises ConfigurationError where others can read it, it is no file or longer than ``limit``; OSError if absent.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(stream.fileno())
        _check(found, path)
        data = stream.read(limit + 1) if stat.S_ISREG(found.st_mode) else b""
    if not stat.S_ISREG(found.st_mode) or len(data) > limit:
        raise ConfigurationError("not a key file", where=str(path))
    return data


def _check(found: os.stat_result, path: Path) -> None:
    if found.st_mode & _OTHERS:
        mode = FOLDER if stat.S_ISDIR(found.st_mode) else FILE
        raise ConfigurationError("others can read the private key", where=str(path), remedy=f"chmod {mode:o} {path}")


def write_private(target: Path, data: bytes) -> None:
    """Write a file that only its owner may read, after a crash there whole or not at all.

    An earlier file is replaced, its wider permissions with it. What is no regular file (a terminal, a pipe) is written
    to as it is. Raises InputError where there is no such folder, or a folder of that name.
    """
    if target.is_dir():
        raise InputError("a folder of that name", where=str(target), remedy="name a file")
    if target.exists() and not target.is_file():
        target.write_bytes(data)
        return
    real = target.resolve()
    if not real.parent.is_dir():
        raise InputError("no such folder", where=str(target.parent))
    put(real, data)


def put(path: Path, data: bytes, mode: int = FILE, *, later_than: int = 0) -> None:
    """Write a file, after a crash there whole or not at all, in the place of any earlier one. The folder is there.

    ``later_than``, in nanoseconds since 1970: the file's time is later, so that the two can be told apart.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600, a name for each thread
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            if mode != FILE:
                os.fchmod(descriptor, mode)
            if later_than:
                at = max(os.fstat(descriptor).st_mtime_ns, later_than + 1000)
                os.utime(descriptor, ns=(at, at))
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def claim_private(target: Path) -> None:
    """Make an empty private file at ``target`` for another library to fill. Raises InputError where one is there."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE))
    except FileExistsError as error:
        raise InputError("there is a file already", where=str(target), remedy="name another") from error
    except FileNotFoundError as error:
        raise InputError("no such folder", where=str(target.parent)) from error


def make_private(folder: Path) -> None:
    """Make a folder that only its owner may enter, and those above it that are missing; one that is there stays."""
    for missing in [place for place in (*reversed(folder.parents), folder) if not place.exists()]:
        missing.mkdir(mode=FOLDER, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
