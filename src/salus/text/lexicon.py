"""The dictionary of problems and medicines, matched longest first over tokens."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from typing import Any, Literal

from salus.text.document import Span, Token, tokenize
from salus.text.phrases import expand, openings
from salus.text.trie import TokenTrie
from salus.text.wordlists import words

Kind = Literal["problem", "medication", "nothing"]

_SAYS = ("no", "past", "topic", "amount", "total", "part", "maybe")
_DOSE_UNITS = words("dose_units")
_PER_VOLUME = (["/", "dl"], ["/", "l"])
_SHAPES = words("shapes")
_NUMBER = re.compile(r"\d+")
_DOSE_WITHIN = 4  # tokens after an ambiguous name in which a number with a unit must stand


@dataclass(frozen=True, slots=True)
class Entry:
    """What a name stands for.

    ``concept``: a name of ``salus.terminology.codes`` (problems), or the ingredients in RxNorm's spelling joined by
    " + " (medicines; for a class, and for a brand of several compositions, its name). ``rxcui``: one code per
    ingredient, "" where none is known; empty for a class. ``lasts``: "chronic" for a disease that stays, so that a
    known one is present, "event" for what happens and is over, else "". ``says``: what the name itself tells of a
    habit: "no" (nonsmoker), "past" (smoked), "topic" (tobacco use: says nothing yet), "amount" (a pack a day), "total"
    (pack-years, which may lie in the past); of a disease: "part" (a form or sign of it: its denial does not deny the
    whole), "maybe" (what only speaks for it).
    """

    kind: Kind
    concept: str
    display: str
    ingredients: tuple[str, ...] = ()
    rxcui: tuple[str, ...] = ()
    ambiguous: bool = False
    lasts: str = ""
    says: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A name of the dictionary found in a text."""

    span: Span
    entry: Entry


def _data(name: str) -> str:
    return resources.files("salus.text").joinpath("data", name).read_text("utf-8")


def _words(name: str) -> tuple[str, ...]:
    if name.isascii() and name.isalpha():
        return (name.lower(),)  # as tokenize has it: most of the tables' words are of this kind
    return tuple(token.norm for token in tokenize(name))


def _tokens(word: str) -> tuple[str, ...]:
    """A word of a pattern; numbers are matched as written, "#" stands for any."""
    return (word,) if word in ("#", *_SHAPES) else _words(word)


Found = Iterator[tuple[tuple[str, ...], Entry]]


def _file(trie: TokenTrie[Entry], pattern: str, entry: Callable[[], Entry]) -> None:
    """File what a pattern stands for under each of its first words."""

    def phrases(opening: str) -> Found:
        for sequence in expand(pattern, numbers=False, first=lambda word: _tokens(word)[0] == opening):
            yield tuple(part for word in sequence for part in _tokens(word)), entry()

    for opening in {_tokens(word)[0] for word in openings(pattern, numbers=False)}:
        trie.defer(opening, phrases)


def _nothing() -> Entry:
    return Entry("nothing", "", "")


def _problems(trie: TokenTrie[Entry]) -> None:
    table = _table()
    for row in table["problem"]:
        for says in ("", *_SAYS):
            for pattern in row.get(says or "terms", ()):
                _file(trie, pattern, partial(_problem, row, says))
    for pattern in table["nothing"]:
        _file(trie, pattern, _nothing)


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(_data("problems.toml"))


def problem_of(concept: str) -> Entry:
    """The entry of a concept. Raises StopIteration for one that is not in the table."""
    return _problem(next(row for row in _table()["problem"] if row["concept"] == concept), "")


def _problem(row: dict[str, Any], says: str) -> Entry:
    return Entry("problem", row["concept"], row["display"], lasts=row.get("lasts", ""), says=says)


def _medications(trie: TokenTrie[Entry]) -> None:
    table = tomllib.loads(_data("medication_names.toml"))
    lines: dict[str, str] = {}
    for line in _data("medications.tsv").splitlines():
        if not line.startswith("#"):
            name = line.partition("\t")[0]
            lines[name.lower()] = line
            trie.defer(_first(name), partial(_listed, name, line))
    for alias, ingredient in table["alias"].items():
        trie.defer(_first(alias), partial(_listed, alias, lines.get(ingredient.lower(), ingredient)))
    for pattern, name in table["class"].items():
        _file(trie, pattern, partial(Entry, "medication", name, name))
    for pattern in table["nothing"]:
        _file(trie, pattern, _nothing)


def _first(name: str) -> str:
    """The first word of a name, without cutting up the rest of it."""
    opening = name.partition(" ")[0]
    return _words(opening)[0]


def _listed(name: str, line: str, _: str) -> Found:
    """A name and the medicine of a line of ``medications.tsv``; a line of one column is an ingredient without code."""
    listed, *rest = line.split("\t")
    if not rest:
        yield _words(name), Entry("medication", listed, listed, (listed,), ("",))
        return
    _, ingredients, codes, ambiguous = rest
    parts = tuple(ingredients.split("+")) if ingredients else ()
    rxcui = tuple("" if code == "-" else code for code in codes.split("+")) if ingredients else ()
    yield _words(name), Entry("medication", " + ".join(parts) or listed, listed, parts, rxcui, bool(ambiguous))


@cache
def dictionary() -> TokenTrie[Entry]:
    """Problems and medicines in one trie. Filed at the first call (about 20 ms), then shared."""
    trie: TokenTrie[Entry] = TokenTrie()
    _problems(trie)
    _medications(trie)
    return trie


def _has_dose(tokens: Sequence[Token], after: int) -> bool:
    """True where a number with a unit follows; "222 mg/dL" is a laboratory value, not a dose."""
    window = [token.norm for token in tokens[after : after + _DOSE_WITHIN + 2]]
    for at, word in enumerate(window[:_DOSE_WITHIN]):
        unit = at + 1 if word.isdigit() else at
        if not word[0].isdigit() or unit >= len(window):
            continue
        if window[unit].lstrip("0123456789") in _DOSE_UNITS and window[unit + 1 : unit + 3] not in _PER_VOLUME:
            return True
    return False


def _shape(word: str) -> str:
    """A word of letters and numbers as the dictionary writes it ("g2p1" is "g#p#"); any other as it is."""
    if word.isdigit() or word.isalpha():
        return word
    shape = _NUMBER.sub("#", word)
    return shape if shape in _SHAPES else word


def matches(tokens: Sequence[Token], *, in_medicine_list: bool = False) -> list[Match]:
    """Names found in ``tokens``, leftmost-longest and without overlap; one place may stand for two concepts.

    Ambiguous names (iron, water) count only ``in_medicine_list`` or with a dose after them. Time is bounded by the
    number of tokens times the longest name.
    """
    found: list[Match] = []
    for first, last, entries in dictionary().matches([_shape(token.norm) for token in tokens]):
        span = Span(tokens[first].start, tokens[last - 1].end)
        for entry in entries:
            if entry.kind == "nothing" or (entry.ambiguous and not in_medicine_list and not _has_dose(tokens, last)):
                continue
            found.append(Match(span, entry))
    return found
