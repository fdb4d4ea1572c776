"""Values that no living adult has, and extremes that some had."""

from __future__ import annotations

from decimal import Decimal

import pytest

from salus.fhir.quantity import Quantity
from salus.terminology import codes, plausible, units


def possible(concept: str, value: str, unit: str, comparator: str | None = None) -> bool:
    return plausible.possible(concept, Quantity(Decimal(value), unit, comparator))


@pytest.mark.parametrize(
    ("concept", "value", "unit"),
    [
        ("ldl-cholesterol", "8082", "mg/dL"),
        ("ldl-cholesterol", "209", "mmol/L"),
        ("hdl-cholesterol", "50", "mmol/L"),
        ("total-cholesterol", "200", "mmol/L"),
        ("potassium", "44", "mmol/L"),
        ("potassium", "66", "mEq/L"),
        ("creatinine", "88", "mg/dL"),
        ("creatinine", "1.0", "umol/L"),
        ("sodium", "14", "mmol/L"),
        ("haemoglobin", "140", "g/dL"),
        ("oxygen-saturation", "101", "%"),
        ("systolic-bp", "1200", "mm[Hg]"),
        ("body-height", "1750", "cm"),
        ("body-temperature", "98.6", "Cel"),
    ],
)
def test_impossible(concept: str, value: str, unit: str) -> None:
    assert not possible(concept, value, unit)


@pytest.mark.parametrize(
    ("concept", "value", "unit"),
    [
        ("potassium", "9", "mmol/L"),
        ("potassium", "15", "mmol/L"),
        ("potassium", "1.2", "mmol/L"),
        ("creatinine", "20", "mg/dL"),
        ("creatinine", "66", "mg/dL"),
        ("creatinine", "0.2", "mg/dL"),
        ("glucose", "1500", "mg/dL"),
        ("glucose", "10", "mg/dL"),
        ("triglycerides", "10000", "mg/dL"),
        ("total-cholesterol", "1730", "mg/dL"),
        ("hba1c", "58", "mmol/mol"),
        ("body-temperature", "14.2", "Cel"),
        ("haemoglobin", "2", "g/dL"),
        ("zxqv", "1000000", "mmol/L"),
        ("potassium", "44", "zxqv"),
        ("potassium", "44", "mm[Hg]"),
    ],
)
def test_possible(concept: str, value: str, unit: str) -> None:
    assert possible(concept, value, unit)


@pytest.mark.parametrize(("comparator", "expected"), [(">", False), (">=", False), ("<", True), ("<=", True)])
def test_of_a_bound_the_side_counts_that_it_asserts(comparator: str, expected: bool) -> None:
    assert possible("potassium", "44", "mmol/L", comparator) is expected
    assert possible("sodium", "14", "mmol/L", comparator) is not expected


def test_every_row_names_a_concept_and_a_unit_of_it() -> None:
    assert len(plausible._table()) > 15
    for concept, row in plausible._table().items():
        assert concept in codes.concepts()
        assert units.compatible(row.unit, concept)
        assert row.low is None or row.high is None or row.low < row.high
        assert plausible.limits(concept) == row
    assert plausible.limits("zxqv") is None
