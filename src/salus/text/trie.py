"""Longest match of token sequences: one pass, bounded by the longest phrase.

The tables stand for tens of thousands of phrases, of which a note meets a few. So a phrase can be filed by its first
word and is laid down only when that word is met (:meth:`TokenTrie.defer`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Accept = Callable[[int, int, T], bool]
Phrases = Callable[[str], Iterable[tuple[Sequence[str], T]]]

_Node = dict[str, Any]
"""The nodes that follow by their word, and under :data:`_VALUES` the values of the phrase that ends here."""
_VALUES = ""


def _lay_down(node: _Node, phrase: Sequence[str], value: object) -> None:
    if not all(phrase) or not phrase:
        raise ValueError("an empty phrase matches everywhere")
    for word in phrase:
        child = node.get(word)
        if child is None:
            child = node[word] = {}
        node = child
    values = node.setdefault(_VALUES, [])
    if value not in values:
        values.append(value)


class TokenTrie(Generic[T]):
    """Phrases (sequences of normalised tokens), each with one or more values."""

    def __init__(self, entries: Iterable[tuple[Sequence[str], T]] = ()) -> None:
        self._root: _Node = {}
        self._deferred: dict[str, list[Phrases[T]]] = {}
        self._openings: set[str] = set()
        for phrase, value in entries:
            self.add(phrase, value)

    def add(self, phrase: Sequence[str], value: T) -> None:
        """Add a phrase of words that are not empty. Raises ValueError for any other."""
        _lay_down(self._root, phrase, value)
        self._openings.add(phrase[0])

    def defer(self, word: str, phrases: Phrases[T]) -> None:
        """File phrases under their first word: ``phrases`` is asked for those that begin with ``word`` when that is
        first met. Raises ValueError where phrases of that word are laid down already."""
        if word in self._root:
            raise ValueError(f"phrases that begin with {word!r} are laid down already")
        self._deferred.setdefault(word, []).append(phrases)
        self._openings.add(word)

    def _opening(self, word: str) -> _Node | None:
        """The node of a first word. It is hung in when it is whole, so that other threads never see half of it."""
        node: _Node | None = self._root.get(word)
        if node is None and word in self._deferred:
            laid: _Node = {}
            for phrases in self._deferred[word]:
                for phrase, value in phrases(word):
                    _lay_down(laid, phrase, value)
            node = self._root[word] = laid.get(word, {})
        return node

    def longest(self, words: Sequence[str], at: int, accept: Accept[T] | None = None) -> tuple[int, list[T]] | None:
        """The longest phrase that begins at ``words[at]``: its length in tokens and its values, else None.

        "#" in a phrase stands for any number. ``accept`` (first token, one past the last, value) may turn values down.
        """
        step: Callable[[str], Any] = self._opening
        best = None
        for position in range(at, len(words)):
            node = step(words[position])
            if node is None and words[position].isdigit():
                node = step("#")
            if node is None:
                break
            step = node.get
            values: list[T] | None = node.get(_VALUES)
            if values and accept is not None:
                values = [value for value in values if accept(at, position + 1, value)]
            if values:
                best = (position + 1 - at, values)
        return best

    def matches(self, words: Sequence[str], accept: Accept[T] | None = None) -> Iterator[tuple[int, int, list[T]]]:
        """Leftmost-longest matches that do not overlap: (first token, one past the last token, values)."""
        at, openings = 0, self._openings
        while at < len(words):
            if words[at] not in openings and not words[at].isdigit():
                at += 1
                continue
            found = self.longest(words, at, accept)
            if found is None:
                at += 1
                continue
            length, values = found
            yield at, at + length, values
            at += length
