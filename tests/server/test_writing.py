"""Creates and transactions go through intake: attributed, proved, all or nothing; consents come signed."""

from __future__ import annotations

import uuid

import pytest

from salus.app.session import Session
from salus.trust import consent_drafts, consent_signatures
from tests.conftest import creatinine, person


def urn():
    return f"urn:uuid:{uuid.uuid4()}"


def entry(resource, name=None):
    body = {k: v for k, v in resource.items() if k != "id"}
    return {
        "fullUrl": name or urn(),
        "resource": body,
        "request": {"method": "POST", "url": resource["resourceType"]},
    }


def transaction(*entries):
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def lab(patient="p1", **more):
    return {
        **creatinine("1.5", "2026-03-03", "mine", patient),
        "valueQuantity": {"value": 1.5, "unit": "mg/dL"},
        **more,
    }


def test_a_create_is_attributed_proved_and_found(front):
    front.consent()
    answer = front.post("/fhir/Observation", lab())
    assert answer.status_code == 201
    name = answer.json()["id"]
    assert name != "mine"
    assert answer.headers["location"].endswith(f"/fhir/Observation/{name}/_history/1")
    assert front.get(f"/fhir/Observation/{name}").json()["effectiveDateTime"] == "2026-03-03"
    proofs = front.get("/fhir/Provenance?patient=p1&_count=1000").json()["entry"]
    mine = [p["resource"] for p in proofs if p["resource"]["target"] == [{"reference": f"Observation/{name}"}]]
    assert mine[0]["agent"][0]["who"]["identifier"]["value"] == "operator"
    assert not front.ward.house.verify().problems


def test_who_may_not_file_files_nothing(front):
    assert front.post("/fhir/Observation", lab(), "pat").status_code == 403
    token = front.sign_in("operator", scope="system/*.rs")["access_token"]
    answer = front.http.post("/fhir/Observation", json=lab(), headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert front.http.post("/fhir/Observation", json=lab()).status_code == 401


def test_what_contradicts_the_record_lies_in_quarantine(front):
    subject = {"reference": "Patient/p1", "identifier": {"system": "urn:test:mrn", "value": "MRN-of-another"}}
    answer = front.post("/fhir/Observation", lab(subject=subject))
    assert answer.status_code == 422
    assert "quarantine under 1" in answer.json()["issue"][0]["diagnostics"]
    assert "MRN" not in answer.text
    assert len(front.ward.house.quarantined()) == 1


REFUSED = {
    "no body": (None, 415),
    "another type": (person(), 400),
    "a list": ([], 400),
    "an unknown patient": (lab("nobody"), 422),
    "no patient": (lab(subject=None), 422),
    "a group": (lab(subject={"reference": "Group/p1"}), 422),
    "a forged finding": (lab(meta={"tag": [{"system": "urn:salus:finding", "code": "egfr"}]}), 422),
}


@pytest.mark.parametrize(("body", "status"), REFUSED.values(), ids=REFUSED)
def test_a_create_that_cannot_be_kept_is_refused(front, body, status):
    before = front.ward.house.verify().versions
    assert front.post("/fhir/Observation", body).status_code == status
    assert front.ward.house.verify().versions == before


def test_a_transaction_resolves_references_and_is_one_commit(front):
    name = urn()
    new = person("x", identifier=[{"system": "urn:test:mrn", "value": "MRN-new"}])
    values = [entry({**lab(), "subject": {"reference": name}}) for _ in range(3)]
    answer = front.post("/fhir", transaction(entry(new, name), *values))
    assert answer.status_code == 200, answer.text
    made = [e["response"]["location"].split("/")[1] for e in answer.json()["entry"]]
    store, gate = front.ward.house.store, front.ward.house.gate
    kept = store.read(gate.service_chart(made[0], front.ward.time)[1], ("Observation",))
    assert {s.source.ref.split("/")[1] for s in kept} == set(made[1:])
    assert {s.body["subject"]["reference"] for s in kept} == {f"Patient/{made[0]}"}


def loose():
    return transaction(entry(lab()), entry({**lab(), "subject": {"reference": urn()}}))


def conditional():
    one = entry(lab())
    one["request"]["ifNoneExist"] = "identifier=x"
    return transaction(entry(lab()), one)


BAD = {
    "a loose reference": loose,
    "a conditional create": conditional,
    "two patients": lambda: transaction(entry(lab()), entry(lab("p2"))),
    "a delete": lambda: transaction(entry(lab()), {**entry(lab()), "request": {"method": "DELETE", "url": "X/1"}}),
    "another type": lambda: transaction(
        entry(lab()), {**entry(lab()), "request": {"method": "POST", "url": "Patient"}}
    ),
    "no resource": lambda: transaction(entry(lab()), {"request": {"method": "POST", "url": "Observation"}}),
    "an audit event": lambda: transaction(entry(lab()), entry({"resourceType": "AuditEvent"})),
    "a batch": lambda: {**transaction(entry(lab())), "type": "batch"},
    "nothing": transaction,
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_a_transaction_is_kept_whole_or_not_at_all(front, make):
    before = front.ward.house.verify().versions
    answer = front.post("/fhir", make())
    assert answer.status_code in (400, 422, 501), answer.text
    assert front.ward.house.verify().versions == before


def consent_bundle(front, status="active", signer="pat", at=None):
    body = consent_drafts.consent_resource(
        id="k1", patient="p1", dated=at or front.ward.time, permit=["record"], actors=["dr-lee"]
    )
    body["status"] = status
    body = Session(front.ward.house, front.people[signer]).bound("p1", body)
    proof = consent_signatures.sign(body, front.people[signer], front.ward.time)
    requests = [{"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"} for r in (body, proof)]
    return transaction(*({"resource": r, "request": q} for r, q in zip((body, proof), requests, strict=True)))


def test_a_consent_signed_at_home_is_filed_and_revoked_over_the_network(front):
    from datetime import timedelta

    assert front.get("/fhir/Patient/p1").status_code == 404
    assert front.post("/fhir", consent_bundle(front, signer="pip"), "pip").status_code in (404, 422)
    assert front.post("/fhir", consent_bundle(front), "pat").status_code == 200
    assert front.get("/fhir/Patient/p1").status_code == 200
    front.ward.time += timedelta(minutes=1)
    assert front.post("/fhir", consent_bundle(front, "inactive"), "pat").status_code == 200
    assert front.get("/fhir/Patient/p1").status_code == 404
    assert front.post("/fhir/Consent", consent_bundle(front)["entry"][0]["resource"], "pat").status_code in (403, 501)
