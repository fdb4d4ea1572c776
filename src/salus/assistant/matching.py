"""Where the ways of saying something stand in a message: phrases held in one index by their first word.

A way of saying is a row of elements: a word; ``a|b.c`` alternatives (the second of two words); ``word*`` a beginning;
``x?`` may be missing; ``_`` up to three and ``__`` up to seven words of the same sentence; ``#`` a number. The index is
looked into once for each word of a message, so that thousands of phrases cost little.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from salus.assistant.language import END, GAP, WIDE_GAP
from salus.errors import ConfigurationError

SHORTEST_BEGINNING = 2
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")


class Span(NamedTuple):
    """Where something stands: the first token and the one after the last."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Element:
    """One place of a phrase: words and beginnings that fit there, or a gap of up to ``gap`` words."""

    words: frozenset[str] = frozenset()
    beginnings: tuple[str, ...] = ()
    number: bool = False
    gap: int = 0
    optional: bool = False

    def fits(self, token: str) -> bool:
        """Whether a word of a message can stand here."""
        if token in self.words or (self.beginnings and token.startswith(self.beginnings)):
            return True
        return self.number and token[:1].isdigit() and bool(_NUMBER.fullmatch(token))


Phrase = tuple[Element, ...]


@dataclass(slots=True)
class Index:
    """The phrases of all concepts, by the word or beginning that they start with."""

    words: dict[str, list[tuple[str, Phrase]]] = field(default_factory=dict)
    beginnings: dict[str, list[tuple[str, Phrase]]] = field(default_factory=dict)
    numbers: list[tuple[str, Phrase]] = field(default_factory=list)
    longest: int = 0

    def add(self, concept: str, said: str) -> None:
        """Take in one way of saying ``concept``. Raises ConfigurationError for one that is not in the language."""
        for parts in _spread(said.split()):
            self._add(concept, tuple(_element(part, concept) for part in parts))

    def _add(self, concept: str, phrase: Phrase) -> None:
        if not phrase or phrase[0].optional or phrase[0].gap:
            raise ConfigurationError("a phrase must begin with a word", where=concept)
        first, rest = phrase[0], phrase[1:]
        for word in first.words:
            self.words.setdefault(word, []).append((concept, rest))
        for beginning in first.beginnings:
            self.beginnings.setdefault(beginning, []).append((concept, rest))
            self.longest = max(self.longest, len(beginning))
        if first.number:
            self.numbers.append((concept, rest))

    def find(self, tokens: Sequence[str]) -> dict[str, list[Span]]:
        """Every concept that stands in ``tokens``, with its places in order, each start once."""
        found: dict[str, list[Span]] = {}
        for at, token in enumerate(tokens):
            for concept, rest in self._beginning_with(token):
                spans = found.get(concept)
                if spans and spans[-1].start == at:
                    continue
                end = _match(rest, 0, tokens, at + 1)
                if end:
                    found.setdefault(concept, []).append(Span(at, end))
        return found

    def _beginning_with(self, token: str) -> Iterable[tuple[str, Phrase]]:
        yield from self.words.get(token, ())
        for length in range(SHORTEST_BEGINNING, min(len(token), self.longest) + 1):
            yield from self.beginnings.get(token[:length], ())
        if self.numbers and token[:1].isdigit():
            yield from self.numbers

    def vocabulary(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """The words and the beginnings that the phrases hold: what a slip of the pen may have been meant to be."""
        entries = [p for table in (self.words, self.beginnings) for rows in table.values() for _, p in rows]
        elements = [e for phrase in entries for e in phrase]
        words = {w for e in elements for w in e.words} | set(self.words)
        beginnings = {b for e in elements for b in e.beginnings} | set(self.beginnings)
        return frozenset(w for w in words if w.isalpha()), tuple(sorted(b for b in beginnings if len(b) > 3))


def _match(phrase: Phrase, at: int, tokens: Sequence[str], place: int) -> int:
    """The token after the match of ``phrase`` from its element ``at`` on; 0 where it does not match."""
    if at == len(phrase):
        return place
    element = phrase[at]
    if element.gap:
        for skipped in range(element.gap + 1):
            if skipped and (place + skipped > len(tokens) or tokens[place + skipped - 1] == END):
                return 0
            if end := _match(phrase, at + 1, tokens, place + skipped):
                return end
        return 0
    if place < len(tokens) and element.fits(tokens[place]) and (end := _match(phrase, at + 1, tokens, place + 1)):
        return end
    return _match(phrase, at + 1, tokens, place) if element.optional else 0


def _spread(parts: Sequence[str]) -> list[list[str]]:
    """The rows of elements that a row means where an alternative holds several words: ``a|b.c`` is ``a`` or ``b c``."""
    rows: list[list[str]] = [[]]
    for part in parts:
        several = [one for one in part.split("|") if "." in one]
        alone = "|".join(one for one in part.split("|") if "." not in one)
        ways = [[alone]] if alone else []
        ways += [one.split(".") for one in several]
        rows = [[*row, *way] for row in rows for way in ways]
    return rows


def _element(part: str, where: str) -> Element:
    if part in ("_", "__"):
        return Element(gap=GAP if part == "_" else WIDE_GAP)
    optional = part.endswith("?") and len(part) > 1
    words, beginnings, number = set(), [], False
    for one in part.removesuffix("?").split("|") if optional else part.split("|"):
        if one == "#":
            number = True
        elif not re.fullmatch(r"[^\W_]+\*?|[/%+]", one):
            raise ConfigurationError(f"not a word of a phrase: {one!r}", where=where)
        elif one.endswith("*"):
            beginnings.append(one[:-1])
        else:
            words.add(one)
    return Element(frozenset(words), tuple(beginnings), number, optional=optional)


def index(concepts: Mapping[str, str]) -> Index:
    """The index of concepts, each given with its ways of saying it, separated by commas."""
    made = Index()
    for concept, ways in concepts.items():
        for said in ways.split(","):
            if said.strip():
                made.add(concept, said)
    return made


def near(left: Sequence[Span], right: Sequence[Span], apart: int, places: Sequence[int]) -> list[Span]:
    """The spans that hold one of ``left`` and one of ``right`` with at most ``apart`` words between, in any order.

    ``places`` numbers the tokens so that what a comma parts lies further apart, and sentences out of reach. Both lists
    are in order.
    """
    made: list[Span] = []
    first = 0
    for span in left:
        start, end = places[span.start], places[span.end - 1] + 1
        while first < len(right) and places[right[first].end - 1] + 1 + apart < start:
            first += 1
        for other in right[first : first + 12]:
            if places[other.start] > end + apart:
                break
            if places[other.end - 1] + 1 + apart >= start:
                made.append(Span(min(span.start, other.start), max(span.end, other.end)))
                break
    return made
