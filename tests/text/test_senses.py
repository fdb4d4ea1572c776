"""Names with more than one meaning: the words around them tell which is meant, or leave it open."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.text.document import Document
from salus.text.mentions import mentions

STENT, MI, PAD = "percutaneous-coronary-intervention", "myocardial-infarction", "peripheral-arterial-disease"
CHD = "coronary-heart-disease"


def said(text: str, concept: str) -> set[str]:
    return {m.assertion for m in mentions(Document("n", text), note_year=2026) if m.entry.concept == concept}


@pytest.mark.parametrize(
    "text",
    [
        "JJ stent in situ.",
        "Double-J stent.",
        "Ureteric stent exchange.",
        "Ureteral stents changed.",
        "Stent removed (ureteric) 05/2026.",
        "Oesophageal stent for cancer.",
        "Esophageal stent.",
        "Renal stent in situ.",
        "Biliary stent",
        "Stent placed at ERCP.",
        "Stent to left ureter.",
        "Iliac vein stent",
        "Removal of left JJ stent at cystoscopy.",
    ],
)
def test_a_stent_of_another_organ_is_no_coronary_stent(text: str) -> None:
    assert said(text, STENT) == set()


@pytest.mark.parametrize(
    "text",
    [
        "Coronary stent.",
        "Drug-eluting stent.",
        "PCI with stent.",
        "Stent to the LAD.",
        "DES to LAD.",
        "RCA stented.",
        "STEMI; stent.",
        "Cardiac cath: stent.",
        "Angioplasty and stent.",
    ],
)
def test_a_stent_with_a_coronary_word_is_one(text: str) -> None:
    assert said(text, STENT) == {"present"}


@pytest.mark.parametrize(
    "text",
    [
        "Stent.",
        "Follow-up after stent.",
        "Stents, prostate cancer.",
        "Stents, CKD, liver disease.",
        "Angina, ureteric stent exchanged.",
    ],
)
def test_a_stent_of_which_nothing_tells_is_left_open(text: str) -> None:
    assert said(text, STENT) == {"possible"}


@pytest.mark.parametrize(
    "text",
    [
        "Echo: mild MI, mild AI.",
        "Moderate MI, trace TR.",
        "Echo: mild MI.",
        "Echo: MI 2+.",
        "AI mild, MI mild.",
        "Severe MI and mitral prolapse.",
    ],
)
def test_a_graded_mi_beside_valves_is_mitral_insufficiency(text: str) -> None:
    assert said(text, MI) == set()
    assert said(text, "valve-disease") >= {"present"}


@pytest.mark.parametrize("text", ["MI (mitral insufficiency) mild.", "MI, MR, AF.", "MI, valve clinic."])
def test_an_mi_that_may_be_a_valve_is_left_open(text: str) -> None:
    assert said(text, MI) == {"possible"}


@pytest.mark.parametrize(
    ("text", "assertion"),
    [
        ("MI 2019, echo: mild MR", "historical"),
        ("Old MI and mild mitral regurgitation", "historical"),
        ("Mr Smith had an acute MI.", "present"),
        ("Echo after MI: EF 45%", "present"),
        ("Echo after MI: mild LVH.", "present"),
        ("Inferior MI, mild MR.", "present"),
        ("MI.", "present"),
        ("Massive MI.", "present"),
    ],
)
def test_an_infarction_stays_one(text: str, assertion: str) -> None:
    assert said(text, MI) == {assertion}


def test_an_abbreviation_explained_behind_it_as_something_else_is_in_doubt() -> None:
    assert said("PAD (pad test) negative.", PAD) == {"possible"}
    assert said("CAD (cold agglutinin disease).", CHD) == {"possible"}
    assert said("CAD (coronary artery disease).", CHD) == {"present"}
    assert said("PAD (peripheral arterial disease).", PAD) == {"present"}
    assert said("MI (inferior).", MI) == {"present"}


@pytest.mark.parametrize(
    ("text", "concept", "assertion"),
    [
        ("PVD right eye with floaters.", PAD, "possible"),
        ("PVD, claudication.", PAD, "present"),
        ("PVD.", PAD, "present"),
        ("PCI for SCLC.", STENT, "possible"),
        ("PCI.", STENT, "present"),
        ("CHD, VSD repaired.", CHD, "possible"),
        ("CHD.", CHD, "present"),
        ("ACS with chest pain.", "acute-coronary-syndrome", "present"),
    ],
)
def test_other_abbreviations_of_two_meanings(text: str, concept: str, assertion: str) -> None:
    assert said(text, concept) == {assertion}


def test_motivational_interviewing() -> None:
    assert said("MI (motivational interviewing) used.", MI) <= {"possible"}


WORDS = st.sampled_from(
    [
        "stent",
        "MI",
        "PVD",
        "mild",
        "Echo:",
        "AI",
        ",",
        ".",
        "LAD",
        "ureteric",
        "(",
        ")",
        "-",
        "s/p",
        "old",
        "2019",
        "no",
    ]
)


@given(st.lists(WORDS, max_size=20).map(" ".join))
def test_any_mixture_gives_mentions_whose_places_hold(text: str) -> None:
    for mention in mentions(Document("n", text), note_year=2026):
        assert text[mention.span.start : mention.span.end].strip()
        assert mention.sentence.contains(mention.span)


@pytest.mark.parametrize("piece", ["stent ", "MI ", "mild MI, ", "MI (", "ureteric stent, "])
def test_a_hostile_note_costs_bounded_time(piece: str) -> None:
    mentions(Document("n", piece))
    begun = time.process_time()
    mentions(Document("n", piece * (50_000 // len(piece))))
    assert time.process_time() - begun < 6
