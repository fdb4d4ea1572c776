"""Relatives: who is meant, of which degree and side, and at which age they fell ill."""

from __future__ import annotations

import tomllib
from importlib import resources
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.text import relatives
from salus.text.document import Document, Span, tokenize
from salus.text.mentions import Mention, mentions
from salus.text.onset import age_at_onset
from salus.text.relatives import Kin


def family(text: str) -> list[Mention]:
    return [m for m in mentions(Document("n", text), note_year=2026) if m.assertion.startswith("family")]


@pytest.mark.parametrize(
    ("text", "words", "kin", "age"),
    [
        ("Father: MI at 49", "Father", Kin("father", 1, "male"), "49"),
        ("mother had stroke at 60", "mother", Kin("mother", 1, "female"), "60"),
        ("paternal uncle MI 45", "paternal uncle", Kin("uncle", 2, "male", "paternal"), "45"),
        ("father's brother MI 45", "father's brother", Kin("uncle", 2, "male", "paternal"), "45"),
        ("Father’s older brother had an MI.", "Father’s older brother", Kin("uncle", 2, "male", "paternal"), ""),
        ("fathers brother MI", "fathers brother", Kin("uncle", 2, "male", "paternal"), ""),
        ("brother of his father: stroke", "brother of his father", Kin("uncle", 2, "male", "paternal"), ""),
        ("Uncle on father's side had a stroke", "Uncle on father's side", Kin("uncle", 2, "male", "paternal"), ""),
        ("Aunt on the maternal side: stroke", "Aunt on the maternal side", Kin("aunt", 2, "female", "maternal"), ""),
        ("Aunt (maternal) had a stroke", "Aunt (maternal)", Kin("aunt", 2, "female", "maternal"), ""),
        ("mother's mother: breast cancer 62", "mother's mother", Kin("grandmother", 2, "female", "maternal"), "62"),
        ("MGM with stroke", "MGM", Kin("grandmother", 2, "female", "maternal"), ""),
        ("pat. grandfather: stroke", "pat. grandfather", Kin("grandfather", 2, "male", "paternal"), ""),
        ("maternal great-grandmother: stroke", "maternal great-grandmother",
         Kin("great-grandmother", 3, "female", "maternal"), ""),
        ("sister's son: asthma", "sister's son", Kin("nephew", 2, "male"), ""),
        ("uncle's daughter: asthma", "uncle's daughter", Kin("cousin", 3, ""), ""),
        ("half-brother: MI 39yo", "half-brother", Kin("half-brother", 2, "male"), "39"),
        ("first cousin had lupus", "first cousin", Kin("cousin", 3), ""),
        ("second cousin had lupus", "second cousin", Kin("distant cousin"), ""),
        ("A first-degree relative had an MI", "first-degree relative", Kin("", 1), ""),
        ("Both parents have hypertension", "Both parents", Kin("parent", 1), ""),
        ("One of her brothers has asthma", "brothers", Kin("brother", 1, "male"), ""),
        ("Stroke (mother)", "mother", Kin("mother", 1, "female"), ""),
        ("family history of gout", "family history", Kin(), ""),
        ("Renal disease on the father's side of the family", "on the father's side", Kin("", None, "", "paternal"), ""),
        ("Her cousin's brother has asthma", "cousin's brother", Kin("", None, "male"), ""),
    ],
)  # fmt: skip
def test_who_is_meant(text: str, words: str, kin: Kin, age: str) -> None:
    (mention,) = family(text)
    assert (mention.relative, mention.kin, mention.age_at_onset) == (words, kin, age)


def test_a_list_of_relatives_is_kept_apart() -> None:
    found = family("FH: father MI 45, mother HTN, brother stroke in his 50s")
    assert [(m.relative, m.entry.concept, m.age_at_onset) for m in found] == [
        ("father", "myocardial-infarction", "45"),
        ("mother", "hypertension", ""),
        ("brother", "stroke", "50s"),
    ]


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("Father and paternal grandfather had diabetes", ["Father", "paternal grandfather"]),
        ("CAD in her father and a brother in their 40s", ["father", "brother"]),
        ("Diabetes in mother, father and sister", ["mother", "father", "sister"]),
        ("Sister with asthma, father had diabetes", ["Sister", "father"]),
    ],
)
def test_relatives_joined_by_and_are_each_told(text: str, who: list[str]) -> None:
    assert [m.relative for m in family(text)] == who


@pytest.mark.parametrize(
    ("text", "kins"),
    [
        ("mother brother", [Kin("mother", 1, "female"), Kin("brother", 1, "male")]),
        ("father's maternal uncle", [Kin("great-uncle", 3, "male", "paternal")]),
        ("father's friend and brother", [Kin("father", 1, "male"), Kin("brother", 1, "male")]),
        ("brother of three and his father", [Kin("brother", 1, "male"), Kin("father", 1, "male")]),
        ("uncle (old) and paternal", [Kin("uncle", 2, "male")]),
        ("uncle on the side", [Kin("uncle", 2, "male")]),
        ("uncle (paternal", [Kin("uncle", 2, "male")]),
        ("uncle on paternal leave", [Kin("uncle", 2, "male")]),
        ("her older brother", [Kin("brother", 1, "male")]),
        ("paternal older half brother", [Kin("half-brother", 2, "male", "paternal")]),
    ],
)
def test_words_that_make_one_relative_and_words_that_make_two(text: str, kins: list[Kin]) -> None:
    assert [named.kin for named in relatives.find(tokenize(text))] == kins


def test_the_patient_has_no_kin() -> None:
    (mention,) = mentions(Document("n", "She has asthma."))
    assert mention.kin is None


@pytest.mark.parametrize(
    ("behind", "age"),
    [
        (" at 60", "60"), (" at age 60", "60"), (" (60)", "60"), (" 60", "60"), (", aged 60", "60"), (" @ 60", "60"),
        (" in his late 40s", "40s"), (" in their forties", "40s"), (" mid-50's", "50s"), (" 39yo", "39"),
        (" at the age of 7", "7"),
        # no age, or another one
        (" 60 years ago", ""), (" before age 55", ""), (" under 50", ""), (" 3", ""), (" 60%", ""), (" 60 mg", ""),
        (" 10/2019", ""), (" in 1998", ""), (", alive at 80", ""), (", died at 70", ""), (", now 80 years old", ""),
        (" at 160", ""), (" at 110", "110"), (" 15", "15"), (" 110", "110"), (" and is age 80", ""), ("", ""),
    ],
)  # fmt: skip
def test_ages_behind_a_name(behind: str, age: str) -> None:
    text = "MI" + behind
    assert age_at_onset(text, Span(0, 2), Span(0, len(text)), stays=False) == age


def test_an_age_of_death_is_an_onset_only_of_what_one_dies_of_at_once() -> None:
    text = "Father died at 62 of an MI"
    name = Span(len(text) - 2, len(text))
    assert age_at_onset(text, name, Span(0, len(text)), stays=False) == "62"
    assert age_at_onset(text, name, Span(0, len(text)), stays=True) == ""
    assert family("Father died of an MI at 63")[0].age_at_onset == "63"
    assert family("Father died of diabetes at 63")[0].age_at_onset == ""


def test_an_age_belongs_to_its_neighbour() -> None:
    found = family("Father had hypertension, stroke at 60")
    assert [(m.entry.concept, m.age_at_onset) for m in found] == [("hypertension", ""), ("stroke", "60")]


def test_the_table_knows_every_role_it_composes() -> None:
    table = tomllib.loads(resources.files("salus.text").joinpath("data/relatives.toml").read_text("utf-8"))
    assert table["source"]
    assert table["licence"]
    roles = {row["role"]: row for row in table["relative"]}
    for row in table["of"]:
        for relative, role in row.items():
            if relative != "of":
                assert relative in roles
                assert role in roles
        assert all(owner in roles for owner in row["of"].split("|"))
    assert {row.get("degree") for row in table["relative"]} == {1, 2, 3, None}
    assert {row.get("sex", "") for row in table["relative"]} == {"male", "female", ""}


@given(
    st.lists(st.sampled_from(["father", "father's", "brother", "of", "his", "maternal", "(", ")", "on", "side", "and"]))
)
def test_any_words_give_relatives_in_order(words: list[str]) -> None:
    tokens = tokenize(" ".join(words))
    found = relatives.find(tokens)
    assert all(a.last <= b.first for a, b in pairwise(found))
    for at in range(len(found)):
        assert found[at] in list(relatives.together(tokens, found, at))
