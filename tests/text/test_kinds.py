"""The kinds of shorthand, forms and people that notes are full of: what each asserts, and its opposite."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.text.document import Document
from salus.text.mentions import Mention, mentions

from .kinds import CASES, IN_USE, NOT_IN_USE


def of(text: str, concept: str) -> list[Mention]:
    return [m for m in mentions(Document("n", text), note_year=2026) if m.entry.concept == concept]


@pytest.mark.parametrize(("text", "concept", "assertion"), CASES)
def test_what_is_asserted(text: str, concept: str, assertion: str) -> None:
    assert {m.assertion for m in of(text, concept)} == {assertion}


@pytest.mark.parametrize(("text", "concept"), NOT_IN_USE)
def test_a_medicine_that_is_not_taken(text: str, concept: str) -> None:
    uses = [m.use for m in of(text, concept)]
    assert uses
    assert "in-use" not in uses


@pytest.mark.parametrize(("text", "concept"), IN_USE)
def test_a_medicine_that_is_taken(text: str, concept: str) -> None:
    assert {m.use for m in of(text, concept)} == {"in-use"}


@pytest.mark.parametrize(
    ("text", "concept", "denial"),
    [
        ("Smoking status: Never Smoker", "smoking", "ever"),
        ("Nil h/o stroke", "stroke", "ever"),
        ("History of stroke? No.", "stroke", "ever"),
        ("Current smoker: no", "smoking", "now"),
        ("Hypertension: N", "hypertension", "unqualified"),
        ("History of gout, nonsmoker.", "smoking", "unqualified"),
    ],
)
def test_how_far_a_denial_reaches(text: str, concept: str, denial: str) -> None:
    assert {m.denial for m in of(text, concept)} == {denial}


@pytest.mark.parametrize(
    ("text", "use"),
    [
        ("Warfarin d/c'd.", "stopped"),
        ("Off warfarin.", "stopped"),
        ("He has stopped warfarin.", "stopped"),
        ("Warfarin was started and then discontinued.", "stopped"),
        ("Medications stopped at discharge:\n- warfarin", "stopped"),
        ("Warfarin: stopped", "stopped"),
        ("Warfarin held on admission, resumed at discharge.", "unclear"),
        ("Takes warfarin?", "unclear"),
        ("Warfarin -ve", "unclear"),
        ("Warfarin: no", "not-taking"),
        ("He declined warfarin.", "not-taking"),
        ("Warfarin refused.", "not-taking"),
        ("Reluctant to start warfarin.", "not-taking"),
        ("Prescribed warfarin but never took it.", "not-taking"),
        ("Warfarin offered but not keen.", "proposed"),
        ("We discussed starting warfarin; he declined.", "proposed"),
        ("Warfarin not tolerated.", "allergy"),
        ("Her husband's warfarin was found.", "not-patient"),
    ],
)
def test_the_use_of_a_medicine(text: str, use: str) -> None:
    assert {m.use for m in of(text, "warfarin")} == {use}


def test_an_empty_box_before_a_denial_leaves_it_open() -> None:
    found = of("[x] Current smoker [ ] Never smoker", "smoking")
    assert [m.assertion for m in found] == ["present", "possible"]
    found = of("[ ] Current smoker [x] Never smoker", "smoking")
    assert {m.assertion for m in found} == {"absent"}


def test_an_empty_box_before_a_medicine_is_a_no_and_a_minus_behind_it_is_not() -> None:
    assert {m.use for m in of("[ ] warfarin [x] aspirin", "warfarin")} == {"not-taking"}
    assert {m.use for m in of("warfarin (-) aspirin (+)", "warfarin")} == {"unclear"}
    assert {m.use for m in of("warfarin (-) aspirin (+)", "aspirin")} == {"in-use"}


def test_words_about_both_people_speak_of_the_patient_too() -> None:
    assert {m.assertion for m in of("He and his wife have diabetes.", "diabetes")} == {"present"}


def test_a_habit_is_told_once() -> None:
    assert [m.key for m in of("Smoking status: Never Smoker", "smoking")] == [
        m.key for m in of("Never Smoker", "smoking")
    ]
    assert len(of("Tobacco: 1 ppd", "smoking")) == 1


@pytest.mark.parametrize(
    "text", ["He smokes marijuana.", "Smokeless tobacco: never used", "Second-hand smoke at work", "passive smoker"]
)
def test_what_is_not_tobacco_smoked_by_the_patient(text: str) -> None:
    assert of(text, "smoking") == []


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("No LAD stenosis.", "coronary-heart-disease"),
        ("No inducible ischaemia.", "coronary-heart-disease"),
        ("No three-vessel disease.", "coronary-heart-disease"),
        ("No carotid stenosis.", "peripheral-arterial-disease"),
        ("Not for the heart failure clinic.", "heart-failure"),
        ("NYHA class: not assessed", "heart-failure"),
        ("Coronary calcium score 0", "coronary-heart-disease"),
        ("She is expecting a call.", "pregnancy"),
        ("She was expecting results.", "pregnancy"),
        ("Home test positive for COVID.", "pregnancy"),
        ("COVID home test positive.", "pregnancy"),
    ],
)
def test_what_says_nothing_of_the_whole(text: str, concept: str) -> None:
    assert of(text, concept) == []


def test_a_list_is_read_with_its_opening_and_keeps_its_places() -> None:
    text = "Seen today. Denies:\n- stroke\n- asthma\n\nHas gout."
    (asthma,) = of(text, "asthma")
    assert text[asthma.sentence.start : asthma.sentence.end] == "Denies:\n- stroke\n- asthma"
    assert [text[t.span.start : t.span.end] for t in asthma.context.triggers] == ["Denies"]
    (gout,) = of(text, "gout")
    assert (gout.assertion, text[gout.sentence.start : gout.sentence.end]) == ("present", "Has gout.")


def test_a_mark_is_evidence() -> None:
    text = "Diabetes: [ ] yes [x] no"
    (mention,) = of(text, "diabetes")
    (trigger,) = mention.context.triggers
    assert (trigger.axis, trigger.value, text[trigger.span.start : trigger.span.end]) == (
        "negation",
        "negated",
        "[ ] yes [x] no",
    )


PROBLEMS = st.sampled_from(["stroke", "gout", "asthma", "heart failure", "type 2 diabetes", "CAD"])
DENIALS = st.sampled_from(
    ["{} -ve", "{}: N", "{}: no", "{}? No", "(-) {}", "{} (-)", "[ ] {} [x] chest pain", "{}: [ ] yes [x] no", "Nil {}",
     "Denies:\n- {}", "{} excluded", "{} has been excluded", "Do you have {}? No", "| {} | no |", "{}\tNo", "no h/o {}"]
)  # fmt: skip
DOUBTS = st.sampled_from(
    ["{}?", "Do you have {}?", "{}: unknown", "{}: [ ] yes [ ] no", "? {}", "query {}", "{}-", "{} to be excluded"]
)


@given(PROBLEMS, DENIALS, st.text("xyz \n", max_size=20))
def test_a_denial_in_any_form_is_never_present(problem: str, form: str, tail: str) -> None:
    found = mentions(Document("n", form.format(problem) + "\n\n" + tail))
    own = [m for m in found if m.entry.concept != "chest-pain"]
    assert own
    assert {m.assertion for m in own} == {"absent"}


@given(PROBLEMS, DOUBTS)
def test_a_doubt_in_any_form_is_never_present(problem: str, form: str) -> None:
    found = mentions(Document("n", form.format(problem)))
    assert found
    assert {m.assertion for m in found} == {"possible"}


PIECES = st.lists(
    st.sampled_from(
        ["[ ]", "[x]", "☐", "☑", "☒", "(-)", "(+)", "-ve", "+ve", "+", "-", "- ", ": ", "?", "yes", "no", "N", "Y",
         "\t", "  ", "|", "\n", "...", "stroke", "gout", "Denies:\n", "father", "father's ", "brother", " and ",
         "at 45", "smoking", "never", "pack-years", "0 ", "warfarin", "stopped", ", ", ".", "__", "_x_", "(Y/N)",
         "r/o ", "𝔘"]
    ),
    max_size=30,
).map(" ".join)  # fmt: skip
GLUED = st.lists(st.sampled_from(["[ ]stroke", "+gout", "-gout", "gout-", "gout?", "\n"])).map("".join)


@given(PIECES | GLUED)
def test_any_mixture_of_marks_gives_mentions_whose_places_hold(text: str) -> None:
    for mention in mentions(Document("n", text), note_year=2024):
        assert text[mention.span.start : mention.span.end].strip()
        assert mention.sentence.contains(mention.span)
        assert mention.section.body.contains(mention.sentence)
        assert all(mention.sentence.contains(t.span) for t in mention.context.triggers)
        if mention.assertion == "present":
            assert (mention.context.negation, mention.context.experiencer) == ("affirmed", "patient")


@pytest.mark.parametrize(
    "piece",
    ["stroke- ", "[ ] stroke ", "(-) stroke ", "stroke? no ", "Denies:\n- stroke\n", "stroke: no ", "...", "smoking: ",
     "+ a\n- stroke\n", "father and mother and stroke ", "[ ] yes [x] no ", "brother of father ", "stroke\t", "y/n ",
     "_"],
)  # fmt: skip
def test_hostile_marks_cost_bounded_time(piece: str) -> None:
    mentions(Document("n", "warm stroke"))
    begun = time.process_time()
    mentions(Document("n", piece * (50_000 // len(piece))))
    assert time.process_time() - begun < 6
