"""Lay text made uniform, and a small language of phrases that is compiled to regular expressions of bounded cost.

A phrase is a row of elements: a word; ``a|b`` alternatives; ``word*`` a beginning; ``x?`` may be missing; ``_`` up to
three and ``__`` up to seven words of the same sentence; ``<name>`` one of the phrases listed under that name; ``#`` a
number. Phrases stand in tables, so that what is recognised can be read without reading code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from salus.errors import ConfigurationError, InputError

MAX_LENGTH = 8000
"""Characters of one message. What is longer is refused, in words that name the emergency number."""
GAP, WIDE_GAP = 3, 7
END = "."

_QUOTES = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "“": '"', "”": '"', "–": "-", "—": ",", "º": "°"})
_CONTRACTIONS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\b(?:can't|cant|can not|cannt|canot|carnt)\b", "cannot"),
        (r"\b(?:couldn't|couldnt)\b", "could not"),
        (r"\b(?:won't|wont)\b", "will not"),
        (r"\b(?:doesn't|doesnt|dosent|dosnt)\b", "does not"),
        (r"\b(?:don't|dont)\b", "do not"),
        (r"\b(?:didn't|didnt)\b", "did not"),
        (r"\b(?:isn't|isnt|ain't|aint)\b", "is not"),
        (r"\b(?:aren't|arent)\b", "are not"),
        (r"\b(?:wasn't|wasnt)\b", "was not"),
        (r"\b(?:hasn't|hasnt)\b", "has not"),
        (r"\b(?:haven't|havent)\b", "have not"),
        (r"\b(?:wouldn't|wouldnt)\b", "would not"),
        (r"\b(?:cannae|kant|couldnae)\b", "cannot"),
        (r"\b(?:dinnae|dinna)\b", "do not"),
        (r"\bhavnt\b", "have not"),
        (r"\b(?:weren't|werent|wasnae)\b", "was not"),
        (r"\b(?:i'm|im)\b", "i am"),
        (r"\bive\b", "i have"),
        (r"\bhes\b", "he is"),
        (r"\bshes\b", "she is"),
        (r"\b(?:theyre|they're)\b", "they are"),
        (r"\bthats\b", "that is"),
        (r"\btheres\b", "there is"),
        (r"\bits\b", "it is"),
        (r"\bu\b", "you"),
        (r"\bur\b", "your"),
        (r"\bgonna\b", "going to"),
        (r"\bwanna\b", "want to"),
        (r"\bthru\b", "through"),
        (r"\b2day\b", "today"),
        (r"\b(?:2nite|tonite)\b", "tonight"),
        (r"\bb4\b", "before"),
        (r"\bn\b", "and"),
        (r"\b(chest|stomach|belly|tummy|throat)(pains?|hurts?|tight|tightness|pressure|closing)\b", r"\1 \2"),
        (r"\b(?:cant|cannot)(breathe?|move|see|swallow|speak|feel|wake|walk|stop)\b", r"cannot \1"),
        (r"\b(heart)(attack|racing)\b", r"\1 \2"),
        (r"\b(passed|blacked|knocked)out\b", r"\1 out"),
        (r"\b(?:not|isnt)(breathing|waking|responding|moving)\b", r"not \1"),
        (r"\bwont(wake|stop|respond|breathe)\b", r"will not \1"),
        (r"\bdoon\b", "down"),
        (r"\bairm\b", "arm"),
        (r"\bheid\b", "head"),
        (r"(?<=[a-z]{3}in)'(?!\w)", "g"),
        (
            r"\b(talk|breath|bleed|shak|sweat|throw|vomit|wak|mov|fitt|chok|feel|gett|burn|kill|puk|faint|eat|cry|scream|"
            r"go|com|hurt|cough|pump|gush|ach|pound|tak|mak|los|turn)in\b",
            r"\1ing",
        ),
        (r"(?<=[a-z ])&", " and "),
        (r"\bi've\b", "i have"),
        (r"\b(he|she|it|who|what|that|there)'s\b", r"\1 is"),
        (r"\b(they|you|we)'re\b", r"\1 are"),
        (r"\b(they|you|we)'ve\b", r"\1 have"),
        (r"\b(i|he|she|they|we|it)'ll\b", r"\1 will"),
        (r"\b(i|he|she|they|we)'d\b", r"\1 would"),
        (r"n't\b", " not"),
        (r"'s\b", " s"),
    )
)
_TOKEN = re.compile(r"\d+(?:[.,]\d+)?|[^\W\d_]+|[.!?;,\n:/°%]")
_STOPS = frozenset(".!?;\n:")


@dataclass(frozen=True, slots=True)
class Text:
    """A message made uniform: ``plain`` is words with one space around each; sentences end with a full stop."""

    original: str
    plain: str

    def sentence(self, start: int, end: int) -> str:
        """The sentence of ``plain`` that holds the characters from ``start`` to ``end``."""
        before = self.plain.rfind(f" {END} ", 0, start + 1)
        after = self.plain.find(f" {END} ", max(start, end - 1))
        return self.plain[0 if before < 0 else before + 2 : len(self.plain) if after < 0 else after + 1]


@dataclass(frozen=True, slots=True)
class Spelling:
    """``words`` that a slip of the pen may have been meant to be; words and beginnings that are right as they are."""

    words: frozenset[str] = frozenset()
    ordinary: frozenset[str] = frozenset()
    beginnings: tuple[str, ...] = ()
    meant: frozenset[str] | None = None
    """Those of ``words`` that a slip is put right to; all where this is None."""

    def right(self, word: str) -> str:
        """The word that ``word`` was meant to be."""
        if not word.isalpha() or word in self.words or word in self.ordinary or word.startswith(self.beginnings):
            return word
        return _spelled(word, self.words if self.meant is None else self.meant)


def read(message: str, spelling: Spelling | None = None, idioms: re.Pattern[str] | None = None) -> Text:
    """``message`` made uniform, with slips of the pen put right where ``spelling`` says so. Raises InputError.

    ``idioms`` are phrases that do not mean what their words say; a comma stands for them.
    """
    if len(message) > MAX_LENGTH:
        raise InputError(
            f"a message of more than {MAX_LENGTH} characters is not read",
            remedy="say it in fewer words; in an emergency call your local emergency number",
        )
    text = unicodedata.normalize("NFKC", message).translate(_QUOTES).lower()
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    for pattern, plain in _CONTRACTIONS:
        text = pattern.sub(plain, text)
    tokens = (END if t in _STOPS else t for t in _TOKEN.findall(text))
    words = [spelling.right(t) if spelling else t for t in tokens]
    plain = f" {' '.join(words)} {END} "
    return Text(message, idioms.sub(" , ", plain) if idioms else plain)


@lru_cache(maxsize=4096)
def _spelled(word: str, known: frozenset[str]) -> str:
    """The one word of ``known`` that ``word`` is a slip of; ``word`` itself when there is none or several."""
    if len(word) < 5:
        return word
    alike = _alike(known)
    letters = _letters(word)
    near: list[str] = []
    for length in range(len(word) - 2, len(word) + 3):
        for target, held in alike.get((word[0], length), ()):
            allowed = _allowed(target)
            # A slip changes at most two of the letters that a word holds: most words are told apart by that alone.
            if abs(length - len(word)) <= allowed and (letters ^ held).bit_count() <= 2 * allowed:
                near += [target] if _near(word, target) else []
    return near[0] if len(near) == 1 else word


@lru_cache(maxsize=4)
def _alike(known: frozenset[str]) -> Mapping[tuple[str, int], list[tuple[str, int]]]:
    """The words by first letter and length, each with the set of its letters."""
    found: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for word in known:
        found.setdefault((word[0], len(word)), []).append((word, _letters(word)))
    return found


def _letters(word: str) -> int:
    """The letters of a word as bits. Two letters may share a bit: then words look more alike than they are."""
    held = 0
    for letter in word:
        held |= 1 << (ord(letter) & 63)
    return held


def _allowed(word: str) -> int:
    return 2 if len(word) >= 9 else 1


def _near(word: str, target: str) -> bool:
    """Whether a slip or two (two letters changed places, one wrong, missing or too many) separate the two."""
    if len(target) < 6:
        return sorted(word) == sorted(target) and sum(a != b for a, b in zip(word, target, strict=True)) == 2
    return _distance(word, target) <= _allowed(target)


def _distance(a: str, b: str) -> int:
    """Optimal string alignment distance (Damerau 1964; Levenshtein 1966) of two short words."""
    rows = [list(range(len(b) + 1))]
    for i, left in enumerate(a, 1):
        row = [i]
        for j, right in enumerate(b, 1):
            best = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                best = min(best, rows[i - 2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def compiled(phrases: Iterable[str], lists: Mapping[str, Iterable[str]], where: str) -> re.Pattern[str]:
    """One expression for any of ``phrases``. Raises ConfigurationError for a phrase that is not in the language."""
    return re.compile("(?<= )(?:" + "|".join(_phrase(p, lists, where) for p in phrases) + ")")


def _phrase(phrase: str, lists: Mapping[str, Iterable[str]], where: str) -> str:
    parts = phrase.split()
    if not parts:
        raise ConfigurationError("an empty phrase", where=where)
    return "".join(_element(part, lists, where) for part in parts)


def _element(part: str, lists: Mapping[str, Iterable[str]], where: str) -> str:
    if part in ("_", "__"):
        return rf"(?:(?!\{END} )[^ ]+ ){{0,{GAP if part == '_' else WIDE_GAP}}}?"
    if part.endswith("?") and len(part) > 1:
        return f"(?:{_element(part[:-1], lists, where)})?"
    if "|" in part and ("<" in part or "#" in part):
        return f"(?:{'|'.join(_element(one, lists, where) for one in part.split('|'))})"
    if part == "#":
        return r"\d+(?:[.,]\d+)? "
    if part.startswith("<") and part.endswith(">"):
        if part[1:-1] not in lists:
            raise ConfigurationError(f"no list {part}", where=where)
        return f"(?:{'|'.join(_phrase(p, lists, where) for p in lists[part[1:-1]])})"
    return f"(?:{'|'.join(_word(word, where) for word in part.split('|'))}) "


def _word(word: str, where: str) -> str:
    stem, star = (word[:-1], "[^ ]*") if word.endswith("*") else (word, "")
    if not re.fullmatch(r"[^\W_]+|[,/%]", stem):
        raise ConfigurationError(f"not a word of a phrase: {word!r}", where=where)
    return re.escape(stem) + star
