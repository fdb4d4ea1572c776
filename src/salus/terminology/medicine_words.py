"""Reading of a medicine's words: every ingredient that a text names, or nothing where a part could not be read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from itertools import pairwise
from typing import Any

from salus.terminology.classes import class_of, with_broader
from salus.terminology.tables import Tables
from salus.terminology.words import fold, squash

__all__ = ["Named", "Reader", "is_allergen", "is_device", "words_of_route"]

_NUMBER = r"(?>\d+(?:[.,]\d+)*)"
_UNIT = (
    r"(?:mg|mcg|ug|micrograms?|mikrogramm|microgrammes?|milligrams?|grams?|g|kg|ml|l|meq|mmol|iu|ie|ui|i\.e\.|u|e|unt|units?|"
    r"[a-z]?mu|%|percent|mbq|mci|hr|h|hours?|cm|mm|actuat|doses?|dosis|dosen|st|stk|stuck|tabs?|tablets?|caps?|capsules?|"
    r"pc|million units?|mega units?|k|mio)"
)
_AMOUNT = re.compile(
    rf"(?<![a-z0-9]){_NUMBER} ?{_UNIT}?(?: ?[/-] ?(?:{_NUMBER} ?{_UNIT}?|{_UNIT})(?![a-z]))*(?![a-z0-9])|"
    rf"(?<![a-z0-9]){_NUMBER} ?{_UNIT}(?![a-z])"
)
_STRENGTH = rf"{_NUMBER}(?: ?(?:mg|mcg|ug|g)\b)?"
_STRENGTHS = re.compile(
    rf"(?<![\w/.,-]){_STRENGTH}(?: ?[/-] ?{_STRENGTH})+(?! ?(?:ml|l\b|%|/|\d|hr|h\b|actuat|dose|unit|e\b|ie|iu|ui))"
)
_BRACKETS = re.compile(r"[(\[]([^()\[\]{}]*)[)\]]")
_NUMBERED = re.compile(rf"([a-z][a-z-]+) ({_NUMBER}(?: ?/ ?{_NUMBER})?(?: ?mg)?) (plus|comp|hct|forte|cardio)(?![a-z])")
_COMPANY = re.compile(
    r"\b(?:ltd|limited|plc|inc|gmbh|s\.?a\.?|b\.?v\.?|ab|a/s|healthcare|pharma\w*|laborator\w+|labs|imported|waymade)\b"
)
_TOKEN = re.compile(r"[^\W_]+(?:['.][^\W_]+)*\.?|[^\w\s]")
LONGEST_NAME = 12
"""Tokens in the longest name that is looked for."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a text names. ``ingredients`` is None where it could not be read whole; ``why`` says what was in the way.

    ``seen`` are the ingredients of the names in it; ``barred``: it carries a mark of a combination that is not known.
    """

    ingredients: frozenset[str] | None = None
    classes: frozenset[str] = frozenset()
    why: str = ""
    seen: frozenset[str] = frozenset()
    barred: bool = False

    @property
    def read(self) -> bool:
        """True when it names ingredients or a class."""
        return bool(self.ingredients or self.classes)


@dataclass(frozen=True, slots=True)
class _Match:
    start: int
    stop: int
    kind: str
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Token:
    word: str
    start: int
    stop: int
    amount: bool

    @property
    def plain(self) -> bool:
        """True for what is no word: an amount, a number, a sign."""
        return self.amount or self.word.isdigit() or not any(c.isalnum() for c in self.word)


@cache
def _lists() -> Mapping[str, Any]:
    table = tomllib.loads(files("salus.terminology").joinpath("data", "medicine_words.toml").read_text("utf-8"))
    metals = {word: metal for metal, words in table["metals"].items() for word in (metal, *words)}
    return {
        "harmless": frozenset(part for word in table["harmless"].split() for part in (word, *word.split("-"))),
        "salts": frozenset(table["salts"].split()),
        "metals": metals,
        "local": table["local"],
        **{name: frozenset(words) for name, words in table["lists"].items()},
    }


def words_of_route() -> Mapping[str, Sequence[str]]:
    """The words of forms and routes for local use and inhalation, and the ATC groups of both."""
    return _lists()["local"]  # type: ignore[no-any-return]


def is_device(text: str) -> bool:
    """True for the words of something that has no active ingredient ("test strips")."""
    words = fold(text)
    return any(re.search(rf"(?<![a-z]){re.escape(device)}(?![a-z])", words) for device in _lists()["devices"])


def is_allergen(text: str) -> bool:
    """True for the name of something people are allergic to that is no medicine ("peanut", "latex")."""
    return fold(text) in _lists()["allergens"]


class Reader:
    """Reads the words of medicines by the tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    @cached_property
    def _combined(self) -> frozenset[str]:
        """The ingredients that any product of the tables holds together with another one."""
        return frozenset(fold(name) for names in self._tables.combinations() for name in names.split("+"))

    def _abbreviates_maker(self, word: str) -> bool:
        """Three letters that begin a maker's name ("HEX", "SAN") and not that of a second ingredient ("ASP")."""
        begins = len(word) == _CODE and any(maker.startswith(word) for maker in _lists()["makers"])
        return begins and not any(name.startswith(word) for name in self._combined)

    def read(self, text: str) -> Named:
        """Everything that one text names."""
        words = fold(text)
        if not words:
            return Named()
        whole = self._whole(words)
        if whole:
            return whole
        if words.startswith("{"):
            return self._pack(words)
        outer = words
        inner: list[str] = []
        while _BRACKETS.search(outer):
            inner += [found.strip() for found in _BRACKETS.findall(outer)]
            outer = squash(_BRACKETS.sub(" ", outer))
        main = self._phrase(outer)
        return _join(main, [self._phrase(part) for part in inner if not _aside(part)])

    def _pack(self, words: str) -> Named:
        """A pack as RxNorm writes it, "{7 (one tablet) / 7 (another) } Pack": all that is in one of its tablets."""
        parts = [self._phrase(part) for part in _BRACKETS.findall(words) if not _aside(part)]
        parts = [part for part in parts if part.ingredients != frozenset({"inert ingredients"})]
        if not parts or not all(part.ingredients for part in parts):
            return Named(why="a part of the pack could not be read", barred=True)
        total = frozenset().union(*(part.ingredients or () for part in parts))
        return Named(total, seen=total)

    def _whole(self, words: str) -> Named | None:
        """A text that is as a whole a name: of a class, a brand or a substance."""
        cls = class_of(words)
        if cls:
            return Named(classes=with_broader(cls))
        known = self._tables.names(_KINDS, (words,)).get(words)
        if known:
            if known[1] == "?":
                return Named(why="a name of several medicines", barred=True)
            return Named(frozenset(known[1].split("+")), seen=frozenset(known[1].split("+")))
        return None

    def _phrase(self, phrase: str) -> Named:
        phrase = self._numbered(squash(_GLUED.sub(r"\1 ", _QUOTED.sub(" ", phrase))).strip(" ,;:-."))
        whole = self._whole(phrase)
        if whole:
            return whole
        amounts = [m.span() for m in _AMOUNT.finditer(phrase)]
        tokens = [
            _Token(m.group().rstrip("."), m.start(), m.end(), any(a <= m.start() and m.end() <= b for a, b in amounts))
            for m in _TOKEN.finditer(phrase)
        ]
        matches = self._matches(phrase, tokens)
        end = _vehicle(tokens, matches)
        tokens, matches = tokens[:end], [m for m in matches if m.stop <= end]
        if not matches:
            cls = class_of(" ".join(t.word for t in tokens if t.word not in _AROUND_A_CLASS))
            barred = any(t.word in _lists()["marks"] for t in tokens)
            return Named(classes=with_broader(cls)) if cls else Named(why="no name of a medicine", barred=barred)
        return self._judge(phrase, tokens, matches)

    def _numbered(self, phrase: str) -> str:
        """ "Delix 5 plus": the strength within a brand's name set behind it, where the tables know the name."""
        found = _NUMBERED.match(phrase)
        if found is None or not self._tables.names(_KINDS, (f"{found[1]} {found[3]}",)):
            return phrase
        return f"{found[1]} {found[3]} {found[2]}{phrase[found.end() :]}"

    def _matches(self, phrase: str, tokens: Sequence[_Token]) -> list[_Match]:
        """The names in a text, from the left, the longest first."""
        spans = {
            (first, last + 1): phrase[tokens[first].start : tokens[last].stop].rstrip(".")
            for first in range(len(tokens))
            if tokens[first].word[:1].isalnum()
            for last in range(first, min(first + LONGEST_NAME, len(tokens)))
        }
        known = self._tables.names(_KINDS, spans.values())
        known |= self._glued({text for text in spans.values() if text.isalpha() and text not in known})
        found: list[_Match] = []
        place = 0
        while place < len(tokens):
            for stop in range(min(place + LONGEST_NAME, len(tokens)), place, -1):
                text = spans.get((place, stop), "")
                named = known.get(text)
                if named and not (stop == place + 1 and _no_name(tokens, place, found)):
                    names = frozenset(named[1].split("+"))
                    found.append(_Match(place, stop, "i" if _is_descriptive(text, names) else named[0], names))
                    place = stop
                    break
            else:
                place += 1
        return found

    def _glued(self, words: Collection[str]) -> dict[str, tuple[str, str]]:
        """What words name that are an ingredient and its salt in one, as German and Dutch write them
        ("bisoprololfumarat", "natriumvalproaat")."""
        parts = {word: dict(_parts(word)) for word in words}
        pairs = {pair for cut in parts.values() for base, pair in cut.items() for pair in (base, pair) if pair}
        known = self._tables.names(("i",), pairs) if pairs else {}
        found = {}
        for word, cut in parts.items():
            named = {known[base][1] for base, pair in cut.items() if base in known and _agrees(known, base, pair)}
            if len(named) == 1 and "+" not in min(named):
                found[word] = ("i", min(named))
        return found

    def _judge(self, phrase: str, tokens: Sequence[_Token], matches: Sequence[_Match]) -> Named:
        """The set of ingredients that the names make, unless a word is left that could be another one."""
        groups = [m.names for m in matches]
        seen = frozenset().union(*groups)
        if "?" in seen:
            return Named(why="a name of several medicines", barred=True)
        rest, barred = self._rest(tokens, matches)
        if rest:
            return Named(
                why=f"beside the name stands a word that no table knows: {rest[:30]}", seen=seen, barred=barred
            )
        brands = [m.names for m in matches if m.kind == "b"]
        substances = frozenset().union(*(m.names for m in matches if m.kind == "i"))
        total = seen
        if brands and not _joined(tokens, matches):
            total = max((substances, *brands), key=len)
            if not all(group <= total for group in (substances, *brands)):
                return Named(why="brand and ingredient disagree", seen=seen, barred=True)
        if _strengths(phrase) > len(total) and not any("insulin" in name for name in total):
            return Named(why="more strengths than ingredients", seen=seen, barred=True)
        return Named(total, seen=total)

    def _rest(self, tokens: Sequence[_Token], matches: Sequence[_Match]) -> tuple[str, bool]:
        """The first word that is neither a name nor harmless beside one, and whether it marks a combination."""
        lists = _lists()
        taken = {place for match in matches for place in range(match.start, match.stop)}
        for place in range(len(tokens)):
            word = tokens[place].word
            if place not in taken and word in ("plus", "+") and not self._goes_on(tokens, place, taken):
                return word, True
            if (
                place not in taken
                and word in ("#", "no", "nr")
                and "".join(t.word for t in tokens[place + 1 : place + 2]).isdigit()
            ):
                return word, True
            if place in taken or tokens[place].plain or word in lists["joiners"]:
                continue
            if word in lists["marks"]:
                return word, True
            if word == "a" and not any(token.word.isalpha() for token in tokens[place + 1 : place + 2]):
                return word, True  # no article: "Burinex A" holds amiloride
            if word in lists["harmless"] or (word in lists["salts"] and _beside_name(tokens, place, taken)):
                continue
            if word in lists["metals"] and _behind_name(tokens, place, taken) and self._is_salt(tokens, place, matches):
                continue
            if place and tokens[place - 1].word in _FIRM:
                return word, True
            if word in lists["makers"] or self._abbreviates_maker(word) or _is_suffix(tokens, place, taken):
                continue
            return word, False
        return "", False

    def _goes_on(self, tokens: Sequence[_Token], place: int, taken: set[int]) -> bool:
        """Whether a sign that joins is followed by a name, or by a word of a device ("+ERIS")."""
        after = range(place + 1, len(tokens))
        return any(p in taken for p in after) or (
            tokens[place].word == "+" and bool(after) and tokens[place + 1].word in _lists()["harmless"]
        )

    def _is_salt(self, tokens: Sequence[_Token], place: int, matches: Sequence[_Match]) -> bool:
        """Whether the metal behind an ingredient is its salt: the tables know the pair under that one ingredient."""
        metal = _lists()["metals"][tokens[place].word]
        if metal in _ONLY_SALTS and place and any(match.stop <= place for match in matches):
            return True
        for match in matches:
            gap = tokens[match.stop : place]
            if match.stop <= place and all(t.word == "-" or t.word in _lists()["salts"] for t in gap):
                pairs = [f"{fold(base)} {metal}" for base in match.names]
                known = self._tables.names(_KINDS, pairs)
                return len(match.names) == 1 and any(frozenset({known[pair][1]}) == match.names for pair in known)
        return False


def _strengths(phrase: str) -> int:
    """How many strengths stand side by side ("50-12.5", "5 mg/160 mg/12.5 mg"); dates and "1-0-1" do not count."""
    found = 0
    for chain in _STRENGTHS.findall(phrase):
        numbers = [number.replace(",", ".") for number in re.findall(_NUMBER, chain)]
        is_date = any(_LEADING_NOUGHT.match(number) or float(number) >= _YEARS for number in numbers)
        is_scheme = "/" not in chain and len(numbers) > 2 and all(float(number) <= _AT_ONCE for number in numbers)
        if not is_date and not is_scheme and all(float(number) for number in numbers):
            found = max(found, len(numbers))
    return found


_LEADING_NOUGHT = re.compile(r"0\d")
_CODE = 3
"""Letters of a maker's short name in the product names of Austria and France."""
_YEARS = 1900
_AT_ONCE = 4
"""Tablets at one time of the day in a scheme."""


def _parts(word: str) -> Iterator[tuple[str, str]]:
    """An ingredient's name that a word may begin or end with, the rest being a salt; and the name of the pair in the
    tables where it needs to be there, since the metal may be an ingredient of its own."""
    lists = _lists()
    for salt in (*lists["salts"], *lists["metals"]):
        short = salt.removesuffix("e")  # "hemifumarat"
        base = word.removesuffix(salt if word.endswith(salt) else short)
        if base == word or len(short) < _SHORTEST or len(base) < _SHORTEST:
            continue
        metal = lists["metals"].get(salt, "")
        for name in (base, f"{base}e"):
            yield name, f"{name} {metal}" if metal and metal not in _ONLY_SALTS else ""
    for metal, english in lists["metals"].items():
        if english in _ONLY_SALTS and len(metal) >= _SHORTEST and word.startswith(metal):
            yield word.removeprefix(metal), ""


def _agrees(known: Mapping[str, tuple[str, str]], base: str, pair: str) -> bool:
    """True where no pair is needed, or the tables know it under the one ingredient."""
    return not pair or (pair in known and known[pair][1] == known[base][1])


_SHORTEST = 4
"""Letters of a salt and of a name that are looked for in one word."""
_KINDS = ("i", "b")
_ONLY_SALTS = ("sodium", "potassium")
"""Metals that beside an ingredient are its salt; calcium, magnesium and zinc may be an ingredient of their own."""
_FIRM = ("+", "/", "&", "and", "with", "plus", "und", "mit", "et", "avec")
_GLUED = re.compile(r"(?<![a-z0-9])([a-z]{3,})(?=\d+(?:[.,]\d+)?(?:mg|ml|g|ui|ie)\b)")
_BIOLOGICAL = re.compile(
    r"(?:mab|mig|bart|tug|cept|kinra|stim|poetin|ase|leucel|alfa|beta|vedotin|tansine|tecan|glargine|aspart|toxin)$"
)
_QUOTED = re.compile(r"\"[^\"]*\"|„[^“”]*[“”]")
_AROUND_A_CLASS = (
    "allergy",
    "allergies",
    "intolerance",
    "drug",
    "drugs",
    "medicine",
    "medicines",
    "group",
    "class",
    "product",
    "products",
    "to",
    "of",
    "-",
    ",",
    "containing",
    "agent",
    "agents",
    "substance",
    "therapy",
)


def _is_descriptive(text: str, names: Collection[str]) -> bool:
    """True for the name of a product that is no brand: "sitagliptin-metformin", "chondroitin" of the sulfates."""
    return "/" in text or all(name in text or name.startswith(text) for name in names)


def _no_name(tokens: Sequence[_Token], place: int, found: Sequence[_Match]) -> bool:
    """A single word that is a form, or a salt behind an ingredient, and only by chance also a name."""
    lists = _lists()
    word = tokens[place].word
    if tokens[place].plain or len(word) < 2:
        return True
    if word in lists["harmless"] or word in lists["joiners"] or word in lists["makers"] or word in lists["marks"]:
        return word not in _ALSO_NAMES
    gap = tokens[found[-1].stop : place] if found else ()
    behind = bool(found) and all(t.word == "-" or t.word in lists["salts"] for t in gap)
    return behind and (word in lists["salts"] or word in lists["metals"])


_OF = ("de", "di", "do", "da", "del")
_ALSO_NAMES = ("hct", "hctz", "hzt", "hcz")
"""Short names of hydrochlorothiazide, which stand for it behind another ingredient."""


def _behind_name(tokens: Sequence[_Token], place: int, taken: set[int]) -> bool:
    """Whether a name stands before, with no sign between that joins two: a salt belongs to what stands before it."""
    for before in range(place - 1, -1, -1):
        if before in taken:
            return True
        if tokens[before].word in _FIRM and not tokens[before].amount:
            return False
    return False


def _beside_name(tokens: Sequence[_Token], place: int, taken: set[int]) -> bool:
    """Whether a salt stands behind a name, or before one as Romance languages put it ("besilato de anlodipino")."""
    of = place + 1 < len(tokens) and tokens[place + 1].word in _OF
    return _behind_name(tokens, place, taken) or (of and place + 2 in taken)


def _is_suffix(tokens: Sequence[_Token], place: int, taken: set[int]) -> bool:
    """The four letters that the FDA puts behind the name of a biological medicine ("adalimumab-adaz")."""
    if len(tokens[place].word) != 4 or place < 2 or tokens[place - 1].word != "-" or place - 2 not in taken:
        return False
    return _BIOLOGICAL.search(tokens[place - 2].word) is not None


def _joined(tokens: Sequence[_Token], matches: Sequence[_Match]) -> bool:
    """Whether a sign or word that joins ("+", "/", "and") stands between two of the names."""
    gaps = [tokens[a.stop : b.start] for a, b in pairwise(matches)]
    return any(token.word in _lists()["joiners"] and not token.amount for gap in gaps for token in gap)


def _vehicle(tokens: Sequence[_Token], matches: Sequence[_Match]) -> int:
    """The place of "in ..." where what follows is what the medicine is dissolved in; else the end."""
    for place, token in enumerate(tokens):
        if token.word == "in" and matches and place >= matches[0].stop:
            rest = " ".join(t.word for t in tokens[place + 1 :])
            if any(rest.startswith(vehicle) for vehicle in _lists()["vehicles"]) or "dose form" in rest:
                return place
    return len(tokens)


def _aside(part: str) -> bool:
    """A bracket that names a company, or holds no word."""
    return not part or bool(_COMPANY.search(part)) or not re.search(r"[a-z]{3}", _AMOUNT.sub(" ", part))


def _join(main: Named, sides: Sequence[Named]) -> Named:
    """The text before the brackets and what stands in them: one explains the other."""
    stated = [side.ingredients for side in sides if side.ingredients]
    if any(side.barred for side in sides):
        return Named(why="the brackets could not be read", seen=main.seen, barred=True)
    if not stated:
        return main
    fullest = max(stated, key=len)
    if main.barred or not all(part <= fullest for part in stated):
        return Named(why="name and brackets disagree", seen=main.seen, barred=True)
    if main.ingredients and fullest <= main.ingredients:
        return main
    if main.seen <= fullest:
        return Named(fullest, seen=fullest)
    return Named(why="name and brackets disagree", seen=main.seen, barred=True)
