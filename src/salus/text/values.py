"""Values in notes that would change a plan. Salus reads no values from notes: it says which it saw and did not read.

Only what is plainly out of bounds and said of the patient now is named (a pressure of 192/118, a potassium of 6.4): a
note is full of numbers, and a goal ("call if above 180/120"), a relative's or an old value is none of them.
The bounds are salus's choice: where the care plan's own rules act on a result (a pressure of 180/120 mmHg, an eGFR of
30, an ejection fraction of 40 %), else far outside every laboratory's range.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from salus.text.context import Sentence
from salus.text.document import Document, Span
from salus.text.sections import Section, sections
from salus.text.sentences import sentences

_FILLERS = (
    r"is|was|of|today|now|currently|clinic|sitting|standing|at|reading|left|right|arm|level|result|has|fallen|risen|to|up"
    r"|down|came|come|back|still|again|very|high|low|raised|elevated|serum|repeat|only|around|about"
)
_SIGNS = r"[:=~(]|[-–](?=[ \t])"
_FILL = rf"(?:[ \t]{{0,4}}(?:{_SIGNS}|\b(?:{_FILLERS})\b)){{0,5}}[ \t]{{0,4}}"
# What can be nothing but a pressure may stand behind any words, but for those of a goal.
_GOAL = (
    r"goal|goals|target|targets|aim|aiming|above|over|below|under|less|greater|more|than|if|when|exceeds|limit|until"
)
_ANY_FILL = rf"(?:[ \t]{{0,4}}(?:{_SIGNS}|(?!(?:{_GOAL})\b)[a-z']{{1,15}}\b)){{0,6}}[ \t]{{0,4}}"
_NO_DOSE = r"(?![\d.,]*\d|[ \t]?(?:mg|mcg|µg|g|tab|tabs|x10|years?|yrs?|weeks?|days?|months?)\b)"


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    pattern: re.Pattern[str]
    urgent: Callable[[float, float], bool]
    said_by: frozenset[str] = frozenset()


def _kind(
    name: str,
    words: str,
    number: str,
    urgent: Callable[[float, float], bool],
    said_by: tuple[str, ...] = (),
    fill: str = _FILL,
) -> _Kind:
    pattern = re.compile(rf"(?<![\w-])(?:{words}){fill}(?P<value>{number}){_NO_DOSE}", re.I)
    return _Kind(name, pattern, urgent, frozenset(said_by))


_KINDS = (
    _kind("a blood pressure", r"bp|b/p|blood pressure", r"(?P<a>\d{2,3})[ ]?/[ ]?(?P<b>\d{2,3})",
          lambda a, b: (180 <= a < 350 and 30 <= b < a) or 120 <= b < min(a, 200), fill=_ANY_FILL),
    _kind("a potassium", r"(?<!vitamin )(?<!vit )k\+?|potassium", r"(?P<a>\d{1,2}(?:[.,]\d{1,2})?)",
          lambda a, _: (6 <= a < 12) or (1 <= a < 3)),
    _kind("a sodium", r"na\+?|sodium", r"(?P<a>\d{3})", lambda a, _: (90 <= a < 125) or (155 < a < 200)),
    _kind("an INR", r"inr", r"(?P<a>\d{1,2}(?:[.,]\d{1,2})?)", lambda a, _: 5 <= a < 30),
    _kind("an eGFR", r"e-?gfr|gfr", r"<?[ ]?(?P<a>\d{1,3})", lambda a, _: 1 <= a < 30,
          ("chronic-kidney-disease", "acute-kidney-injury", "dialysis")),
    _kind("an ejection fraction", r"(?:lv)?ef|(?:lv )?ejection fraction", r"<?[ ]?(?P<a>\d{2})(?=[ ]?%|[ ]?[-–]|\b)",
          lambda a, _: 5 <= a <= 40, ("heart-failure",)),
    _kind("a glucose", r"glucose|blood sugar|cbg|bm", r"(?P<a>\d{2,4})",
          lambda a, _: (20 <= a < 54) or (300 <= a < 3000)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """A value that was seen: what it is of, its words and its place.

    ``said_by``: concepts that tell the same and last; where the note asserts one of them, the value adds nothing. Empty
    for a value that passes.
    """

    name: str
    words: str
    span: Span
    said_by: frozenset[str] = frozenset()


def urgent_values(document: Document, *, note_year: int | None = None) -> Iterator[Value]:
    """The values of the patient in ``document`` that are plainly out of bounds, in the order of the text. Linear."""
    for section in sections(document):
        for span in sentences(document.text, section.body.start, section.body.end):
            yield from _in_sentence(document, section, span, note_year)


def _in_sentence(document: Document, section: Section, span: Span, note_year: int | None) -> Iterator[Value]:
    found = sorted(_matches(document.text, span), key=lambda value: value.span)
    sentence = Sentence(document.text, span, before_year=note_year) if found else None
    for value in found:
        if sentence is None or section.heading.experiencer:
            return
        context = sentence.assess(value.span, temporality=section.heading.temporality)
        if context.experiencer == "patient" and context.temporality == "recent" and context.negation == "affirmed":
            yield value


def _matches(text: str, span: Span) -> Iterator[Value]:
    for kind in _KINDS:
        for m in kind.pattern.finditer(text, span.start, span.end):
            numbers = [float(n.replace(",", ".")) for n in m.groups()[1:] if n]
            if kind.urgent(numbers[0], numbers[-1]):
                yield Value(kind.name, m["value"].replace(" ", ""), Span(*m.span()), kind.said_by)
