"""Lists under a line that opens them: "Denies:" above bullets speaks of every item."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from salus.text.document import Span
from salus.text.sentences import BULLET

_OPENS = re.compile(
    r"(?:\b(?:denies|denied|denying|without|following|negative for|positive for|history of|hx of|h/o|allergic to|nil)"
    r"[ \t]*[-–]?|:)[ \t]*\Z",
    re.I,
)
_RELATIVE_ALONE = re.compile(
    r"\W{0,6}(?:(?:his|her|maternal|paternal|older|younger|half|great)[ -]){0,3}"
    r"(?:father|mother|dad|mom|mum|parent|brother|sister|sibling|son|daughter|aunt|uncle|cousin|grand(?:father|mother|parent))s?"
    r"[ \t]*[-–]?",
    re.I,
)
_LONGEST_LEAD = 160  # code points
_LONGEST_PLAIN = 60  # code points of an item that has no bullet


def with_leads(text: str, spans: Iterable[Span]) -> Iterator[tuple[Span, Span | None]]:
    """Each sentence with the line that opens its list; None for a sentence that is no item of one."""
    lead: Span | None = None
    bulleted: bool | None = None  # of the items seen so far
    end = 0
    for span in spans:
        piece = text[span.start : span.end]
        gap = text[end : span.start]
        starts_line = "\n" in gap or end == 0
        has_bullet = BULLET.match(piece) is not None
        if lead is not None and starts_line and not _is_item(text, lead, span, gap, has_bullet, bulleted):
            lead, bulleted = None, None
        opens = len(piece) <= _LONGEST_LEAD and _opens(piece)
        yield span, lead if starts_line and not opens else None
        if lead is not None and starts_line:
            bulleted = has_bullet
        if opens:
            lead, bulleted = span, None
        end = span.end


def _opens(piece: str) -> bool:
    return _OPENS.search(piece) is not None or _RELATIVE_ALONE.fullmatch(piece) is not None


def _is_item(text: str, lead: Span, span: Span, gap: str, has_bullet: bool, bulleted: bool | None) -> bool:
    blank_lines = gap.count("\n") - 1
    if has_bullet:
        return bulleted is not False and blank_lines <= 1
    piece = text[span.start : span.end]
    plain = len(piece) <= _LONGEST_PLAIN and ":" not in piece and not piece.endswith(".")
    return bulleted is not True and blank_lines == 0 and plain and text[lead.start : lead.end].endswith(":")
