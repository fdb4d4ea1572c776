"""Notes as evidence: the cited words in their context, and the note's text with all of them marked."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from salus.errors import IntegrityError, SalusError
from salus.fhir.blobs import Blob

CONTEXT = 90
WHOLE_UP_TO = 20_000
"""Characters up to which a note is shown whole; of a longer one, what surrounds the cited words."""
AROUND = 300
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a note: ``anchors`` of the citations that begin here, and whether it is ``marked``."""

    text: str
    marked: bool = False
    anchors: tuple[str, ...] = ()


def note_text(blob: Blob, index: int) -> str:
    """The note's text as the methods counted its characters.

    Raises IntegrityError where the bytes are not those that the record names, SalusError where they are no text.
    """
    data = blob.read(index)
    if blob.parts[index].sha256 and hashlib.sha256(data).hexdigest() != blob.parts[index].sha256:
        raise IntegrityError("the note's bytes are not those that the record names")
    found = next((codec for mark, codec in _MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(blob.meta.get("encoding") or found).removeprefix("\ufeff")
    except (UnicodeError, LookupError) as error:
        raise SalusError("the note cannot be decoded") from error


def excerpt(text: str, start: int, end: int) -> tuple[str, str, str]:
    """The words around, at, and after [start, end), cut at spaces, on one line."""
    before = text[max(0, start - CONTEXT) : start]
    after = text[end : end + CONTEXT]
    if start > CONTEXT:
        before = "… " + before.partition(" ")[2]
    if end + CONTEXT < len(text):
        after = after.rpartition(" ")[0] + " …"
    return _one_line(before), _one_line(text[start:end]), _one_line(after)


def _one_line(text: str) -> str:
    return text.replace("\r", "").replace("\n", " ")


def segments(text: str, spans: Iterable[tuple[int, int]], anchor: str) -> tuple[Segment, ...]:
    """``text`` cut where ``spans`` begin and end; overlapping spans are marked as one."""
    found: list[Segment] = []
    done = 0
    for start, end, names in _merged(sorted(spans), anchor):
        if start > done:
            found.append(Segment(text[done:start]))
        found.append(Segment(text[start:end], True, tuple(names)))
        done = end
    if done < len(text):
        found.append(Segment(text[done:]))
    if len(text) <= WHOLE_UP_TO:
        return tuple(found)
    last = len(found) - 1
    return tuple(s if s.marked else Segment(_around(s.text, n == 0, n == last)) for n, s in enumerate(found))


def _merged(spans: list[tuple[int, int]], anchor: str) -> list[tuple[int, int, list[str]]]:
    merged: list[tuple[int, int, list[str]]] = []
    for start, end in spans:
        name = f"{anchor}-{start}-{end}"
        if merged and start < merged[-1][1]:
            first, last, names = merged[-1]
            merged[-1] = (first, max(last, end), [*names, name])
        else:
            merged.append((start, end, [name]))
    return merged


def _around(text: str, first: bool, last: bool) -> str:
    """The parts of an unmarked stretch that lie next to marked words; how much was left out between them."""
    head = 0 if first else AROUND
    tail = 0 if last else AROUND
    left_out = len(text) - head - tail
    if left_out <= AROUND:
        return text
    return f"{text[:head]}\n[… {left_out:,} characters not shown …]\n{text[len(text) - tail :] if tail else ''}"
