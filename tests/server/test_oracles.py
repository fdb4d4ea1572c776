"""What an answer tells of somebody who released nothing: nothing, in words, in kind and in the log."""

import os
import subprocess
import sys

import pytest

from salus.app.fhir import api as fhir_api
from salus.app.intake import answers
from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.fhir import json
from salus.trust.identity import Identity
from tests.conftest import creatinine, person


def post(front, path, body, name):
    headers = {**front.as_(name), "Content-Type": "application/fhir+json"}
    return front.http.post(path, content=json.dumps(body), headers=headers)


def tried(front):
    """Everything refused or accepted, as the log has it, of no matter whom."""
    rows = front.ward.house.store.connection.execute("SELECT count(*) FROM log_leaf").fetchone()
    return rows[0]


@pytest.mark.parametrize(
    "body",
    [
        person("p1", birthDate="1968-03-14"),
        person("p1", birthDate="1970-01-01"),
        person("nobody", birthDate="1970-01-01"),
        person("p1", identifier=[{"system": "urn:test:mrn", "value": "MRN-of-another"}]),
        creatinine("1.0", "2026-01-01", "x", "p1"),
        creatinine("1.0", "2026-01-01", "x", "nobody"),
    ],
    ids=["right birth date", "wrong birth date", "nobody", "other number", "value", "value of nobody"],
)
def test_a_guess_about_a_patient_gets_the_one_answer(front, body):
    before = tried(front)
    answer = post(front, f"/fhir/{body['resourceType']}", body, "dr-lee")
    assert answer.status_code == 202
    assert answer.json()["issue"][0]["code"] == "informational"
    assert tried(front) > before
    again = post(front, f"/fhir/{body['resourceType']}", person("somebody-else"), "dr-lee")
    assert body["resourceType"] != "Patient" or (again.status_code, again.content) == (202, answer.content)


def test_who_may_read_the_record_and_who_keeps_the_quarantine_are_told_what_became_of_it(front):
    front.consent()
    assert post(front, "/fhir/Observation", creatinine("1.0", "2026-01-01", "x"), "dr-lee").status_code == 201
    empty = {k: v for k, v in creatinine("1.0", "2026-01-01", "x").items() if k != "subject"}
    assert post(front, "/fhir/Observation", empty, "dr-lee").status_code == 202
    assert post(front, "/fhir/Observation", empty, "operator").status_code == 422


def test_a_transaction_too(front):
    entry = {"resource": creatinine("1.0", "2026-01-01", "x"), "request": {"method": "POST", "url": "Observation"}}
    answer = post(front, "/fhir", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}, "dr-lee")
    assert answer.status_code == 202


def test_words_about_consents_tell_staff_nothing(front):
    name = front.consent()
    house = front.ward.house
    said = set()
    for who in (front.ward.clinician, front.ward.operator):
        session = Session(house, who)
        for patient, consent in (("p1", "no-such"), ("nobody", "no-such"), ("nobody", name)):
            before = tried(front)
            with pytest.raises(AccessError) as refused:
                session.ended(patient, consent, witnessed=True)
            said.add(str(refused.value))
            assert tried(front) == before + 1
    with pytest.raises(AccessError) as refused:
        Session(house, front.ward.clinician).ended("p1", name, witnessed=True)
    said.add(str(refused.value))
    assert len(said) == 1


def test_a_paper_with_one_witness_is_refused_in_the_same_words_for_everybody(front):
    said = set()
    for patient in ("p1", "nobody"):
        session = Session(front.ward.house, front.ward.operator)
        draft = session.drafted(patient, front.ward.time, actors=["dr-lee"], categories=["record"], until="2026-12-31")
        with pytest.raises(InputError) as refused:
            session.file_consent(patient, *session.witness(draft))
        said.add(str(refused.value))
    assert len(said) == 1


def test_a_provenance_that_names_what_is_hidden_is_hidden(front):
    gene = {
        "resourceType": "Observation",
        "id": "g",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "69548-6"}]},
        "subject": {"reference": "Patient/p1"},
    }
    made = post(front, "/fhir/Observation", gene, "operator").json()
    front.consent(categories=["record"])
    about = {"Provenance", "List"}
    for kind in about:
        found = front.get(f"/fhir/{kind}?patient=p1").json()
        assert made["id"] not in str(found)
    assert front.get(f"/fhir/Observation/{made['id']}").status_code == 404
    assert made["id"] not in front.get("/fhir/Patient/p1/$everything").text


def test_findings_are_those_that_follow_from_what_is_released_on_every_path(front):
    front.consent(categories=["record"])
    opened = Session(front.ward.house, front.ward.clinician).open("p1", front.ward.time)
    plain = {f"salus-{f.id}" for f in opened.findings}
    assert plain
    entries = front.get("/fhir/Observation?patient=p1&_count=1000").json().get("entry", [])
    entries += front.get("/fhir/RiskAssessment?patient=p1&_count=1000").json().get("entry", [])
    assert {e["resource"]["id"] for e in entries if e["resource"]["id"].startswith("salus-")} == plain
    everything = front.get("/fhir/Patient/p1/$everything?_count=1000").json()["entry"]
    kinds = ("Observation", "RiskAssessment")
    listed = {e["resource"]["id"] for e in everything if e["resource"]["resourceType"] in kinds}
    assert {name for name in listed if name.startswith("salus-")} == plain
    for name in plain:
        one = [front.get(f"/fhir/{kind}/{name}") for kind in kinds]
        assert [a.status_code for a in one].count(200) == 1


def test_a_refusal_of_the_own_kind_leaves_a_trace(front):
    session = Session(front.ward.house, front.people["pip"])
    for attempt in (
        lambda: answers.keep_diary(session, "p1", "I was here"),
        lambda: session.close_to_processing("p1", front.ward.time, categories=["record"]),
    ):
        before = tried(front)
        with pytest.raises(AccessError):
            attempt()
        assert tried(front) > before


@pytest.mark.parametrize("worked", [0.001, 0.03, 0.05])
def test_a_refusal_comes_at_an_even_moment_and_not_to_the_microsecond(monkeypatch, worked):
    slept, now = [], 1000.0
    monkeypatch.setattr(fhir_api.time, "monotonic", lambda: now + worked)
    monkeypatch.setattr(fhir_api.time, "sleep", slept.append)
    for _ in range(40):
        with pytest.raises(AccessError):
            fhir_api._only([], now)
    late = [(worked + seconds) % fhir_api.EVEN for seconds in slept]
    assert all(0 <= each <= fhir_api.BLUR for each in late)
    assert max(late) - min(late) > fhir_api.BLUR / 4
    assert all(worked + seconds >= fhir_api.EVEN for seconds in slept)


def test_patients_do_not_see_each_others_names(front):
    settings = front.ward.house.configuration
    for name in ("pip", "dr-lee"):
        Identity(name, front.people[name].key).save(settings.identities)
    places = {"STORE": settings.store, "KEYS": settings.keys, "IDENTITIES": settings.identities}
    environment = {f"SALUS_{k}": str(v) for k, v in places.items()}
    for name in ("pip", "dr-lee"):
        command = [sys.executable, "-c", "from salus.cli.main import main; main()", "actor", "list", "--as", name]
        said = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
        assert "pat " not in said.stdout
        assert name in said.stdout
