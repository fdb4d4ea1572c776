"""Consents on the pages: drafted there, signed elsewhere, in force at once; nothing is filed unsigned or for others."""

import base64
import html
import json
import re

import pytest

from salus.app.session import Session
from salus.app.web import consents as web_consents
from salus.errors import InputError
from salus.trust import consent_drafts

GIVE = {"actor": "dr-lee", "category": ["record", "genome"], "purpose": "TREAT"}


def draft(reader, address="/me/consents/give", **fields):
    """The page that asks for the signature."""
    return reader.post(address, **(fields or GIVE))


def document(page):
    return html.unescape(re.search(r'<pre class="document"[^>]*>(.*?)</pre>', page.text, re.DOTALL).group(1))


def sign(reader, identity, page):
    signature = base64.b64encode(identity.sign(document(page).encode())).decode()
    return reader.post(page.url.path, signature=signature)


def test_a_consent_is_given_with_a_signature_made_outside(readers, ward):
    patient, clinician = readers(ward.patient), readers(ward.clinician)
    page = draft(patient)
    assert "may read the health record and genes" in page.text
    assert "Ada" not in clinician.get("/patients").text
    done = sign(patient, ward.patient, page)
    assert "filed and in force" in done.text
    assert "Ada Example" in clinician.get("/patients").text


def test_revoking_closes_the_record(readers, ward, consent):
    name = consent()
    patient, clinician = readers(ward.patient), readers(ward.clinician)
    assert "Ada Example" in clinician.get("/patients").text
    sign(patient, ward.patient, draft(patient, "/me/consents/end", consent=name))
    assert "Ada Example" not in clinician.get("/patients").text
    assert "Nobody may read your record" in patient.get("/me/consents").text


def test_closing_a_kind_of_data_changes_the_plan_and_opening_it_brings_it_back(readers, ward):
    patient = readers(ward.patient)
    assert "Your kidney value" in patient.get("/me").text
    done = sign(patient, ward.patient, draft(patient, "/me/consents/close", category="record"))
    assert 'aria-checked="false"' in done.text
    assert "Your kidney value" not in patient.get("/me").text
    name = re.search(r'name="consent" value="([\w-]+)"', done.text).group(1)
    done = sign(patient, ward.patient, draft(patient, "/me/consents/end", consent=name))
    assert 'aria-checked="false"' not in done.text
    assert "Your kidney value" in patient.get("/me").text


@pytest.mark.parametrize("signature", ["", "x", "é", base64.b64encode(bytes(64)).decode(), "A" * 100_000])
def test_no_other_signature_is_taken(readers, ward, signature):
    patient = readers(ward.patient)
    page = draft(patient)
    assert patient.post(page.url.path, signature=signature).status_code == 400
    assert Session(ward.house, ward.patient).consents("p1") == []
    assert sign(patient, ward.clinician, page).status_code == 400
    assert sign(patient, ward.patient, page).status_code == 200


def test_the_server_signs_nothing_outside_a_demo_house(readers, ward):
    patient = readers(ward.patient)
    page = draft(patient)
    assert "demonstration key" not in page.text
    assert patient.post(page.url.path, demo="yes").status_code == 404
    assert Session(ward.house, ward.patient).consents("p1") == []


@pytest.mark.parametrize(
    "fields",
    [
        {**GIVE, "category": []},
        {**GIVE, "purpose": []},
        {**GIVE, "category": ["blood"]},
        {**GIVE, "actor": "pat"},
        {**GIVE, "actor": "nobody"},
        {**GIVE, "actor": ["dr-lee", "operator"]},
        {**GIVE, "until": "soon"},
        {**GIVE, "until": "2020-01-01"},
    ],
    ids=str,
)
def test_a_wrong_choice_is_explained(readers, ward, fields):
    answer = draft(readers(ward.patient), **fields)
    assert answer.status_code == 400
    assert "That did not work" in answer.text


def test_one_patient_cannot_reach_anothers_draft_or_consent(readers, ward, other, consent):
    name = consent()
    page = draft(readers(ward.patient))
    stranger = readers(other)
    assert stranger.get(page.url.path).status_code == 400
    assert stranger.get(f"{page.url.path}/file").status_code == 400
    assert stranger.post("/me/consents/end", consent=name).status_code == 400
    assert readers(ward.clinician).post("/me/consents/end", consent=name).status_code == 404


def test_the_file_way_signs_the_same_text(readers, ward, salus_files):
    patient = readers(ward.patient)
    page = draft(patient)
    saved = patient.get(f"{page.url.path}/file")
    assert saved.content.decode() == document(page)
    signed = salus_files(saved.content)
    answer = patient.http.post(
        "/me/consents/upload", data={"csrf": patient.csrf_token("/cards")}, files={"signed": signed}
    )
    assert "filed and in force" in answer.text
    assert "Ada Example" in readers(ward.clinician).get("/patients").text


@pytest.fixture
def salus_files(ward):
    def sign_file(data):
        signed = web_consents.sign_here(json.loads(data), ward.patient, ward.time)
        return ("signed.json", json.dumps(signed).encode(), "application/json")

    return sign_file


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"\xff", b'{"resourceType":"Bundle"}', b"x" * 300_000])
def test_a_file_that_is_no_signed_consent_is_refused(readers, ward, data):
    patient = readers(ward.patient)
    sent = {"signed": ("signed.json", data, "application/json")}
    answer = patient.http.post("/me/consents/upload", data={"csrf": patient.csrf_token("/cards")}, files=sent)
    assert answer.status_code in (400, 501)
    assert Session(ward.house, ward.patient).consents("p1") == []


def test_a_consent_signed_for_another_record_is_refused(readers, ward, other):
    forged = consent_drafts.consent_resource(id="f", patient="p1", dated=ward.time, permit=["record"], actors=["pip"])
    signed = web_consents.sign_here(forged, other, ward.time)
    stranger = readers(other)
    sent = {"signed": ("signed.json", json.dumps(signed).encode(), "application/json")}
    answer = stranger.http.post("/me/consents/upload", data={"csrf": stranger.csrf_token("/cards")}, files=sent)
    assert answer.status_code in (400, 404)
    assert Session(ward.house, ward.patient).consents("p1") == []


def test_what_is_signed_at_the_command_line_must_be_a_consent_in_full(ward):
    good = consent_drafts.consent_resource(id="f", patient="p1", dated=ward.time, permit=["record"], actors=["dr-lee"])
    assert web_consents.in_one_line(good) == "lets dr-lee read record"
    for wrong in (None, [], {}, {**good, "id": 3}, {**good, "provision": {"type": "maybe"}}):
        with pytest.raises(InputError):
            web_consents.sign_here(wrong, ward.patient, ward.time)


def test_at_most_twenty_drafts_wait_in_a_web_session(readers, ward):
    patient = readers(ward.patient)
    pages = [draft(patient) for _ in range(21)]
    assert patient.get(pages[0].url.path).status_code == 400
    assert patient.get(pages[-1].url.path).status_code == 200


KEEP = {"category": ["genome"], "actor": "", "shown": "flagged"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (KEEP, "Nobody else</strong> may read the genes; they are told that you keep it back"),
        ({**KEEP, "actor": "dr-lee"}, "dr-lee</bdi></strong> may not read the genes; they are told that you keep it"),
        ({**KEEP, "shown": "hidden", "category": ["genome", "image"]}, "the genes and images; it does not show"),
        ({**KEEP, "shown": "interlock"}, "they are told only of a severe conflict"),
    ],
)
def test_a_patient_keeps_something_back_and_ends_that(readers, ward, consent, fields, says):
    consent()
    patient, clinician = readers(ward.patient), readers(ward.clinician)
    address = re.search(r'href="(/patients/[\w-]+)"', clinician.get("/patients").text).group(1)
    page = draft(patient, "/me/consents/withhold", **fields)
    assert says in page.text
    done = sign(patient, ward.patient, page)
    assert "filed and in force" in done.text
    assert says in done.text
    told = clinician.get(address).text
    assert ("Withheld by the patient: genome." in told) == (fields["shown"] == "flagged")
    looks = patient.get("/me/accesses").text
    assert ("was told that you keep back genes" in looks) == (fields["shown"] == "flagged")
    name = re.search(r'name="consent" value="([\w-]+)"', done.text.partition('"withheld-title">')[2]).group(1)
    sign(patient, ward.patient, draft(patient, "/me/consents/end", consent=name))
    assert "Withheld by the patient" not in clinician.get(address).text
    assert says not in patient.get("/me/consents").text.partition("Ended or without effect")[0]


@pytest.mark.parametrize(
    "fields",
    [
        {**KEEP, "category": []},
        {**KEEP, "category": ["blood"]},
        {**KEEP, "actor": "pat"},
        {**KEEP, "shown": "loud"},
        {**KEEP, "shown": ""},
        {**KEEP, "shown": ["flagged", "hidden"]},
    ],
    ids=str,
)
def test_a_wrong_choice_of_what_to_keep_back_is_explained(readers, ward, fields):
    answer = draft(readers(ward.patient), "/me/consents/withhold", **fields)
    assert answer.status_code == 400
    assert Session(ward.house, ward.patient).consents("p1") == []


def test_a_denial_is_never_shown_as_a_permission(readers, ward):
    Session(ward.house, ward.patient).withhold("p1", ward.time, categories=["note"], actors=["dr-lee"])
    page = readers(ward.patient).get("/me/consents").text
    assert "Nobody may read your record by your consent" in page
    assert "may not read the notes and letters; it does not show" in page
