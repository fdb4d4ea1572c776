"""Row 6: questions whose answers differ by what is hidden. Every way in, asked for what is there and what is not."""

from contextlib import suppress
from datetime import timedelta

import pytest

from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.errors import AccessError
from salus.findings.runner import Failure
from salus.trust.consent_drafts import binding_of
from tests.conftest import AT, bundle, creatinine, person
from tests.trust.attacks.scene import CREATININE, GENE, HIV, LABEL, except_, file, leaves, post, put, stocked

ABSENT = {**GENE, "id": "absent"}


@pytest.fixture
def secret(front):
    """The front, with a genetic result that dr-lee, who reads the record, does not see."""
    put(front.ward, GENE)
    front.consent(categories=["record"])
    return front


def both(front, path, **headers):
    """The answers for what is hidden and what is not there; both left a trace."""
    answers = []
    for name in ("gene", "absent"):
        before = leaves(front.ward.house)
        answers.append(front.get(path.format(name), **headers))
        assert leaves(front.ward.house) > before
    return answers


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/Observation/{}",
        "/fhir/Observation/{}/_history",
        "/fhir/Observation/{}/_history/1",
        "/fhir/Observation?_id={}",
        "/fhir/Observation?_id={}&_total=accurate",
        "/fhir/Observation?_id={}&_summary=count",
        "/fhir/Observation?_id={}&patient=p1",
        "/fhir/Observation?patient=p1&_id={},c0&_count=1&_total=accurate",
        "/fhir/Provenance?patient=p1&target=Observation/{}",
        "/fhir/DiagnosticReport?patient=p1&result=Observation/{}",
    ],
)
def test_hidden_and_absent_get_one_answer(secret, path):
    hidden, absent = both(secret, path)
    assert hidden.status_code == absent.status_code
    assert hidden.text.replace("gene", "absent") == absent.text


@pytest.mark.parametrize("header", ["If-None-Match", "If-Modified-Since"])
def test_a_condition_tells_nothing_of_what_is_hidden(secret, header):
    hidden, absent = both(secret, "/fhir/Observation/{}", **{header: "*"})
    assert (hidden.status_code, hidden.content, hidden.headers) == (absent.status_code, absent.content, absent.headers)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_writes_by_name_are_refused_in_the_same_words(secret, method):
    answers = [
        secret.http.request(method, f"/fhir/Observation/{name}", json={}, headers=secret.as_("dr-lee"))
        for name in ("gene", "absent", "c0")
    ]
    assert len({(a.status_code, a.content) for a in answers}) == 1
    assert answers[0].status_code == 405


@pytest.mark.parametrize("name", ["gene", "absent"])
def test_conditional_writes_are_refused(secret, name):
    asked = f"identifier={name}"
    answer = secret.post("/fhir/Observation", ABSENT, "dr-lee", **{"If-None-Exist": asked})
    assert answer.status_code in (400, 403, 412, 422, 501)
    entry = {"resource": GENE, "request": {"method": "POST", "url": "Observation", "ifNoneExist": asked}}
    for change in (entry, {**entry, "request": {"method": "PUT", "url": f"Observation/{name}"}}):
        body = {"resourceType": "Bundle", "type": "transaction", "entry": [change]}
        assert post(secret, "/fhir", body).status_code in (400, 403, 422, 501)


@pytest.mark.parametrize("reference", ["Observation?identifier={}", "urn:uuid:{}"])
def test_a_reference_that_asks_is_refused(secret, reference):
    said = set()
    for name in ("gene", "absent"):
        resource = {**creatinine("1", "2026-01-01", "x"), "derivedFrom": [{"reference": reference.format(name)}]}
        entry = {"resource": resource, "request": {"method": "POST", "url": "Observation"}}
        answer = post(secret, "/fhir", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        said.add((answer.status_code, answer.text.replace(name, "")))
    assert len(said) == 1
    assert answer.status_code >= 400


@pytest.mark.parametrize("element", ["derivedFrom", "hasMember"])
def test_a_resource_filed_with_a_guessed_reference_tells_nothing_of_the_guess(secret, element):
    said = set()
    for name in ("gene", "absent"):
        body = {**creatinine("1", "2026-01-01", "x"), element: [{"reference": f"Observation/{name}"}]}
        made = post(secret, "/fhir/Observation", body)
        said.add((made.status_code, secret.get(f"/fhir/Observation/{made.json().get('id')}").status_code))
    assert len(said) == 1, said


def test_a_file_with_a_guessed_reference_tells_nothing_of_the_guess_either(secret):
    ward, said = secret.ward, set()
    for name in ("gene", "absent"):
        body = {**creatinine("1", "2026-01-01", f"by-{name}"), "derivedFrom": [{"reference": f"Observation/{name}"}]}
        path = ward.write(f"guess/{name}.json", bundle(person(), body))
        (taken,) = Intake(Session(ward.house, ward.clinician)).run([path])
        answer = secret.get(f"/fhir/Observation/by-{name}")
        said.add((taken.error is None, str(taken.counts), answer.status_code))
    assert len(said) == 1, said


def test_no_count_and_no_page_holds_a_place_for_what_is_hidden(secret):
    counted = secret.get("/fhir/Observation?patient=p1&_summary=count").json()["total"]
    page, shown = secret.get("/fhir/Observation?patient=p1&_count=1&_total=accurate").json(), []
    while True:
        assert len(page.get("entry", [])) == 1
        shown.append(page["entry"][0]["resource"]["id"])
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        if not following:
            break
        page = secret.get(following[0].removeprefix("http://testserver")).json()
    assert len(shown) == len(set(shown)) == counted
    assert "gene" not in shown


def test_a_page_is_nobody_elses_and_ends_with_the_consent(secret):
    found = secret.get("/fhir/Observation?patient=p1&_count=1").json()
    (further,) = [link["url"] for link in found["link"] if link["relation"] == "next"]
    path = further.removeprefix("http://testserver")
    assert secret.get(path, "operator").status_code in (404, 410)
    mine = Session(secret.ward.house, secret.ward.patient)
    for body, state in mine.consents("p1"):
        if state == "in force":
            mine.revoke("p1", body["id"])
    assert not secret.get(path).json().get("entry")


def test_somebody_elses_patient_and_nobody_get_one_answer_everywhere(front):
    said = set()
    for patient in ("p2", "nobody"):
        answers = [
            front.get(path.format(patient))
            for path in ("/fhir/Patient/{}", "/fhir/Patient/{}/$everything", "/fhir/Patient?_id={}",
                         "/fhir/Observation?patient={}&_summary=count", "/fhir/Patient?identifier=urn:test:mrn|MRN-{}")
        ]  # fmt: skip
        hook = {"hook": "patient-view", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
                "context": {"userId": "Practitioner/x", "patientId": patient}}  # fmt: skip
        answers.append(front.post("/cds-services/salus-plan", hook, "dr-lee"))
        answers.append(
            front.post("/assistant/ask", {"question": "what was my creatinine?", "patient": patient}, "dr-lee")
        )
        said.add(tuple((a.status_code, a.text.replace(patient, "")) for a in answers))
    assert len(said) == 1


def test_how_many_others_hold_an_id_is_not_told(secret):
    before = secret.get("/fhir/Observation/c1")
    for n in range(25):
        put(secret.ward, person(f"x{n}"), creatinine("1.0", "2026-01-01", "c1", f"x{n}"), patient=f"x{n}")
    assert secret.get("/fhir/Observation/c1").status_code == before.status_code == 200


def test_the_time_of_a_finding_does_not_tell_that_something_is_withheld(front):
    ward = front.ward
    put(ward, HIV)
    file(Session(ward.house, ward.patient), except_({"type": "deny", "securityLabel": [LABEL]}))
    seen = []
    for _ in range(2):
        found = front.get("/fhir/Observation?patient=p1&_count=1000").json()["entry"]
        own = [e["resource"] for e in found if e["resource"]["id"].startswith("salus-")]
        seen.append({resource["id"]: resource["meta"]["lastUpdated"] for resource in own})
        ward.time += timedelta(minutes=3)
        front.tokens.clear()
    assert seen[0]
    assert seen[0] == seen[1]  # as for a reader from whom nothing is withheld


def test_a_method_that_fails_on_what_is_withheld_is_not_told(ward):
    file(stocked(ward), except_({"type": "deny", "code": [CREATININE]}))
    session = Session(ward.house, ward.clinician)
    good = next(m for m in session.methods()[0] if m.id == "risk.egfr")

    class Failing:
        def __getattr__(self, name):
            return getattr(good, name)

        def run(self, chart, context):
            if chart.latest("creatinine"):
                raise ValueError("a number that it cannot stand")
            return good.run(chart, context)

    session._methods = ([Failing()], [])
    opened = session.open("p1", AT)
    assert not [f for f in opened.refresh.failures if isinstance(f, Failure)]


def test_a_draft_does_not_tell_whether_somebody_decided_anew(ward):
    mine = stocked(ward)
    stranger = Session(ward.house, ward.clinician)

    def head(patient):
        body = stranger.drafted(patient, AT, actors=["dr-lee"], categories=["record"])
        return binding_of(body).previous

    before = head("p1"), head("nobody")
    file(mine)
    after = head("p1"), head("nobody")
    assert (before[0] == after[0]) == (before[1] == after[1])


def test_a_registrar_reads_no_consent_without_a_trace(ward):
    name = file(stocked(ward))
    before = leaves(ward.house)
    with suppress(AccessError):
        Session(ward.house, ward.operator).ended("p1", name, witnessed=True)
    assert leaves(ward.house) > before
