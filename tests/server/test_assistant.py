"""The assistant over HTTP: a red flag needs no token, everything else does; a voice tells only of its own record."""

import pytest
from starlette.testclient import TestClient

from salus.server import assistant
from salus.server.application import create
from tests.server.conftest import BASE


@pytest.fixture
def front(front):
    """The same server with the assistant's routes, as ``salus serve`` has them."""
    clock = front.ward.house.clock
    application = create(front.ward.house.configuration, base=BASE, clock=clock, routes=assistant.routes())
    with TestClient(application) as http:
        front.http = http
        yield front


def alexa(front, question, token=""):
    at = front.ward.time.isoformat().replace("+00:00", "Z")
    slots = {"question": {"name": "question", "value": question}}
    body = {
        "context": {"System": {"user": {"accessToken": token}}},
        "request": {"type": "IntentRequest", "timestamp": at, "intent": {"name": "AskIntent", "slots": slots}},
    }
    return front.http.post("/assistant/alexa", json=body)


def test_rest_answers_under_the_gate_and_an_emergency_without_a_token(front):
    assert front.http.post("/assistant/ask", json={"question": "I have chest pain"}).json()["kind"] == "emergency"
    assert front.http.post("/assistant/ask", json={"question": "what is my creatinine"}).status_code == 401
    asked = {"question": "what is the last creatinine", "patient": "p1"}
    assert front.post("/assistant/ask", asked, "dr-lee").status_code == 404
    front.consent()
    told = front.post("/assistant/ask", asked, "dr-lee").json()
    assert told["kind"] == "answer"
    assert told["sentences"][0]["citations"]
    assert "mg/dL" in told["speech"]


@pytest.mark.parametrize("body", [[], {}, {"question": ""}, {"question": 1}, {"question": "x", "patient": 4}])
def test_a_body_that_is_no_question_is_refused(front, body):
    assert front.post("/assistant/ask", body, "pat").status_code == 400


def test_alexa_links_first_and_tells_only_of_ones_own_record(front):
    assert alexa(front, "what is my creatinine").json()["response"]["card"]["type"] == "LinkAccount"
    assert alexa(front, "what is my creatinine", "nonsense").json()["response"]["card"]["type"] == "LinkAccount"
    assert "emergency" in alexa(front, "i can not breathe").json()["response"]["outputSpeech"]["text"]
    front.consent()
    doctor = front.sign_in("dr-lee")["access_token"]
    assert "mg/dL" not in alexa(front, "what is my creatinine", doctor).text
    own = front.sign_in("pat")["access_token"]
    assert "mg/dL" in alexa(front, "what is my creatinine", own).text
