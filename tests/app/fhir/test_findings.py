"""Findings for a part of a record: worked out once, and again after whatever may change them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from salus.app.fhir.findings import PartialFindings
from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.errors import AccessError
from salus.trust.identity import Actor, Identity
from tests.conftest import bundle, creatinine, person


@pytest.fixture
def reader(ward, monkeypatch):
    """dr-lee, who is released the record without genome, and the grants for which findings were worked out."""
    ward.write("p1.json", bundle(person(), *(creatinine("1.4", f"2026-0{n}-01", f"c{n}") for n in range(1, 5))))
    assert not [t for t in Intake(Session(ward.house, ward.operator)).run([ward.folder]) if t.error]
    Session(ward.house, ward.patient).give_consent("p1", ward.time, actors=["dr-lee"], categories=["record"])
    session = Session(ward.house, ward.clinician)
    session.worked = []
    work = session.narrower
    monkeypatch.setattr(session, "narrower", lambda grant: (session.worked.append(grant), work(grant))[1])
    return session


def look(session):
    return session.house.gate.grant(session.actor, "p1", "TREAT")


def test_they_are_worked_out_once_for_a_part_and_again_after_a_write(ward, reader):
    findings = PartialFindings()
    first = findings.of(reader, look(reader))
    assert first
    assert findings.of(reader, look(reader)) is first
    assert len(reader.worked) == 1
    ward.write("p1.json", bundle(person(), creatinine("2.9", "2026-05-20", "c9")))
    Intake(Session(ward.house, ward.operator)).run([ward.folder])
    second = findings.of(reader, look(reader))
    assert len(reader.worked) == 2
    assert {s.source.digest for s in second} != {s.source.digest for s in first}


def test_another_part_has_its_own(reader):
    findings = PartialFindings()
    grant = look(reader)
    for other in (
        {"categories": grant.categories | {"note"}},
        {"decided": frozenset({("Observation/c1", 1)})},
        {"papers": frozenset({"Consent/none"})},
    ):
        findings.of(reader, grant)
        findings.of(reader, replace(grant, **other))
    assert len(reader.worked) == 4
    assert findings.of(reader, replace(grant, actor="dr-may", leaf=1)) is findings.of(reader, grant)
    assert len(reader.worked) == 4


def test_what_becomes_of_stored_findings_tells_a_reader_of_a_part_nothing(reader):
    """They may be drawn from what is withheld: no other version of one makes that anything is worked out anew."""
    findings, grant = PartialFindings(), look(reader)
    every = {(s.source.ref, s.source.version) for s in reader.house.store.read(grant)}
    ((ref, n), *_) = [each for each in every if "/salus-" in each[0]]
    findings.of(reader, replace(grant, decided=frozenset(every)))
    findings.of(reader, replace(grant, decided=frozenset(every - {(ref, n)} | {(ref, n + 1)})))
    assert len(reader.worked) == 1
    findings.of(reader, replace(grant, decided=frozenset(every - {("Observation/c1", 1)})))
    assert len(reader.worked) == 2


def test_they_are_worked_out_anew_after_ten_minutes_and_when_the_house_is_another(ward, reader):
    findings = PartialFindings()
    findings.of(reader, look(reader))
    ward.time += timedelta(minutes=9)
    findings.of(reader, look(reader))
    assert len(reader.worked) == 1
    ward.time += timedelta(minutes=2)
    findings.of(reader, look(reader))
    assert len(reader.worked) == 2
    ward.house.add_actor(Actor("dr-may", "practitioner", Identity.generate("dr-may").public_key), by="operator")
    last = findings.of(reader, look(reader))
    assert len(reader.worked) == 3
    assert findings._bytes == sum(len(s.data) for s in last)


def test_who_is_released_everything_has_the_stored_ones(ward, reader):
    grant = ward.house.gate.grant(Session(ward.house, ward.patient).actor, "p1", "PATRQT")
    assert PartialFindings().of(reader, grant) is None


def test_nobody_gets_them_without_a_grant(ward, reader):
    consent = next(body["id"] for body, _ in Session(ward.house, ward.patient).consents("p1"))
    findings = PartialFindings()
    findings.of(reader, look(reader))
    Session(ward.house, ward.patient).revoke("p1", consent)
    with pytest.raises(AccessError):
        look(reader)


def test_what_is_remembered_is_bounded(reader):
    size = sum(len(s.data) for s in PartialFindings().of(reader, look(reader)))
    findings = PartialFindings(most=2 * size)
    grant = look(reader)
    every = {(s.source.ref, s.source.version) for s in reader.house.store.read(grant)}
    parts = [replace(grant, decided=frozenset(every | {(f"Observation/none-{n}", 1)})) for n in range(5)]
    for part in parts:
        findings.of(reader, part)
    assert findings._bytes == sum(len(s.data) for _, _, found in findings._kept.values() for s in found) <= 2 * size
    reader.worked.clear()
    findings.of(reader, parts[-1])
    assert not reader.worked
    findings.of(reader, parts[0])
    assert len(reader.worked) == 1
    none = PartialFindings(most=0)
    assert none.of(reader, grant) == none.of(reader, grant)
    assert (none._bytes, len(none._kept)) == (0, 0)
