"""Red flags: whether a message tells of an emergency that is happening now.

A table (``tables/redflags.toml``) names signs in lay words and the combinations that raise a flag; this is its
interpreter. A sign counts unless its sentence denies it, puts it into the past, or only asks about it in general. It
does not matter whose sign it is: the writer's, a child's, a friend's. There is no switch to turn this off.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from salus.assistant import measured
from salus.assistant.language import Spelling, Text, compiled, read
from salus.errors import ConfigurationError

SEEN_WORDS = 12
"""How many of the words that raised a flag are shown."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One kind of emergency. ``when`` holds alternatives, each a set of signs that must all be there."""

    id: str
    title: str
    sources: tuple[str, ...]
    when: tuple[frozenset[str], ...]
    crisis: bool


@dataclass(frozen=True, slots=True)
class Raised:
    """A flag that a message raised, and the words of the message (made uniform) that did it."""

    flag: Flag
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The compiled table."""

    version: str
    signs: Mapping[str, re.Pattern[str]]
    numbers: tuple[measured.Bound, ...]
    flags: tuple[Flag, ...]
    citations: Mapping[str, str]
    spelling: Spelling


@cache
def table() -> Table:
    """The table of red flags. Raises ConfigurationError when it is not consistent."""
    raw = tomllib.loads(files("salus.assistant").joinpath("tables", "redflags.toml").read_text("utf-8"))
    lists: dict[str, list[str]] = raw["list"]
    signs = {name: compiled(phrases, lists, f"redflags.toml: {name}") for name, phrases in raw["sign"].items()}
    numbers = tuple(measured.Bound(name, n["what"], n.get("least"), n.get("most")) for name, n in raw["number"].items())
    flags = tuple(_flag(entry) for entry in raw["flag"])
    known = {*signs, *(n.sign for n in numbers)}
    for flag in flags:
        unknown = {s for combination in flag.when for s in combination} - known
        if unknown or set(flag.sources) - set(raw["source"]):
            raise ConfigurationError(f"unknown signs or sources {sorted(unknown)}", where=f"redflags.toml: {flag.id}")
    return Table(str(raw["version"]), signs, numbers, flags, raw["source"], _spelling(raw))


def _spelling(raw: Mapping[str, Any]) -> Spelling:
    phrases = [phrase for group in (*raw["sign"].values(), *raw["list"].values()) for phrase in group]
    words = {word.rstrip("?") for phrase in phrases for part in phrase.split() for word in part.split("|")}
    whole = {w for w in words if w.isalpha()} | set(raw["spelling"]["forms"].split())
    beginnings = tuple(sorted(w[:-1] for w in words if w.endswith("*") and len(w) > 3))
    return Spelling(frozenset(whole), frozenset(raw["spelling"]["ordinary"].split()), beginnings)


def _flag(entry: Mapping[str, Any]) -> Flag:
    when = tuple(frozenset(part.strip() for part in line.split("&")) for line in entry["when"])
    return Flag(entry["id"], entry["title"], tuple(entry["source"]), when, bool(entry.get("crisis", False)))


def check(message: str) -> tuple[Raised, ...]:
    """The flags that a message raises, in the order of the table; none when it tells of no emergency.

    Raises InputError only for a message of more than :data:`salus.assistant.language.MAX_LENGTH` characters.
    """
    rules = table()
    text = read(message, rules.spelling)
    elsewhere = cache(_elsewhere)  # asked once of each sentence of this message, however many signs it holds
    found = {n: words for n, pattern in rules.signs.items() if (words := _present(n, pattern, text, elsewhere))}
    for sign, words in measured.signs(text.plain, rules.numbers):
        found.setdefault(sign, words)
    return tuple(_raised(flag, found) for flag in rules.flags if any(c <= found.keys() for c in flag.when))


def _raised(flag: Flag, found: Mapping[str, str]) -> Raised:
    signs = next(c for c in flag.when if c <= found.keys())
    words = dict.fromkeys(" ".join(found[s].split()[:SEEN_WORDS]) for s in sorted(signs))
    return Raised(flag, tuple(words))


def _present(sign: str, pattern: re.Pattern[str], text: Text, elsewhere: Callable[[bool, str], bool]) -> str:
    """The words of the first place where a sign counts; "" when it stands nowhere, or is denied, past or general."""
    for match in pattern.finditer(text.plain):
        before = text.plain[max(0, match.start() - _BEFORE) : match.start()].rpartition(" . ")[2]
        if not _denied(before) and not elsewhere(sign in _ALWAYS, text.sentence(match.start(), match.end())):
            return match.group().strip()
    return ""


_BEFORE = 600
"""Characters before a sign that may deny it. A message without any full stop is looked through in bounded time."""


def _elsewhere(always: bool, sentence: str) -> bool:
    """Whether a sentence speaks of its signs in general or, unless they count ``always``, as past or of some day."""
    return _general(sentence) or (not always and (_past(sentence) or _someday(sentence)))


_ALWAYS = frozenset({"suicide", "harm-others"})
"""Signs that count although they lie in the past or may never come."""

_NEGATOR = re.compile(r"\b(?:no|not|never|without|denies|denied|deny|nor|neither|free of|negative for)\b")
_NOT_NEGATING = re.compile(
    r"\b(?:no (?:matter|idea|doubt|longer|clue)|not (?:sure|only|just|know|good|feeling|doing|well|ok|okay|getting|"
    r"think|understand|want|normal|really sure)|never (?:had|felt|been|before|mind)|not certain|why not|or not|if not|"
    r"no one)\b"
)
_CUT = re.compile(r" (?:but|however|although|though|except|now|yet|so|because|and then|and now|then) | , ")
_LIST_CUT = re.compile(r" (?:but|however|although|though|except|now|yet|so|because|then) ")
_VERB = re.compile(r" (?:i|he|she|they|we|is|are|am|was|has|have|had|my|feel|feels|got|having|started) ")


def _denied(before: str) -> bool:
    """Whether the words before a sign, in its sentence, deny it: "no", "not", "denies" within a few words."""
    clause = _NOT_NEGATING.sub(" ", f" {_CUT.split(f' {before} ')[-1]} ")
    near = " ".join(clause.split()[-6:])
    if _NEGATOR.search(near):
        return True
    enumeration = _NOT_NEGATING.sub(" ", _LIST_CUT.split(f" {before} ")[-1])
    started = re.search(r"\b(?:no|denies|denied|without) (?!,)", enumeration)
    tail = enumeration[started.end() :] if started else ""
    return bool(started) and " or " in f" {tail} " and not _VERB.search(f" {tail} ")


_YEARS = re.compile(
    r"\b(?:in (?:19|20)\d\d|(?:years?|months?|weeks?|decades?) (?:ago|back|earlier|before)|"
    r"last (?:year|month|winter|summer|spring|fall|autumn)|"
    r"as a (?:child|kid|teen|teenager|baby)|when (?:i|he|she) was (?:a |an |\d|young|little|in )|history of|used to|"
    r"at age \d+|at (?:the age of )?\d+ years|in the past (?!few|couple|\d|hour|day|week|several)|previously|"
    r"died (?:of|from)|passed away|runs in)\b"
)
_PRESENT = re.compile(
    r"\b(?:now|today|tonight|again|currently|this (?:morning|afternoon|evening|week)|right now|just|suddenly|still|"
    r"since|woke|last night|yesterday|hours?|minutes?)\b"
)


def _past(sentence: str) -> bool:
    return bool(_YEARS.search(sentence)) and not _PRESENT.search(sentence)


_ASKS_IN_GENERAL = re.compile(
    r"^ ?(?:(?:hi|hello|please|so|also|and|but|ok|question) ,? ?)*(?:"
    r"(?:what|which) (?:is|are|was|were|does|do|causes?|can|could|would|kind|type|other) |"
    r"(?:can|could|does|do|is|are|will|would|did) (?!this |it |that )|"
    r"how (?:common|long|many|often|is|are|does|do|can|likely|dangerous) |why (?:is|are|do|does) |"
    r"define |describe |explain |tell me |information |i (?:want|would like|need) to know |i am (?:writing|reading|"
    r"studying|researching|doing) |symptoms? of |signs? of |treatments? (?:of|for) |causes? of )"
)
_SUBJECT = (
    r"(?:i|he|she|they|we|my [a-z]+(?: [a-z]+)?|our [a-z]+|someone|somebody|(?:the|a|this) (?:patient|child|baby|man|"
    r"woman|person|boy|girl|friend)|his [a-z]+|her [a-z]+)"
)
_SOMEBODY = re.compile(
    rf"\b{_SUBJECT} (?:just |also |now |suddenly |really |keep |keeps |still |might |may |recently )?(?:am|is|are|was|"
    r"were|has|have|had|feels?|felt|feeling|got|gets?|getting|cannot|could not|will not|keeps?|started|took|taken|woke|"
    r"passed|fainted|collapsed|swallowed|drank|ate|fell|hit|cut|vomited|threw|hurts?|turned|stopped|lost|looks?|seems?|"
    r"might|did|does|bleeding|going|want)\b"
)
_ABOUT = re.compile(
    r"\b(?:side effects?|symptoms?|signs?|causes?|risk factors?|definition|difference|meaning) (?:of|for|between)\b"
)


def _general(sentence: str) -> bool:
    """Whether a sentence asks about a sign in general: "what are the signs of a stroke?", with nobody who has it."""
    if not _ASKS_IN_GENERAL.search(sentence):
        return False
    somebody = _SOMEBODY.search(sentence)
    return not somebody or (bool(_ABOUT.search(sentence)) and somebody.start() > _ABOUT.search(sentence).start())  # type: ignore[union-attr]


_FAR = re.compile(
    r"\b(?:some ?day|in the future|one day|ever (?:get|have)|(?:my|the|his|her|their) (?:risk|chances?|odds) of|"
    r"risk of|chances? of|prevent\w*|protect\w*|avoid (?:a|having|getting)|lower the|runs in|afraid of getting)\b"
)


def _someday(sentence: str) -> bool:
    return bool(_FAR.search(sentence)) and not _PRESENT.search(sentence)


def sources(raised: Raised) -> Iterator[tuple[str, str]]:
    """The sources of a flag: key and citation."""
    for name in raised.flag.sources:
        yield name, table().citations[name]
