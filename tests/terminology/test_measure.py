"""What an observation measures."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.fhir.codes import Code
from salus.terminology.meaning import Measure
from salus.terminology.reader import shipped

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"


def read(*codes: tuple[str, ...], text: str = "", unit: str | None = None) -> Measure:
    return shipped().measure([Code(*code) for code in codes], text, unit)


@pytest.mark.parametrize(
    ("code", "concept"),
    [
        ("2160-0", "creatinine"),
        ("14682-9", "creatinine"),
        ("13457-7", "ldl-cholesterol"),
        ("6298-4", "potassium"),
        ("14585-4", "urine-albumin-creatinine-ratio"),
        ("59261-8", "hba1c"),
        ("62238-1", "laboratory-egfr"),
        ("98979-8", "laboratory-egfr"),
        ("85354-9", "blood-pressure"),
        ("8480-6", "systolic-bp"),
        ("29463-7", "body-weight"),
        ("72166-2", "smoking-status"),
        ("82810-3", "pregnancy-status"),
        ("80288-4", "acvpu"),
        ("3151-8", "inhaled-oxygen-flow"),
        ("75626-2", "audit-c"),
    ],
)
def test_codes(code: str, concept: str) -> None:
    found = read((LOINC, code))
    assert concept in found.concepts
    assert found.basis == "code"
    assert found.used == (Code(LOINC, code),)


def test_an_observable_of_snomed() -> None:
    assert "body-temperature" in read((SNOMED, "386725007")).concepts


@pytest.mark.parametrize("code", ["83072-9", "26998-5", "44974-4", "87739-9", "57369-1"])
def test_another_measurement_is_none_of_ours(code: str) -> None:
    assert not read((LOINC, code)).concepts


@pytest.mark.parametrize(
    ("text", "unit", "concept"),
    [
        ("Potassium", "mmol/L", "potassium"),
        ("K", "mmol/L", "potassium"),
        ("Kalium", None, "potassium"),
        ("Serum creatinine level", "umol/L", "creatinine"),
        ("Plasma potassium level", "mEq/L", "potassium"),
        ("Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", "creatinine"),
        ("HbA1c", "mmol/mol", "hba1c"),
        ("HbA1c", "%", "hba1c"),
        ("LDL-C", "mg/dL", "ldl-cholesterol"),
        ("eGFR", "mL/min/{1.73_m2}", "laboratory-egfr"),
        ("Kreatinin", "umol/L", "creatinine"),
        ("Systolic blood pressure", "mm[Hg]", "systolic-bp"),
        ("Körpergewicht", "kg", "body-weight"),
    ],
)
def test_names(text: str, unit: str | None, concept: str) -> None:
    found = read(text=text, unit=unit)
    assert concept in found.concepts
    assert found.basis == "text"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("Potassium", "kg"),
        ("K", None),
        ("K", "mg/dL"),
        ("Na", None),
        ("Urine albumin zxqv", "mg/L"),
        ("Glucose", "zxqv"),
        ("Zxqv", None),
        ("PCR", "mg/L"),
        ("Protein", "g/L"),
    ],
)
def test_names_that_are_not_sure_are_unknown(text: str, unit: str | None) -> None:
    found = read(text=text, unit=unit)
    assert found.basis == "unknown"
    assert not found.understood


def test_a_name_beside_a_local_code_is_read_and_beside_an_unknown_loinc_code_is_not() -> None:
    assert read(("urn:local", "4711", "Potassium"), unit="mmol/L").concepts == {"potassium"}
    assert read((LOINC, "38483-2", "Creatinine"), unit="mmol/L").basis == "unknown"


def test_a_loinc_name_of_something_else_is_outside() -> None:
    found = read((LOINC, "33052-2", "Leukocytes [Presence] in Urine"))
    assert (found.basis, found.understood, found.concepts) == ("outside", True, frozenset())
    assert read((LOINC, "33052-3", "Leukocytes [Presence] in Urine")).basis == "unknown"
    assert read((LOINC, "33052-2", "Leukozyten im Zxqv")).basis == "unknown"
    assert read((LOINC, "33052-2")).basis == "unknown"


@pytest.mark.parametrize("code", ["2161-8", "2828-2", "9830-1", "770-8", "736-9", "33037-3", "13458-5", "27353-2"])
def test_codes_of_something_else_are_understood_as_none_of_ours_whatever_is_displayed(code: str) -> None:
    found = read((LOINC, code, "Creatinine"), unit="mg/dL")
    assert (found.basis, found.understood, found.concepts) == ("outside", True, frozenset())


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("VLDL", "mg/dL"),
        ("CSF glucose", "mg/dL"),
        ("Creatinine, Urine", "mmol/L"),
        ("Urine creatinine", "mg/dL"),
        ("Potassium, Urine", "mmol/L"),
        ("Cholesterol, pleural fluid", "mg/dL"),
        ("Cholesterol/HDL ratio", "{ratio}"),
        ("Pulmonary artery pressure", "mm[Hg]"),
        ("Intraocular pressure right eye", "mm[Hg]"),
        ("HbA1c target", "%"),
        ("BMI goal", "kg/m2"),
        ("Lymphocytes %", "%"),
        ("Anion gap", "mmol/L"),
        ("Estimated average glucose", "mg/dL"),
    ],
)
def test_words_of_another_specimen_place_goal_or_substance_are_none_of_ours(text: str, unit: str) -> None:
    found = read(text=text, unit=unit)
    assert (found.basis, found.understood, found.concepts) == ("outside", True, frozenset())


@pytest.mark.parametrize(
    ("text", "unit", "concept"),
    [
        ("Albumin/Kreatinin-Quotient (Urin)", "mg/g", "urine-albumin-creatinine-ratio"),
        ("Urine albumin", "mg/L", "urine-albumin"),
        ("Venous blood glucose", "mmol/L", "glucose"),
    ],
)
def test_such_a_word_in_the_name_of_one_of_ours_changes_nothing(text: str, unit: str, concept: str) -> None:
    assert concept in read(text=text, unit=unit).concepts


def test_a_name_stands_with_a_concentration_that_is_not_its_own_and_not_with_another_unit() -> None:
    assert read(text="BUN", unit="mg/dL").concepts == {"urea"}
    assert read(text="Potassium", unit="mg/dL").concepts == {"potassium"}
    assert not read(text="Potassium", unit="%").concepts


def test_two_names_of_different_measurements_are_no_measurement() -> None:
    assert read(("urn:local", "1", "Potassium"), text="Sodium", unit="mmol/L").basis == "unknown"


def test_nothing_is_empty() -> None:
    assert read().basis == "empty"


@given(st.text(max_size=50), st.one_of(st.none(), st.text(max_size=12)))
@settings(max_examples=150, deadline=None)
def test_any_words_are_read_or_refused(text: str, unit: str | None) -> None:
    found = read(text=text, unit=unit)
    assert bool(found.concepts) == (found.basis == "text")
