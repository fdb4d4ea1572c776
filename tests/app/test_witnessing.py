"""The log held to what others saw of it: witnesses, published tiles, a receipt in the patient's hands."""

import threading
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from salus.app import witnessing
from salus.app.house import House
from salus.app.session import Session
from salus.errors import InputError, IntegrityError
from salus.trust import proof
from salus.trust.checkpoint import Checkpoint, checkpoint_text, verifier
from salus.trust.merkle import Frontier, leaf_hash
from salus.trust.note import Signer
from salus.trust.tiles import Reader
from salus.trust.witness import Server, Witness
from tests.conftest import AT
from tests.trust.test_gate import fill


@pytest.fixture
def witness(ward, tmp_path):
    """A witness of the ward's log: its address and key."""
    key = verifier(ward.house.log.origin, ward.house.vault.house.public_key())
    signer = Signer.cosigner("witness.example/one", Ed25519PrivateKey.generate())
    served = Witness(tmp_path / "witness", [signer], {key.name: [key]})
    server = Server(("127.0.0.1", 0), served)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", signer.verifier
    server.shutdown()
    server.server_close()
    served.close()


def rewrite(house):
    """What somebody with every key does who wants one entry away: the last is dropped, all is signed anew."""
    connection = house.store.connection
    connection.execute("DELETE FROM log_audit")
    connection.execute("DELETE FROM log_leaf WHERE n = (SELECT max(n) FROM log_leaf)")
    connection.execute("UPDATE log_leaf SET commitment = zeroblob(32) WHERE n = (SELECT max(n) FROM log_leaf)")
    connection.execute("DELETE FROM log_checkpoint")
    frontier = Frontier()
    for (commitment,) in connection.execute("SELECT commitment FROM log_leaf ORDER BY n").fetchall():
        frontier = frontier.append(leaf_hash(commitment))
    origin = house.log.origin
    signature = house.vault.house.sign(checkpoint_text(frontier.size, frontier.root(), origin))
    row = (frontier.size, frontier.root(), frontier.to_bytes(), signature)
    connection.execute("INSERT INTO log_checkpoint VALUES (?, ?, ?, ?)", row)
    house.log.set_mark(Checkpoint(frontier.size, frontier.root(), signature, origin))


def test_a_proof_names_the_witness_who_cosigned(ward, witness):
    url, vkey = witness
    fill(ward)
    mine = Session(ward.house, ward.patient)
    n = mine.accesses("p1")[-1]["n"]
    key = ward.house.vault.house.public_key()
    assert proof.check(mine.proof("p1", n), key, [vkey]).witnesses == ()
    kept = witnessing.cosign(ward.house, url, vkey.vkey)
    held = mine.proof("p1", n)
    assert Checkpoint.from_bytes(held.partition(b"\n\n")[2]) == kept
    assert proof.check(held, key, [vkey]).lines()[1] == "cosigned by witness.example/one"
    assert proof.check(held, key).lines()[1] == proof.SELF_ATTESTED
    witnessing.cosign(ward.house, url, vkey.vkey)
    assert witnessing.cosign(ward.house, url, vkey.vkey).size > kept.size - 1
    stranger = Signer.cosigner(vkey.name, Ed25519PrivateKey.generate()).verifier
    assert proof.check(held, key, [stranger]).witnesses == ()


def test_a_log_that_was_rewritten_and_signed_anew_is_refused_by_its_witness(ward, witness):
    url, vkey = witness
    fill(ward)
    Session(ward.house, ward.patient).open("p1", AT)
    witnessing.cosign(ward.house, url, vkey.vkey)
    rewrite(ward.house)
    with pytest.raises((InputError, IntegrityError)):
        witnessing.cosign(ward.house, url, vkey.vkey)
    assert any("cosigned" in p.what for p in ward.house.verify().problems)


def test_a_log_that_was_rewritten_is_betrayed_by_a_receipt(ward):
    fill(ward)
    mine = Session(ward.house, ward.patient)
    mine.open("p1", AT)
    receipt = Checkpoint.from_bytes(mine.proof("p1", mine.accesses("p1")[-1]["n"]).partition(b"\n\n")[2])
    rewrite(ward.house)
    assert any("not the one" in p.what or "rolled back" in p.what for p in ward.house.verify(receipt).problems)


def test_the_published_tiles_are_the_log_and_another_history_is_refused(ward, tmp_path):
    fill(ward)
    folder = tmp_path / "tiles"
    size = witnessing.publish(ward.house, folder)
    key = verifier(ward.house.log.origin, ward.house.vault.house.public_key())
    reader = Reader(folder, ward.house.log.origin, [key])
    rows = ward.house.store.connection.execute("SELECT commitment FROM log_leaf ORDER BY n")
    assert list(reader.entries()) == [row[0] for row in rows]
    Session(ward.house, ward.patient).open("p1", AT)
    assert witnessing.publish(ward.house, folder) > size
    rewrite(ward.house)
    with pytest.raises((IntegrityError, InputError)):
        witnessing.publish(ward.house, folder)


def test_the_tree_kept_in_tiles_proves_what_the_leaves_prove(ward):
    from salus.trust import log_tiles, merkle

    fill(ward)
    scope = ward.house.gate.custody("operator", "p1")
    for _ in range(3):
        with ward.house.store.transaction(scope) as connection:
            for n in range(300):
                ward.house.log.append(connection, "p1", "access", {"n": n})
    rows = ward.house.store.connection.execute("SELECT commitment FROM log_leaf ORDER BY n").fetchall()
    leaves = [leaf_hash(row[0]) for row in rows]
    view = log_tiles.view(ward.house.store.connection, len(leaves))
    newest = ward.house.log.newest(ward.house.store.connection)
    assert view.root() == newest.root
    for n in (0, 255, 256, 700, len(leaves) - 1):
        assert view.inclusion(n) == merkle.inclusion_proof(leaves, n)
    assert view.consistency(513) == merkle.consistency_proof(leaves, 513)
    assert not ward.house.verify().problems
    ward.house.store.connection.execute("UPDATE log_tile SET hashes = CAST(zeroblob(32) AS BLOB)")
    assert any("tiles" in p.what for p in ward.house.verify().problems)


def test_a_store_of_before_gets_its_tiles_with_its_next_entry(ward):
    fill(ward)
    scope = ward.house.gate.custody("operator", "p1")
    with ward.house.store.transaction(scope) as connection:
        for n in range(600):
            ward.house.log.append(connection, "p1", "access", {"n": n})
    ward.house.store.connection.execute("DELETE FROM log_tile")
    assert not ward.house.verify().problems
    with House(ward.house.configuration, clock=lambda: AT) as house:  # as the release after opens it
        Session(house, ward.patient).open("p1", AT)
    (tiles,) = ward.house.store.connection.execute("SELECT length(hashes) / 32 FROM log_tile").fetchone()
    assert tiles == 2
    assert not ward.house.verify().problems


def test_a_log_of_an_earlier_release_goes_on_under_its_old_name(ward):
    """It was begun as salus.log/v1, and its mark had another form."""
    house = ward.house
    connection = house.store.connection
    rows = connection.execute("SELECT size, root FROM log_checkpoint").fetchall()
    for size, root in rows:
        signature = house.vault.house.sign(checkpoint_text(size, root))
        connection.execute("UPDATE log_checkpoint SET signature = ? WHERE size = ?", (signature, size))
    legacy = replace(house.log.newest(connection), origin="salus.log/v1", signature=signature)
    import base64

    text = legacy.text() + b"\n" + base64.b64encode(signature) + b"\n"
    house.vault.checkpoint_path.write_bytes(text)
    assert house.log.origin == "salus.log/v1"
    fill(ward)
    assert house.log.remembered().origin == "salus.log/v1"
    assert not house.verify().problems
    house.vault.checkpoint_path.unlink()
    house.settle("operator")
    assert house.log.origin == "salus.log/v1"
    assert not house.verify().problems
