"""Longest match of token sequences: one pass, bounded by the longest phrase."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
Accept = Callable[[int, int, T], bool]


@dataclass(slots=True)
class _Node(Generic[T]):
    children: dict[str, _Node[T]] = field(default_factory=dict)
    values: list[T] = field(default_factory=list)


class TokenTrie(Generic[T]):
    """Phrases (sequences of normalised tokens), each with one or more values."""

    def __init__(self, entries: Iterable[tuple[Sequence[str], T]] = ()) -> None:
        self._root: _Node[T] = _Node()
        for phrase, value in entries:
            self.add(phrase, value)

    def add(self, phrase: Sequence[str], value: T) -> None:
        """Add a phrase. Raises ValueError on an empty one."""
        if not phrase:
            raise ValueError("an empty phrase matches everywhere")
        node = self._root
        for word in phrase:
            child = node.children.get(word)
            if child is None:
                child = node.children[word] = _Node()
            node = child
        if value not in node.values:
            node.values.append(value)

    def longest(self, words: Sequence[str], at: int, accept: Accept[T] | None = None) -> tuple[int, list[T]] | None:
        """The longest phrase that begins at ``words[at]``: its length in tokens and its values, else None.

        "#" in a phrase stands for any number. ``accept`` (first token, one past the last, value) may turn values down.
        """
        node, best = self._root, None
        for position in range(at, len(words)):
            following = node.children.get(words[position])
            if following is None and words[position].isdigit():
                following = node.children.get("#")
            if following is None:
                break
            node = following
            values = node.values
            if values and accept is not None:
                values = [value for value in values if accept(at, position + 1, value)]
            if values:
                best = (position + 1 - at, values)
        return best

    def matches(self, words: Sequence[str], accept: Accept[T] | None = None) -> Iterator[tuple[int, int, list[T]]]:
        """Leftmost-longest matches that do not overlap: (first token, one past the last token, values)."""
        at, openings = 0, self._root.children
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
