"""Row 11: the broken glass abused, and the emergency journal tampered with."""

from datetime import timedelta

import pytest

from salus.app import erasure
from salus.app.house import House
from salus.app.session import Session
from salus.errors import AccessError, InputError, IntegrityError, StoreError
from salus.trust import glass
from salus.trust.journal import SLOT, Journal
from tests.conftest import AT
from tests.trust.attacks.scene import HOUR, WHY, broke, emergency, file, full, leaves, repelled, stocked
from tests.trust.test_gate import fill, look


@pytest.fixture
def ready(ward):
    """A ward with two records and a policy by which practitioners may break the glass."""
    stocked(ward)
    fill(ward, "p2")
    emergency(ward)
    return ward


@pytest.fixture
def outage(ready, monkeypatch):
    """The same while the log cannot be written, with a glass that was broken meanwhile."""
    with monkeypatch.context() as patch:
        patch.setattr("salus.trust.mark.overwrite", full)
        assert broke(ready) is None
    return ready


def reopened(ward):
    return House(ward.house.configuration, clock=lambda: ward.time)


def slots(ward):
    return ward.house.vault.folder / "glass.journal"


@pytest.mark.parametrize("purpose", ["BTG", "TREAT", "ETREAT"])
def test_no_purpose_alone_is_a_broken_glass(ready, purpose):
    with repelled(ready.house):
        look(ready, purpose=purpose)


def test_without_a_policy_nobody_breaks_it(ward):
    stocked(ward)
    for who in (ward.clinician, ward.operator):
        with repelled(ward.house):
            broke(ward, who)


@pytest.mark.parametrize("basis", ["treatment", "public-health", "legal-duty"])
def test_a_policy_of_another_basis_is_no_emergency(ward, basis):
    stocked(ward)
    emergency(ward, basis=basis)
    with repelled(ward.house):
        broke(ward)


@pytest.mark.parametrize("why", ["", " \t\n" * 9, "help", "x" * 501])
def test_a_reason_that_says_nothing_is_none(ready, why):
    with pytest.raises(InputError):
        broke(ready, why=why)
    with repelled(ready.house):
        look(ready, purpose="BTG")


@pytest.mark.parametrize("why", ["." * 12, "\u200b" * 12, "- - - - - - -", "1 2 3 4 5 6 7"])
def test_a_reason_without_a_word_is_none(ready, why):
    with pytest.raises(InputError):
        broke(ready, why=why)


@pytest.mark.parametrize("lasts", [timedelta(hours=24, microseconds=1), timedelta(0), -HOUR, timedelta(days=400)])
def test_it_does_not_last_longer_than_a_day(ready, lasts):
    with pytest.raises(InputError):
        broke(ready, lasts=lasts)


def test_it_is_shut_to_the_second(ready):
    broke(ready, lasts=timedelta(hours=24))
    ready.time = AT + timedelta(hours=24) - timedelta(seconds=1)
    assert look(ready, purpose="BTG")
    ready.time = AT + timedelta(hours=24)
    with repelled(ready.house):
        look(ready, purpose="BTG")
    ready.time = AT - timedelta(seconds=1)  # nor does a clock set back open it earlier
    with repelled(ready.house):
        look(ready, purpose="BTG")


def test_it_opens_one_record(ready):
    broke(ready)
    for patient in ("p2", "nobody", "P1", "p1 "):
        with repelled(ready.house):
            look(ready, patient=patient, purpose="BTG")


def test_it_ends_with_the_policy_and_with_the_actor(ready):
    broke(ready)
    ready.house.remove_policy("ward-3", by="operator")
    with repelled(ready.house):
        look(ready, purpose="BTG")
    ready.house.remove_actor("dr-lee", by="operator")
    with pytest.raises(AccessError):
        look(ready, purpose="BTG")


def test_it_does_not_let_write_nor_consent(ready):
    broke(ready)
    assert not look(ready, purpose="BTG")[1].may_write
    with pytest.raises(AccessError):
        ready.house.gate.own_data(ready.house.authenticate(ready.clinician), "p1")


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/Observation?patient=p1",
        "/fhir/Observation?patient=p1&_summary=count",
        "/fhir/Patient?_id=p1",
        "/fhir/Patient/p1/$everything",
    ],
)
def test_it_opens_no_search_and_no_export(front, path):
    emergency(front.ward)
    broke(front.ward)
    answer = front.get(path, **{"X-Purpose-Of-Use": "BTG"})
    assert answer.status_code in (403, 404)
    assert "Example" not in answer.text


def test_a_record_is_not_carried_away_through_it(ready, tmp_path):
    from salus.app.fhir.export import export
    from salus.app.research.views import view

    broke(ready)
    session = Session(ready.house, ready.clinician)
    with repelled(ready.house):
        export(session, "p1", tmp_path / "all.zip")
    with pytest.raises(AccessError):
        view(session, {"resourceType": "ViewDefinition", "resource": "Patient", "select": []}, AT, purpose="BTG")


def test_who_broke_it_does_not_review_it_and_nor_do_other_hands(ready):
    n = broke(ready)
    gate, house = ready.house.gate, ready.house
    for who in (ready.clinician, ready.patient):
        with repelled(house):
            gate.review_glass(house.authenticate(who), "p1", n, "it was right to do so")
    for patient, entry in (("p2", n), ("nobody", n), ("p1", n + 1), ("p1", -1)):
        with repelled(house):
            gate.review_glass(house.authenticate(ready.operator), patient, entry, "it was right to do so")
    assert gate.broken()[0].reviewed_by == ""


def test_an_operator_who_broke_it_does_not_review_it(ward):
    stocked(ward)
    emergency(ward, actors=["operator"])
    n, gate = broke(ward, ward.operator), ward.house.gate
    with repelled(ward.house):
        gate.review_glass(ward.house.authenticate(ward.operator), "p1", n, "it was right to do so")
    assert gate.broken()[0].reviewed_by == ""


def test_a_review_does_not_prolong_it(ready):
    n = broke(ready)
    ready.time = AT + HOUR
    ready.house.gate.review_glass(ready.house.authenticate(ready.operator), "p1", n, "it was right to do so")
    with repelled(ready.house):
        look(ready, purpose="BTG")


def test_the_patient_is_told_with_the_entry_that_opens_it(ready):
    n = broke(ready)
    look(ready, purpose="BTG")
    told = Session(ready.house, ready.patient).accesses("p1")
    assert [(e["n"], e["notice"], e["why"]) for e in told if e["topic"] == glass.TOPIC] == [(n, "break-glass", WHY)]
    assert [e["actor"] for e in told if e.get("purpose") == "BTG" and e["decision"] == "permit"] == ["dr-lee"]


# ---- the journal


def test_the_journal_lets_nobody_in_by_another_purpose(outage, monkeypatch):
    file(Session(outage.house, outage.patient))
    monkeypatch.setattr("salus.trust.mark.overwrite", full)
    assert look(outage, purpose="BTG")
    with pytest.raises(StoreError):
        look(outage)
    with pytest.raises(StoreError):
        look(outage, outage.operator, purpose="BTG")


@pytest.mark.parametrize("place", [4, 40, SLOT - 1], ids=["length", "nonce", "end"])
def test_a_changed_slot_is_noticed(outage, place):
    data = bytearray(slots(outage).read_bytes())
    used = int.from_bytes(data[:4], "big") + 3
    data[min(place, used)] ^= 1
    slots(outage).write_bytes(data)
    with pytest.raises(IntegrityError):
        outage.house.gate.merge_journal()
    with pytest.raises(IntegrityError):
        look(outage, purpose="BTG")


def test_a_slot_does_not_serve_in_another_place_or_house(outage, tmp_path):
    data = bytearray(slots(outage).read_bytes())
    data[SLOT : 2 * SLOT] = data[:SLOT]
    slots(outage).write_bytes(data)
    with pytest.raises(IntegrityError):
        outage.house.gate.merge_journal()
    from salus.app.config import at_folder

    with House.create(at_folder(tmp_path / "other"), alone=True) as other:
        other.vault.folder.joinpath("glass.journal").write_bytes(data)
        with pytest.raises(IntegrityError):
            other.gate.merge_journal()


def test_an_old_slot_put_back_is_merged_once_and_opens_nothing_later(outage):
    old = slots(outage).read_bytes()
    assert outage.house.gate.merge_journal() == 1
    slots(outage).write_bytes(old)
    before = leaves(outage.house)
    outage.house.gate.merge_journal()
    assert leaves(outage.house) == before
    slots(outage).write_bytes(old)
    outage.time = AT + HOUR
    with repelled(outage.house):
        look(outage, purpose="BTG")


def test_a_full_journal_opens_nothing(outage, monkeypatch):
    monkeypatch.setattr("salus.trust.mark.overwrite", full)
    monkeypatch.setattr("salus.trust.glass.EACH", 65)  # as if there were several who break glasses
    for _ in range(63):
        look(outage, purpose="BTG")
    with pytest.raises(StoreError, match="full"):
        look(outage, purpose="BTG")


def test_a_blanked_slot_is_noticed(outage):
    slots(outage).write_bytes(bytes(len(slots(outage).read_bytes())))
    try:
        with reopened(outage) as house:
            noticed = bool(house.verify().problems)
    except IntegrityError:
        noticed = True
    assert noticed


def test_after_a_restart_in_the_outage_the_broken_glass_still_opens(outage, monkeypatch):
    monkeypatch.setattr("salus.trust.mark.overwrite", full)
    with reopened(outage) as house:
        assert house.gate.open_chart(house.authenticate(outage.clinician), "p1", "BTG", AT)[1].basis == "vital-interest"


def test_two_who_merge_at_once_lose_nothing(outage, monkeypatch):
    waiting, house = Journal.waiting, outage.house
    note = {"reason": "access", "actor": "dr-lee", "purpose": "BTG", "decision": "permit"}

    def overtaken(journal):
        found = waiting(journal)
        monkeypatch.setattr(Journal, "waiting", waiting)
        with reopened(outage) as other:  # which merges; and then the next emergency takes the free slot
            other.gate._journal.write("p1", "access", note)
        return found

    monkeypatch.setattr(Journal, "waiting", overtaken)
    house.gate.merge_journal()
    house.gate.merge_journal()
    kept = [e for e in house.log.entries(house.store.connection, patient="p1") if "journal" in e.content]
    assert len(kept) == 2


def test_an_entry_of_a_patient_who_was_erased_meanwhile_does_not_shut_the_house(outage):
    erasure.ask(Session(outage.house, outage.patient), "p1")
    erasure.carry_out(Session(outage.house, outage.operator), "p1")
    with reopened(outage) as house:
        assert not house.verify().problems


def test_every_slot_that_an_emergency_wrote_is_in_the_log_after_it(outage, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("salus.trust.mark.overwrite", full)
        for _ in range(5):
            look(outage, purpose="BTG")
    with reopened(outage) as house:
        kept = [e.content["reason"] for e in house.log.entries(house.store.connection, patient="p1")]
        assert kept.count("glass-broken") == 1
        assert kept.count("access") == 5
        assert not house.verify().problems
        assert not slots(outage).read_bytes().strip(b"\0")
