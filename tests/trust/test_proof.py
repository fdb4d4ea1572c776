"""Proofs that leave the house: they hold, and no altered one does."""

import pytest

from salus.app.session import Session
from salus.errors import AccessError, InputError, IntegrityError
from salus.fhir import json
from salus.trust import proof
from salus.trust.checkpoint import Checkpoint
from salus.trust.identity import Identity
from tests.conftest import AT
from tests.trust.test_gate import fill


@pytest.fixture
def mine(ward):
    fill(ward)
    session = Session(ward.house, ward.patient)
    session.open("p1", AT)
    return session


def altered(document, change):
    """The text of a proof with one thing changed."""
    lines = document.decode().split("\n")
    at = {line.partition(" ")[0]: n for n, line in enumerate(lines)}
    if change == "index":
        lines[at["index"]] = f"index {int(lines[at['index']].split()[1]) + 1}"
    elif change == "entry":
        lines[at["extra"]] = "extra AAAA" + lines[at["extra"]][10:]
    elif change == "short":
        del lines[at["index"] + 1]
    elif change == "node":
        lines[at["index"] + 1] = "A" * 43 + "="
    else:
        blank = lines.index("")
        lines[blank + 2] = "999"
    return "\n".join(lines).encode()


def test_an_entry_is_proved_to_whoever_has_the_key(mine):
    key = mine.house.vault.house.public_key()
    n = mine.accesses("p1")[0]["n"]
    document = mine.proof("p1", n)
    assert document.startswith(b"c2sp.org/tlog-proof@v1\n")
    told = proof.check(document, key)
    assert f"entry {n} stands in the log" in told.what
    assert told.lines()[1] == proof.SELF_ATTESTED
    for change in ("index", "entry", "short", "node", "size"):
        with pytest.raises(IntegrityError):
            proof.check(altered(document, change), key)
    with pytest.raises(IntegrityError):
        proof.check(document, Identity.generate("x").key.public_key())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b'{"proof": "consistency"}',
        b'{"proof": "consistency", "checkpoint": 3, "from": "", "path": []}',
        b"c2sp.org/tlog-proof@v1\n",
        b"c2sp.org/tlog-proof@v1\nextra AA==\nindex 0\n\n",
        b"c2sp.org/tlog-proof@v1\nextra " + b"A" * 64 + b"\nindex 01\n\nx",
        b"c2sp.org/tlog-proof@v1\nextra " + b"A" * 64 + b"\nindex 0\nAAAA\n\nx",
        b"c2sp.org/tlog-proof@v1\nextra !\nindex 0\n\nx",
        b"x" * (proof.PROOF_BYTES + 1),
    ],
)
def test_what_is_no_proof_is_a_clear_error(mine, data):
    with pytest.raises((InputError, IntegrityError)):
        proof.check(data, mine.house.vault.house.public_key())


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
    assert "begins with" in proof.check(json.dumps(document), key).what
    other = Checkpoint(older.size, bytes(32), house.vault.house.sign(Checkpoint(older.size, bytes(32), b"").text()))
    with pytest.raises(IntegrityError):
        proof.check(json.dumps({**document, "from": other.to_bytes().decode()}), key)
