"""A note and places in it. A place is [start, end) in Unicode code points of the text exactly as it was read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from salus.errors import InputError

# Words keep inner apostrophes (patient's, Crohn’s); every other sign that is not white space is a token of its own.
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_+")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open range [start, end) of code points in one document."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise InputError("a span must have 0 <= start <= end", f"span {self.start}-{self.end}")

    def __len__(self) -> int:
        return self.end - self.start

    def overlaps(self, other: Span) -> bool:
        """True when the two spans share at least one code point."""
        return self.start < other.end and other.start < self.end

    def contains(self, other: Span) -> bool:
        """True when ``other`` lies wholly inside this span."""
        return self.start <= other.start and other.end <= self.end


@dataclass(frozen=True, slots=True)
class Token:
    """One word or sign. ``norm`` is lower case with a straight apostrophe; the rest of the text stays as it was."""

    start: int
    end: int
    norm: str

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Document:
    """A note: an id (a FHIR reference, say) and its text, which is never changed or normalised."""

    id: str
    text: str

    def slice(self, span: Span) -> str:
        """The words at ``span``. Raises InputError when the span reaches past the end."""
        if span.end > len(self.text):
            raise InputError("a span reaches past the end of its document", f"{self.id}, span {span.start}-{span.end}")
        return self.text[span.start : span.end]


def tokenize(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """The tokens of ``text[start:end]`` with offsets in the whole text. Linear in the length."""
    found = _TOKEN.finditer(text, start, len(text) if end is None else end)
    return [Token(m.start(), m.end(), m.group().lower().replace("’", "'")) for m in found]
