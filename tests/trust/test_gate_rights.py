"""Rights besides reading: to write into the own record, to file, to compare, and which consent is the newest."""

import pytest

from salus.app.session import Session
from salus.errors import AccessError, InputError, IntegrityError
from salus.fhir.views import CATEGORIES, PERSON
from salus.record.store import Change
from salus.trust import consent_signatures
from salus.trust.consent_drafts import digest
from salus.trust.grants import Grant
from salus.trust.identity import Actor, Identity
from tests.conftest import AT, creatinine
from tests.trust.test_gate import WHEN, agree, fill, leaves, look


@pytest.fixture
def filled(ward):
    fill(ward)
    fill(ward, "p2")
    child = Identity.generate("child")
    ward.house.add_actor(Actor("child", "proxy", child.public_key, "p1"), by="pat")
    ward.child = child
    return ward


def who(ward, name):
    identity = {"pat": ward.patient, "dr-lee": ward.clinician, "operator": ward.operator, "child": ward.child}[name]
    return ward.house.authenticate(identity)


@pytest.mark.parametrize("name", ["pat", "child"])
def test_a_patient_and_a_proxy_add_to_the_own_record_and_to_no_other(filled, name):
    gate = filled.house.gate
    grant = gate.own_data(who(filled, name), "p1")
    assert (grant.actor, grant.patient, grant.may_write, grant.categories) == (name, "p1", True, frozenset())
    for patient in ("p2", "nobody", ""):
        with pytest.raises(AccessError):
            gate.own_data(who(filled, name), patient)
    assert [e.content["decision"] for e in leaves(filled, "p2")] == ["deny"]


@pytest.mark.parametrize("name", ["dr-lee", "operator"])
def test_staff_add_nothing_in_a_patients_name_and_the_attempt_is_logged(filled, name):
    before = len(leaves(filled, "p1"))
    with pytest.raises(AccessError):
        filled.house.gate.own_data(who(filled, name), "p1")
    (entry,) = [e.content for e in leaves(filled, "p1")][before:]
    assert (entry["decision"], entry["actor"], entry["purpose"]) == ("deny", name, "own data")


def test_a_patient_who_is_not_in_the_store_adds_nothing(ward):
    with pytest.raises(AccessError):
        ward.house.gate.own_data(ward.house.authenticate(ward.patient), "p1")


@pytest.mark.parametrize(("name", "may"), [("dr-lee", True), ("operator", True), ("pat", False), ("child", False)])
def test_who_may_file_without_reading(filled, name, may):
    gate = filled.house.gate
    if may:
        grant = gate.custodian(who(filled, name), "p1")
        assert (grant.actor, grant.categories, grant.may_write) == (name, frozenset(), True)
        return
    with pytest.raises(AccessError):
        gate.custodian(who(filled, name), "p1")
    assert leaves(filled, "p1")[-1].content["decision"] == "deny"


def test_who_may_file_a_consent(filled):
    gate = filled.house.gate
    filled.house.add_actor(Actor("clinic", "organisation", Identity.generate("clinic").public_key), by="operator")
    for name in ("pat", "child", "dr-lee", "operator"):
        assert gate.own_consent(who(filled, name), "p1").may_write
    clinic = filled.house.registry.actors["clinic"]
    for actor, patient in ((who(filled, "pat"), "p2"), (who(filled, "child"), "p2"), (clinic, "p1")):
        with pytest.raises(AccessError):
            gate.own_consent(actor, patient)


def test_a_view_of_nothing_is_logged_and_covers_nothing(filled):
    grant = filled.house.gate.view(who(filled, "dr-lee"), "p1", "TREAT")
    entry = leaves(filled, "p1")[-1]
    assert (grant.actor, grant.categories, grant.may_write, grant.leaf) == ("dr-lee", frozenset(), False, entry.n)
    assert entry.content["decision"] == "deny"


def test_the_own_record_is_read_and_written_by_its_patient_and_by_nobody_whom_it_is_released_to(filled):
    agree(filled, permit=list(CATEGORIES), purposes=["PATRQT"])
    gate = filled.house.gate
    for name in ("pat", "child"):
        grant = gate.own_record(who(filled, name), "p1")
        assert (grant.basis, grant.may_write, grant.categories) == ("self", True, frozenset(CATEGORIES))
        assert leaves(filled, "p1")[-1].n == grant.leaf
    with pytest.raises(AccessError):
        gate.own_record(who(filled, "dr-lee"), "p1")
    with pytest.raises(AccessError):
        gate.own_record(who(filled, "pat"), "p2")


def test_earlier_consents_are_read_by_who_may_file_another_and_nothing_else_is(filled):
    agree(filled)
    gate, store = filled.house.gate, filled.house.store
    before = leaves(filled, "p1")
    scope = gate.earlier_consents(who(filled, "pat"), "p1")
    assert scope.categories == {"record"}
    assert [s.source.ref for s in store.read(scope, ("Consent",))] == ["Consent/k1"]
    with pytest.raises(AccessError):
        store.commit(scope, [Change("Consent", "k1", None)], at=WHEN)
    assert leaves(filled, "p1") == before
    with pytest.raises(AccessError):
        gate.earlier_consents(who(filled, "child"), "p2")
    assert [e.content["decision"] for e in leaves(filled, "p2")] == ["deny"]


@pytest.mark.parametrize(("name", "more"), [("k1", {"id": "k1"}), ("", {})])
def test_a_look_at_a_consent_is_in_that_patients_log(filled, name, more):
    before = len(leaves(filled, "p1"))
    filled.house.gate.note_consent_read(who(filled, "operator"), "p1", name)
    (entry,) = leaves(filled, "p1")[before:]
    told = {k: v for k, v in entry.content.items() if k not in ("batch", "previous")}
    expected = {"reason": "consent-read", "actor": "operator", "at": "2026-06-01T12:00:00Z", **more}
    assert (entry.topic, told) == ("access", expected)
    with pytest.raises(IntegrityError):
        filled.house.gate.note_consent_read(who(filled, "operator"), "nobody", name)


def reasons(ward):
    """What each entry of p1's log was written for."""
    return [e.content["reason"] for e in ward.house.log.entries(ward.house.store.connection, patient="p1")]


def reads(ward):
    """Who read which consent of p1, by its log."""
    found = [e.content for e in leaves(ward, "p1")]
    return [(c["actor"], c["id"]) for c in found if c["reason"] == "consent-read"]


def test_a_draft_that_ends_a_consent_is_a_look_at_it_whoever_drafts(filled):
    name = Session(filled.house, filled.patient).give_consent("p1", AT, actors=["dr-lee"], categories=["record"])
    for identity, witnessed in ((filled.patient, False), (filled.child, False), (filled.operator, True)):
        assert Session(filled.house, identity).ended("p1", name, witnessed=witnessed)["status"] == "inactive"
    assert reads(filled) == [("pat", name), ("child", name), ("operator", name)]
    with pytest.raises(InputError, match="no such consent"):
        Session(filled.house, filled.patient).ended("p1", "another")
    assert len(reads(filled)) == 3


def test_a_patient_who_ends_a_consent_leaves_the_entry_of_the_filing_alone(filled):
    mine = Session(filled.house, filled.patient)
    name = mine.give_consent("p1", AT, actors=["dr-lee"], categories=["record"])
    before = reasons(filled)
    mine.revoke("p1", name)
    assert reasons(filled) == [*before, "consent"]


def test_an_operator_who_ends_a_consent_leaves_the_look_and_the_filing(filled):
    name = Session(filled.house, filled.patient).give_consent("p1", AT, actors=["dr-lee"], categories=["record"])
    before = reasons(filled)
    Session(filled.house, filled.operator).revoke("p1", name, witnessed=True)
    assert reasons(filled) == [*before, "consent-read", "consent"]


def test_a_filing_that_is_refused_for_what_was_decided_earlier_is_a_look_at_that(filled):
    mine = Session(filled.house, filled.patient)
    name = mine.give_consent("p1", AT, actors=["dr-lee"], categories=["record"])
    mine.revoke("p1", name)
    body = {**mine.drafted("p1", AT, actors=["dr-lee"], categories=["record"]), "id": name}
    assert not reads(filled)
    with pytest.raises(InputError, match="revoked before"):
        mine.file_consent("p1", body, consent_signatures.sign(body, filled.patient, AT))
    assert reads(filled) == [("pat", name)]


def test_what_the_house_reads_for_itself_can_write_nothing_and_leaves_no_entry(filled):
    gate, store, before = filled.house.gate, filled.house.store, leaves(filled, "p1")
    for scope in (gate.attribution("p1"), gate.comparison("p1")):
        assert {s.source.ref for s in store.read(scope)} == {"Patient/p1", "Observation/c1"}
        assert scope.categories == {*CATEGORIES, PERSON}
        with pytest.raises(AccessError):
            store.commit(scope, [Change("Patient", "p1", None)], at=WHEN)
    assert gate.attribution("p1", {"signal"}).categories == {"signal"}
    assert leaves(filled, "p1") == before


def test_stored_findings_of_every_kind_are_the_runners_to_replace(filled):
    gate = filled.house.gate
    own = gate.service_chart("p1", AT)[1].only(("record",))
    scope = gate.stored_findings(own)
    assert (scope.categories, scope.may_write, scope.leaf) == (frozenset(CATEGORIES), True, own.leaf)


def test_a_grant_is_made_narrower_and_never_wider(filled):
    grant = filled.house.gate.grant(who(filled, "pat"), "p1", "PATRQT").only(("record", "note"))
    assert grant.categories == {"record", "note"}
    assert grant.only(CATEGORIES).categories == {"record", "note"}
    assert grant.with_person().categories == {"record", "note", PERSON}


def test_comparisons_with_several_records_are_told_in_each_by_one_transaction(filled):
    connection, actor = filled.house.store.connection, who(filled, "operator")
    count = "SELECT count(*) FROM log_checkpoint"
    (before,) = connection.execute(count).fetchone()
    filled.house.gate.note_comparison(actor, "p1", "p2")
    filled.house.gate.note_comparison(actor)
    assert connection.execute(count).fetchone() == (before + 1,)
    for patient in ("p1", "p2"):
        entry = leaves(filled, patient)[-1].content
        assert (entry["reason"], entry["actor"], entry["patient"]) == ("compared", "operator", patient)


def test_that_a_source_was_compared_with_a_record_is_in_that_patients_log(filled):
    before = len(leaves(filled, "p1"))
    filled.house.gate.note_comparison(who(filled, "operator"), "p1")
    (entry,) = [e.content for e in leaves(filled, "p1")][before:]
    assert (entry["reason"], entry["actor"], entry["patient"], entry["at"]) == (
        "compared", "operator", "p1", "2026-06-01T12:00:00Z",
    )  # fmt: skip


def test_a_consent_to_whole_kinds_also_shows_what_is_filed_a_moment_later(filled):
    agree(filled)
    grant = look(filled)[1]
    assert (grant.partial, grant.decided) == (False, None)
    scope = Grant("operator", "p1", "custodian", frozenset(), may_write=True, purpose="filing")
    filled.house.store.commit(scope, [Change("Observation", "c2", creatinine("2.0", "2026-05-01", "c2"))], at=WHEN)
    assert {s.source.ref for s in filled.house.store.read(grant)} >= {"Observation/c1", "Observation/c2"}


def test_the_head_is_the_consent_that_was_filed_last_whatever_its_name(filled):
    gate, none = filled.house.gate, filled.house.gate.consent_head("p1")
    assert gate.is_head("p1", none)
    filed = []
    for name in ("m", "a", "z", "b"):
        body = Session(filled.house, filled.patient).drafted("p1", AT, actors=["dr-lee"], categories=["record"])
        body["id"] = name
        Session(filled.house, filled.patient).file_consent(
            "p1", body, consent_signatures.sign(body, filled.patient, AT)
        )
        filed.append(digest(body))
        assert gate.consent_head("p1") == filed[-1]
        assert gate.is_head("p1", filed[-1])
        assert not gate.is_head("p1", none)
        assert not any(gate.is_head("p1", old) for old in filed[:-1])
    sealed, again = gate.consent_head("p1", sealed=True), gate.consent_head("p1", sealed=True)
    assert sealed != again, "nobody sees by it whether somebody decided anew"
    assert gate.is_head("p1", sealed)
    assert gate.is_head("p1", again)
    assert not gate.is_head("p2", sealed)
    assert gate.consent_head("p2") not in (none, filed[-1])


def test_of_many_patients_only_those_who_release_something_are_granted_and_each_decision_is_logged(filled):
    agree(filled)
    doctor = who(filled, "dr-lee")
    granted = filled.house.gate.grants(doctor, {"p1": "TREAT", "p2": "TREAT", "nobody": "TREAT"})
    assert [(g.patient, g.categories) for g in granted] == [("p1", {"record"})]
    assert leaves(filled, "p1")[-1].content["decision"] == "permit"
    assert leaves(filled, "p2")[-1].content["decision"] == "deny"
    assert filled.house.gate.grants(doctor, {"p1": "HRESCH"}) == []


def test_the_runners_scope_is_all_that_is_not_closed_and_may_write_what_it_finds(filled):
    _, grant = filled.house.gate.service_chart("p1", AT)
    assert (grant.may_write, grant.basis, "record" in grant.categories) == (True, "service", True)
    own = filled.house.gate.processing("p1")
    assert (own.may_write, own.actor, own.decided) == (False, "service", None)
    assert own.categories == grant.categories


def test_the_consents_that_a_reader_sees_are_told_to_be_in_force_or_why_not(filled):
    agree(filled)
    gate = filled.house.gate
    told = gate.standing(gate.grant(who(filled, "pat"), "p1", "PATRQT"))
    assert [(body["id"], words) for body, words in told] == [("k1", "in force")]
    assert gate.standing(Grant("x", "p1", "self", frozenset({"note"}), may_write=False, purpose="PATRQT")) == []
