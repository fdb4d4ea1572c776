"""Abbreviations beside their own long form: "costovertebral angle (CVA)", "CAD (cold agglutinin disease)".

Such an abbreviation is its long form and nothing else: it must not be read by itself as what it stands for elsewhere.
The long form is found as Schwartz and Hearst do (A simple algorithm for identifying abbreviation definitions in
biomedical text, PSB 2003): the letters of the abbreviation stand in it in their order, the first at the beginning of a
word.
"""

from __future__ import annotations

import re

__all__ = ["spelled"]

_BRACKET = re.compile(r" ?\(([a-z][a-z0-9&/-]{1,7})\)")
_BEFORE = re.compile(r"\b([a-z][a-z0-9&/-]{1,7}) ?\(([^()]{4,80})\)")
WORDS_MORE = 5
"""A long form has at most so many words more than its abbreviation has letters."""


def _is_long_form(words: str, abbreviation: str, *, whole: bool) -> bool:
    """Whether ``words`` end in the long form of ``abbreviation``; ``whole``: they must begin with it too."""
    letters = [letter for letter in abbreviation if letter.isalnum()]
    place = len(words)
    for number, letter in enumerate(reversed(letters), 1):
        place -= 1
        first = number == len(letters)
        while place >= 0 and (words[place] != letter or (first and place > 0 and words[place - 1].isalnum())):
            place -= 1
        if place < 0:
            return False
    return place == 0 if whole else True


def spelled(phrase: str) -> str:
    """A folded phrase without the abbreviations that stand beside their own long form."""

    def after(found: re.Match[str]) -> str:
        letters = len(re.sub(r"[^a-z0-9]", "", found[1]))
        before = " ".join(phrase[: found.start()].split()[-(letters + WORDS_MORE) :])
        return "" if _is_long_form(before, found[1], whole=False) else found[0]

    def before(found: re.Match[str]) -> str:
        return found[2] if _is_long_form(found[2], found[1], whole=True) else found[0]

    if "(" not in phrase:
        return phrase
    return _BRACKET.sub(after, _BEFORE.sub(before, phrase) if not _BRACKET.search(phrase) else phrase)
