"""Units as people write them: read to one UCUM code, converted by the analyte, refused where they cannot be its."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import UnitError
from salus.fhir import ucum
from salus.fhir.quantity import Quantity
from salus.terminology import units


def converted(value, unit, target, analyte=None):
    return units.convert(Quantity(Decimal(value), unit), target, analyte)


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("mEq/L", "meq/L"), ("meq/l", "meq/L"), ("MEQ/L", "meq/L"), ("MG/DL", "mg/dL"), ("mg/dl", "mg/dL"),
        ("mg / dL", "mg/dL"), ("umol/l", "umol/L"), ("µmol/l", "umol/L"), ("μmol/L", "umol/L"), ("mcmol/L", "umol/L"),
        ("UMOL/L", "umol/L"), ("mmHg", "mm[Hg]"), ("mm Hg", "mm[Hg]"), ("MMHG", "mm[Hg]"), ("%", "%"),
        ("x10E9/L", "10*9/L"), ("10^9/L", "10*9/L"), ("10e9/l", "10*9/L"), ("×10⁹/L", "10*9/L"), ("10*3/uL", "10*3/uL"),
        ("K/uL", "10*3/uL"), ("k/ul", "10*3/uL"), ("mcg", "ug"), ("µg", "ug"), ("mcg/dL", "ug/dL"), ("IU/L", "[IU]/L"),
        ("UI/L", "[IU]/L"), ("mmol/mol Hb", "mmol/mol"), ("ml/min/1,73 m²", "mL/min/{1.73_m2}"),
        ("ML/MIN/1.73M2", "mL/min/{1.73_m2}"), ("mL/min/1.73", "mL/min/{1.73_m2}"), ("bpm", "/min"), ("BPM", "/min"),
        ("°C", "Cel"), ("C", "Cel"), ("F", "[degF]"), ("MMOL/L", "mmol/L"), ("mMol/L", "mmol/L"), ("KG/M2", "kg/m2"),
        ("kg/m²", "kg/m2"), ("Kg", "kg"), ("lbs", "[lb_av]"), ("g%", "g/dL"), ("mg%", "mg/dL"), ("years", "a"),
        ("PG", "pg"), ("cells/µL", "/uL"), ("mm/hr", "mm/h"), ("U/l", "U/L"), ("ng/mL FEU", "ng/mL{FEU}"),
        ("mg/mmol creat", "mg/mmol"), ("MG/G CREAT", "mg/g"), (" mg/dL ", "mg/dL"),
        ("mmol/ltr", "mmol/L"), ("g/Litre", "g/L"), ("ug/mg creat", "ug/mg"), ("mg/mmol Cr", "mg/mmol"),
        ("mg/g (creatinine)", "mg/g"), ("mg/gCr", "mg/g"), ("mg/mmol of creatinine", "mg/mmol"),
    ],
)  # fmt: skip
def test_a_spelling_stands_for_one_unit(spelling, code):
    assert units.canonical(spelling) == code


@pytest.mark.parametrize("spelling", sorted(units._spellings()))
def test_every_spelling_of_the_table_is_read(spelling):
    found = units.readings(spelling)
    assert found
    assert all(ucum.parse(unit).code == unit for unit in found)


@pytest.mark.parametrize(
    ("spelling", "suspected"),
    [("mgdl", "mg/dL"), ("mg/dll", "mg/dL"), ("mmol//L", "mmol/L"), ("mmol/LL", "mmol/L"), ("furlong", ""), ("", "")],
)
def test_an_unknown_unit_is_refused_with_the_one_that_is_near(spelling, suspected):
    with pytest.raises(UnitError) as refused:
        units.canonical(spelling)
    assert spelling in refused.value.what
    assert suspected in refused.value.remedy
    assert ("meant" in refused.value.remedy) is bool(suspected)


def test_an_error_repeats_no_more_than_thirty_characters():
    with pytest.raises(UnitError) as refused:
        units.canonical("patient " * 200)
    assert len(str(refused.value)) < 120


@pytest.mark.parametrize(
    ("spelling", "number"), [("10 9/L", 0), ("M", 0), ("m", 1), ("G/L", 2), ("Mmol/L", 2), ("ML", 2)]
)
def test_an_ambiguous_spelling_has_its_readings(spelling, number):
    assert len(units.readings(spelling)) == number


@pytest.mark.parametrize("spelling", ["G/L", "Mmol/L", "Mg", "MM"])
def test_an_ambiguous_spelling_is_refused_without_an_analyte(spelling):
    with pytest.raises(UnitError, match="two meanings"):
        units.canonical(spelling)
    assert units.dimension(spelling) is None


@pytest.mark.parametrize(
    ("spelling", "analyte", "code"),
    [
        ("G/L", "platelets", "10*9/L"), ("G/L", "albumin", "g/L"), ("Mmol/L", "potassium", "mmol/L"),
        ("MMOL/L", "glucose", "mmol/L"), ("MM", "glucose", "mmol/L"), ("MM", "body-height", "mm"),
        ("Mg/dL", "glucose", "mg/dL"),
    ],
)  # fmt: skip
def test_the_analyte_decides_between_readings(spelling, analyte, code):
    assert units.canonical(spelling, analyte) == code


@pytest.mark.parametrize(
    ("value", "unit", "target", "analyte", "expected"),
    [
        ("5.8", "mEq/L", "mmol/L", "potassium", "5.8"),
        ("140", "mmol/L", "meq/L", "sodium", "140"),
        ("24", "meq/L", "mmol/L", "bicarbonate", "24"),
        ("101", "meq/L", "mmol/L", "chloride", "101"),
        ("5", "meq/L", "mmol/L", "calcium", "2.5"),
        ("2", "meq/L", "mmol/L", "magnesium", "1"),
        ("4.008", "mg/dL", "mmol/L", "calcium", "1"),
        ("2.008", "meq/L", "mg/dL", "calcium", "4.024032"),
        ("1", "mg/dL", "umol/L", "creatinine", "88.4"),
        ("1", "MG/DL", "mmol/L", "creatinine", "0.0884"),
        ("88.4", "µmol/L", "mg/dl", "creatinine", "1"),
        ("100", "mg/dL", "mmol/L", "total-cholesterol", "2.586"),
        ("100", "mg/dL", "mmol/L", "cholesterol", "2.586"),
        ("2.586", "mmol/l", "mg/dL", "ldl-cholesterol", "100"),
        ("1", "g/L", "mmol/L", "hdl-cholesterol", "2.586"),
        ("180.156", "mg/dL", "mmol/L", "glucose", "10"),
        ("180.156", "mg/dL", "mmol/L", "glucose-fasting", "10"),
        ("88.54", "mg/dL", "mmol/L", "triglycerides", "1"),
        ("48", "mmol/mol", "%", "hba1c", "6.54304"),
        ("6.54304", "%", "mmol/mol", "hba1c", "48"),
        ("0.0654304", "1", "mmol/mol", "hba1c", "48"),
        ("3", "mg/mmol", "mg/g", "urine-albumin-creatinine-ratio", "26.52"),
        ("26.52", "mg/g", "mg/mmol", "urine-albumin-creatinine-ratio", "3"),
        ("26.52", "ug/mg", "g/mol", "urine-albumin-creatinine-ratio", "3"),
        ("3", "mg/mmol", "mg/g", "creatinine", "26.52"),
        ("28.014", "mg/dL", "mmol/L", "urea-nitrogen", "10"),
        ("10", "mg/dL{BUN}", "mmol/L", "urea", "3.57"),
        ("60", "ml/min", "mL/min/{1.73_m2}", "laboratory-egfr", "60"),
        ("98.6", "F", "Cel", "body-temperature", "37"),
        ("16", "kPa", "kPa", "systolic-bp", "16"),
        ("40", "IU/L", "U/L", "alt", "40"),
        ("1", "ukat/L", "U/L", "ast", "60"),
        ("250", "G/L", "K/uL", "platelets", "250"),
        ("0.45", "L/L", "%", "haematocrit", "45"),
        ("10", "mmol/L", "g/L", "haemoglobin", "161.145"),
        ("4", "mU/L", "m[IU]/L", "tsh", "4"),
        ("1.1", "1", "{INR}", "inr", "1.1"),
        ("1.75", "m", "cm", "body-height", "175"),
        ("7.2", "10*9/L", "/uL", "wbc", "7200"),
    ],
)
def test_known_conversions_are_exact(value, unit, target, analyte, expected):
    assert converted(value, unit, target, analyte).value == Decimal(expected)


@pytest.mark.parametrize(
    ("unit", "analyte"),
    [
        ("mg/dL", "potassium"), ("mg/dL", "sodium"), ("mg/dL", "urea"), ("%", "potassium"), ("mmol/L", "albumin"),
        ("mg/dL", "lipoprotein-a"), ("ug/L", "d-dimer"), ("mm[Hg]", "heart-rate"), ("/min", "systolic-bp"),
        ("kg", "body-height"), ("mg/g", "creatinine"), ("Mmol/L", "urea-nitrogen-of-nobody"), ("mol/kg", "glucose"),
    ],
)  # fmt: skip
def test_a_unit_that_the_analyte_is_never_given_in_is_incompatible(unit, analyte):
    assert not units.compatible(unit, analyte)


def test_an_impossible_unit_is_refused_with_the_one_suspected():
    with pytest.raises(UnitError) as refused:
        converted("5.8", "mg/dL", "mmol/L", "potassium")
    assert "potassium is not given in mg/dL" in refused.value.what
    assert "mmol/L or meq/L" in refused.value.remedy


def test_a_unit_of_the_right_kind_a_million_times_off_is_none_of_the_analyte():
    assert units.compatible("mmol/L", "potassium")
    assert not units.compatible("Gmol/L", "potassium")
    assert units.compatible("mol/L", "creatinine")


@pytest.mark.parametrize(("unit", "name"), [
    ("mg/dL", "mass-concentration"), ("mmol/L", "substance-concentration"), ("mEq/L", "equivalent-concentration"),
    ("bpm", "rate"), ("%", "fraction"), ("mg/g", "mass-ratio"), ("/d", "daily-count"), ("mg/kg/d", "s-1.g/g"),
    ("furlong", None),
])  # fmt: skip
def test_a_dimension_has_a_name(unit, name):
    assert units.dimension(unit) == name


def test_without_an_analyte_only_one_kind_converts():
    assert converted("1", "G/DL", "mg/dL").value == 1000
    assert converted("1", "g/dL", "mg/dL", "an analyte nobody knows").value == 1000
    with pytest.raises(UnitError):
        converted("1", "mg/dL", "mmol/L")
    with pytest.raises(UnitError):
        converted("1", "mEq/L", "mmol/L")


def test_a_bound_stays_a_bound_and_the_own_unit_keeps_its_digits():
    found = units.convert(Quantity(Decimal("5.80"), "mEq/L", ">"), "meq/l", "potassium")
    assert (str(found.value), found.unit, found.comparator) == ("5.80", "meq/L", ">")
    assert units.convert(Quantity(Decimal("1"), "mg/dL", "<"), "umol/L", "creatinine").comparator == "<"
    assert units.convert(Quantity(Decimal("1"), "mg/dL", "<"), "mg/L").comparator == "<"


def test_the_unit_of_an_analyte():
    assert units.canonical_unit_of("potassium") == "mmol/L"
    assert units.canonical_unit_of("cholesterol") == "mmol/L"
    assert units.canonical_unit_of("hba1c") == "mmol/mol"
    with pytest.raises(UnitError):
        units.canonical_unit_of("nothing")


LINKS = [(name, link) for name, analyte in units._analytes().items() for link in analyte.links.values()]


@pytest.mark.parametrize(("name", "link"), LINKS, ids=[f"{name}:{link.linked.code}" for name, link in LINKS])
def test_every_unit_of_every_analyte_converts_there_and_back(name, link):
    own = units.canonical_unit_of(name)
    for value in map(Decimal, ("0.5", "7", "120")):
        there = converted(value, link.linked.code, own, name)
        back = units.convert(there, link.linked.code, name).value
        assert abs(back - value) < Decimal("1e-20")
        assert link.linked.kind == ucum.parse(own).kind or there.value != value or link.factor == 1


@given(st.text(max_size=100))
def test_no_text_breaks_the_reader(text):
    for unit in units.readings(text):
        assert ucum.parse(unit).code == unit


@pytest.mark.parametrize("change", [str.upper, str.lower, str.title, str])
def test_case_never_gives_a_unit_of_another_size(change):
    for spelling in units._folded():
        found = units.readings(change(spelling))
        if len(found) == 1 and found[0] != change(spelling):  # "S" is siemens, whatever "s" is
            assert found[0] in units._folded()[spelling] or found[0] in units.readings(spelling)


@pytest.mark.parametrize(("spelling", "unit"), [("FMOL", "fmol"), ("MG/DL{UREA}", "mg/dL{urea}")])
def test_a_unit_that_only_one_analyte_is_given_in_is_known_in_capitals_too(spelling, unit):
    assert units.readings(spelling) == (unit,)


@pytest.mark.parametrize(
    ("unit", "fits"),
    [("mmol/L", True), ("nmol/L", True), ("pmol/L", False), ("fmol/L", False), ("kmol/L", True), ("mol/L", True)],
)
def test_a_unit_a_million_times_away_from_the_usual_one_is_the_last_that_fits(unit, fits):
    assert units.compatible(unit, "glucose") is fits
