"""Reads and searches over HTTP: what is released comes, whole and only that; denied and absent look the same."""

from __future__ import annotations

from datetime import timedelta

import pytest

from salus.app.fhir.api import Records
from salus.app.serving.cache import Cache
from salus.app.session import Session
from salus.errors import AccessError
from salus.fhir import columns, series
from salus.record.store import Change, Store
from tests.conftest import AT, bundle, creatinine, person


def refs(answer):
    assert answer.status_code == 200, answer.text
    return [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in answer.json().get("entry", [])]


def test_a_read_needs_a_basis_and_is_logged(front):
    denied = front.get("/fhir/Patient/p1")
    absent = front.get("/fhir/Patient/nobody")
    assert (denied.status_code, denied.content) == (absent.status_code, absent.content)
    assert denied.status_code == 404
    front.consent()
    answer = front.get("/fhir/Patient/p1")
    assert answer.json()["birthDate"] == "1968-03-14"
    assert answer.headers["content-type"] == "application/fhir+json"
    entries = front.ward.house.log.entries(front.ward.house.store.connection, topic="access", patient="p1")
    assert [e.content["decision"] for e in entries if e.content["actor"] == "dr-lee"] == ["deny", "permit"]


def test_revoked_consent_closes_everything_at_once(front):
    name = front.consent()
    paths = ("/fhir/Patient/p1", "/fhir/Patient/p1/$everything", "/fhir/DocumentReference/d1", "/fhir/Observation/c3")
    assert [front.get(p).status_code for p in paths] == [200] * 4
    following = front.get("/fhir/Observation?patient=p1&_count=2").json()["link"][1]["url"]
    front.revoke(name)
    assert [front.get(p).status_code for p in paths] == [404] * 4
    assert refs(front.get("/fhir/Observation?patient=p1")) == []
    assert refs(front.get("/fhir/Observation")) == []
    assert "entry" not in front.get(following).json()


def test_what_the_consent_leaves_out_is_in_no_answer(front):
    front.consent(categories=["record"])
    assert front.get("/fhir/DocumentReference/d1").status_code == 404
    assert refs(front.get("/fhir/DocumentReference?patient=p1")) == []
    assert front.get("/fhir/DocumentReference?patient=p1&_total=accurate").json()["total"] == 0
    assert not [r for r in refs(front.get("/fhir/Patient/p1/$everything?_count=1000")) if r == "DocumentReference/d1"]
    assert "DocumentReference/d1" in refs(front.get("/fhir/Patient/p1/$everything?_count=1000", "pat"))


def test_another_purpose_needs_another_consent(front):
    front.consent(purposes=["TREAT"])
    assert front.get("/fhir/Patient/p1").status_code == 200
    assert front.get("/fhir/Patient/p1", **{"X-Purpose-Of-Use": "HRESCH"}).status_code == 404
    assert front.get("/fhir/Patient/p1", **{"X-Purpose-Of-Use": "no such"}).status_code == 400


def test_of_a_list_only_what_is_shown_is_opened(front, monkeypatch):
    """Whether findings are the reader's own or the stored ones; later pages go on where the first one ended."""
    front.consent(categories=["record", "note"])
    whole = refs(front.get("/fhir/Observation?patient=p1"))
    every = refs(front.get("/fhir/Observation?patient=p1&_count=1000", "pat"))
    opened = []
    open_row = Store.open_row

    def noted(*row):
        if row[2] == "Observation":  # the gate of another thread's house may open the consent
            opened.append(row[3])
        return open_row(*row)

    monkeypatch.setattr(Store, "open_row", noted)
    for name, expected in (("dr-lee", whole), ("pat", every)):
        opened.clear()
        first = front.get("/fhir/Observation?patient=p1&_count=3&_total=accurate", name)
        assert [f"Observation/{name}" for name in opened] == refs(first) == expected[:3]
        assert first.json()["total"] == len(expected)
        second = front.get(first.json()["link"][1]["url"], name)
        assert refs(second) == expected[3:6]
        assert refs(front.get(f"/fhir/Observation?patient=p1&_id={expected[-1].partition('/')[2]}", name)) == [
            expected[-1]
        ]
        opened.clear()
        counted = front.get("/fhir/Observation?patient=p1&_summary=count", name).json()
        assert (counted["total"], opened) == (len(expected), [])


SEARCHES = {
    "patient=p1&code=http://loinc.org|2160-0": 10,
    "patient=p1&code=2160-0": 10,
    "patient=p1&code=http://loinc.org|2160-0,http://loinc.org|1-1": 10,
    "patient=p1&code=http://loinc.org|1-1": 0,
    "patient=p1&code=|2160-0": 0,
    "patient=Patient/p1&code=2160-0&date=2026-01-03": 1,
    "subject=Patient/p1&code=2160-0&date=ge2026-01-03": 8,
    "patient=p1&code=2160-0&date=gt2026-01-03": 7,
    "patient=p1&code=2160-0&date=sa2026-01-03": 7,
    "patient=p1&code=2160-0&date=lt2026-01-03": 2,
    "patient=p1&code=2160-0&date=eb2026-01-03": 2,
    "patient=p1&code=2160-0&date=le2026-01-03": 3,
    "patient=p1&code=2160-0&date=ne2026-01-03": 9,
    "patient=p1&code=2160-0&date=2026-01": 10,
    "patient=p1&code=2160-0&date=2026": 10,
    "patient=p1&code=2160-0&date=2025": 0,
    "patient=p1&code=2160-0&date=ge2026-01-03&date=lt2026-01-05": 2,
    "patient=p1&code=2160-0&status=final": 10,
    "patient=p1&code=2160-0&status=final,amended": 10,
    "patient=p1&status=cancelled": 0,
    "patient=p1&_id=c1,c2": 2,
    "_id=c1": 1,
    "patient=p1,p2&code=2160-0": 10,
    "patient=p2": 0,
    "patient=nobody": 0,
    "subject=Group/p1": 0,
}


@pytest.mark.parametrize(("query", "found"), SEARCHES.items(), ids=SEARCHES)
def test_search(front, query, found):
    front.consent()
    assert len(refs(front.get(f"/fhir/Observation?{query}"))) == found
    form = front.http.post(
        "/fhir/Observation/_search",
        content=query,
        headers={**front.as_("dr-lee"), "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert len(refs(form)) == found


def test_an_id_of_another_server_is_nobody_here(front):
    front.consent()
    own = front.get("/fhir/Observation?patient=p1&_count=1").json()["link"][0]["url"].split("/fhir/")[0] + "/fhir"
    assert len(refs(front.get(f"/fhir/Observation?patient={own}/Patient/p1&code=2160-0"))) == 10
    for other in ("https://elsewhere.example/fhir/Patient/p1", "urn:uuid:p1"):
        assert refs(front.get(f"/fhir/Observation?patient={other}&code=2160-0")) == []
        assert refs(front.get(f"/fhir/Observation?subject={other}&patient=p1")) == []


def test_people_are_found_by_identifier_only_where_they_release_something(front):
    query = "/fhir/Patient?identifier=urn:test:mrn|MRN-p1"
    assert refs(front.get(query)) == []
    front.consent()
    assert refs(front.get(query)) == ["Patient/p1"]
    assert refs(front.get("/fhir/Patient")) == ["Patient/p1"]
    assert refs(front.get("/fhir/Patient?family=exam&birthdate=1968-03&gender=female")) == ["Patient/p1"]
    assert refs(front.get("/fhir/Patient?family:exact=exam")) == []


REFUSED = [
    "patient=p1&nonsense=1", "pateint=p1", "patient:foo=p1", "patient=", "patient=p1,", "patient=Group/x", "code=a|b|c",
    "code:in=x", "date=yesterday", "date=ap2026", "date=2026-02-30", "_count=many", "_count=-1", "_count=1&_count=2",
    "_total=perhaps", "_id=a b", "_sort=code", "_include=Observation:subject", "status=x|final",
    "patient=p1&date=ge2026-01-01T00:00:00+01:00", "_id=" + ",".join(["x"] * 101), "_summary=text", "_format=xml",
]  # fmt: skip


@pytest.mark.parametrize("query", REFUSED)
def test_what_is_not_understood_is_refused_and_no_value_is_repeated(front, query):
    answer = front.get(f"/fhir/Observation?{query}")
    assert answer.status_code in (400, 501), answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert "yesterday" not in answer.text


def test_lenient_handling_never_drops_the_patient(front):
    front.consent()
    lenient = {"Prefer": "handling=lenient"}
    assert len(refs(front.get("/fhir/Observation?patient=p1&_id=c1&nonsense=1", **lenient))) == 1
    assert front.get("/fhir/Observation?pateint=p1", **lenient).status_code == 400


def test_pages_are_one_snapshot(front):
    front.consent()
    query = "/fhir/Observation?patient=p1&code=2160-0&_count=4&_total=accurate"
    page, seen = front.get(query).json(), []
    front.ward.write(
        "more/m.json", bundle(creatinine("9.99", "2026-01-01", "c4"), creatinine("8.88", "2026-01-09", "z"))
    )
    from salus.app.intake.intake import Intake
    from salus.app.session import Session

    Intake(Session(front.ward.house, front.ward.operator), patient="p1").run([front.ward.folder / "more"])
    while True:
        assert page["total"] == 10
        seen += [(e["resource"]["id"], str(e["resource"]["valueQuantity"]["value"])) for e in page["entry"]]
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        if not following:
            break
        assert "p1" not in following[0]
        assert front.get(following[0], "pat").status_code == 410
        page = front.get(following[0]).json()
    assert seen == [(f"c{n}", str(float(f"1.{n:02}"))) for n in range(10)]
    assert front.get(query).json()["total"] == 11
    front.ward.time += timedelta(minutes=11)
    front.tokens.clear()
    assert front.get(f"/fhir/_page/{'x' * 32}").status_code == 410


def test_sorting_and_counting(front):
    front.consent()
    newest = refs(front.get("/fhir/Observation?patient=p1&code=2160-0&_sort=-date&_count=2"))
    assert newest == ["Observation/c9", "Observation/c8"]
    counted = front.get("/fhir/Observation?patient=p1&code=2160-0&_summary=count").json()
    assert (counted["total"], "entry" in counted) == (10, False)


def test_versions_history_and_conditional_reads(front):
    front.consent()
    first = front.get("/fhir/Observation/c4")
    assert front.get("/fhir/Observation/c4", **{"If-None-Match": first.headers["etag"]}).status_code == 304
    front.ward.write("more/m.json", bundle(creatinine("9.90", "2026-01-05", "c4")))
    from salus.app.intake.intake import Intake
    from salus.app.session import Session

    Intake(Session(front.ward.house, front.ward.operator), patient="p1").run([front.ward.folder / "more"])
    now = front.get("/fhir/Observation/c4", **{"If-None-Match": first.headers["etag"]})
    assert (now.status_code, now.headers["etag"]) == (200, 'W/"2"')
    assert '"value":9.90,' in now.text
    assert [e["response"]["etag"] for e in front.get("/fhir/Observation/c4/_history").json()["entry"]] == [
        'W/"2"',
        'W/"1"',
    ]
    assert '"value":1.04,' in front.get("/fhir/Observation/c4/_history/1").text
    for version in ("3", "x", "0"):
        assert front.get(f"/fhir/Observation/c4/_history/{version}").status_code == 404


def test_one_id_in_two_records_is_never_mixed_up(front):
    front.consent()
    assert front.get("/fhir/Observation/c0").json()["subject"]["reference"] == "Patient/p1"
    assert front.get("/fhir/Observation/c0", "pip").json()["subject"]["reference"] == "Patient/p2"
    from salus.app.session import Session

    Session(front.ward.house, front.people["pip"]).give_consent(
        "p2", front.ward.time, actors=["dr-lee"], categories=["record"]
    )
    assert front.get("/fhir/Observation/c0").status_code == 409
    assert front.get("/fhir/Observation?code=2160-0").status_code == 409
    assert len(refs(front.get("/fhir/Observation?_id=c0&patient=p2"))) == 1


def test_a_finding_that_no_longer_holds_is_not_served(front):
    front.consent()
    found = front.get("/fhir/Observation?patient=p1&code=urn:salus:code|egfr&_count=1000").json()
    values = {e["resource"]["id"]: e["resource"] for e in found.get("entry", [])}
    assert values
    front.ward.write("more/m.json", bundle(creatinine("3.00", "2026-05-30", "new")))
    from salus.app.intake.intake import Intake
    from salus.app.session import Session

    Intake(Session(front.ward.house, front.ward.operator), patient="p1").run([front.ward.folder / "more"])
    for name, old in values.items():
        answer = front.get(f"/fhir/Observation/{name}")
        assert answer.status_code == 404 or answer.json().get("valueQuantity") != old["valueQuantity"]


def test_the_statement_says_what_works(front):
    statement = front.http.get("/fhir/metadata").json()
    resources = {r["type"]: r for r in statement["rest"][0]["resource"]}
    front.consent()
    for kind in ("Patient", "Observation", "Condition", "MedicationRequest", "AllergyIntolerance", "Consent"):
        for parameter in resources[kind]["searchParam"]:
            value = {"date": "ge2020", "reference": "Patient/p1", "quantity": "5.4"}.get(parameter["type"], "x")
            value = "true" if parameter["name"] == "active" else value
            answer = front.get(f"/fhir/{kind}?{parameter['name']}={value}")
            assert answer.status_code in (200, 409), (kind, parameter, answer.text)
    codes = {i["code"] for r in resources.values() for i in r["interaction"]}
    assert not codes & {"update", "delete", "patch"}
    for method in ("PUT", "PATCH", "DELETE"):
        answer = front.http.request(method, "/fhir/Observation/c1", headers=front.as_("operator"))
        assert (answer.status_code, answer.json()["resourceType"]) == (405, "OperationOutcome")


def outcomes(answer):
    return [e for e in answer.json().get("entry", []) if e["search"]["mode"] == "outcome"]


def test_a_search_says_what_the_patient_withholds_where_that_is_to_be_told(front):
    front.consent(categories=["record", "note"])
    before = front.get("/fhir/Observation?patient=p1&_total=accurate").json()
    mine = Session(front.ward.house, front.ward.patient)
    mine.withhold("p1", front.ward.time, categories=["image"], shown="interlock")
    assert front.get("/fhir/Observation?patient=p1&_total=accurate").json() == before
    mine.withhold("p1", front.ward.time, categories=["genome", "signal"], shown="flagged")
    answer = front.get("/fhir/Observation?patient=p1&_total=accurate")
    (outcome,) = outcomes(answer)
    (issue,) = outcome["resource"]["issue"]
    assert (issue["severity"], issue["code"]) == ("information", "suppressed")
    assert "genome, signal." in issue["diagnostics"]
    assert {**answer.json(), "entry": answer.json()["entry"][:-1]} == before
    for path in ("ImagingStudy?patient=p1", "Patient/p1/$everything", "MolecularSequence?patient=p1"):
        assert len(outcomes(front.get(f"/fhir/{path}"))) == 1
    for path in ("Observation", "Patient?_id=p1", "Observation?patient=p1,p2", "Observation?patient=p1&_summary=count"):
        assert outcomes(front.get(f"/fhir/{path}")) == []
    assert outcomes(front.get("/fhir/Observation?patient=p1", "operator")) == []


def test_the_last_results_of_a_code_come_by_lastn(front):
    front.consent()
    answer = front.get("/fhir/Observation/$lastn?patient=p1&code=2160-0&max=2")
    assert refs(answer) == ["Observation/c9", "Observation/c8"]
    assert answer.json()["total"] == 2
    assert len(refs(front.get("/fhir/Observation/$lastn?patient=Patient/p1&code=2160-0"))) == 1
    statement = front.http.get("/fhir/metadata").json()["rest"][0]["resource"]
    (observation,) = (r for r in statement if r["type"] == "Observation")
    assert [o["name"] for o in observation["operation"]] == ["lastn"]
    for wrong in (
        "code=2160-0",
        "patient=p1",
        "patient=p1&code=x&max=x",
        "patient=p1&code=x&max=1&max=2",
        "patient=p1&code=x&y=1",
    ):
        assert front.get(f"/fhir/Observation/$lastn?{wrong}").status_code == 400
    assert refs(front.get("/fhir/Observation/$lastn?patient=nobody&code=2160-0")) == []
    assert front.http.get("/fhir/Observation/$lastn?patient=p1&code=2160-0").status_code == 401


def test_a_single_reading_is_read_out_of_its_block(ward):
    """Findings refer to readings by these ids."""
    start = columns.micros(AT) - columns.DAY
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    head = series.Head(code, (series.Part(code, "/min"),), "Watch")
    rows = [(start + n * 60_000_000, 0, ((60 + n, 0),), 0, "") for n in range(3)]
    block = series.body(head, columns.in_columns(rows), "Patient/p1")
    scope = ward.house.gate.custodian(ward.house.authenticate(ward.operator), "p1")
    changes = [Change("Patient", "p1", person()), Change("Observation", block["id"], block)]
    ward.house.store.commit(scope, changes, at=ward.house.time())
    records = Records(Session(ward.house, ward.patient), Cache())
    for n, one in enumerate(series.expand(block)):
        found = records.read("Observation", one["id"])
        assert found.body["valueQuantity"]["value"] == 60 + n
        assert found.source.ref == f"Observation/{one['id']}"
    other = Change("Observation", "lab.20260101", {**block, "id": "lab.20260101"})
    ward.house.store.commit(scope, [other], at=ward.house.time())
    assert records.read("Observation", "lab.20260101").source.ref == "Observation/lab.20260101"
    with pytest.raises(AccessError):
        records.read("Observation", block["id"] + ".01000000")
    with pytest.raises(AccessError):
        Records(Session(ward.house, ward.clinician), Cache()).read("Observation", series.expand(block)[0]["id"])
