"""The log's mark outside the store: what is answered is what is stored, and a mark that is gone is an alarm."""

import errno
import os
from dataclasses import replace

import pytest

from salus.app.house import House
from salus.app.session import Session
from salus.errors import IntegrityError, StoreError
from salus.record.store import Change, Store
from salus.trust import consent_signatures, log_tiles, vault
from salus.trust import log as module
from salus.trust.grants import Grant
from salus.trust.mark import Mark
from tests.conftest import AT, person

WHEN = "2026-06-01T12:00:00Z"
SCOPE = Grant("operator", "p1", "custodian", frozenset(), may_write=True, purpose="filing")


def write(house, n):
    return house.store.commit(SCOPE, [Change("Patient", "p1", person(language=f"x-{n}"))], at=WHEN)


def size(house):
    return house.log.newest(house.store.connection).size


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def announced(house):
    return Mark(house.vault.checkpoint_path).look().announced


def test_a_full_disk_of_the_keys_keeps_nothing_and_a_retry_stores_once(ward, monkeypatch):
    write(ward.house, 1)
    before = size(ward.house)
    with monkeypatch.context() as patch:
        patch.setattr("salus.trust.mark.overwrite", full)
        with pytest.raises(StoreError, match="cannot be written"):
            write(ward.house, 2)
    assert size(ward.house) == before
    assert write(ward.house, 2).updated == 1
    assert size(ward.house) == before + 1
    assert not ward.house.verify().problems


def test_what_was_committed_is_answered_although_the_mark_cannot_take_its_place(ward, monkeypatch):
    write(ward.house, 1)
    mark = ward.house.log.remembered()
    with monkeypatch.context() as patch:
        patch.setattr(Mark, "move", full)
        assert write(ward.house, 2).updated == 1
    assert ward.house.log.remembered() == mark
    with House(ward.house.configuration) as again:
        assert again.log.remembered().size == size(again) == mark.size + 1


def test_a_mark_whose_transaction_was_never_committed_counts_for_nothing(ward):
    write(ward.house, 1)
    house = ward.house
    before = house.log.remembered()
    house.store.connection.execute("BEGIN IMMEDIATE")
    house.log.append(house.store.connection, "p1", "access", {"reason": "access"})
    house.log.seal(house.store.connection)
    house.store.connection.execute("ROLLBACK")  # as when the process is killed here
    assert announced(house).size == size(house) + 1
    with House(house.configuration) as again:
        assert again.log.remembered() == before
        assert again.log.remembered().size == size(again)
        assert write(again, 2).updated == 1
        assert announced(again) is None
        assert again.log.remembered().size == size(again) == before.size + 1
        assert not again.verify().problems


def test_an_announcement_of_another_tree_than_the_stores_is_not_the_mark(ward):
    """As when its transaction was rolled back, and another one of that size committed by a process that died."""
    write(ward.house, 1)
    write(ward.house, 2)
    log, connection = ward.house.log, ward.house.store.connection
    newest = log.newest(connection)
    (size, root), *_ = connection.execute(
        "SELECT size, root FROM log_checkpoint WHERE size < ? ORDER BY size DESC", (newest.size,)
    ).fetchall()
    log.set_mark(replace(newest, size=size, root=root))
    Mark(ward.house.vault.checkpoint_path).announce(replace(newest, root=bytes(32)))
    log.finish(connection)
    assert log.remembered().size == size
    Mark(ward.house.vault.checkpoint_path).announce(newest)
    log.finish(connection)
    assert log.remembered() == newest


def test_a_failed_commit_takes_its_announcement_back(ward, monkeypatch):
    write(ward.house, 1)

    def failing():
        with ward.house.store.transaction(SCOPE) as connection:
            ward.house.log.append(connection, "p1", "access", {"reason": "access"})
            ward.house.log.seal(connection)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert announced(ward.house) is None


def test_an_interruption_right_after_the_commit_takes_nothing_back(ward, monkeypatch):
    """A key was pressed while the process waited for the disk: what is stored stays the mark."""
    write(ward.house, 1)
    before, promote = size(ward.house), type(ward.house.log)._promote

    def interrupted(log, _):
        monkeypatch.setattr(type(log), "_promote", promote)
        raise KeyboardInterrupt

    class Interrupting:
        """The connection, but for what happens between its commit and the next step."""

        def __init__(self, connection):
            self._real = connection

        def __getattr__(self, name):
            return getattr(self._real, name)

        def execute(self, *statement):
            found = self._real.execute(*statement)
            if statement == ("COMMIT",):
                raise KeyboardInterrupt
            return found

    store = ward.house.store
    real = store._connection
    monkeypatch.setattr(store, "_connection", Interrupting(real))
    with pytest.raises(KeyboardInterrupt):
        write(ward.house, 2)
    monkeypatch.setattr(store, "_connection", real)
    assert size(ward.house) == before + 1 == ward.house.log.remembered().size
    monkeypatch.setattr(type(ward.house.log), "_promote", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(ward.house, 3)
    assert write(ward.house, 4).updated == 1
    assert size(ward.house) == before + 3 == ward.house.log.remembered().size
    assert not ward.house.verify().problems


def test_a_mark_that_cannot_be_read_after_the_commit_makes_nothing_undone(ward, monkeypatch):
    write(ward.house, 1)
    before = size(ward.house)
    with monkeypatch.context() as patch:
        patch.setattr(Mark, "move", lambda *_: (_ for _ in ()).throw(IntegrityError("damaged")))
        assert write(ward.house, 2).updated == 1
    assert write(ward.house, 3).updated == 1
    assert size(ward.house) == before + 2 == ward.house.log.remembered().size


def test_what_is_taken_back_is_taken_back_while_nobody_else_writes(ward, monkeypatch):
    write(ward.house, 1)
    told = []
    monkeypatch.setattr(Mark, "withdraw", lambda _: told.append(ward.house.store.connection.in_transaction))

    def failing():
        with ward.house.store.transaction(SCOPE) as connection:
            ward.house.log.append(connection, "p1", "access", {"reason": "access"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert told == [True]
    assert not ward.house.store.connection.in_transaction


def test_only_what_was_announced_is_confirmed_as_the_newest_consent(ward):
    write(ward.house, 1)
    vault = ward.house.vault
    vault.announce_consent("p1", 5)
    vault.confirm_consent("p1", 4)
    assert (vault.newest_consent("p1"), vault.announced_consent("p1")) == (None, 5)
    vault.confirm_consent("p1", 5)
    vault.confirm_consent("p1", 5)
    assert (vault.newest_consent("p1"), vault.announced_consent("p1")) == (5, None)


def test_a_writer_who_died_after_filing_a_consent_is_not_forgotten_by_the_next(ward, monkeypatch):
    write(ward.house, 1)
    mine = Session(ward.house, ward.patient)
    with monkeypatch.context() as patch:
        patch.setattr(type(ward.house.log), "acknowledge", lambda log: setattr(log, "_batch", None))
        mine.give_consent("p1", AT, actors=["dr-lee"], categories=["record"])
    first = ward.house.vault.announced_consent("p1")
    confirmed = []
    confirm = type(ward.house.vault).confirm_consent
    monkeypatch.setattr(
        type(ward.house.vault), "confirm_consent", lambda v, p, n: (confirmed.append(n), confirm(v, p, n))[1]
    )
    body = mine.drafted("p1", AT, actors=["dr-lee"], categories=["note"])
    confirmed.clear()
    monkeypatch.setattr(type(ward.house.vault), "announced_consent", lambda *_: first)
    mine.file_consent("p1", body, consent_signatures.sign(body, ward.patient, AT))
    assert confirmed[0] == first
    assert ward.house.vault.newest_consent("p1") == confirmed[-1] > first


def test_a_missing_mark_stops_every_write_until_a_person_settles_it(ward, monkeypatch):
    write(ward.house, 1)
    ward.house.vault.checkpoint_path.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        write(ward.house, 2)
    assert not ward.house.vault.checkpoint_path.exists()
    assert any(p.what == module.UNMARKED for p in ward.house.verify().problems)
    closed, close = [], Store.close
    with monkeypatch.context() as patch:
        patch.setattr(Store, "close", lambda store: (closed.append(store), close(store)))
        with pytest.raises(IntegrityError, match="missing"):
            House(ward.house.configuration)
    assert len(closed) == 1
    with House(ward.house.configuration, checked=False) as house:
        house.settle("operator")
        assert write(house, 2).updated == 1
        settled = [e.content for e in house.log.entries(house.store.connection, topic="house") if "mark" in e.content]
        assert [(c["reason"], c["by"]) for c in settled] == [("mark-settled", "operator")]


@pytest.mark.parametrize("damage", [b"", b"x" * 100, "flip"])
def test_a_damaged_mark_stops_every_write_until_a_person_settles_it(ward, damage):
    write(ward.house, 1)
    place = ward.house.vault.checkpoint_path
    good = place.read_bytes()
    place.write_bytes(good.replace(b"salus", b"sAlus") if damage == "flip" else damage)
    with pytest.raises(IntegrityError):
        write(ward.house, 2)
    assert ward.house.verify().problems
    with House(ward.house.configuration, checked=False) as house:
        house.settle("operator")
        assert write(house, 2).updated == 1
        assert not house.verify().problems


def test_an_ordinary_command_does_not_hide_a_cut_log(ward):
    write(ward.house, 1)
    connection = ward.house.store.connection
    for table, column in (("log_leaf", "n"), ("log_checkpoint", "size")):
        connection.execute(f"DELETE FROM {table} WHERE {column} = (SELECT max({column}) FROM {table})")
    mark = ward.house.log.remembered()
    for _ in range(2):
        with pytest.raises(IntegrityError, match="rolled back"):
            write(ward.house, 2)
        assert ward.house.log.remembered() == mark


def test_one_transaction_is_signed_once_and_each_of_its_entries_is_in_the_tree(ward):
    write(ward.house, 1)
    before = size(ward.house)
    rows = "SELECT count(*) FROM log_checkpoint"
    (signed,) = ward.house.store.connection.execute(rows).fetchone()
    with ward.house.store.transaction(SCOPE) as connection:
        numbers = [ward.house.log.append(connection, "p1", "access", {"n": n}) for n in range(5)]
    assert numbers == [before + n for n in range(5)]
    assert size(ward.house) == before + 5
    assert ward.house.store.connection.execute(rows).fetchone() == (signed + 1,)
    assert not ward.house.verify().problems


def test_a_small_secret_file_is_whole_or_not_there(tmp_path, monkeypatch):
    place = tmp_path / "keys" / "a.key"
    vault.write_durably(place, b"old")
    assert place.stat().st_mode & 0o777 == 0o600
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            vault.write_durably(place, b"new")
    assert place.read_bytes() == b"old"
    assert [p.name for p in place.parent.iterdir()] == ["a.key"]


def test_who_wrote_between_two_entries_is_told_from_who_looked(ward):
    house = ward.house
    first, second, third = (write(house, n).leaf for n in range(3))
    connection = house.store.connection
    told = [(a, b, house.log.wrote_between(connection, "p1", a, b)) for a, b in ((first, third), (first, second))]
    assert told == [(first, third, True), (first, second, False)]
    assert not house.log.wrote_between(connection, "p2", first, third)


def filled(house):
    """A log of more entries than a tile holds, as an earlier release left it: without the tiles above."""
    with house.store.transaction(SCOPE) as connection:
        house.log.append_all(connection, [("p1", "access", {"reason": "access"})] * 300)
        connection.execute("DELETE FROM log_tile")


def tiles(house):
    return house.store.connection.execute("SELECT count(*) FROM log_tile").fetchone()[0]


def test_tiles_are_looked_at_with_the_first_entry_of_a_process_and_when_one_is_full(ward, monkeypatch):
    write(ward.house, 1)
    filled(ward.house)
    looked, plain = [], log_tiles.complete
    monkeypatch.setattr(log_tiles, "complete", lambda *given: looked.append(given[1]) or plain(*given))
    with House(ward.house.configuration) as house:
        house.store.connection.execute("DELETE FROM log_tile")
        for n in range(2, 5):
            write(house, n)
        assert len(looked) == 1
        assert tiles(house) == 1
        with house.store.transaction(SCOPE) as connection:
            house.log.append_all(connection, [("p1", "access", {"reason": "access"})] * 256)
        assert len(looked) == 2
        assert not house.verify().problems


def test_tiles_that_were_rolled_back_are_made_by_the_next_writer(ward, monkeypatch):
    write(ward.house, 1)
    filled(ward.house)
    with House(ward.house.configuration) as house:
        house.store.connection.execute("DELETE FROM log_tile")
        with monkeypatch.context() as patch:
            patch.setattr("salus.trust.mark.overwrite", full)
            with pytest.raises(StoreError):
                write(house, 2)
        assert tiles(house) == 0
        write(house, 2)
        assert tiles(house) == 1
        assert not house.verify().problems


def test_where_the_log_ends_tells_what_the_next_entries_follow_by_patient(ward):
    write(ward.house, 1)
    house, connection = ward.house, ward.house.store.connection
    pid, newest = connection.execute("SELECT pid, max(n) FROM log_leaf WHERE pid IS NOT NULL").fetchone()
    assert house.log._look(connection, ["p1", "nobody"]).links == {"p1": (pid, newest)}
    assert house.log._look(connection).links == {}
