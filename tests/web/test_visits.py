"""Coming in and going out: who is let in, for how long, and what a cookie is worth afterwards."""

from datetime import timedelta

import pytest

from salus.app.tokens import assertion
from salus.app.web_visits import IDLE, LIFE
from salus.trust.identity import Identity, demo_identity
from tests.web.conftest import BASE


def cookie(reader):
    return reader.http.cookies["salus"]


def test_signing_in_gives_another_cookie_that_no_script_sees(readers, ward):
    reader = readers()
    reader.get("/sign-in")
    before = cookie(reader)
    answer = reader.sign_in(ward.patient)
    assert cookie(reader) != before
    said = answer.history[0].headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said
    assert "max-age" not in said


def test_with_encryption_the_cookie_is_held_to_this_host(ward):
    from starlette.testclient import TestClient

    from salus import web
    from salus.server.application import create

    application = create(ward.house.configuration, base="https://salus.test", routes=web.routes())
    with TestClient(application, base_url="https://salus.test") as http:
        said = http.get("/sign-in").headers["set-cookie"]
    assert said.startswith("__Host-salus=")
    assert "Secure" in said


@pytest.mark.parametrize("line", ["", "x", "a.b.c", "é", "x" * 9000])
def test_what_is_no_assertion_does_not_let_in(readers, line):
    reader = readers()
    answer = reader.http.post("/sign-in", data={"word": reader.word(), "assertion": line})
    assert answer.status_code == 401
    assert "Not signed in" in answer.text
    assert reader.get("/me", follow_redirects=False).status_code == 303


def test_a_strangers_signature_does_not_let_in(readers, ward):
    assert readers().sign_in(Identity.generate("pat")).status_code == 401
    assert readers().sign_in(Identity.generate("nobody")).status_code == 401


def test_a_line_is_good_once(readers, ward):
    reader = readers()
    line = assertion(ward.patient, f"{BASE}/auth/token", ward.time)
    first = reader.http.post("/sign-in", data={"word": reader.word(), "assertion": line})
    assert first.status_code == 200
    again = readers()
    assert again.http.post("/sign-in", data={"word": again.word(), "assertion": line}).status_code == 401


def test_signing_out_ends_the_visit_on_the_server(readers, ward):
    reader = readers(ward.patient)
    kept = cookie(reader)
    assert reader.post("/sign-out").url.path == "/sign-in"
    reader.http.cookies.set("salus", kept, domain="testserver.local", path="/")
    reader.http.cookies.clear()
    assert reader.get("/me", headers={"cookie": f"salus={kept}"}, follow_redirects=False).status_code == 303


def test_an_idle_visit_ends_and_says_so(readers, ward):
    reader = readers(ward.patient)
    for _ in range(3):
        ward.time += IDLE - timedelta(seconds=1)
        assert reader.get("/me", follow_redirects=False).status_code == 200
    ward.time += IDLE + timedelta(seconds=1)
    answer = reader.get("/me")
    assert answer.url.path == "/sign-in"
    assert "Nobody was here for a while" in answer.text
    assert reader.get("/me", follow_redirects=False).headers["location"] == "/sign-in"


def test_a_busy_visit_ends_too(readers, ward):
    reader = readers(ward.patient)
    for _ in range(int(LIFE / IDLE)):
        ward.time += IDLE
        last = reader.get("/me/looks", follow_redirects=False)
    assert last.status_code == 303


def test_who_is_removed_is_out_at_once(readers, ward):
    reader = readers(ward.clinician)
    ward.house.remove_actor("dr-lee", by="operator")
    answer = reader.get("/patients")
    assert answer.url.path == "/sign-in"
    assert answer.status_code == 200


def test_demo_actors_come_in_without_a_key_only_in_a_demo_house(readers, ward):
    reader = readers()
    assert "Look around" not in reader.get("/sign-in").text
    assert reader.post("/sign-in/demo", "/sign-in", actor="pat").status_code == 404
    assert reader.post("/sign-in/demo", "/sign-in", actor="demo-clinician").status_code == 404
    assert readers().sign_in(demo_identity("demo-clinician")).status_code == 401
