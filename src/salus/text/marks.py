"""Marks of forms and shorthand: what a sign, a box or a short answer says of the words it belongs to.

"HTN+ DM-", "(-) chest pain", "[x] hypertension", "Stroke: no", "Do you have diabetes? Not sure". A mark governs a
region of text; inside it the mark decides, and triggers from outside do not reach in.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from salus.text.document import Span

Value = Literal["yes", "no", "past", "unknown"]
Form = Literal["sign", "box", "answer", "question", "score"]

TICKED = r"\[[ \t]?[xX✓✔√][ \t]?\]|\([ \t]?[xX✓✔][ \t]?\)|[☑☒✅■]|(?<!\w)_{1,3}[xX✓✔]_{1,3}(?!\w)"
EMPTY = r"\[[ \t_]{0,4}\]|\([ \t_]{1,4}\)|[☐□◻▢]|(?<!\w)_{2,8}(?!\w)"
_TICKED = re.compile(TICKED + "|[✓✔]")
_TICKED_LINE = re.compile(r"(?<!\w)_{1,3}[xX✓✔]_{1,3}(?!\w)")
_YES_BOX = re.compile("[☑✅]")
_CROSSED_BOX = "☒"
# Lines that all begin with a sign, one with a plus: "+ cough" above "- syncope" is no list with bullets.
_SIGNED_LINES = re.compile(r"^([ \t]{0,20})[+\-–−][^\n]*(?:\n\1[+\-–−][^\n]*)*", re.M)
_PLUS_LINE = re.compile(r"^[ \t]{0,20}\+", re.M)
_CLAUSE = re.compile(r"[;|\n\t]|[ ]{2,}|\.[ \t]")
_WORD = re.compile(r"[^\W_]+")
_DIGIT = re.compile(r"\d")
_LONGEST_LABEL = 80  # code points before an answer that may belong to its label
_NEAR = 6  # marks whose region begins before a target that are looked at


@dataclass(frozen=True, slots=True)
class Mark:
    """A sign, box, answer or question mark at ``span``, and the ``region`` of text that it speaks of.

    A "score" is the nought of "stroke 0": of a medicine it is no answer but a part of a dose ("1 - 0 - 0").
    """

    span: Span
    form: Form
    value: Value
    region: Span


@dataclass(frozen=True, slots=True)
class Style:
    """What only the whole note tells of its marks.

    ``filled``: some box is ticked, so that an empty one is a no; ``lined``: the same of lines to write on ("_x_ asthma"
    beside "___ gout"). ``crosses``: "☒" stands beside "☑", so that it may be
    a no as well as a tick. ``signed``: blocks of lines that begin with plus and minus instead of bullets.
    """

    filled: bool = True
    lined: bool = False
    crosses: bool = False
    signed: tuple[Span, ...] = ()

    @classmethod
    def of(cls, text: str) -> Style:
        """The style of a whole note. Linear in the length."""
        return cls(
            filled=_TICKED.search(text) is not None,
            lined=_TICKED_LINE.search(text) is not None,
            crosses=_CROSSED_BOX in text and _YES_BOX.search(text) is not None,
            signed=tuple(
                Span(*block.span()) for block in _SIGNED_LINES.finditer(text) if _PLUS_LINE.search(block.group())
            ),
        )

    def has_signs(self, at: int) -> bool:
        """True when the line that holds ``at`` belongs to a block of signed lines."""
        before = bisect_right(self.signed, at, key=lambda block: block.start) - 1
        return before >= 0 and at < self.signed[before].end


class Marks:
    """The marks of one sentence, ready to be asked which of them governs a place."""

    def __init__(self, marks: Iterable[Mark] = ()) -> None:
        self.all = tuple(sorted(marks, key=lambda mark: (mark.region.start, mark.region.end)))
        self._spans = sorted(mark.span for mark in self.all if mark.form != "question")

    def over(self, target: Span) -> Mark | None:
        """The mark with the smallest region around ``target``; None where there is none."""
        last = bisect_right(self.all, target.start, key=lambda mark: mark.region.start)
        near = [mark for mark in self.all[max(0, last - _NEAR) : last] if mark.region.contains(target)]
        return min(near, key=lambda mark: len(mark.region), default=None)

    def speaking(self, place: Span) -> Span | None:
        """The mark whose own words ``place`` touches; None where there is none."""
        after = bisect_right(self._spans, place.start, key=lambda span: span.end)
        if after < len(self._spans) and self._spans[after].overlaps(place):
            return self._spans[after]
        return None


def label_start(text: str, low: int, at: int, clause_words: frozenset[str]) -> int:
    """Where the label begins whose separator stands at ``at``: not before ``low``, nor before the clause.

    "Stroke, TIA: no" has one label of two names; in "has gout, stroke: no" a clause comes before the label, and in
    "MI 2009, stroke: no" or "HTN 1, stroke 0" something that has its own answer.
    """
    low = max(low, at - _LONGEST_LABEL)
    breaks = [m.end() for m in _CLAUSE.finditer(text, low, at) if text[m.end() : at].strip()]
    start = breaks[-1] if breaks else low
    comma = text.rfind(",", start, at)
    if comma < 0:
        return start
    before = [word.lower() for word in _WORD.findall(text[start:comma])]
    told = _DIGIT.search(text, start, comma) is not None
    return comma + 1 if told or clause_words.intersection(before) else start
