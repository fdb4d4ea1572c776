"""Free text without the identifiers of Safe Harbor: the record's own names as dictionary, and patterns for the rest.

Classes: 45 CFR 164.514(b)(2)(i) (A) to (R). Dates keep their year, ages over 89 become "90 or older", ZIP codes their
first three digits where more than 20,000 people live. What neither stands in the record nor looks like an identifier
(a neighbour's first name, say) is not found: text stays the weakest part of a de-identified record.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|"
    r"Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?:1[89]|20)\d\d"
_TITLE = r"(?:Dr|Mr|Mrs|Ms|Miss|Prof|Professor|Doctor|Nurse|Sr|Sra|Herr|Frau|Mme|Mlle)\b\.?"
_CAPITAL = r"[^\W\d_a-zà-öø-ÿ][\w'’\-]*"
_ONES = r"(?:[\s-]+(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve))?"
_STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Court|Ct|Boulevard|Blvd|Place|Pl|Square|Sq|Terrace|Way|Close|"
    r"Crescent|Highway|Hwy|Parkway|Pkwy)"
)


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A text without what was found, and how often each class was."""

    text: str
    found: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Dictionary:
    """What identifies the people of one record: exact words by class, matched whole and in any case.

    ``names`` of six letters and more are also found with one wrong, missing, added or swapped letter, those of up to
    three only with a capital: "An" and "Max" are names, "an" and "max" are words. All are found without their accents
    too. ``telling_years`` are years that tell an age over 89: no date keeps them.
    """

    names: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    telling_years: frozenset[str] = frozenset()
    _labels: Mapping[str, str] = field(init=False, repr=False, default_factory=dict)
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, default=None)
    _near: frozenset[str] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        labels: dict[str, str] = {}
        for label, group in (("NAME", self.names), ("ID", self.numbers), ("PLACE", self.places)):
            labels |= {_flat(form): label for w in group for form in _spellings(w) if len(w.strip()) > 1}
        words = sorted((w for w in labels if w), key=len, reverse=True)
        parts = [re.escape(w).replace(r"\ ", r"\s+").replace("'", "['’]") for w in words]
        pattern = re.compile(rf"{_MARKS}|{_BEGIN}(?:{'|'.join(parts)}){_END}", re.IGNORECASE) if parts else None
        object.__setattr__(self, "_labels", labels)
        object.__setattr__(self, "_pattern", pattern)
        near = frozenset(v for n in self.names if len(n) >= 6 and n.isalpha() for v in _deletions(n.casefold()))
        object.__setattr__(self, "_near", near)

    def exact(self, text: str, replace: Callable[[str], str]) -> str:
        """``text`` with every word of the dictionary replaced."""
        return self._pattern.sub(lambda m: self._known(m[0], replace), text) if self._pattern else text

    def _known(self, word: str, replace: Callable[[str], str]) -> str:
        label = self._labels.get(_flat(word))
        written_small = label == "NAME" and len(word) <= SHORT and word.islower()
        return word if label is None or written_small else replace(label)

    def near(self, text: str, replace: Callable[[str], str]) -> str:
        """``text`` with misspelt names replaced: capitalised words one edit away from a name."""
        if not self._near:
            return text
        return _WORDS.sub(lambda m: self._one(m[0], replace), text)

    def _one(self, word: str, replace: Callable[[str], str]) -> str:
        close = word[0].isupper() and not self._near.isdisjoint(_deletions(word.casefold()))
        return replace("NAME") if close else word


SHORT = 3
_BEGIN, _END = r"(?<![^\W_])", r"(?![^\W_])"
_MARKS = r"\[(?:NAME|PLACE|ID|DATE|URL|EMAIL|IP|PHONE|SSN|ADDRESS)\]"
_WORDS = re.compile(rf"{_MARKS}|{_BEGIN}[^\W\d_]{{5,}}{_END}")
_LATIN = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ß": "ss"})
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "ß": "ss"})


def _flat(word: str) -> str:
    return " ".join(word.replace("’", "'").lower().split())


def _spellings(word: str) -> set[str]:
    """A word in small letters as it is, without accents, and with the two letters that stand for an umlaut."""
    flat = _clean(word).lower()
    plain = unicodedata.normalize("NFD", flat.translate(_LATIN))
    return {flat, flat.translate(_GERMAN), "".join(c for c in plain if not unicodedata.combining(c))}


def _clean(text: str) -> str:
    """The text in composed form (NFC) without characters that show nothing and break words (soft hyphens, say)."""
    return "".join(c for c in unicodedata.normalize("NFC", text) if unicodedata.category(c) != "Cf")


def _deletions(word: str) -> set[str]:
    """The word and every form of it with one letter left out: words one edit apart share one of these."""
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def scrub(text: str, dictionary: Dictionary) -> Scrubbed:
    """``text`` with identifiers replaced by their class in brackets, dates by their year."""
    found: Counter[str] = Counter()

    def mark(label: str) -> str:
        found[label] += 1
        return f"[{label}]"

    told = dictionary.exact(_clean(text), mark)
    for label, pattern in _PATTERNS:
        told = pattern.sub(lambda m, label=label: _replaced(label, m, found, dictionary), told)  # type: ignore[misc]
    told = dictionary.near(told, mark)
    return Scrubbed(told, dict(found))


def leaks(text: str, dictionary: Dictionary) -> int:
    """How many identifiers a second look finds in a scrubbed text."""
    return sum(scrub(text, dictionary).found.values())


def _replaced(label: str, match: re.Match[str], found: Counter[str], dictionary: Dictionary) -> str:
    if label == "AGE":
        number = match["age"].rstrip("dhnrst")
        if number.isdigit() and int(number) < 90:
            return match[0]
        found[label] += 1
        return match[0].replace(match["age"], "90 or older", 1)
    if label == "YEAR" and match[0] not in dictionary.telling_years:
        return match[0]
    if label == "ZIP":
        found[label] += 1
        return match[0].replace(match["zip"], zip3(match["zip"]), 1)
    if label == "DATE":
        found[label] += 1
        year = match.groupdict().get("year")
        return year if year and year not in dictionary.telling_years else "[DATE]"
    if label in ("TITLED", "LABELLED"):
        found["NAME" if label == "TITLED" else "ID"] += 1
        return match["keep"] + ("[NAME]" if label == "TITLED" else "[ID]")
    found["DATE" if label == "YEAR" else label] += 1
    return "[DATE]" if label == "YEAR" else f"[{label}]"


def zip3(code: str) -> str:
    """The first three digits of a ZIP code where that is allowed, else 000."""
    digits = code.strip()[:3]
    allowed = len(digits) == 3 and digits.isascii() and digits.isdigit() and digits not in _restricted()
    return digits if allowed else "000"


@cache
def _restricted() -> frozenset[str]:
    with files("salus.trust").joinpath("safe_harbor.toml").open("rb") as file:
        return frozenset(tomllib.load(file)["restricted_zip3"])


def split_name(name: str) -> Iterable[str]:
    """A full name and its parts of two letters and more."""
    yield name
    yield from (part for part in re.split(r"[\s,.]+", name) if len(part) > 1)
    yield from (part for part in re.split(r"[\s,.\-‐‑–'’]+", name) if len(part) > 3)


def _compiled(*rows: tuple[str, str]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((label, re.compile(pattern, re.IGNORECASE if label not in _CASED else 0)) for label, pattern in rows)


_CASED = frozenset({"TITLED", "ADDRESS", "ZIP"})
_PATTERNS = _compiled(
    ("URL", r"\b(?:https?://|www\.)[^\s<>\"')\]]+"),
    ("EMAIL", r"\b[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"),
    ("IP", r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])"),
    ("IP", r"(?<![\w:])(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}(?![\w:])"),
    ("URL", r"\b(?:[\w-]{1,63}\.){1,8}(?:com|org|net|edu|gov|info|biz|io|co\.uk)\b(?:/\S*)?"),
    ("ID", r"\b[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){2,7}(?:\s?[A-Z0-9]{1,4})?\b"),
    (
        "LABELLED",
        r"(?P<keep>\b(?:MRN|medical record(?: number| no\.?)?|record (?:number|no\.?)|account(?: number| no\.?)?|acct|"
        r"patient id|policy(?: number| no\.?)?|member id|licen[cs]e(?: number| no\.?)?|serial(?: number| no\.?)?|"
        r"SSN|plate|passport(?: number| no\.?)?)\s*[:#=]?\s*(?:is\s+)?)(?=[\w/-]*\d)[\w][\w/-]{2,}",
    ),
    (
        "DATE",
        rf"\b(?P<year>{_YEAR})[-/.](?:0?[1-9]|1[0-2])(?:[-/.]{_DAY})?"
        r"(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)",
    ),
    ("DATE", rf"\b{_DAY}[-/.]{_DAY}[-/.](?P<year>{_YEAR})(?!\d)"),
    ("DATE", rf"(?<![\d/.-]){_DAY}[/-]{_DAY}[/-]\d\d(?![\d/-])"),
    (
        "DATE",
        rf"\b(?:{_DAY}(?:st|nd|rd|th)?\s+(?:of\s+)?)?{_MONTH}\s+(?:{_DAY}(?:st|nd|rd|th)?,?\s+)?(?P<year>{_YEAR})\b",
    ),
    ("DATE", rf"\b{_DAY}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?!\w)"),
    ("DATE", rf"\b{_MONTH}\s+{_DAY}(?:st|nd|rd|th)?\b(?!\s*(?:mg|mcg|g|ml|%|/))"),
    ("YEAR", rf"\b{_YEAR}\b"),
    ("AGE", r"\b(?P<age>\d{2,3})[\s-]*(?:years?|yrs?|y/?o|yo|y\.\s?o\.?|woman|man|lady|gentleman|(?:fe)?male)(?!\w)"),
    ("AGE", r"\b(?:aged?|age of|turned)[:\s]+(?P<age>\d{2,3})\b(?! or older)"),
    ("AGE", r"\b(?P<age>\d{2,3}(?:st|nd|rd|th))\s+birthday\b"),
    ("AGE", rf"\b(?P<age>(?:ninety|(?:a|one)[\s-]+hundred(?:[\s-]+and)?){_ONES})[\s-]+years?[\s-]+old\b"),
    ("ZIP", r"\b[A-Z]{2},?\s+(?P<zip>\d{5}(?:-\d{4})?)\b"),
    ("SSN", r"(?<![\d-])\d{3}[- ]\d{2}[- ]\d{4}(?![\d-])"),
    (
        "PHONE",
        r"(?<![\w.])(?:\+\d{1,3}[\s.-]?)?"
        r"(?:\(0?\d{1,4}\)[\s.-]?\d{2,4}(?:[\s.-]?\d{2,4}){1,4}|"
        r"(?=(?:\d[ .-]?){8})\d{2,4}(?P<by>[ .-])\d{2,4}(?:(?P=by)\d{2,4}){1,3})"
        r"(?:\s?(?:x|ext\.?)\s?\d+)?(?![\w.]\d)",
    ),
    ("PHONE", r"(?<![\w.])(?=(?:\d[ .-]?){7})\d{2,5}[ .-]\d{3,6}(?![\w.]\d|\w)"),
    ("PHONE", r"(?<!\w)(?:\+\d{8,14}|\(\d{3}\)\s?\d{3}-?\d{4}|\d{3}-\d{4}|1?\d{10})(?!\w)"),
    (
        "ADDRESS",
        rf"\b\d{{1,6}}[A-Za-z]?\s+(?:{_CAPITAL}\s+){{1,4}}{_STREET}\b\.?(?:,?\s+(?:Apt|Suite|Unit|Flat|No)\.?\s*[\w-]+)?",
    ),
    ("ADDRESS", r"\bP\.?\s?O\.?\s?Box\s+\d+"),
    (
        "TITLED",
        rf"(?P<keep>\b{_TITLE}\s+)(?!\[){_CAPITAL}(?:\s+(?:(?:de|van|von|der|den|del|la|al|bin)\s+)*{_CAPITAL}){{0,3}}",
    ),
    ("ID", r"(?<![\w.,])(?!rs\d)(?=[\w-]*\d[\w-]*\d)(?:\d[\d-]{5,}\d|[A-Z]{1,3}-?\d{5,}[A-Z]?)(?![\w.]\d|\w)"),
)
