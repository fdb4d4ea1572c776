"""Loading a release: recognise its kind, read it, and put the pack in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from salus.errors import InputError
from salus.terminology.meaning import Origin
from salus.terminology.releases import classification, dmd, loinc, rxnorm, snomed, table
from salus.terminology.releases.known import Known
from salus.terminology.releases.pack import LICENCE, SUFFIX, Loss, Pack, pack
from salus.terminology.releases.source import Member, Source, digest

__all__ = ["KINDS", "Loaded", "Release", "load", "release_of"]


@dataclass(frozen=True, slots=True)
class Release:
    """A release that was recognised: the name of its pack, its title and version, its files, and how it is read."""

    name: str
    title: str
    version: str
    notice: str
    members: tuple[Member, ...]
    read: Callable[[Source, Pack, Known], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load made: the pack, its rows by table, and what was not carried over."""

    name: str
    origin: Origin
    path: Path
    rows: Mapping[str, int]
    losses: tuple[Loss, ...]


def _snomed(source: Source) -> Release:
    members = tuple(snomed.members(source))
    edition, date = snomed.edition(members)
    return Release(f"snomed-{edition.lower()}", f"SNOMED CT {edition}", date, snomed.NOTICE, members, snomed.read)


def _rxnorm(source: Source) -> Release:
    members = tuple(rxnorm.members(source))
    return Release("rxnorm", "RxNorm", rxnorm.version(source), rxnorm.NOTICE, members, rxnorm.read)


def _loinc(source: Source) -> Release:
    member = loinc.member(source)
    return Release("loinc", "LOINC", loinc.version(source), loinc.NOTICE, (member,), loinc.read)


def _dmd(source: Source) -> Release:
    members = tuple(dmd.members(source))
    return Release("dmd", "NHS dm+d", dmd.version(source), dmd.NOTICE, members, dmd.read)


def _classified(kind: str) -> Callable[[Source], Release]:
    def release(source: Source) -> Release:
        members = tuple(classification.members(source, kind))
        version = classification.version(members)
        return Release(
            kind, classification.TITLES[kind], version, "", members, classification.reader(kind)
        )  # fmt: skip

    return release


def _table(source: Source) -> Release:
    member = table.member(source)
    stem = "".join(c if c.isalnum() else "-" for c in Path(member.base).stem.lower() if c.isascii()).strip("-")[:40]
    return Release(f"table-{stem or 'own'}", f"own table {member.base}", "", "", (member,), table.read)


KINDS: Mapping[str, tuple[Callable[[Source], bool], Callable[[Source], Release]]] = {
    "snomed": (snomed.recognised, _snomed),
    "rxnorm": (rxnorm.recognised, _rxnorm),
    "loinc": (loinc.recognised, _loinc),
    "dmd": (dmd.recognised, _dmd),
    **{kind: (classification.recogniser(kind), _classified(kind)) for kind in classification.TITLES},
    "table": (table.recognised, _table),
}
"""How a kind of release is recognised by its files, and how it is then described."""


def release_of(source: Source, kind: str | None = None) -> Release:
    """The release that the files are. Raises InputError where they are none that is known, or of several kinds."""
    if kind is not None:
        if kind not in KINDS:
            raise InputError(f"no kind of release {kind!r}", remedy=f"one of {', '.join(KINDS)}")
        return KINDS[kind][1](source)
    found = [name for name, (recognised, _) in KINDS.items() if recognised(source)]
    if len(found) == 1:
        return KINDS[found[0]][1](source)
    what = f"files of several kinds: {', '.join(found)}" if found else "not a release that salus knows"
    raise InputError(what, str(source.path), f"name it with --kind: {', '.join(found or KINDS)}")


def load(path: Path, folder: Path, kind: str | None = None, name: str | None = None) -> Loaded:
    """Read the release at ``path`` into a pack in ``folder``; an earlier pack of its name is replaced at the end.

    Raises InputError for what cannot be read, StoreError where the pack cannot be written; then nothing has changed.
    """
    source = Source(path)
    release = release_of(source, kind)
    named = name or release.name
    with pack(folder, named) as writer:
        release.read(source, writer, Known())
        origin = Origin(release.title, release.version, LICENCE, digest(release.members), release.notice)
        writer.finish(origin)
        rows, losses = writer.count(), tuple(writer.losses)
    return Loaded(named, origin, folder / f"{named}{SUFFIX}", rows, losses)
