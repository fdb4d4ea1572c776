"""The numbers of the emergency journal: what was taken away leaves a gap, and no crash looks like one."""

import os
from contextlib import contextmanager, suppress

import pytest

from salus.app.config import at_folder
from salus.app.house import House
from salus.errors import IntegrityError, StoreError
from salus.fhir import json
from salus.trust import journal, journal_check
from salus.trust.identity import Actor
from salus.trust.journal import SLOT, Journal
from salus.trust.vault import SYSTEM
from tests.trust.attacks.scene import broke, emergency, full, stocked
from tests.trust.test_gate import look


@pytest.fixture
def outage(ward, monkeypatch):
    """A ward with five entries in the journal: a glass was broken and looked through four times, without a log."""
    stocked(ward)
    emergency(ward)
    with monkeypatch.context() as patch:
        patch.setattr("salus.trust.mark.overwrite", full)
        broke(ward)
        for _ in range(4):
            look(ward, purpose="BTG")
    return ward


class Killed(BaseException):
    """The process ends here."""


def files(ward):
    return ward.house.vault.folder / "glass.journal", ward.house.vault.folder / "glass.count"


def blank(ward, *slots):
    path, _ = files(ward)
    data = bytearray(path.read_bytes())
    for slot in slots:
        data[slot * SLOT : (slot + 1) * SLOT] = bytes(SLOT)
    path.write_bytes(data)


def reopened(ward, **more):
    return House(ward.house.configuration, clock=lambda: ward.time, **more)


def noticed(ward, what):
    """What a merge, the next start and verify say of the journal: the same, and nothing is merged."""
    with pytest.raises(IntegrityError) as merged:
        ward.house.gate.merge_journal()
    with pytest.raises(IntegrityError) as opened:
        reopened(ward)
    with reopened(ward, checked=False) as house:
        (problem,) = house.verify().problems
    assert problem.what == merged.value.what == opened.value.what == what
    assert problem.where == merged.value.where
    return problem.where.removeprefix("emergency journal, ")


def kept(ward):
    """The actions in the log that came by the journal."""
    entries = ward.house.log.entries(ward.house.store.connection)
    return [e.content.get("n", e.content["reason"]) for e in entries if "journal" in e.content]


@pytest.mark.parametrize(
    ("slots", "named"),
    [((0,), "entry 1"), ((2,), "entry 3"), ((4,), "entry 5"), ((1, 3, 4), "entries 2, 4-5"), (range(5), "entries 1-5")],
)
def test_whatever_is_blanked_is_named(outage, slots, named):
    blank(outage, *slots)
    assert noticed(outage, journal_check.MISSING) == named
    with pytest.raises(IntegrityError):
        look(outage, purpose="BTG")


@pytest.mark.parametrize("which", [0, 1], ids=["journal", "count"])
def test_an_older_file_put_back_is_noticed(outage, monkeypatch, which):
    path = files(outage)[which]
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("salus.trust.mark.overwrite", full)
        look(outage, purpose="BTG")
        look(outage, purpose="BTG")
    path.write_bytes(before)
    noticed(outage, (journal_check.MISSING, journal_check.BEHIND)[which])


def test_older_files_put_back_together_are_noticed_once_something_was_merged(outage, monkeypatch):
    before = [path.read_bytes() for path in files(outage)]
    with monkeypatch.context() as patch:
        patch.setattr("salus.trust.mark.overwrite", full)
        look(outage, purpose="BTG")
    assert outage.house.gate.merge_journal() == 6
    for path, data in zip(files(outage), before, strict=True):
        path.write_bytes(data)
    noticed(outage, journal_check.BEHIND)
    with monkeypatch.context() as patch:
        patch.setattr("salus.trust.mark.overwrite", full)
        with pytest.raises(IntegrityError):
            broke(outage)


@pytest.mark.parametrize("which", [(0,), (1,), (0, 1)], ids=["journal", "count", "both"])
def test_a_file_taken_away_is_noticed(outage, which):
    for n in which:
        files(outage)[n].unlink()
    noticed(outage, journal_check.UNCOUNTED if 1 in which else journal_check.MISSING)


def test_a_count_that_was_changed_or_is_of_another_house_is_noticed(outage):
    path = files(outage)[1]
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)
    noticed(outage, "the count of the emergency journal was changed")


def test_entries_of_two_histories_do_not_fit_together(outage, monkeypatch):
    """The files of before are put back and written on: then a slot of the first history."""
    old, new = [path.read_bytes() for path in files(outage)], []
    for _ in range(2):
        for path, data in zip(files(outage), old, strict=True):
            path.write_bytes(data)
        with monkeypatch.context() as patch:
            patch.setattr("salus.trust.mark.overwrite", full)
            look(outage, purpose="BTG")
            look(outage, purpose="BTG")
        new.append(files(outage)[0].read_bytes())
    mixed = bytearray(new[1])
    mixed[5 * SLOT : 6 * SLOT] = new[0][5 * SLOT : 6 * SLOT]
    files(outage)[0].write_bytes(mixed)
    assert noticed(outage, journal_check.CHANGED) == "entry 7"


def test_numbers_go_on_after_a_merge(outage, monkeypatch):
    assert outage.house.gate.merge_journal() == 5
    with monkeypatch.context() as patch:
        patch.setattr("salus.trust.mark.overwrite", full)
        look(outage, purpose="BTG")
    assert [noted.number for noted in outage.house.gate._journal.waiting()] == [6]
    blank(outage, 0)
    assert noticed(outage, journal_check.MISSING) == "entry 6"


def test_an_operator_settles_what_is_missing_and_the_log_says_so(outage):
    blank(outage, 2)
    with reopened(outage, checked=False) as house:
        house.settle("operator")
    with reopened(outage) as house:
        assert not house.verify().problems
        told = house.log.last(house.store.connection, journal_check.TOPIC).content
        assert (told["reason"], told["by"], told["number"]) == ("journal-settled", "operator", 5)
        assert told["where"] == "emergency journal, entry 3"
        house.gate._journal.write("p1", "access", {"reason": "access", "actor": "dr-lee", "purpose": "BTG"}, 5)
        assert house.gate.merge_journal() == 1
        assert not house.verify().problems
    assert len(kept(outage)) == 5


@pytest.mark.parametrize("lose", ["count", "slot", "both"])
def test_it_is_settled_whatever_was_lost(outage, lose):
    if lose != "slot":
        files(outage)[1].unlink()
    if lose != "count":
        data = bytearray(files(outage)[0].read_bytes())
        data[SLOT + 100] ^= 1
        files(outage)[0].write_bytes(data)
    with reopened(outage, checked=False) as house:
        house.settle("operator")
    with reopened(outage) as house:
        assert not house.verify().problems
        assert not house.gate._journal.waiting()
    assert len(kept(outage)) == (5 if lose == "count" else 4)


def test_an_older_backup_is_restored_on_a_persons_word_although_the_journal_went_further(outage, tmp_path):
    outage.house.backup(tmp_path / "backup", "operator")
    outage.house.gate.merge_journal()
    outage.house.close()
    outage.house.configuration.store_file.unlink()
    for leftover in outage.house.configuration.store.glob("*-wal"):
        leftover.unlink()
    with pytest.raises(StoreError):
        House.restore(outage.house.configuration, tmp_path / "backup")
    assert not House.restore(outage.house.configuration, tmp_path / "backup", accept_loss=True).problems
    reopened(outage).close()


# ---- crashes


@contextmanager
def killed(monkeypatch, after):
    """Inside, the process dies at its ``after``-th write to a file of the journal."""
    left, pwrite = [after], os.pwrite

    def write(*arguments):
        if not left[0]:
            raise Killed
        left[0] -= 1
        return pwrite(*arguments)

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(journal.os, "pwrite", write)
        yield
        assert left[0] == 0
        return
    assert left[0] == 0


@contextmanager
def killed_before_clearing(monkeypatch):
    """Inside, the process dies when an entry is in the log and still in its slot."""

    def clear(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "clear", clear)
        with pytest.raises(Killed):
            yield


@pytest.mark.parametrize("writes", range(4))
def test_killed_while_it_writes_it_loses_nothing_that_was_answered(outage, monkeypatch, writes):
    with killed(monkeypatch, writes):
        outage.house.gate._journal.write("p1", "access", {"reason": "access", "n": "last"})
    with monkeypatch.context() as patch:  # the outage goes on
        patch.setattr("salus.trust.mark.overwrite", full)
        assert look(outage, purpose="BTG")
    with reopened(outage) as house:
        assert not house.verify().problems
    assert len(kept(outage)) == (6 if writes < 2 else 7)
    assert ("last" in kept(outage)) == (writes >= 2)


@pytest.mark.parametrize("writes", range(10))
@pytest.mark.parametrize("ahead", [False, True], ids=["counted", "ahead"])
def test_killed_while_it_merges_it_takes_each_entry_once(outage, monkeypatch, writes, ahead):
    if ahead:  # one that was written and not counted
        with killed(monkeypatch, 2):
            outage.house.gate._journal.write("p1", "access", {"reason": "access"})
    with killed(monkeypatch, writes):
        outage.house.gate.merge_journal()
    with reopened(outage) as house:
        assert not house.verify().problems
        assert not house.gate._journal.waiting()
        assert house.gate.merge_journal() == 0
    assert len(kept(outage)) == 5 + ahead


def test_killed_between_the_log_and_the_slot_it_takes_each_entry_once(outage, monkeypatch):
    with killed_before_clearing(monkeypatch):
        outage.house.gate.merge_journal()
    with reopened(outage, checked=False) as house:
        assert not house.verify().problems
    reopened(outage).close()
    assert len(kept(outage)) == 5


def test_no_write_needs_more_room(outage):
    def size():
        return [(path.stat().st_size, path.stat().st_blocks) for path in files(outage)]

    before = size()
    outage.house.gate._journal.write("p1", "access", {"reason": "access"})
    outage.house.gate.merge_journal()
    assert size() == before
    assert set(files(outage)) == set(outage.house.vault.folder.glob("glass.*"))


# ---- stores of earlier releases


@pytest.fixture
def earlier(ward, monkeypatch):
    """A ward of an earlier release: the log tells of no count, there is none, and two slots have no numbers."""
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "counted", lambda _: None)
        ward.house.close()
        ward.house = House.create(at_folder(ward.folder / "earlier"), alone=True, clock=lambda: ward.time)
    for who, kind, patient in ((ward.operator, "operator", ""), (ward.patient, "patient", "p1")):
        ward.house.add_actor(Actor(who.id, kind, who.public_key, patient=patient), by="operator")
    stocked(ward)
    path, count = files(ward)
    count.unlink()
    data = bytearray(path.read_bytes())
    for slot in range(2):
        data[slot * SLOT : (slot + 1) * SLOT] = unnumbered(ward.house.vault, slot)
    path.write_bytes(data)
    return ward


def unnumbered(vault, slot):
    noted = {"id": f"{slot:032x}", "patient": "p1", "topic": "access", "entry": {"reason": "access", "n": slot}}
    context = f"journal\0{slot}".encode()
    body = vault.seal(SYSTEM, json.dumps(noted, canonical=True), context)
    signed = body + vault.house.sign(context + body)
    return (len(signed).to_bytes(4, "big") + signed).ljust(SLOT, b"\0")


def test_a_journal_without_numbers_is_merged_and_numbered_from_then_on(earlier):
    with reopened(earlier, checked=False) as house:
        assert not house.verify().problems
    for _ in range(2):
        with reopened(earlier) as house:
            assert not house.gate._journal.waiting()
            assert not house.verify().problems
            own = house.log.entries(house.store.connection, topic="house", patient=SYSTEM)
            assert [e.content["reason"] for e in own].count("journal-numbered") == 1
    assert kept(earlier) == [0, 1]
    for path in files(earlier):
        path.unlink()
    with pytest.raises(IntegrityError, match=journal_check.UNCOUNTED):
        reopened(earlier)


def test_killed_while_it_merges_a_journal_without_numbers(earlier, monkeypatch):
    with killed_before_clearing(monkeypatch):
        earlier.house.gate.merge_journal()
    assert earlier.house.gate.merge_journal() == 2
    assert kept(earlier) == [0, 1]


def test_without_a_count_nothing_is_noted_unnumbered(earlier):
    with pytest.raises(StoreError):
        earlier.house.gate._journal.write("p1", "access", {"reason": "access"})


@pytest.mark.parametrize(
    ("numbers", "words"),
    [([1], "entry 1"), ([1, 2], "entries 1-2"), ([1, 3], "entries 1, 3"), ([2, 5, 6, 7, 9], "entries 2, 5-7, 9")],
)
def test_numbers_in_words(numbers, words):
    assert journal_check.worded(numbers) == words
