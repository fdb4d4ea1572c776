"""Paths to batches: files are recognised, what belongs together is grouped, each group is read by its reader."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path

from salus.errors import InputError, SalusError
from salus.formats.content import File
from salus.formats.opening import NOTHING_CLOSED, Closed, refusal
from salus.intake import apple_health, dicom, hl7v2, nifti, note, vcf, wfdb
from salus.intake.batch import Read, Unreadable
from salus.intake.fhir_json import Origin
from salus.intake.fhir_set import FileSet
from salus.intake.recognise import begins_with_patient, is_skipped, recognise


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator said. ``sample`` names the VCF sample that is the patient; ``time_zone`` is the one in which an
    HL7 v2 sender gives times without an offset; ``encoding`` holds for notes and HL7 v2 messages that name none
    and that are not valid UTF-8."""

    sample: str | None = None
    encoding: str | None = None
    accept_plain_dtd: bool = False
    time_zone: tzinfo | None = None


Reader = Callable[[Sequence[File], Options], Iterable[Read]]


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies at or below the paths that were named: files to be read, and what is refused, with the reason."""

    files: list[File]
    refused: list[Unreadable]


def files_below(paths: Iterable[Path], closed: Closed = NOTHING_CLOSED) -> list[File]:
    """Every regular file at or below ``paths``, in a stable order. Raises InputError for a path that is not there."""
    return _found(paths, closed).files


def _found(paths: Iterable[Path], closed: Closed) -> _Found:
    """What is named by a link is followed; links, pipes and devices inside folders are not, and each is said."""
    files: dict[Path, File] = {}
    refused: dict[Path, Unreadable] = {}
    named = list(paths)
    for path in named:
        if not os.path.lexists(path):
            raise InputError("no such file or folder", where=str(path))
        real = path.resolve() if path.is_symlink() else path
        if closed.above(real):
            refused[path] = Unreadable((path,), refusal().at(str(path)))
        elif path.is_dir():
            _walk(path, closed, files, refused)
        else:
            files[path] = File(real, closed=closed)
    left = [item for path, item in refused.items() if path not in files]
    return _Found(list(files.values()), sorted(left, key=lambda item: item.sources))


def _walk(root: Path, closed: Closed, files: dict[Path, File], refused: dict[Path, Unreadable]) -> None:
    found: list[Path] = []
    for top, folders, names in os.walk(root):
        for name in sorted(folders + names):
            path = Path(top, name)
            if is_skipped(path):
                continue
            why = _why_not(path.lstat(), closed)
            if why is not None:
                refused[path] = Unreadable((path,), why.at(str(path)))
            elif name in names:
                found.append(path)
        folders[:] = [name for name in folders if Path(top, name) not in refused]
    files.update((path, File(path, root, closed)) for path in sorted(found) if path not in files)


def _why_not(found: os.stat_result, closed: Closed) -> SalusError | None:
    """Why something inside a folder is not read; None where it is."""
    if stat.S_ISLNK(found.st_mode):
        return InputError("a link: not followed", remedy="name what it leads to")
    if stat.S_ISDIR(found.st_mode):
        return refusal() if closed.folder(found) else None
    return None if stat.S_ISREG(found.st_mode) else InputError("not a regular file: not read")


def read(paths: Iterable[Path], options: Options | None = None, closed: Closed = NOTHING_CLOSED) -> Iterator[Read]:
    """Read every group of files; one that cannot be read becomes :class:`Unreadable` and the rest goes on.

    Links inside folders are not followed, and said; a link that ``paths`` itself names is. Nothing ``closed`` is read.
    """
    chosen, found = options or Options(), _found(paths, closed)
    yield from found.refused
    groups = sorted(_groups(found.files), key=lambda group: not _tells_of_patients(*group))
    by_path = {file.path: file for file in found.files}
    together = FileSet(_origins(groups))
    readers = {**_READERS, "fhir": lambda g, _: together.read(g[0]), "ndjson": lambda g, _: together.read_lines(g[0])}
    for kind, group in groups:
        yield from _read_group(readers.get(kind), kind, group, chosen)
    yield from (_with_files(item, [by_path[path] for path in item.sources]) for item in together.rest())


def _tells_of_patients(kind: str, group: Sequence[File]) -> bool:
    """True for a file of lines that begins with a Patient: read first, so that the rest of a bulk export need not wait.

    What does not begin so is read in its turn, and waits where its patient is not known yet.
    """
    try:
        return kind == "ndjson" and begins_with_patient(group[0])
    except (OSError, InputError):
        return False  # reading it says so


def _origins(groups: Sequence[tuple[str, Sequence[File]]]) -> dict[Path, Origin]:
    """What an Apple Health export among the files tells of the clinical records that lie beside it."""
    found: dict[Path, Origin] = {}
    beside = any(kind == "fhir" for kind, _ in groups)
    for kind, group in groups:
        if kind == "apple-health" and beside:
            found |= apple_health.clinical_records(group[0])
    return found


def _read_group(reader: Reader | None, kind: str, group: Sequence[File], options: Options) -> Iterator[Read]:
    paths = tuple(file.path for file in group)
    try:
        if reader is None:
            raise _refusal(kind, group)
        # all batches of a group before any is handed on: a source is taken in whole or not at all
        yield from [_with_files(item, group) for item in reader(group, options)]
    except SalusError as error:
        yield Unreadable(paths, error.at(str(paths[0])), tuple(group))
    except OSError as error:
        yield Unreadable(paths, InputError(f"cannot be read: {error.strerror}", str(paths[0])), tuple(group))


def _with_files(item: Read, group: Sequence[File]) -> Read:
    """With the files it was read from, where its reader did not say them."""
    return item if item.files else replace(item, files=tuple(group))


_REFUSALS = {
    "closed": ("cannot be read", "look at its permissions"),
    "empty": ("the file is empty", "export it again"),
    "wfdb-companion": ("a signal or annotation file without its WFDB header", "take in the .hea file with it"),
    "table": ("a table of values, not a note", "tables (CSV, TSV, raw genotype files) are not read yet"),
    "cda": ("a CDA document: not read yet", "export the record as FHIR JSON"),
    "xml": ("XML of a kind that is not read", "of XML, Apple Health's export.xml is read"),
    "pdf": ("a PDF: not read yet", "export the text"),
    "rtf": ("an RTF document: not read yet", "save it as plain text"),
    "zip": ("a ZIP archive or an Office document: not read", "unpack the archive, or save the document as plain text"),
    "office": ("an Office document: not read yet", "save it as plain text"),
    "gzip-dicom": ("a gzip-compressed DICOM file", "unpack it first"),
    "gzip-note": ("a gzip-compressed text", "unpack it first"),
    "unknown": (
        "not a kind of file that is read",
        "FHIR JSON, VCF, DICOM, NIfTI, WFDB, Apple Health export.xml and text notes are",
    ),
}
"""What is not read, and what to do then."""


def _refusal(kind: str, group: Sequence[File]) -> InputError:
    if kind == "closed":
        group[0].open().close()  # says itself what is wrong with it
    what, remedy = _REFUSALS[kind]
    return InputError(what, remedy=remedy)


def _groups(files: Sequence[File]) -> Iterator[tuple[str, list[File]]]:
    """DICOM files by folder (the reader splits them by series), a WFDB header with its companions, the rest singly."""
    by_folder: dict[Path, list[File]] = {}
    companions: dict[tuple[Path, str], list[File]] = {}
    others: list[tuple[str, File]] = []
    for file in files:
        place = (file.path.parent, file.path.stem)
        try:
            kind = recognise(file)
        except (OSError, InputError):
            kind = "closed"
        if kind == "dicom":
            by_folder.setdefault(file.path.parent, []).append(file)
        elif kind == "wfdb-companion":
            companions.setdefault(place, []).append(file)
        else:
            others.append((kind, file))
    for kind, file in others:
        extra = companions.pop((file.path.parent, file.path.stem), []) if kind == "wfdb" else []
        yield kind, [file, *extra]
    for group in by_folder.values():
        yield "dicom", group
    for group in companions.values():
        for file in group:
            yield "wfdb-companion", [file]


_READERS: dict[str, Reader] = {
    "vcf": lambda group, options: vcf.read(group[0], options.sample),
    "dicom": lambda group, _: dicom.read(group),
    "nifti": lambda group, _: nifti.read(group[0]),
    "wfdb": lambda group, _: wfdb.read(group),
    "apple-health": lambda group, options: apple_health.read(group[0], options.accept_plain_dtd),
    "hl7v2": lambda group, options: hl7v2.read(group[0], options.time_zone, options.encoding or ""),
    "note": lambda group, options: note.read(group[0], options.encoding),
}


def pieces(files: Iterable[File]) -> Iterator[bytes]:
    """The bytes of ``files`` in chunks, each file preceded by its name: what quarantine seals.

    Raises OSError or InputError for what cannot be read: a link, or a file that was changed since.
    """
    for file in files:
        yield f"== {file.name} {file.size}\n".encode()
        yield from file.chunks(1 << 20)
