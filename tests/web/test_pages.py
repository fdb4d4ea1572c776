"""Every page: what it says, to whom, and that nobody else gets it."""

import re
from datetime import timedelta

import pytest

from salus.app.intake.intake import Intake
from salus.app.session import Session
from salus.errors import AccessError
from salus.trust.identity import Actor, Identity
from salus.web.mount import _routes
from tests.conftest import bundle, person

KEYLESS = ("/patients", "/me", "/me/ask", "/me/accesses", "/me/consents")
ALL = [
    *KEYLESS,
    "/patients/key",
    "/patients/key/trends",
    "/patients/key/in-plain-words",
    "/me/accesses/1/proof",
    "/me/consents/sign/key",
    "/me/consents/sign/key/file",
]
POSTS = [
    "/sign-out",
    "/sign-in",
    "/sign-in/demo",
    "/me/ask",
    "/me/consents/give",
    "/me/consents/close",
    "/me/consents/withhold",
    "/me/consents/end",
    "/me/consents/upload",
    "/me/consents/sign/key",
]


def person_page(reader):
    found = re.search(r'href="(/patients/[\w-]+)"', reader.get("/patients").text)
    return found.group(1) if found else None


def test_the_tables_of_these_tests_hold_every_route():
    open_to_all = {"/", "/sign-in", "/cards", "/cards/{name}", "/viewer", "/static/{name:path}", "/{rest:path}"}
    reads = {re.sub(r"\{n:int\}", "1", r.path).replace("{key}", "key") for r in _routes() if "GET" in r.methods}
    writes = {r.path.replace("{key}", "key") for r in _routes() if "POST" in r.methods}
    assert reads - open_to_all == set(ALL)
    assert writes - {"/{rest:path}"} == set(POSTS)


@pytest.mark.parametrize("address", ALL)
def test_without_signing_in_every_page_leads_to_the_sign_in_page(readers, address):
    answer = readers().get(address, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert answer.content == b""


@pytest.mark.parametrize("address", POSTS)
def test_a_form_without_the_csrf_token_of_a_page_does_nothing(readers, ward, address):
    reader = readers(ward.patient)
    files = {"signed": ("signed.json", b"{}")} if address.endswith("upload") else None
    for token in ({}, {"csrf": "0" * 64}, {"csrf": "é"}):
        answer = reader.http.post(address, data={**token, "category": "genome"}, files=files)
        assert answer.status_code in (400, 403), answer.text
        assert "did not come from a page" in answer.text or "not a form" in answer.text
    assert reader.get("/me", follow_redirects=False).status_code == 200


def test_a_form_sent_from_another_site_does_nothing(readers, ward):
    reader = readers(ward.patient)
    crossed = {"sec-fetch-site": "cross-site"}
    answer = reader.http.post("/sign-out", data={"csrf": reader.csrf_token("/cards")}, headers=crossed)
    assert answer.status_code == 403


def test_a_clinician_sees_who_released_something_and_the_plan(readers, ward, consent):
    consent()
    reader = readers(ward.clinician)
    listed = reader.get("/patients").text
    assert "Ada Example" in listed
    assert "Other" not in listed
    plan = reader.get(person_page(reader))
    assert plan.status_code == 200
    for said in ("Ada Example", "58 years", "Estimated GFR", "not a medical device", "This plan looked at"):
        assert said in plan.text
    assert "<svg" in reader.get(f"{person_page(reader)}/trends").text
    assert "What your tests show" in reader.get(f"{person_page(reader)}/in-plain-words").text


def test_no_address_holds_a_patients_id_and_no_answer_may_be_kept(readers, ward, consent):
    consent()
    reader = readers(ward.clinician)
    for address in ("/patients", person_page(reader)):
        answer = reader.get(address)
        assert not re.search(r'(?:href|action)="[^"]*\bp1\b', answer.text)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_a_key_of_one_web_session_means_nothing_in_another(readers, ward, consent):
    consent()
    first = readers(ward.clinician)
    address = person_page(first)
    assert first.get(address).status_code == 200
    assert readers(ward.clinician).get(address).status_code == 404


def test_denied_and_absent_get_the_same_page(readers, ward, consent):
    name = consent()
    reader = readers(ward.clinician)
    address = person_page(reader)
    ward.time += timedelta(minutes=1)
    Session(ward.house, ward.patient).revoke("p1", name)
    denied, absent = reader.get(address), reader.get("/patients/no-such-key")
    assert (denied.status_code, absent.status_code) == (404, 404)
    assert denied.content == absent.content
    assert "Nobody has released anything to you" in reader.get("/patients").text


@pytest.mark.parametrize("address", KEYLESS[1:])
def test_a_clinician_has_no_patients_pages(readers, ward, address):
    assert readers(ward.clinician).get(address).status_code == 404


def test_a_patient_reads_only_the_own_plan(readers, ward, other):
    mine = readers(ward.patient).get("/me").text
    assert "Ada Example" in mine
    assert "medical device" in mine
    theirs = readers(other).get("/me").text
    assert "Other" in theirs
    assert "Ada" not in theirs


def test_who_looked_is_told_with_a_proof(readers, ward, consent):
    consent()
    readers(ward.clinician).get("/patients")
    reader = readers(ward.patient)
    page = reader.get("/me/accesses").text
    assert re.search(r"<bdi>dr-lee</bdi></strong> opened the record", page)
    number = re.search(r"/me/accesses/(\d+)/proof", page).group(1)
    proof = reader.get(f"/me/accesses/{number}/proof")
    assert proof.content.startswith(b"c2sp.org/tlog-proof@v1")
    assert proof.headers["content-disposition"].startswith("attachment")
    assert readers(ward.clinician).get(f"/me/accesses/{number}/proof").status_code == 404
    assert "Nothing yet" in reader.get("/me/accesses?whose=own&before=0").text
    assert reader.get("/me/accesses?whose=everybody").status_code == 400


def test_a_refused_look_is_told(readers, ward):
    with pytest.raises(AccessError):
        Session(ward.house, ward.clinician).open("p1", ward.time)
    assert "asked to see the record and was refused" in readers(ward.patient).get("/me/accesses").text


def test_cards_are_open_to_everybody(readers):
    reader = readers()
    page = reader.get("/cards").text
    for name in re.findall(r'href="(/cards/[\w.-]+)"', page):
        assert "Intended use" in reader.get(name).text
    assert reader.get("/cards/no.such").status_code == 404
    assert reader.get("/cards/%3Cscript%3E").status_code == 404


def test_hostile_text_is_shown_and_never_acts(readers, ward, consent):
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    ward.write("p3.json", bundle(person("p3", name=[{"family": evil}])))
    assert not [t for t in Intake(Session(ward.house, ward.operator)).run([ward.folder / "p3.json"]) if t.error]
    them = Identity.generate("eve")
    ward.house.add_actor(Actor("eve", "patient", them.public_key, patient="p3", name=evil), by="operator")
    Session(ward.house, them).give_consent("p3", ward.time, actors=["dr-lee"], categories=["record"])
    clinician, patient = readers(ward.clinician), readers(them)
    pages = [clinician.get("/patients").text, clinician.get(person_page(clinician)).text]
    pages += [patient.get(address).text for address in KEYLESS[1:]]
    for page in pages:
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_no_page_holds_script_or_style_of_its_own(readers, ward, consent):
    consent()
    clinician, patient = readers(ward.clinician), readers(ward.patient)
    pages = [clinician.get(person_page(clinician)), *(patient.get(a) for a in ("/me", "/me/consents", "/cards"))]
    for page in [*pages, readers().get("/sign-in")]:
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        for rule in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"):
            assert rule in policy
        assert not re.search(r"<[^>]*\s(?:on\w+|style)\s*=", page.text)
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style", page.text)
        assert not re.search(r'(?:src|action)="(?!/)(?!data:)', page.text)


def test_a_failure_is_a_page_without_its_words(readers, ward, monkeypatch):
    from salus.web import patient

    reader = readers(ward.patient)
    monkeypatch.setattr(patient, "own_patient", lambda _: 1 / 0)
    answer = reader.get("/me")
    assert answer.status_code == 500
    assert "division" not in answer.text
    assert "The server failed" in answer.text


def test_files_of_ours_are_sent_and_no_others(readers):
    reader = readers()
    for address in re.findall(r'"(/static/[^"]+)"', reader.get("/sign-in").text):
        answer = reader.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    for path in ("/static/../__init__.py", "/static/%2e%2e/__init__.py", "/static/none.css", "/static/"):
        assert reader.get(path).status_code == 404


def test_libraries_are_named_only_where_they_were_packed_in(readers, ward, monkeypatch):
    from salus.web import files

    ours = {name: file for name, file in files.held().items() if not name.startswith("lib/")}
    monkeypatch.setattr(files, "held", lambda: ours)
    assert "/static/lib/" not in readers(ward.patient).get("/me/accesses").text
    packed = {**ours, "lib/htmx.min.js": files.File(b"", "text/javascript", "0")}
    monkeypatch.setattr(files, "held", lambda: packed)
    assert "/static/lib/htmx.min.js?0" in readers(ward.patient).get("/me/accesses").text


def test_the_patient_is_told_of_papers_and_emergencies(readers, ward):
    from datetime import timedelta

    from salus.trust import policy
    from salus.trust.identity import Actor, Identity
    from tests.trust.test_gate import rules

    assert "You should know" not in readers(ward.patient).get("/me/accesses").text
    clinic = Identity.generate("clinic")
    ward.house.add_actor(Actor("clinic", "organisation", clinic.public_key), by="operator")
    rule = {"basis": "vital-interest", "purposes": ["BTG"], "overrides-denial": True}
    ward.house.add_policy(policy.sign(rules(**rule), clinic), by="operator")
    who = ward.house.authenticate(ward.clinician)
    ward.house.gate.break_glass(who, "p1", "found <unconscious> at home", timedelta(hours=1))
    page = readers(ward.patient).get("/me/accesses").text
    assert "You should know" in page
    assert "in an emergency" in page
    assert "found &lt;unconscious&gt; at home" in page
