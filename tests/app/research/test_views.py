"""Questions to many records: only those that were opened for the purpose answer, and each look is logged."""

import pytest

from salus.app.intake.intake import Intake
from salus.app.research.views import overdue, view
from salus.app.session import Session
from salus.errors import InputError
from salus.fhir.views import CATEGORIES
from salus.trust.identity import Actor, Identity
from tests.conftest import AT, bundle, creatinine, person

DEFINITION = {
    "resourceType": "ViewDefinition",
    "resource": "Observation",
    "select": [
        {
            "column": [
                {"name": "patient", "path": "subject.getReferenceKey(Patient)", "type": "id"},
                {"name": "value", "path": "value.ofType(Quantity).value", "type": "decimal"},
            ]
        }
    ],
    "where": [{"path": "code.coding.exists(code = '2160-0')"}],
}


@pytest.fixture
def two(ward):
    """p1, who is pat, and p2, with a creatinine each."""
    other = Identity.generate("sam")
    ward.house.add_actor(Actor("sam", "patient", other.public_key, patient="p2"), by="operator")
    ward.write("p1.json", bundle(person("p1"), creatinine("1.10", "2026-05-04", "c1")))
    ward.write("p2.json", bundle(person("p2"), creatinine("0.90", "2026-05-05", "c2", "p2")))
    taken = Intake(Session(ward.house, ward.operator)).run([ward.folder])
    assert not [t.error for t in taken if t.error]
    return {"p1": Session(ward.house, ward.patient), "p2": Session(ward.house, other)}


def opened(two, patient, purpose, categories=CATEGORIES):
    two[patient].give_consent(patient, AT, actors=["dr-lee"], categories=categories, purposes=[purpose])


def looks(session, patient, purpose=None):
    found = [entry for entry in session.accesses(patient) if entry.get("actor") == "dr-lee"]
    return len([e for e in found if purpose is None or e.get("purpose") == purpose])


def test_only_who_opened_the_record_for_the_purpose_is_in_a_view(ward, two):
    clinician = Session(ward.house, ward.clinician)
    answer, people = view(clinician, DEFINITION, AT)
    assert (answer.columns, answer.rows, people) == (("patient", "value"), (), 0)
    opened(two, "p1", "HRESCH")
    opened(two, "p2", "TREAT")
    answer, people = view(clinician, DEFINITION, AT)
    assert (answer.rows, people) == ((("p1", 1.1),), 1)
    answer, people = view(clinician, DEFINITION, AT, purpose="TREAT")
    assert (answer.rows, people) == ((("p2", 0.9),), 1)
    opened(two, "p2", "HRESCH")
    answer, people = view(clinician, DEFINITION, AT, sql='SELECT count(*), max(value) FROM "view"')
    assert (answer.rows, people) == (((2, 1.1),), 2)


def test_a_category_that_was_not_opened_gives_no_rows(ward, two):
    opened(two, "p1", "HRESCH", ["genome"])
    answer, _ = view(Session(ward.house, ward.clinician), DEFINITION, AT)
    assert answer.rows == ()


def test_each_look_is_logged_with_its_purpose(ward, two):
    opened(two, "p1", "HRESCH")
    clinician = Session(ward.house, ward.clinician)
    before = looks(two["p1"], "p1", "HRESCH")
    view(clinician, DEFINITION, AT)
    assert looks(two["p1"], "p1", "HRESCH") == before + 1
    with pytest.raises(InputError):
        view(clinician, DEFINITION, AT, sql="SELECT nowhere FROM view")
    assert looks(two["p1"], "p1", "HRESCH") == before + 2  # a question that fails was a look too
    assert ward.house.verify().problems == ()


def test_a_view_that_cannot_be_read_opens_nothing(ward, two):
    opened(two, "p1", "HRESCH")
    before = looks(two["p1"], "p1")
    with pytest.raises(InputError, match="select"):
        view(Session(ward.house, ward.clinician), {"resource": "Observation"}, AT)
    assert looks(two["p1"], "p1") == before


def test_a_stranger_sees_nobody(ward, two):
    opened(two, "p1", "HRESCH")
    opened(two, "p1", "TREAT")
    stranger = Identity.generate("dr-no")
    ward.house.add_actor(Actor("dr-no", "practitioner", stranger.public_key), by="operator")
    session = Session(ward.house, stranger)
    assert view(session, DEFINITION, AT) == view(session, DEFINITION, AT, purpose="TREAT")
    assert view(session, DEFINITION, AT)[1] == 0
    assert list(overdue(session, AT)) == []


def test_overdue_lists_what_the_plans_ask_to_be_measured(ward, two):
    opened(two, "p1", "TREAT")
    clinician = Session(ward.house, ward.clinician)
    due = list(overdue(clinician, AT))
    assert due
    assert {d.patient for d in due} == {"p1"}
    plan, _ = clinician.plan("p1", AT)
    asked = {item.key for item in plan.items if item.tier == "missing-data" or item.action == "measure"}
    assert {d.key for d in due} == asked
    assert all(d.text for d in due)
