"""On a real local chain: checkpoints, of which a forgery or a rollback is found, and salted hashes of consents.

The chain is anvil where ``SALUS_ANVIL`` or the path names it, else py-evm; without either these tests are skipped.
"""

import hashlib
import json
import sqlite3
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files

import pytest

from salus.app import anchoring
from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.errors import ConfigurationError, InputError, IntegrityError, StoreError
from salus.trust import anchor
from salus.trust.checkpoint import Checkpoint, checkpoint_text
from tests.cli.town import empty, town  # noqa: F401
from tests.conftest import AT
from tests.intake import made
from validation.trust.anchor import anvil_binary, engine

pytest.importorskip("web3", reason="the extra chain is not installed")


@pytest.fixture(scope="module")
def chain():
    if anvil_binary() is None:
        pytest.importorskip("eth_tester", reason="no anvil (SALUS_ANVIL, PATH), and eth-tester is not installed")
    with engine() as (connection, _):
        yield connection


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
    for size in (newest(ward).size, newest(ward).size - 1):
        call = place._contract.functions.anchor(place._name, size, b"y" * 32)
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
        (lambda: 9, lambda: (b"x" * 32, 7, 1)),
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


# ---- consents

HASHES = [hashlib.sha256(bytes([n])).digest() for n in range(3)]


@pytest.fixture
def registry(chain):
    return anchor.ConsentRegistry(chain, anchor.deploy(chain, contract_name="consent"))


def sent(registry, chain, name, consent, account=0):
    """The status of a receipt: what the contract itself does, past every check of ours."""
    call = getattr(registry._contract.functions, name)(consent)
    done = call.transact({"from": chain.eth.accounts[account], "gas": anchor.GAS["consent"]})
    return chain.eth.wait_for_transaction_receipt(done)["status"]


def test_a_consent_is_granted_and_revoked_and_never_comes_back(registry, chain):
    house = chain.eth.accounts[0]
    assert registry.status(house, HASHES[0]) == anchor.Registered("unknown", 0, 0)
    receipt = registry.grant(HASHES[0])
    assert receipt.gas < anchor.GAS["consent"]
    granted = registry.status(house, HASHES[0])
    assert (granted.state, granted.revoked) == ("granted", 0)
    assert granted.granted == chain.eth.get_block(receipt.block)["timestamp"]
    with pytest.raises(InputError, match="already"):
        registry.grant(HASHES[0])
    assert sent(registry, chain, "grant", HASHES[0]) == 0
    registry.revoke(HASHES[0])
    revoked = registry.status(house, HASHES[0])
    assert (revoked.state, revoked.granted) == ("revoked", granted.granted)
    assert revoked.revoked >= granted.granted
    for again in (registry.grant, registry.revoke):
        with pytest.raises(InputError):
            again(HASHES[0])
    assert sent(registry, chain, "grant", HASHES[0]) == 0
    assert sent(registry, chain, "revoke", HASHES[0]) == 0
    assert registry.status(house, HASHES[0]) == revoked


def test_what_is_revoked_before_its_grant_arrives_is_never_granted(registry, chain):
    registry.revoke(HASHES[1])
    assert sent(registry, chain, "grant", HASHES[1]) == 0
    assert registry.status(chain.eth.accounts[0], HASHES[1]).state == "revoked"


def test_an_account_writes_in_its_own_list_only(registry, chain):
    ours, theirs = chain.eth.accounts[:2]
    registry.grant(HASHES[2], account=ours)
    assert sent(registry, chain, "revoke", HASHES[2], account=1) == 1
    assert registry.status(theirs, HASHES[2]).state == "revoked"
    assert registry.status(ours, HASHES[2]).state == "granted"


def test_events_tell_the_account_and_the_hash_alone(registry, chain):
    receipt = registry.grant(HASHES[0])
    (event,) = chain.eth.get_transaction_receipt(f"0x{receipt.transaction}")["logs"]
    assert bytes(event["data"]) == b""
    assert [bytes(t)[-20:].hex() for t in event["topics"][1:2]] == [chain.eth.accounts[0][2:].lower()]
    assert bytes(event["topics"][2]) == HASHES[0]


def test_a_reverted_write_is_an_error(registry, chain, monkeypatch):
    registry.revoke(HASHES[0])
    monkeypatch.setattr(registry, "status", lambda *_: anchor.Registered("unknown", 0, 0))
    with pytest.raises(StoreError, match="reverted"):
        registry.grant(HASHES[0])


def test_what_the_chain_does_not_show_is_not_believed(registry, monkeypatch):
    monkeypatch.setattr(registry, "status", lambda *_: anchor.Registered("unknown", 0, 0))
    with pytest.raises(StoreError, match="does not show"):
        registry.grant(HASHES[0])


@pytest.mark.parametrize("answer", [[3, 1, 1], [1, 1, 1], [2, 1, 0], [1, 1], "not", [None] * 3, 7])
def test_a_node_that_talks_nonsense_of_a_consent_is_one_clear_error(registry, chain, monkeypatch, answer):
    nonsense = type("F", (), {"status": lambda *_: type("C", (), {"call": lambda _: answer})()})()
    monkeypatch.setattr(registry, "_contract", type("K", (), {"functions": nonsense})())
    with pytest.raises(StoreError):
        registry.status(chain.eth.accounts[0], HASHES[0])


def test_wrong_hashes_accounts_and_contracts_are_refused(registry, chain):
    with pytest.raises(InputError, match="32 bytes"):
        registry.grant(b"short")
    with pytest.raises(InputError, match="account"):
        registry.status("nobody", HASHES[0])
    with pytest.raises(InputError, match="salus anchor consent deploy"):
        anchor.ConsentRegistry(chain, "0x" + "22" * 20)


@pytest.mark.skipif(anvil_binary() is None, reason="no anvil (SALUS_ANVIL, PATH): py-evm raises an error of its own")
def test_another_contract_is_not_taken_for_the_registry(chain, place):
    other = anchor.ConsentRegistry(chain, place._contract.address)
    with pytest.raises(StoreError):
        other.status(chain.eth.accounts[0], HASHES[0])
    with pytest.raises(StoreError):
        other.grant(HASHES[0])


def filled(ward):
    Intake(Session(ward.house, ward.operator)).run([made.folder(ward.folder / "own")])
    patient = Session(ward.house, ward.patient)
    return patient, patient.give_consent("p1", ward.time, actors=["dr-lee"], categories=["record"])


def versions(ward, name):
    scope = replace(ward.house.gate.custody("operator", "p1"), categories=frozenset({"record"}))
    return [s.body for s in ward.house.store.versions(scope, f"Consent/{name}")]


def test_the_hash_is_salted_by_the_patients_key_and_goes_with_it(ward):
    _, name = filled(ward)
    (body,) = versions(ward, name)
    vault = ward.house.vault
    one = anchor.salted(vault, "p1", body)
    assert one == anchor.salted(vault, "p1", body)
    assert one.hash == hashlib.sha256(one.salt + one.digest).digest()
    vault.create("p2")
    other = anchor.salted(vault, "p2", body)
    assert other.digest == one.digest
    assert other.hash != one.hash
    assert anchor.salted(vault, "p1", {**body, "status": "inactive"}).salt != one.salt
    vault.shred("p1")
    with pytest.raises(IntegrityError):
        anchor.salted(vault, "p1", body)


def test_only_the_newest_active_version_stands(ward):
    patient, name = filled(ward)
    (stands,) = anchor.expected(ward.house.vault, "p1", versions(ward, name))
    assert stands[1]
    ward.time += timedelta(minutes=1)
    patient.revoke("p1", name)
    (ended,) = anchor.expected(ward.house.vault, "p1", versions(ward, name))
    assert ended == (stands[0], False)
    two = [{"status": "active", "n": 1}, {"status": "active", "n": 2}]
    assert [s for _, s in anchor.expected(ward.house.vault, "p1", two)] == [False, True]


def test_the_committed_contracts_are_of_the_sources_beside_them():
    folder = files("salus.trust") / "contracts"
    for name in ("anchor", "consent"):
        made_of = json.loads((folder / f"{name}.json").read_bytes())
        assert made_of["sha256"] == hashlib.sha256((folder / f"{name}.sol").read_bytes()).hexdigest()
        assert made_of["compiler"].startswith("solc 0.8.")
        assert made_of["settings"]["evmVersion"] == "paris"


def test_the_commands_write_check_and_look_a_consent_up(town, chain, monkeypatch):  # noqa: F811
    monkeypatch.setattr(anchor, "connect", lambda _: chain)
    name = town.consent()
    node = ("--chain", "http://node.example")
    registry = town.salus("anchor", "consent", "deploy", *node).strip()
    there = (*node, "--registry", registry)
    assert "write" in town.fails("anchor", "consent", "check", "p1", name, "--as", "pat", *there)
    assert "operator" in town.fails("anchor", "consent", "write", "p1", name, "--as", "dr-lee", *there)
    words = town.salus("anchor", "consent", "write", "p1", name, "--as", "pat", *there).split()
    digest, salt, account = words[words.index("digest") + 1], words[words.index("salt") + 1], chain.eth.accounts[0]
    assert words[0] == "granted"
    assert town.salus("anchor", "consent", "write", "p1", name, "--as", "operator", *there).split() == words
    look = ("anchor", "consent", "look", digest, salt, "--account", account, *there)
    assert town.salus(*look) == "granted\n"
    assert "what the record says" in town.salus("anchor", "consent", "check", "p1", name, "--as", "pat", *there)
    town.salus("consent", "revoke", "p1", name, "--as", "pat")
    assert "the chain says granted" in town.fails("anchor", "consent", "check", "p1", name, "--as", "pat", *there)
    assert town.salus("anchor", "consent", "write", "p1", name, "--as", "pat", *there).startswith("revoked")
    town.salus("anchor", "consent", "check", "p1", name, "--as", "pat", "--account", account, *there)
    done = town.run(*look)
    assert (done.status, done.out) == (3, "revoked\n")
    assert "no such consent" in town.fails("anchor", "consent", "write", "p1", "nothing", "--as", "pat", *there)
    for wrong in ("xyz", "ab"):
        assert "hex digits" in town.fails("anchor", "consent", "look", wrong, salt, "--account", account, *there)
    assert "consent-registered" in town.salus("log", "patient", "p1", "--as", "pat")


def test_whoever_holds_a_consent_to_the_chain_is_in_the_patients_log(ward, chain):
    patient, name = filled(ward)
    registry = anchoring.deploy_registry(chain)

    def told(session, act, consent):
        before = max(e.n for e in entries(ward))
        with suppress(InputError):
            list(act(session, "p1", consent, chain, registry) or ())
        found = [e.content for e in entries(ward) if e.n > before]
        return [(c["reason"], c["actor"], c.get("id", "")) for c in found]

    operator = Session(ward.house, ward.operator)
    assert told(patient, anchoring.check_consent, name) == [("consent-read", "pat", name)]
    written = [("consent-read", "operator", name), ("consent-registered", "operator", "")]
    assert told(operator, anchoring.write_consent, name) == written
    assert told(operator, anchoring.write_consent, name) == [("consent-read", "operator", name)]
    assert told(operator, anchoring.check_consent, "another") == [("consent-read", "operator", "")]
    with pytest.raises(InputError, match="no such consent"):
        anchoring.check_consent(operator, "nobody", name, chain, registry)


def entries(ward):
    return list(ward.house.log.entries(ward.house.store.connection, patient="p1"))


def test_a_consent_that_the_chain_alone_calls_revoked_is_told_as_a_contradiction(town, chain, monkeypatch):  # noqa: F811
    monkeypatch.setattr(anchor, "connect", lambda _: chain)
    name = town.consent()
    node = ("--chain", "http://node.example")
    there = (*node, "--registry", town.salus("anchor", "consent", "deploy", *node).strip())
    words = town.salus("anchor", "consent", "write", "p1", name, "--as", "pat", *there).split()
    digest, salt = (bytes.fromhex(words[words.index(word) + 1]) for word in ("digest", "salt"))
    anchor.ConsentRegistry(chain, there[-1]).revoke(anchor.Salted(digest, salt).hash)
    told = town.fails("anchor", "consent", "check", "p1", name, "--as", "pat", *there)
    assert "the record says in force, and the chain says revoked" in told
