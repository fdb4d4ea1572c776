"""Short answers to a label or a question, and questions that nobody answered.

"Hypertension: N", "Diabetes | no", "Do you have diabetes? Not sure", "Stroke: none known". An answer counts only where
its clause ends behind it: in "Asthma: no wheeze" the label is a heading, not what is denied.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources

from salus.text.document import Span, Token, tokenize
from salus.text.marks import Mark, Value, label_start
from salus.text.phrases import ZERO, expand, normal
from salus.text.trie import TokenTrie
from salus.text.wordlists import answer_words

_WIDE = re.compile(r"\t|[ ]{2}|\n")
# "(Y/N)" with nothing behind it
_CHOICE = re.compile(
    r"[(\[]?\b(?:y[ ]?/[ ]?n|yes[ ]?/[ ]?no|yes[ ]{1,3}no|y[ ]{1,3}n)\b[)\]]?+(?![ \t]*[:?]?[ \t]*\w)", re.I
)
_SEPARATORS = frozenset(":=|")
_DASHES = frozenset("-–—")
_OPENINGS = _SEPARATORS | _DASHES | frozenset({".", "…", "?", ">"})
_ENDS = frozenset(",;)]|/(")
_SPEAKERS = frozenset({"a", "pt", "patient", "answer", "ans"})
_AFTER_QUESTION = frozenset(["", ")", ",", ";", ".", "/", '"', "'", "”", "’"])
_BARE = ("no", "yes", "n", "y", ZERO)  # "asthma no", and of a score "stroke 0": answers without a separator
_QUOTES = frozenset("'\"“”‘’")
_LABEL_WITHIN = 5  # tokens in which the colon of the next label must stand
_LONGEST_TAIL = 6


@cache
def _answers() -> TokenTrie[Value]:
    table = tomllib.loads(resources.files("salus.text").joinpath("data/answers_en.toml").read_text("utf-8"))
    trie: TokenTrie[Value] = TokenTrie()
    for row in table["answer"]:
        for phrase in row["phrases"]:
            for sequence in expand(phrase):
                trie.add(sequence, row["value"])
    return trie


def find(text: str, span: Span, tokens: Sequence[Token], taken: Sequence[Mark]) -> list[Mark]:
    """Answers and open questions in ``text[span]``, in order; ``taken`` are marks that already speak there."""
    found = _Reader(text, span, tokens).marks()
    return [mark for mark in found if not any(other.span.overlaps(mark.span) for other in _near(taken, mark))]


def _near(taken: Sequence[Mark], mark: Mark) -> Sequence[Mark]:
    after = bisect_left(taken, mark.span.end, key=lambda other: other.span.start)
    return taken[max(0, after - 2) : after]


class _Reader:
    """One pass over the tokens of a sentence."""

    def __init__(self, text: str, span: Span, tokens: Sequence[Token]) -> None:
        self.text, self.span, self.tokens = text, span, tokens
        self.words = normal(text, self.tokens)
        self.low = span.start

    def marks(self) -> Iterator[Mark]:
        at = 0
        while at < len(self.tokens):
            found = (self._answered(at) or self._unanswered(at)) if self._may_begin(at) else None
            if found is None:
                at += 1
                continue
            yield found
            self.low = found.span.end
            at = max(at + 1, bisect_left(self.tokens, found.span.end, key=lambda token: token.start))
        for choice in _CHOICE.finditer(self.text, self.span.start, self.span.end):
            place = Span(*choice.span())
            yield Mark(place, "answer", "unknown", Span(self._label(self.span.start, place.start), place.start))

    def _may_begin(self, at: int) -> bool:
        """Whether an answer, or what parts it from its label, may begin here: most words are neither."""
        if self.tokens[at].norm in _OPENINGS or self.words[at] in _BARE:
            return True
        gap = self._before(at)
        return gap not in ("", " ") and _WIDE.search(gap) is not None

    def _label(self, low: int, at: int) -> int:
        return label_start(self.text, low, at, answer_words("clause"))

    def _before(self, at: int) -> str:
        """The white space before a token."""
        return self.text[self.tokens[at - 1].end : self.tokens[at].start] if at else ""

    def _is_question(self, at: int) -> bool:
        token = self.tokens[at]
        if token.norm != "?" or self.text[token.end : token.end + 1].strip() not in _AFTER_QUESTION:
            return False
        ends = at + 1 == len(self.tokens) or "\n" in self._before(at + 1)
        return at > 0 and (ends or not self._before(at))

    def _separator(self, at: int) -> int:
        """How many tokens from ``at`` part a label from its answer; 0 for a wide gap; -1 where none does."""
        if at == 0:
            return -1
        length = 0
        while at + length < len(self.tokens):
            word, place = self.tokens[at + length].norm, at + length
            dash = word in _DASHES and self._before(place) and self._gap_after(place)
            dots = word in (".", "…") and (word == "…" or self._dots(place))
            speaker = word in _SPEAKERS and length > 0 and self._word(place + 1) == ":"
            quote = word in _QUOTES and length > 0
            if not (word in _SEPARATORS or quote or dash or dots or speaker or self._is_question(place) or word == ">"):
                break
            length += 1
        return length or (0 if _WIDE.search(self._before(at)) else -1)

    def _dots(self, at: int) -> bool:
        start, end = self.tokens[at].start, self.tokens[at].end
        return "..." in self.text[max(0, start - 2) : end + 2]

    def _word(self, at: int) -> str:
        return self.tokens[at].norm if at < len(self.tokens) else ""

    def _gap_after(self, at: int) -> bool:
        return at + 1 == len(self.tokens) or bool(self._before(at + 1))

    def _answered(self, at: int) -> Mark | None:
        if self._word(at) in (":", "=") and self._word(at + 1) in ("+", "-", "–", "−"):
            return self._signed(at)
        length = self._separator(at)
        bare = length < 0 and at > 0 and self._is_bare(at)
        if length < 0 and not bare:
            return None
        first = at + max(length, 0)
        hit = _answers().longest(self.words, first, lambda one, past, _: self._ends(past, one, tail=not bare))
        if hit is None or (bare and hit[0] == 1 and self._word(at + 1) == "/"):
            return None
        last, value = first + hit[0], hit[1][0]
        separator = self.tokens[at].start if length > 0 else self.tokens[at - 1].end
        start = self._question(separator) if self._word(at) == "?" else self._label(self.low, separator)
        if bare and (self._is_clause(start, separator) or start >= separator):
            return None
        if not any(character.isalnum() for character in self.text[start:separator]):
            return None
        place = Span(self.tokens[first].start, self.tokens[last - 1].end)
        scored = self.words[first] == ZERO and self.words[last - 1] in (ZERO, "#")
        return Mark(place, "score" if scored else "answer", value, Span(start, separator))

    def _is_bare(self, at: int) -> bool:
        """An answer right behind its name; a nought behind a number is a part of something else."""
        before = self._word(at - 1)
        return self.words[at] in _BARE and before.isalnum() and not (self.words[at] == ZERO and before.isdigit())

    def _signed(self, at: int) -> Mark | None:
        """ "DM: + HTN: -"; without a plus beside it a lone dash leaves it open."""
        label = self._label(self.low, self.tokens[at].start)
        if not self._ends(at + 2, at + 1, tail=False) or not self.text[label : self.tokens[at].start].strip():
            return None
        plus = self._word(at + 1) == "+"
        value: Value = "yes" if plus else "no" if "+" in self.words else "unknown"
        return Mark(self.tokens[at + 1].span, "answer", value, Span(label, self.tokens[at].start))

    def _is_clause(self, start: int, end: int) -> bool:
        words = [token.norm for token in tokenize(self.text, start, end)]
        return len(words) > _LABEL_WITHIN or not answer_words("clause").isdisjoint(words)

    def _question(self, at: int) -> int:
        """Where the question begins that ends at ``at``."""
        low = max(self.low, *(self.text.rfind(sign, self.low, at) + 1 for sign in ";?"), 0)
        opening = next((token.norm for token in tokenize(self.text, low, at)), "")
        return low if opening in answer_words("opening") else self._label(low, at)

    def _unanswered(self, at: int) -> Mark | None:
        if not self._is_question(at):
            return None
        token = self.tokens[at]
        return Mark(token.span, "question", "unknown", Span(self._question(token.start), token.start))

    def _ends(self, at: int, first: int, *, tail: bool) -> bool:
        """True when the clause ends before the token ``at``, but for words that change nothing."""
        letter = at - first == 1 and len(self.words[first]) == 1
        for place in range(at, min(len(self.tokens), at + _LONGEST_TAIL) + 1):
            if self._ends_here(place, letter=letter):
                return True
            if not tail or letter or not (self.words[place] in ("#", "<year>") or self._is_tail(place)):
                return False
        return False

    def _is_tail(self, at: int) -> bool:
        return self.words[at] in answer_words("tail") or self.words[at] in ("years", "yrs", "ago", "months")

    def _ends_here(self, at: int, *, letter: bool) -> bool:
        if at >= len(self.tokens):
            return True
        word, gap = self.tokens[at].norm, self._before(at)
        if word == ".":  # "N. Patel" is a name
            return at + 1 == len(self.tokens) or not letter
        if word in _ENDS or word in _QUOTES or _WIDE.search(gap) or (word in _DASHES and gap):
            return True
        return any(self._word(place) in (":", "=") or self._question_at(place) for place in self._label_places(at))

    def _label_places(self, at: int) -> Iterator[int]:
        for place in range(at + 1, min(len(self.tokens), at + _LABEL_WITHIN)):
            if self.tokens[place - 1].norm in (",", ".", ";"):
                return
            yield place

    def _question_at(self, at: int) -> bool:
        return self._word(at) == "?" and self._is_question(at)
