"""Library, loaded passages, rewording, Alexa, slots: the parts of the assistant, each on its own."""

import gzip
import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from salus.assistant import alexa, booking, education, intents, medquad, reword
from salus.assistant.reply import Citation, Reply, Sentence
from salus.careplan.report.plain import MAX_GRADE, reading_grade, tells_to_stop
from salus.errors import ConfigurationError, InputError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_every_card_is_plain_has_sources_and_stops_no_medicine():
    cards = education.cards()
    assert len(cards) >= 12
    for card in cards.values():
        assert reading_grade(card.text) <= MAX_GRADE, card.id
        assert card.sources
        assert not [s for s in card.sentences if tells_to_stop(s)], card.id
    assert education.find("How do I measure my blood pressure at home?").id == "blood-pressure"
    assert education.find('NOT "a* OR (') is None


ROWS = [
    {"id": 1, "focus": "Gout", "qtype": "symptoms", "question": "What are the symptoms of Gout ?", "answer": "Pain."},
    {
        "id": 2,
        "focus": "Gout",
        "qtype": "treatment",
        "question": "What are the treatments for Gout ?",
        "answer": "Rest.",
    },
    {"id": 3, "focus": "Gouty tophi", "qtype": "symptoms", "question": "Symptoms of Gouty tophi ?", "answer": "Lumps."},
]


def packed(folder, rows):
    file = folder / "library.jsonl.gz"
    file.write_bytes(gzip.compress(b"".join(json.dumps({"url": "https://x", **r}).encode() + b"\n" for r in rows)))
    return file


def test_passages_are_found_by_focus_and_kind_of_question(tmp_path):
    index = tmp_path / "i.sqlite"
    assert medquad.learn(packed(tmp_path, ROWS), index) == 3
    assert [p.id for p in medquad.search(index, "how is gout treated?", 1)] == ["medquad-2"]
    assert [p.id for p in medquad.search(index, "signs of gout", 1)] == ["medquad-1"]
    assert medquad.search(index, 'gout" OR NEAR(* -- ', 1)
    assert not medquad.names("what is my shoe size", medquad.search(index, "gout", 1)[0])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json\n",
        b'{"id": 1}\n',
        b"\x1f\x8b\x08\x00broken",
        json.dumps(ROWS[0]).encode() + b"\n" + json.dumps(ROWS[0]).encode(),
    ],
)
def test_a_library_that_is_none_leaves_the_old_one(tmp_path, content):
    index, bad = tmp_path / "i.sqlite", tmp_path / "bad.jsonl"
    medquad.learn(packed(tmp_path, ROWS), index)
    before = index.read_bytes()
    bad.write_bytes(content)
    with pytest.raises(InputError):
        medquad.learn(bad, index)
    assert index.read_bytes() == before
    assert not index.with_name("i.sqlite.part").exists()


# ---- rewording

PLACE = Citation("record", "Observation/k", "potassium", 1)
REPLY = Reply(
    "answer", (Sentence("The latest recorded potassium is 4.3 mmol/L (18 May 2026). No clopidogrel.", (PLACE,)),)
)
GOOD = "Your newest potassium: 4.3 mmol/L, from 18 May 2026, recorded latest. No clopidogrel. [1]"


@contextmanager
def model(said, status=200):
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            data = json.dumps({"choices": [{"message": {"content": said}}]}).encode() if isinstance(said, str) else said
            self.send_response(status)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield reword.Endpoint(f"http://127.0.0.1:{server.server_port}/v1", "m", ""), heard
    finally:
        server.shutdown()
        server.server_close()


def test_a_rewording_that_keeps_every_fact_is_taken():
    with model(GOOD) as (where, heard):
        assert reword.reword(REPLY, where) == GOOD
    assert "4.3 mmol/L" in heard[0]["messages"][1]["content"]


@pytest.mark.parametrize(
    "said",
    [
        GOOD.replace("4.3", "4.8"),
        GOOD.replace("mmol/L", "mg/dL"),
        GOOD.replace("No clopidogrel", "Clopidogrel"),
        GOOD.replace("clopidogrel", "warfarin"),
        GOOD.replace(" [1]", ""),
        GOOD + " That is normal.",
        GOOD + " You should stop your tablets.",
        GOOD + " Take 2 more.",
        "",
        b"not json",
        b'{"choices": []}',
    ],
)
def test_a_rewording_that_changes_a_fact_is_dropped(said):
    with model(said) as (where, _):
        assert reword.reword(REPLY, where) == ""


def test_nothing_is_sent_unless_it_was_set_up_and_never_in_the_open():
    assert reword.endpoint({}) is None
    with pytest.raises(ConfigurationError):
        reword.endpoint({reword.URL: "http://example.org/v1"})
    assert reword.reword(REPLY, reword.Endpoint("http://127.0.0.1:9/v1", "m", "")) == ""


# ---- Alexa


def request(kind="IntentRequest", question="what is my potassium", token="t", at=NOW):
    return {
        "version": "1.0",
        "context": {"System": {"application": {"applicationId": "a"}, "user": {"userId": "u", "accessToken": token}}},
        "request": {
            "type": kind,
            "requestId": "r",
            "timestamp": at.isoformat().replace("+00:00", "Z"),
            "locale": "en-US",
            "intent": {"name": "AskIntent", "slots": {"question": {"name": "question", "value": question}}},
        },
    }


def test_alexa_says_nothing_of_anybody_before_the_account_is_linked():
    heard = alexa.read(request(token=""), NOW)
    said = alexa.without_record(heard, None)
    assert said["response"]["card"] == {"type": "LinkAccount"}
    linked = alexa.read(request(), NOW)
    assert alexa.without_record(linked, None) is None
    assert (linked.question, linked.token) == ("what is my potassium", "t")
    assert (
        alexa.without_record(alexa.read(request("LaunchRequest"), NOW), None)["response"]["shouldEndSession"] is False
    )
    assert alexa.without_record(alexa.read(request("SessionEndedRequest"), NOW), None)["response"] == {}


@pytest.mark.parametrize("away", [timedelta(seconds=151), timedelta(seconds=-151)])
def test_alexa_refuses_old_requests_and_what_is_none(away):
    alexa.read(request(at=NOW + away * (149 / 151)), NOW)
    for value in (request(at=NOW + away), {}, [], {"request": {"type": "X"}}, {"request": {"type": "IntentRequest"}}):
        with pytest.raises(InputError):
            alexa.read(value, NOW)
    with pytest.raises(InputError, match="another skill"):
        alexa.read(request(), NOW, application="b")


# ---- slots and questions


def diary(**changes):
    slot = {
        "resourceType": "Slot", "id": "s1", "schedule": {"reference": "Schedule/d"}, "status": "free",
        "start": "2026-06-08T09:00:00+02:00", "end": "2026-06-08T09:20:00+02:00", **changes,
    }  # fmt: skip
    schedule = {"resourceType": "Schedule", "id": "d", "actor": [{"display": "Dr Lee"}]}
    return {"resourceType": "Bundle", "entry": [{"resource": schedule}, {"resource": slot}]}


def test_only_free_slots_that_have_not_begun_are_offered():
    read = booking.read(diary())
    assert [f.id for f in booking.free(read, frozenset(), NOW)] == ["s1"]
    assert booking.free(read, frozenset({"s1"}), NOW) == []
    assert booking.free(read, frozenset(), NOW + timedelta(days=9)) == []
    assert booking.free(booking.read(diary(status="busy")), frozenset(), NOW) == []


@pytest.mark.parametrize(
    "value",
    [
        {}, {"resourceType": "Bundle"}, diary(start="2026-06-08"), diary(start="2026-06-08T09:00:00"),
        diary(end="2026-06-08T08:00:00+02:00"), diary(schedule={}), diary(id="../x"), diary(resourceType="Patient"),
    ],
)  # fmt: skip
def test_a_diary_that_is_none_is_refused(value):
    with pytest.raises(InputError):
        booking.read(value)


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("what is my last LDL?", "measure"),
        ("Which tablets am I on?", "medicines"),
        ("who has seen my file?", "who-looked"),
        ("can i stop taking aspirin", "stop-medicine"),
        ("why does my plan say this", "why-plan"),
        ("when is my next appointment", "appointment"),
        ("sing me a song", ""),
    ],
)
def test_a_question_is_of_one_kind_or_none(question, topic):
    assert intents.understand(question).topic == topic
