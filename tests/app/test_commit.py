"""The house writes into a record: at its clock's time, with one entry in the patient's log, or not at all."""

import pytest

from salus.formats.content import Bytes
from salus.record.store import Change
from tests.conftest import person


def entries(ward):
    return list(ward.house.log.entries(ward.house.store.connection, topic="write", patient="p1"))


def test_what_is_written_has_one_entry_that_says_when_and_why(ward):
    scope = ward.house.gate.custody("operator", "p1")
    written = ward.house.commit(scope, [Change("Patient", "p1", person())], reason="intake", details={"source": "ab"})
    (entry,) = entries(ward)
    assert (written.created, written.leaf) == (1, entry.n)
    assert (entry.content["reason"], entry.content["at"]) == ("intake", ward.house.time())
    assert (entry.content["actor"], entry.content["source"]) == ("operator", "ab")
    later = person(birthDate="1951-05-21")
    ward.house.commit(scope, [Change("Patient", "p1", later)], reason="intake", at="2020-01-01T00:00:00Z")
    assert entries(ward)[-1].content["at"] == "2020-01-01T00:00:00Z"


def test_where_the_check_fails_nothing_is_written_and_nothing_said(ward):
    scope = ward.house.gate.custody("operator", "p1")

    def check():
        raise LookupError

    with pytest.raises(LookupError):
        ward.house.commit(scope, [Change("Patient", "p1", person())], reason="intake", check=check)
    assert not ward.house.store.exists(scope)
    assert entries(ward) == []


def test_topic_and_blobs_are_handed_on(ward):
    scope = ward.house.gate.custody("operator", "p1")
    content = Bytes(b"text")
    address = ward.house.store.address(scope, content.sha256)
    ward.house.commit(scope, [Change("Patient", "p1", person())], reason="consent", topic="consent")
    (entry,) = ward.house.log.entries(ward.house.store.connection, topic="consent", patient="p1")
    assert entry.content["reason"] == "consent"
    written = ward.house.commit(scope, [], reason="diary", blobs=[(address, "note", content)])
    assert written.blobs == 1
