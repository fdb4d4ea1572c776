"""Units: each converts there and back, none is guessed, and a bound never passes for a value."""

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import UnitError
from salus.fhir import quantity, ucum
from salus.fhir.quantity import Quantity

DIMENSIONS = {
    "mass-concentration": ["g/L", "g/dL", "mg/dL", "mg/L", "ug/mL", "ug/L", "ng/mL", "ug/dL", "pg/mL"],
    "substance-concentration": ["mol/L", "mmol/L", "umol/L", "nmol/L", "pmol/L"],
    "equivalents": ["meq/L", "eq/L"],
    "catalytic": ["U/L", "ukat/L", "nkat/L"],
    "arbitrary": ["[IU]/L", "m[IU]/mL", "u[IU]/mL"],
    "counts": ["10*9/L", "10*3/uL", "/uL", "/mm3"],
    "pressure": ["mm[Hg]", "kPa", "Pa", "cm[H2O]"],
    "temperature": ["Cel", "[degF]", "K"],
    "mass": ["kg", "g", "mg", "ug", "[lb_av]", "[oz_av]", "[stone_av]"],
    "length": ["m", "cm", "mm", "km", "[in_i]", "[ft_i]", "[mi_i]"],
    "rate": ["/min", "/s", "/h"],
    "flow": ["L/min", "mL/s"],
    "clearance-per-area": ["mL/min/{1.73_m2}", "mL/s/{1.73_m2}"],
    "mass-ratio": ["mg/g", "ug/mg", "g/g"],
    "mass-per-substance": ["mg/mmol", "g/mol"],
    "fraction": ["%", "1"],
    "substance-fraction": ["mmol/mol", "mol/mol"],
    "volume-fraction": ["L/L", "mL/dL"],
    "area-density": ["kg/m2", "g/cm2"],
    "volume": ["mL", "L", "dL", "um3", "fL", "[tsp_us]"],
    "time": ["s", "ms", "min", "h", "d", "wk", "mo", "a"],
    "energy": ["kcal", "kJ", "[Cal]"],
    "voltage": ["mV", "uV", "V"],
    "hounsfield": ["[hnsf'U]"],
    "count": ["{count}"],
    "daily-count": ["/d"],
    "days-a-week": ["d/wk"],
    "minutes-a-day": ["min/d"],
    "score": ["{score}"],
    "fibrin equivalents": ["ug/L{FEU}", "mg/L{FEU}"],
    "dimers": ["ug/L{DDU}"],
    "drops": ["[drp]"],
    "ph": ["[pH]"],
}
UNITS = [unit for units in DIMENSIONS.values() for unit in units]
ALIASES = ucum.settings()["aliases"]
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


@pytest.mark.parametrize(("alias", "unit"), ALIASES.items())
def test_every_alias_is_a_spelling_of_a_known_unit(alias, unit):
    assert ucum.parse(unit).code == unit
    assert quantity.canonical_unit(alias) == unit


@pytest.mark.parametrize(
    "unit",
    [
        "", " ", "mg", "MG/DL", "mmol", "furlong", "U/L", "mm", "x" * 10_000, "mg/", "/", "mg..dL", "mg/dL/", "(mg/dL",
        "mg/dL)", "mg{/dL", "mg/dL}", "mg/d L", "m0", "10*", "10*99/L", "mg-1-1", "mg+", "3/L", "mL/min/1.73", "G/L",
        "F", "ft", "(" * 50 + "m" + ")" * 50, "m2s", "é", "mg\n/dL", "mm5",
    ],
)  # fmt: skip
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
        ("26.52", "mg/g", "mg/mmol", "creatinine", "3"),
        ("3", "mg/mmol", "mg/g", "creatinine", "26.52"),
        ("98.6", "[degF]", "Cel", None, "37"),
        ("0", "Cel", "[degF]", None, "32"),
        ("0", "K", "Cel", None, "-273.15"),
        ("1", "[lb_av]", "g", None, "453.59237"),
        ("72", "[in_i]", "[ft_i]", None, "6"),
        ("0.97", "1", "%", None, "97"),
        ("1", "ukat/L", "U/L", None, "60"),
        ("7.2", "10*3/uL", "10*9/L", None, "7.2"),
        ("4.184", "kJ", "kcal", None, "1"),
        ("1", "mg/(24.h)", "mg/d", None, "1"),
        ("1", "1000/uL", "10*9/L", None, "1"),
        ("2", "kg.m/s2", "N", None, "2"),
        ("1", "m2.m-1", "cm", None, None),
    ],
)
def test_known_conversions_are_exact(value, unit, target, analyte, expected):
    if expected is None:
        with pytest.raises(UnitError):
            quantity.convert(Quantity(Decimal(value), unit), target, analyte)
        return
    assert quantity.convert(Quantity(Decimal(value), unit), target, analyte).value == Decimal(expected)


def test_a_millimetre_of_mercury_is_that_of_the_standards_institute():
    # NIST SP 811, table B.8: 133.3224 Pa
    assert quantity.convert(Quantity(Decimal(1), "mm[Hg]"), "Pa").value == Decimal("133.3224")
    assert close(quantity.convert(Quantity(Decimal(16), "kPa"), "mm[Hg]").value, Decimal("120.00984"), 7)


@pytest.mark.parametrize("code", ["m0", "m5", "10*31", "10*0", "m-", "(m", "m)", "/", ".m", "3/L", "x", "{", "m" * 61])
def test_what_the_grammar_does_not_allow_is_no_unit(code):
    with pytest.raises(UnitError):
        ucum.parse(code)


@pytest.mark.parametrize(
    ("prefix", "power"),
    [("Y", 24), ("Z", 21), ("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("h", 2), ("da", 1),
     ("d", -1), ("c", -2), ("m", -3), ("u", -6), ("n", -9), ("p", -12), ("f", -15), ("a", -18), ("z", -21), ("y", -24)],
)  # fmt: skip
def test_prefixes_are_powers_of_ten(prefix, power):
    assert ucum.parse(f"{prefix}g").factor == Decimal(10) ** power
    assert ucum.parse("m4").factor == 1
    assert ucum.parse("(((((m)))))").kind == "m"


@pytest.mark.parametrize("analyte", [None, "potassium", "", "Creatinine"])
def test_mass_and_substance_convert_only_for_a_known_analyte(analyte):
    for one, other in (("mg/dL", "umol/L"), ("umol/L", "mg/dL"), ("mg/g", "mg/mmol"), ("mg/mmol", "mg/g")):
        with pytest.raises(UnitError):
            quantity.convert(Quantity(Decimal(1), one), other, analyte)


@pytest.mark.parametrize("analyte", ["cholesterol", "glucose"])
def test_only_creatinine_stands_below_a_ratio(analyte):
    for one, other in (("mg/g", "mg/mmol"), ("mg/mmol", "mg/g")):
        with pytest.raises(UnitError):
            quantity.convert(Quantity(Decimal(1), one), other, analyte)


@pytest.mark.parametrize("analyte", ["creatinine", "cholesterol", "glucose"])
def test_analytes_convert_there_and_back(analyte):
    there = quantity.convert(Quantity(Decimal("93.7"), "mg/dL"), "mmol/L", analyte)
    assert close(quantity.convert(there, "mg/dL", analyte).value, Decimal("93.7"))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1E+101", "1E-101", "1" * 101, "0E+999999"])
def test_a_value_that_is_no_number_or_beyond_reason_is_refused(value):
    with pytest.raises(UnitError):
        quantity.convert(Quantity(Decimal(value), "mg/dL"), "g/L")


def test_codes_are_case_sensitive_and_spelled_one_way():
    assert quantity.canonical_unit("mg/dl") == "mg/dL"
    assert quantity.canonical_unit("m[iU]/l") == "m[IU]/L"
    assert ucum.parse("Mmol/L").factor == ucum.parse("mmol/L").factor * 10**9


@pytest.mark.parametrize("unit", ["mg/g{creat}", "mg/g{Creatinine}", "mg{albumin}/g", "%{HbA1c}", "10*9{cells}/L"])
def test_an_annotation_counts_unless_it_only_names_what_is_counted(unit):
    inert = "albumin" not in unit
    plain = {"m": "mg/g", "%": "%", "1": "10*9/L"}[unit[0]]
    assert (ucum.parse(unit).kind == ucum.parse(plain).kind) is inert


@given(st.text(max_size=80))
def test_no_text_breaks_the_reader_of_units(text):
    try:
        unit = ucum.parse(text)
    except UnitError:
        return
    assert unit.factor != 0
    assert ucum.parse(unit.code).kind == unit.kind


PIECES = ["mg", "dL", ".", "/", "(", ")", "10*", "9", "-", "2", "{x}", "[IU]", "k", "u", "%", "l"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_what_is_read_is_read_the_same_in_its_one_spelling(text):
    try:
        unit = ucum.parse(text)
    except UnitError:
        return
    again = ucum.parse(unit.code)
    assert (again.kind, again.factor, again.code) == (unit.kind, unit.factor, unit.code)


def test_a_comparator_stays_with_the_value():
    assert quantity.convert(Quantity(Decimal(15), "mg/dL", "<"), "mg/L").comparator == "<"
    assert quantity.convert(Quantity(Decimal(15), "mg/dL", "<"), "mg/dL").comparator == "<"
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


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("m", "m"), ("m2", "m2"), ("cm2", "m2"), ("/s", "s-1"), ("/s2", "s-2"), ("N", "g.m.s-2"),
        ("kg.m/s2", "g.m.s-2"), ("mg/g", "g/g"), ("m2/m2", "m2/m2"), ("m+2", "m2"),
        ("s-1", "s-1"), ("m+1", "m"), ("m/m", "m/m"), ("1", "1"), ("kg/m2", "g.m-2"),
    ],
)  # fmt: skip
def test_a_kind_is_spelled_in_base_units_with_their_powers(code, kind):
    assert ucum.parse(code).kind == kind


@pytest.mark.parametrize("code", ["mmin", "kd", "m[lb_av]", "k%", "m[in_i]", "dh", "m[drp]"])
def test_a_unit_that_takes_no_prefix_has_none(code):
    with pytest.raises(UnitError):
        ucum.parse(code)
