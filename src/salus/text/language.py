"""Is a note, or a passage of it, in English? Counted on words that hold a language together and on words of notes.

What tells nothing (a list of abbreviations, a heading) is taken as English. A word of another language's notes counts
double: "Z.n. Herzinfarkt 2015" holds nothing else.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from salus.text.document import Span
from salus.text.sentences import sentences

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_GREEK_WORD = re.compile(r"[Ͱ-Ͽ]{3}")
_ENOUGH = 12  # of a language's own words, before a long text is in it whatever its names are
_TOLD = 2  # the least score of a passage
_SAMPLE = 20_000  # code points looked at
_FEW_LETTERS = 3
_SHORTEST = 4  # letters of a word whose signs tell that it is not English
ENGLISH = "English"
SCRIPT = "a language in another script"
OTHER = "another language"


@dataclass(frozen=True, slots=True)
class _Language:
    words: frozenset[str]
    """Words that hold it together."""
    telling: frozenset[str]
    """Those of them that no name and no English text holds."""
    notes: frozenset[str]
    borrowed: frozenset[str] = frozenset()
    """Words of it with letters that it does not have otherwise."""

    def score(self, words: Sequence[str]) -> int:
        """How much ``words`` tell of this language."""
        return sum(2 * (word in self.notes) + (word in self.telling) for word in words)


@cache
def _languages() -> Mapping[str, _Language]:
    table = tomllib.loads(resources.files("salus.text").joinpath("data/languages.toml").read_text("utf-8"))
    names, english = set(table["names"].split()), set(table[ENGLISH]["words"].split())
    found = {}
    for name, row in table.items():
        if isinstance(row, dict):
            own = frozenset(row["words"].split())
            telling = own if name == ENGLISH else own - names - english
            found[name] = _Language(
                own, telling, frozenset(row["notes"].split()), frozenset(row.get("borrowed", "").split())
            )
    return found


def foreign_language(text: str) -> str | None:
    """The language that ``text`` reads as when it is clearly not English, else None.

    A text in a script without Latin letters is "a language in another script"; one told by letters alone that
    English does not have is "another language".
    """
    sample = text[:_SAMPLE]
    if _is_other_script(sample):
        return SCRIPT
    written = _WORD.findall(sample)
    words = [word.lower() for word in written]
    languages = _languages()
    english = languages[ENGLISH].score(words)
    others = {name: language for name, language in languages.items() if name != ENGLISH}
    scores = {name: language.score(words) for name, language in others.items()}
    name, score = max(scores.items(), key=lambda pair: pair[1])
    if score + _odd(written) >= _TOLD and score + _odd(written) > english:
        return name if score else OTHER
    counts = {other: sum(word in language.words for word in words) for other, language in others.items()}
    name, count = max(counts.items(), key=lambda pair: pair[1])
    return name if count >= _ENOUGH and count > 2 * english else None


def _is_other_script(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    greek = _GREEK_WORD.search(text) is not None  # "γδ T cells" is English
    other = sum(letter > "ɏ" and (greek or not "Ͱ" <= letter <= "Ͽ") for letter in letters)
    return other >= _FEW_LETTERS and other > len(letters) / 2


def _odd(written: Sequence[str]) -> int:
    """Words with letters that English does not have, but for names, which begin with a capital."""
    return sum(len(word) >= _SHORTEST and word[0].islower() and not _plain(word) for word in written)


def _plain(word: str) -> bool:
    return word.isascii() or word.replace("’", "'").isascii() or word in _languages()[ENGLISH].borrowed


def foreign_passages(text: str) -> Iterator[tuple[Span, str]]:
    """The sentences of ``text`` that are in another language, with the language. Linear in the length."""
    for span in sentences(text):
        language = foreign_language(text[span.start : span.end])
        if language is not None:
            yield span, language
