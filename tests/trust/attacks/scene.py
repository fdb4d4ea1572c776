"""What the attacks share: records to be attacked, an emergency policy, and the proof that an attempt left a trace."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

import pytest

from salus.app.session import Session
from salus.errors import AccessError
from salus.fhir import json
from salus.record.store import Change
from salus.trust import consent_signatures, policy
from salus.trust.identity import Actor, Identity
from tests.conftest import creatinine, person
from tests.trust.test_gate import rules

WHEN = "2026-06-01T12:00:00Z"
HOUR = timedelta(hours=1)
WHY = "unconscious in the emergency room"
ABOUT = {"subject": {"reference": "Patient/p1"}}
GENE = {
    "resourceType": "Observation",
    "id": "gene",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "69548-6"}]},
    **ABOUT,
}
HIV = {
    "resourceType": "Condition",
    "id": "hiv",
    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "B20"}]},
    **ABOUT,
}
ASTHMA = {**HIV, "id": "asthma", "code": {"coding": [{**HIV["code"]["coding"][0], "code": "J45.909"}]}}
LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}
CREATININE = {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]}


def put(ward, *bodies, patient="p1"):
    """Write resources into a record by the store itself, as intake would after all its checks."""
    scope = ward.house.gate.custodian(ward.house.authenticate(ward.operator), patient)
    ward.house.store.commit(scope, [Change(b["resourceType"], b["id"], b) for b in bodies], at=WHEN)


def stocked(ward):
    put(ward, person(), creatinine("1.0", "2026-01-01", "c1"), GENE, HIV, ASTHMA)
    return Session(ward.house, ward.patient)


def file(session, change=None, **more):
    """The patient files a consent to dr-lee, with ``change`` made to its provision before it is signed."""
    at = session.house.clock()
    body = session.drafted("p1", at, **{"actors": ["dr-lee"], "categories": ["record"], **more})
    if change:
        change(body["provision"])
    session.file_consent("p1", body, consent_signatures.sign(body, session.identity, at))
    return body["id"]


def except_(*exceptions):
    """A change that puts exceptions into a provision."""
    return lambda rule: rule.update(provision=list(exceptions))


def emergency(ward, **more):
    """A policy by which practitioners may break the glass."""
    organisation = Identity.generate("clinic")
    ward.house.add_actor(Actor("clinic", "organisation", organisation.public_key), by="operator")
    rule = {"basis": "vital-interest", "purposes": ["BTG"], "overrides-denial": True, **more}
    ward.house.add_policy(policy.sign(rules(**rule), organisation), by="operator")


def broke(ward, who=None, patient="p1", why=WHY, lasts=HOUR):
    return ward.house.gate.break_glass(ward.house.authenticate(who or ward.clinician), patient, why, lasts)


def leaves(house):
    """How many entries the log has."""
    return house.store.connection.execute("SELECT count(*) FROM log_leaf").fetchone()[0]


@contextmanager
def repelled(house, error=AccessError, match=None):
    """What is done inside is refused, and the log has one more entry that says so."""
    before = leaves(house)
    with pytest.raises(error, match=match):
        yield
    assert leaves(house) > before, "the attempt left no trace"


def post(front, path, body, name="dr-lee"):
    headers = {**front.as_(name), "Content-Type": "application/fhir+json"}
    return front.http.post(path, content=json.dumps(body), headers=headers)


def full(*_, **__):
    """What a full disk does."""
    raise OSError(28, "No space left on device")
