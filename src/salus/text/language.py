"""Is a note, or a passage of it, in English? Counted on words that hold a language together and on words of notes.

What tells nothing (a list of abbreviations, a heading) is taken as English. A word of another language's notes counts
double: "Z.n. Herzinfarkt 2015" holds nothing else. A short passage without any English word is told by its words that
no English text knows ("Pravidelne uziva Warfarin") or by another language's abbreviations ("ATCD : IDM, AVC").
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from salus.text import lexicon
from salus.text.document import Span, tokenize
from salus.text.sentences import sentences

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_ADDRESS = re.compile(r"@|www\.|https?:", re.I)
_DOSE = re.compile(r"\d[ ]?(?:mg|mcg|µg|ug|g|ml|iu|units?|meq|mmol)\b", re.I)
_GREEK_WORD = re.compile(r"[Ͱ-Ͽ]{3}")
_ENOUGH = 12  # of a language's own words, before a long text is in it whatever its names are
_TOLD = 2  # the least score of a passage
_SAMPLE = 20_000  # code points looked at
_SHORT = 15  # words of a passage whose unknown words tell that it is not English
_FEW_WORDS = 6  # of a passage in which one joining word tells its language
_UNKNOWN = 2  # unknown words, where no medicine that is known stands among them
_FEW_LETTERS = 3
_ENDINGS = (
    "opia", "itis", "osis", "oma", "emia", "uria", "algia", "pathy", "plegia", "paresis", "ectomy", "otomy", "ostomy",
    "scopy", "graphy", "megaly", "penia", "trophy", "plasty", "dynia", "phasia", "oid", "ical", "ness",
    "ated", "ized", "sed", "red", "led", "ted", "ned", "ing", "ally", "ously", "able", "ible", "less", "ful", "tional",
    "ous", "ive", "ity", "ance", "ence", "tion", "sion", "eal", "ular", "inal",
)  # fmt: skip
"""Endings of English words that no list has all of ("decompensated", "hemianopia")."""
_SHORTEST = 4  # letters of a word whose signs tell that it is not English
_LONG = 7  # letters of a word whose ending tells of its language
_AMERICAN = (("ae", "e"), ("oe", "e"), ("our", "or"), ("isa", "iza"), ("ise", "ize"), ("isi", "izi"), ("tre", "ter"))
"""British spellings and how the list of English words has them, in this order."""
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
    short: frozenset[str] = frozenset()
    """Abbreviations of its notes, in capitals. English has some in another meaning: one alone tells nothing."""
    endings: tuple[str, ...] = ()
    """Endings of its long words of medicine."""

    def score(self, words: Sequence[str]) -> int:
        """How much ``words`` tell of this language."""
        return sum(2 * (word in self.notes or self.ends(word)) + (word in self.telling) for word in words)

    def ends(self, word: str) -> bool:
        """True for a long word with an ending of this language that no English text holds."""
        return len(word) >= _LONG and word.endswith(self.endings) and not _is_english(word)


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
                own,
                telling,
                frozenset(row["notes"].split()),
                frozenset(row.get("borrowed", "").split()),
                frozenset(row.get("short", "").split()),
                tuple(row.get("endings", "").split()),
            )
    return found


@cache
def _english() -> frozenset[str]:
    """Words of English clinical text, folded; without those that hold another language together."""
    lines = resources.files("salus.text").joinpath("data/english.txt").read_text("utf-8").splitlines()
    words = {word for line in lines if not line.startswith("#") for word in line.split()}
    others = (language for name, language in _languages().items() if name != ENGLISH)
    return frozenset(words).difference(*(language.telling | language.notes for language in others))


def american(word: str) -> str:
    """A word in small letters as the list of English words has it."""
    for british, other in _AMERICAN:
        word = word.replace(british, other)
    return word


def _is_english(word: str) -> bool:
    """True for a word in small letters that English clinical text knows, in either spelling."""
    folded = american(word.replace("’", "'").removesuffix("'s"))
    known = folded in _english() or (folded.endswith("s") and folded[:-1] in _english())
    return known or (len(folded) > _SHORTEST and folded.endswith(_ENDINGS))


@cache
def _english_alone() -> frozenset[str]:
    """Words that hold English together and no other language."""
    found = _languages()[ENGLISH].words - {"no", "in", "was", "on", "an", "is", "as", "had", "am", "he"}
    return found.difference(*(language.words for name, language in _languages().items() if name != ENGLISH))


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
        piece = text[span.start : span.end]
        language = foreign_language(piece) or _short_passage(piece)
        if language is not None:
            yield span, language


def _short_passage(text: str) -> str | None:
    """The language of a short passage that holds no English word; None where it may be English or a list of names."""
    if len(text) > _SHORT * _LONG * 2 or _ADDRESS.search(text):
        return None
    written = _WORD.findall(text)
    if not 0 < len(written) <= _SHORT or any(word.lower() in _english_alone() for word in written):
        return None
    found = lexicon.matches(tokenize(text))
    named = [match.span for match in found]
    rest = [m.group() for m in _WORD.finditer(text) if not any(span.overlaps(Span(*m.span())) for span in named)]
    if _holds_together(written):
        return OTHER
    if any(not word.isupper() and len(word) >= _FEW_LETTERS and _is_english(word.lower()) for word in rest):
        return None
    capitals = {word for word in written if word.isupper()}
    for name, language in _languages().items():
        if len(language.short & capitals) + sum(2 for w in capitals if w.lower() in language.notes) >= _TOLD:
            return name
    unknown = [word for word in rest if not word.isupper() and _is_strange(word)]
    small = [word for word in unknown if word.islower()]
    if small and len(unknown) >= _UNKNOWN:
        return OTHER
    # One such word beside a medicine may say that it is not taken; beside a problem it is mostly a slip of the pen.
    if not any(match.entry.kind == "medication" for match in found) or _DOSE.search(text):
        return None
    # A first word has a capital whatever it is; before a medicine alone it may be the maker's name.
    first = unknown[0] if unknown and unknown[0] == written[0] else ""
    opens = bool(first) and (len(written) > _TOLD or _is_telling(first.lower()) or not _plain(first))
    return OTHER if small or opens else None


def _holds_together(written: Sequence[str]) -> bool:
    """True where words of another language join what may be English by itself: "Livre de pneumonia", "Sin diabetes".

    Either a word that only another language has, or one that names have too ("de") beside a word that no English text
    knows. Other capitals than the first speak of names ("Vincent van Gogh").
    """
    if not 1 < len(written) <= _FEW_WORDS or any(word[0].isupper() for word in written[1:]):
        return False
    low = [word.lower() for word in written]
    if any(len(word) >= _FEW_LETTERS and _is_telling(word) for word in low if word in _joining()):
        return True
    return any(word in _names() for word in low) and any(word not in _joining() and _is_strange(word) for word in low)


@cache
def _names() -> frozenset[str]:
    """Words of other languages that names in English notes hold."""
    table = tomllib.loads(resources.files("salus.text").joinpath("data/languages.toml").read_text("utf-8"))
    return frozenset(table["names"].split()) & _joining()


@cache
def _joining() -> frozenset[str]:
    """Words that hold another language together and English not."""
    languages = _languages()
    others = (language.words for name, language in languages.items() if name != ENGLISH)
    return frozenset().union(*others) - languages[ENGLISH].words


def _is_strange(word: str) -> bool:
    """True for a word that tells of another language, or that is long and that no English text knows."""
    low = word.lower()
    long = len(low) >= _SHORTEST and len(set(low)) > _TOLD  # "xxxx" stands for a name that was blotted out
    return _is_telling(low) or (long and not _is_english(low))


def _is_telling(word: str) -> bool:
    return any(word in language.telling for name, language in _languages().items() if name != ENGLISH)
