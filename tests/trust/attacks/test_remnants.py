"""Row 9: what is left of somebody who was erased, in the file, in the log, beside the keys, and in a restored past."""

from contextlib import suppress
from datetime import timedelta

import pytest

from salus.app import acts, erasure
from salus.app.house import House
from salus.app.session import Session
from salus.errors import AccessError, InputError, SalusError, StoreError
from salus.fhir.views import CATEGORIES
from salus.record.store import Change
from salus.trust.identity import Actor, Identity
from tests.conftest import AT, creatinine, person
from tests.trust.attacks.scene import broke, emergency, full, put, repelled, stocked
from tests.trust.test_erasure import SECRET, erase, reads

PATIENT = "patient-726190"
NAME = "Zyxwvut Person"


def words_of_the_house(house):
    """Everything that the log still says, opened with every key that is left."""
    return repr([e.content for e in house.log.entries(house.store.connection)])


def test_the_erased_cannot_be_asked_for_any_more(two):
    ward, other = two
    erase(ward)
    for who in (ward.clinician, ward.operator):
        with repelled(ward.house):
            ward.house.gate.grant(ward.house.authenticate(who), "p1", "TREAT")
    with pytest.raises(AccessError):
        ward.house.authenticate(ward.patient)
    assert reads(ward, other, "p2")


def test_the_log_names_the_erased_nowhere(ward):
    put(ward, person(PATIENT, name=[{"family": NAME}]), patient=PATIENT)
    key = Identity.generate("somebody")
    ward.house.add_actor(Actor("somebody", "patient", key.public_key, PATIENT, NAME), by="operator")
    session = Session(ward.house, key)
    session.give_consent(PATIENT, AT, actors=["dr-lee"], categories=CATEGORIES)
    Session(ward.house, ward.clinician).open(PATIENT, AT)
    with pytest.raises(AccessError):
        Session(ward.house, ward.operator).open(PATIENT, AT)
    erasure.ask(session, PATIENT)
    erasure.carry_out(Session(ward.house, ward.operator), PATIENT)
    told = words_of_the_house(ward.house)
    assert "erased" in told
    assert not {word for word in (PATIENT, NAME) if word in told}


def test_nor_where_it_took_two_people(clinic):
    house, key = clinic.house, Identity.generate("pat")
    scope = house.gate.custodian(clinic.actor("ann"), PATIENT)
    house.store.commit(scope, [Change("Patient", PATIENT, person(PATIENT))], at=house.time())
    clinic.keys["pat"] = key
    clinic.confirm(house.add_actor(Actor("pat", "patient", key.public_key, PATIENT, NAME), by="ann"), "ben")
    stopped = clinic.enrol("mallory", "proxy", PATIENT)
    clinic.confirm(stopped, "ben")
    acts.stop(house, stopped.n, clinic.actor("pat"))
    erasure.ask(clinic.session("pat"), PATIENT)
    clinic.confirm(erasure.carry_out(clinic.session("ann"), PATIENT), "ben")
    told = words_of_the_house(house)
    assert not {word for word in (PATIENT, NAME) if word in told}


def test_nor_does_the_emergency_journal(ward, monkeypatch):
    stocked(ward)
    emergency(ward)
    with monkeypatch.context() as patch:
        patch.setattr("salus.trust.mark.overwrite", full)
        broke(ward)
    erasure.ask(Session(ward.house, ward.patient), "p1")
    erasure.carry_out(Session(ward.house, ward.operator), "p1")
    assert not [noted for noted in ward.house.gate._journal.waiting() if noted.patient == "p1"]


@pytest.mark.parametrize("of", ["a question", "a failed write"])
def test_a_name_that_was_asked_for_before_it_was_anybodys_is_not_kept(ward, of):
    stocked(ward)
    session = Session(ward.house, ward.clinician)
    with repelled(ward.house):
        if of == "a question":
            session.open(PATIENT, AT)
        else:
            session.ended(PATIENT, PATIENT, witnessed=True)
    assert PATIENT not in words_of_the_house(ward.house)


def test_what_was_sealed_stays_sealed_although_its_owner_comes_again(two):
    ward, _ = two
    store = ward.house.store
    rows = store.connection.execute(
        "SELECT type, id, version, updated, deleted, mac, body FROM resource WHERE pid = 1"
    ).fetchall()
    erase(ward)
    put(ward, person("p1"), creatinine("1.0", "2026-01-01", "c9"))  # a new record under the old name
    for row in rows:
        with pytest.raises(SalusError):
            store.open_row("p1", *row)


def test_consents_of_before_open_nothing_of_who_comes_again(two):
    ward, _ = two
    kept = ward.house.store.read(ward.house.gate.processing("p1"), ("Consent", "Provenance"))
    bodies = {s.source.ref.partition("/")[0]: s.body for s in kept if "Consent" in str(s.body.get("target", "Consent"))}
    erase(ward)
    put(ward, person("p1"))
    again = Identity.generate("pat-again")
    ward.house.add_actor(Actor("pat-again", "patient", again.public_key, "p1"), by="operator")
    for who in (again, ward.operator, ward.clinician):
        with pytest.raises((InputError, AccessError)):
            Session(ward.house, who).file_consent("p1", bodies["Consent"], bodies["Provenance"])
    with repelled(ward.house):
        ward.house.gate.grant(ward.house.authenticate(ward.clinician), "p1", "TREAT")


def test_nor_do_they_where_the_same_key_comes_again(two):
    """Nobody remembers the erased, his name and key neither: but what he signed lies in others' drawers."""
    ward, _ = two
    kept = ward.house.store.read(ward.house.gate.processing("p1"), ("Consent", "Provenance"))
    consent = next(s.body for s in kept if s.source.ref.startswith("Consent/"))
    proof = next(s.body for s in kept if s.body.get("target") == [{"reference": f"Consent/{consent['id']}"}])
    erase(ward)
    put(ward, person("p1"))
    with suppress(InputError):
        ward.house.add_actor(Actor("pat", "patient", ward.patient.public_key, "p1"), by="operator")
    with suppress(InputError, AccessError):
        Session(ward.house, ward.operator).file_consent("p1", consent, proof)
    with repelled(ward.house):
        ward.house.gate.grant(ward.house.authenticate(ward.clinician), "p1", "TREAT")


def test_an_old_backup_brings_nobody_back(two, tmp_path):
    ward, other = two
    ward.house.backup(tmp_path / "old.db", "operator")
    erase(ward)
    ward.house.close()
    configuration = ward.house.configuration
    for leftover in configuration.store.glob(configuration.store_file.name + "*"):
        leftover.unlink()
    with pytest.raises(StoreError):
        House.restore(configuration, tmp_path / "old.db")
    House.restore(configuration, tmp_path / "old.db", accept_loss=True)
    with House(configuration, clock=lambda: AT) as again:
        assert again.store.patients(again.gate.house("t")) == ["p2"]
        with pytest.raises(AccessError):
            again.authenticate(ward.patient)
        assert (
            SECRET.encode() in Session(again, other).house.store.read(again.gate.processing("p2"), ("Patient",))[0].data
        )
        assert not again.verify().problems


def test_a_hold_is_no_operators_secret_and_ends(two):
    ward, _ = two
    mine = Session(ward.house, ward.patient)
    erasure.hold(Session(ward.house, ward.operator), "p1", "case 12 of 2026")
    assert [e["ground"] for e in mine.accesses("p1") if e.get("notice") == "hold"] == ["case 12 of 2026"]
    erasure.ask(mine, "p1")
    with pytest.raises(InputError, match="hold"):
        erasure.carry_out(Session(ward.house, ward.operator), "p1")


def test_the_chain_of_the_others_is_whole_and_proves_on(two):
    ward, other = two
    session = Session(ward.house, other)
    session.open("p2", AT)
    before = session.accesses("p2")
    ward.time = AT + timedelta(hours=1)
    erase(ward)
    after = session.accesses("p2")
    assert after[: len(before)] == before
    numbers = [e["n"] for e in after]
    assert [e["previous"] for e in after] == [None, *numbers[:-1]]
    assert not ward.house.verify().problems
