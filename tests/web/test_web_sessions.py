"""Coming in and going out: who is let in, for how long, and what a cookie is worth afterwards."""

from datetime import timedelta

import pytest

from salus.app.intake.intake import Intake
from salus.app.refusals import NotSignedIn
from salus.app.serving import state as server_state
from salus.app.serving import tokens as module
from salus.app.serving.state import DRAFT, WEB_SESSION
from salus.app.serving.tokens import Tokens, assertion
from salus.app.session import Session
from salus.app.web.sessions import IDLE, LIFE, SEEN, Idle, WebSessions
from salus.errors import AccessError, InputError
from salus.record.state import Kind
from salus.trust.identity import Identity, demo_identity
from tests.conftest import bundle, person
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
    answer = reader.http.post("/sign-in", data={"csrf": reader.csrf_token(), "assertion": line})
    assert answer.status_code == 401
    assert "Not signed in" in answer.text
    assert reader.get("/me", follow_redirects=False).status_code == 303


def test_a_strangers_signature_does_not_let_in(readers, ward):
    assert readers().sign_in(Identity.generate("pat")).status_code == 401
    assert readers().sign_in(Identity.generate("nobody")).status_code == 401


def test_a_line_is_good_once(readers, ward):
    reader = readers()
    line = assertion(ward.patient, f"{BASE}/auth/token", ward.time)
    first = reader.http.post("/sign-in", data={"csrf": reader.csrf_token(), "assertion": line})
    assert first.status_code == 200
    again = readers()
    assert again.http.post("/sign-in", data={"csrf": again.csrf_token(), "assertion": line}).status_code == 401


def test_signing_out_ends_the_web_session_on_the_server(readers, ward):
    reader = readers(ward.patient)
    kept = cookie(reader)
    assert reader.post("/sign-out").url.path == "/sign-in"
    reader.http.cookies.set("salus", kept, domain="testserver.local", path="/")
    reader.http.cookies.clear()
    assert reader.get("/me", headers={"cookie": f"salus={kept}"}, follow_redirects=False).status_code == 303


def test_an_idle_web_session_ends_and_says_so(readers, ward):
    reader = readers(ward.patient)
    for _ in range(3):
        ward.time += IDLE - timedelta(seconds=1)
        assert reader.get("/me", follow_redirects=False).status_code == 200
    ward.time += IDLE + timedelta(seconds=1)
    answer = reader.get("/me")
    assert answer.url.path == "/sign-in"
    assert "Nobody was here for a while" in answer.text
    assert reader.get("/me", follow_redirects=False).headers["location"] == "/sign-in"


def test_a_busy_web_session_ends_too(readers, ward):
    reader = readers(ward.patient)
    for _ in range(int(LIFE / IDLE)):
        ward.time += IDLE
        last = reader.get("/me/accesses", follow_redirects=False)
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


@pytest.fixture
def begin(ward):
    """Begins a web session as another process would; gives it, and the web sessions that this process knows."""

    def made(identity):
        web_sessions = WebSessions(ward.house.vault)
        line = assertion(identity, f"{BASE}/auth/token", ward.time)
        return web_sessions.begin(ward.house, Tokens(ward.house.vault), line, f"{BASE}/auth/token"), web_sessions

    return made


def rows(ward, kind):
    (count,) = ward.house.store.connection.execute(
        "SELECT count(*) FROM server_state WHERE kind = ?", (kind.name,)
    ).fetchone()
    return count


def test_a_web_session_is_known_to_every_process_and_ends_in_every_process(ward, begin):
    web_session, first = begin(ward.patient)
    second = WebSessions(ward.house.vault)
    assert first.known(web_session.cookie) == (True, web_session)
    assert second.known(web_session.cookie) == (False, None)
    assert second.find(ward.house, web_session.cookie) == web_session
    assert second.enter(ward.house, web_session).id == "pat"
    first.end(ward.house, web_session.cookie)
    with pytest.raises(NotSignedIn):
        second.enter(ward.house, web_session)
    assert second.known(web_session.cookie) == (False, None)
    assert second.find(ward.house, web_session.cookie) is None


def test_the_cookie_of_nobody_is_not_looked_up(ward):
    web_sessions = WebSessions(ward.house.vault)
    for cookie in ("", "x", "A" * 54, "é", Tokens(ward.house.vault)._stamp.make()):
        assert web_sessions.known(cookie) == (True, None)
        assert web_sessions.find(ward.house, cookie) is None


def test_idleness_is_counted_over_all_processes(ward, begin):
    web_session, first = begin(ward.patient)
    second = WebSessions(ward.house.vault)
    ward.time += IDLE - SEEN
    second.enter(ward.house, web_session)
    ward.time += IDLE
    first.enter(ward.house, web_session)
    ward.time += IDLE + timedelta(seconds=1)
    with pytest.raises(Idle):
        second.enter(ward.house, web_session)
    assert rows(ward, WEB_SESSION) == 0


def test_a_moment_later_nothing_is_written(ward, begin):
    web_session, web_sessions = begin(ward.patient)
    before = ward.house.store.connection.total_changes
    ward.time += SEEN - timedelta(seconds=1)
    web_sessions.enter(ward.house, web_session)
    assert ward.house.store.connection.total_changes == before
    ward.time += timedelta(seconds=1)
    web_sessions.enter(ward.house, web_session)
    assert ward.house.store.connection.total_changes > before


def test_one_web_session_too_many_ends_the_actors_own_that_was_longest_unused(ward, begin):
    other, web_sessions = begin(ward.clinician)
    own = [begin(ward.patient)[0] for _ in range(WEB_SESSION.each)]
    ward.time += SEEN
    web_sessions.enter(ward.house, own[0])
    begin(ward.patient)
    ended = [web_sessions.find(ward.house, each.cookie) is None for each in own[:3]]
    assert ended == [False, True, False]
    assert web_sessions.find(ward.house, other.cookie) is not None
    assert rows(ward, WEB_SESSION) == WEB_SESSION.each + 1


def test_sign_ins_of_one_without_end_keep_nobody_out(ward, begin, monkeypatch):
    monkeypatch.setattr(module, "ASSERTION", Kind("assertion", 30))  # the attack in small
    refused = 0
    for _ in range(50):
        try:
            begin(ward.patient)
        except NotSignedIn:
            refused += 1
    assert refused == 20
    assert begin(ward.clinician)[0].actor.id == "dr-lee"
    assert rows(ward, WEB_SESSION) == WEB_SESSION.each + 1


def test_a_key_means_a_patient_in_its_own_web_session_only(ward, begin):
    ward.write("p1.json", bundle(person()))
    ward.write("p2.json", bundle(person("p2")))
    Intake(Session(ward.house, ward.operator)).run([ward.folder])
    web_session, _ = begin(ward.clinician)
    another, _ = begin(ward.clinician)
    keys = {patient: web_session.key(ward.house, patient) for patient in ("p1", "p2")}
    assert {len(key) for key in keys.values()} == {32}
    assert web_session.key(ward.house, "p1") == keys["p1"] != another.key(ward.house, "p1")
    again = WebSessions(ward.house.vault).find(ward.house, web_session.cookie)
    assert [again.patient(ward.house, keys[patient]) for patient in ("p1", "p2")] == ["p1", "p2"]
    for wrong in (keys["p1"][:-1], "", "é", keys["p1"][::-1], another.key(ward.house, "p1")):
        with pytest.raises(AccessError):
            web_session.patient(ward.house, wrong)


def test_what_waits_for_a_signature_waits_in_every_process_and_is_sealed_to_its_patient(ward, begin):
    ward.write("p1.json", bundle(person()))
    Intake(Session(ward.house, ward.operator)).run([ward.folder])
    web_session, web_sessions = begin(ward.patient)
    keys = [web_session.keep(ward.house, {"resourceType": "Consent", "n": n}) for n in range(DRAFT.each + 1)]
    again = WebSessions(ward.house.vault).find(ward.house, web_session.cookie)
    assert again.draft(ward.house, keys[-1]) == {"resourceType": "Consent", "n": DRAFT.each}
    with pytest.raises(InputError, match="waits no longer"):
        again.draft(ward.house, keys[0])
    with pytest.raises(InputError, match="waits no longer"):
        begin(ward.patient)[0].draft(ward.house, keys[-1])
    state = server_state.reading(ward.house)
    assert state.find(DRAFT, web_session._draft(keys[-1]), ward.time) is None, "not under the house's own key"
    again.drop(ward.house, keys[-1])
    assert rows(ward, DRAFT) == DRAFT.each - 1
    web_sessions.end(ward.house, web_session.cookie)
    assert rows(ward, DRAFT) == 0


def test_signing_out_over_http_ends_the_web_session(readers, ward):
    reader = readers(ward.patient)
    assert rows(ward, WEB_SESSION) == 1
    reader.post("/sign-out")
    assert rows(ward, WEB_SESSION) == 0


def test_signing_in_anew_ends_the_session_before(readers, ward):
    reader = readers(ward.patient)
    line = assertion(ward.clinician, f"{BASE}/auth/token", ward.time)
    reader.http.post("/sign-in", data={"csrf": reader.csrf_token("/cards"), "assertion": line})
    assert rows(ward, WEB_SESSION) == 1


def test_a_web_session_and_its_forms_outlive_a_restart(readers, ward):
    from starlette.testclient import TestClient

    from salus import web
    from salus.server.application import create

    reader = readers(ward.patient)
    word = reader.csrf_token("/cards")
    application = create(ward.house.configuration, base=BASE, clock=lambda: ward.time, routes=web.routes())
    with TestClient(application) as http:
        headers = {"cookie": f"salus={cookie(reader)}"}
        assert http.get("/me", headers=headers, follow_redirects=False).status_code == 200
        left = http.post("/sign-out", data={"csrf": word}, headers=headers, follow_redirects=False)
        assert left.headers["location"] == "/sign-in"
    assert reader.get("/me", follow_redirects=False).status_code == 303


def test_who_is_not_signed_in_sends_short_forms_only(readers, ward):
    reader = readers()
    long = "csrf=" + reader.csrf_token() + "&assertion=" + "x" * 40_000
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert reader.http.post("/sign-in", content=long, headers=form).status_code == 413
    media = {"Content-Type": "multipart/form-data"}
    assert reader.http.post("/me/consents/upload", content=b"x", headers=media).url.path == "/sign-in"
