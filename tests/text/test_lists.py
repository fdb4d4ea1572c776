"""Which sentences are items of a list, and of which; questions and their answers."""

from __future__ import annotations

import pytest

from salus.text.document import Span
from salus.text.lists import with_leads
from salus.text.sentences import exchanges, sentences


def items(text: str) -> list[tuple[str, str]]:
    """(item, words that open its list) of every item."""
    return [
        (text[span.start : span.end], text[lead.start : lead.end])
        for span, lead in with_leads(text, sentences(text))
        if lead is not None
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Denies:\n- gout\n- cough", [("- gout", "Denies:"), ("- cough", "Denies:")]),
        ("Denies:\n1. gout\n2) cough", [("1. gout", "Denies:"), ("2) cough", "Denies:")]),
        ("Denies:\ngout\ncough", [("gout", "Denies:"), ("cough", "Denies:")]),
        ("Denies:\n\n- gout\n\n- cough", [("- gout", "Denies:"), ("- cough", "Denies:")]),
        ("Denies\n- gout", [("- gout", "Denies")]),
        ("Denies\ngout", []),
        ("Denies:\n- gout\ncough", [("- gout", "Denies:")]),
        ("Denies:\ngout\n- cough", [("gout", "Denies:")]),
        ("Denies:\n\ngout", []),
        ("Denies:\n\n\n- gout", []),
        ("Denies:\n- gout\n\n\n- cough", [("- gout", "Denies:")]),
        ("Denies:\ngout: cough", []),
        ("Denies:\ngout.", []),
        ("Denies:\n" + "gout " * 40, []),
        ("Denies: gout\ncough", []),
        ("Denies:\n- gout\nReports:\n- cough", [("- gout", "Denies:"), ("- cough", "Reports:")]),
        ("Denies:\n- gout. B is told.\n- stroke", [("- gout.", "Denies:"), ("- stroke", "Denies:")]),
        ("Seen. Denies:\n- gout", [("- gout", "Denies:")]),
        ("Father\n- gout\nMother\n- cough", [("- gout", "Father"), ("- cough", "Mother")]),
        ("Maternal aunt\n- gout", [("- gout", "Maternal aunt")]),
        ("Fatherly advice\n- gout", []),
        ("- gout\n- cough", []),
        ("x " * 100 + ":\n- gout", []),
    ],
)
def test_items_and_what_opens_them(text: str, expected: list[tuple[str, str]]) -> None:
    assert items(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Gout? No. Stroke? Yes.", ["Gout? No.", "Stroke? Yes."]),
        ("Gout?\nNo", ["Gout?\nNo"]),
        ("Gout?\n- Not sure", ["Gout?\n- Not sure"]),
        ("Gout? A: No", ["Gout? A: No"]),
        ("Gout?\n\nNo", ["Gout?", "No"]),
        ("Gout?\nNo word of it was said", ["Gout?", "No word of it was said"]),
        ("Gout? He smokes.", ["Gout?", "He smokes."]),
        ("? TIA", ["? TIA"]),
        ("PE ? DVT", ["PE ? DVT"]),
        ("?\nTIA", ["?", "TIA"]),
        ("Gout ..... no", ["Gout ..... no"]),
        ("Gout. No", ["Gout.", "No"]),
    ],
)
def test_a_question_stays_with_its_answer(text: str, expected: list[str]) -> None:
    assert [text[s.start : s.end] for s in exchanges(text, sentences(text))] == expected


def test_an_exchange_is_bounded() -> None:
    text = "Gout? No " * 2000
    assert max(len(span) for span in exchanges(text, sentences(text))) <= 4000
    assert list(exchanges("", [])) == []
    assert list(exchanges("x", [Span(0, 1)])) == [Span(0, 1)]
