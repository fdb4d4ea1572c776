"""Values far out of bounds are named, and no others."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.text.document import Document
from salus.text.values import urgent_values


def seen(text: str) -> list[tuple[str, str]]:
    return [(value.name, value.words) for value in urgent_values(Document("n", text), note_year=2026)]


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("BP today 192/118.", "a blood pressure", "192/118"),
        ("BP measured in clinic today was 192 / 118", "a blood pressure", "192/118"),
        ("Blood pressure: 150/125 mmHg", "a blood pressure", "150/125"),
        ("K+ 6.4 - please repeat urgently.", "a potassium", "6.4"),
        ("Potassium came back at 2.4 mmol/L", "a potassium", "2.4"),
        ("K+ is 6,4", "a potassium", "6,4"),
        ("Na 118", "a sodium", "118"),
        ("INR: 6.2", "an INR", "6.2"),
        ("eGFR 12 mL/min", "an eGFR", "12"),
        ("eGFR <15", "an eGFR", "<15"),
        ("LVEF 30%.", "an ejection fraction", "30"),
        ("EF 30-35%", "an ejection fraction", "30"),
        ("glucose 412", "a glucose", "412"),
    ],
)
def test_a_value_out_of_bounds_is_seen(text: str, name: str, words: str) -> None:
    assert seen(text) == [(name, words)]


@pytest.mark.parametrize(
    "text",
    [
        "BP 128/76",
        "BP goal < 130/80",
        "Call if BP > 180/120",
        "If BP 190/120 call",
        "BP target under 180/120",
        "BP 192/118 in 2015",
        "Her father's BP was 200/120.",
        "Family history: father BP 200/120",
        "K 4.1",
        "K 6 mg",
        "Vitamin K 6 mg",
        "Potassium 20 mEq",
        "potassium chloride 8 mEq",
        "INR 2.5",
        "INR target 5.5",
        "eGFR 95",
        "eGFR >60",
        "EF 55%",
        "Na 140",
        "glucose 98",
        "PMH:\nBP 192/118",
    ],
)
def test_a_usual_value_a_goal_a_dose_or_another_persons_value_is_not(text: str) -> None:
    assert seen(text) == []


@given(st.text() | st.lists(st.sampled_from(["BP ", "192/118", " K ", "6.4", ". ", "\n", "father "])).map("".join))
def test_any_text_gives_places_that_hold(text: str) -> None:
    for value in urgent_values(Document("n", text)):
        assert text[value.span.start : value.span.end].strip()


@pytest.mark.parametrize("piece", ["BP ", "BP is is is ", "K : ", "BP a b c d e f ", "BP 192/118 ", "eGFR          "])
def test_a_hostile_note_costs_bounded_time(piece: str) -> None:
    begun = time.process_time()
    list(urgent_values(Document("n", piece * (50_000 // len(piece)))))
    assert time.process_time() - begun < 6
