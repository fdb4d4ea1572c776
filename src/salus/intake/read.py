"""Paths to batches: files are recognised, what belongs together is grouped, each group is read by its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from salus.errors import InputError, SalusError
from salus.formats.content import File
from salus.intake import apple_health, dicom, fhir_json, nifti, note, vcf, wfdb
from salus.intake.batch import Read, Unreadable
from salus.intake.recognise import is_skipped, recognise


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator said. ``sample`` names the VCF sample that is the patient."""

    sample: str | None = None
    encoding: str | None = None
    accept_plain_dtd: bool = False


Reader = Callable[[Sequence[Path], Options], Iterable[Read]]


def files_below(paths: Iterable[Path]) -> list[Path]:
    """Every file at or below ``paths``, in a stable order. Raises InputError for a path that is not there."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            # links are not followed: they may lead to what nobody meant to take in
            inside = (p for p in path.rglob("*") if p.is_file() and not p.is_symlink())
            found.extend(sorted(p for p in inside if not is_skipped(p)))
        elif path.is_file():
            found.append(path)
        else:
            raise InputError("no such file or folder", where=str(path))
    return list(dict.fromkeys(found))


def read(paths: Iterable[Path], options: Options | None = None) -> Iterator[Read]:
    """Read every group of files; one that cannot be read becomes :class:`Unreadable` and the rest goes on."""
    chosen = options or Options()
    for kind, group in _groups(files_below(paths)):
        reader = _READERS.get(kind)
        try:
            if reader is None:
                raise _refusal(kind)
            yield from _read_all(reader, group, chosen)
        except SalusError as error:
            yield Unreadable(tuple(group), error.at(str(group[0])))
        except OSError as error:
            yield Unreadable(tuple(group), InputError(f"cannot be read: {error.strerror}", str(group[0])))


def _read_all(reader: Reader, group: Sequence[Path], options: Options) -> list[Read]:
    """All batches of a group before any is handed on: a source is taken in whole or not at all."""
    return list(reader(group, options))


def _refusal(kind: str) -> InputError:
    if kind == "closed":
        return InputError("cannot be read", remedy="look at its permissions")
    if kind == "empty":
        return InputError("the file is empty", remedy="export it again")
    if kind == "wfdb-companion":
        return InputError("a signal or annotation file without its WFDB header", remedy="take in the .hea file with it")
    if kind == "table":
        return InputError("a table of values, not a note", remedy="tables (CSV, raw genotype files) are not read yet")
    if kind == "xml":
        return InputError("XML of a kind that is not read", remedy="of XML, Apple Health's export.xml is read")
    return InputError(
        "not a kind of file that is read",
        remedy="FHIR JSON, VCF, DICOM, NIfTI, WFDB, Apple Health export.xml and text notes are",
    )


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
    "fhir": lambda group, _: fhir_json.read(group[0]),
    "ndjson": lambda group, _: fhir_json.read_lines(group[0]),
    "vcf": lambda group, options: vcf.read(group[0], options.sample),
    "dicom": lambda group, _: dicom.read(group),
    "nifti": lambda group, _: nifti.read(group[0]),
    "wfdb": lambda group, _: wfdb.read(group),
    "apple-health": lambda group, options: apple_health.read(group[0], options.accept_plain_dtd),
    "note": lambda group, options: note.read(group[0], options.encoding),
}


def pieces(paths: Iterable[Path]) -> Iterator[bytes]:
    """The bytes of ``paths`` in chunks, each file preceded by its name: what quarantine seals."""
    for path in paths:
        content = File(path)
        yield f"== {path.name} {content.size}\n".encode()
        yield from content.chunks(1 << 20)
