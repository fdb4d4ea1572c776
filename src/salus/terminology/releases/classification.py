"""Lists of a classification: ICD-10-GM and ICD-10 of the BfArM, ICD-10-CM, any "code;title" list of ICD-10, and ATC.

Of a list of diagnoses salus takes the titles, which then mean what their codes mean, and codes that its own list does
not have. Of ATC it takes the single substances and combinations whose names it can read whole.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from salus.errors import InputError
from salus.fhir.codes import Code
from salus.terminology.releases.known import Known
from salus.terminology.releases.pack import Losses, Pack, joined
from salus.terminology.releases.source import Member, Source

__all__ = ["TITLES", "members", "reader", "recogniser", "version"]

_ICD = re.compile(r"[A-Z][0-9]{2}(?:\.?[0-9A-Z]{1,4})?")
_ATC = re.compile(r"[A-Z][0-9]{2}[A-Z]{2}[0-9]{2}")
_ATC_GROUP = re.compile(r"[A-Z](?:[0-9]{2}(?:[A-Z]{1,2})?)?")
_MARKS = (";", "\t", "|", ",")
Entry = tuple[int, tuple[str, ...], str, bool]
"""Line, codes, title, and whether the title is the classification's own (and not a phrase of its alphabet)."""


@cache
def _rules() -> Mapping[str, Mapping[str, Any]]:
    text = files("salus.terminology.releases").joinpath("classification.toml").read_text("utf-8")
    table: dict[str, Any] = tomllib.loads(text)
    return table


TITLES: Mapping[str, str] = {kind: rules["title"] for kind, rules in _rules().items()}
"""The kinds of lists, each with the classification's name."""


def recogniser(kind: str) -> Callable[[Source], bool]:
    """Tells whether files are lists of this kind, by their names."""
    return lambda source: any(source.matching(pattern) for pattern in _rules()[kind]["files"])


def members(source: Source, kind: str) -> list[Member]:
    """The lists: by their names, or the only file there is."""
    found = [member for pattern in _rules()[kind]["files"] for member in source.matching(pattern)]
    if not found and len(source.members) == 1:
        return list(source.members)
    if not found:
        raise InputError(f"no list of {TITLES[kind]}", str(source.path), "name the file itself")
    return found


def version(found: Sequence[Member]) -> str:
    """The year in the names of the lists; ""."""
    years = {year for member in found for year in re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", member.base)}
    return max(years, default="")


def reader(kind: str) -> Callable[[Source, Pack, Known], None]:
    """The function that reads lists of this kind into a pack."""

    def read(source: Source, pack: Pack, known: Known) -> None:
        for member in members(source, kind):
            entries = _entries(member, pack.losses)
            if kind == "atc":
                _atc(entries, member, pack, known)
            else:
                _diagnoses(kind, entries, member, pack, known)

    return read


def _entries(member: Member, losses: Losses) -> Iterator[Entry]:
    """The entries of a list in any of its layouts: the layout is told by the file's name, or the first line's marks."""
    name = member.base.lower()
    if "syst_kodes" in name:
        return _fields(member, losses, ";", (6,), 8)
    if "edvtxt" in name:
        return _fields(member, losses, "|", (2, 3, 4, 5), -1)
    if re.fullmatch(_rules()["icd10cm"]["files"][0], name):
        return _fixed(member, losses)
    first = next(member.lines(), (0, ""))[1]
    mark = next((mark for mark in _MARKS if mark in first), "")
    if not mark:
        raise InputError("neither code;title nor a list of a known form", f"{member.base}: line 1")
    return _fields(member, losses, mark, (0,), 1)


def _fields(member: Member, losses: Losses, mark: str, codes: Sequence[int], title: int) -> Iterator[Entry]:
    """Entries whose codes and title stand in these columns; -1: the title stands in the last one, behind the codes."""
    least = max(*codes, title, 0) + (1 if title > 0 else 2)
    for number, line in member.lines():
        fields = line.split(mark, 1) if title == 1 else line.split(mark)
        fields = [field.strip().strip('"').strip() for field in fields]
        if len(fields) < least:
            if line.strip():
                losses.add(f"rows of {member.base} with too few columns", f"line {number}")
            continue
        written = (fields[place] for place in codes)
        yield number, tuple(code for code in written if code and not code.isdigit()), fields[title], title > 0


def _fixed(member: Member, losses: Losses) -> Iterator[Entry]:
    """The list of ICD-10-CM: a code without its dot, blanks, the title."""
    for number, line in member.lines():
        code, _, title = line.strip().partition(" ")
        if title:
            yield number, (code,), title.strip(), True
        elif line.strip():
            losses.add(f"rows of {member.base} with too few columns", f"line {number}")


def _diagnoses(kind: str, entries: Iterator[Entry], member: Member, pack: Pack, known: Known) -> None:
    rules = _rules()[kind]
    new: dict[str, set[str]] = {}
    for number, codes, title, own in entries:
        bare = [re.sub(r"[.†*+!#\-\s]", "", code.upper()) for code in codes]
        if not bare or not all(map(_ICD.fullmatch, bare)):
            if number > 1 and bare:  # the first line may name the columns
                pack.losses.add(f"rows of {member.base} without a code", f"line {number}")
            continue
        if own:
            _hold(rules["whole"], bare[0], new, known)
        _title(rules["system"], codes, title, pack, known, own=own)
    for category, rest in new.items():
        held = known.tables.listed(rules["whole"], category) or frozenset()
        pack.listed(rules["whole"], category, held | rest)


def _hold(whole: str, bare: str, new: dict[str, set[str]], known: Known) -> None:
    """Note a code that the shipped list of the classification does not have."""
    held = known.tables.listed(whole, bare[:3])
    if held is None or (bare[3:] and bare[3:] not in held):
        new.setdefault(bare[:3], set()).add(bare[3:])


def _title(system: str, codes: Sequence[str], title: str, pack: Pack, known: Known, *, own: bool) -> None:
    """Let a title mean what its codes mean together, where each of them speaks of something present.

    A phrase of the alphabet may say more than its code: where the code is none of salus's concepts it stays unread.
    """
    concepts: set[str] = set()
    for code in codes:
        reading = known.conditions.coding(Code(system, code))
        if reading is None or reading.aspect != "active":
            return
        concepts |= reading.concepts
    names = joined(concepts)
    digest = known.title_of(title, names) if names or own else None
    if digest is not None:
        pack.title(digest, names)


def _atc(entries: Iterator[Entry], member: Member, pack: Pack, known: Known) -> None:
    for number, codes, title, _ in entries:
        code = codes[0].upper() if codes else ""
        if _ATC_GROUP.fullmatch(code) or known.of_product("atc", code):
            continue
        if not _ATC.fullmatch(code):
            if number > 1:
                pack.losses.add(f"rows of {member.base} without a code", f"line {number}")
            continue
        names = known.ingredient(title)
        if names:
            pack.product("atc", code, names)
        else:
            pack.losses.add("substances or combinations whose name cannot be read whole, left unread", f"line {number}")
