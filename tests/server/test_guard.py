"""Around the requests: no token no answer, limits, headers, no words of failures, and no 500 whatever is sent."""

from __future__ import annotations

import json
import logging
import threading
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route
from starlette.testclient import TestClient

from salus.app.house import House
from salus.server.application import create
from salus.server.service import Limits
from tests.conftest import creatinine
from tests.server.conftest import BASE

SLOW = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = ("patient", "subject", "code", "date", "_id", "_count", "_sort", "_total", "status", "identifier", "category")


def test_nothing_of_a_patient_is_said_without_a_token(front):
    front.consent()
    good = front.as_("dr-lee")["Authorization"].split()[1]
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}, {"Authorization": good}):
        for path in ("/fhir/Patient/p1", "/fhir/Observation?patient=p1", "/fhir/Patient/p1/$everything"):
            answer = front.http.get(path, headers=headers)
            assert (answer.status_code, "WWW-Authenticate" in answer.headers) == (401, True)
    assert front.http.get(f"/fhir/Patient/p1?access_token={good}").status_code in (400, 401)
    front.ward.time += timedelta(minutes=6)
    assert front.get("/fhir/Patient/p1").status_code == 401


def test_who_is_removed_by_another_process_is_out_at_once(front):
    front.consent()
    assert front.get("/fhir/Patient/p1").status_code == 200
    with House(front.ward.house.configuration, clock=lambda: front.ward.time) as other:
        other.remove_actor("dr-lee", by="operator")
    assert front.get("/fhir/Patient/p1").status_code == 401


def test_every_answer_carries_the_headers(front):
    for path in ("/fhir/metadata", "/fhir/Patient/p1", "/nowhere", "/cds-services"):
        headers = front.http.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
    assert front.http.get("/fhir/metadata", headers={"Host": "elsewhere.example"}).status_code == 421
    assert front.http.get("/fhir/Patient?name=" + "x" * 9000).status_code == 414


def test_bodies_are_bounded(ward):
    application = create(ward.house.configuration, base=BASE, clock=lambda: ward.time, limits=Limits(unknown=1000))
    with TestClient(application) as http:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert http.post("/auth/token", content=b"a=" + b"x" * 2000, headers=form).status_code == 413
        assert http.post("/auth/token", content=b"{}", headers={"Content-Type": "text/xml"}).status_code == 415
        assert http.post("/auth/token", content=b"{}", headers={**form, "Content-Encoding": "gzip"}).status_code == 415


def test_a_failure_inside_says_nothing_outside_nor_in_the_log(ward, caplog):
    async def broken(_):
        raise RuntimeError("Ada Example has diabetes")

    application = create(ward.house.configuration, base=BASE, clock=lambda: ward.time, routes=[Route("/x", broken)])
    with TestClient(application) as http, caplog.at_level(logging.DEBUG):
        answer = http.get("/x")
    assert (answer.status_code, answer.json()["resourceType"]) == (500, "OperationOutcome")
    assert "RuntimeError at tests.server.test_guard" in caplog.text
    assert "Ada" not in answer.text + caplog.text


def test_too_many_at_once_are_told_to_come_again(ward):
    limits = Limits(threads=1, waiting=1, seconds=30)
    application = create(ward.house.configuration, base=BASE, clock=lambda: ward.time, limits=limits)
    release, statuses = threading.Event(), []
    with TestClient(application) as http:
        import asyncio

        async def crowd():
            workers = application.state.salus.workers
            blocked = asyncio.ensure_future(workers.run(lambda _: release.wait(20)))
            await asyncio.sleep(0.2)
            waiting = asyncio.ensure_future(workers.run(lambda _: "done"))
            await asyncio.sleep(0.05)
            try:
                await workers.run(lambda _: None)
            except Exception as error:
                statuses.append(type(error).__name__)
            release.set()
            return await blocked, await waiting

        assert http.portal is not None
        assert http.portal.call(crowd) == (True, "done")
    assert statuses == ["StoreError"]


@SLOW
@given(st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=10), st.text(max_size=20)), max_size=4))
def test_no_search_whatever_fails_inside(front, pairs):
    answer = front.http.get("/fhir/Observation", params=pairs, headers=front.as_("pat"))
    assert answer.status_code in (200, 400, 501), answer.text


@SLOW
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20))
def test_no_address_whatever_fails_inside(front, path):
    from urllib.parse import quote

    for pattern in ("/fhir/{}", "/fhir/Observation/{}", "/fhir/{}/c1", "/fhir/Observation/c1/_history/{}", "/{}"):
        answer = front.http.get(pattern.format(quote(path)), headers=front.as_("pat"))
        assert answer.status_code < 500 or answer.status_code == 501, answer.text


def mutated(draw, value):
    """``value`` with one place replaced by any JSON."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: mutated(draw, value[key])}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        return [mutated(draw, value[0]), *value[1:]]
    return draw(JSON)


@st.composite
def bodies(draw):
    lab = {**creatinine("1.5", "2026-03-03", "x"), "valueQuantity": {"value": 1.5, "unit": "mg/dL"}}
    entry = {"fullUrl": "urn:uuid:1", "resource": lab, "request": {"method": "POST", "url": "Observation"}}
    consent = {"resourceType": "Consent", "id": "k", "patient": {"reference": "Patient/p1"}, "status": "active"}
    proof = {
        "resourceType": "Provenance",
        "id": "k-signature",
        "signature": [{"who": {"identifier": {"value": "pat"}}}],
    }
    signed = [{"resource": r, "request": {"method": "PUT", "url": "x"}} for r in (consent, proof)]
    hook = {
        "hook": "patient-view",
        "hookInstance": "e9f6b9a0-366c-47af-b11b-f6d54797030a",
        "context": {"userId": "Practitioner/x", "patientId": "p1"},
        "prefetch": {"a": {"resourceType": "Patient"}},
    }
    wholes = [
        ("/fhir/Observation", lab),
        ("/fhir", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}),
        ("/fhir", {"resourceType": "Bundle", "type": "transaction", "entry": signed}),
        ("/cds-services/salus-plan", hook),
    ]
    path, whole = draw(st.sampled_from(wholes))
    return path, mutated(draw, whole)


@settings(SLOW, max_examples=150)
@given(bodies())
def test_no_body_whatever_fails_inside(front, sent):
    path, body = sent
    answer = front.http.post(
        path, content=json.dumps(body), headers={**front.as_("operator"), "Content-Type": "application/json"}
    )
    assert answer.status_code < 500 or answer.status_code == 501, (path, body, answer.text)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[" * 100_000, b'{"a":1,"a":2}', b"\xff", b'{"a":1e999999}', b'"\\ud800"']
)
def test_hostile_json_is_refused(front, data):
    for path in ("/fhir/Observation", "/fhir", "/cds-services/salus-plan"):
        headers = {**front.as_("operator"), "Content-Type": "application/json"}
        assert front.http.post(path, content=data, headers=headers).status_code == 400
