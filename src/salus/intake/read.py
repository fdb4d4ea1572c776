"""Paths to batches: files are recognised, what belongs together is grouped, each group is read by its reader."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path

from salus.errors import InputError, SalusError
from salus.formats.content import File
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


Reader = Callable[[Sequence[Path], Options], Iterable[Read]]


def files_below(paths: Iterable[Path]) -> list[Path]:
    """Every file at or below ``paths``, in a stable order. Raises InputError for a path that is not there."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = (p for p in path.rglob("*") if p.is_file() and not p.is_symlink())
            found.extend(sorted(p for p in inside if not is_skipped(p)))
        elif path.is_file():
            found.append(path)
        else:
            raise InputError("no such file or folder", where=str(path))
    return list(dict.fromkeys(found))


def links_below(paths: Iterable[Path]) -> list[Path]:
    """Every symbolic link inside the folders of ``paths``. They may lead to what nobody meant to take in."""
    found = (p for path in paths if path.is_dir() for p in sorted(path.rglob("*")) if p.is_symlink())
    return list(dict.fromkeys(p for p in found if not is_skipped(p)))


def read(paths: Iterable[Path], options: Options | None = None) -> Iterator[Read]:
    """Read every group of files; one that cannot be read becomes :class:`Unreadable` and the rest goes on.

    Links inside folders are not followed, and said; a link that ``paths`` itself names is.
    """
    chosen, named = options or Options(), list(paths)
    explicit = {path for path in named if path.is_symlink()}
    for path in links_below(named):
        if path not in explicit:
            yield Unreadable((path,), InputError("a link: not followed", str(path), "name what it leads to"))
    groups = sorted(_groups(files_below(named)), key=lambda group: not _tells_of_patients(*group))
    together = FileSet(_origins(groups))
    readers = {**_READERS, "fhir": lambda g, _: together.read(g[0]), "ndjson": lambda g, _: together.read_lines(g[0])}
    for kind, group in groups:
        yield from _read_group(readers.get(kind), kind, group, chosen)
    yield from (replace(item, sources=_real(item.sources)) for item in together.rest())


def _tells_of_patients(kind: str, group: Sequence[Path]) -> bool:
    """True for a file of lines that begins with a Patient: read first, so that the rest of a bulk export need not wait.

    What does not begin so is read in its turn, and waits where its patient is not known yet.
    """
    try:
        return kind == "ndjson" and begins_with_patient(group[0])
    except OSError:
        return False  # reading it says so


def _origins(groups: Sequence[tuple[str, Sequence[Path]]]) -> dict[Path, Origin]:
    """What an Apple Health export among the files tells of the clinical records that lie beside it."""
    found: dict[Path, Origin] = {}
    beside = any(kind == "fhir" for kind, _ in groups)
    for kind, group in groups:
        if kind == "apple-health" and beside:
            found |= apple_health.clinical_records(group[0])
    return found


def _read_group(reader: Reader | None, kind: str, group: Sequence[Path], options: Options) -> Iterator[Read]:
    try:
        if reader is None:
            raise _refusal(kind)
        yield from _read_all(reader, group, options)
    except SalusError as error:
        yield Unreadable(_real(group), error.at(str(group[0])))
    except OSError as error:
        yield Unreadable(_real(group), InputError(f"cannot be read: {error.strerror}", str(group[0])))


def _read_all(reader: Reader, group: Sequence[Path], options: Options) -> list[Read]:
    """All batches of a group before any is handed on: a source is taken in whole or not at all."""
    return [replace(item, sources=_real(item.sources)) for item in reader(group, options)]


def _real(sources: Sequence[Path]) -> tuple[Path, ...]:
    """The files themselves where the operator named links: quarantine seals what was read, and never a link."""
    return tuple(path.resolve() if path.is_symlink() else path for path in sources)


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


def _refusal(kind: str) -> InputError:
    what, remedy = _REFUSALS[kind]
    return InputError(what, remedy=remedy)


def _groups(files: Sequence[Path]) -> Iterator[tuple[str, list[Path]]]:
    """DICOM files by folder (the reader splits them by series), a WFDB header with its companions, the rest singly."""
    by_folder: dict[Path, list[Path]] = {}
    companions: dict[tuple[Path, str], list[Path]] = {}
    others: list[tuple[str, Path]] = []
    for path in files:
        try:
            kind = recognise(path)
        except OSError:
            kind = "closed"
        if kind == "dicom":
            by_folder.setdefault(path.parent, []).append(path)
        elif kind == "wfdb-companion":
            companions.setdefault((path.parent, path.stem), []).append(path)
        else:
            others.append((kind, path))
    for kind, path in others:
        extra = companions.pop((path.parent, path.stem), []) if kind == "wfdb" else []
        yield kind, [path, *extra]
    for group in by_folder.values():
        yield "dicom", group
    for group in companions.values():
        for path in group:
            yield "wfdb-companion", [path]


_READERS: dict[str, Reader] = {
    "vcf": lambda group, options: vcf.read(group[0], options.sample),
    "dicom": lambda group, _: dicom.read(group),
    "nifti": lambda group, _: nifti.read(group[0]),
    "wfdb": lambda group, _: wfdb.read(group),
    "apple-health": lambda group, options: apple_health.read(group[0], options.accept_plain_dtd),
    "hl7v2": lambda group, options: hl7v2.read(group[0], options.time_zone, options.encoding or ""),
    "note": lambda group, options: note.read(group[0], options.encoding),
}


def pieces(paths: Iterable[Path]) -> Iterator[bytes]:
    """The bytes of ``paths`` in chunks, each file preceded by its name: what quarantine seals.

    Raises OSError for what cannot be read, and for a link: what it leads to was not taken in, so it is not sealed.
    """
    for path in paths:
        if path.is_symlink():
            raise OSError(errno.ELOOP, "a link is not followed", path.name)
        content = File(path)
        yield f"== {path.name} {content.size}\n".encode()
        yield from content.chunks(1 << 20)
