"""The log of a record as AuditEvents over HTTP: for its patient alone, complete, newest first, a page at a time."""

import pytest

from salus.trust import audit

BASE = "http://testserver"


@pytest.fixture
def looked(front):
    """p1's record after some looks of a practitioner, one of them refused."""
    front.get("/fhir/Observation?patient=p1")  # before there is a consent
    front.consent()
    for _ in range(3):
        assert front.get("/fhir/Patient/p1").status_code == 200
    return front


def numbers(bundle):
    return [int(entry["resource"]["id"].removeprefix("log-")) for entry in bundle.get("entry", [])]


def test_the_patient_sees_every_entry_of_the_log_newest_first(looked):
    answer = looked.get("/fhir/AuditEvent?patient=p1", "pat")
    assert answer.status_code == 200
    bundle = answer.json()
    house = looked.ward.house
    written = [e.n for e in house.log.entries(house.store.connection, patient="p1")]
    assert numbers(bundle) == written[::-1]
    events = [entry["resource"] for entry in bundle["entry"]]
    for event in events:
        audit.check(event)
        assert event["source"]["observer"]["identifier"]["value"] == house.registry.store_id
    assert {e["outcome"] for e in events} == {"0", "8"}
    newest = events[0]
    assert [a["who"]["identifier"]["value"] for a in newest["agent"] if a.get("requestor")] == ["pat"]
    assert [link["relation"] for link in bundle["link"]] == ["self"]


def test_pages_follow_each_other_without_gap_while_looking_adds_entries(looked):
    house = looked.ward.house
    before = [e.n for e in house.log.entries(house.store.connection, patient="p1")]
    path, seen = "/fhir/AuditEvent?patient=Patient/p1&_count=2&date=ge2000-01-01&date=lt2100", []
    while path:
        bundle = looked.get(path, "pat").json()
        assert len(bundle["entry"]) <= 2
        seen += numbers(bundle)
        following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        path = following[0].removeprefix(BASE) if following else ""
    assert seen == sorted(seen, reverse=True)
    assert set(before) < set(seen)


def test_a_date_narrows(looked):
    year = looked.ward.time.year
    whole = numbers(looked.get(f"/fhir/AuditEvent?patient=p1&date={year}", "pat").json())
    assert len(whole) > 3
    assert numbers(looked.get(f"/fhir/AuditEvent?patient=p1&date=lt{year}", "pat").json()) == []


def test_one_event_is_read_by_its_id_and_searched_by_a_form(looked):
    n = numbers(looked.get("/fhir/AuditEvent?patient=p1", "pat").json())[-1]
    event = looked.get(f"/fhir/AuditEvent/log-{n}", "pat").json()
    assert event["id"] == f"log-{n}"
    headers = {**looked.as_("pat"), "Content-Type": "application/x-www-form-urlencoded"}
    posted = looked.http.post("/fhir/AuditEvent/_search", content="patient=p1&_count=1", headers=headers)
    assert len(posted.json()["entry"]) == 1


@pytest.mark.parametrize("name", ["log-0", "log-999999", "log-007", "log--1", "other", f"log-{10**17}"])
def test_what_is_another_records_or_nobodys_gets_the_same_words(looked, name):
    answer = looked.get(f"/fhir/AuditEvent/{name}", "pat")
    assert answer.status_code == 404
    assert answer.content == looked.get("/fhir/AuditEvent/log-888888", "pat").content


@pytest.mark.parametrize("path", ["/fhir/AuditEvent?patient=p1", "/fhir/AuditEvent/log-5"])
def test_a_practitioner_is_refused_and_the_question_is_logged(looked, path):
    house = looked.ward.house
    before = house.log.newest(house.store.connection).size
    assert looked.get(path).status_code == 404
    assert house.log.newest(house.store.connection).size == before + 1


@pytest.mark.parametrize(
    "query",
    ["", "patient=", "patient=Group/1", "patient=p1&patient=p2", "patient=p1&agent=x", "patient=p1&_count=0",
     "patient=p1&_before=0", "patient=p1&_before=x", "patient=p1&date=soon", f"patient=p1&_before={10**18}"],
)  # fmt: skip
def test_a_question_that_is_not_understood_is_refused(looked, query):
    answer = looked.get(f"/fhir/AuditEvent?{query}", "pat")
    assert answer.status_code == 400, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_the_capability_statement_tells_of_it(front):
    resources = front.http.get("/fhir/metadata").json()["rest"][0]["resource"]
    (told,) = [r for r in resources if r["type"] == "AuditEvent"]
    assert [p["name"] for p in told["searchParam"]] == ["patient", "date"]
