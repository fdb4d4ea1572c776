"""What the shipped tables already say, as the readers of releases ask it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any

from salus.terminology.conditions import Conditions
from salus.terminology.diagnosis_words import Words, plain_words, title_digest
from salus.terminology.medicine_words import Reader
from salus.terminology.tables import Tables, shipped_file
from salus.terminology.words import fold

__all__ = ["Known"]

INERT = "inert ingredients"
SHORT = 5
"""A name of one word with no more letters may be an abbreviation of anything."""


class Known:
    """The shipped tables."""

    def __init__(self) -> None:
        self.tables = Tables((shipped_file(),))
        self.conditions = Conditions(self.tables)
        self.words = Words(self.tables)

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.tables)

    def codes(self, kind: str, system: str) -> Iterator[tuple[Any, ...]]:
        """(code, names, aspect) of every code of a system."""
        rows = self.tables.files[0].query(
            "SELECT code, names, aspect FROM code JOIN meaning ON meaning.id = code.meaning "
            "WHERE kind = ? AND system = ?", kind, system,
        )  # fmt: skip
        yield from rows

    def title_of(self, term: str, names: str) -> bytes | None:
        """The digest under which a diagnosis's name is to stand; None where it must not.

        A name that states an aspect ("history of ...") is taken apart before look-up; one that the shipped tables know
        keeps its meaning; one of no concept counts only where the rules over words find none in it either, and is no
        abbreviation.
        """
        plain = plain_words(term)
        if not plain or self.words.split(plain) != ("active", plain):
            return None
        digest = title_digest(plain)
        if self.tables.title(digest) is not None:
            return None
        if not names and ((" " not in plain and len(plain) <= SHORT) or self.words.by_rules(plain)):
            return None
        return digest

    @lru_cache(maxsize=50_000)  # noqa: B019  the object lives as long as one load
    def ingredient(self, name: str) -> str:
        """The ingredients that a substance's or product's words name, joined by "+"; "" where not all can be read."""
        read = self._reader.read(name)
        return "+".join(sorted(read.ingredients)) if read.ingredients else ""

    def of_product(self, system: str, code: str) -> str:
        """The ingredients of a code that the shipped tables know; "" for others."""
        found = self.tables.product(system, code)
        return found[0] if found else ""

    def has_name(self, kinds: tuple[str, ...], name: str) -> bool:
        """Whether the shipped tables know a name."""
        return any(self.tables.name(kind, fold(name)) is not None for kind in kinds)


def together(sets: set[str]) -> str:
    """The union of sets of ingredients, each joined by "+", without what has no effect."""
    names = {name for part in sets for name in part.split("+")}
    if len(names) > 1:
        names.discard(INERT)
    return "+".join(sorted(names))
