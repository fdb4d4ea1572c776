"""Whose data a text says it holds, and when that agrees with, contradicts or says nothing of the record."""

import pytest

from salus.errors import InputError
from salus.intake.attribute import Known, attribute, same_person
from salus.intake.batch import Clues
from salus.intake.clues import clues_in
from tests.conftest import person

KNOWN = Known.of(person())
MRN = "urn:test:mrn"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("MRN: 12345", "12345"),
        ("MRN 12345", "12345"),
        ("mrn=AB-12/3", "AB-12/3"),
        ("Patient ID: jsmith", "jsmith"),
        ("PatientID#77", "77"),
        ("Medical record no. 5567", "5567"),
        ("Medical Record Number: 5567.", "5567"),
        ('##SAMPLE=<ID=S1,PatientID="P-9">', "P-9"),
        ("NHS number: 9434765919", "9434765919"),
    ],
)
def test_labelled_identifiers_are_found(text, value):
    assert ("", value) in clues_in(text).identifiers


@pytest.mark.parametrize("text", ["patient identified by wristband", "MRN pending", "patient id verified", "12345"])
def test_words_are_no_identifiers(text):
    assert clues_in(text).identifiers == ()


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("DOB: 1968-03-14", "1968-03-14"),
        ("Date of birth: 14 March 1968", "1968-03-14"),
        ("D.O.B. 14 Mar 1968", "1968-03-14"),
        ("born March 14, 1968", "1968-03-14"),
        ("birth date = 14/03/1968", "1968-03-14"),
        ("DOB: 03/14/1968", "1968-03-14"),
        ("DOB: 14.03.1968", "1968-03-14"),
        ("DOB: 05/05/1968", "1968-05-05"),
        ("DOB: 03/04/1968", ""),
        ("DOB: 1968-02-30", ""),
        ("DOB: 31 Foo 1968", ""),
        ("born in 1968", ""),
        ("Seen on 1968-03-14", ""),
    ],
)
def test_birth_dates_are_read_where_there_is_one_way_to(text, date):
    assert clues_in(text).birth_date == date


@pytest.mark.parametrize(
    ("text", "sex"), [("Sex: F", "female"), ("Gender: male", "male"), ("Age: 69 Sex: M", "male"), ("sex life", "")]
)
def test_sex(text, sex):
    assert clues_in(text).sex == sex


def test_agreement_is_by_identifier_silence_by_operator():
    assert attribute(Clues(identifiers=((MRN, "MRN-p1"),)), KNOWN) == "by identifier"
    assert attribute(Clues(identifiers=(("", "MRN-p1"),)), KNOWN) == "by identifier"
    assert attribute(Clues(identifiers=(("HOSPITAL", "MRN-p1"),)), KNOWN) == "by identifier"
    assert attribute(Clues(reference="p1"), KNOWN) == "by identifier"
    assert attribute(Clues(birth_date="1968-03-14", sex="female"), KNOWN) == "by operator"
    assert attribute(Clues(birth_date="1968", sex="other"), KNOWN) == "by operator"
    assert attribute(Clues(), KNOWN) == "by operator"


@pytest.mark.parametrize(
    "clues",
    [
        Clues(reference="p2"),
        Clues(identifiers=((MRN, "MRN-p2"),)),
        Clues(identifiers=(("", "MRN-p2"),)),
        Clues(identifiers=(("OTHER", "X-1"),)),
        Clues(identifiers=(("", "MRN-p1"), ("", "MRN-p2"))),
        Clues(reference="p1", identifiers=((MRN, "MRN-p2"),)),
        Clues(birth_date="1968-03-15"),
        Clues(birth_date="1969"),
        Clues(reference="p1", birth_date="1967-03"),
        Clues(reference="p1", sex="male"),
    ],
)
def test_a_contradiction_or_an_unknown_identifier_is_refused(clues):
    with pytest.raises(InputError) as refused:
        attribute(clues, KNOWN)
    assert refused.value.remedy
    assert "MRN-p2" not in str(refused.value)
    assert "196" not in str(refused.value)


def test_an_identifier_that_the_operator_vouches_for_is_accepted():
    known = Known.of(person(), frozenset({"X-1"}))
    assert attribute(Clues(identifiers=(("OTHER", "X-1"),)), known) == "by identifier"


@pytest.mark.parametrize(
    "change",
    [
        {"identifier": [{"system": MRN, "value": "MRN-p2"}]},
        {"identifier": [{"system": MRN, "value": "MRN-p2"}, {"system": MRN, "value": "MRN-p3"}]},
        {"identifier": [{"value": "MRN-p2"}]},
        {"birthDate": "1970-01-01"},
        {"gender": "male"},
        {"id": "p2"},
    ],
)
def test_a_patient_resource_must_not_turn_into_somebody_else(change):
    with pytest.raises(InputError):
        same_person({**person(), **change}, KNOWN)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"name": [{"family": "Married"}]},
        {"identifier": [{"system": MRN, "value": "MRN-p1"}, {"system": MRN, "value": "MRN-old"}]},
        {"identifier": [{"system": MRN, "value": "MRN-p1"}, {"system": "urn:card", "value": "9"}]},
        {"birthDate": "1968-03"},
        {"gender": "unknown"},
        {"identifier": None, "birthDate": None},
    ],
)
def test_what_is_added_or_left_out_is_no_contradiction(change):
    incoming = {key: value for key, value in {**person(), **change}.items() if value is not None}
    assert same_person(incoming, KNOWN) is None  # it raises where it finds a contradiction


@pytest.mark.parametrize("identifier", [5, "MRN-p1", {"value": "x"}, [None, 7, {"value": None}], True])
def test_malformed_identifiers_are_absent(identifier):
    assert Known.of({**person(), "identifier": identifier}).identifiers == frozenset()
