"""How far a trigger reaches: so many words in between and no more, and never past the end of its clause."""

from __future__ import annotations

import pytest

from salus.text.context import Context, Sentence
from salus.text.document import Span


def said(text: str, **options: str) -> Context:
    start = text.index("gout")
    return Sentence(text, before_year=2025).assess(Span(start, start + 4), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "words", "after"),
    [
        ("He does not ", 9, "gout"),  # "not" speaks of the next words, not of the whole sentence
        ("He had non ", 2, "gout"),
        ("Resolved ", 1, "gout"),
        ("ex ", 0, "gout"),
    ],
)
def test_a_denial_before_reaches_so_far_and_not_a_word_farther(before: str, words: int, after: str) -> None:
    assert said(before + "so " * words + after).negation == "negated"
    assert said(before + "so " * (words + 1) + after).negation == "affirmed"


@pytest.mark.parametrize(("words", "after"), [(3, "negative"), (0, "free"), (8, "subsided"), (3, "absent")])
def test_a_denial_behind_reaches_so_far_and_not_a_word_farther(words: int, after: str) -> None:
    assert said("gout " + "so " * words + after).negation == "negated"
    assert said("gout " + "so " * (words + 1) + after).negation == "affirmed"


def test_a_doubt_reaches_so_far_and_not_a_word_farther() -> None:
    assert said("possible " + "so " * 12 + "gout").certainty == "uncertain"
    assert said("possible " + "so " * 13 + "gout").certainty == "certain"
    assert said("gout " + "so " * 8 + "suspected").certainty == "uncertain"
    assert said("gout " + "so " * 9 + "suspected").certainty == "certain"


def test_what_has_no_reach_of_its_own_speaks_of_its_whole_clause_but_not_of_a_page() -> None:
    assert said("denies " + "so " * 60 + "gout").negation == "negated"
    assert said("denies " + "so " * 150 + "gout").negation == "negated"
    assert said("denies " + "so " * 151 + "gout").negation == "affirmed"


@pytest.mark.parametrize(
    ("text", "negation"),
    [
        ("denies fever; gout", "affirmed"),
        ("denies fever but gout", "affirmed"),
        ("denies fever, chills, gout", "negated"),
        ("never used aspirin, gout", "affirmed"),
        ("never used gout", "negated"),
        ("gout, fever was ruled out", "negated"),
        ("gout; fever was ruled out", "affirmed"),
        ("gout but fever was ruled out", "affirmed"),
    ],
)
def test_a_denial_ends_with_its_clause(text: str, negation: str) -> None:
    assert said(text).negation == negation


def test_the_three_nearest_triggers_of_a_kind_are_the_evidence() -> None:
    assert len(said("denies, denies, denies, denies gout").of("negation")) == 3
