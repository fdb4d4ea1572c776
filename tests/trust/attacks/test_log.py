"""Row 8: what was answered and what is kept. The log cut, rolled back, forked, without its mark, on a full disk."""

import shutil
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from salus.app.house import House
from salus.app.session import Session
from salus.errors import IntegrityError, SalusError, StoreError
from salus.fhir import json
from salus.trust import log_tiles, proof
from salus.trust.checkpoint import Checkpoint, verifier
from salus.trust.merkle import Tree, leaf_hash
from salus.trust.note import Signer
from salus.trust.vault import Vault
from salus.trust.witness import Request, Witness
from tests.conftest import AT
from tests.trust.attacks.scene import file, full, leaves, stocked
from tests.trust.test_gate import look


def signed_by(key, checkpoint):
    """A checkpoint as the holder of another key would sign it."""
    key_id = verifier(checkpoint.origin, key.public_key()).key_id
    return replace(checkpoint, signature=key.sign(checkpoint.text()), key_id=key_id)


def mark(ward):
    return ward.house.vault.checkpoint_path


def reopened(ward, **more):
    return House(ward.house.configuration, clock=lambda: AT, **more)


def copied(ward, tmp_path, name):
    """The store as it is, whole."""
    ward.house.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return shutil.copytree(ward.house.configuration.store, tmp_path / name)


def put_back(ward, copy):
    ward.house.close()
    shutil.rmtree(ward.house.configuration.store)
    shutil.copytree(copy, ward.house.configuration.store)


CUTS = {
    "the last leaf": "DELETE FROM log_leaf WHERE n = (SELECT max(n) FROM log_leaf)",
    "the last checkpoint": "DELETE FROM log_checkpoint WHERE size = (SELECT max(size) FROM log_checkpoint)",
    "both": "DELETE FROM log_leaf WHERE n = (SELECT max(n) FROM log_leaf);"
    "DELETE FROM log_checkpoint WHERE size = (SELECT max(size) FROM log_checkpoint)",
    "all checkpoints": "DELETE FROM log_checkpoint",
    "all": "DELETE FROM log_leaf; DELETE FROM log_checkpoint; DELETE FROM log_tile",
}


@pytest.mark.parametrize("statements", CUTS.values(), ids=CUTS)
def test_a_cut_log_opens_nothing_and_is_not_continued(ward, statements):
    file(stocked(ward))
    look(ward)
    size = leaves(ward.house)
    ward.house.store.connection.execute("PRAGMA foreign_keys=OFF")
    for statement in statements.split(";"):
        ward.house.store.connection.execute(statement)
    with pytest.raises(IntegrityError):
        look(ward)
    with pytest.raises(IntegrityError), reopened(ward) as house:
        house.gate.grant(house.authenticate(ward.clinician), "p1", "TREAT")
    with reopened(ward, checked=False) as house:
        assert house.verify().problems
    assert leaves(ward.house) <= size


@pytest.mark.parametrize("disk", ["keys", "store"])
def test_a_full_disk_answers_nothing_and_keeps_nothing(ward, monkeypatch, disk):
    file(stocked(ward))
    size, kept = leaves(ward.house), mark(ward).read_bytes()
    with monkeypatch.context() as patch:
        if disk == "keys":
            patch.setattr("salus.trust.mark.overwrite", full)
        else:
            pages = ward.house.store.connection.execute("PRAGMA page_count").fetchone()[0]
            ward.house.store.connection.execute(f"PRAGMA max_page_count={pages}")
        opened = 0
        for _ in range(64):
            try:
                look(ward)
                opened += 1
            except StoreError:
                break
        else:
            pytest.fail("the disk was not full")
        assert leaves(ward.house) == size + opened
    ward.house.store.connection.execute("PRAGMA max_page_count=1000000")
    assert opened or mark(ward).read_bytes() == kept
    assert look(ward)
    with reopened(ward) as house:
        assert not house.verify().problems


def test_without_its_mark_nothing_is_written_or_opened(ward):
    file(stocked(ward))
    mark(ward).unlink()
    for attempt in (lambda: look(ward), lambda: file(Session(ward.house, ward.patient)), lambda: reopened(ward)):
        with pytest.raises(IntegrityError, match="missing"):
            attempt()


def test_a_mark_of_another_house_or_a_changed_one_stops_everything(ward, tmp_path):
    file(stocked(ward))
    good, held = mark(ward).read_bytes(), ward.house.log.remembered()
    for forged in (
        good.replace(f"\n{held.size}\n".encode(), f"\n{held.size + 1}\n".encode()),
        good.replace(f"\n{held.size}\n".encode(), b"\n999\n"),
        b"",
        good[:-20],
    ):
        mark(ward).write_bytes(forged)
        with pytest.raises(SalusError):
            reopened(ward)
    mark(ward).write_bytes(good)
    assert look(ward)


def test_a_store_rolled_back_with_its_old_mark_is_found_by_who_holds_a_receipt(ward, tmp_path):
    """Whoever has both folders can turn back time for the house, not for the patient."""
    mine = stocked(ward)
    file(mine)
    old, old_mark = copied(ward, tmp_path, "old"), mark(ward).read_bytes()
    mine.revoke("p1", next(b["id"] for b, state in mine.consents("p1") if state == "in force"))
    receipt = ward.house.log.newest(ward.house.store.connection)
    put_back(ward, old)
    with pytest.raises(IntegrityError):
        reopened(ward)
    mark(ward).write_bytes(old_mark)
    with reopened(ward) as house:
        assert house.verify(receipt).problems
        with pytest.raises(IntegrityError):
            proof.of_growth(house.store.connection, house.log, receipt)
        with pytest.raises(IntegrityError, match="newer decision"):  # nor does the consent come back
            house.gate.grant(house.authenticate(ward.clinician), "p1", "TREAT")


@pytest.fixture
def witness(ward, tmp_path):
    """A witness in other hands who knows this log."""
    log, key = ward.house.log, Ed25519PrivateKey.generate()
    known = {log.origin: [verifier(log.origin, ward.house.vault.house.public_key())]}
    found = Witness(tmp_path / "witness", [Signer.cosigner("witness.example", key)], known, clock=lambda: 1_780_000_000)
    yield found
    found.close()


def ask(witness, house, since=0, checkpoint=None):
    """The status with which a witness answers the house's newest checkpoint, with the house's own proof."""
    newest = checkpoint or house.log.newest(house.store.connection)
    view = log_tiles.view(house.store.connection, newest.size)
    path = view.consistency(since) if 0 < since < newest.size else []
    return witness.add_checkpoint(Request(since, tuple(path), newest.to_note()).to_bytes()).status


def test_two_futures_of_one_past_are_found_by_the_witness_and_by_receipts(ward, witness, tmp_path):
    file(stocked(ward))
    past = ward.house.log.newest(ward.house.store.connection)
    old, old_mark = copied(ward, tmp_path, "old"), mark(ward).read_bytes()
    assert ask(witness, ward.house) == 200
    look(ward)
    first = ward.house.log.newest(ward.house.store.connection)
    assert ask(witness, ward.house, past.size) == 200
    put_back(ward, old)
    mark(ward).write_bytes(old_mark)
    with reopened(ward) as house:
        house.gate.grant(house.authenticate(ward.clinician), "p1", "TREAT")
        second = house.log.newest(house.store.connection)
        assert (first.size, first.root == second.root) == (second.size, False)
        assert ask(witness, house, past.size) == 409  # from the past on: the witness knows more
        assert ask(witness, house, first.size) == 422  # and from there on it is another log
        house.gate.grant(house.authenticate(ward.clinician), "p1", "TREAT")
        assert ask(witness, house, first.size) == 422
        assert house.verify(first).problems
        told = json.dumps(
            {**proof.of_growth(house.store.connection, house.log, past), "checkpoint": first.to_bytes().decode()}
        )
        with pytest.raises(SalusError):
            proof.check(told, house.vault.house.public_key())


def test_a_log_written_anew_from_its_first_entry_is_found_by_the_witness(ward, witness):
    """Root has the house's key and signs another history, checkpoint by checkpoint."""
    file(stocked(ward))
    assert ask(witness, ward.house) == 200
    receipt = ward.house.log.newest(ward.house.store.connection)
    connection, key = ward.house.store.connection, ward.house.vault.house
    commitments = [c for (c,) in connection.execute("SELECT commitment FROM log_leaf ORDER BY n")]
    commitments[1] = bytes(32)
    tree = Tree([leaf_hash(c) for c in commitments])
    forged = Checkpoint(tree.size, tree.root(), b"", ward.house.log.origin)
    forged = signed_by(key, forged)
    assert forged.verify(key.public_key())
    assert ask(witness, ward.house, receipt.size, forged) == 422
    grown = Tree([*(leaf_hash(c) for c in commitments), leaf_hash(bytes(32))])
    longer = Checkpoint(grown.size, grown.root(), b"", ward.house.log.origin)
    longer = signed_by(key, longer)
    request = Request(receipt.size, tuple(grown.consistency(receipt.size)), longer.to_note())
    assert witness.add_checkpoint(request.to_bytes()).status == 422
    shorter = ward.house.log.newest(connection)
    assert ask(witness, ward.house, 0, shorter) == 409


def test_a_revocation_that_was_answered_is_there_after_any_death(ward, monkeypatch):
    """The process dies between the commit and the mark's taking its place."""
    mine = stocked(ward)
    name = file(mine)
    with monkeypatch.context() as patch:
        patch.setattr(type(ward.house.log), "_promote", full)
        patch.setattr(Vault, "confirm_consent", full)
        mine.revoke("p1", name)
    with reopened(ward) as house:
        with pytest.raises(SalusError):
            house.gate.grant(house.authenticate(ward.clinician), "p1", "TREAT")
        assert not house.verify().problems


def test_a_revocation_that_was_not_answered_left_nothing(ward, monkeypatch):
    mine = stocked(ward)
    name = file(mine)
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "announce_consent", full)
        with pytest.raises(StoreError):
            mine.revoke("p1", name)
    assert look(ward)
    with reopened(ward) as house:
        assert house.gate.grant(house.authenticate(ward.clinician), "p1", "TREAT")
        assert not house.verify().problems


@pytest.mark.parametrize("column", ["root", "frontier", "signature"])
def test_a_checkpoint_of_ones_own_making_is_noticed(ward, column):
    file(stocked(ward))
    ward.house.store.connection.execute(
        f"UPDATE log_checkpoint SET {column} = zeroblob(length({column})) WHERE size = (SELECT max(size) - 1 FROM "
        "log_checkpoint)"
    )
    assert ward.house.verify().problems
