"""A message as it is read: which concepts of the tables stand where, and which of them count here and now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from salus.assistant import measured
from salus.assistant.context import Context
from salus.assistant.flags import Line, Table, Term, table
from salus.assistant.language import Text, read
from salus.assistant.matching import Index, Span, near
from salus.assistant.sayings import IDIOMS

SEEN_WORDS = 12
"""How many of the words that raised a flag are shown."""
NO_FEVER = "no-fever"
"""The number that takes back the word "temperature" beside it."""


@dataclass(slots=True)
class Reading:
    """A message as it was read: which concepts stand where, and which of them count."""

    rules: Table
    text: Text
    tokens: Sequence[str]
    context: Context
    found: dict[str, list[Span]]
    _counted: dict[str, list[Span]] = field(default_factory=dict)

    def spans(self, name: str) -> list[Span]:
        """Where a concept, a join or a number counts, in order."""
        if name not in self._counted:
            self._counted[name] = []  # a join that led back to itself would find nothing
            lines = self.rules.joins.get(name)
            self._counted[name] = self._joined(lines) if lines is not None else self._plain(name)
        return self._counted[name]

    def _plain(self, name: str) -> list[Span]:
        found = self.found.get(name, ())
        deniable, always = name not in self.rules.plain, name in self.rules.always
        return [
            span
            for span in found
            if self.context.counts(span.start, deniable, always)
            and not (deniable and self.context.well_after(*span))
            and not (name in self.rules.soft and self.context.mild(span.start))
            and not (name in self.rules.risk and self.context.lacks(span.start))
        ]

    def _joined(self, lines: Sequence[Line]) -> list[Span]:
        made = {span for line in lines if (spans := self.line(line)) for span in spans[:40]}
        return sorted(made)

    def line(self, line: Line) -> list[Span]:
        """One place for each term of a line; none where a term is not there."""
        if not all(any(self._there(name) for name in place) for term in line for place in term.places):
            return []
        spans: list[Span] = []
        for term in line:
            places = self._term(term)
            if not places:
                return []
            spans += places if len(line) == 1 else places[:3]
        return spans

    def _there(self, name: str) -> bool:
        return name in self.found or name in self.rules.joins

    def _term(self, term: Term) -> list[Span]:
        spans = self._place(term.places[0])
        for place in term.places[1:]:
            spans = sorted(near(spans, self._place(place), term.apart, self.context.places)) if spans else []
        return spans

    def _place(self, names: Sequence[str]) -> list[Span]:
        if len(names) == 1:
            return self.spans(names[0])
        return sorted({span for name in names for span in self.spans(name)})

    def words(self, span: Span) -> str:
        """The words of a place."""
        return " ".join(self.tokens[span.start : min(span.end, span.start + SEEN_WORDS)])


def reading(message: str) -> Reading:
    """``message`` with every concept that stands in it. Raises InputError for one that is too long."""
    rules = table()
    tokens = _literal(read(message, rules.spelling, IDIOMS).plain.split(), rules.figures)
    text = Text(message, f" {' '.join(tokens)} ")
    found = rules.index.find(tokens)
    for sign, words, at in measured.signs(text.plain, rules.numbers):
        place = Span(at, min(at + len(words.split()), len(tokens)))
        found.setdefault(sign, []).append(place)
        if sign == NO_FEVER:  # "a temperature of 37.4" tells of none
            found["fever"] = [f for f in found.get("fever", ()) if not place.start <= f.start < place.end]
    return Reading(rules, text, tokens, Context(tokens), found)


def _literal(tokens: list[str], figures: Index) -> list[str]:
    """The words with a comma in the place of every figure of speech."""
    spans = sorted(span for places in figures.find(tokens).values() for span in places)
    made, at = [], 0
    for span in spans:
        if span.start >= at:
            made += [*tokens[at : span.start], ","]
            at = span.end
    return made + tokens[at:]
