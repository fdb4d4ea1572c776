"""Breaking the glass: who may, for how long, what it leaves, and the journal for when the log cannot be written."""

import time
from datetime import timedelta

import pytest

from salus.app.house import House
from salus.app.session import Session
from salus.errors import AccessError, InputError, IntegrityError, StoreError
from salus.record.turn import PATIENCE
from salus.trust import glass, policy
from salus.trust.identity import Actor, Identity
from tests.conftest import AT
from tests.trust.test_gate import deny, fill, leaves, look, rules

WHY = "unconscious in the emergency room"
HOUR = timedelta(hours=1)


@pytest.fixture
def emergency(ward):
    """A ward whose policy lets practitioners break the glass."""
    fill(ward)
    fill(ward, "p2")
    clinic = Identity.generate("clinic")
    ward.house.add_actor(Actor("clinic", "organisation", clinic.public_key), by="operator")
    rule = {"basis": "vital-interest", "purposes": ["BTG"], "overrides-denial": True}
    ward.house.add_policy(policy.sign(rules(**rule), clinic), by="operator")
    return ward


def broke(ward, who=None, patient="p1", why=WHY, lasts=HOUR):
    return ward.house.gate.break_glass(ward.house.authenticate(who or ward.clinician), patient, why, lasts)


def test_a_broken_glass_opens_one_record_for_its_time_and_tells_the_patient(emergency):
    ward = emergency
    with pytest.raises(AccessError):
        look(ward, purpose="BTG")
    n = broke(ward)
    chart, grant = look(ward, purpose="BTG")
    assert chart.latest("creatinine")
    assert (grant.basis, grant.categories) == ("vital-interest", {"record"})
    for refused in ({"purpose": "TREAT"}, {"patient": "p2", "purpose": "BTG"}):
        with pytest.raises(AccessError):
            look(ward, **refused)
    told = [e for e in Session(ward.house, ward.patient).accesses("p1") if e["topic"] == "glass"]
    assert [(e["n"], e["notice"], e["actor"], e["why"]) for e in told] == [(n, "break-glass", "dr-lee", WHY)]
    ward.time = AT + HOUR
    with pytest.raises(AccessError):
        look(ward, purpose="BTG")


def test_another_persons_glass_opens_nothing(emergency):
    other = Identity.generate("dr-no")
    emergency.house.add_actor(Actor("dr-no", "practitioner", other.public_key), by="operator")
    broke(emergency)
    with pytest.raises(AccessError):
        look(emergency, who=other, purpose="BTG")


@pytest.mark.parametrize(
    ("why", "lasts"),
    [("", HOUR), ("   short   ", HOUR), ("x" * 501, HOUR), (WHY, timedelta(hours=25)), (WHY, timedelta(0))],
)
def test_it_takes_a_reason_and_ends_within_a_day(emergency, why, lasts):
    with pytest.raises(InputError):
        broke(emergency, why=why, lasts=lasts)


def test_who_is_not_authorised_is_refused_in_the_usual_words_and_noted(emergency):
    for who in (emergency.operator, emergency.patient):
        patient = "p2" if who is emergency.patient else "p1"
        with pytest.raises(AccessError):
            broke(emergency, who=who, patient=patient)
    with pytest.raises(AccessError):
        broke(emergency, patient="nobody")
    assert leaves(emergency, "p1")[-1].content["decision"] == "deny"


@pytest.mark.parametrize("overrides", [False, True])
def test_a_denial_stands_unless_the_policy_overrides_it(ward, overrides):
    fill(ward)
    clinic = Identity.generate("clinic")
    ward.house.add_actor(Actor("clinic", "organisation", clinic.public_key), by="operator")
    rule = {"basis": "vital-interest", "purposes": ["BTG"], "overrides-denial": overrides}
    ward.house.add_policy(policy.sign(rules(**rule), clinic), by="operator")
    deny(Session(ward.house, ward.patient), purposes=["BTG"])
    broke(ward)
    if overrides:
        assert look(ward, purpose="BTG")
    else:
        with pytest.raises(AccessError):
            look(ward, purpose="BTG")


def test_somebody_else_reviews_it_and_the_patient_sees_the_verdict(emergency):
    ward = emergency
    n = broke(ward)
    gate = ward.house.gate
    for who in (ward.clinician, ward.patient):
        with pytest.raises(AccessError):
            gate.review_glass(ward.house.authenticate(who), "p1", n, "it was right to do so")
    assert [b.reviewed_by for b in gate.broken()] == [""]
    gate.review_glass(ward.house.authenticate(ward.operator), "p1", n, "it was right to do so")
    for who in (ward.clinician, ward.patient):
        with pytest.raises(AccessError):
            gate.glasses(ward.house.authenticate(who))
    assert gate.glasses(ward.house.authenticate(ward.operator)) == gate.broken()
    told = Session(ward.house, ward.patient).accesses("p1")
    assert [e["actor"] for e in told if e["reason"] == "glass-listed"] == ["operator"]
    assert [(b.n, b.reviewed_by, b.verdict) for b in gate.broken()] == [(n, "operator", "it was right to do so")]


def test_searches_and_exports_are_refused():
    with pytest.raises(AccessError):
        glass.refuse("BTG")
    glass.refuse("TREAT")
    glass.refuse(None)


def full(*_, **__):
    raise OSError(28, "No space left on device")


def test_where_the_log_cannot_be_written_only_a_broken_glass_opens_by_the_journal(emergency, monkeypatch):
    ward = emergency
    Session(ward.house, ward.patient).give_consent("p1", AT, actors=["dr-lee"], categories=["record"])
    with monkeypatch.context() as patch:
        patch.setattr("salus.trust.mark.overwrite", full)
        with pytest.raises(StoreError):
            look(ward)
        assert broke(ward) is None
        assert look(ward, purpose="BTG")[0].latest("creatinine")
        with pytest.raises(StoreError):
            look(ward)
    with House(ward.house.configuration, clock=lambda: AT) as again:
        content = [e.content for e in again.log.entries(again.store.connection, patient="p1")]
        assert [c["reason"] for c in content if "journal" in c] == ["glass-broken", "access"]
        assert not again.verify().problems
        assert again.gate.merge_journal() == 0


def test_a_writer_that_hangs_holds_up_no_emergency(emergency, monkeypatch):
    """A stopped process, or one that waits for its disk, has the turn; the journal does not wait for it."""
    ward = emergency
    monkeypatch.setattr(glass, "PATIENCE", 0.1)
    hangs = ward.house.store.transaction(ward.house.gate.house("operator", may_write=True))
    with hangs, House(ward.house.configuration, clock=lambda: AT) as other:
        reader, begun = other.authenticate(ward.clinician), time.monotonic()
        assert other.gate.break_glass(reader, "p1", WHY, timedelta(hours=1)) is None
        assert other.gate.open_chart(reader, "p1", "BTG", AT)[0].latest("creatinine")
        assert len(other.gate._journal.waiting()) == 2
        assert time.monotonic() - begun < PATIENCE  # which anybody else waits
    assert ward.house.gate.merge_journal() == 2
    assert not ward.house.verify().problems


def test_nobody_fills_the_journal_alone(emergency, monkeypatch):
    ward = emergency
    ward.house.add_actor(Actor("dr-may", "practitioner", Identity.generate("dr-may").public_key), by="operator")
    other = ward.house.registry.actors["dr-may"]
    monkeypatch.setattr("salus.trust.mark.overwrite", full)
    assert broke(ward) is None
    for _ in range(glass.EACH - 1):
        look(ward, purpose="BTG")
    with pytest.raises(StoreError, match="of yours"):
        look(ward, purpose="BTG")
    assert ward.house.gate.break_glass(other, "p1", WHY, timedelta(hours=1)) is None
    assert len(ward.house.gate._journal.waiting()) == glass.EACH + 1


def test_what_was_merged_is_not_merged_again(emergency, monkeypatch):
    ward = emergency
    journal = ward.house.gate._journal
    with monkeypatch.context() as patch:
        patch.setattr("salus.trust.mark.overwrite", full)
        broke(ward)
    with monkeypatch.context() as patch:
        patch.setattr(type(journal), "clear", lambda self, noted: None)  # as when the process is killed before it
        ward.house.gate.merge_journal()
    assert ward.house.gate.merge_journal() == 1
    entries = ward.house.log.entries(ward.house.store.connection, topic=glass.TOPIC)
    assert sum("journal" in e.content for e in entries) == 1
    assert not journal.waiting()


def test_the_journal_is_bounded_and_notices_changes(emergency):
    journal = emergency.house.gate._journal
    for n in range(64):
        journal.write("p1", glass.TOPIC, {"reason": "glass-broken", "n": n})
    with pytest.raises(StoreError, match="full"):
        journal.write("p1", glass.TOPIC, {"reason": "glass-broken"})
    path = emergency.house.vault.folder / "glass.journal"
    assert path.stat().st_mode & 0o777 == 0o600
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError):
        journal.waiting()


def test_an_entry_too_large_for_the_journal_is_refused(emergency):
    with pytest.raises(StoreError, match="too large"):
        emergency.house.gate._journal.write("p1", glass.TOPIC, {"reason": "x" * 5000})
