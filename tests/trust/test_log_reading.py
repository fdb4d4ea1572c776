"""What is read of a log: whose entries, which checkpoint is vouched for, proofs to any size, and what was changed."""

import sqlite3
from dataclasses import replace

import pytest

from salus.errors import IntegrityError
from salus.record.store import Change
from salus.trust.checkpoint import LEGACY_ORIGIN, checkpoint_text
from salus.trust.grants import Grant
from salus.trust.merkle import leaf_hash, verify_consistency, verify_inclusion
from tests.conftest import person

WHEN = "2026-06-01T12:00:00Z"


def write(house, patient, n=1):
    scope = Grant("operator", patient, "custodian", frozenset(), may_write=True, purpose="filing")
    return house.store.commit(scope, [Change("Patient", patient, person(patient, language=f"x-{n}"))], at=WHEN)


@pytest.fixture
def house(ward):
    write(ward.house, "p1")
    write(ward.house, "p2")
    write(ward.house, "p1", 2)
    return ward.house


def entries(house, **which):
    return [(e.patient, e.topic) for e in house.log.entries(house.store.connection, **which)]


def test_entries_are_those_of_the_patient_or_the_topic_that_was_asked_for(house):
    assert entries(house, patient="p1") == [("p1", "write")] * 2
    assert entries(house, patient="p2") == [("p2", "write")]
    own = entries(house, patient="")
    assert own
    assert {patient for patient, _ in own} == {""}
    assert sorted(entries(house)) == sorted([*own, ("p1", "write"), ("p1", "write"), ("p2", "write")])
    assert sorted(entries(house, topic="write")) == [("p1", "write"), ("p1", "write"), ("p2", "write")]
    assert entries(house, topic="write", patient="p2") == [("p2", "write")]
    assert entries(house, patient="nobody") == []


def test_the_newest_of_a_patients_entries_come_first(house):
    connection = house.store.connection
    found = [e.n for e in house.log.newest_first(connection, "p1", None)]
    assert found == sorted(found, reverse=True)
    assert len(found) == 2
    assert [e.n for e in house.log.newest_first(connection, "p1", found[0])] == found[1:]
    assert list(house.log.newest_first(connection, "p1", found[1])) == []


def test_what_wrote_something_since_is_known_and_a_look_writes_nothing(house):
    log, connection = house.log, house.store.connection
    last = max(e.n for e in log.entries(connection, patient="p1"))
    assert log.written_since(connection, "p1", last - 1) == last
    assert log.written_since(connection, "p1", last) is None
    scope = Grant("gate", "*", "upkeep", frozenset(), may_write=True, purpose="upkeep")
    with house.store.transaction(scope):
        log.append(connection, "p1", "access", {"reason": "access"})
    assert log.written_since(connection, "p1", last) is None
    assert write(house, "p1", 3).leaf == log.written_since(connection, "p1", last)


def test_whose_records_were_written_to_is_told_stretch_by_stretch(house):
    log, connection = house.log, house.store.connection
    numbers = {p: [e.n for e in log.entries(connection, patient=p)] for p in ("p1", "p2")}
    (first, third), (second,) = numbers["p1"], numbers["p2"]
    whole = [(first, "p1"), (second, "p2"), (third, "p1")]
    assert first < second < third
    assert log.written_after(connection, -1, third + 1, 9) == (whole, third)
    assert log.written_after(connection, -1, third, 9) == (whole[:2], third - 1), "entry n + span is the last one"
    assert log.written_after(connection, first, 99, 9) == (whole[1:], third), "it goes no further than the log"
    assert log.written_after(connection, -1, 99, 1) == (whole[:1], first)
    assert log.written_after(connection, -1, 99, 2) == (whole[:2], second)
    assert log.written_after(connection, third, 99, 9) == ([], third)
    scope = Grant("gate", "*", "upkeep", frozenset(), may_write=True, purpose="upkeep")
    with house.store.transaction(scope):
        looked = log.append(connection, "p1", "access", {"reason": "access"})
    assert log.written_after(connection, third, 99, 9) == ([], looked), "a look writes nothing"


def test_whether_something_was_written_between_two_entries_leaves_both_out(house):
    log, connection = house.log, house.store.connection
    first, second = (e.n for e in log.entries(connection, patient="p1"))
    assert not log.wrote_between(connection, "p1", first, second)
    assert log.wrote_between(connection, "p1", first - 1, second)
    assert log.wrote_between(connection, "p1", first, second + 1)
    assert not log.wrote_between(connection, "p2", second, second + 9)


def test_entries_written_together_follow_each_other_patient_by_patient(house):
    log, connection = house.log, house.store.connection
    scope = Grant("gate", "*", "upkeep", frozenset(), may_write=True, purpose="upkeep")
    before = {p: [e.n for e in log.entries(connection, patient=p)] for p in ("p1", "")}
    with house.store.transaction(scope):
        numbers = log.append_all(connection, [(p, "access", {"reason": "t"}) for p in ("p1", "", "p1", "")])
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    for patient, own in (("p1", numbers[::2]), ("", numbers[1::2])):
        found = list(log.entries(connection, patient=patient))
        assert [e.n for e in found] == before[patient] + own
        assert [e.content["previous"] for e in found] == [None, *(e.n for e in found[:-1])]
    assert not house.verify().problems
    with pytest.raises(IntegrityError, match="not in the store"), house.store.transaction(scope):
        log.append_all(connection, [("p1", "access", {}), ("nobody", "access", {})])
    assert [e.n for e in log.entries(connection, patient="p1")][-1] == numbers[2]


def test_who_filed_no_consent_is_told_from_who_is_not_in_the_store(house):
    log, connection = house.log, house.store.connection
    assert log.newest_filed(connection, ["p1", "nobody", "p1"]) == {"p1": -1}


def test_the_newest_of_a_topic_is_found_and_of_a_topic_that_is_not_there_none(house):
    log, connection = house.log, house.store.connection
    assert log.newest_of(connection, "write") == max(e.n for e in log.entries(connection, topic="write"))
    assert log.newest_of(connection, "consent") == -1
    assert log.last(connection, "house").topic == "house"
    assert log.last(connection, "write") is None, "an entry of a patient is none of the house's own"
    connection.execute("DELETE FROM log_leaf WHERE n > 0")
    assert log.newest_of(connection, "house") == 0, "the first entry counts as well"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_leaf SET topic = 'access' WHERE n = ?",
        "UPDATE log_leaf SET pid = (SELECT pid FROM patient WHERE id = 'p2') WHERE n = ?",
        "UPDATE log_leaf SET commitment = zeroblob(32) WHERE n = ?",
        "UPDATE log_leaf SET entry = zeroblob(80) WHERE n = ?",
        "UPDATE log_leaf SET (commitment, entry) = (SELECT commitment, entry FROM log_leaf WHERE topic = 'write' "
        "ORDER BY n DESC LIMIT 1) WHERE n = ?",
    ],
)
def test_an_entry_that_was_changed_or_moved_is_not_opened(house, statement):
    first = next(house.log.entries(house.store.connection, patient="p1")).n
    house.store.connection.execute(statement, (first,))
    with pytest.raises(IntegrityError):
        list(house.log.entries(house.store.connection))


def test_whether_a_patients_entries_open_is_told_without_an_error(house):
    log, connection = house.log, house.store.connection
    assert log.opens(connection, "p1") is True
    assert log.opens(connection, "nobody") is True
    connection.execute("UPDATE log_leaf SET entry = zeroblob(80) WHERE topic = 'write'")
    assert log.opens(connection, "p1") is False


def test_proofs_of_a_long_log_hold_to_every_size_it_had(house):
    log, connection = house.log, house.store.connection
    scope = Grant("gate", "*", "upkeep", frozenset(), may_write=True, purpose="upkeep")
    early = log.newest(connection)
    for _ in range(2):
        with house.store.transaction(scope):
            for n in range(300):
                log.append(connection, "p1", "access", {"n": n})
    newest = log.newest(connection)
    assert newest.size == early.size + 600
    tree = log.view(connection, newest.size)
    assert (tree.root(), log.view(connection, early.size).root()) == (newest.root, early.root)
    proof = log.view(connection, newest.size).consistency(early.size)
    assert verify_consistency(early.size, newest.size, early.root, newest.root, proof)
    commitments = dict(connection.execute("SELECT n, commitment FROM log_leaf"))
    for n in (0, early.size, 255, 256, 511, 512, newest.size - 1):
        path = log.view(connection, newest.size).inclusion(n)
        assert verify_inclusion(leaf_hash(commitments[n]), n, newest.size, path, newest.root)


def test_a_view_reads_through_the_connection_that_it_was_asked_for_with(house):
    log, size = house.log, house.log.newest(house.store.connection).size
    other = sqlite3.connect(house.store.path)
    assert log.view(other, size).size == size
    other.close()
    view = log.view(house.store.connection, size)
    assert view.root() == log.newest(house.store.connection).root
    assert view.inclusion(0)


def test_vouched_for_is_what_witnesses_cosigned_unless_more_is_asked_for(house):
    log, connection = house.log, house.store.connection
    early = log.newest(connection)
    assert log.vouched(connection) == early
    log.keep_cosigned(early)
    write(house, "p1", 3)
    newest = log.newest(connection)
    assert newest.size > early.size
    assert log.vouched(connection).size == early.size
    assert log.vouched(connection, early.size - 1).size == early.size
    assert log.vouched(connection, early.size).size == newest.size
    log.keep_cosigned(newest)
    assert log.vouched(connection).size == newest.size


def test_a_log_that_is_not_the_one_that_was_cosigned_is_vouched_for_by_nobody(house):
    log, connection = house.log, house.store.connection
    newest = log.newest(connection)
    for other in (replace(newest, root=bytes(32)), replace(newest, size=newest.size + 1)):
        log.keep_cosigned(other)
        with pytest.raises(IntegrityError, match="witnesses cosigned"):
            log.vouched(connection)
    connection.execute("DELETE FROM log_checkpoint")
    with pytest.raises(IntegrityError, match="empty"):
        log.vouched(connection)


def test_under_which_name_a_log_signs_is_told_by_its_mark_or_by_the_signature(house):
    log, connection = house.log, house.store.connection
    own = log.newest(connection)
    assert own.origin != LEGACY_ORIGIN
    house.vault.checkpoint_path.unlink()
    assert log.newest(connection).origin == own.origin
    old = house.vault.house.sign(checkpoint_text(own.size, own.root, LEGACY_ORIGIN))
    connection.execute("UPDATE log_checkpoint SET signature = ? WHERE size = ?", (old, own.size))
    assert log.newest(connection).origin == LEGACY_ORIGIN


def test_settling_an_empty_log_without_a_mark_leaves_none(house):
    log, connection = house.log, house.store.connection
    mark = log.remembered()
    assert log.accept(connection) == mark
    connection.execute("DELETE FROM log_checkpoint")
    assert log.accept(connection) == mark
    assert log.remembered() is None
    assert log.accept(connection) is None


def test_what_was_cosigned_is_kept_as_evidence_when_a_log_is_settled(house):
    log, connection = house.log, house.store.connection
    log.keep_cosigned(log.newest(connection))
    log.accept(connection)
    assert log.cosigned() is None
    assert house.vault.checkpoint_path.with_name("log.cosigned.before").exists()


def test_a_digest_shown_to_staff_is_another_each_time_and_opens_for_its_patient_only(house):
    one, two = house.log.sealed_head("p1", "abc"), house.log.sealed_head("p1", "abc")
    assert one != two
    assert house.log.opened_head("p1", one) == house.log.opened_head("p1", two) == "abc"
    assert house.log.opened_head("p2", one) is None
    assert house.log.opened_head("p1", "no digest") is None
    assert house.log.opened_head("p1", "00" * 40) is None
