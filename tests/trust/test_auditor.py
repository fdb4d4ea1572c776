"""What is kept of accesses for the auditor: it outlives an erasure, and only the auditor's key opens it."""

from datetime import UTC, datetime, timedelta

import pytest

from salus.app import erasure
from salus.app.house import House
from salus.app.session import Session
from salus.errors import ConfigurationError, InputError, IntegrityError
from salus.trust import auditor
from tests.conftest import AT
from tests.trust.test_gate import fill, look


@pytest.fixture
def watched(ward):
    auditor.make(ward.house.vault.folder)
    fill(ward)
    Session(ward.house, ward.patient).give_consent("p1", AT, actors=["dr-lee"], categories=["record"])
    look(ward)
    return ward


def kept(house):
    return list(auditor.read(house.store.connection, house.vault.folder / auditor.PRIVATE))


def test_an_access_is_told_without_anything_clinical(watched):
    (seen,) = [a for a in kept(watched.house) if a.told.get("decision") == "permit"]
    assert (seen.record, seen.told["actor"], seen.told["bases"]) == (1, "dr-lee", ["consent"])
    assert set(seen.told) <= set(auditor.TOLD)
    assert "p1" not in str(seen.told)


def test_it_outlives_an_erasure(watched):
    before = kept(watched.house)
    erasure.ask(Session(watched.house, watched.patient), "p1")
    erasure.carry_out(Session(watched.house, watched.operator), "p1")
    after = kept(watched.house)
    assert [a.told for a in after[: len(before)]] == [a.told for a in before]
    assert not watched.house.verify().problems


def test_the_private_key_is_needed_and_private(watched, tmp_path):
    house = watched.house
    path = tmp_path / "other.key"
    auditor.make(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="another key"):
        list(auditor.read(house.store.connection, tmp_path / "elsewhere" / auditor.PRIVATE))
    path.write_bytes(b"x" * 31)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError):
        list(auditor.read(house.store.connection, path))
    own = house.vault.folder / auditor.PRIVATE
    own.chmod(0o644)
    with pytest.raises(ConfigurationError):
        kept(house)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE log_audit SET entry = zeroblob(60) WHERE n = (SELECT max(n) FROM log_audit)",
        "UPDATE log_audit SET n = n + 1000 WHERE n = (SELECT max(n) FROM log_audit)",
        "UPDATE log_leaf SET commitment = zeroblob(32) WHERE n = (SELECT max(n) FROM log_audit)",
        "UPDATE log_audit_epoch SET wrapped = zeroblob(80)",
        "DELETE FROM log_audit_epoch",
    ],
)
def test_what_was_changed_is_noticed(watched, change):
    connection = watched.house.store.connection
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute(change)
    with pytest.raises(IntegrityError):
        kept(watched.house)


def test_a_rolled_back_epoch_was_never(watched):
    house = watched.house

    def failing():
        with house.store.transaction(house.gate.custody("t", "p1")) as connection:
            house.log._auditor._epoch = None
            house.log.append(
                connection, "p1", "access", {"reason": "access", "actor": "x", "at": "2026-06-01T12:00:00Z"}
            )
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    look(watched)
    assert [a.told["actor"] for a in kept(house)][-1] == "dr-lee"


def test_without_an_auditors_key_nothing_is_told(watched):
    (watched.house.vault.folder / auditor.PUBLIC).unlink()
    with House(watched.house.configuration, clock=lambda: AT) as house:
        number = len(kept(house))
        house.gate.open_chart(house.authenticate(watched.clinician), "p1", "TREAT", AT)
        assert len(kept(house)) == number
        (house.vault.folder / auditor.PUBLIC).write_bytes(b"short")
        with pytest.raises(ConfigurationError):
            house.gate.open_chart(house.authenticate(watched.clinician), "p1", "TREAT", AT)


def test_what_expired_goes_with_its_key(watched):
    house = watched.house
    house.log._auditor.rolled_back()
    watched.time = AT + timedelta(days=100)
    look(watched)
    assert house.expire_audit(AT + timedelta(days=1), "operator") == 0
    before = len(kept(house))
    assert house.expire_audit(datetime(2027, 1, 1, tzinfo=UTC), "operator") == before - 1
    assert [a.told["actor"] for a in kept(house)] == ["dr-lee"]
    with pytest.raises(InputError):
        house.expire_audit(datetime(2027, 1, 1), "operator")


def test_a_key_pair_is_made_once(tmp_path):
    auditor.make(tmp_path)
    first = (tmp_path / auditor.PUBLIC).read_bytes()
    auditor.make(tmp_path)
    assert (tmp_path / auditor.PUBLIC).read_bytes() == first
