"""The small language of the phrase tables: ``a|b`` alternatives, ``a?`` may be missing, ``#`` any number."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product

from salus.text.document import Token
from salus.text.wordlists import words

ZERO = "0"
YEAR = "<year>"
_NUMBER_WORDS = words("numbers")
_ZEROS = frozenset({"0", "zero"})
_YEAR = re.compile(r"(?:19|20)\d\d\Z")
_HYPHENS = str.maketrans("−‑‐", "---")


def word(token: str, before_year: int | None = None) -> str:
    """A word as the tables write it: numbers become "#", nought "0", a year before ``before_year`` "<year>"."""
    if token in _NUMBER_WORDS:
        return "#"
    if token in _ZEROS:
        return ZERO
    if not token.isdigit():
        return token if token.isascii() else token.translate(_HYPHENS)
    is_past_year = before_year is not None and _YEAR.match(token) is not None and int(token) < before_year
    return YEAR if is_past_year else "#"


def normal(text: str, tokens: Sequence[Token], before_year: int | None = None) -> list[str]:
    """The tokens as the tables write them. The nought of "0.5" or "2.0" is part of a number, not nought."""
    found = [word(token.norm, before_year) for token in tokens]
    for position, token in enumerate(tokens):
        if found[position] == ZERO and _in_decimal(text, token):
            found[position] = "#"
    return found


def _in_decimal(text: str, token: Token) -> bool:
    after, before = text[token.end : token.end + 2], text[max(0, token.start - 2) : token.start]
    return (after[:1] in (".", ",") and after[1:].isdigit()) or (before[1:] in (".", ",") and before[:1].isdigit())


def expand(
    phrase: str, *, numbers: bool = True, first: Callable[[str], bool] | None = None
) -> Iterator[tuple[str, ...]]:
    """All token sequences that a phrase of a table stands for: ``a|b`` alternatives, ``a?`` may be missing.

    With ``numbers`` digits and number words become "#", any number. ``first``: only those whose first word it accepts.
    """
    choices = list(_choices(phrase, numbers))
    if first is None:
        yield from (tuple(filter(None, combination)) for combination in product(*choices))
        return
    for place, options in enumerate(choices):
        opening = [option for option in options if option and first(option)]
        for combination in product(opening, *choices[place + 1 :]) if opening else ():
            yield tuple(filter(None, combination))
        if "" not in options:
            return


def openings(phrase: str, *, numbers: bool = True) -> list[str]:
    """The first words of the sequences that :func:`expand` gives, each once.

    Raises ValueError for a phrase of which every word may be missing.
    """
    found: list[str] = []
    for options in _choices(phrase, numbers):
        found.extend(option for option in options if option and option not in found)
        if "" not in options:
            return found
    raise ValueError(f"every word of {phrase!r} may be missing")


def _choices(phrase: str, numbers: bool) -> Iterator[list[str]]:
    """The words that may stand at each place; "" where the place may stay empty."""
    for part in phrase.split():
        optional = len(part) > 1 and part.endswith("?")
        options = part.rstrip("?").split("|") if len(part) > 1 else [part]
        options = [word(option) for option in options] if numbers else options
        yield [*options, ""] if optional else options
