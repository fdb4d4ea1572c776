"""The context engine: each axis, its traps and its evidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.text.context import AXES, Context, Sentence
from salus.text.document import Span
from salus.text.phrases import expand


def said(text: str, target: str, **options: str) -> Context:
    start = text.index(target)
    return Sentence(text, before_year=2025).assess(Span(start, start + len(target)), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("No evidence of stroke.", "stroke"),
        ("She denies fever, chills or stroke.", "stroke"),
        ("There was no asthma, gout or stroke", "gout"),
        ("Stroke was ruled out.", "Stroke"),
        ("MRI is negative for stroke.", "stroke"),
        ("Skin: no rash.", "rash"),
        ("Stroke: no.", "Stroke"),
        ("Stroke - none", "Stroke"),
        ("No murmur was heard and stroke was not seen.", "stroke"),
        ("He did not have a stroke.", "stroke"),
        ("without any signs of bleeding", "bleeding"),
        ("no findings to suggest stroke", "stroke"),
        ("neither asthma nor gout", "gout"),
        ("DENIES STROKE", "STROKE"),
        ("She does not have, and never had, a stroke.", "stroke"),
        ("non-smoker", "smoker"),
    ],
)
def test_negated(text: str, target: str) -> None:
    assert said(text, target).negation == "negated"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("Stroke is not ruled out.", "Stroke"),
        ("No increase in edema.", "edema"),
        ("There is no significant change in the effusion.", "effusion"),
        ("No fever, but she has gout.", "gout"),
        ("Denies fever; stroke in 2019.", "stroke"),
        ("No fever, has gout.", "gout"),
        ("gram negative pneumonia", "pneumonia"),
        ("Not only gout but also asthma.", "gout"),
        ("NECK: no masses.  CHEST: pneumonia", "pneumonia"),
        ("1) no fever 2) gout", "gout"),
        ("The cause was not gout but a man with no history of CHF who presents after syncope", "syncope"),
        ("Pneumonia cannot be excluded.", "Pneumonia"),
        ("He has not been treated for hypertension.", "hypertension"),
        ("non-ST elevation myocardial infarction", "myocardial infarction"),
    ],
)
def test_not_negated(text: str, target: str) -> None:
    assert said(text, target).negation == "affirmed"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("possible stroke", "stroke"),
        ("?stroke", "stroke"),
        ("rule out stroke", "stroke"),
        ("r/o stroke", "stroke"),
        ("Stroke is not ruled out.", "Stroke"),
        ("Stroke cannot be excluded.", "Stroke"),
        ("stroke vs TIA", "stroke"),
        ("stroke vs TIA", "TIA"),
        ("concern for bleeding", "bleeding"),
        ("Stroke is unlikely.", "Stroke"),
        ("may have asthma", "asthma"),
    ],
)
def test_uncertain(text: str, target: str) -> None:
    assert said(text, target).certainty == "uncertain"


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("Stroke was ruled out.", "Stroke"),
        ("edema, likely caused by amlodipine", "edema"),
        ("no findings suggesting osteomyelitis", "osteomyelitis"),
        ("seen in May 2024 for gout", "gout"),
        ("tested positive for asthma", "asthma"),
    ],
)
def test_certain(text: str, target: str) -> None:
    assert said(text, target).certainty == "certain"


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("history of stroke", "stroke", "historical"),
        ("h/o stroke", "stroke", "historical"),
        ("s/p stroke", "stroke", "historical"),
        ("stroke in 2019", "stroke", "historical"),
        ("stroke in 2025", "stroke", "recent"),
        ("stroke five years ago", "stroke", "historical"),
        ("previous stroke", "stroke", "historical"),
        ("History of present illness: gout", "gout", "recent"),
        ("woman with a history of gout who presents with stroke", "stroke", "recent"),
        ("woman with a history of gout who presents with stroke", "gout", "historical"),
        ("History of asthma but pneumonia is present", "pneumonia", "recent"),
        ("two-day history of cough", "cough", "recent"),
        ("in the past three weeks she had cough", "cough", "recent"),
        ("If chest pain recurs, call us.", "chest pain", "hypothetical"),
        ("Return for bleeding.", "bleeding", "hypothetical"),
        ("risk of stroke", "stroke", "hypothetical"),
        ("stroke risk was discussed", "stroke", "hypothetical"),
        ("aspirin to prevent stroke", "stroke", "hypothetical"),
        ("If history of migraine returns, call.", "migraine", "hypothetical"),
        ("monitor for bleeding", "bleeding", "hypothetical"),
    ],
)
def test_temporality(text: str, target: str, expected: str) -> None:
    assert said(text, target).temporality == expected


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("Father had a stroke.", "stroke", "family"),
        ("Mother died of an MI at 63", "MI", "family"),
        ("stroke in her father", "stroke", "family"),
        ("Stroke (mother)", "Stroke", "family"),
        ("family history of gout", "gout", "family"),
        ("two cousins had breast cancer", "breast cancer", "family"),
        ("His roommate has asthma.", "asthma", "other"),
        ("He lives with his mother and has asthma.", "asthma", "patient"),
        ("Mother states that he has asthma.", "asthma", "patient"),
        ("Her family physician found gout.", "gout", "patient"),
        ("Father had gout; patient has asthma.", "asthma", "patient"),
    ],
)
def test_experiencer(text: str, target: str, expected: str) -> None:
    assert said(text, target).experiencer == expected


@pytest.mark.parametrize(
    ("kind", "expected"), [("chronic", "recent"), ("event", "historical"), ("problem", "historical")]
)
def test_a_known_disease_that_stays_is_present(kind: str, expected: str) -> None:
    assert said("known asthma", "asthma", kind=kind).temporality == expected
    assert said("history of known asthma", "asthma", kind=kind).temporality == "historical"


def test_of_two_people_the_nearer_one_is_meant() -> None:
    assert said("Father lives with a neighbour with asthma", "asthma").experiencer == "other"
    assert said("Her neighbour says her father has asthma", "asthma").experiencer == "family"


def test_the_words_that_open_a_list_reach_its_items_only_from_their_end() -> None:
    text = "Denies the following:\n- asthma"
    asthma = Span(len(text) - 6, len(text))
    item, lead = Span(len(text) - 8, len(text)), Span(0, 21)
    assert Sentence(text, item, lead=lead).assess(asthma).negation == "negated"
    assert Sentence(text, item).assess(asthma).negation == "affirmed"
    text = "Denies smoking, has now:\n- asthma"
    asthma = Span(len(text) - 6, len(text))
    answer = Sentence(text, Span(len(text) - 8, len(text)), lead=Span(0, 24)).assess(asthma)
    assert answer.negation == "affirmed"


def test_the_triggers_are_evidence_and_lie_in_the_text() -> None:
    text = "There is no history of stroke."
    answer = said(text, "stroke")
    assert [(t.axis, text[t.span.start : t.span.end]) for t in answer.triggers] == [
        ("negation", "no"),
        ("temporality", "history of"),
    ]


def test_a_section_speaks_only_where_no_trigger_does() -> None:
    assert said("stroke", "stroke", temporality="historical").temporality == "historical"
    assert said("stroke", "stroke", temporality="historical").from_section == ("temporality",)
    conditional = said("If stroke recurs, call", "stroke", temporality="historical")
    assert conditional.temporality == "hypothetical"
    assert conditional.from_section == ()


def test_without_a_note_date_a_year_says_nothing() -> None:
    text = "stroke in 2019"
    assert Sentence(text).assess(Span(0, 6)).temporality == "recent"


@pytest.mark.parametrize(
    "text", ["no stroke", "History of STROKE", "Father: stroke", "possible stroke", "stopped stroke"]
)
def test_capitals_play_no_part(text: str) -> None:
    start = text.lower().index("stroke")
    answers = [Sentence(v).assess(Span(start, start + 6)) for v in (text, text.lower(), text.upper())]
    assert answers[0] == answers[1] == answers[2]


@given(st.text(), st.data())
def test_any_text_and_span_gives_an_answer_with_places_inside(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    answer = Sentence(text).assess(Span(start, end))
    assert all(t.span.end <= len(text) and t.axis in AXES for t in answer.triggers)
    assert not any(t.span.overlaps(Span(start, end)) for t in answer.triggers)


def test_the_small_language_of_the_table() -> None:
    assert set(expand("no|without new? stroke")) == {
        ("no", "stroke"), ("no", "new", "stroke"), ("without", "stroke"), ("without", "new", "stroke"),
    }  # fmt: skip
    assert list(expand("? five")) == [("?", "#")]
