"""Filing a source that lies in quarantine, through the same intake that refused it."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from salus.app.intake.intake import Intake, Taken
from salus.app.session import Session
from salus.errors import InputError, SalusError
from salus.intake.read import Options
from salus.trust import quarantine

_HEAD = re.compile(rb"== ([^/\0]{1,255}?) (\d{1,15})\n")
"""What stands before each file: see :func:`salus.intake.read.pieces`."""
_NAME = "source"
"""The name that a source gets which came otherwise than as a file."""


def file_source(
    session: Session,
    number: int,
    patient: str,
    *,
    form: str,
    options: Options,
    accepted: Sequence[str],
    settled: Callable[[], None],
) -> list[Taken]:
    """File what lies in quarantine under ``number`` into the patient's record. It is not taken out of quarantine.

    ``form`` says what its bytes are (see :mod:`salus.trust.quarantine`). All of it is read and attributed before
    anything is written, and ``settled`` is called in between. Meanwhile its files lie in a temporary folder that only
    this account can read. Raises InputError where any of it cannot be filed for this patient.
    """
    data = quarantine.release(session.house.store, session.house.vault, number)
    with tempfile.TemporaryDirectory(prefix="salus-quarantine-") as name:
        folder = Path(name)
        paths = _laid_out(folder, data, form)

        def run(*, dry_run: bool) -> list[Taken]:
            more = {"options": options, "accept_identifiers": accepted, "dry_run": dry_run, "quarantined": number}
            taken = Intake(session, patient=patient, **more).run(paths)  # type: ignore[arg-type]
            _check(taken, folder)
            return taken

        run(dry_run=True)
        settled()
        return run(dry_run=False)


def _laid_out(folder: Path, data: bytes, form: str) -> list[Path]:
    """Write the files of a source into a folder. Returns their paths."""
    found = _files(data) if form != quarantine.CONTENT else None
    if found is None:
        if form == quarantine.FILES:
            raise InputError("the files that lie in quarantine cannot be told apart", remedy="salus quarantine release")
        found = [(_NAME, memoryview(data))]
    paths = list[Path]()
    for n, (name, content) in enumerate(found):
        path = folder / name
        if path.exists():  # files of several folders
            path = folder / f"{n}" / name
            path.parent.mkdir(mode=0o700)
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
    """Raise the first error there is, and InputError where nothing is filed for anybody."""
    for entry in taken:
        if entry.error is not None:
            raise _without(entry.error, folder)
    if not any(entry.patient for entry in taken):
        raise InputError("it holds nothing that can be filed", remedy="salus quarantine destroy, if nobody needs it")


def _without(error: SalusError, folder: Path) -> SalusError:
    """The same error without the temporary folder in its place."""
    where = error.where.replace(f"{folder}{os.sep}", "") if error.where else None
    return type(error)(error.what, where, error.remedy)
