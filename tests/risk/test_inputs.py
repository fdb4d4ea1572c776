"""What cannot be is named and not reckoned with; what a note says and a fasting glucose count for diabetes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from salus.risk.inputs import diabetes, gather, systolic
from tests.careplan.people import note
from tests.person import charts

WITHIN = timedelta(days=730)


@pytest.mark.parametrize(
    ("birth", "words"),
    [
        ("2030-02-01", "lies in the future"),
        ("1850-02-01", "more than 120 years ago"),
        ("1905-05-31", "more than 120 years ago"),
        ("1906-01-01", ""),
        ("1966", ""),
        ("2026-06-01", ""),
    ],
)
def test_a_date_of_birth_that_nobody_living_has(birth: str, words: str) -> None:
    person = charts.known(birth=birth)
    told = person.age_doubt
    assert words in told if words else not told
    if words:
        assert gather(person).found["age"].value is None
        assert words in gather(person).found["age"].why


def _pressure(upper: int, lower: int) -> dict[str, object]:
    parts = [
        {"code": charts.concept(f"loinc|{code}"), "valueQuantity": {"value": value, "unit": "mm[Hg]", "code": "mm[Hg]"}}
        for code, value in (("8480-6", upper), ("8462-4", lower))
    ]
    return charts.result("loinc|85354-9", None, component=parts)


def test_the_systolic_value_of_an_impossible_pair_is_not_used() -> None:
    assert systolic(charts.known(_pressure(130, 80)), WITHIN).value == 130
    for lower in (130, 140):
        found = systolic(charts.known(_pressure(130, lower)), WITHIN)
        assert found.value is None
        assert "not below the systolic" in found.why


@pytest.mark.parametrize(
    ("fasting", "other", "value"),
    [("94", None, False), ("126", None, None), ("94", "126", None), ("126", "94", None), (None, "94", False)],
)
def test_a_fasting_glucose_speaks_of_diabetes_too(fasting: str | None, other: str | None, value: bool | None) -> None:
    told = [charts.result("loinc|14771-0", str(int(fasting) / 18), "mmol/L")] if fasting else []
    told += [charts.result("loinc|2345-7", other, "mg/dL", when="2026-05-11")] if other else []
    assert diabetes(charts.known(*told), WITHIN).value is value


def test_a_note_that_speaks_of_diabetes_leaves_it_open() -> None:
    normal = charts.result("loinc|4548-4", "5.5", "%")
    assert diabetes(charts.known(normal), WITHIN).value is False
    for assertion in ("present", "possible"):
        found = diabetes(charts.known(normal, findings=(note("diabetes-type-2", assertion),)), WITHIN)
        assert found.value is None
        assert "note" in found.why
