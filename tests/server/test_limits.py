"""What a request may cost before and after signing in: read, parsed and counted only when it is its turn."""

from __future__ import annotations

import json as plain_json
import threading

import pytest
from starlette.testclient import TestClient

from salus.fhir import json
from salus.server import assistant, guard
from salus.server.application import create
from salus.server.auth import FORM
from salus.server.service import Limits
from tests.server.conftest import BASE


def asgi(front, method, path, headers, pieces=None):
    """One request straight to the application; returns status and how many pieces of its body were read."""
    read, sent = [], []
    given = iter(pieces or [])

    async def receive():
        read.append(1)
        piece = next(given, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"testserver"), *[(k.lower().encode(), v.encode()) for k, v in headers.items()]],
        "client": ("192.0.2.1", 1), "server": ("testserver", 80), "state": {},
    }  # fmt: skip
    front.http.portal.call(front.http.app, scope, receive, send)
    return sent[0]["status"], len(read)


@pytest.fixture
def asked(front):
    """The same server with the assistant's routes, as ``salus serve`` has them."""
    application = create(
        front.ward.house.configuration, base=BASE, clock=front.ward.house.clock, routes=assistant.routes()
    )
    with TestClient(application) as http:
        front.http = http
        yield front


BODIES = [
    ("/fhir/Observation", "application/fhir+json"),
    ("/fhir", "application/fhir+json"),
    ("/fhir/Observation/_search", FORM),
    ("/cds-services/salus-plan", "application/json"),
]


@pytest.mark.parametrize(("path", "media"), BODIES)
@pytest.mark.parametrize("token", ["", "Bearer nonsense", "Bearer a.b.c"])
def test_no_body_is_read_before_the_token_is_good(front, path, media, token):
    headers = {"Content-Type": media, **({"Authorization": token} if token else {})}
    assert asgi(front, "POST", path, headers, [b"{}"]) == (401, 0)
    good = front.as_("operator")["Authorization"]
    status, read = asgi(front, "POST", path, {"Content-Type": media, "Authorization": good}, [b"{}"])
    assert (status == 401, read > 0) == (False, True)


def test_a_token_for_reading_opens_no_body_to_be_filed(front):
    token = front.sign_in("operator", scope="system/*.rs")["access_token"]
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    assert asgi(front, "POST", "/fhir/Observation", headers, [b"{}"]) == (403, 0)


@pytest.mark.parametrize(
    ("path", "media", "length"),
    [
        ("/auth/token", FORM, 32 << 10),
        ("/assistant/alexa", "application/json", 64 << 10),
        ("/fhir/Observation/_search", FORM, 64 << 10),
        ("/cds-services/salus-plan", "application/json", 2 << 20),
        ("/fhir/Observation", "application/json", 8 << 20),
    ],
)
def test_every_kind_of_body_has_its_own_bound(asked, path, media, length):
    headers = {"Content-Type": media, **asked.as_("operator")}
    said = {**headers, "Content-Length": str(length + 1)}
    assert asgi(asked, "POST", path, said, [b"x"]) == (413, 0)
    pieces = [b"x" * (64 << 10)] * (length // (64 << 10) + 1)
    assert asgi(asked, "POST", path, headers, pieces)[0] == 413


def test_a_long_question_of_nobody_is_not_read(asked):
    headers = {"Content-Type": "application/json", "Content-Length": "4097"}
    assert asgi(asked, "POST", "/assistant/ask", headers, [b"x"]) == (401, 0)
    short = {"Content-Type": "application/json", "Content-Length": "20"}
    assert asgi(asked, "POST", "/assistant/ask", short, [b"{}"])[1] > 0


def test_nothing_is_parsed_on_the_event_loop(asked, monkeypatch):
    parsed = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda data: parsed.append(threading.current_thread().name) or loads(data))
    asked.post("/assistant/ask", {"question": "what is my creatinine"}, "pat")
    asked.http.post("/assistant/ask", json={"question": "hello"})
    asked.http.post("/assistant/alexa", json={})
    asked.post("/fhir/Observation", {}, "operator")
    asked.post("/fhir", {}, "operator")
    asked.post("/cds-services/salus-plan", {}, "operator")
    assert len([name for name in parsed if name.startswith("salus-")]) >= 6
    assert all(name.startswith("salus-") for name in parsed)


def test_the_values_of_a_body_are_bounded(ward, front):
    limits = Limits(values=50)
    application = create(ward.house.configuration, base=BASE, clock=lambda: ward.time, limits=limits)
    with TestClient(application) as http:
        front.http, front.tokens = http, {}
        many = {"resourceType": "Basic", "x": [1] * 60}
        refused = front.post("/fhir/Basic", many)
        assert refused.status_code == 400
        assert "more than 50 values" in refused.json()["issue"][0]["diagnostics"]
        assert "values" not in front.post("/fhir/Basic", {**many, "x": [1] * 40}).text


def test_questions_of_one_asker_are_bounded_and_another_is_heard(asked):
    statuses = [asked.post("/assistant/ask", {"question": "hello"}, "pat").status_code for _ in range(14)]
    assert statuses[:10] == [200] * 10
    assert 429 in statuses[10:]
    refused = asked.post("/assistant/ask", {"question": "hello"}, "pat")
    if refused.status_code == 429:
        assert refused.headers["retry-after"]
        assert refused.json()["issue"][0]["code"] == "throttled"
    assert asked.post("/assistant/ask", {"question": "hello"}, "pip").status_code == 200


def test_a_spoken_question_is_no_longer_than_speech(asked):
    at = asked.ward.time.isoformat().replace("+00:00", "Z")
    slots = {"question": {"name": "question", "value": "x" * 1001}}
    request = {"type": "IntentRequest", "timestamp": at, "intent": {"name": "AskIntent", "slots": slots}}
    assert asked.http.post("/assistant/alexa", json={"request": request}).status_code == 400


def test_who_is_refused_again_and_again_is_refused_slowly_and_others_are_not(front, monkeypatch):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr(guard.asyncio, "sleep", sleep)
    for _ in range(2 * int(guard.FREE_REFUSALS)):
        assert asgi(front, "GET", "/cds-services", {})[0] == 200
    for _ in range(int(guard.FREE_REFUSALS)):
        assert asgi(front, "GET", "/fhir/Patient/p1", {})[0] == 401
    assert waited == []
    for _ in range(10):
        asgi(front, "GET", "/fhir/Patient/p1", {})
    assert waited
    assert set(waited) == {guard.DELAY}
    before = len(waited)
    for _ in range(3):
        assert front.http.get("/fhir/Patient/p2").status_code == 401  # from another address
        assert asgi(front, "GET", "/cds-services", {})[0] == 200  # no refusal
        assert asgi(front, "GET", "/fhir/Patient/p1?x=1", front.as_("pip"))[0] == 404  # of somebody who is signed in
    assert len(waited) == before


def test_bodies_beyond_the_room_for_them_are_refused_and_room_comes_back(ward, front):
    limits = Limits(memory=100_000, memory_each=100_000, patience=0.05, pace=1 << 30)
    application = create(ward.house.configuration, base=BASE, clock=lambda: ward.time, limits=limits)
    with TestClient(application) as http:
        front.http, front.tokens = http, {}
        headers = {"Content-Type": "application/json", **front.as_("operator"), "Content-Length": "90000"}
        budget = application.state.salus.budget
        budget._hold(type("W", (), {"size": 50_000, "askers": ("operator",)}))
        assert asgi(front, "POST", "/fhir/Basic", headers, [b"x"]) == (503, 0)
        budget.give_back(50_000, ["operator"])
        assert asgi(front, "POST", "/fhir/Basic", headers, [b"x"])[0] == 400
        http.portal.call(__import__("asyncio").sleep, 0.02)
        assert budget._used == 0


def test_an_error_keeps_nothing_of_the_request_that_met_it(front):
    from salus.server.lines import busy, too_many

    assert busy() is not busy()
    assert too_many() is not too_many()
    tokens = front.http.app.state.salus.tokens
    errors = []
    for _ in range(2):
        with pytest.raises(Exception, match="no token") as met:
            tokens.known("nonsense", front.ward.time)
        errors.append(met.value)
    assert errors[0] is not errors[1]


def test_the_form_of_a_token_request_is_parsed_in_a_worker_and_told_as_before(front):
    def post(text):
        return front.http.post("/auth/token", content=text, headers={"Content-Type": FORM})

    for text, code in (
        (b"\xff", "invalid_request"),
        (b"a=1&a=2", "invalid_request"),
        (b"client_assertion=x&grant_type=password", "unsupported_grant_type"),
        (b"client_assertion=x&grant_type=client_credentials", "invalid_request"),
    ):
        answer = post(text)
        assert (answer.status_code, plain_json.loads(answer.text)["error"]) == (400, code)
