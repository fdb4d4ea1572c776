"""Rows 1 and 2: consents that name nobody or everybody, and denials that are to be worn down or slipped past."""

from contextlib import suppress
from datetime import timedelta

import pytest

from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.trust import consent_signatures, policy
from salus.trust.identity import Actor, Identity
from tests.conftest import AT
from tests.trust.attacks.scene import (
    ASTHMA,
    CREATININE,
    GENE,
    LABEL,
    broke,
    emergency,
    except_,
    file,
    put,
    repelled,
    stocked,
)
from tests.trust.test_gate import look, rules

UNTIL = "2026-12-31"
PERMIT = {"type": "permit"}


def seen(ward, **more):
    return {s.source.ref for s in ward.house.store.read(look(ward, **more)[1])}


@pytest.fixture
def nurse(ward):
    identity = Identity.generate("nurse")
    ward.house.add_actor(Actor("nurse", "practitioner", identity.public_key), by="operator")
    return identity


def paper(ward, change=None, **more):
    body = Session(ward.house, ward.operator).drafted(
        "p1", ward.time, **{"actors": ["dr-lee"], "categories": ["record"], "until": UNTIL, **more}
    )
    if change:
        change(body["provision"])
    return Session(ward.house, ward.operator).witness(body)


def name(value, system="urn:salus:actor", **more):
    def change(rule):
        rule["actor"][0]["reference"] = {"identifier": {"system": system, "value": value}, **more}

    return change


NOBODY = {
    "no actor": lambda rule: rule.pop("actor"),
    "an empty list": lambda rule: rule.update(actor=[]),
    "a role alone": lambda rule: rule.update(actor=[{"role": {"coding": [{"system": "urn:x", "code": "doctor"}]}}]),
    "another system": name("dr-lee", "urn:another"),
    "a literal reference": lambda rule: rule["actor"][0].update(reference={"reference": "Practitioner/dr-lee"}),
    "both": name("dr-lee", reference="Practitioner/*"),
    "an exception without a name": lambda rule: (rule.update(type="deny", provision=[PERMIT]), rule.pop("actor")),
    "a deep exception": lambda rule: (
        rule.update(type="deny", provision=[{"type": "deny", "provision": [PERMIT]}]),
        rule.pop("actor"),
    ),
}


@pytest.mark.parametrize("change", NOBODY.values(), ids=NOBODY)
def test_a_paper_that_names_nobody_lets_nobody_in(ward, nurse, change):
    stocked(ward)
    with pytest.raises(InputError):
        Session(ward.house, nurse).countersign("p1", *paper(ward, change))
    with repelled(ward.house):
        look(ward)


@pytest.mark.parametrize("pattern", ["*", "dr-*", "DR-LEE", " dr-lee", "dr-lee ", "dr‐lee", "%", "dr_lee"])
def test_a_name_is_no_pattern_in_a_consent(ward, pattern):
    mine = stocked(ward)
    with suppress(InputError):  # as good: what names nobody here may be refused
        file(mine, name(pattern))
    with repelled(ward.house):
        look(ward)


def test_a_denial_of_somebody_who_is_not_here_is_refused_and_not_forgotten(ward):
    mine = stocked(ward)
    file(mine)
    with pytest.raises(InputError):
        file(mine, lambda rule: (rule.update(type="deny"), name("dr-le")(rule)))


def test_a_purpose_of_ones_own_opens_nothing(ward):
    file(stocked(ward))
    for purpose in ("*", "", "TREATMENT", "treat", "HRESCH", "BTG", "PATRQT"):
        with repelled(ward.house):
            look(ward, purpose=purpose)


@pytest.mark.parametrize("times", [2, 3])
def test_one_more_denial_does_not_end_the_one_before(ward, nurse, times):
    mine = stocked(ward)
    for day in range(times):
        ward.time = AT + timedelta(days=day)
        file(mine, lambda rule: rule.update(type="deny"))
    ward.time += timedelta(days=1)
    Session(ward.house, nurse).countersign("p1", *paper(ward))
    with repelled(ward.house):
        look(ward)


def test_a_denial_ends_only_where_the_patient_says_so(ward):
    mine = stocked(ward)
    first, second = (file(mine, lambda rule: rule.update(type="deny")) for _ in range(2))
    file(mine)  # and then a permit: of the patient's own the newest holds
    assert seen(ward)
    file(mine, lambda rule: rule.update(type="deny"))
    for ended in (first, second):
        mine.revoke("p1", ended)
        with repelled(ward.house):
            look(ward)


def test_no_proxy_permits_what_the_patient_denied(ward):
    mine = stocked(ward)
    child = Identity.generate("child")
    ward.house.add_actor(Actor("child", "proxy", child.public_key, patient="p1"), by="pat")
    file(mine, lambda rule: rule.update(type="deny"))
    ward.time = AT + timedelta(days=1)
    file(Session(ward.house, child))
    with repelled(ward.house):
        look(ward)


def test_a_denial_for_one_purpose_is_not_passed_by_a_kind_of_it(ward):
    mine = stocked(ward)
    file(mine)
    file(mine, lambda rule: rule.update(type="deny"), purposes=["TREAT"])
    for purpose in ("TREAT", "ETREAT", "CAREMGT"):
        with repelled(ward.house):
            look(ward, purpose=purpose)


def test_a_paper_opens_no_part_that_the_patient_withheld(ward, nurse):
    mine = stocked(ward)
    file(mine, except_({"type": "deny", "securityLabel": [LABEL]}))
    Session(ward.house, nurse).countersign("p1", *paper(ward))
    assert "Condition/asthma" in seen(ward)
    assert "Condition/hiv" not in seen(ward)


def test_a_policy_opens_no_part_that_the_patient_withheld(ward):
    clinic = Identity.generate("clinic")
    ward.house.add_actor(Actor("clinic", "organisation", clinic.public_key), by="operator")
    ward.house.add_policy(policy.sign(rules(), clinic), by="operator")
    file(stocked(ward), except_({"type": "deny", "securityLabel": [LABEL]}))
    assert "Condition/hiv" not in seen(ward)


def test_a_broken_glass_opens_no_part_that_the_patient_withheld(ward):
    mine = stocked(ward)
    emergency(ward, **{"overrides-denial": False})
    deny = {"type": "deny", "securityLabel": [LABEL]}
    file(mine, lambda rule: (rule.update(deny), rule.pop("class")), purposes=["BTG"])
    broke(ward)
    assert "Condition/hiv" not in seen(ward, purpose="BTG")


def test_the_past_of_a_resource_shows_nothing_that_is_withheld(ward):
    mine = stocked(ward)
    file(mine, except_({"type": "deny", "securityLabel": [LABEL]}))
    put(ward, {**ASTHMA, "id": "hiv"})  # whoever may file may do this
    found = ward.house.store.versions(look(ward)[1], "Condition/hiv")
    assert not any("B20" in str(version.body) for version in found)


def test_the_past_of_a_list_names_nothing_that_is_withheld(ward):
    mine = stocked(ward)
    led = {"resourceType": "List", "id": "l", "subject": {"reference": "Patient/p1"}}
    put(ward, {**led, "entry": [{"item": {"reference": "Observation/gene", "display": "a variant"}}]})
    put(ward, led)
    file(mine)
    found = ward.house.store.versions(look(ward)[1], "List/l")
    assert not any(GENE["id"] in str(version.body) for version in found)


def test_what_is_closed_to_processing_is_not_computed_for_a_narrower_reader_either(ward):
    mine = stocked(ward)
    body = mine.drafted_closure("p1", AT, ["record"])
    body["provision"]["code"] = [CREATININE]
    mine.file_consent("p1", body, consent_signatures.sign(body, ward.patient, AT))
    file(mine)
    found = Session(ward.house, ward.clinician).open("p1", AT).findings
    assert not [f for f in found if "Observation/c1" in str(f.evidence)]


def test_no_date_revives_what_ended(ward):
    mine = stocked(ward)
    file(mine, lambda rule: rule["period"].update(end="2026-06-02T00:00:00Z"))
    assert look(ward)
    ward.time = AT + timedelta(days=1)
    for at in (AT, AT - timedelta(days=900), AT + timedelta(days=900)):
        with repelled(ward.house):
            look(ward, at=at)


def test_a_consent_that_nobody_can_read_opens_nothing_by_policy_either(ward):
    """Were it a denial, it would have to be obeyed."""
    mine = stocked(ward)
    clinic = Identity.generate("clinic")
    ward.house.add_actor(Actor("clinic", "organisation", clinic.public_key), by="operator")
    ward.house.add_policy(policy.sign(rules(), clinic), by="operator")
    assert look(ward)
    body = mine.drafted("p1", AT, actors=["dr-lee"], categories=["record"])
    body["provision"]["expression"] = "later perhaps"
    proof = consent_signatures.sign(body, ward.patient, AT)
    with pytest.raises(InputError):
        mine.file_consent("p1", body, proof)
    from salus.record.store import Change

    scope = ward.house.gate.own_consent(ward.house.authenticate(ward.patient), "p1")
    changes = [Change("Consent", body["id"], body), Change("Provenance", proof["id"], proof)]
    ward.house.store.commit(scope, changes, at=ward.house.time(), topic="consent")  # as an earlier release may have
    with repelled(ward.house, AccessError):
        look(ward)


@pytest.mark.parametrize("everybody", ["*", ""])
def test_asking_for_everybody_at_once_is_refused_in_the_usual_words_and_noted(ward, everybody):
    stocked(ward)
    with repelled(ward.house, match="no such patient"):
        look(ward, patient=everybody)
