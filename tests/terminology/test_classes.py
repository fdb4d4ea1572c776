"""Classes of medicines, the intensity of statins, and medicines as prescriptions write them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.fhir.codes import SYSTEMS, Code
from salus.terminology import classes, doses
from salus.terminology.reader import shipped


def _rxnorm(code: str, display: str = "") -> Code:
    return Code(SYSTEMS["rxnorm"], code, display)


def test_a_product_code_gives_ingredient_class_and_strength() -> None:
    found = shipped().medicine([_rxnorm("198211")])
    assert found.ingredients == ("simvastatin",)
    assert "statin" in found.classes
    assert found.strength == 40


def test_a_code_of_another_system_says_nothing() -> None:
    assert not shipped().medicine([Code("urn:other", "198211")]).understood


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
    assert shipped().medicine((), text).ingredients == ingredients


def test_a_preparation_for_local_use_has_no_class() -> None:
    assert shipped().medicine((), "diclofenac 1 % topical gel").classes == frozenset()
    assert "nsaid" in shipped().medicine((), "diclofenac 50 mg tablet").classes


@pytest.mark.parametrize(
    ("dose", "expected"),
    [
        ("40 mg once daily", 40),
        ("40 mg every evening", 40),
        ("1 tablet twice daily", 80),
        ("2 tablets at night", 80),
        ("500 mcg daily", Decimal("0.5")),
        ("40 mg", None),
        ("daily", None),
        ("40 mg as needed", None),
        ("20 mg or 40 mg daily", None),
        ("", None),
    ],
)
def test_daily_dose(dose: str, expected: Decimal | int | None) -> None:
    assert doses.daily_mg(doses.read_text(dose), Decimal(40)) == expected


def test_no_strength_no_dose() -> None:
    assert doses.daily_mg(doses.read_text("1 tablet daily"), None) is None


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
    assert classes.statin_intensity(name, Decimal(mg)) == level


def test_intensity_of_an_unknown_dose() -> None:
    assert classes.statin_intensity("atorvastatin", None) is None


def test_classes_by_name_and_by_class_name() -> None:
    assert classes.classes_of(["warfarin"]) >= {"anticoagulant"}
    assert classes.classes_of(["proton pump inhibitor"]) >= {"ppi"}
    assert "ibuprofen" in classes.members("nsaid")
    assert classes.members("aspirin") == ("aspirin",)


@given(st.text(max_size=80))
def test_any_words_are_read(text: str) -> None:
    found = shipped().medicine((), text)
    assert found.understood or not found.ingredients
