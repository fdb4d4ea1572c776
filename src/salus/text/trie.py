"""Longest match of token sequences: one pass, bounded by the longest phrase."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Accept = Callable[[int, int, T], bool]


_Node = dict[str, Any]
"""The nodes that follow by their word, and under :data:`_VALUES` the values of the phrase that ends here. Plain: the
tables hold tens of thousands of them, and are laid down in every process that reads a note."""
_VALUES = ""


class TokenTrie(Generic[T]):
    """Phrases (sequences of normalised tokens), each with one or more values."""

    def __init__(self, entries: Iterable[tuple[Sequence[str], T]] = ()) -> None:
        self._root: _Node = {}
        for phrase, value in entries:
            self.add(phrase, value)

    def add(self, phrase: Sequence[str], value: T) -> None:
        """Add a phrase of words that are not empty. Raises ValueError for any other."""
        if not all(phrase) or not phrase:
            raise ValueError("an empty phrase matches everywhere")
        node = self._root
        for word in phrase:
            child = node.get(word)
            if child is None:
                child = node[word] = {}
            node = child
        values = node.setdefault(_VALUES, [])
        if value not in values:
            values.append(value)

    def longest(self, words: Sequence[str], at: int, accept: Accept[T] | None = None) -> tuple[int, list[T]] | None:
        """The longest phrase that begins at ``words[at]``: its length in tokens and its values, else None.

        "#" in a phrase stands for any number. ``accept`` (first token, one past the last, value) may turn values down.
        """
        node, best = self._root, None
        for position in range(at, len(words)):
            following = node.get(words[position])
            if following is None and words[position].isdigit():
                following = node.get("#")
            if following is None:
                break
            node = following
            values: list[T] | None = node.get(_VALUES)
            if values and accept is not None:
                values = [value for value in values if accept(at, position + 1, value)]
            if values:
                best = (position + 1 - at, values)
        return best

    def matches(self, words: Sequence[str], accept: Accept[T] | None = None) -> Iterator[tuple[int, int, list[T]]]:
        """Leftmost-longest matches that do not overlap: (first token, one past the last token, values)."""
        at, openings = 0, self._root
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
