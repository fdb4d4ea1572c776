"""The data tables: every concept known, every phrase usable, sources named."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from salus.terminology import codes
from salus.text.context import AXES
from salus.text.document import tokenize
from salus.text.lexicon import dictionary, matches
from salus.text.phrases import expand


def table(name: str) -> dict[str, object]:
    return tomllib.loads(resources.files("salus.text").joinpath("data", name).read_text("utf-8"))


@pytest.mark.parametrize(
    "name",
    [
        "context_en.toml",
        "answers_en.toml",
        "relatives.toml",
        "problems.toml",
        "senses.toml",
        "languages.toml",
        "sections.toml",
        "medication_names.toml",
        "words.toml",
    ],
)
def test_every_table_names_source_and_licence(name: str) -> None:
    assert table(name)["source"]
    assert table(name)["licence"]


def test_every_problem_is_a_concept_of_the_code_table() -> None:
    problems: list[dict[str, str]] = table("problems.toml")["problem"]  # type: ignore[assignment]
    unknown = [row["concept"] for row in problems if row["concept"] not in codes.concepts()]
    assert unknown == []
    assert len({row["concept"] for row in problems}) == len(problems)


def test_every_sense_is_well_formed() -> None:
    senses: list[dict[str, str]] = table("senses.toml")["sense"]  # type: ignore[assignment]
    names = {name for row in senses for name in row["names"]}
    for row in senses:
        assert row["alone"] in ("own", "doubt")
        assert row["else"] in ("nothing", "doubt")
        assert row.get("graded", "stroke") in codes.concepts()
    for name in names:
        assert matches(tokenize(name)), name


def test_english_words_are_folded_as_they_are_asked_for() -> None:
    lines = resources.files("salus.text").joinpath("data", "english.txt").read_text("utf-8").splitlines()
    words = [word for line in lines if not line.startswith("#") for word in line.split()]
    assert len(words) > 10_000
    assert all(word.isascii() and word.islower() for word in words)
    assert len("\n".join(lines)) < 200_000


def test_every_rule_is_well_formed_and_its_phrases_are_tokens() -> None:
    rules: list[dict[str, object]] = table("context_en.toml")["rule"]  # type: ignore[assignment]
    for rule in rules:
        assert rule["axis"] in AXES
        assert rule["direction"] in ("forward", "backward", "pseudo", "stop")
        assert ("value" in rule) or rule["direction"] in ("pseudo", "stop")
        for phrase in rule["phrases"]:  # type: ignore[attr-defined]
            for words in expand(phrase):
                assert words, phrase
                for word in words:
                    assert word in ("#", "<year>") or [t.norm for t in tokenize(word)] == [word], (phrase, word)


def test_every_medicine_line_is_complete() -> None:
    lines = resources.files("salus.text").joinpath("data", "medications.tsv").read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert len(rows) > 5000
    for name, kind, ingredients, rxcui, ambiguous in rows:
        assert name
        assert kind in ("ingredient", "salt", "brand")
        assert len(ingredients.split("+")) == len(rxcui.split("+"))
        assert all(code == "-" or code.isdigit() for code in rxcui.split("+"))
        assert ambiguous in ("", "1")


@pytest.mark.parametrize(
    ("brand", "ingredients"),
    [
        ("Entresto", {"sacubitril", "valsartan"}),
        ("Janumet", {"metformin", "sitagliptin"}),
        ("Percocet", {"acetaminophen", "oxycodone"}),
        ("Augmentin", {"amoxicillin", "clavulanate"}),
        ("Lotrel", {"amlodipine", "benazepril"}),
        ("Hyzaar", {"hydrochlorothiazide", "losartan"}),
        ("Excedrin", {"acetaminophen", "aspirin", "caffeine"}),
        ("Pravachol", {"pravastatin"}),
        ("Macrobid", {"nitrofurantoin"}),
        ("Coumadin", {"warfarin"}),
    ],
)
def test_a_brand_carries_all_its_ingredients(brand: str, ingredients: set[str]) -> None:
    (match,) = matches(tokenize(brand))
    assert set(match.entry.ingredients) == ingredients
    assert len(match.entry.rxcui) == len(ingredients)
    assert all(code.isdigit() for code in match.entry.rxcui)


def test_a_brand_of_several_compositions_is_a_name_without_content() -> None:
    (match,) = matches(tokenize("Boostrix"))
    assert (match.entry.kind, match.entry.concept) == ("medication", "Boostrix")
    assert (match.entry.ingredients, match.entry.rxcui) == ((), ())


def test_the_table_of_medicines_is_of_modest_size() -> None:
    assert len(resources.files("salus.text").joinpath("data", "medications.tsv").read_bytes()) < 500_000


@pytest.mark.parametrize(
    ("text", "found"),
    [("melatonin 3 mg", 1), ("melatonin 3mg", 1), ("melatonin daily", 0), ("cholesterol 222 mg/dL", 0)],
)
def test_an_everyday_word_needs_a_dose(text: str, found: int) -> None:
    assert len(matches(tokenize(text))) == found


def test_diseases_that_stay_and_events_are_told_apart() -> None:
    problems: list[dict[str, str]] = table("problems.toml")["problem"]  # type: ignore[assignment]
    lasts = {row["concept"]: row.get("lasts", "") for row in problems}
    assert set(lasts.values()) == {"chronic", "event", ""}
    assert all(lasts[c] == "chronic" for c in ("diabetes", "hypertension", "coronary-heart-disease", "heart-failure"))
    assert all(lasts[c] == "event" for c in ("stroke", "myocardial-infarction", "pneumonia"))
    assert all(lasts[c] == "" for c in ("cough", "chest-pain", "syncope"))


def test_the_dictionary_takes_the_longest_name() -> None:
    (match,) = matches(tokenize("coronary artery disease"))
    assert (match.entry.concept, match.span.end) == ("coronary-heart-disease", 23)
    assert dictionary() is dictionary()
