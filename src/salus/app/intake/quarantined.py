"""Filing a source that lies in quarantine, through the same intake that refused it."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from salus.app.intake.intake import Intake, Taken
from salus.app.session import Session
from salus.errors import InputError, SalusError
from salus.intake.batch import NOT_TAKEN
from salus.intake.read import Options
from salus.trust import quarantine

_HEAD = re.compile(rb"== ([^/\0]{1,255}?) (\d{1,15})\n")
"""What stands before each file: see :func:`salus.intake.read.pieces`."""
_NAME = "source"
"""The name that a source gets which came otherwise than as a file."""
_PREFIX = "salus-quarantine-"
_LEFT_OVER = timedelta(days=1)
"""After this time a folder is one of a call that was killed."""


def file_source(
    session: Session,
    number: int,
    patient: str,
    *,
    form: str,
    options: Options,
    accepted: Sequence[str],
    settled: Callable[[], None],
    check: Callable[[], None],
) -> list[Taken]:
    """File what lies in quarantine under ``number`` into the patient's record. It is not taken out of quarantine.

    ``form`` says what its bytes are (see :mod:`salus.trust.quarantine`). All of it is read, attributed and compared
    with the record before anything is written. Where the record cannot hold all of it (see :func:`not_taken`), nothing
    is written. Else ``settled`` is called first, and ``check`` inside each transaction that writes. Meanwhile its files
    lie in a temporary folder that only this account can read. Raises InputError where any of it cannot be filed for
    this patient.
    """
    data = quarantine.release(session.house.store, session.house.vault, number)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        folder = Path(name)
        paths = _laid_out(folder, data, form)

        def run(*, dry_run: bool) -> list[Taken]:
            intake = Intake(
                session,
                patient=patient,
                options=options,
                accept_identifiers=accepted,
                dry_run=dry_run,
                quarantined=number,
                check=check,
            )
            taken = intake.run(paths)
            _check(taken, folder)
            return taken

        taken = run(dry_run=True)
        if not_taken(taken):
            return taken
        settled()
        return run(dry_run=False)


def not_taken(taken: Sequence[Taken]) -> list[str]:
    """What of a source is not in the record, in words without a value: its copy in quarantine is the only one."""
    return [loss for entry in taken for loss in entry.losses if NOT_TAKEN in loss]


def remove_left_over(now: datetime) -> None:
    """Delete the temporary folders of calls that were killed: those of this account that are older than a day."""
    before = (now - _LEFT_OVER).timestamp()
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError):  # another call deletes it as well
            told = folder.lstat()
            if stat.S_ISDIR(told.st_mode) and told.st_uid == os.geteuid() and told.st_mtime < before:
                shutil.rmtree(folder)


def _laid_out(folder: Path, data: bytes, form: str) -> list[Path]:
    """Write the files of a source into a folder: side by side, but those of one name apart. Returns their paths."""
    found = _files(data) if form != quarantine.CONTENT else None
    if found is None:
        if form == quarantine.FILES:
            raise InputError("the files that lie in quarantine cannot be told apart", remedy="salus quarantine release")
        found = [(_NAME, memoryview(data))]
    paths, several = list[Path](), Counter[str]()
    for name, content in found:
        while (path := folder / str(several[name]) / name).exists():  # to some file systems "A" and "a" are the same
            several[name] += 1
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_bytes(content)
        paths.append(path)
    return paths


def _files(data: bytes) -> list[tuple[str, memoryview]] | None:
    """The files of a source by name, None where the bytes are not files preceded by their names and sizes."""
    found, at, whole = list[tuple[str, memoryview]](), 0, memoryview(data)
    while at < len(data):
        head = _HEAD.match(data, at)
        if head is None:
            return None
        name, size = os.fsdecode(head[1]), int(head[2])
        if name in (".", "..") or head.end() + size > len(data):
            return None
        found.append((name, whole[head.end() : head.end() + size]))
        at = head.end() + size
    return found or None


def _check(taken: Sequence[Taken], folder: Path) -> None:
    """Raise InputError for the first error there is, and where nothing is filed for anybody."""
    for entry in taken:
        if entry.error is not None:
            raise _without(entry.error, folder)
    if not any(entry.patient for entry in taken):
        raise InputError("it holds nothing that can be filed", remedy="salus quarantine destroy, if nobody needs it")


def _without(error: SalusError, folder: Path) -> InputError:
    """The same error without the temporary folder in its place."""
    where = re.sub(re.escape(f"{folder}{os.sep}") + r"\d+" + re.escape(os.sep), "", error.where or "")
    return InputError(error.what, where or None, error.remedy)
