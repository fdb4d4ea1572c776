"""Proofs that leave the house: they hold, and no altered one does."""

import pytest

from salus.app.session import Session
from salus.errors import AccessError, InputError, IntegrityError
from salus.fhir import json
from salus.trust import proof
from salus.trust.log import Checkpoint
from tests.conftest import AT
from tests.trust.test_gate import fill


@pytest.fixture
def mine(ward):
    fill(ward)
    session = Session(ward.house, ward.patient)
    session.open("p1", AT)
    return session


def test_an_entry_is_proved_to_whoever_has_the_key(mine):
    key = mine.house.vault.house.public_key()
    n = mine.accesses("p1")[0]["n"]
    document = json.loads(json.dumps(mine.proof("p1", n)))
    size = Checkpoint.from_bytes(document["checkpoint"].encode()).size
    assert f"entry {n} stands in the log" in proof.check(document, key)
    for change in (
        {"index": n + 1},
        {"payload": "AAAA" + document["payload"][4:]},
        {"path": document["path"][1:]},
        {"path": ["00" * 32, *document["path"][1:]]},
        {"checkpoint": document["checkpoint"].replace(f"\n{size}\n", "\n999\n")},
    ):
        with pytest.raises(IntegrityError):
            proof.check({**document, **change}, key)
    with pytest.raises(InputError):
        proof.check({"proof": "inclusion"}, key)


def test_only_the_patient_gets_proofs_and_only_of_the_own_entries(ward, mine):
    with pytest.raises(AccessError):
        Session(ward.house, ward.clinician).proof("p1", 5)
    with pytest.raises(InputError, match="no such entry"):
        mine.proof("p1", 0)


def test_growth_is_proved_against_an_older_checkpoint(mine):
    house = mine.house
    older = house.log.newest(house.store.connection)
    mine.open("p1", AT)
    document = proof.of_growth(house.store.connection, house.log, older)
    key = house.vault.house.public_key()
    assert "begins with" in proof.check(document, key)
    other = Checkpoint(older.size, bytes(32), house.vault.house.sign(Checkpoint(older.size, bytes(32), b"").text()))
    with pytest.raises(IntegrityError):
        proof.check({**document, "from": other.to_bytes().decode()}, key)
