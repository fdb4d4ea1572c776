"""Messages that are not in English: the main signs in four languages, and for the rest a note that they were not read.

The language is the one whose most common words are the most; a message of a few words counts as English. The lists are
small (``tables/redflags/languages.toml``) and nothing but denial, the past and general questions is told apart.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from salus.assistant.language import END, read
from salus.assistant.matching import Index, Span, index

LANGUAGES = ("de", "fr", "es", "it")
OTHER = "other"
DENIED_WITHIN = 3
FEWEST = 2
"""Common words of a language that a message must hold to be of it."""
LETTERS_OF_OTHERS = 0.5
"""The share of letters that are not Latin from which on a message is in another script."""


_FEVER = re.compile(r"3[89](?:[.,]\d)?|4[01](?:[.,]\d)?")
"""A number that is a fever where a baby or another sign stands beside it (°C)."""


@dataclass(frozen=True, slots=True)
class Lists:
    """The compiled lists."""

    common: Mapping[str, frozenset[str]]
    signs: Mapping[str, Index]
    over: Index
    general: tuple[str, ...]
    deny: frozenset[str]
    lines: Mapping[str, tuple[tuple[str, ...], ...]]
    notes: Mapping[str, str]


@cache
def lists() -> Lists:
    """The lists of ``tables/redflags/languages.toml``."""
    raw = tomllib.loads(files("salus.assistant").joinpath("tables", "redflags", "languages.toml").read_text("utf-8"))
    return Lists(
        common={language: frozenset(words.split()) for language, words in raw["common"].items()},
        signs={language: index(raw[language]) for language in LANGUAGES},
        over=index({"over": raw["over"]["phrases"], "leaflet": raw["general"]["leaflet"]}),
        general=tuple(b.strip() for b in raw["general"]["beginnings"].split(",")),
        deny=frozenset(raw["deny"]["words"].split()),
        lines={
            flag: tuple(tuple(n.strip() for n in line.split("&")) for line in lines)
            for flag, lines in raw["lines"].items()
        },
        notes=raw["note"],
    )


def _plain(message: str) -> list[str]:
    """The words without accents; sentences end with a full stop."""
    apart = unicodedata.normalize("NFKD", read(message).plain.replace("ß", "ss"))
    return "".join(c for c in apart if not unicodedata.combining(c)).split()


def language(message: str) -> str:
    """ "en", one of :data:`LANGUAGES`, or "other" for a message in another script."""
    return _language(_plain(message))


def _language(tokens: list[str]) -> str:
    letters = [c for token in tokens for c in token if c.isalpha()]
    if letters and sum(c > "\u024f" for c in letters) / len(letters) > LETTERS_OF_OTHERS:
        return OTHER
    held = Counter({name: sum(token in words for token in tokens) for name, words in lists().common.items()})
    best, most = max(held.items(), key=lambda item: (item[1], item[0] == "en"))
    return best if most >= FEWEST and most > held["en"] else "en"


def signs(message: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The flags that a message in one of the four languages raises, each with its words; none for English."""
    tokens = _plain(message)
    if (spoken := _language(tokens)) not in LANGUAGES:
        return ()
    found: dict[str, str] = {}
    for sentence in _sentences(tokens):
        known = lists()
        if known.over.find(sentence) or " ".join(sentence).startswith(known.general):
            continue
        for name, spans in known.signs[spoken].find(sentence).items():
            if span := next((s for s in spans if not _denied(sentence, s)), None):
                found.setdefault(name, " ".join(sentence[span.start : span.end]))
        if hot := next((token for token in sentence if _FEVER.fullmatch(token)), ""):
            found.setdefault("fever", hot)
    raised = (
        (flag, next((line for line in lines if all(n in found for n in line)), ()))
        for flag, lines in lists().lines.items()
    )
    return tuple((flag, tuple(dict.fromkeys(found[n] for n in line))) for flag, line in raised if line)


def _sentences(tokens: list[str]) -> list[list[str]]:
    made: list[list[str]] = [[]]
    for token in tokens:
        if token == END:
            made.append([])
        else:
            made[-1].append(token)
    return [sentence for sentence in made if sentence]


def _denied(sentence: list[str], span: Span) -> bool:
    deny = lists().deny
    if sentence[span.start] in deny:  # "keine Luft", "no respira": the sign itself denies something
        return False
    before = sentence[max(0, span.start - DENIED_WITHIN) : span.start]
    near = before[len(before) - before[::-1].index(",") :] if "," in before else before
    return not deny.isdisjoint(near)


def note(message: str) -> str:
    """What is said of a message that is not in English and raised nothing; "" for an English one."""
    spoken = language(message)
    return "" if spoken == "en" else lists().notes[spoken]
