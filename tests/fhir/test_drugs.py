from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.fhir import drugs
from salus.fhir.codes import SYSTEMS, Code


def _rxnorm(code: str, display: str = "") -> Code:
    return Code(SYSTEMS["rxnorm"], code, display)


def test_a_product_code_gives_ingredient_class_and_strength() -> None:
    found = drugs.identify([_rxnorm("198211")])
    assert found.ingredients == ("simvastatin",)
    assert "statin" in found.classes
    assert found.strength == 40


def test_a_code_wins_over_words() -> None:
    assert drugs.identify([_rxnorm("309362")], "omeprazole").ingredients == ("clopidogrel",)


@pytest.mark.parametrize(
    ("text", "ingredients"),
    [
        ("clopidogrel 75 MG Oral Tablet", ("clopidogrel",)),
        ("Hydrochlorothiazide 25 MG / lisinopril 10 MG Oral Tablet", ("hydrochlorothiazide", "lisinopril")),
        ("Lipitor 20 mg", ("atorvastatin",)),
        ("ciclosporin 50 mg", ("cyclosporine",)),
        ("rifampicin", ("rifampin",)),
        ("something nobody knows", ()),
        ("prostatin", ()),
    ],
)
def test_words(text: str, ingredients: tuple[str, ...]) -> None:
    assert drugs.identify(text=text).ingredients == ingredients


def test_a_preparation_for_local_use_has_no_class() -> None:
    assert drugs.identify(text="diclofenac 1 % topical gel").classes == frozenset()
    assert "nsaid" in drugs.identify(text="diclofenac 50 mg tablet").classes


def test_another_code_system_says_nothing() -> None:
    assert drugs.identify([Code(SYSTEMS["snomed"], "198211")]) == drugs.UNKNOWN


@pytest.mark.parametrize(
    ("dose", "expected"),
    [
        ("40 mg once daily", 40),
        ("40 mg every evening", 40),
        ("1 tablet twice daily", 80),
        ("2 tablets at night", 80),
        ("500 mcg daily", Decimal("0.5")),
        ("40 mg", None),
        ("daily", 40),
        ("40 mg as needed", None),
        ("20 mg or 40 mg daily", None),
        ("", None),
    ],
)
def test_daily_dose(dose: str, expected: Decimal | int | None) -> None:
    assert drugs.daily_mg(drugs.identify([_rxnorm("198211")]), dose) == expected


def test_no_strength_no_dose() -> None:
    assert drugs.daily_mg(drugs.identify(text="simvastatin"), "1 tablet daily") is None


@pytest.mark.parametrize(
    ("name", "mg", "level"),
    [
        ("atorvastatin", 80, "high"),
        ("atorvastatin", 40, "high"),
        ("atorvastatin", 20, "moderate"),
        ("rosuvastatin", 20, "high"),
        ("rosuvastatin", 5, "moderate"),
        ("simvastatin", 40, "moderate"),
        ("simvastatin", 10, "low"),
        ("simvastatin", 80, None),
        ("pravastatin", 10, "low"),
        ("omeprazole", 20, None),
    ],
)
def test_intensity(name: str, mg: int, level: str | None) -> None:
    assert drugs.statin_intensity(name, Decimal(mg)) == level


def test_intensity_of_an_unknown_dose() -> None:
    assert drugs.statin_intensity("atorvastatin", None) is None


def test_classes_by_name_and_by_class_name() -> None:
    assert drugs.classes_of(["warfarin"]) == {"anticoagulant"}
    assert drugs.classes_of(["proton pump inhibitor"]) == {"ppi"}
    assert "ibuprofen" in drugs.members("nsaid")
    assert drugs.members("aspirin") == ("aspirin",)


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_words_are_read(text: str, dose: str) -> None:
    found = drugs.identify(text=text)
    amount = drugs.daily_mg(found, dose)
    assert amount is None or amount >= 0
