"""How strongly a source recommends: a closed list in its order, with the source's own words beside it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from salus.errors import InputError


class Grade(Enum):
    """Strength of a recommendation, strongest first. The value is the word that is shown."""

    CONTRAINDICATED = "contraindicated"
    STRONG = "strong"
    RECOMMENDED = "recommended"
    MODERATE = "moderate"
    SUGGESTED = "suggested"
    CONDITIONAL = "conditional"
    WEAK = "weak"
    PRACTICE_POINT = "practice point"
    CONSIDER = "consider"
    OPTIONAL = "optional"
    NEEDED_INPUT = "needed input"
    WISH = "the person's wish"
    NOT_READ = "not read at the source"

    @property
    def rank(self) -> int:
        """0 for the strongest."""
        return list(Grade).index(self)


@dataclass(frozen=True, slots=True)
class Strength:
    """A grade and, in ``label``, what the source calls it ("grade A", "boxed warning")."""

    grade: Grade
    label: str = ""

    def __str__(self) -> str:
        return f"{self.grade.value} ({self.label})" if self.label else self.grade.value

    @property
    def rank(self) -> int:
        """0 for the strongest."""
        return self.grade.rank

    @classmethod
    def of(cls, words: str | Strength) -> Strength:
        """The strength that ``words`` name: a grade, or a grade with a label in brackets.

        Raises InputError for a word that is no grade: an unknown strength must not be ranked by chance.
        """
        if isinstance(words, Strength):
            return words
        grade, bracket, label = words.partition(" (")
        if bracket and not label.endswith(")"):
            raise InputError("a strength is a grade, or a grade and its label in brackets")
        for known in Grade:
            if known.value == grade:
                return cls(known, label[:-1] if bracket else "")
        raise InputError("not a grade of recommendation", remedy=f"one of {', '.join(g.value for g in Grade)}")

    @classmethod
    def stored(cls, words: str) -> Strength:
        """The strength as a store holds it: words of an earlier release that are no grade are kept, and rank last."""
        try:
            return cls.of(words)
        except InputError:
            return cls(Grade.NOT_READ, words)
