"""Names with more than one meaning: a "stent" may lie in a ureter, "MI" beside "AI" is a leaking mitral valve.

The words of the sentence, and of the heading above it, tell which is meant (``data/senses.toml``). Where they speak for
another meaning the name is dropped or taken for that; where they leave it open, the name is in doubt.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import takewhile
from typing import Literal

from salus.text.document import Token
from salus.text.lexicon import Entry, Match, problem_of

Verdict = Literal["own", "doubt", "nothing"]

_NEAR = 3  # words before or after a name that stand beside it
_AROUND = 4  # words before or after a name in which another meaning has to stand to be taken for sure
_LISTS = ("own", "beside", "other", "capital", "setting")
_TWO = 2
_PARTS = frozenset(",;.:")
_YEAR = re.compile(r"(?:19|20)\d\d\Z")
_GLUED = ("-", "/", "+")  # "double-j", "s/p" and "1+" are one word of the table


@dataclass(frozen=True, slots=True)
class _Sense:
    alone: Verdict
    otherwise: Verdict
    own: frozenset[str]
    beside: frozenset[str]
    other: frozenset[str]
    capital: frozenset[str]
    setting: frozenset[str]
    graded: Entry | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A name as it is meant; ``doubtful`` where the words around it leave that open."""

    match: Match
    doubtful: bool = False


@cache
def _table() -> tuple[dict[str, list[_Sense]], frozenset[str]]:
    table = tomllib.loads(resources.files("salus.text").joinpath("data", "senses.toml").read_text("utf-8"))
    found: dict[str, list[_Sense]] = {}
    for row in table["sense"]:
        words = {name: frozenset(row.get(name, "").split()) for name in _LISTS}
        graded = problem_of(row["graded"]) if "graded" in row else None
        sense = _Sense(row["alone"], row["else"], graded=graded, **words)
        for name in row["names"]:
            found.setdefault(name, []).append(sense)
    return found, frozenset(table["degrees"].split())


def judge(text: str, tokens: Sequence[Token], heading: Sequence[Token], found: Sequence[Match]) -> list[Judged]:
    """``found`` without the names that mean something else, each told whether it is in doubt. Linear in the length."""
    senses, _ = _table()
    judged: list[Judged] = []
    around: _Around | None = None
    for match in found:
        rows = senses.get(" ".join(text[match.span.start : match.span.end].lower().split()), ())
        if not rows or match.entry.kind != "problem":
            judged.append(Judged(match))
            continue
        around = _Around(text, tokens, heading) if around is None else around
        one = _meant(around, match, rows)
        judged += [one] if one is not None else []
    return judged


class _Around:
    """The words of a sentence and its heading, as the table writes them, with their places."""

    def __init__(self, text: str, tokens: Sequence[Token], heading: Sequence[Token]) -> None:
        self.words = [token.norm for token in tokens]
        self.starts = [token.start for token in tokens]
        self.ends = [token.end for token in tokens]
        together = [*tokens, *heading]
        self.all = {token.norm for token in together} | set(_glued(together))
        self.written = {text[token.start : token.end] for token in together}


def _glued(tokens: Sequence[Token]) -> list[str]:
    """Words with a sign within or behind, as one: "s/p", "double-j", "1+"."""
    found = []
    for at, token in enumerate(tokens):
        if token.norm in _GLUED and at:
            before = tokens[at - 1]
            found.append(before.norm + token.norm)
            if at + 1 < len(tokens):
                found.append(before.norm + token.norm + tokens[at + 1].norm)
    return found


def _meant(around: _Around, match: Match, rows: Sequence[_Sense]) -> Judged | None:
    doubtful = False
    for sense in rows:
        verdict = _verdict(around, match, sense)
        if isinstance(verdict, Entry):
            return Judged(Match(match.span, verdict))
        if verdict == "nothing":
            return None
        doubtful = doubtful or verdict == "doubt"
    return Judged(match, doubtful)


def _verdict(around: _Around, match: Match, sense: _Sense) -> Verdict | Entry:
    other = bool(sense.other & around.all) or bool(sense.capital & around.written)
    own = bool(sense.own & around.all)
    first = next(i for i, end in enumerate(around.ends) if end > match.span.start)
    last = next((i for i, start in enumerate(around.starts) if start >= match.span.end), len(around.words))
    before, after = around.words[max(0, first - _NEAR) : first], around.words[last : last + _NEAR]
    if sense.graded is not None and (other or sense.setting & around.all) and _is_graded(before, after):
        return sense.graded
    if not other:
        return "own" if own else sense.alone
    near = {*before, *after, *_pairs(before), *_pairs(after)}
    if sense.beside & near or (sense.beside and any(_YEAR.match(word) for word in after)):
        return "own"
    wider = _until(around.words[max(0, first - _AROUND) : first][::-1])[::-1]
    behind = _until(around.words[last : last + _AROUND])
    sure = not own and sense.other & {*wider, *behind, *_pairs(wider), *_pairs(behind)}
    return sense.otherwise if sure else "doubt"


def _until(words: Sequence[str]) -> list[str]:
    """The words up to a sign that parts the items of a list."""
    return list(takewhile(lambda word: word not in _PARTS, words))


def _is_graded(before: Sequence[str], after: Sequence[str]) -> bool:
    """True beside a word of degree: "mild MI", "MI 2+", "MI (mild)"; in "MI: mild MR" it is another name's."""
    _, degrees = _table()
    if any(word in degrees for word in (*before[-1:], "".join(before[-2:]), *before[-2:-1])):
        return True
    behind = [word for word in after if word not in ("(", ":", "-")]
    alone = len(behind) < _TWO or not behind[1].isalpha()
    return bool(behind) and (behind[0] in degrees or "".join(behind[:2]) in degrees) and alone


def _pairs(words: Sequence[str]) -> list[str]:
    return ["".join(words[at : at + 3]) for at in range(len(words) - 2)]
