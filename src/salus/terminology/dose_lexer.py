"""From the text of a dose instruction to tokens: words, signs, dates and numbers in figures and words."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

from salus.terminology.dose_model import Span
from salus.terminology.dose_table import numbers, of_kind, stop_words, table, units, vocabulary

LONGEST = 600
"""Characters of an instruction; a longer one is refused unread."""
DIGITS = 7
WIDEST = 8
"""The most that a range's upper bound is of its lower: "5-325 mg" is a combination's strength."""
_VULGAR = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅛": "1/8"}
FRACTIONS = {"1/2", "1/4", "3/4", "1/3", "2/3", "1/8"}
_DOTTED = re.compile(r"(?<![A-Za-z])(?:[A-Za-z]\.){2,}[A-Za-z]?(?![A-Za-z])")
_OPTIONAL_END = re.compile(r"(?<=[A-Za-z])\((?:s|n|en|e|es)\)")
_DECIMAL = r"\d+(?:[.,]\d+)*"
_NUMBER = rf"(?:{_DECIMAL}/{_DECIMAL}|{_DECIMAL}|[.,]\d+)"
_SCHEME = re.compile(
    rf"(?<![\w/.,+-]){_NUMBER}(?:\s?[-+]\s?{_NUMBER}){{2,3}}(?![\w+-]|/(?!\s?(?:d|tag|day|j|jour|die)\b)|[.,]\d)"
)
_UNIT_EACH = re.compile(
    rf"(?<![\w/.,+-]){_NUMBER}(?:\s?[A-Za-z]{{1,9}})?(?:\s?-\s?{_NUMBER}(?:\s?[A-Za-z]{{1,9}})?){{2,3}}(?![\w/+-]|[.,]\d)"
)
_SLASHED = re.compile(r"(?<![\w/.,+-])[0-4](?:\s?/\s?[0-4]){2,3}(?![\w/+-]|[.,]\d)")
"""A scheme with slashes ("1/0/1"); a nought in it tells it from a date or a row of strengths."""
_WEEKDAYS = re.compile(
    r"\b(?:Mo|Di|Mi|Do|Fr|Sa|So)\b\.?(?:\s?(?:,|/|\+|-|bis|und|u\.)?\s?\b(?:Mo|Di|Mi|Do|Fr|Sa|So)\b\.?)+"
)
_DAY_NAMES = {
    "Mo": "montag", "Di": "dienstag", "Mi": "mittwoch", "Do": "donnerstag", "Fr": "freitag", "Sa": "samstag",
    "So": "sonntag",
}  # fmt: skip
_DAYS_TOGETHER = {
    r"\bM[-/, ]?W[-/, ]?F\b": "mon wed fri", r"\bT/?[Tt]h\b|\bT[Uu]/?T[Hh]\b": "tue thu", r"\bM ?- ?F\b": "mon - fri",
}  # fmt: skip
_SAME_HOURS = re.compile(
    r"(?:\bde )?(?<![\w/.,-])(\d{1,2})(?:\s?/\s?|(?:\s?h|\s?hs|\s?horas?)? em )\1\s?(?:h|hs|hrs?|horas?)\b",
    re.IGNORECASE,
)
""" "de 8 em 8 horas", "12/12h": the same number twice is the interval."""
_EVERY_HOURS = re.compile(r"(?:(?<=\d)|\b)c/\s?(?=\d+\s?(?:h|hs|hrs?|horas?|dias?)\b)", re.IGNORECASE)
_FRENCH_CLOCK = re.compile(
    r"\bà \d{1,2} ?h(?:(?:,| et)? (?:à )?\d{1,2} ?h)*\b(?! ?\d| ?d'| ?(?:d|du|de|avant|après)\b)", re.IGNORECASE
)
_NOUGHT_BEFORE = re.compile(
    r"(?<![\w.,/+-])0([1-9])(?= ?(?:comprimidos?|capsulas?|cps?|gotas|ampolas?)\b)", re.IGNORECASE
)
""" "01 comprimido" as printed in Brazil."""
_UK_INTERVAL = re.compile(r"(?<![\w.,/-])(\d{1,2})-(week|month)ly\b", re.IGNORECASE)
_MIXED = re.compile(
    r"(?<![\d/.,-])([1-4])-(1/2|1/4|3/4)(?=\s?(?:tabs?|tablets?|caps?|capsules?|pills?|caplets?|tsp|teaspoons?)\b)",
    re.IGNORECASE,
)
""" "1-1/2 tabs" as printed in the US."""
_INTERNATIONAL = r"(?=\s?(?:IE|UI|IU|I\.E\.|U\.I\.|I\.U\.|Einheiten)(?![A-Za-z]))"
_THOUSANDS = re.compile(rf"(?<![\w.,/-])(?<!\d )([1-9]\d{{0,2}})(?:[. ]000|\.\d{{3}}){_INTERNATIONAL}", re.IGNORECASE)
_TAKE_COUNT = re.compile(r"\bT(\d)T?(?= ?(?:PO|QD|BID|TID|QID|QHS|QAM|DAILY)\b)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?|\d{1,2}([./])\d{1,2}\1(?:\d{4}|\d\d)(?![\d/])")
_CLOCK = re.compile(r"(?:[01]?\d|2[0-3])[:.][0-5]\d(?=\s?(?:uhr|h\b|am\b|pm\b)|(?<=:[0-5]\d))", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")
_COMPOUND = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)+")
_VITAMIN = re.compile(r"(?<![A-Za-z\d])[A-PR-WYZ]\d{1,2}(?![\w.,/-]|\s*(?:x|times)\b)")
_PLAIN = re.compile(_NUMBER)
_ROMAN = {"i": 1, "ii": 2, "iii": 3}

_BEFORE_UNIT = {"a": 1, "an": 1, "um": 1, "due": 2}
"""Words that are numbers only directly before a counted unit: "um" is "at" and "due" is "owing" elsewhere."""
_ITALIAN = ("volte", "giorni", "ore", "settimane", "mesi")
_AND = ("and", "et", "y", "e", "en", "und")
_PARTS = (Fraction(1, 2), Fraction(1, 4), Fraction(3, 4))
_TO = ("-", "to", "thru", "through", "until", "bis", "tot", "a", "al", "au")
_AFTER_ROMAN = ("po", "qd", "bd", "bid", "tds", "tid", "qds", "qid", "qhs", "nocte", "mane", "prn")
"""What follows a Roman number that begins an instruction and counts doses ("i po qd")."""


class Unreadable(Exception):
    """The text holds something that has no certain meaning; the message says what kind of thing."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text. ``value`` is the number of a number token, its bounds where it is a range."""

    kind: str
    text: str
    raw: str = ""
    value: Span | None = None


_PLAINER = {
    "×": "x", "✕": "x", "–": "-", "—": " - ", "‐": "-", "‑": "-", "−": "-", "’": "'", "µ": "u", "μ": "u", "ß": "ss",
}  # fmt: skip
_GLUED_TIMES = re.compile(r"(?<=\d)\s?x(?=(?:tgl|taegl|taglich|taeglich|daags|daily|weekly|d|wk)\b)", re.IGNORECASE)
_THREE_DECIMALS = re.compile(r"[1-9]\d{0,2}([.,])\d{3}")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:(?:,\d{3})+(?:\.\d+)?|(?:\.\d{3}){2,}|(?:\.\d{3})+,\d+)")
_SIGNS = {"&": "and", "+": "and", "@": "at", "~": ",", ";": ";", "\n": ";", "|": ","}


def fold(text: str) -> str:
    """Text in plain letters and signs, without accents: "täglich" is "taglich", "1½" is "1 1/2"."""
    text = re.sub(r"[\u00a0\u202f\u2009]", " ", text)
    for sign, plain in _PLAINER.items():
        text = text.replace(sign, plain)
    for sign, plain in _VULGAR.items():
        text = text.replace(sign, f" {plain} ")
    text = unicodedata.normalize("NFC", text)
    text = _FRENCH_CLOCK.sub(lambda m: re.sub(r"(\d{1,2}) ?h", _full_hour, m[0], flags=re.IGNORECASE), text)
    text = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    text = _THOUSANDS.sub(lambda m: m[0].replace(".", "").replace(" ", ""), text)
    text = _DOTTED.sub(lambda m: m[0].replace(".", ""), text)
    text = _WEEKDAYS.sub(_german_days, text)
    for together, days in _DAYS_TOGETHER.items():
        text = re.sub(together, days, text)
    text = _SAME_HOURS.sub(r"cada \1 horas", text)
    text = re.sub(r"\b(al?|ao) (medio|meio)[ -]dia\b", r"\1 \2dia", text, flags=re.IGNORECASE)
    text = re.sub(r"\b(medi|mei)a[ -](noche|noite)\b", r"\1a\2", text, flags=re.IGNORECASE)  # midnight is no half
    text = _NOUGHT_BEFORE.sub(r"\1", text)
    text = _UK_INTERVAL.sub(r"every \1 \2s", text)
    text = _EVERY_HOURS.sub(" cada ", text)
    text = _TAKE_COUNT.sub(r"take \1", _MIXED.sub(r"\1 \2", text))
    text = re.sub(r"(?<=desayuno)/|/(?=cena\b|comida\b)", ",", text, flags=re.IGNORECASE)
    text = _GLUED_TIMES.sub(" x ", _OPTIONAL_END.sub("", text))
    text = re.sub(r"(?<=[a-z])-(?=(?:half|quarter|quarts?|times?|daily|weekly)\b)", " ", text, flags=re.IGNORECASE)
    text = re.sub(r"\bb/d\b", "bd", text, flags=re.IGNORECASE)
    return _UNIT_EACH.sub(_unit_once, text)


def _german_days(found: re.Match[str]) -> str:
    """ "Mo, Mi-Fr" in full: the days have no other short form, but alone each may be a word."""
    parts = re.findall(r"[A-Z][a-z]|-|bis", found[0])
    return " ".join(_DAY_NAMES.get(part, "-") for part in parts)


def _full_hour(found: re.Match[str]) -> str:
    return f"{int(found[1]):02}:00" if int(found[1]) < 24 else found[0]


def _unit_once(scheme: re.Match[str]) -> str:
    """ "20 mg-0-20 mg" as "20-0-20 mg": a scheme whose amounts each bear one and the same unit."""
    parts = [re.fullmatch(rf"\s?({_NUMBER})\s?([A-Za-z]*)\s?", part) for part in scheme[0].split("-")]
    amounts = [(part[1], part[2]) for part in parts if part]
    written = {unit for amount, unit in amounts if amount != "0" or unit}
    unit = min(written, default="")
    if len(amounts) != len(parts) or len(written) != 1 or unit.lower() not in units():
        return scheme[0]
    return f"{'-'.join(amount for amount, _ in amounts)} {unit}"


def tokens(text: str) -> list[Token]:
    """The tokens of an instruction. Raises :class:`Unreadable` for a number that can be read in two ways."""
    if len(text) > LONGEST:
        raise Unreadable("it is too long to be one instruction")
    folded = fold(text)
    words = {word.lower() for word in _WORD.findall(folded)}
    language = table()["language"]
    english = bool(words & set(language["english"])) and not words & set(language["other"])
    found: list[Token] = []
    at = 0
    while at < len(folded):
        token, at = _token(folded, at, english)
        if token:
            found.append(token)
    return _ranges(_day_ranges(_and_a_half(_without_repeats(_written_numbers(_spelled(found))))))


def _token(text: str, at: int, english: bool) -> tuple[Token | None, int]:
    for kind, pattern in (("date", _DATE), ("clock", _CLOCK), ("scheme", _SCHEME)):
        match = pattern.match(text, at)
        if match and not (at and text[at - 1].isdigit()):
            return Token(kind, match[0]), match.end()
    match = _SLASHED.match(text, at)
    if match and "0" in match[0] and not any(fraction in match[0] for fraction in FRACTIONS):
        return Token("scheme", match[0].replace("/", "-")), match.end()
    match = _PLAIN.match(text, at)
    if match:
        if "/" in match[0] and match[0] not in FRACTIONS:
            return Token("ratio", match[0]), match.end()
        return Token("number", match[0], value=Span.of(number(match[0], english))), match.end()
    match = _name(text, at) or _WORD.match(text, at)
    if match:
        return Token("word", match[0].lower(), match[0]), match.end()
    sign = text[at]
    if sign in _SIGNS:
        kind = "word" if _SIGNS[sign].isalpha() else "sign"
        return Token(kind, _SIGNS[sign], sign), at + 1
    if sign.isspace() or sign in "\"'":
        return None, at + 1
    return Token("sign", sign, sign), at + 1


def _name(text: str, at: int) -> re.Match[str] | None:
    """A word that no part of means anything here: "co-codamol", "B12"."""
    match = _COMPOUND.match(text, at)
    if match and not {part for part in match[0].lower().split("-") if len(part) > 1} & vocabulary():
        return match
    return _VITAMIN.match(text, at)


def number(text: str, english: bool) -> Fraction:
    """A written number. ``english``: the words around it are, so that the comma parts thousands.

    Raises :class:`Unreadable` where a point or comma before three digits may be either ("1.250", "1,250").
    """
    if sum(c.isdigit() for c in text) > DIGITS:
        raise Unreadable("a number in it is too long")
    if "/" in text:
        return Fraction(text)
    if re.fullmatch(r"0\d+.*", text):
        raise Unreadable("a number in it begins with a nought")
    if _THREE_DECIMALS.fullmatch(text):
        if not english or text.endswith(".000"):
            raise Unreadable("a number in it can be read in two ways")
        return Fraction(text.replace(",", ""))
    if _GROUPED.fullmatch(text):
        point = max(text.rfind("."), text.rfind(",")) if {".", ","} <= set(text) else len(text)
        whole, part = text[:point], text[point + 1 :]
        return Fraction(re.sub(r"[.,]", "", whole) + ("." + part if part else ""))
    if text.count(".") + text.count(",") > 1:
        raise Unreadable("a number in it can be read in two ways")
    return Fraction("0" + text.replace(",", ".") if text[0] in ".," else text.replace(",", "."))


def _spelled(found: list[Token]) -> list[Token]:
    """Two neighbouring letters that were swapped are put right where only one word of the table fits."""
    return [
        Token("word", _swapped(t.text), t.raw) if t.kind == "word" and t.text not in vocabulary() else t for t in found
    ]


def _swapped(word: str) -> str:
    if not 3 <= len(word) <= 12:
        return word
    tries = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
    never = stop_words() | of_kind("weekday")  # "thru" is no Thursday
    if len(word) <= 3:
        never |= of_kind("rate", "every")  # a disease is IBD
    fits = {t for t in tries if t in vocabulary() and t not in never}
    return fits.pop() if len(fits) == 1 else word


def _written_numbers(found: list[Token]) -> list[Token]:
    """Numbers in words ("one and a half") and mixed numbers ("1 1/2") as number tokens."""
    result: list[Token] = []
    at = 0
    while at < len(found):
        length, value = _written_number(found, at)
        if length:
            result.append(Token("number", " ".join(t.text for t in found[at : at + length]), value=Span.of(value)))
        else:
            result.append(found[at])
        at += length or 1
    return result


def _written_number(found: list[Token], at: int) -> tuple[int, Fraction]:
    beside = [t.text for t in (*found[max(at - 1, 0) : at], *found[at + 1 : at + 2])]
    if found[at].text in _ROMAN and any(units().get(text, "").startswith("{") for text in beside):
        return 1, Fraction(_ROMAN[found[at].text])
    if at == 0 and found[at].text in _ROMAN and beside and beside[0] in _AFTER_ROMAN:
        return 1, Fraction(_ROMAN[found[at].text])
    following = found[at + 1].text if len(found) > at + 1 else ""
    counted = units().get(following, "")[:1] == "{"
    if found[at].text in _BEFORE_UNIT and (counted or (found[at].text == "due" and following in _ITALIAN)):
        return 1, Fraction(_BEFORE_UNIT[found[at].text])
    texts = [t.text for t in found[at : at + 4]]
    for length in range(min(4, len(texts)), 0, -1):
        value = numbers().get(tuple(texts[:length]))
        if value is not None and not (length == 1 and found[at].kind == "number"):
            return length, value
    two = found[at : at + 2]
    if len(two) == 2 and all(t.kind == "number" and t.value for t in two) and two[1].text in FRACTIONS:
        whole = two[0].value.low if two[0].value else Fraction(0)
        if whole.denominator == 1 and "/" not in two[0].text and 0 < whole <= 4:
            before = found[at - 1] if at else None
            if before and before.kind == "word" and before.text not in vocabulary():
                raise Unreadable("a number in it may be a strength and an amount")
            return 2, whole + Fraction(two[1].text)
        raise Unreadable("a number in it can be read in two ways")
    return 0, Fraction(0)


def _without_repeats(found: list[Token]) -> list[Token]:
    """ "3 (three)" and "ONE (1)" say one number twice: once is enough where they agree."""
    result: list[Token] = []
    at = 0
    while at < len(found):
        result.append(found[at])
        group = found[at + 1 : at + 4]
        in_brackets = len(group) == 3 and group[0].text == "(" and group[2].text == ")"
        if in_brackets and found[at].value is not None and found[at].value == group[1].value:
            at += 3
        at += 1
    return result


def _and_a_half(found: list[Token]) -> list[Token]:
    """ "2 tablets and a half", "dos y media", "tableta y media": what follows "and" adds to the number before it."""
    result: list[Token] = []
    at = 0
    while at < len(found):
        length, number_of = _added(found, at)
        if number_of:
            result += [number_of, *found[at + 1 : at + length - 2]] if found[at].value else [number_of, found[at]]
        else:
            result.append(found[at])
        at += length or 1
    return result


def _added(found: list[Token], at: int) -> tuple[int, Token | None]:
    """How many tokens are one number with a half or a quarter behind its unit, and that number."""
    whole = found[at].value
    if not whole and (not _counted(found, at) or (at and found[at - 1].value)):
        return 0, None
    after = at + 1 + (whole is not None and _counted(found, at + 1))
    two = found[after : after + 2]
    if len(two) < 2 or two[0].text not in _AND or two[0].raw == "E" or not two[1].value:
        return 0, None
    part = two[1].value
    behind_unit = whole is None or after > at + 1
    if not part.exact or part.low not in _PARTS or (behind_unit and _counted(found, after + 2)):
        return 0, None
    if whole and (not whole.exact or whole.low.denominator != 1 or whole.low < 1):
        return 0, None
    value = (whole.low if whole else Fraction(1)) + part.low
    words = " ".join(t.text for t in (*found[at : at + 1], *two)) if whole else f"1 and {two[1].text}"
    return after + 2 - at, Token("number", words, value=Span.of(value))


def _counted(found: list[Token], at: int) -> bool:
    """Whether the word of a counted unit ("tablet") stands at ``at``."""
    return at < len(found) and found[at].kind == "word" and units().get(found[at].text, "").startswith("{")


def _day_ranges(found: list[Token]) -> list[Token]:
    """ "Monday to Friday" and "lundi au vendredi" as "monday - friday", "Mon/Wed" as "mon, wed"."""
    result = list(found)
    days = of_kind("weekday")
    for at in range(1, len(found) - 1):
        if found[at - 1].text in days and found[at + 1].text in days:
            if found[at].text in _TO:
                result[at] = Token("sign", "-", "-")
            elif found[at].text == "/":
                result[at] = Token("sign", ",", ",")
    return result


def _ranges(found: list[Token]) -> list[Token]:
    """ "1-2" and "one or two" as one number with two bounds."""
    result: list[Token] = []
    at = 0
    while at < len(found):
        three = found[at : at + 3]
        if len(three) == 3 and three[0].value and three[2].value and _joins(three[1]):
            low, high = three[0].value, three[2].value
            if low.high < high.low and high.high <= WIDEST * low.low:
                result.append(Token("number", " ".join(t.text for t in three), value=Span(low.low, high.high)))
                at += 3
                continue
            if three[1].text == "-" or low.high < high.low:
                raise Unreadable("two numbers in it make no range")
        result.append(found[at])
        at += 1
    return result


def _joins(token: Token) -> bool:
    return token.text == "-" if token.kind == "sign" else token.text in table()["range"]["words"]
