"""What must end in a refusal: a consent that is not understood, a denial beside a permit, a log that is another one."""

from dataclasses import replace

import pytest

from salus.app.house import House
from salus.errors import AccessError, InputError, IntegrityError
from salus.fhir.views import CATEGORIES
from salus.record.store import Change
from salus.trust import consent, consent_drafts, consent_signatures, policy
from salus.trust.consent import Request
from salus.trust.consent_forms import CATEGORY_SYSTEM
from salus.trust.grants import Grant
from salus.trust.identity import Actor, Identity
from salus.trust.resource_facts import facts_of
from tests.conftest import AT, creatinine, person

WHEN = "2026-06-01T12:00:00Z"
FILING = Grant("operator", "p1", "custodian", frozenset(), may_write=True, purpose="filing")


def fill(ward):
    body = creatinine("1.0", "2026-01-01", "c1")
    ward.house.store.commit(FILING, [Change("Patient", "p1", person()), Change("Observation", "c1", body)], at=WHEN)


def file(ward, body):
    """File a consent with the patient's signature, as it stands."""
    proof = consent_signatures.sign(body, ward.patient, AT)
    scope = ward.house.gate.own_consent(ward.house.authenticate(ward.patient), "p1")
    changes = [Change("Consent", body["id"], body), Change("Provenance", proof["id"], proof)]
    ward.house.store.commit(scope, changes, at=WHEN, topic="consent")


def drafted(id="k1", **more):
    more = {"permit": ["record"], "actors": ["dr-lee"]} | more
    return consent_drafts.consent_resource(id=id, patient="p1", dated=AT, **more)


def opaque():
    """A signed consent in words that salus does not know: perhaps a denial."""
    return drafted("k9") | {"provision": {"type": "deny", "securityLabel": [{"code": "no-such-label"}]}}


def look(ward, purpose="TREAT"):
    return ward.house.gate.open_chart(ward.house.authenticate(ward.clinician), "p1", purpose, AT)


def add_policy(ward, overrides):
    clinic = Identity.generate("clinic")
    ward.house.add_actor(Actor("clinic", "organisation", clinic.public_key), by="operator")
    rule = {"basis": "treatment", "actors": ["dr-*"], "patients": ["*"], "purposes": ["TREAT"]}
    rule |= {"categories": ["record"], "overrides-denial": overrides}
    document = {"id": "ward-3", "organisation": "clinic", "from": "2026-01-01", "rules": [rule]}
    ward.house.add_policy(policy.sign(document, clinic), by="operator")


# ---- a consent that is not understood


def test_a_consent_that_is_not_understood_opens_nothing_by_itself(ward):
    fill(ward)
    file(ward, opaque() | {"provision": {"type": "permit", "securityLabel": [{"code": "no-such-label"}]}})
    with pytest.raises(AccessError):
        look(ward)


@pytest.mark.parametrize("overrides", [False, True])
def test_while_a_consent_is_not_understood_only_a_policy_over_denials_opens_anything(ward, overrides):
    fill(ward)
    add_policy(ward, overrides)
    assert look(ward)[1].basis == "treatment"
    file(ward, opaque())
    if overrides:
        assert look(ward)[1].basis == "treatment"
    else:
        with pytest.raises(AccessError):
            look(ward)


def test_while_a_consent_is_not_understood_the_house_computes_nothing(ward):
    fill(ward)
    assert ward.house.gate.processed("p1") == set(CATEGORIES)
    file(ward, opaque())
    assert ward.house.gate.processed("p1") == frozenset()
    chart, grant = ward.house.gate.service_chart("p1", AT)
    assert (chart.latest("creatinine"), grant.categories) == (None, frozenset())


def test_beside_one_that_is_not_understood_what_the_patient_allows_stays_allowed(ward):
    fill(ward)
    file(ward, drafted())
    file(ward, opaque())
    assert look(ward)[1].categories == {"record"}


def test_a_consent_that_is_not_understood_and_signed_by_nobody_is_nothing(ward):
    fill(ward)
    add_policy(ward, False)
    body = opaque()
    proof = consent_signatures.sign(body, Identity.generate("pat"), AT)
    scope = ward.house.gate.own_consent(ward.house.authenticate(ward.patient), "p1")
    changes = [Change("Consent", "k9", body), Change("Provenance", proof["id"], proof)]
    ward.house.store.commit(scope, changes, at=WHEN, topic="consent")
    assert look(ward)[1].basis == "treatment"


# ---- a permit beside a denial


def exceptions(*types):
    """A consent to the record with exceptions about laboratory values, side by side."""
    body = drafted(permit=["record", "note"])
    about = [{"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}]
    body["provision"]["provision"] = [{"type": type_, "code": about} for type_ in types]
    return body


@pytest.mark.parametrize("types", [("deny", "permit"), ("permit", "deny"), ("permit", "deny", "permit")])
def test_an_exception_that_permits_does_not_lift_the_denial_beside_it(ward, types):
    directive = consent.parse("Consent/k1", 1, exceptions(*types), "p1")
    asked = Request("dr-lee", "TREAT", "record", "read", AT)
    value = facts_of(creatinine("1.0", "2026-01-01", "c1"), category="record")
    assert consent.decide([directive], replace(asked, facts=value))[0] == "deny"
    fill(ward)
    file(ward, exceptions(*types))
    assert look(ward)[0].latest("creatinine") is None


@pytest.mark.parametrize("types", [("deny", "permit"), ("permit", "deny")])
def test_of_two_exceptions_about_a_whole_kind_of_data_the_denial_holds_whatever_their_order(ward, types):
    body = drafted(permit=["record", "note"])
    kind = [{"system": CATEGORY_SYSTEM, "code": "record"}]
    body["provision"]["provision"] = [{"type": type_, "class": kind} for type_ in types]
    fill(ward)
    file(ward, body)
    assert look(ward)[1].categories == {"note"}


def test_only_an_exception_inside_the_denial_lifts_it(ward):
    body = exceptions("deny")
    body["provision"]["provision"][0]["provision"] = [{"type": "permit"}]
    fill(ward)
    file(ward, body)
    assert look(ward)[0].latest("creatinine")


# ---- a log that is another one than the one remembered


def test_a_store_whose_log_has_another_root_than_the_one_remembered_answers_nothing(ward):
    """As when the file was put together anew: as many entries, but not the same ones."""
    fill(ward)
    file(ward, drafted())
    assert look(ward)
    log = ward.house.log
    mark = log.remembered()
    log.set_mark(replace(mark, root=bytes(32)))
    with pytest.raises(IntegrityError, match="rolled back"):
        look(ward)
    with pytest.raises(IntegrityError, match="rolled back"):
        ward.house.store.commit(FILING, [Change("Patient", "p1", person(language="de"))], at=WHEN)
    with pytest.raises(IntegrityError):
        House(ward.house.configuration)
    log.set_mark(mark)
    assert look(ward)


def test_what_was_remembered_of_a_longer_log_is_not_forgotten(ward):
    fill(ward)
    mark = ward.house.log.remembered()
    ward.house.log.set_mark(replace(mark, size=mark.size + 1))
    with pytest.raises(IntegrityError, match="rolled back"):
        ward.house.store.commit(FILING, [Change("Patient", "p1", person(language="de"))], at=WHEN)


# ---- a resource under another's name


@pytest.mark.parametrize(
    ("type_", "id_"), [("Observation", "c2"), ("Condition", "c1"), ("Observation", ""), ("Patient", "p1")]
)
def test_a_resource_is_filed_under_its_own_type_and_id_only(ward, type_, id_):
    fill(ward)
    body = creatinine("9.9", "2026-02-01", "c1")
    with pytest.raises(InputError, match="another type or id"):
        ward.house.store.commit(FILING, [Change(type_, id_, body)], at=WHEN)
    own = Grant("pat", "p1", "self", frozenset(CATEGORIES), may_write=False, purpose="PATRQT")
    held = {s.source.ref: s for s in ward.house.store.read(own)}
    assert held.keys() == {"Patient/p1", "Observation/c1"}
    assert str(held["Observation/c1"].body["valueQuantity"]["value"]) == "1.0"
