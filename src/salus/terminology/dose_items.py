"""From the tokens of a dose instruction to items of meaning: the longest forms of dose_words.toml, amounts, the rest.

Every token must be known: what the table does not hold becomes an item of kind "unknown", and the grammar decides
whether a name may stand there. Nothing is skipped silently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from salus.terminology.dose_lexer import Token
from salus.terminology.dose_model import Span
from salus.terminology.dose_table import Form, forms, stop_words, units


@dataclass(frozen=True, slots=True)
class Item:
    """Tokens with one meaning. ``n`` is their number; the rest comes from the table."""

    kind: str
    text: str
    n: Span | None = None
    unit: str = ""
    factor: Fraction = Fraction(1)
    names: tuple[str, ...] = ()


def items(found: Sequence[Token]) -> list[Item]:
    """The items of meaning in ``found``, in order: the longest form wins, then a number with its unit."""
    result: list[Item] = []
    at = 0
    while at < len(found):
        length, item = _longest(found, at)
        amount = _amount(found, at)
        if amount and amount[0] > length:
            length, item = amount
        if item is None:
            length, item = 1, _single(found[at])
        result.append(item)
        at += length
    return result


def _longest(found: Sequence[Token], at: int) -> tuple[int, Item | None]:
    first = found[at]
    keys = {"number": "<n>", "date": "<date>", "clock": "<clock>"}
    candidates = [*forms().get(first.text, ()), *forms().get(keys.get(first.kind, ""), ())]
    best: tuple[int, Item | None] = (0, None)
    for form in candidates:
        length, n = _match(form, found, at)
        if length > best[0]:
            best = length, _item(form.entry, found[at : at + length], n)
    return best


def _match(form: Form, found: Sequence[Token], at: int) -> tuple[int, Span | None]:
    start, n = at, None
    for words, optional in form.elements:
        token = found[at] if at < len(found) else None
        if token and (
            (token.kind in ("word", "sign") and token.text in words and not _other_word(token))
            or f"<{_key(token)}>" in words
        ):
            n = token.value or n
            at += 1
        elif token and token.kind == "number" and token.text in words:
            at += 1
        elif not optional:
            return 0, None
    return at - start, n


def _other_word(token: Token) -> bool:
    """A capital where the small letters are another word: "E" for units, "Di" for Tuesday, "Mo" for Monday."""
    return (token.text in ("e", "di", "da") and token.raw != token.text) or token.raw == "Mo"


def _key(token: Token) -> str:
    return "n" if token.kind == "number" else token.kind


def _item(entry: Mapping[str, Any], matched: Sequence[Token], n: Span | None) -> Item:
    fixed = entry.get("n")
    return Item(
        kind=entry["kind"],
        text=" ".join(t.raw or t.text for t in matched),
        n=Span.of(Fraction(fixed)) if fixed else n,
        unit=entry.get("slot", entry.get("route", "")),
        factor=Fraction(
            entry.get("days", "1") if entry["kind"] in ("per", "rate", "dayshare") else entry.get("unit", "1")
        ),
        names=tuple(entry.get("slots", ())) or ((entry["days"],) if entry["kind"] == "weekday" else ()),
    )


def _amount(found: Sequence[Token], at: int) -> tuple[int, Item] | None:
    """A number with its unit, or a concentration ("250 mg/5 mL", "100 mcg/puff")."""
    two = found[at : at + 2]
    if len(two) < 2 or two[0].value is None:
        return None
    unit = _unit(two[1])
    if not unit:
        return None
    rest = found[at + 2 : at + 5]
    if rest and rest[0].text == "/" and len(rest) > 1:
        per = rest[1].value if rest[1].value else Span.of(1)
        by = _unit(rest[2]) if rest[1].value and len(rest) > 2 else _unit(rest[1])
        if by and per.low > 0:
            length = 5 if rest[1].value else 4
            text = " ".join(t.text for t in found[at : at + length])
            return length, Item("concentration", text, two[0].value.over(per), by, names=(unit,))
    return 2, Item("amount", f"{two[0].text} {two[1].text}", two[0].value, unit)


def _unit(token: Token) -> str:
    if token.kind != "word" or (token.text == "e" and token.raw != "E"):
        return ""
    return units().get(token.text, "")


def _single(token: Token) -> Item:
    if token.value:
        return Item("bare", token.text, token.value)
    if token.kind in ("scheme", "ratio", "date", "clock"):
        return Item(token.kind, token.text)
    if token.kind == "sign":
        kind = {"(": "open", ")": "close", ",": "comma", ":": "colon", ";": "break", ".": "stop", "-": "comma"}
        return Item(kind.get(token.text, "unknown"), token.text)
    if token.text in units():
        return Item("form", token.text, unit=units()[token.text])
    refused = token.text in stop_words()
    return Item("refuse" if refused else "unknown", token.raw)
