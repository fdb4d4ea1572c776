"""The gate: bases, the same answer for denied and absent, and a leaf for every decision."""

from datetime import timedelta

import pytest

from salus.app.house import House
from salus.app.session import Session
from salus.errors import AccessError, InputError, IntegrityError
from salus.record.store import Change
from salus.trust import consent_drafts, consent_signatures, policy
from salus.trust.gate import Gate
from salus.trust.identity import Actor, Identity, demo_identity
from tests.conftest import AT, creatinine, person

WHEN = "2026-06-01T12:00:00Z"


def fill(ward, patient="p1"):
    scope = ward.house.gate.custodian(ward.house.authenticate(ward.operator), patient)
    changes = [
        Change("Patient", patient, person(patient)),
        Change("Observation", "c1", creatinine("1.0", "2026-01-01", "c1", patient)),
    ]
    ward.house.store.commit(scope, changes, at=WHEN)


def agree(ward, signer=None, patient="p1", **more):
    body = consent_drafts.consent_resource(
        id=more.pop("id", "k1"),
        patient=patient,
        dated=more.pop("dated", AT),
        **{"permit": ["record"], "actors": ["dr-lee"]} | more,
    )
    proof = consent_signatures.sign(body, signer or ward.patient, AT)
    scope = ward.house.gate.own_consent(ward.house.authenticate(ward.patient), patient)
    ward.house.store.commit(
        scope, [Change("Consent", body["id"], body), Change("Provenance", proof["id"], proof)], at=WHEN, topic="consent"
    )


def deny(session, **more):
    """File a denial of everything to dr-lee."""
    body = session.drafted("p1", session.house.clock(), actors=["dr-lee"], categories=["record"], **more)
    body["provision"]["type"] = "deny"
    session.file_consent("p1", body, consent_signatures.sign(body, session.identity, session.house.clock()))
    return body["id"]


def look(ward, who=None, patient="p1", purpose="TREAT", at=AT):
    return ward.house.gate.open_chart(ward.house.authenticate(who or ward.clinician), patient, purpose, at)


def leaves(ward, patient):
    return list(ward.house.log.entries(ward.house.store.connection, topic="access", patient=patient))


def test_denied_and_absent_get_the_same_words_and_each_attempt_is_logged(ward):
    fill(ward)
    with pytest.raises(AccessError) as denied:
        look(ward)
    with pytest.raises(AccessError) as absent:
        look(ward, patient="nobody")
    assert str(denied.value) == str(absent.value)
    assert [e.content["decision"] for e in leaves(ward, "p1")] == ["deny"]
    assert [e.content["patient"] for e in leaves(ward, "")] == [""]  # a name that may be somebody's one day is not kept


@pytest.mark.parametrize("step", ["_items", "_known", "_evaluate"])
def test_a_consent_that_is_filed_while_another_process_decides_is_no_alarm(ward, monkeypatch, step):
    """What was filed and by which entries is read as of one moment; the next decision knows the new one."""
    fill(ward)
    agree(ward)
    mine, found = Session(ward.house, ward.patient), getattr(Gate, step)
    with House(ward.house.configuration, clock=lambda: AT) as other:

        def meanwhile(gate, *args):
            answer = found(gate, *args)
            if gate is other.gate:
                monkeypatch.setattr(Gate, step, found)
                mine.give_consent("p1", AT, actors=["dr-lee"], categories=["note"])
            return answer

        monkeypatch.setattr(Gate, step, meanwhile)
        reader = other.authenticate(ward.clinician)
        assert other.gate.grant(reader, "p1", "TREAT").categories >= {"record"}
        assert getattr(Gate, step) is found
        assert other.gate.grant(reader, "p1", "TREAT").categories == {"record", "note"}
        assert other.gate.consent_head("p1") == ward.house.gate.consent_head("p1")


def test_signed_consent_opens_what_it_names_and_no_more(ward):
    fill(ward)
    agree(ward)
    chart, grant = look(ward)
    assert chart.latest("creatinine")
    assert grant.basis == "consent"
    assert grant.categories == {"record"}
    for refused in ({"purpose": "HRESCH"}, {"who": ward.operator}):
        with pytest.raises(AccessError):
            look(ward, **refused)
    assert look(ward, at=AT - timedelta(days=900))[0].latest("creatinine") is None  # an earlier moment, same right
    ward.time = AT - timedelta(days=1)
    with pytest.raises(AccessError):
        look(ward)
    assert leaves(ward, "p1")[0].content["consents"] == ["Consent/k1/1"]


def test_a_consent_with_another_signature_opens_nothing(ward):
    fill(ward)
    agree(ward, signer=Identity.generate("pat"))
    with pytest.raises(AccessError):
        look(ward)


def test_the_patient_sees_the_own_record_and_no_other(ward):
    fill(ward)
    fill(ward, "p2")
    chart, grant = look(ward, ward.patient, purpose="PATRQT")
    assert grant.basis == "self"
    assert chart.patient.name == "Ada Example"
    with pytest.raises(AccessError):
        look(ward, ward.patient, "p2")


def test_an_operator_writes_without_reading(ward):
    fill(ward)
    with pytest.raises(AccessError):
        look(ward, ward.operator)
    with pytest.raises(AccessError):
        ward.house.gate.custodian(ward.house.authenticate(ward.patient), "p1")


def test_a_closed_category_is_not_given_to_the_houses_own_runner(ward):
    fill(ward)
    body = consent_drafts.closure_resource(id="k2", patient="p1", dated=AT, categories=["record"])
    proof = consent_signatures.sign(body, ward.patient, AT)
    scope = ward.house.gate.own_consent(ward.house.authenticate(ward.patient), "p1")
    ward.house.store.commit(
        scope, [Change("Consent", "k2", body), Change("Provenance", proof["id"], proof)], at=WHEN, topic="consent"
    )
    chart, grant = ward.house.gate.service_chart("p1", AT)
    assert "record" not in grant.categories
    assert chart.latest("creatinine") is None


def rules(**more):
    return {
        "id": "ward-3",
        "organisation": "clinic",
        "from": "2026-01-01",
        "rules": [
            {
                "basis": "treatment",
                "actors": ["dr-*"],
                "patients": ["*"],
                "purposes": ["TREAT"],
                "categories": ["record"],
                "overrides-denial": False,
                **more,
            }
        ],
    }


@pytest.fixture
def clinic(ward):
    identity = Identity.generate("clinic")
    ward.house.add_actor(Actor("clinic", "organisation", identity.public_key), by="operator")
    return identity


def test_a_policy_must_be_signed_by_its_organisation(ward, clinic):
    fill(ward)
    with pytest.raises(InputError):
        ward.house.add_policy(policy.sign(rules(), Identity.generate("clinic")), by="operator")
    with pytest.raises(InputError):
        ward.house.add_policy(rules(), by="operator")
    ward.house.add_policy(policy.sign(rules(), clinic), by="operator")
    assert look(ward)[1].basis == "treatment"
    ward.house.remove_policy("ward-3", by="operator")
    with pytest.raises(AccessError):
        look(ward)


@pytest.mark.parametrize("overrides", [False, True])
def test_a_denial_stands_unless_the_policy_overrides_it(ward, clinic, overrides):
    fill(ward)
    ward.house.add_policy(policy.sign(rules(**{"overrides-denial": overrides}), clinic), by="operator")
    body = consent_drafts.consent_resource(id="no", patient="p1", dated=AT, permit=["record"], actors=["dr-lee"])
    body["provision"]["type"] = "deny"
    proof = consent_signatures.sign(body, ward.patient, AT)
    scope = ward.house.gate.own_consent(ward.house.authenticate(ward.patient), "p1")
    ward.house.store.commit(
        scope, [Change("Consent", "no", body), Change("Provenance", proof["id"], proof)], at=WHEN, topic="consent"
    )
    if overrides:
        assert look(ward)[1].basis == "treatment"
    else:
        with pytest.raises(AccessError):
            look(ward)


def test_if_the_log_cannot_be_written_nothing_is_opened(ward):
    fill(ward)
    agree(ward)
    ward.house.store.connection.execute("DELETE FROM log_checkpoint")
    with pytest.raises(IntegrityError):
        look(ward)


def test_demo_keys_and_doubles_are_refused(ward):
    with pytest.raises(InputError, match="everybody has it"):
        ward.house.add_actor(Actor("demo-x", "operator", demo_identity("demo-x").public_key), by="operator")
    with pytest.raises(InputError, match="given once"):
        ward.house.add_actor(Actor("dr-lee", "operator", Identity.generate("x").public_key), by="operator")
    with pytest.raises(AccessError):
        ward.house.authenticate(Identity.generate("dr-lee"))


def test_state_is_the_fold_of_the_log(ward, clinic):
    from salus.app.house import House

    ward.house.add_policy(policy.sign(rules(), clinic), by="operator")
    ward.house.remove_actor("pat", by="operator")
    with House(ward.house.configuration) as again:
        assert again.registry == ward.house.registry


SWAPS = [
    "UPDATE resource SET (version, updated, deleted, mac, body) = (SELECT version, updated, deleted, mac, body FROM "
    "history h WHERE h.rid = resource.rid AND h.version = 1) WHERE type = 'Consent'",
    "DELETE FROM resource WHERE type = 'Consent'",
    "UPDATE log_leaf SET topic = 'write' WHERE n = (SELECT max(n) FROM log_leaf WHERE topic = 'consent')",
    "UPDATE log_leaf SET pid = NULL WHERE n = (SELECT max(n) FROM log_leaf WHERE topic = 'consent')",
]


@pytest.mark.parametrize("statement", SWAPS)
def test_a_revocation_cannot_be_undone_in_the_file(ward, statement):
    from salus.app.session import Session

    fill(ward)
    mine = Session(ward.house, ward.patient)
    name = mine.give_consent("p1", AT, actors=["dr-lee"], categories=["record"])
    assert look(ward)
    mine.revoke("p1", name)
    with pytest.raises(AccessError):
        look(ward)
    connection = ward.house.store.connection
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute(statement)
    with pytest.raises((IntegrityError, AccessError)):
        look(ward)  # this gate knows what was decided
    with House(ward.house.configuration, clock=lambda: AT) as again, pytest.raises(IntegrityError):
        again.gate.open_chart(again.authenticate(ward.clinician), "p1", "TREAT", AT)


def test_what_was_revoked_or_replaced_does_not_come_back(ward):
    from salus.app.session import Session

    fill(ward)
    mine = Session(ward.house, ward.patient)
    body = mine.drafted("p1", AT, actors=["dr-lee"], categories=["record"])
    proof = consent_signatures.sign(body, ward.patient, AT)
    mine.file_consent("p1", body, proof)
    mine.revoke("p1", body["id"])
    for filer in (mine, Session(ward.house, ward.operator)):
        with pytest.raises(InputError, match="revoked"):
            filer.file_consent("p1", body, proof)


def test_a_denial_outlives_its_signer_and_names_are_given_once(ward, clinic):
    fill(ward)
    ward.house.add_policy(policy.sign(rules(), clinic), by="operator")
    from salus.app.session import Session

    deny(Session(ward.house, ward.patient))
    ward.house.remove_actor("pat", by="operator")
    with pytest.raises(AccessError):
        look(ward)
    with pytest.raises(InputError, match="given once"):
        ward.house.add_actor(Actor("pat", "patient", Identity.generate("pat").public_key, "p1"), by="operator")


def test_policies_end_with_their_organisation_and_do_not_come_back(ward, clinic):
    fill(ward)
    signed = policy.sign(rules(), clinic)
    ward.house.add_policy(signed, by="operator")
    ward.house.remove_actor("clinic", by="operator")
    with pytest.raises(AccessError):
        look(ward)
    with pytest.raises(InputError):
        ward.house.add_policy(signed, by="operator")


def test_only_who_speaks_for_a_patient_lets_another_do_so_and_the_patient_sees_it(ward):
    fill(ward)
    proxy = Actor("child", "proxy", Identity.generate("child").public_key, "p1")
    with pytest.raises(AccessError):
        ward.house.add_actor(proxy, by="operator")
    ward.house.add_actor(proxy, by="pat")
    assert [e.content["id"] for e in leaves(ward, "p1") if e.content["reason"] == "actor-added"] == ["child"]


def test_closing_everything_leaves_the_patient_the_own_record(ward):
    from salus.app.session import Session
    from salus.fhir.views import CATEGORIES

    fill(ward)
    mine = Session(ward.house, ward.patient)
    assert mine.open("p1", AT).findings
    mine.close_to_processing("p1", AT, categories=CATEGORIES)
    opened = mine.open("p1", AT)
    assert opened.findings == ()
    assert opened.chart.latest("creatinine")


def test_the_right_to_read_is_none_to_write(ward):
    fill(ward)
    agree(ward)
    grant = ward.house.gate.grant(ward.house.authenticate(ward.clinician), "p1", "TREAT")
    with pytest.raises(AccessError, match="not allowed"):
        ward.house.store.commit(grant, [Change("Patient", "p1", person(language="x"))], at=ward.house.time())
