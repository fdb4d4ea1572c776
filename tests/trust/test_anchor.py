"""Checkpoints on a real local chain: written once, checked by receipt, and a forged or rolled-back log is found."""

import hashlib
import sqlite3

import pytest

from salus.errors import ConfigurationError, InputError, IntegrityError, StoreError
from salus.trust import anchor
from salus.trust.checkpoint import Checkpoint, checkpoint_text
from tests.conftest import AT

web3 = pytest.importorskip("web3", reason="the extra chain is not installed")
pytest.importorskip("eth_tester", reason="eth-tester is not installed")


@pytest.fixture(scope="module")
def chain():
    return web3.Web3(web3.EthereumTesterProvider())


@pytest.fixture
def place(chain, ward):
    return anchor.Anchor(chain, anchor.deploy(chain), ward.house.vault.house.public_key())


def newest(ward):
    return ward.house.log.newest(ward.house.store.connection)


def grow(ward):
    with pytest.raises(Exception, match="released"):
        ward.house.gate.open_chart(ward.house.registry.actors["dr-lee"], "p1", "TREAT", AT)


def test_anchored_checkpoints_are_those_of_the_log(place, ward):
    first = newest(ward)
    receipt = place.write(first)
    assert receipt.block > 0
    assert receipt.gas < 120_000
    grow(ward)
    place.write(newest(ward))
    points = place.check(ward.house.store.connection)
    assert [(p.size, p.root) for p in points] == [(c.size, c.root) for c in (first, newest(ward))]
    grow(ward)
    assert len(place.check(ward.house.store.connection)) == 2


def test_a_forged_root_is_detected(place, ward, tmp_path):
    place.write(newest(ward))
    connection = sqlite3.connect(":memory:")
    ward.house.store.connection.backup(connection)
    connection.execute("UPDATE log_checkpoint SET root = ? WHERE size = ?", (b"x" * 32, newest(ward).size))
    with pytest.raises(IntegrityError, match="not the one"):
        place.check(connection)
    connection.execute("DELETE FROM log_checkpoint WHERE size = ?", (newest(ward).size,))
    with pytest.raises(IntegrityError, match="rolled back"):
        place.check(connection)


def test_a_smaller_or_equal_size_is_refused(place, ward):
    old = newest(ward)
    grow(ward)
    place.write(newest(ward))
    for again in (old, newest(ward)):
        with pytest.raises(InputError, match="anchored already"):
            place.write(again)


def test_a_reverted_transaction_is_seen_in_its_receipt(place, ward):
    """The contract itself refuses to go back, and a chain says so in the receipt alone."""
    place.write(newest(ward))
    call = place._contract.functions.anchor(place._name, newest(ward).size, b"y" * 32)
    with pytest.raises(StoreError, match="reverted"):
        anchor._send(place._chain, call, anchor.GAS["anchor"], None, None)
    assert len(list(place.points())) == 1


def test_only_the_first_account_writes_a_log(place, chain, ward):
    place.write(newest(ward), account=chain.eth.accounts[0])
    grow(ward)
    with pytest.raises(StoreError, match="reverted"):
        place.write(newest(ward), account=chain.eth.accounts[1])


def test_a_key_of_ones_own_signs(place, chain, ward):
    secret = hashlib.sha256(b"a test key").digest()
    address = chain.eth.account.from_key(secret).address
    chain.eth.send_transaction({"from": chain.eth.accounts[0], "to": address, "value": 10**18})
    place.write(newest(ward), secret=secret)
    assert len(list(place.points())) == 1


def test_what_the_house_did_not_sign_is_not_anchored(place, ward):
    good = newest(ward)
    forged = Checkpoint(good.size, b"z" * 32, good.signature)
    assert checkpoint_text(forged.size, forged.root) != good.text()
    with pytest.raises(InputError, match="not signed"):
        place.write(forged)


@pytest.mark.parametrize("address", ["nonsense", "0x" + "11" * 20])
def test_a_wrong_address_is_one_clear_error(chain, ward, address):
    with pytest.raises(InputError):
        anchor.Anchor(chain, address, ward.house.vault.house.public_key())


@pytest.mark.parametrize("url", ["ftp://x", "http://127.0.0.1:9"])
def test_no_node_is_one_clear_error(url):
    with pytest.raises(ConfigurationError):
        anchor.connect(url)


class Nonsense:
    """A contract whose node answers as told."""

    def __init__(self, count, point):
        self.functions, self.answers = self, {"count": count, "point": point}

    def __getattr__(self, name):
        return lambda *_: type("Call", (), {"call": lambda _: self.answers[name]()})()


@pytest.mark.parametrize(
    ("count", "point"),
    [
        (lambda: 2**200, lambda: (b"x" * 32, 1, 1)),
        (lambda: 2, lambda: (b"x", 1, 1)),
        (lambda: "many", lambda: None),
        (lambda: 1, lambda: (_ for _ in ()).throw(ConnectionError("down"))),
    ],
)
def test_a_node_that_talks_nonsense_is_one_clear_error(place, ward, monkeypatch, count, point):
    monkeypatch.setattr(place, "_contract", Nonsense(count, point))
    with pytest.raises(StoreError):
        place.write(newest(ward))


def test_a_nodes_address_is_told_without_its_secrets():
    assert anchor._host("https://user:word@node.example:8545/v3/key?x=1") == "node.example:8545"
