"""Consents that speak of a part of a kind of data: single resources are withheld, with what leads to them."""

from dataclasses import replace

import pytest

from salus.app.session import Session
from salus.errors import InputError
from salus.record.store import Change
from salus.trust import consent_signatures
from salus.trust.grants import Grant
from tests.conftest import AT, creatinine, person
from tests.trust.test_gate import look

WHEN = "2026-06-01T12:00:00Z"
SENSITIVITY = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
HIV = {
    "resourceType": "Condition",
    "id": "hiv",
    "subject": {"reference": "Patient/p1"},
    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "B20"}]},
}
ASTHMA = {
    **HIV,
    "id": "asthma",
    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J45.909"}]},
}
LIST = {
    "resourceType": "List",
    "id": "problems",
    "status": "current",
    "mode": "working",
    "entry": [{"item": {"reference": "Condition/hiv"}}],
}
LABEL = {"system": SENSITIVITY, "code": "HIV"}


@pytest.fixture
def mine(ward):
    scope = ward.house.gate.custodian(ward.house.authenticate(ward.operator), "p1")
    bodies = [person(), HIV, ASTHMA, LIST, creatinine("1.0", "2026-01-01", "c1")]
    ward.house.store.commit(scope, [Change(b["resourceType"], b["id"], b) for b in bodies], at=WHEN)
    return Session(ward.house, ward.patient)


def give(session, *exceptions, **more):
    asked = {"actors": ["dr-lee"], "categories": ["record", "note"], **more}
    body = session.drafted("p1", session.house.clock(), **asked)
    body["provision"].update({"provision": list(exceptions)} if exceptions else {})
    session.file_consent("p1", body, consent_signatures.sign(body, session.identity, session.house.clock()))
    return body["id"]


def seen(ward):
    grant = look(ward)[1]
    return {s.source.ref for s in ward.house.store.read(grant)}


def test_what_is_labelled_is_withheld_with_what_leads_to_it(ward, mine):
    give(mine, {"type": "deny", "securityLabel": [LABEL]})
    assert {"Condition/asthma", "Observation/c1", "Patient/p1"} <= seen(ward)
    assert not {"Condition/hiv", "List/problems"} & seen(ward)
    grant = look(ward)[1]
    assert ward.house.store.versions(grant, "Condition/hiv") == []
    assert [s.source.ref for s in ward.house.store.search(grant, "Condition")] == ["Condition/asthma"]


def test_a_class_and_a_code_are_withheld(ward, mine):
    give(mine, {"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}]})
    assert not {"Condition/hiv", "Condition/asthma", "List/problems"} & seen(ward)
    give(mine, {"type": "deny", "code": [ASTHMA["code"]]})
    assert "Condition/hiv" in seen(ward)
    assert "Condition/asthma" not in seen(ward)


def test_what_is_filed_after_the_decision_was_not_decided_on_and_is_not_shown(ward, mine):
    """Neither another resource nor another version of a shown one, on any way of reading."""
    give(mine, {"type": "deny", "securityLabel": [LABEL]})
    store, grant = ward.house.store, look(ward)[1]
    scope = ward.house.gate.custodian(ward.house.authenticate(ward.operator), "p1")
    again = {**HIV, "id": "hiv-2"}
    changed = {**HIV, "id": "asthma"}
    store.commit(scope, [Change("Condition", b["id"], b) for b in (again, changed)], at=WHEN)
    for refs in (
        {s.source.ref for s in store.read(grant)},
        {s.source.ref for s in store.search(grant, "Condition")},
        {ref for ref, _ in store.listed(grant, "Condition")},
        {s.source.ref for ref in ("Condition/hiv-2", "Condition/asthma") for s in store.versions(grant, ref)},
    ):
        assert not refs & {"Condition/hiv-2", "Condition/asthma", "Condition/hiv"}
    assert not ward.house.gate.chart(grant, AT).conditions()
    other = {**ASTHMA, "id": "eczema"}
    store.commit(scope, [Change("Condition", "eczema", other)], at=WHEN)
    assert "Condition/eczema" in seen(ward)


def test_a_consent_that_is_filed_after_the_decision_is_not_shown_to_the_reader(ward, mine):
    give(mine)
    grant = look(ward)[1]
    give(mine, actors=["operator"], categories=["note"])
    papers = {s.source.ref for s in ward.house.store.read(grant, ("Consent", "Provenance"))}
    assert papers == grant.papers
    assert len(papers) == 2
    assert len(ward.house.gate.standing(grant)) == 1


def test_what_two_scopes_share_is_what_both_show():
    one = Grant("a", "p1", "consent", frozenset({"record", "note"}), may_write=False, purpose="TREAT")
    part = replace(one, categories=frozenset({"record", "image"}), decided=frozenset({("A/1", 1), ("B/1", 1)}))
    papers = replace(one, papers=frozenset({"Consent/1"}), decided=frozenset({("B/1", 1), ("Consent/1", 1)}))
    assert one.within(one) == one
    assert one.within(part) == part.within(one) == replace(part, categories=frozenset({"record"}))
    both = part.within(papers)
    assert both.decided == {("B/1", 1)}
    assert both.papers == {"Consent/1"}
    assert (both.shows("B/1", 1), both.shows("B/1", 2), both.shows("A/1", 1)) == (True, False, False)
    assert (papers.partial, one.partial) == (True, False)
    shown = [ref for ref in ("Consent/1", "Consent/2", "Provenance/2-signature", "Provenance/x") if one.shows(ref, 1)]
    assert len(shown) == 4
    some = replace(one, papers=frozenset({"Consent/1"}))
    assert [ref for ref in shown if some.shows(ref, 1)] == ["Consent/1", "Provenance/x"]


def test_a_newer_consent_of_the_same_signer_opens_what_an_older_one_withheld(ward, mine):
    give(mine, {"type": "deny", "securityLabel": [LABEL]})
    give(mine)
    assert "Condition/hiv" in seen(ward)


def test_findings_are_drawn_as_if_what_is_withheld_did_not_exist(ward, mine):
    give(mine, {"type": "deny", "code": [{"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}]})
    opened = Session(ward.house, ward.clinician).open("p1", AT)
    assert all("Observation/c1" not in str(f.evidence) for f in opened.findings)
    assert not any(f.code == "egfr" and f.status == "ok" for f in opened.findings)
    assert any(f.code == "egfr" and f.status == "ok" for f in mine.open("p1", AT).findings)


def test_single_resources_are_closed_to_processing(ward, mine):
    body = mine.drafted_closure("p1", AT, ["record"])
    body["provision"]["code"] = [{"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}]
    mine.file_consent("p1", body, consent_signatures.sign(body, ward.patient, AT))
    chart, grant = ward.house.gate.service_chart("p1", AT)
    assert "record" in grant.categories
    assert not grant.shows("Observation/c1", 1)
    assert grant.shows("Condition/asthma", 1)
    assert chart.latest("creatinine") is None


@pytest.mark.parametrize(
    "exception",
    [
        {"type": "deny", "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Condtion"}]},
        {"type": "deny", "actor": [{"role": {"coding": []}, "reference": {"reference": "Practitioner/7"}}]},
        {"type": "deny", "modifierExtension": [{"url": "urn:x"}]},
        {"type": "deny", "expression": {}},
    ],
)
def test_an_exception_that_would_never_match_is_refused_when_it_is_filed(mine, exception):
    with pytest.raises(InputError):
        give(mine, exception)
