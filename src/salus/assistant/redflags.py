"""Red flags: whether a message tells of an emergency that is happening now.

``tables/redflags/words.toml`` names concepts in lay words, ``flags.toml`` which of them together raise a flag; this is
the interpreter. A concept counts unless its sentence denies it, puts it into the past, imagines it or asks about it in
general (:mod:`salus.assistant.context`). It does not matter whose sign it is: the writer's, a child's, a friend's.
There is no switch to turn this off.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from salus.assistant import doubt, foreign, leaning, matching, measured
from salus.assistant.context import Context
from salus.assistant.language import Spelling, Text, read
from salus.assistant.matching import Index, Span, near
from salus.assistant.sayings import IDIOMS
from salus.errors import ConfigurationError

SEEN_WORDS = 12
"""How many of the words that raised a flag are shown."""
NO_FEVER = "no-fever"
"""The number that takes back the word "temperature" beside it."""
CLOSE, ADJACENT = 6, 2
"""Words that may lie between concepts joined by ~ and by +."""


@dataclass(frozen=True, slots=True)
class Term:
    """Concepts that must stand near each other; each place holds alternatives."""

    places: tuple[tuple[str, ...], ...]
    apart: int

    @property
    def single(self) -> bool:
        """Whether it is one concept or one of several, near to nothing."""
        return len(self.places) == 1


Line = tuple[Term, ...]
"""Terms that must all be there."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One kind of emergency. ``when`` holds alternatives, each a row of terms that must all be there."""

    id: str
    title: str
    sources: tuple[str, ...]
    when: tuple[Line, ...]
    crisis: bool


@dataclass(frozen=True, slots=True)
class Raised:
    """A flag that a message raised, and the words of the message (made uniform) that did it."""

    flag: Flag
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The compiled tables."""

    version: str
    index: Index
    plain: frozenset[str]
    always: frozenset[str]
    soft: frozenset[str]
    risk: frozenset[str]
    joins: Mapping[str, tuple[Line, ...]]
    numbers: tuple[measured.Bound, ...]
    flags: tuple[Flag, ...]
    citations: Mapping[str, str]
    spelling: Spelling
    figures: Index
    """Ways of saying that mean something else than their words."""

    def flag(self, name: str) -> Flag:
        """The flag of that id."""
        return next(f for f in self.flags if f.id == name)


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads(files("salus.assistant").joinpath("tables", "redflags", name).read_text("utf-8"))


@cache
def table() -> Table:
    """The tables of red flags. Raises ConfigurationError when they are not consistent."""
    words, raw, spelling = _load("words.toml"), _load("flags.toml"), _load("spelling.toml")
    index = matching.index({**words["plain"], **words["sign"]})
    numbers = tuple(measured.Bound(name, n["what"], n.get("least"), n.get("most")) for name, n in raw["number"].items())
    joins = {name: tuple(_line(line) for line in lines) for name, lines in raw["join"].items()}
    flags = tuple(_flag(entry) for entry in raw["flag"])
    known = {*words["plain"], *words["sign"], *joins, *(n.sign for n in numbers)}
    for name, lines in [*joins.items(), *((f.id, f.when) for f in flags)]:
        if unknown := {n for line in lines for term in line for place in term.places for n in place} - known:
            raise ConfigurationError(f"unknown concepts {sorted(unknown)}", where=f"flags.toml: {name}")
    for name, lacking in ((f.id, set(f.sources) - set(raw["source"])) for f in flags):
        if lacking:
            raise ConfigurationError(f"unknown sources {sorted(lacking)}", where=f"flags.toml: {name}")
    return Table(
        version=str(raw["version"]),
        index=index,
        plain=frozenset(words["plain"]),
        always=frozenset(words["kind"]["always"]),
        soft=frozenset(words["kind"]["soft"]),
        risk=frozenset(words["kind"]["risk"]),
        joins=joins,
        numbers=numbers,
        flags=flags,
        citations=raw["source"],
        spelling=_spelling(spelling, index),
        figures=matching.index(_load("figures.toml")["figures"]),
    )


def _spelling(raw: Mapping[str, Any], index: Index) -> Spelling:
    words, beginnings = index.vocabulary()
    known = words | set(raw["forms"].split())
    return Spelling(known, frozenset(raw["ordinary"].split()), beginnings, frozenset(raw["forms"].split()))


def _flag(entry: Mapping[str, Any]) -> Flag:
    when = tuple(_line(line) for line in entry["when"])
    return Flag(entry["id"], entry["title"], tuple(entry["source"]), when, bool(entry.get("crisis", False)))


def _line(line: str) -> Line:
    return tuple(_term(part) for part in line.split("&"))


def _term(part: str) -> Term:
    apart = ADJACENT if "+" in part else CLOSE
    places = tuple(tuple(name.strip() for name in place.split("/")) for place in part.replace("+", "~").split("~"))
    return Term(places, apart)


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


def check(message: str) -> tuple[Raised, ...]:
    """The flags that a message raises, in the order of the table; none when it tells of no emergency.

    Raises InputError only for a message of more than :data:`salus.assistant.language.MAX_LENGTH` characters.
    """
    return look(message).raised


@dataclass(frozen=True, slots=True)
class Look:
    """What a message raised, and whether something was raised by a rule and held back for doubt."""

    raised: tuple[Raised, ...]
    held_back: bool = False


def look(message: str) -> Look:
    """What :func:`check` tells, and whether something was held back (:mod:`salus.assistant.doubt`)."""
    read_as = reading(message)
    by_rules = ruled(read_as)
    if not by_rules and (words := leaning.leans(read_as, lambda: doubt.score(message))):
        return Look((Raised(read_as.rules.flag(leaning.FLAG), words),))
    if doubt.holds_back(read_as, by_rules):
        return Look((), held_back=True)
    return Look(by_rules)


def ruled(read_as: Reading) -> tuple[Raised, ...]:
    """The flags that the rules raise, before any second look or doubt."""
    raised = [r for flag in read_as.rules.flags if (r := _raised(flag, read_as))]
    spoken = foreign.signs(read_as.text.original)
    raised += [
        Raised(read_as.rules.flag(name), words) for name, words in spoken if name not in {r.flag.id for r in raised}
    ]
    return tuple(raised)


def _raised(flag: Flag, message: Reading) -> Raised | None:
    for line in flag.when:
        if spans := message.line(line):
            words = dict.fromkeys(message.words(span) for span in sorted(set(spans[:6])))
            return Raised(flag, tuple(words))
    return None


def sources(raised: Raised) -> Iterator[tuple[str, str]]:
    """The sources of a flag: key and citation."""
    for name in raised.flag.sources:
        yield name, table().citations[name]
