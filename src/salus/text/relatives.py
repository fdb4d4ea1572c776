"""Relatives named in a note: role, sex, side and degree, also where a relative is told by another one.

"paternal uncle", "uncle on her father's side", "father's brother" and "brother of his father" are the same person.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from salus.text.document import Span, Token
from salus.text.phrases import expand
from salus.text.trie import TokenTrie
from salus.text.wordlists import words

_SIDES = {"maternal": "maternal", "mat": "maternal", "paternal": "paternal", "pat": "paternal"}
_SIDE_OF = {"mother": "maternal", "mom": "maternal", "mum": "maternal", "father": "paternal", "dad": "paternal"}
_PARENT_SIDE = {"mother": "maternal", "father": "paternal"}
_QUALIFIERS = words("kin_qualifiers")
_OWNERS = words("owners")
_JOINS = frozenset({"and", "&", "/", "+"})
_BETWEEN = _JOINS | _OWNERS | _QUALIFIERS | frozenset({",", "both", "a", "an", "one", "two"})


@dataclass(frozen=True, slots=True)
class Kin:
    """A relative as far as a note tells. ``role`` "" and ``degree`` None: not told."""

    role: str = ""
    degree: int | None = None
    sex: str = ""
    side: str = ""

    def as_details(self) -> dict[str, str | int | None]:
        """The relative as plain values for the details of a finding."""
        return {"role": self.role, "degree": self.degree, "sex": self.sex, "side": self.side}


@dataclass(frozen=True, slots=True)
class Named:
    """A relative and the tokens [first, last) that name them."""

    first: int
    last: int
    span: Span
    kin: Kin


@cache
def _tables() -> tuple[TokenTrie[Kin], dict[str, Kin], dict[tuple[str, str], str]]:
    """Names of relatives, relatives by role, and the role of a relative's relative."""
    table = tomllib.loads(resources.files("salus.text").joinpath("data/relatives.toml").read_text("utf-8"))
    trie: TokenTrie[Kin] = TokenTrie()
    by_role: dict[str, Kin] = {}
    for row in table["relative"]:
        kin = _kin(row)
        by_role.setdefault(kin.role, kin)
        for phrase in row["words"]:
            for sequence in expand(phrase, numbers=False):
                trie.add(sequence, kin)
                trie.add((*sequence[:-1], sequence[-1] + "'s"), kin)
    of = {
        (owner, relative): role
        for row in table["of"]
        for owner in row["of"].split("|")
        for relative, role in row.items()
        if relative != "of"
    }
    return trie, by_role, of


def _kin(row: dict[str, Any]) -> Kin:
    return Kin(row["role"], row.get("degree"), row.get("sex", ""), row.get("side", ""))


def find(tokens: Sequence[Token]) -> list[Named]:
    """The relatives named in ``tokens``, in order and without overlap. Linear in their number."""
    norms = [token.norm for token in tokens]
    found: list[Named] = []
    for first, last, kins in _tables()[0].matches(norms):
        if _is_side(norms, first, last):
            continue
        named = _with_side(tokens, norms, first, last, kins[0])
        owner = found[-1] if found else None
        if owner and _owns(norms, owner, named):
            found[-1] = _join(tokens, owner, named, _of(owner.kin, named.kin))
        elif owner and _is_of(norms, owner, named):
            found[-1] = _join(tokens, owner, named, _of(named.kin, owner.kin))
        else:
            found.append(named)
    return found


def _is_side(norms: Sequence[str], first: int, last: int) -> bool:
    """True for the father of "on her father's side"."""
    return last < len(norms) and norms[last] == "side" and norms[last - 1].endswith("s")


def _with_side(tokens: Sequence[Token], norms: Sequence[str], first: int, last: int, kin: Kin) -> Named:
    start = first
    while start and norms[start - 1] in _QUALIFIERS:
        start -= 1
    side = _SIDES.get(norms[start - 1], "") if start else ""
    if not side and start > 1 and norms[start - 1] == ".":
        side, start = _SIDES.get(norms[start - 2], ""), start - 1 if norms[start - 2] in _SIDES else start
    start -= bool(side)
    end, told = (last, "") if side else _side_behind(norms, last)
    kin = replace(kin, side=kin.side or side or told)
    return Named(start, end, Span(tokens[start].start, tokens[end - 1].end), kin)


def _side_behind(norms: Sequence[str], last: int) -> tuple[int, str]:
    """ "(maternal)", "on his father's side", "on the maternal side" behind a relative: where it ends, and the side."""
    if norms[last : last + 1] == ["("] and last + 2 < len(norms) and norms[last + 2] == ")":
        side = _SIDES.get(norms[last + 1], "")
        return (last + 3, side) if side else (last, "")
    at = last + 1 if norms[last : last + 1] in (["on"], ["from"]) else 0
    at += bool(at) and norms[at : at + 1] != [] and norms[at] in _OWNERS
    if at and norms[at + 1 : at + 2] == ["side"]:
        owner = re.sub(r"'?s$", "", norms[at])
        side = _SIDES.get(owner, "") or _SIDE_OF.get(owner, "")
        return (at + 2, side) if side else (last, "")
    return last, ""


def _owns(norms: Sequence[str], owner: Named, named: Named) -> bool:
    """ "father's brother", also without the apostrophe; other words than "older" must not stand between."""
    possessive = norms[owner.last - 1].endswith("'s") or norms[owner.last - 1] in ("fathers", "mothers")
    return possessive and all(word in _QUALIFIERS or word in _SIDES for word in norms[owner.last : named.first])


def _is_of(norms: Sequence[str], relative: Named, owner: Named) -> bool:
    """ "brother of his father"."""
    between = norms[relative.last : owner.first]
    return between[:1] == ["of"] and all(word in _OWNERS for word in between[1:])


def _join(tokens: Sequence[Token], one: Named, other: Named, kin: Kin) -> Named:
    return Named(one.first, other.last, Span(tokens[one.first].start, tokens[other.last - 1].end), kin)


def _of(owner: Kin, relative: Kin) -> Kin:
    """The relative of a relative; where the table has none, only the sex and side are known."""
    _, by_role, of = _tables()
    side = owner.side or _PARENT_SIDE.get(owner.role, "") or relative.side
    role = of.get((owner.role, relative.role))
    if role is None:
        return Kin("", None, relative.sex, side)
    return replace(by_role[role], side=side if owner.role not in ("son", "daughter", "child") else "")


def side_of(told: str) -> str:
    """The side that words like "on her father's side" tell of; "" where they tell of none."""
    bare = (re.sub(r"'?s$", "", word.lower().replace("’", "'")) for word in told.split())
    return next((side for word in bare if (side := _SIDES.get(word, ""))), "") or next(
        (_SIDE_OF[word] for word in told.lower().replace("’", "'").replace("'s", "").split() if word in _SIDE_OF), ""
    )


def together(tokens: Sequence[Token], found: Sequence[Named], at: int) -> Iterator[Named]:
    """``found[at]`` and the relatives joined with it by "and": "father and older brother", "mother, aunt & sister"."""
    first = last = at
    while first and _joined(tokens, found[first - 1], found[first]):
        first -= 1
    if not any(_has_join(tokens, found[i], found[i + 1]) for i in range(first, at)):
        first = at
    while last + 1 < len(found) and _joined(tokens, found[last], found[last + 1]):
        last += 1
    if not any(_has_join(tokens, found[i], found[i + 1]) for i in range(at, last)):
        last = at
    yield from found[first : last + 1]


def _joined(tokens: Sequence[Token], one: Named, other: Named) -> bool:
    return all(token.norm in _BETWEEN for token in tokens[one.last : other.first]) and other.first > one.last


def _has_join(tokens: Sequence[Token], one: Named, other: Named) -> bool:
    return any(token.norm in _JOINS for token in tokens[one.last : other.first])
