"""Offsets: documents, sections and sentences give back the words they point at."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import InputError
from salus.text.document import Document, Span, tokenize
from salus.text.sections import headings, sections
from salus.text.sentences import sentences

# Text that looks like notes: headings, list marks, line ends, odd spaces and signs of other scripts.
PIECES = st.sampled_from(
    ["PMH:", "Family History\n", "no ", "stroke", ". ", "\n",
     "\r\n", "\n\n", "- ", "1. ", "Dr. ", "  ", "’s", "é", "中",
     "\u00a0", "\u2028", "🫀", ":", ";", "(", "Allergies: ", "Plan\n", "2.5 mg ", "\t", "e.g. ", "denies ", "Father:\n"]
)  # fmt: skip
NOTES = st.one_of(st.text(), st.lists(PIECES, max_size=60).map("".join))


@given(NOTES)
def test_tokens_slice_back(text: str) -> None:
    tokens = tokenize(text)
    assert all(text[t.start : t.end].lower().replace("’", "'") == t.norm for t in tokens)
    assert all(a.end <= b.start for a, b in pairwise(tokens))
    covered = sum(t.end - t.start for t in tokens)
    assert covered >= sum(c.isalnum() for c in text)


@given(NOTES)
def test_sections_are_ordered_and_disjoint_and_keep_every_word(text: str) -> None:
    found = sections(Document("n", text))
    assert all(a.body.end <= b.body.start for a, b in pairwise(found))
    places = [(s.title, s.body) for s in found]
    for token in tokenize(text):
        inside = [1 for title, body in places if body.contains(token.span) or title.contains(token.span)]
        marks = not any(c.isalnum() for c in token.norm) or token.norm.isdigit()
        assert inside or marks or any(title.start - 30 <= token.start <= title.end + 64 for title, _ in places)


@given(NOTES)
def test_sentences_hold_every_word_exactly_once(text: str) -> None:
    spans = sentences(text)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    assert all(text[s.start : s.end].strip() == text[s.start : s.end] != "" for s in spans)
    assert sum(len(tokenize(text, s.start, s.end)) for s in spans) == len(tokenize(text))


def test_a_span_outside_the_text_is_an_error() -> None:
    with pytest.raises(InputError, match="past the end"):
        Document("n", "short").slice(Span(2, 9))
    with pytest.raises(InputError):
        Span(3, 1)


def test_headings_on_their_own_line_and_with_a_colon_and_in_a_line() -> None:
    text = "CHIEF COMPLAINT\nCough.\n\n## Past medical history\n- asthma\nMeds: aspirin daily. Allergies: none.\n"
    found = [(s.heading.id, text[s.body.start : s.body.end].strip()) for s in sections(Document("n", text))]
    assert found == [
        ("chief_complaint", "Cough."),
        ("past_medical_history", "- asthma"),
        ("medications", "aspirin daily."),
        ("allergies", "none."),
    ]


def test_headings_do_not_need_capitals() -> None:
    text = "family history\nstroke\n\nassessment and plan:\ngout"
    assert [s.heading.id for s in sections(Document("n", text))] == ["family_history", "assessment_and_plan"]


def test_an_unknown_heading_closes_a_section_but_a_relative_does_not() -> None:
    text = "Family History\n\nFather:\nstroke\n\nWork up:\ntroponin"
    parts = {s.heading.id: text[s.body.start : s.body.end] for s in sections(Document("n", text))}
    assert "stroke" in parts["family_history"]
    assert "troponin" in parts["unknown"]


def test_a_problem_in_capitals_is_no_heading() -> None:
    text = "FAMILY HISTORY\n\nSTROKE\n\nHIV"
    assert [s.heading.id for s in sections(Document("n", text))] == ["family_history"]


def test_section_codes_come_from_the_code_table() -> None:
    assert headings()["allergies"].loinc == "48765-2"
    assert headings()["vitals"].loinc is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith saw her. No stroke.", ["Dr. Smith saw her.", "No stroke."]),
        ("Aspirin 2.5 mg p.o. daily. Gout.", ["Aspirin 2.5 mg p.o. daily.", "Gout."]),
        ("hypertension\nstroke\ngout", ["hypertension", "stroke", "gout"]),
        ("1. No fever\n2. Stroke", ["1. No fever", "2. Stroke"]),
        ("She denies any history of\nstroke or TIA.", ["She denies any history of\nstroke or TIA."]),
        (
            "The patient is a pleasant woman who was seen today and denies\nchest pain.\nGout.",
            ["The patient is a pleasant woman who was seen today and denies\nchest pain.", "Gout."],
        ),
        ("Stroke? None.", ["Stroke?", "None."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_of_notes(text: str, expected: list[str]) -> None:
    assert [text[s.start : s.end] for s in sentences(text)] == expected


@pytest.mark.parametrize(
    "piece", [" ", "\n", "\t \n", "a. ", "plan: ", "- ", "no ", "(", "PMH" + " " * 30, "x" * 50 + "\n"]
)
def test_hostile_repetition_costs_linear_time(piece: str) -> None:
    def cost(size: int) -> float:
        text = piece * (size // len(piece))
        begun = time.process_time()
        for section in sections(Document("n", text)):
            sentences(text, section.body.start, section.body.end)
        return time.process_time() - begun

    cost(1_000)
    assert cost(200_000) < 3
