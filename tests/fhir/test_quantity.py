"""Units: each converts there and back, none is guessed, and a bound never passes for a value."""

import itertools
import tomllib
from decimal import Decimal
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import UnitError
from salus.fhir import quantity
from salus.fhir.quantity import Quantity

TABLE = tomllib.loads(files("salus.fhir").joinpath("units.toml").read_text("utf-8"))
DIMENSIONS = {name: list(units) for name, units in TABLE["dimension"].items()}
UNITS = [unit for units in DIMENSIONS.values() for unit in units]
VALUES = st.decimals(min_value=Decimal("-1000000"), max_value=Decimal("1000000"), places=4)


def close(one, other, digits=12):
    return abs(one - other) <= max(abs(one), abs(other), Decimal(1)) * Decimal(10) ** -digits


@pytest.mark.parametrize("kind", DIMENSIONS)
def test_every_unit_converts_to_every_other_of_its_kind_and_back(kind):
    for a, b in itertools.permutations(DIMENSIONS[kind], 2):
        for value in map(Decimal, ("0", "-40", "37.5", "120", "0.0001")):
            there = quantity.convert(Quantity(value, a), b)
            assert there.unit == b
            assert close(quantity.convert(there, a).value, value), f"{value} {a} to {b}"


@given(VALUES, st.sampled_from(UNITS))
def test_the_own_unit_keeps_every_digit(value, unit):
    assert str(quantity.convert(Quantity(value, unit), unit).value) == str(value)


@pytest.mark.parametrize("kind", DIMENSIONS)
def test_units_of_different_kinds_never_convert_without_an_analyte(kind):
    for other in set(DIMENSIONS) - {kind}:
        with pytest.raises(UnitError):
            quantity.convert(Quantity(Decimal(1), DIMENSIONS[kind][0]), DIMENSIONS[other][0])


@pytest.mark.parametrize(("alias", "unit"), TABLE["aliases"].items())
def test_every_alias_is_a_spelling_of_a_known_unit(alias, unit):
    assert unit in UNITS
    assert quantity.canonical_unit(alias) == unit
    assert alias == unit or alias not in UNITS, "an alias must not rename a unit of its own"


@pytest.mark.parametrize("unit", ["", " ", "mg", "MG/DL", "mg/dl", "mmol", "furlong", "U/L", "mm", "x" * 10_000])
def test_an_unknown_unit_or_one_of_another_kind_is_refused(unit):
    with pytest.raises(UnitError) as refused:
        quantity.convert(Quantity(Decimal(1), unit), "mg/dL")
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("value", "unit", "target", "analyte", "expected"),
    [
        ("1.00", "mg/dL", "umol/L", "creatinine", "88.4"),
        ("88.4", "umol/L", "mg/dL", "creatinine", "1"),
        ("200", "mg/dL", "mmol/L", "cholesterol", "5.172"),
        ("5.172", "mmol/L", "mg/dL", "cholesterol", "200"),
        ("180.156", "mg/dL", "mmol/L", "glucose", "10"),
        ("10", "mmol/L", "mg/dL", "glucose", "180.156"),
        ("30", "mg/g", "mg/mmol", "creatinine", "3.3936651"),
        ("3", "mg/mmol", "mg/g", "creatinine", "26.5199998"),
        ("98.6", "[degF]", "Cel", None, "37"),
        ("0", "Cel", "[degF]", None, "32"),
        ("16", "kPa", "mm[Hg]", None, "120.00984"),
        ("1", "[lb_av]", "g", None, "453.59237"),
        ("72", "[in_i]", "[ft_i]", None, "6"),
        ("0.97", "1", "%", None, "97"),
    ],
)
def test_known_conversions(value, unit, target, analyte, expected):
    found = quantity.convert(Quantity(Decimal(value), unit), target, analyte)
    assert close(found.value, Decimal(expected), 7)


@pytest.mark.parametrize("analyte", [None, "potassium", "", "Creatinine"])
def test_mass_and_substance_convert_only_for_a_known_analyte(analyte):
    for one, other in (("mg/dL", "umol/L"), ("umol/L", "mg/dL")):
        with pytest.raises(UnitError):
            quantity.convert(Quantity(Decimal(1), one), other, analyte)


@pytest.mark.parametrize("analyte", TABLE["molar-mass"])
def test_analytes_convert_there_and_back(analyte):
    there = quantity.convert(Quantity(Decimal("93.7"), "mg/dL"), "mmol/L", analyte)
    assert close(quantity.convert(there, "mg/dL", analyte).value, Decimal("93.7"))


def test_a_comparator_stays_with_the_value():
    assert quantity.convert(Quantity(Decimal(15), "mg/dL", "<"), "mg/L").comparator == "<"
    assert quantity.read({"value": Decimal(15), "unit": "mg/dL", "comparator": "<"}).comparator == "<"


@given(VALUES, st.sampled_from(UNITS), st.sampled_from([None, "<", "<=", ">", ">="]))
def test_written_quantities_read_back(value, unit, comparator):
    original = Quantity(value, unit, comparator)
    assert quantity.read(quantity.write(original)) == original


@pytest.mark.parametrize(
    "element",
    [
        None, "5 mg/dL", [], {}, {"value": Decimal(5)}, {"value": Decimal(5), "unit": ""}, {"unit": "mg/dL"},
        {"value": "5", "unit": "mg/dL"}, {"value": True, "unit": "mg/dL"}, {"value": None, "unit": "mg/dL"},
        {"value": [5], "unit": "mg/dL"}, {"value": Decimal(5), "unit": 7}, {"value": Decimal(5), "code": ["mg/dL"]},
        {"value": Decimal(5), "unit": "mg/dL", "comparator": 5}, {"value": Decimal(5), "unit": "g", "comparator": ""},
    ],
)  # fmt: skip
def test_a_quantity_without_value_or_unit_or_with_a_bound_that_cannot_be_read_is_absent(element):
    assert quantity.read(element) is None


def test_a_code_of_another_system_is_not_taken_for_ucum():
    element = {"value": Decimal(5), "unit": "mg/dL", "system": "http://snomed.info/sct", "code": "258797006"}
    assert quantity.read(element).unit == "mg/dL"
    assert quantity.read({**element, "system": quantity.UCUM, "code": "mg/L"}).unit == "mg/L"
