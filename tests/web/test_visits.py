"""Coming in and going out: who is let in, for how long, and what a cookie is worth afterwards."""

from datetime import timedelta

import pytest

from salus.app import tokens as module
from salus.app.refusals import NotSignedIn
from salus.app.tokens import Tokens, assertion
from salus.app.web_visits import IDLE, LIFE, MAX_VISITS_EACH, Visits
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


def begin(ward, visits, tokens, identity):
    line = assertion(identity, f"{BASE}/auth/token", ward.time)
    return visits.begin(ward.house, tokens, line, f"{BASE}/auth/token")


def gone(tokens, token, now):
    try:
        tokens.look(token, now)
    except NotSignedIn:
        return True
    return False


def test_however_a_visit_ends_its_token_ends_with_it(ward):
    visits, tokens = Visits(), Tokens(ward.time)
    kept, left, idle, found = (begin(ward, visits, tokens, ward.patient) for _ in range(4))
    at = {name: visits.find(cookie) for name, cookie in (("left", left), ("idle", idle), ("found", found))}
    visits.forget(left)
    assert gone(tokens, at["left"].token, ward.time)
    assert not gone(tokens, at["idle"].token, ward.time)
    ward.time += IDLE - timedelta(seconds=1)
    visits.go_on(visits.find(kept), ward.time)
    ward.time += timedelta(seconds=2)
    with pytest.raises(NotSignedIn):
        visits.go_on(at["found"], ward.time)
    assert gone(tokens, at["found"].token, ward.time)
    assert visits.find(found) is None
    newest = begin(ward, visits, tokens, ward.clinician)  # sweeps the one that nobody came back to
    assert gone(tokens, at["idle"].token, ward.time)
    assert visits.find(idle) is None
    assert not gone(tokens, visits.find(kept).token, ward.time)
    assert not gone(tokens, visits.find(newest).token, ward.time)


def test_one_visit_too_many_ends_the_actors_own_that_was_longest_unused(ward):
    visits, tokens = Visits(), Tokens(ward.time)
    other = begin(ward, visits, tokens, ward.clinician)
    cookies = [begin(ward, visits, tokens, ward.patient) for _ in range(MAX_VISITS_EACH)]
    visits.go_on(visits.find(cookies[0]), ward.time)
    begin(ward, visits, tokens, ward.patient)
    assert [visits.find(c) is None for c in cookies[:3]] == [False, True, False]
    assert not gone(tokens, visits.find(cookies[0]).token, ward.time)
    assert visits.find(other) is not None
    assert len(visits._kept) == MAX_VISITS_EACH + 1


def test_ten_thousand_sign_ins_of_one_keep_nobody_out(ward, monkeypatch):
    monkeypatch.setattr(module, "MAX_SEEN_EACH", 400)  # the attack in small: more than all that may be remembered
    monkeypatch.setattr(module, "MAX_SEEN", 300)
    visits, tokens = Visits(), Tokens(ward.time)
    refused = 0
    for _ in range(500):
        try:
            begin(ward, visits, tokens, ward.patient)
        except NotSignedIn:
            refused += 1
    assert refused >= 100
    assert visits.find(begin(ward, visits, tokens, ward.clinician)).actor.id == "dr-lee"
    assert len(visits._kept) <= MAX_VISITS_EACH + 1


def test_signing_out_over_http_ends_the_token_of_the_visit(readers, ward):
    reader = readers(ward.patient)
    tokens = reader.http.app.state.salus.tokens
    assert len(tokens._kept) == 1
    reader.post("/sign-out")
    assert len(tokens._kept) == 0


def test_signing_in_anew_ends_the_visit_before(readers, ward):
    reader = readers(ward.patient)
    tokens = reader.http.app.state.salus.tokens
    line = assertion(ward.clinician, f"{BASE}/auth/token", ward.time)
    reader.http.post("/sign-in", data={"word": reader.word("/cards"), "assertion": line})
    assert len(tokens._kept) == 1


def test_who_is_not_signed_in_sends_short_forms_only(readers, ward):
    reader = readers()
    long = "word=" + reader.word() + "&assertion=" + "x" * 40_000
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert reader.http.post("/sign-in", content=long, headers=form).status_code == 413
    media = {"Content-Type": "multipart/form-data"}
    assert reader.http.post("/me/consents/upload", content=b"x", headers=media).url.path == "/sign-in"
