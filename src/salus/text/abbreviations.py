"""Abbreviations that a note explains: in "cold agglutinin disease (CAD)" CAD is no coronary disease.

The long form is looked for after Schwartz and Hearst (A simple algorithm for identifying abbreviation definitions in
biomedical text, Pac Symp Biocomput 2003): the letters of the abbreviation, from the last to the first, in the words
before the bracket, the first one at the beginning of a word. Where that long form does not name what the dictionary
takes the abbreviation for, it is in doubt in the whole note. So too where the long form stands in the bracket: "MI
(mitral insufficiency)".
"""

from __future__ import annotations

import re

from salus.text import lexicon
from salus.text.document import Span, tokenize

_BRACKETED = re.compile(r"\([ ]?(?P<short>[^\W\d_]{2,6})[ ]?\)")
_LEADING = re.compile(r"\b(?P<short>[^\W\d_]{2,6})[ ]?\([ ]?(?P<long>[^\W\d_][^()\n]{2,60})\)")
_BREAK = re.compile(r"[.;:\n()]")
_WORD = re.compile(r"\S+")


def explained_otherwise(text: str) -> frozenset[str]:
    """Abbreviations, in lower case, that ``text`` explains as something else than the dictionary. Linear."""
    found: set[str] = set()
    for bracket in _BRACKETED.finditer(text):
        short = bracket["short"].lower()
        meant = _concepts(text, Span(*bracket.span("short")))
        long = _long_form(text, bracket.start(), short) if meant else None
        if long is not None and not meant & _concepts(text, long):
            found.add(short)
    for pair in _LEADING.finditer(text):
        short, long = pair["short"].lower(), Span(*pair.span("long"))
        words = pair["long"].lower().split()
        if _spells(short, words) and (meant := _concepts(text, Span(*pair.span("short")))):
            found |= set() if meant & _concepts(text, long) else {short}
    return frozenset(found)


def _spells(short: str, words: list[str]) -> bool:
    """True when ``words`` explain an abbreviation: by their first letters, or as a name that it is part of."""
    return "".join(word[0] for word in words).startswith(short) or (short in words and len(words) > 1)


def _concepts(text: str, span: Span) -> frozenset[str]:
    tokens = tokenize(text, span.start, span.end)
    return frozenset(match.entry.concept for match in lexicon.matches(tokens) if match.entry.kind == "problem")


def _long_form(text: str, end: int, short: str) -> Span | None:
    """The words before ``end`` that ``short`` stands for; None where its letters are not found in them."""
    most = min(len(short) + 5, 2 * len(short))  # words, after Schwartz and Hearst
    low = max(0, end - 40 * most)
    low = max([low, *(sign.end() for sign in _BREAK.finditer(text, low, end))])
    words = [word.start() for word in _WORD.finditer(text, low, end)][-most:]
    if not words:
        return None
    at = end
    for position in range(len(short) - 1, -1, -1):
        at -= 1
        while at >= words[0] and not _fits(text, at, short[position], first=position == 0):
            at -= 1
        if at < words[0]:
            return None
    return Span(at, end)


def _fits(text: str, at: int, letter: str, *, first: bool) -> bool:
    opens = at == 0 or not text[at - 1].isalnum()
    return text[at].lower() == letter and (opens or not first)
