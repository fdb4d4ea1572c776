"""What each kind of search value finds, and what is no value: tokens, dates with prefixes, strings, references."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from salus.errors import InputError
from salus.record import search
from salus.record.search import Parameter, parse

LOINC = "http://loinc.org"
CODED = {
    "resourceType": "Observation",
    "code": {"coding": [{"system": "urn:x", "code": "1"}, {"system": LOINC, "code": "2160-0"}, {"code": "bare"}]},
    "identifier": [{"system": "urn:mrn", "value": "A,1"}, {"value": "loose"}],
    "active": True,
    "gender": "female",
    "odd": 7,
}


def found(kind, path, text, body=CODED, modifier=""):
    return parse(Parameter("p", kind, (tuple(path.split(".")),)), modifier, text).matches(body)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("code", "2160-0", True),
        ("code", f"{LOINC}|2160-0", True),
        ("code", "urn:x|2160-0", False),
        ("code", f"{LOINC}|", True),
        ("code", "urn:y|", False),
        ("code", "|bare", True),
        ("code", "|2160-0", False),
        ("code", "2160", False),
        ("code", "x,2160-0", True),
        ("code", "x,y", False),
        ("identifier", "A\\,1", True),
        ("identifier", "urn:mrn|A\\,1", True),
        ("identifier", "|loose", True),
        ("identifier", "urn:mrn|loose", False),
        ("active", "true", True),
        ("active", "false", False),
        ("gender", "female", True),
        ("gender", "|female", True),
        ("gender", "urn:x|female", False),
        ("gender", "male", False),
        ("odd", "7", False),
        ("none", "7", False),
        ("code.coding", "2160-0", True),
        ("code.coding.code", "bare", True),
    ],
)
def test_tokens(path, text, expected):
    assert found("token", path, text) is expected


@pytest.mark.parametrize("text", ["a|b|c", "|", "", ",", "a,", ",".join("a" * 101)])
def test_what_is_no_token_is_refused_with_the_parameters_name(text):
    with pytest.raises(InputError) as refused:
        found("token", "code", text)
    assert refused.value.where == "p"


def test_a_hundred_values_may_be_named():
    assert found("token", "code", ",".join(["x"] * 99 + ["bare"]))


def test_an_element_without_a_system_takes_none():
    assert found("code", "gender", "female")
    with pytest.raises(InputError, match="no system"):
        found("code", "gender", "urn:x|female")


def test_only_a_string_has_a_modifier():
    assert found("string", "gender", "female", modifier="exact")
    for kind, modifier in (("token", "exact"), ("string", "contains"), ("date", "missing")):
        with pytest.raises(InputError, match="modifier"):
            found(kind, "gender", "female", modifier=modifier)


def dated(text, element):
    return found("date", "when", text, {"when": element})


DAY = {  # against the element 2024-05-10, a whole day
    "eq": {"2024-05-10": True, "2024-05": True, "2024-05-10T12:00:00Z": False, "2024-05-09": False, "2024": True},
    "ne": {"2024-05-10": False, "2024-05": False, "2024-05-10T12:00:00Z": True, "2024-05-09": True},
    "gt": {
        "2024-05-09": True,
        "2024-05-10": False,
        "2024-05-10T12:00:00Z": True,
        "2024-05": False,
        "2024-05-11": False,
    },
    "lt": {
        "2024-05-11": True,
        "2024-05-10": False,
        "2024-05-10T12:00:00Z": True,
        "2024-05": False,
        "2024-05-09": False,
    },
    "ge": {"2024-05-09": True, "2024-05-10": True, "2024-05-11": False, "2024-05": True},
    "le": {"2024-05-11": True, "2024-05-10": True, "2024-05-09": False, "2024-05": True},
    "sa": {"2024-05-09": True, "2024-05-10": False, "2024-04": True, "2024-05-09T23:59:59Z": True, "2024-05": False},
    "eb": {"2024-05-11": True, "2024-05-10": False, "2024-06": True, "2024-05-11T00:00:00Z": True, "2024-05": False},
}


@pytest.mark.parametrize(("prefix", "text"), [(p, t) for p, texts in DAY.items() for t in texts])
def test_dates_by_prefix(prefix, text):
    assert dated(prefix + text, "2024-05-10") is DAY[prefix][text]
    if prefix == "eq":
        assert dated(text, "2024-05-10") is DAY[prefix][text]


@pytest.mark.parametrize(
    ("text", "period", "expected"),
    [
        ("gt2030", {"start": "2024-05-10"}, True),  # it has not ended
        ("lt1990", {"end": "2024-05-10"}, True),
        ("eq2024", {"start": "2024-05-10"}, False),
        ("eq2024", {"start": "2024-05-10", "end": "2024-06-01"}, True),
        ("eb2024-06-02", {"start": "2024-05-10", "end": "2024-06-01"}, True),
        ("eb2024-06-01", {"start": "2024-05-10", "end": "2024-06-01"}, False),
        ("sa2024-05-09", {"start": "2024-05-10", "end": "2024-06-01"}, True),
        ("ge1900", {}, False),
        ("ge1900", {"start": "soon"}, False),
        ("ne1900", "soon", False),  # what cannot be read is not found by date
        ("ne1900", 7, False),
    ],
)
def test_periods_and_what_is_no_date(text, period, expected):
    assert dated(text, period) is expected


@pytest.mark.parametrize("text", ["soon", "gt", "xx2024", "gtsoon", "2024-13", "24"])
def test_what_is_no_date_to_compare_with_is_refused(text):
    with pytest.raises(InputError) as refused:
        dated(text, "2024-05-10")
    assert refused.value.where == "p"
    assert "YYYY" in refused.value.remedy


def test_the_span_of_an_element():
    day = search.span("2024-05-10")
    assert (day.start, day.end) == (datetime(2024, 5, 10, tzinfo=UTC), datetime(2024, 5, 11, tzinfo=UTC))
    assert search.span({"start": "2024-05-10"}).start == day.start
    assert search.span({"start": "2024-05-10"}).end.year == 9999
    assert search.span({"end": "2024-05-10"}).end == day.end
    assert search.span({"end": "2024-05-10"}).start.year == 1
    assert search.span({}) is search.span(None) is search.span({"start": "soon"}) is None


@pytest.mark.parametrize(
    ("text", "modifier", "expected"),
    [
        ("mül", "", True),
        ("MULL", "", True),
        ("ann", "", True),
        ("beth", "", True),
        ("lisa", "", False),  # from the beginning of a word's text only
        ("official", "", False),
        ("Müller", "exact", True),
        ("müller", "exact", False),
        ("Müll", "exact", False),
        ("x,Beth", "exact", True),
    ],
)
def test_strings(text, modifier, expected):
    name = [{"use": "official", "family": "Müller", "given": ["Anna", "Beth"]}, {"family": "Elisa"}, 7]
    assert found("string", "name", text, {"name": name}, modifier) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/p1", True),
        ("p1", True),
        ("Group/p1", False),
        ("Patient/p2", False),
        ("Patient/p1/_history/3", True),
        ("http://elsewhere/Patient/p1", False),
        ("p", False),
    ],
)
@pytest.mark.parametrize("held", ["Patient/p1", "Patient/p1/_history/2"])
def test_references(text, expected, held):
    assert found("reference", "subject", text, {"subject": {"reference": held}}) is expected
    assert found("reference", "subject", text, {"subject": held}) is expected


def test_a_reference_to_another_server_is_found_as_it_was_written_and_never_by_its_id():
    held = {"subject": {"reference": "http://elsewhere/Patient/p1"}}
    assert found("reference", "subject", "http://elsewhere/Patient/p1", held)
    assert not found("reference", "subject", "Patient/p1", held)
    assert not found("reference", "subject", "p1", held)
    assert not found("reference", "subject", "p1", {"subject": {"reference": 7}})
    assert not found("reference", "subject", "p1", {"subject": 7})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p1", ("", "p1")),
        ("Patient/p1", ("Patient", "p1")),
        ("Patient/p1/_history/2", ("Patient", "p1")),
        ("http://elsewhere/fhir/Patient/p1", ("Patient", "")),
        ("urn:uuid:0", ("", "")),
    ],
)
def test_who_is_meant_by_a_reference(text, expected):
    assert search.identity(text) == expected


@pytest.mark.parametrize("text", ["", "a b", "patient/p1", "Patient/", "Patient/p1/x", "x" * 65])
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(InputError):
        search.identity(text)


def test_a_backslash_makes_a_mark_part_of_the_value():
    assert found("string", "t", "a\\,b", {"t": "a,b"})
    assert not found("string", "t", "a\\,b", {"t": "a"})
    assert found("string", "t", "a\\\\", {"t": "a\\"})
    assert found("string", "t", "a\\|b", {"t": "a|b"})


def amount(written):
    return search.parse(search.types()["Observation"]["value-quantity"], "", written)


@pytest.mark.parametrize(
    ("written", "value", "found"),
    [
        ("5.4", "5.4", True),
        ("5.4", "5.35", True),
        ("5.4", "5.449", True),
        ("5.4", "5.45", False),
        ("5.40", "5.41", False),
        ("1e2", "149", True),
        ("1e2", "151", False),
        ("100", "100.4", True),
        ("ne100", "100.4", False),
        ("gt100", "100.4", True),
        ("ge100", "100", True),
        ("lt-1", "-1.5", True),
        ("le100", "100.4", False),
        ("sa100", "101", True),
        ("eb100", "101", False),
        ("5|http://unitsofmeasure.org|mg/dL", "5", True),
        ("5|http://unitsofmeasure.org|g/dL", "5", False),
        ("5|urn:other|mg/dL", "5", False),
        ("5||mg/dL", "5", True),
        ("5||mg per dL", "5", True),
        ("5||g/dL", "5", False),
        ("7,5", "5", True),
    ],
)
def test_quantities_are_found_within_the_digits_that_were_written(written, value, found):
    quantity = {"value": Decimal(value), "unit": "mg per dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}
    clause = amount(written)
    assert clause.matches({"valueQuantity": quantity}) == found
    assert not clause.matches({"valueQuantity": {**quantity, "comparator": "<"}})
    assert not clause.matches({"valueQuantity": {**quantity, "value": None}})
    assert not clause.matches({"valueString": value})


@pytest.mark.parametrize("written", ["", "x", "gt", "5|mg", "5|a|b|c", "NaN", "1e999", "5,", "--1", "٣"])
def test_what_is_no_quantity_is_refused(written):
    with pytest.raises(InputError, match="value-quantity"):
        amount(written)
