"""UCUM expressions: what a unit code measures and by what exact factor. Codes are case-sensitive.

Reads prefixes, powers, products, quotients, parentheses, annotations and the two special temperatures. Stricter than
UCUM in three ways, because a record's numbers hang on it: an annotation is part of the unit ("mg/L{FEU}" is not
"mg/L"), unless units.toml lists it as one that changes nothing; a ratio remembers what it is a ratio of ("mg/g" is not
"%"); an equivalent is no mole and a drop no volume.
Source: The Unified Code for Units of Measure 2.2; table ``ucum.tsv``, made by tools/make_units.py.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from salus.errors import UnitError

LONGEST = 60
"""Characters in an expression: longer ones are refused unread."""
_DEEPEST = 5
_TOKEN = re.compile(r"[./()]|\{[^{}]*\}|(?:10[*^])|\d+(?![*^])|(?:[A-Za-z%'_]|\[[^\[\]]*\])+|[+-]")
_FACTOR = re.compile(r"10{0,9}|24")
"""Numbers that stand in units: powers of ten, and the hours of a day."""
_PREFIXES = {
    "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1, "d": -1, "c": -2, "m": -3,
    "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}  # fmt: skip
_SPECIAL = {"Cel": (Fraction(1), Fraction("273.15")), "[degF]": (Fraction(5, 9), Fraction("459.67") * 5 / 9)}
_SAME = {"l": "L", "[iU]": "[IU]", "10^": "10*"}


@dataclass(frozen=True, slots=True)
class Unit:
    """A parsed unit. ``base`` = value x ``factor`` + ``offset`` in the base units of its ``kind``.

    Two units convert into each other when their kinds are equal. ``code`` is the expression in one spelling.
    """

    code: str
    kind: str
    factor: Fraction
    offset: Fraction = Fraction(0)


@dataclass(slots=True)
class _Term:
    """A product under construction: its factor, and the dimensions above and below the line."""

    factor: Fraction
    above: Counter[str]
    below: Counter[str]

    def times(self, other: _Term, power: int) -> None:
        """Multiply by ``other`` raised to ``power``."""
        self.factor *= other.factor**power
        for dimensions, up in ((other.above, True), (other.below, False)):
            place = self.above if up == (power > 0) else self.below
            for name, exponent in dimensions.items():
                place[name] += exponent * abs(power)

    def reduced(self) -> _Term:
        """The same with what stands above and below cancelled."""
        return _Term(self.factor, self.above - self.below, self.below - self.above)


@cache
def settings() -> dict[str, Any]:
    """The tables of units.toml."""
    return tomllib.loads(files("salus.fhir").joinpath("units.toml").read_text("utf-8"))


@cache
def _atoms() -> dict[str, tuple[bool, str, str]]:
    lines = files("salus.fhir").joinpath("ucum.tsv").read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")][1:]
    return {code: (prefixes == "yes", factor, unit) for code, prefixes, factor, unit in rows}


@cache
def _atom(code: str) -> _Term:
    _, factor, unit = _atoms()[code]
    if not unit:
        return _Term(Fraction(1), Counter({code: 1}), Counter())
    found = _Term(Fraction(factor), Counter(), Counter())
    found.times(_Reader(unit, any_factor=True).term(0), 1)
    return found.reduced()


def _simple(code: str) -> _Term | None:
    atoms = _atoms()
    if code in ("10*", "10^"):
        return _Term(Fraction(10), Counter(), Counter())
    if code in atoms and code not in _SPECIAL:
        return _atom(code)
    for length in (2, 1):
        prefix, rest = code[:length], code[length:]
        if prefix in _PREFIXES and rest in atoms and atoms[rest][0]:
            term = _atom(rest)
            return _Term(term.factor * Fraction(10) ** _PREFIXES[prefix], term.above, term.below)
    return None


def _annotation(text: str) -> Counter[str]:
    inert = text[1:-1].strip().lower() in settings()["annotation"]["inert"]
    return Counter() if inert else Counter({text: 1})


class _Reader:
    """A recursive reader of one expression; raises ValueError where the grammar ends.

    ``any_factor``: numbers other than powers of ten may stand in it, as they do in the definitions of the table.
    """

    def __init__(self, code: str, any_factor: bool = False) -> None:
        self.any_factor = any_factor
        self.tokens = _TOKEN.findall(code)
        if "".join(self.tokens) != code:
            raise ValueError(code)
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def term(self, depth: int) -> _Term:
        if depth > _DEEPEST:
            raise ValueError("too deep")
        found = _Term(Fraction(1), Counter(), Counter())
        sign = 1
        if self.peek() == "/":
            self.take()
            sign = -1
        while True:
            found.times(self.component(depth), sign)
            if self.peek() not in (".", "/"):
                return found
            sign = 1 if self.take() == "." else -1

    def component(self, depth: int) -> _Term:
        token = self.take()
        if token in ("(",):
            inner = self.term(depth + 1)
            if self.take() not in (")",):
                raise ValueError("a bracket is open")
            return inner
        if token.startswith("{"):
            return _Term(Fraction(1), _annotation(token), Counter())
        if token.isdigit():
            if not (self.any_factor or _FACTOR.fullmatch(token)):
                raise ValueError(token)  # "mL/min/1.73" is no division by 1 and 73
            number = _Term(Fraction(int(token)), Counter(), Counter())
            if self.peek().startswith("{"):
                number.above.update(_annotation(self.take()))
            return number
        term = _simple(token)
        if term is None:
            raise ValueError(token)
        found = _Term(Fraction(1), Counter(), Counter())
        found.times(term, self.exponent(most=30 if token in ("10*", "10^") else 4))
        if self.peek().startswith("{"):
            found.above.update(_annotation(self.take()))
        return found

    def exponent(self, most: int) -> int:
        sign = {"+": 1, "-": -1}.get(self.peek(), 0)
        if sign:
            self.take()
        if not self.peek().isdigit():
            if sign:
                raise ValueError("a sign without a number")
            return 1
        power = int(self.take()) * (sign or 1)
        if not 0 < abs(power) <= most:
            raise ValueError("exponent")
        return power


def _kind(term: _Term) -> str:
    cancelled = term.above & term.below
    parts = [f"{n}{e if e != 1 else ''}" for n, e in sorted((term.above - term.below).items())]
    parts += [f"{n}-{e}" for n, e in sorted((term.below - term.above).items())]
    parts += [f"{n}{e if e != 1 else ''}/{n}{e if e != 1 else ''}" for n, e in sorted(cancelled.items())]
    return ".".join(parts) or "1"


@lru_cache(maxsize=4096)
def parse(code: str) -> Unit:
    """The unit that a UCUM ``code`` stands for. Raises :class:`UnitError` for what is not UCUM or not in the table."""
    refused = UnitError(f"the unit {code[:30]!r} is not known", remedy="write it in UCUM")
    if not code or len(code) > LONGEST:
        raise refused
    if code in _SPECIAL:
        return Unit(code, "K", *_SPECIAL[code])
    try:
        reader = _Reader(code)
        term = reader.term(0)
    except (ValueError, RecursionError):
        raise refused from None
    if reader.peek():
        raise refused
    own = {unit: name for name, unit in settings()["own-kind"].items()}
    spelled = _spelled(reader.tokens)
    return Unit(spelled, f"{own[spelled]}!" if spelled in own else _kind(term), term.factor)


def _spelled(tokens: list[str]) -> str:
    """The expression with litre and international unit in one spelling."""
    fixed = []
    for token in tokens:
        atom = token if token in _atoms() else ""
        rest = token[1:] if not atom and token[:1] in _PREFIXES else ""
        fixed.append(_SAME.get(atom) or (token[0] + _SAME[rest] if rest in _SAME else _SAME.get(token, token)))
    return "".join(fixed)


def forget() -> None:
    """Drop what was read of the tables, after they were made anew."""
    for cached in (settings, _atoms, _atom, parse):
        cached.cache_clear()
