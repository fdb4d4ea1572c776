"""Signs, boxes and answers: what they say and how far they speak."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.text import marking, marks
from salus.text.document import Span, tokenize
from salus.text.marks import Style
from salus.text.phrases import expand, normal


def said(text: str) -> list[tuple[str, str, str]]:
    """(words of the mark, value, words it governs) of every mark."""
    span = Span(0, len(text))
    found = marking.find(text, span, tokenize(text), Style.of(text)).all
    return [
        (text[m.span.start : m.span.end], m.value, text[m.region.start : m.region.end].strip())
        for m in sorted(found, key=lambda mark: mark.span)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HTN+ DM- CAD-", [("+", "yes", "HTN"), ("-", "no", "DM"), ("-", "no", "CAD")]),
        ("DM -, HTN +", [("-", "no", "DM"), ("+", "yes", "HTN")]),
        ("DM+/HTN-", [("+", "yes", "DM"), ("-", "no", "/HTN")]),
        ("Diabetes-", [("-", "unknown", "Diabetes")]),
        ("HTN- on lisinopril", []),
        ("HTN- on lisinopril, DM+", [("-", "unknown", "HTN"), ("+", "yes", "DM")]),
        ("3+ pitting", []),
        ("(+) cough, SOB (-) stroke", [("(+)", "yes", "cough, SOB"), ("(-)", "no", "stroke")]),
        ("cough (+), stroke (neg)", [("(+)", "yes", "cough"), ("(neg)", "no", "stroke")]),
        ("+cough -stroke", [("+", "yes", "cough"), ("-", "no", "stroke")]),
        ("ROS: -cough -stroke", [("-", "unknown", "cough"), ("-", "unknown", "stroke")]),
        ("asthma -ve, gout +ve", [("-ve", "no", "asthma"), ("+ve", "yes", "gout")]),
        ("-ve asthma", [("-ve", "no", "asthma")]),
        ("-ve for asthma", []),
        ("[x] gout [ ] stroke", [("[x]", "yes", "gout"), ("[ ]", "no", "stroke")]),
        ("gout [x] stroke [ ]", [("[x]", "yes", "gout"), ("[ ]", "no", "stroke")]),
        ("[ ] gout [ ] stroke", [("[ ]", "unknown", "gout"), ("[ ]", "unknown", "stroke")]),
        ("☑ gout ☒ stroke", [("☑", "yes", "gout"), ("☒", "unknown", "stroke")]),
        ("☐ gout ☒ stroke", [("☐", "no", "gout"), ("☒", "yes", "stroke")]),
        ("__ gout _x_ stroke", [("__", "no", "gout"), ("_x_", "yes", "stroke")]),
        ("[x] gout\nName: ____", [("[x]", "yes", "gout"), ("____", "unknown", "Name")]),
        ("Gout: [ ] yes [x] no", [("[ ] yes [x] no", "no", "Gout:")]),
        ("Gout: yes [x] no [ ]", [("yes [x] no [ ]", "yes", "Gout:")]),
        ("Gout: [ ] yes [ ] no", [("[ ] yes [ ] no", "unknown", "Gout:")]),
        ("Gout: [x] yes [x] no", [("[x] yes [x] no", "unknown", "Gout:")]),
        ("Gout: [ ] yes [ ] no [x] unknown", [("[ ] yes [ ] no [x] unknown", "unknown", "Gout:")]),
        ("Gout: N", [("N", "no", "Gout")]),
        ("Seen by: N. Patel", []),
        ("Gout: no stroke", []),
        ("Gout: none known", [("none", "no", "Gout")]),
        ("Gout: resolved", [("resolved", "past", "Gout")]),
        ("Gout: unknown", [("unknown", "unknown", "Gout")]),
        ("Gout, stroke: no", [("no", "no", "Gout, stroke")]),
        ("has gout, stroke: no", [("no", "no", "stroke")]),
        ("Do you have gout, or stroke? No", [("No", "no", "Do you have gout, or stroke")]),
        ("Gout? Stroke? Yes", [("?", "unknown", "Gout"), ("Yes", "yes", "Stroke")]),
        ("Gout (Y/N)", [("(Y/N)", "unknown", "Gout")]),
        ("Gout: + Stroke: -", [("+", "yes", "Gout"), ("-", "no", "Stroke")]),
        ("Gout: -", [("-", "unknown", "Gout")]),
        ("Gout: 0/day", [("0/day", "no", "Gout")]),
        ("Gout: 10/day", [("10/day", "yes", "Gout")]),
        ("Gout ?stroke", []),
        ("+cough -gout, stroke", [("+", "yes", "cough"), ("-", "no", "gout")]),
        ("+cough, stroke -gout", [("+", "yes", "cough, stroke"), ("-", "no", "gout")]),
        ("Hx: asthma, gout -ve", [("-ve", "no", "gout")]),
        ("PMH: + asthma", [("+", "yes", "asthma")]),
        ("PMH: +asthma", [("+", "yes", "asthma")]),
        ("-asthma", []),
        ("asthma -gout", []),
        ("Gout? A: No", [("No", "no", "Gout")]),
        ("Gout? Pt: No", [("No", "no", "Gout")]),
        ("Gout .... no", [("no", "no", "Gout")]),
        ("Gout: - stable on allopurinol", []),
        ("The long tale of his gout no", []),
        ("Gout no", [("no", "no", "Gout")]),
        ("Has gout no", []),
        ("no gout", []),
        ("Gout: none since then and ever at all before the time", []),
        ("Asthma; do you have gout? No", [("No", "no", "do you have gout")]),
        ("Gout: n. Stroke", []),
        ("Gout: no. Stroke", [("no", "no", "Gout")]),
        ("[x] gout; stroke [ ] asthma", [("[x]", "yes", "gout"), ("[ ]", "no", "asthma")]),
    ],
)
def test_what_a_mark_says_and_of_what(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert said(text) == expected


def test_lines_that_begin_with_signs_are_no_bullets() -> None:
    text = "+ cough\n- stroke\n\n- gout\n- asthma"
    style = Style.of(text)
    at = text.index("- stroke")
    assert style.has_signs(at)
    assert not style.has_signs(text.index("- gout"))
    found = marking.find(text, Span(at, at + 8), tokenize(text, at, at + 8), style).all
    assert [mark.value for mark in found] == ["no"]


def test_the_smaller_region_speaks() -> None:
    inner, outer = (marks.Mark(Span(20, 21), "answer", v, Span(0, e)) for v, e in (("yes", 5), ("no", 9)))  # type: ignore[arg-type]
    both = marks.Marks([outer, inner])
    assert both.over(Span(1, 3)) == inner
    assert both.over(Span(1, 8)) == outer
    assert both.over(Span(1, 12)) is None


@pytest.mark.parametrize(
    ("text", "words"), [("0 2.0 0.5 0,5 10", ["0", "#", ".", "#", "#", ".", "#", "#", ",", "#", "#"])]
)
def test_nought_is_told_from_numbers(text: str, words: list[str]) -> None:
    assert normal(text, tokenize(text)) == words


def test_a_minus_sign_is_a_hyphen_to_the_tables() -> None:
    assert normal("−ve", tokenize("−ve")) == ["-", "ve"]


def test_the_answers_are_phrases_of_tokens() -> None:
    table = tomllib.loads(resources.files("salus.text").joinpath("data/answers_en.toml").read_text("utf-8"))
    assert table["source"]
    assert table["licence"]
    assert {row["value"] for row in table["answer"]} == {"yes", "no", "past", "unknown"}
    seen: dict[tuple[str, ...], str] = {}
    for row in table["answer"]:
        for phrase in row["phrases"]:
            for words in expand(phrase):
                assert all(word == "#" or [t.norm for t in tokenize(word)] == [word] for word in words), phrase
                assert seen.setdefault(words, row["value"]) == row["value"], phrase


@given(st.text("[]()xX+-−ve?:=|. \tnoyesNY/_\n☐☑☒✓✗strkegu,", max_size=80))
def test_any_text_gives_marks_inside_it(text: str) -> None:
    span = Span(0, len(text))
    for mark in marking.find(text, span, tokenize(text), Style.of(text)).all:
        assert span.contains(mark.span)
        assert span.contains(mark.region)
        assert not mark.region.overlaps(mark.span)
